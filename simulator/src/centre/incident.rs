//! What happens by itself: crashes, dying hosts, changing load; and the ends of boots.

use homeostat_model::{ResourceId, Value, Verb};

use super::{
    DataCentre,
    agenda::Due,
    host::{Host, Life},
    workload::{Phase, Workload},
};
use crate::Incident;

impl DataCentre {
    /// Lets something happen now. What cannot happen (the crash of what does not run) does not.
    pub fn inject(&mut self, incident: &Incident) {
        let elapsed = self.now.since(self.start);
        match incident {
            Incident::Crash(id) => self.crash(id, None),
            Incident::Kill(id) => self.go_silent(id, Life::Dead),
            Incident::Isolate(id) => self.go_silent(id, Life::Isolated),
            Incident::Revive(id) => self.revive(id),
            Incident::Load { resource, cores, ramp } => {
                if let Some(workload) = self.workloads.get_mut(resource) {
                    workload.load.turn(elapsed, *cores, *ramp);
                }
            }
            Incident::Memory { resource, bytes, ramp } => {
                if let Some(workload) = self.workloads.get_mut(resource) {
                    workload.memory_use.turn(elapsed, *bytes, *ramp);
                }
            }
        }
    }

    /// `id` ends by a fault of its own, for this reason if it is known.
    pub(super) fn crash(&mut self, id: &ResourceId, reason: Option<&str>) {
        let Some(workload) = self.workloads.get(id) else { return };
        let (host, starting) = (workload.host.clone(), workload.phase == Phase::Starting);
        let alive = self.hosts.get(&host).is_some_and(|host| matches!(host.life, Life::Up | Life::Isolated));
        if !alive || !(starting || workload.is_active()) {
            return;
        }
        let restarts = workload.restarts;
        self.figures.crashes += 1;
        self.halt(id, Phase::Crashed);
        self.fail_deeds_of(id, &format!("{id} crashed meanwhile"));
        if let Some(pause) = restarts {
            self.agenda.add(self.now + pause, Due::Relaunch(id.clone()));
        }
        // On a host that cannot be reached nobody sees it.
        if self.hosts.get(&host).is_some_and(Host::is_up) {
            self.changed(id);
            let mut attributes = vec![("host", Value::from(host.as_str()))];
            attributes.extend(reason.map(|reason| ("reason", Value::from(reason))));
            let container = id.kind() == "container";
            if container {
                // As an engine tells it: killed by the kernel, or ended by itself with an error.
                let code = if reason.is_some() { 137.0 } else { 1.0 };
                attributes.extend([("exitCode", Value::from(code)), ("requested", Value::from(false))]);
            }
            self.happened(id, if container { "died" } else { "crashed" }, &attributes);
        }
    }

    /// A host breaks or is cut off: from outside, both are silence.
    fn go_silent(&mut self, id: &ResourceId, into: Life) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        host.broken |= into == Life::Dead;
        let reachable = matches!(host.life, Life::Up | Life::Booting);
        let possible = match into {
            Life::Isolated => host.life == Life::Up,
            _ => reachable || host.life == Life::Isolated,
        };
        if !possible {
            return;
        }
        host.life = into;
        for workload in self.placed_on(id) {
            if into == Life::Dead {
                self.effects.vanished(&workload, id);
            }
            self.fail_deeds_of(&workload, &format!("{id} went down meanwhile"));
        }
        self.fail_deeds_towards(id, &format!("{id} went down meanwhile"));
        if reachable {
            self.announce_host(id, "down");
        }
    }

    fn revive(&mut self, id: &ResourceId) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        host.broken = false;
        match host.life {
            Life::Dead => {
                self.boot(id);
                self.lose_guests(id, "its host was lost");
            }
            Life::Isolated => {
                host.life = Life::Up;
                self.announce_host(id, "up");
            }
            Life::Up | Life::Booting | Life::Off => {}
        }
    }

    /// Says what a host is now, with all that is on it.
    pub(super) fn announce_host(&mut self, id: &ResourceId, what: &str) {
        self.changed(id);
        let workloads = self.placed_on(id);
        workloads.iter().for_each(|workload| self.changed(workload));
        let count = f64::from(u32::try_from(workloads.len()).unwrap_or(u32::MAX));
        self.happened(id, what, &[("workloads", Value::from(count))]);
    }

    /// Begins to boot a host; [`Self::finish_boot`] follows on the agenda.
    pub(super) fn boot(&mut self, id: &ResourceId) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        host.life = Life::Booting;
        host.boots += 1;
        let (at, boots) = (self.now + host.boot_time, host.boots);
        self.agenda.add(at, Due::Boot(id.clone(), boots));
        self.changed(id);
    }

    pub(super) fn finish_boot(&mut self, id: &ResourceId, boot: u64) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        if host.life != Life::Booting || host.boots != boot {
            return;
        }
        if host.broken {
            host.life = Life::Off;
            self.changed(id);
            return;
        }
        host.life = Life::Up;
        host.fenced = false;
        self.announce_host(id, "up");
    }

    /// What was on this host has ended with it, and that is known now.
    pub(super) fn lose_guests(&mut self, host: &ResourceId, reason: &str) {
        for id in self.placed_on(host) {
            let was = self.workloads.get(&id).map(|workload| workload.phase);
            self.halt(&id, Phase::Stopped);
            self.fail_deeds_of(&id, reason);
            self.changed(&id);
            if was.is_some_and(|phase| !matches!(phase, Phase::Stopped | Phase::Crashed)) {
                self.happened(&id, "stopped", &[("host", host.as_str().into()), ("reason", reason.into())]);
            }
        }
    }

    /// What is placed on `host`, in the order of ids.
    pub(super) fn placed_on(&self, host: &ResourceId) -> Vec<ResourceId> {
        let placed = self.workloads.iter().filter(|(_, workload)| workload.host == *host);
        placed.map(|(id, _)| id.clone()).collect()
    }

    /// Ends what runs of `id`, and puts it into `phase`.
    pub(super) fn halt(&mut self, id: &ResourceId, phase: Phase) {
        let Some(workload) = self.workloads.get_mut(id) else { return };
        workload.phase = phase;
        self.effects.vanished(id, &workload.host);
    }

    /// What crashed starts by itself, if nobody did anything with it meanwhile.
    pub(super) fn relaunch(&mut self, id: &ResourceId) {
        let crashed = self.workloads.get(id).filter(|workload| workload.phase == Phase::Crashed);
        if crashed.and_then(|workload| self.home(workload)).is_some_and(Host::is_up) && self.deeds.on(id).is_none() {
            self.appear(id);
        }
    }

    /// `id` runs from now on where it is placed, which is the effect of `verb`.
    pub(super) fn launch(&mut self, id: &ResourceId, verb: Verb) {
        if self.workloads.contains_key(id) {
            self.effects.done(id, verb);
        }
        self.appear(id);
    }

    fn appear(&mut self, id: &ResourceId) {
        let Some(workload) = self.workloads.get_mut(id) else { return };
        workload.phase = Phase::Running;
        let host = workload.host.clone();
        self.effects.appeared(id, &host, self.now);
        self.changed(id);
        self.happened(id, "started", &[("host", host.as_str().into())]);
    }

    /// The host of a workload, when there are both.
    pub(super) fn home(&self, workload: &Workload) -> Option<&Host> {
        self.hosts.get(&workload.host)
    }
}
