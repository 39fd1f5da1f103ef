//! Plans carried out step by step: what is said to them, and what they do.

use homeostat_model::{AdapterName, Duration, Evidence, Generation, Mode, PlanId, PolicyName, Retry, Verification};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// A plan whose steps are written `1; 2 after 1; 3! after 1,2`: one with `!` cannot be undone, all are tried twice, and undone
/// in three tries, as is usual for what undoes them.
fn plan(steps: &str) -> Plan {
    let step = |text: &str| {
        let (head, after) = text.trim().split_once(" after ").unwrap_or((text.trim(), ""));
        let id = |text: &str| StepId(text.trim().parse().unwrap());
        Step {
            id: id(head.trim_end_matches('!')),
            after: after.split(',').filter(|text| !text.is_empty()).map(id).collect(),
            resource: format!("vm/v{}", head.trim_end_matches('!')).parse().unwrap(),
            adapter: AdapterName::new("a").unwrap(),
            action: Action::Cordon { on: true },
            timeout: Duration::from_secs(60),
            reason: String::new(),
            preconditions: Vec::new(),
            retry: Retry { attempts: 2, pause: Duration::from_secs(10) },
            compensation: (!head.ends_with('!')).then(|| Box::new(Action::Cordon { on: false })),
        }
    };
    Plan {
        id: PlanId { generation: Generation(1), number: 1 },
        created: at(0),
        policy: PolicyName::new("p").unwrap(),
        subject: "vm/v1".parse().unwrap(),
        findings: Vec::new(),
        response: String::new(),
        rung: 1,
        evidence: Evidence { truth: Truth::True, clauses: Vec::new() },
        mode: Mode::Auto,
        priority: 0,
        effect: String::new(),
        reach: Default::default(),
        steps: steps.split(';').map(step).collect(),
        cost: Default::default(),
        verification: None,
    }
}

/// Carries a plan out in a world that ends every deed as `ends` says, at its moment; gives what was done, in order.
fn carried_out(plan: Plan, ends: impl Fn(&str) -> StepResult) -> (Vec<String>, Option<PlanResult>) {
    let mut run = Run::new(plan);
    let (mut told, mut now) = (Vec::new(), at(0));
    for _ in 0..100 {
        let ready = run.ready(now);
        if ready.is_empty() {
            match run.next_try() {
                Some(until) => now = now.max(until),
                None => break,
            }
        }
        for deed in ready {
            let name = format!("{}{}", deed.step.id, deed.attempt);
            run.begin(deed.step.id).unwrap();
            run.report(deed.step.id, &ends(&name), now).unwrap();
            told.push(name);
        }
    }
    (told, run.result())
}

fn failed() -> StepResult {
    StepResult::Failed { reason: "no".into() }
}

#[test]
fn what_is_done_is_undone_backwards_when_a_step_fails() {
    let refused = || StepResult::Refused { reason: "never".into() };
    let unknown = || StepResult::Unknown { reason: "silence".into() };
    for (steps, wrong, how, wanted) in [
        ("1; 2 after 1; 3 after 2", "", failed(), "1 2 3"),
        // Twice tried, then all that was done before.
        ("1; 2 after 1; 3 after 2", "3 3.2", failed(), "1 2 3 3.2 2.undo 1.undo"),
        ("1; 2 after 1; 3 after 2", "3", failed(), "1 2 3 3.2"),
        ("1; 2 after 1; 3 after 2", "3", refused(), "1 2 3 2.undo 1.undo"),
        ("1; 2 after 1; 3 after 2", "3", unknown(), "1 2 3"),
        ("1; 2 after 1; 3 after 2", "3", StepResult::Cancelled, "1 2 3 2.undo 1.undo"),
        // What got away stays away, and what it stands on stays too.
        ("1; 2! after 1; 3! after 1", "3 3.2", failed(), "1 2 3 3.2"),
        ("1; 2! after 1; 3! after 1", "2 2.2 3 3.2", failed(), "1 2 3 2.2 3.2 1.undo"),
        // Independent steps go on; both branches are undone.
        ("1; 2; 3 after 1,2", "1", refused(), "1 2 2.undo"),
        // What cannot be undone at once is tried again, and blocks what it stands on when it cannot be at all.
        ("1; 2 after 1; 3 after 2", "3 3.2 2.undo", failed(), "1 2 3 3.2 2.undo 2.undo.2 1.undo"),
        ("1; 2 after 1; 3 after 2", "3 3.2 2.undo 2.undo.2 2.undo.3", failed(), "1 2 3 3.2 2.undo 2.undo.2 2.undo.3"),
    ] {
        let ends = |name: &str| {
            let wrong = wrong.split(' ').any(|one| one == name);
            if wrong { how.clone() } else { StepResult::Done { observed: String::new() } }
        };
        let (told, result) = carried_out(plan(steps), ends);
        assert_eq!(told.join(" "), wanted, "{steps} with {wrong} {how:?}");
        assert!(result.is_some(), "{steps} with {wrong} {how:?}");
    }
}

#[test]
fn what_could_not_be_undone_is_said_in_the_result() {
    let wrong = ["2", "2.2", "1.undo", "1.undo.2", "1.undo.3"];
    let ends = |name: &str| if wrong.contains(&name) { failed() } else { StepResult::Done { observed: String::new() } };
    let (_, result) = carried_out(plan("1; 2 after 1"), ends);
    let reason = "no; step 1 could not be undone: no".to_owned();
    assert_eq!(result, Some(PlanResult::Failed { step: StepId(2), reason }));
}

#[test]
fn a_step_backs_off_before_it_is_tried_again() {
    let mut run = Run::new(plan("1"));
    run.begin(StepId(1)).unwrap();
    assert!(run.begin(StepId(1)).is_err());
    run.report(StepId(1), &failed(), at(0)).unwrap();
    assert!(run.report(StepId(1), &failed(), at(0)).is_err(), "an old report is no news of the new try");
    let until = run.next_try().unwrap();
    assert!(until >= at(5) && until <= at(10), "{until:?}");
    assert_eq!(run.ready(at(4)), []);
    assert_eq!(run.ready(until)[0].attempt, Attempt { undo: false, number: 2 });
    run.begin(StepId(1)).unwrap();
    run.report(StepId(1), &failed(), until).unwrap();
    assert_eq!(run.result(), Some(PlanResult::Failed { step: StepId(1), reason: "no".into() }));
}

#[test]
fn a_plan_that_is_called_off_begins_nothing_and_undoes_nothing() {
    let mut run = Run::new(plan("1; 2 after 1; 3 after 2"));
    run.begin(StepId(1)).unwrap();
    run.report(StepId(1), &StepResult::Done { observed: String::new() }, at(0)).unwrap();
    run.begin(StepId(2)).unwrap();
    run.call_off("enough", at(1));
    assert_eq!(run.result(), None);
    run.report(StepId(2), &failed(), at(2)).unwrap();
    assert_eq!(run.ready(at(99)), []);
    assert_eq!(run.result(), Some(PlanResult::Cancelled { reason: "enough".into() }));
}

/// Verification within a minute, stable for ten seconds, looked at as the truths come, a second apart.
fn verified(truths: &str) -> (Option<PlanResult>, usize) {
    let mut plan = plan("1");
    let (within, stable_for) = (Duration::from_secs(10), Duration::from_secs(3));
    plan.verification = Some(Verification { that: "x".into(), within, stable_for }.into());
    let mut run = Run::new(plan);
    run.begin(StepId(1)).unwrap();
    run.report(StepId(1), &StepResult::Done { observed: String::new() }, at(0)).unwrap();
    for (second, truth) in (0..).zip(truths.chars()) {
        let truth = match truth {
            't' => Truth::True,
            'f' => Truth::False,
            _ => Truth::Unknown,
        };
        run.verify(truth, at(second)).unwrap();
        if run.verifying_until().is_none() {
            return (run.result(), usize::try_from(second).unwrap());
        }
    }
    (run.result(), truths.len())
}

#[test]
fn a_plan_has_succeeded_when_what_it_was_for_held_without_a_break() {
    assert_eq!(verified("tttt"), (Some(PlanResult::Succeeded), 3));
    assert_eq!(verified("ttfttttt"), (Some(PlanResult::Succeeded), 6));
    assert_eq!(verified("ttuttttt"), (Some(PlanResult::Succeeded), 6));
    assert_eq!(verified("ttt"), (None, 3));
    // The step is undone now, so there is no result yet.
    assert_eq!(verified("ffffffffffffff"), (None, 10));
    assert_eq!(verified("uuuuuuuuuuuuuu"), (None, 10));
    assert_eq!(verified("fffffffftttttt"), (None, 10));
    assert_eq!(verified("fffffffttttttt"), (Some(PlanResult::Succeeded), 10));
}

#[test]
fn what_did_not_help_is_undone() {
    let mut plan = plan("1");
    let within = Duration::from_secs(10);
    plan.verification = Some(Verification { that: "x < 1".into(), within, stable_for: Duration::ZERO }.into());
    let mut run = Run::new(plan);
    let done = StepResult::Done { observed: String::new() };
    run.begin(StepId(1)).unwrap();
    run.report(StepId(1), &done, at(0)).unwrap();
    run.verify(Truth::False, at(10)).unwrap();
    let late = run.verify(Truth::True, at(10)).unwrap_err().to_string();
    assert_eq!(late, "plan p1-1 is Backward; it cannot be verified");
    assert_eq!(run.give_up_verifying("too late").unwrap_err().to_string(), late);
    assert_eq!(run.ready(at(10))[0].action, Action::Cordon { on: false });
    run.begin(StepId(1)).unwrap();
    run.report(StepId(1), &done, at(11)).unwrap();
    let reason = "`x < 1` was not so within 10s".into();
    assert_eq!(run.result(), Some(PlanResult::Unverified { reason }));
}
