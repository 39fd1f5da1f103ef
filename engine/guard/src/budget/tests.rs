//! How many there may be, where they are counted, and when there is room again.

use std::collections::BTreeSet;

use homeostat_model::{Duration, Evidence, Generation, Lot, Mode, Quota, Reach, Truth, Window};
use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(0) + Duration::from_secs(seconds)
}

fn plan(number: u64, policy: &str, groups: &[Group]) -> Plan {
    Plan {
        id: PlanId { generation: Generation(1), number },
        created: at(0),
        policy: PolicyName::new(policy).unwrap(),
        subject: "vm/one".parse().unwrap(),
        findings: Vec::new(),
        response: String::new(),
        rung: 1,
        evidence: Evidence { truth: Truth::True, clauses: Vec::new() },
        mode: Mode::Auto,
        priority: 0,
        effect: String::new(),
        reach: Reach { impact: Impact::Live, groups: groups.to_vec(), ..Reach::default() }.into(),
        steps: Vec::new(),
        cost: Default::default(),
        verification: None,
    }
}

/// The same, acting on so many resources in all of `groups`, of which each of `owners` selects all.
fn heavy(number: u64, policy: &str, groups: &[Group], owners: &[Group], size: u32) -> Plan {
    let mut plan = plan(number, policy, groups);
    let guards = owners.iter().filter(|owner| matches!(owner, Group::Guard(_)));
    let reach = Arc::make_mut(&mut plan.reach);
    reach.groups.extend(guards.cloned());
    reach.lots = vec![Lot { groups: groups.iter().chain(owners).cloned().collect(), size }];
    plan
}

fn host(name: &str) -> Group {
    Group::Host(format!("host/{name}").parse().unwrap())
}

fn budget(scope: Scope, max: &str, per: Option<u64>) -> Budget {
    Budget { scope, max: max.parse().unwrap(), per: per.map(Duration::from_secs), during: None }
}

fn policys<'a>(name: &'a PolicyName, budget: &'a Budget) -> Limit<'a, fn(Option<&Group>) -> usize> {
    Limit { owner: Owner::Policy(name), budget, all: |_| 30 }
}

#[test]
fn a_budget_of_deeds_in_flight_is_freed_by_their_end() {
    let (name, budget) = (PolicyName::new("a").unwrap(), budget(Scope::Host, "1", None));
    let limit = policys(&name, &budget);
    let mut ledger = Ledger::default();
    // Whoever does it counts.
    ledger.begin(at(0), &plan(1, "other", &[host("h1")]));
    let held = ledger.admit(at(5), &plan(2, "a", &[host("h1"), host("h2")]), &limit).unwrap_err();
    assert_eq!(held.to_string(), "budget of policy a: 1 of 1 for host/h1 in flight, such as plan p1-1");
    assert_eq!((held.until(), held.waits_for_a_plan()), (None, true));
    assert_eq!(ledger.admit(at(5), &plan(2, "a", &[host("h2")]), &limit), Ok(()));
    ledger.end(plan(1, "other", &[]).id);
    assert_eq!(ledger.admit(at(5), &plan(2, "a", &[host("h1")]), &limit), Ok(()));
}

#[test]
fn a_rate_says_when_there_is_room_again() {
    let (name, budget) = (PolicyName::new("a").unwrap(), budget(Scope::Policy, "10%", Some(3600)));
    let limit = policys(&name, &budget);
    let mut ledger = Ledger::default();
    for (number, second) in [(1, 10), (2, 20), (3, 30)] {
        assert_eq!(ledger.admit(at(second), &plan(number, "a", &[]), &limit), Ok(()));
        ledger.begin(at(second), &plan(number, "a", &[]));
        ledger.end(plan(number, "a", &[]).id);
    }
    let held = ledger.admit(at(40), &plan(4, "a", &[]), &limit).unwrap_err();
    assert_eq!(held.to_string(), "budget of policy a: 3 of 3 for policy a within 1h");
    assert_eq!(held.until(), Some(at(3610)));
    assert!(ledger.admit(at(3610) - Duration::from_millis(1), &plan(4, "a", &[]), &limit).is_err());
    assert_eq!(ledger.admit(at(3610), &plan(4, "a", &[]), &limit), Ok(()));
    // Another policy's are not this one's.
    assert_eq!(ledger.admit(at(40), &plan(4, "b", &[]), &limit), Ok(()));
}

#[test]
fn a_budget_counts_resources_and_says_when_all_of_a_plan_fits() {
    let rate = budget(Scope::All, "5", Some(60));
    let all: fn(Option<&Group>) -> usize = |_| 30;
    let limit = Limit { owner: Owner::Guard("web"), budget: &rate, all };
    let of = |number, size| heavy(number, "a", &[host("h1")], &[Group::Guard("web".into())], size);
    let mut ledger = Ledger::default();
    for (number, second, size) in [(1, 0, 1), (2, 10, 2), (3, 20, 2)] {
        assert_eq!(ledger.admit(at(second), &of(number, size), &limit), Ok(()));
        ledger.begin(at(second), &of(number, size));
    }
    for (size, room_at) in [(1, 60), (2, 70), (3, 70), (4, 80), (5, 80)] {
        let held = ledger.admit(at(30), &of(4, size), &limit).unwrap_err();
        assert_eq!(held.until(), Some(at(room_at)), "{size}");
        let said = "budget of guard web: 5 of 5 for all that it guards within 1m";
        let takes = if size > 1 { format!("{said}, and this acts on {size}") } else { said.into() };
        assert_eq!(held.to_string(), takes);
        assert!(ledger.admit(at(room_at) - Duration::from_millis(1), &of(4, size), &limit).is_err());
        assert_eq!(ledger.admit(at(room_at), &of(4, size), &limit), Ok(()));
    }
    let held = ledger.admit(at(500), &of(4, 6), &limit).unwrap_err();
    assert_eq!((held.until(), held.is_beyond()), (None, true));
}

#[test]
fn what_is_in_flight_counts_by_its_resources() {
    let (name, at_a_time) = (PolicyName::new("a").unwrap(), budget(Scope::Host, "3", None));
    let limit = policys(&name, &at_a_time);
    let mine = Group::Policy(name.clone());
    let mut ledger = Ledger::default();
    ledger.begin(at(0), &heavy(1, "other", &[host("h1")], &[mine], 2));
    // What the policy selects of it counts, and one where that is nothing.
    ledger.begin(at(0), &heavy(2, "other", &[host("h2")], &[Group::Guard("web".into())], 2));
    let two = |on| heavy(3, "a", &[host(on)], &[Group::Policy(name.clone())], 2);
    let held = ledger.admit(at(5), &two("h1"), &limit).unwrap_err();
    let said = "budget of policy a: 2 of 3 for host/h1 in flight, such as plan p1-1, and this acts on 2";
    assert_eq!((held.to_string().as_str(), held.is_beyond()), (said, false));
    assert_eq!(ledger.admit(at(5), &plan(3, "a", &[host("h1")]), &limit), Ok(()));
    assert_eq!(ledger.admit(at(5), &two("h2"), &limit), Ok(()));
}

#[test]
fn a_guards_budget_counts_what_it_selects_for_all_policies() {
    let budget = budget(Scope::Label("tier".into()), "1", Some(60));
    let all: fn(Option<&Group>) -> usize = |_| 30;
    let limit = Limit { owner: Owner::Guard("site"), budget: &budget, all };
    let web = || Group::Label("tier".into(), "web".into());
    let site = || Group::Guard("site".into());
    let mut ledger = Ledger::default();
    ledger.begin(at(0), &plan(1, "a", &[web()]));
    assert_eq!(ledger.admit(at(1), &plan(2, "b", &[web(), site()]), &limit), Ok(()), "the first was none of its own");
    ledger.begin(at(1), &plan(2, "b", &[web(), site()]));
    let held = ledger.admit(at(2), &plan(3, "c", &[web(), site()]), &limit).unwrap_err();
    assert_eq!(held.to_string(), "budget of guard site: 1 of 1 for label tier=web within 1m");
    let db = Group::Label("tier".into(), "db".into());
    assert_eq!(ledger.admit(at(2), &plan(3, "c", &[db, site()]), &limit), Ok(()));
}

#[test]
fn a_budget_holds_only_in_its_window_and_none_freezes_until_its_end() {
    let name = PolicyName::new("a").unwrap();
    let during = Some(Window::Once { from: at(100), to: at(200) });
    let freeze = Budget { during, ..budget(Scope::Policy, "0", None) };
    let limit = policys(&name, &freeze);
    let ledger = Ledger::default();
    assert_eq!(ledger.admit(at(99), &plan(1, "a", &[]), &limit), Ok(()));
    let held = ledger.admit(at(150), &plan(1, "a", &[]), &limit).unwrap_err();
    assert_eq!(
        (held.to_string().as_str(), held.until()),
        ("budget of policy a: none may begin for policy a now", Some(at(200)))
    );
    assert_eq!(ledger.admit(at(200), &plan(1, "a", &[]), &limit), Ok(()));
    let mut restoring = plan(1, "a", &[]);
    Arc::make_mut(&mut restoring.reach).impact = Impact::Restoring;
    assert_eq!(ledger.admit(at(150), &restoring, &limit), Ok(()));
}

#[test]
fn what_was_forgotten_counts_as_a_full_window() {
    let (name, rate) = (PolicyName::new("a").unwrap(), budget(Scope::Policy, "2", Some(1000)));
    let limit = policys(&name, &rate);
    let mut ledger = Ledger::default();
    let others = u64::try_from(MAX_DEEDS).unwrap() + 1;
    (0..others).for_each(|number| ledger.begin(at(0), &plan(number, "b", &[])));
    assert_eq!(ledger.begun.len(), MAX_DEEDS);
    assert_eq!(ledger.admit(at(1), &plan(others, "a", &[]), &limit).unwrap_err().until(), Some(at(1000)));
    assert_eq!(ledger.admit(at(1000), &plan(others, "a", &[]), &limit), Ok(()));
    let two = heavy(others, "a", &[], &[Group::Policy(name.clone())], 2);
    assert_eq!(ledger.admit(at(1), &two, &limit).unwrap_err().until(), Some(at(1000)));
    assert_eq!(ledger.admit(at(1000), &two, &limit), Ok(()));
}

proptest! {
    /// Over random streams of plans of all weights never more than `max` begin in any stretch of the budget's length, whatever is written
    /// down and read again on the way, and never fewer than would have fitted.
    #[test]
    fn no_stretch_of_time_has_more_than_it_may(
        gaps in prop::collection::vec((0_u64..40_000, 0_usize..3, 0_u32..5, any::<bool>()), 1..120),
        max in 0_u32..8,
        per in 1_u64..120_000,
    ) {
        let name = PolicyName::new("a").unwrap();
        let rate = Budget { scope: Scope::Host, max: Quota::Count(max), per: Some(Duration::from_millis(per)), during: None };
        let limit = policys(&name, &rate);
        let mut ledger = Ledger::default();
        let mut begun: Vec<(u64, usize, u32)> = Vec::new();
        // Half a minute before a midnight.
        let mut now = 86_370_000;
        for (number, (gap, group, size, restart)) in gaps.into_iter().enumerate() {
            now += gap;
            if restart {
                ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
            }
            // What acts on nothing of it concerns it, and weighs 1.
            let weight = size.max(1);
            let mine = [Group::Policy(name.clone())];
            let candidate = heavy(u64::try_from(number).unwrap(), "a", &[host(&group.to_string())], &mine, size);
            let moment = Timestamp::from_millis(i64::try_from(now).unwrap());
            let used = |at: u64| -> u32 {
                begun.iter().filter(|(began, of, _)| *of == group && began + per > at).map(|(_, _, weight)| weight).sum()
            };
            let admitted = ledger.admit(moment, &candidate, &limit);
            prop_assert_eq!(admitted.is_ok(), used(now) + weight <= max);
            match admitted {
                Ok(()) => {
                    ledger.begin(moment, &candidate);
                    begun.push((now, group, weight));
                }
                // The first of all moments at which it fits.
                Err(hold) => {
                    let first = (weight <= max).then(|| {
                        let ends = begun.iter().map(|(began, ..)| began + per).filter(|end| *end > now);
                        ends.filter(|end| used(*end) + weight <= max).min().unwrap()
                    });
                    let until = first.map(|first| Timestamp::from_millis(i64::try_from(first).unwrap()));
                    prop_assert_eq!(hold.until(), until);
                    if let Some(until) = until {
                        prop_assert!(ledger.admit(until - Duration::from_millis(1), &candidate, &limit).is_err());
                        prop_assert_eq!(ledger.admit(until, &candidate, &limit), Ok(()));
                    }
                }
            }
        }
        for (start, group, _) in &begun {
            let within = begun.iter().filter(|(at, of, _)| of == group && (*start..start + per).contains(at));
            prop_assert!(within.map(|(_, _, weight)| weight).sum::<u32>() <= max);
        }
    }

    /// What is in flight never weighs more than it may, in whatever order plans begin and end, and whatever fits is let through.
    #[test]
    fn what_is_in_flight_is_never_more_than_it_may(
        plans in prop::collection::vec((0_u32..5, any::<bool>(), 0_usize..8), 1..80),
        max in 0_u32..8,
    ) {
        let at_a_time = Budget { scope: Scope::All, max: Quota::Count(max), per: None, during: None };
        let all: fn(Option<&Group>) -> usize = |_| 30;
        let limit = Limit { owner: Owner::Guard("web"), budget: &at_a_time, all };
        let mut ledger = Ledger::default();
        let mut flying: Vec<(PlanId, u32)> = Vec::new();
        for (number, (size, mine, ends)) in plans.into_iter().enumerate() {
            if ends < flying.len() {
                ledger.end(flying.remove(ends).0);
            }
            let owner = Group::Guard(if mine { "web" } else { "other" }.into());
            let candidate = heavy(u64::try_from(number).unwrap(), "a", &[], &[owner], size);
            let used: u32 = flying.iter().map(|(_, weight)| weight).sum();
            let weight = if mine { size.max(1) } else { 1 };
            let admitted = ledger.admit(at(1), &candidate, &limit).is_ok();
            prop_assert_eq!(admitted, used + weight <= max);
            if admitted {
                ledger.begin(at(1), &candidate);
                // What the guard selects nothing of is none of its own.
                flying.push((candidate.id, if mine { weight } else { 0 }));
            }
        }
    }

    /// A reach is kept in a plan: it is read as it was written.
    #[test]
    fn a_reach_survives_the_journal(names in prop::collection::btree_set("[a-z]{1,8}", 0..5)) {
        let groups: BTreeSet<Group> = names.iter().map(|name| Group::Label(name.clone(), "x".into())).collect();
        let leaves = BTreeSet::from([("vm/a".parse().unwrap(), "host/b".parse().unwrap())]);
        let lots = names.iter().map(|name| Lot { groups: groups.clone(), size: u32::try_from(name.len()).unwrap() });
        let reach = Reach { impact: Impact::Restoring, lots: lots.collect(), groups: groups.into_iter().collect(), leaves };
        let text = serde_json::to_string(&reach).unwrap();
        prop_assert_eq!(serde_json::from_str::<Reach>(&text).unwrap(), reach);
    }
}
