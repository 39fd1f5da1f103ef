//! What became of a step, read from the state of the data centre.

use homeostat_model::{Action, IdempotencyKey, ResourceId, StepCommand, StepResult};
use homeostat_port::Probe;

use super::{DataCentre, admission::Needs, host::Life, workload::Phase};

impl DataCentre {
    /// What became of the step: by what was done under its key, and where that is not known, by how things are.
    ///
    /// How things are cannot tell whether a restart was done; there only the key can.
    #[must_use]
    pub fn probe(&self, command: &StepCommand) -> Probe {
        if self.deeds.running(&command.key).is_some() {
            return Probe::Running;
        }
        if let Some(StepResult::Done { observed }) = self.deeds.ended(&command.key) {
            return Probe::Done(observed.clone());
        }
        match self.already(command) {
            Some(observed) => Probe::Done(observed),
            None => Probe::NotDone(self.look_at(&command.resource)),
        }
    }

    /// How the step of this key ended, if it was begun and has ended. Refusals are not kept.
    #[must_use]
    pub fn outcome(&self, key: &IdempotencyKey) -> Option<&StepResult> {
        self.deeds.ended(key)
    }

    /// What was seen, when everything is as the step wants it and is known to be so.
    pub(super) fn already(&self, command: &StepCommand) -> Option<String> {
        let id = &command.resource;
        let is_so = match (&command.action, self.workloads.get(id), self.hosts.get(id)) {
            (Action::Start, Some(workload), _) => workload.phase == Phase::Running && self.is_known(id),
            (Action::Stop | Action::Kill, Some(workload), _) => workload.phase == Phase::Stopped && self.is_known(id),
            (Action::Pause { on }, Some(workload), _) => {
                workload.phase == if *on { Phase::Paused } else { Phase::Running } && self.is_known(id)
            }
            (Action::Resize(amount), Some(workload), _) => {
                let has = Needs { vcpus: workload.vcpus, memory_bytes: workload.memory_bytes };
                let modelled = amount.cpus.is_none() && amount.cpu_shares.is_none();
                modelled && Needs::given(workload, amount) == has && **amount != homeostat_model::Amount::default()
            }
            (Action::Migrate { to, .. }, Some(workload), _) => workload.host == *to && self.is_known(id),
            (Action::Fence, _, Some(host)) => host.fenced && host.life == Life::Off,
            (Action::Power { on }, _, Some(host)) => host.life == if *on { Life::Up } else { Life::Off },
            (Action::Cordon { on }, _, Some(host)) => host.cordoned == *on,
            _ => false,
        };
        is_so.then(|| self.look_at(id))
    }

    /// What can be seen of `id` from outside, in a few words.
    pub(super) fn look_at(&self, id: &ResourceId) -> String {
        if let Some(workload) = self.workloads.get(id) {
            let (state, host) = (self.state_of(workload), &workload.host);
            format!("{state} on {host} with {} vcpus and {} MiB", workload.vcpus, workload.memory_bytes >> 20)
        } else if let Some(host) = self.hosts.get(id) {
            let flag = |set: bool, name: &'static str| if set { name } else { "" };
            format!("{}{}{}", host.state(), flag(host.fenced, ", fenced"), flag(host.cordoned, ", cordoned"))
        } else {
            format!("there is no {id} here")
        }
    }

    fn is_known(&self, workload: &ResourceId) -> bool {
        let host = self.workloads.get(workload).and_then(|workload| self.home(workload));
        host.is_some_and(|host| !host.is_silent())
    }
}
