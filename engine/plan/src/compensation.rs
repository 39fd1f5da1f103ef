//! What undoes a step, worked out when the plan is made: absolutely, from what is so before it.
//!
//! Only what has an inverse is undone: a size, a place, a cordon, a switch. A restart, an end or a fence cannot be taken back.

use homeostat_model::{Action, Amount, CpuSet, Precondition, Resource, Value};

/// The action after which `resource` is as it is now, once `action` was done to it; `None` where there is none, and where it
/// changes nothing.
pub(crate) fn inverse(resource: &Resource, action: &Action) -> Option<Action> {
    match action {
        Action::Resize(amount) => previous(resource, amount).map(|before| Action::Resize(before.into())),
        Action::Migrate { to, live } => {
            let from = resource.on.clone().filter(|from| from != to)?;
            Some(Action::Migrate { to: from, live: *live })
        }
        Action::Cordon { on } => (resource.flag("cordoned") != *on).then_some(Action::Cordon { on: !on }),
        Action::Power { on } => {
            let was = if *on { "off" } else { "up" };
            (resource.state() == Some(was)).then_some(Action::Power { on: !on })
        }
        Action::Restart { .. }
        | Action::Start
        | Action::Stop
        | Action::Pause { .. }
        | Action::Kill
        | Action::Recreate { .. }
        | Action::Fence => None,
    }
}

/// What has to be so before `inverse` is done.
pub(crate) fn before_undoing(inverse: &Action) -> Vec<Precondition> {
    match inverse {
        // Nothing goes back to a host that has fallen ill, or was given to others, meanwhile. Our own plans keep the room free; others may not.
        Action::Migrate { to, .. } => {
            vec![Precondition::Open(to.clone()), Precondition::Room { on: Some(to.clone()), amount: Amount::default() }]
        }
        Action::Resize(amount) => vec![Precondition::Room { on: None, amount: amount.as_ref().clone() }],
        _ => Vec::new(),
    }
}

/// As much as it has now of all that `amount` changes. A limit that it did not have cannot be taken away again, and a weight
/// is in no inventory: then there is no way back.
fn previous(resource: &Resource, amount: &Amount) -> Option<Amount> {
    let mut previous = Amount::default();
    if amount.vcpus.is_some() {
        previous.vcpus = Some(resource.capacity.vcpus?);
    }
    if amount.memory_bytes.is_some() {
        previous.memory_bytes = Some(resource.capacity.memory_bytes?);
    }
    if amount.cpu_shares.is_some() {
        return None;
    }
    if amount.cpus.is_some() {
        previous.cpus = match resource.attributes.get("cpus") {
            Some(Value::Text(cpus)) => Some(cpus.parse().ok()?),
            Some(_) => return None,
            None => Some(CpuSet::ALL),
        };
    }
    (previous != *amount).then_some(previous)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_an_inverse_gets_back_to_what_was() {
        let mut one = Resource::named("vm/one".parse().unwrap());
        one.on = Some("host/a".parse().unwrap());
        one.capacity.vcpus = Some(2.0);
        one.attributes.insert("state".into(), "off".into());
        let cpus =
            |text: &str| Action::Resize(Amount { cpus: Some(text.parse().unwrap()), ..Amount::default() }.into());
        let vcpus = |vcpus| Action::Resize(Amount { vcpus: Some(vcpus), ..Amount::default() }.into());
        let memory = Amount { memory_bytes: Some(1 << 30), ..Amount::default() };
        let to = |host: &str| Action::Migrate { to: host.parse().unwrap(), live: true };
        for (action, wanted) in [
            (vcpus(4.0), Some(vcpus(2.0))),
            (vcpus(2.0), None),
            (Action::Resize(memory.into()), None),
            (cpus("1-2"), Some(cpus("all"))),
            (to("host/b"), Some(to("host/a"))),
            (to("host/a"), None),
            (Action::Cordon { on: true }, Some(Action::Cordon { on: false })),
            (Action::Cordon { on: false }, None),
            (Action::Power { on: true }, Some(Action::Power { on: false })),
            (Action::Power { on: false }, None),
            (Action::Restart { on: None }, None),
            (Action::Fence, None),
        ] {
            assert_eq!(inverse(&one, &action), wanted, "{action}");
        }
    }
}
