//! Who has to wait, and for whom.

use homeostat_model::{
    Action, AdapterName, Approval, Evidence, Flap, Fuse, Generation, Mode, Otherwise, PolicyName, Step, StepId, Truth,
};

use super::*;

fn finding(policy: &str) -> FindingRef {
    FindingRef { policy: PolicyName::new(policy).unwrap(), resource: "vm/one".parse().unwrap() }
}

/// A plan of one step on `subject`, which moves it if there is a host to move it to.
fn plan(number: u64, subject: &str, to: Option<&str>) -> Plan {
    let subject: ResourceId = subject.parse().unwrap();
    let action = match to {
        Some(host) => Action::Migrate { to: host.parse().unwrap(), live: true },
        None => Action::Restart { on: None },
    };
    let step = Step {
        id: StepId(1),
        after: Vec::new(),
        resource: subject.clone(),
        adapter: AdapterName::new("a").unwrap(),
        action,
        timeout: Duration::from_secs(1),
        reason: String::new(),
        preconditions: Vec::new(),
        retry: Default::default(),
        compensation: None,
    };
    Plan {
        id: PlanId { generation: Generation(1), number },
        created: Timestamp::from_millis(0),
        policy: PolicyName::new("p").unwrap(),
        subject,
        findings: Vec::new(),
        response: String::new(),
        rung: 1,
        evidence: Evidence { truth: Truth::True, clauses: Vec::new() },
        mode: Mode::Auto,
        priority: 0,
        effect: String::new(),
        reach: Default::default(),
        steps: vec![step],
        cost: Default::default(),
        verification: None,
    }
}

fn contested(guard: &Guard, plan: &Plan) -> Option<String> {
    match guard.free(plan) {
        Err(Hold::Owned { resource, by }) => Some(format!("{resource} by {by}")),
        _ => None,
    }
}

#[test]
fn a_cooldown_ends_at_its_moment_and_is_one_policys_own() {
    let at = Timestamp::from_millis;
    let mut guard = Guard::default();
    guard.rest(at(0), &finding("a"), Duration::from_secs(60));
    assert_eq!(guard.rested(at(59_999), &finding("a")), Err(Hold::Cooldown { until: at(60_000) }));
    assert_eq!(guard.rested(at(60_000), &finding("a")), Ok(()));
    assert_eq!(guard.rested(at(1), &finding("b")), Ok(()));
}

#[test]
fn one_plan_at_a_time_acts_on_a_resource() {
    let mut guard = Guard::default();
    guard.own(Timestamp::MIN, &plan(1, "vm/one", None));
    assert_eq!(contested(&guard, &plan(2, "vm/one", None)).unwrap(), "vm/one by p1-1");
    assert_eq!(contested(&guard, &plan(2, "vm/two", None)), None);
    guard.release(&plan(1, "vm/one", None), &BTreeSet::new());
    assert_eq!(contested(&guard, &plan(2, "vm/one", None)), None);
}

#[test]
fn several_plans_move_to_a_host_but_none_while_it_is_acted_on() {
    let mut guard = Guard::default();
    guard.own(Timestamp::MIN, &plan(1, "vm/one", Some("host/h")));
    assert_eq!(contested(&guard, &plan(2, "vm/two", Some("host/h"))), None);
    assert_eq!(contested(&guard, &plan(3, "host/h", None)).unwrap(), "host/h by p1-1");
    let mut guard = Guard::default();
    guard.own(Timestamp::MIN, &plan(3, "host/h", None));
    assert_eq!(contested(&guard, &plan(1, "vm/one", Some("host/h"))).unwrap(), "host/h by p1-3");
}

#[test]
fn what_is_excepted_stays_owned() {
    let mut guard = Guard::default();
    let first = plan(1, "vm/one", Some("host/h"));
    guard.own(Timestamp::MIN, &first);
    guard.release(&first, &BTreeSet::from([first.subject.clone()]));
    assert_eq!(guard.owner(&first.subject), Some(first.id));
    assert!(contested(&guard, &plan(2, "vm/one", None)).is_some());
    assert_eq!(contested(&guard, &plan(3, "host/h", None)), None);
}

#[test]
fn of_what_is_recovered_what_has_ended_takes_nothing_from_what_is_in_flight() {
    let mut guard = Guard::default();
    let (in_flight, ended) = (plan(5, "vm/one", None), plan(6, "vm/one", Some("host/h")));
    guard.own_again(Timestamp::MIN, &in_flight);
    guard.own_again(Timestamp::MIN, &ended);
    guard.release(&ended, &BTreeSet::from(["host/h".parse().unwrap()]));
    assert_eq!(contested(&guard, &plan(7, "vm/one", None)).unwrap(), "vm/one by p1-5");
}

#[test]
fn all_that_is_remembered_is_read_as_it_was_written() {
    let at = Timestamp::from_millis;
    let mut guard = Guard::default();
    guard.rest(at(0), &finding("a"), Duration::from_secs(60));
    guard.own(at(1), &plan(1, "vm/one", Some("host/h")));
    guard.opened(at(2), &finding("a"), &Flap { changes: 2, within: Duration::from_secs(60) });
    let fuse = Fuse { failures: 1, within: Duration::from_secs(60), pause: Duration::from_secs(60) };
    assert!(guard.feel(at(3), "site", Shock::Failed(plan(1, "vm/one", None).id), &fuse).is_some());
    let waiting = plan(2, "vm/two", None);
    let rule = Approval { quorum: 2, within: None, otherwise: Otherwise::Reject };
    guard.ballots().insert(waiting.id, Ballot::new(at(4), &waiting, &rule));
    let name = PolicyName::new("a").unwrap();
    guard.stand(&name, "text", Standing { agreed: 3, mode: Some(Mode::Auto) });
    let written = serde_json::to_string(&guard).unwrap();
    let read: Guard = serde_json::from_str(&written).unwrap();
    assert_eq!(read, guard);
    assert_eq!(read.standing(&name, "text").agreed, 3);
    assert_eq!(read.standing(&name, "another text"), Standing::default(), "people agreed with another policy");
}
