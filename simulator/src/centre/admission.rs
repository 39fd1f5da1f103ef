//! Whether a step can be done now: room, states, and that nothing can come to run twice.

use homeostat_model::{Action, Amount, IdempotencyKey, ResourceId, StepCommand, StepResult, Verb};
use homeostat_port::Refusal;

use super::{
    DataCentre,
    host::{Host, Life},
    workload::{Phase, Workload},
};
use crate::number;

/// Sums of fractions of cores may be off by this much and still be equal.
const CORE_TOLERANCE: f64 = 1e-9;

/// Virtual cores and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Needs {
    pub(super) vcpus: f64,
    pub(super) memory_bytes: u64,
}

impl Needs {
    fn of(workload: &Workload) -> Self {
        Self { vcpus: workload.vcpus, memory_bytes: workload.memory_bytes }
    }

    /// What `workload` has once it was given `amount`.
    pub(super) fn given(workload: &Workload, amount: &Amount) -> Self {
        Self {
            vcpus: amount.vcpus.unwrap_or(workload.vcpus),
            memory_bytes: amount.memory_bytes.unwrap_or(workload.memory_bytes),
        }
    }

    /// The greater of each: what a workload may come to need while it is being resized.
    fn at_least(self, other: Self) -> Self {
        Self { vcpus: self.vcpus.max(other.vcpus), memory_bytes: self.memory_bytes.max(other.memory_bytes) }
    }
}

impl DataCentre {
    /// Whether the step can be done now. Changes nothing. What is already as the step wants it is allowed.
    ///
    /// # Errors
    /// [`Refusal`] with the reason.
    pub fn check(&self, command: &StepCommand) -> Result<(), Refusal> {
        if command.generation < self.newest {
            let (given, newest) = (command.generation.0, self.newest.0);
            return refuse(format!("generation {given} is older than {newest}"));
        }
        let id = &command.resource;
        let Some(resource) = self.describe(id) else {
            return refuse(format!("there is no {id} here"));
        };
        let verb = command.action.verb();
        if !self.offers.can(id.kind(), verb) {
            return refuse(format!("{verb} cannot be done to a {}", id.kind()));
        }
        if self.is_running(&command.key) || matches!(self.outcome(&command.key), Some(StepResult::Done { .. })) {
            return Ok(());
        }
        if let Some(key) = self.deeds.on(id) {
            return refuse(format!("{id} is busy with step {key}"));
        }
        if resource.state() == Some("unknown") && verb != Verb::Restart {
            return refuse(format!("nobody knows what {id} does: its host is down"));
        }
        if self.already(command).is_some() {
            return Ok(());
        }
        match (&command.action, self.workloads.get(id), self.hosts.get(id)) {
            (Action::Restart { on }, Some(workload), _) => self.check_restart(id, workload, on.as_ref()),
            (Action::Start, Some(workload), _) if workload.phase == Phase::Paused => {
                refuse(format!("{id} is paused, and has to be unpaused"))
            }
            (Action::Start, Some(workload), _) => self.check_up(&workload.host),
            (Action::Stop | Action::Kill, Some(workload), _) => self.check_up(&workload.host),
            (Action::Recreate { image: Some(image) }, ..) => {
                refuse(format!("{id} has no image here, and none can be had of {image}"))
            }
            (Action::Recreate { image: None }, Some(workload), _) => self.check_up(&workload.host),
            (Action::Pause { on }, Some(workload), _) => {
                let (wanted, doing) = if *on { (Phase::Running, "paused") } else { (Phase::Paused, "unpaused") };
                if workload.phase != wanted {
                    return refuse(format!("{id} is {}, and cannot be {doing}", workload.state()));
                }
                self.check_up(&workload.host)
            }
            (Action::Resize(amount), Some(workload), _) => self.check_resize(id, workload, amount),
            (Action::Migrate { to, live }, Some(workload), _) => self.check_migrate(id, workload, to, *live),
            (Action::Power { on }, _, Some(host)) => self.check_power(id, host, *on),
            (Action::Cordon { .. }, _, Some(host)) if host.is_silent() => refuse(format!("{id} does not answer")),
            _ => Ok(()),
        }
    }

    fn check_restart(&self, id: &ResourceId, workload: &Workload, on: Option<&ResourceId>) -> Result<(), Refusal> {
        let Some(target) = on.filter(|target| **target != workload.host) else {
            return self.check_up(&workload.host);
        };
        let Some(host) = self.home(workload) else { return refuse(format!("{id} is on no host")) };
        // Fence before restarting elsewhere: as long as it could still run where it was, it is not started again.
        let could_run = match host.life {
            Life::Off => false,
            Life::Dead | Life::Isolated | Life::Booting => true,
            Life::Up => !matches!(workload.phase, Phase::Crashed | Phase::Stopped),
        };
        if could_run {
            return refuse(format!("{id} could still run on {}; that has to be fenced first", workload.host));
        }
        self.check_target(target, Needs::of(workload))
    }

    fn check_resize(&self, id: &ResourceId, workload: &Workload, amount: &Amount) -> Result<(), Refusal> {
        self.check_up(&workload.host)?;
        if *amount == Amount::default() {
            return refuse("it says neither how many vcpus nor how much memory".into());
        }
        if amount.cpus.is_some() || amount.cpu_shares.is_some() {
            return refuse("which processors it runs on, and with what weight, is not modelled here".into());
        }
        let wanted = Needs::given(workload, amount);
        if !(wanted.vcpus.is_finite() && wanted.vcpus > 0.0) || wanted.memory_bytes == 0 {
            return refuse(format!("{amount} is not an amount that anything can run with"));
        }
        if id.kind() == "vm" && wanted.vcpus.fract() != 0.0 {
            return refuse(format!("a vm has whole vcpus, not {}", wanted.vcpus));
        }
        let used = workload.memory_used(self.now.since(self.start));
        if workload.is_active() && number::from_u64(wanted.memory_bytes) < used {
            return refuse(format!("{id} uses {} MiB at this moment", mib(used)));
        }
        if let Some(host) = self.home(workload).filter(|host| wanted.vcpus > host.cores) {
            return refuse(format!("{} has no more than {} cores", workload.host, host.cores));
        }
        self.check_room(&workload.host, wanted, Some(id))
    }

    fn check_migrate(&self, id: &ResourceId, workload: &Workload, to: &ResourceId, live: bool) -> Result<(), Refusal> {
        self.check_up(&workload.host)?;
        if live && workload.phase != Phase::Running {
            return refuse(format!("{id} is {}; only what runs can be moved live", workload.state()));
        }
        self.check_target(to, Needs::of(workload))
    }

    fn check_power(&self, id: &ResourceId, host: &Host, on: bool) -> Result<(), Refusal> {
        if on {
            return match host.life {
                Life::Dead | Life::Isolated => refuse(format!("{id} does not answer; fence it first")),
                Life::Up | Life::Booting | Life::Off => Ok(()),
            };
        }
        self.check_up(id)?;
        let placed = self.placed_on(id);
        let runs = |workload: &Workload| workload.is_active() || workload.phase == Phase::Starting;
        let active = placed.iter().filter(|id| self.workloads.get(*id).is_some_and(runs)).count();
        match active + self.deeds.towards(id).len() {
            0 => Ok(()),
            count => refuse(format!("{count} workloads run on {id} or are on their way there")),
        }
    }

    fn check_up(&self, id: &ResourceId) -> Result<(), Refusal> {
        match self.hosts.get(id) {
            None => refuse(format!("there is no host {id}")),
            Some(host) if !host.is_up() => refuse(format!("{id} is {}", host.state())),
            Some(_) if self.deeds.is_going_off(id) => refuse(format!("{id} is being switched off")),
            Some(_) => Ok(()),
        }
    }

    /// Whether something new can come to `id`.
    fn check_target(&self, id: &ResourceId, needs: Needs) -> Result<(), Refusal> {
        self.check_up(id)?;
        if self.hosts.get(id).is_some_and(|host| host.cordoned) {
            return refuse(format!("{id} is cordoned"));
        }
        if let Some(host) = self.hosts.get(id).filter(|host| needs.vcpus > host.cores) {
            return refuse(format!("{id} has no more than {} cores", host.cores));
        }
        if let Some(key) = self.deeds.on(id) {
            return refuse(format!("{id} is busy with step {key}"));
        }
        self.check_room(id, needs, None)
    }

    /// Whether `needs` fits in on host `id` beside all else that is placed there or on its way, not counting `except`.
    fn check_room(&self, id: &ResourceId, needs: Needs, except: Option<&ResourceId>) -> Result<(), Refusal> {
        let Some(host) = self.hosts.get(id) else { return refuse(format!("there is no host {id}")) };
        let taken = self.taken(id, except);
        let memory_left = host.memory_bytes.saturating_sub(taken.memory_bytes);
        if needs.memory_bytes > memory_left {
            let (left, needed) = (memory_left >> 20, needs.memory_bytes >> 20);
            return refuse(format!("{id} has no room: {left} MiB of memory left, {needed} MiB needed"));
        }
        let vcpus_left = host.vcpus() - taken.vcpus;
        if needs.vcpus > vcpus_left + CORE_TOLERANCE {
            return refuse(format!("{id} has no room: {vcpus_left} vcpus left to give out, {} needed", needs.vcpus));
        }
        Ok(())
    }

    /// What is given out on host `id`: to what is placed there, running or not, and to what is on its way there.
    pub(super) fn taken(&self, id: &ResourceId, except: Option<&ResourceId>) -> Needs {
        let placed = self.workloads.iter().filter(|(_, workload)| workload.host == *id);
        let placed = placed.filter(|(workload, _)| Some(*workload) != except).map(|(workload, given)| {
            let needs = Needs::of(given);
            self.deeds.resizing(workload).map_or(needs, |amount| needs.at_least(Needs::given(given, amount)))
        });
        let coming = self.deeds.towards(id);
        let coming = coming.iter().filter_map(|workload| self.workloads.get(workload)).map(Needs::of);
        placed.chain(coming).fold(Needs::default(), |sum, needs| Needs {
            vcpus: sum.vcpus + needs.vcpus,
            memory_bytes: sum.memory_bytes.saturating_add(needs.memory_bytes),
        })
    }

    /// The newest generation that has begun anything.
    #[must_use]
    pub fn newest_generation(&self) -> homeostat_model::Generation {
        self.newest
    }

    /// Whether the step of this key is being done at this moment.
    #[must_use]
    pub fn is_running(&self, key: &IdempotencyKey) -> bool {
        self.deeds.running(key).is_some()
    }
}

fn refuse(reason: String) -> Result<(), Refusal> {
    Err(Refusal { reason })
}

fn mib(bytes: f64) -> f64 {
    (bytes / 1_048_576.0).ceil()
}
