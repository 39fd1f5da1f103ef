//! What people were told and is not over stands after a restart, until it is known that it is over.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, CRASH, at, centre, chat, id, policies, policy, slow};
use homeostat_engine::{Engine, Generation, Input, Output, Past};
use homeostat_model::*;

/// The next engine, which was told `past` and `since`, and what it said to that.
fn next_engine(site: &str, past: Past, since: &[Record], now: u64) -> (Engine, Vec<Output>) {
    let (mut engine, mut out) = (Engine::new(Generation(2)), Vec::new());
    engine.replace_policies(at(now), &policies(site), &mut Vec::new()).unwrap();
    let since = since.iter().filter(|record| Past::concerns(&record.entry)).cloned().collect();
    engine.handle(at(now), Input::Recalled { past: Box::new(past), since }, &mut out);
    let decided = |output: &Output| matches!(output, Output::Dispatch(_) | Output::Notify(_));
    assert!(!out.iter().any(decided), "to remember is not to act: {out:?}");
    (engine, out)
}

/// A site where people are told when a machine is hot, and were told of one.
fn told_site() -> (String, Vec<Record>) {
    let site = policy(
        "hot",
        "select: {kind: vm}\nwhen: last(\"cpu.utilization\") > 0.8\ncooldown: 10m\nthen: [{notify: {message: hot}}]",
    );
    let mut bench = Bench::new(&site, centre(1), slow(30));
    bench.driver.handle(at(0), Input::Channels(vec![chat()]));
    bench.sample(10, "vm/a0", "cpu.utilization", 0.9);
    let notification = NoticeId { generation: Generation(1), number: 1 };
    bench.driver.handle(at(11), Input::Delivered(Delivery { notification, channel: chat().name, given_up: None }));
    (site, bench.driver.records().to_vec())
}

/// What an engine says from second 101 to `end`, where these values are measured.
fn live_on(engine: &mut Engine, values: &[(u64, f64)], end: u64) -> Vec<(u64, Output)> {
    let mut said = Vec::new();
    for second in 101..=end {
        let mut out = Vec::new();
        engine.advance(at(second), &mut out);
        for (_, value) in values.iter().filter(|(at, _)| *at == second) {
            let metric = MetricName::new("cpu.utilization").unwrap();
            let sample = Sample { resource: id("vm/a0"), metric, time: at(second), value: *value };
            engine.handle(at(second), Input::Observed(Observation::Sample(sample)), &mut out);
        }
        said.extend(out.into_iter().map(|output| (second, output)));
    }
    said
}

/// What of that is about what people were told.
fn about_people(said: Vec<(u64, Output)>) -> Vec<String> {
    let told = |(second, output): (u64, Output)| match output {
        Output::Stands(notification) => Some(format!("{second}s {} stands", notification.id)),
        Output::Notify(notification) => Some(format!("{second}s {} is told", notification.id)),
        Output::Resolved(finding) => Some(format!("{second}s {finding} is over")),
        Output::Record(Record { entry: Entry::FindingOpened { .. }, .. }) => Some(format!("{second}s opened")),
        Output::Record(Record { entry: Entry::FindingClosed { reason, .. }, .. }) => {
            Some(format!("{second}s closed: {reason}"))
        }
        _ => None,
    };
    said.into_iter().filter_map(told).collect()
}

/// That generation 2 began at second `now`.
fn begun(records: &[Record], now: u64) -> Record {
    let mut begun = records.iter().find(|record| matches!(record.entry, Entry::PoliciesLoaded { .. })).unwrap().clone();
    if let Entry::PoliciesLoaded { generation, .. } = &mut begun.entry {
        *generation = Generation(2);
    }
    Record { at: at(now), ..begun }
}

#[test]
fn what_people_were_told_stands_after_a_restart_until_it_is_known_that_it_is_over() {
    let (site, records) = told_site();
    let after = |values: &[(u64, f64)], end| {
        let (mut engine, began) = next_engine(&site, Past::default(), &records, 100);
        let began = began.into_iter().map(|output| (100, output));
        let said: Vec<(u64, Output)> = began.chain(live_on(&mut engine, values, end)).collect();
        // All of that follows from the records, too.
        let mut journal = records.clone();
        journal.push(begun(&records, 100));
        journal.extend(said.iter().filter_map(|(_, output)| match output {
            Output::Record(record) => Some(record.clone()),
            _ => None,
        }));
        journal.extend(engine.counted());
        let whole = next_engine(&site, engine.past(), &[], end).0.past();
        assert_eq!(next_engine(&site, Past::default(), &journal, end).0.past(), whole);
        about_people(said)
    };
    // It opens again, of which nobody is told anew, and closes.
    let still_hot = after(&[(130, 0.9), (300, 0.95), (400, 0.1)], 2000);
    assert_eq!(
        still_hot,
        [
            "100s n1-1 stands",
            "130s opened",
            "400s closed: last(\"cpu.utilization\") > 0.8 is false (last(cpu.utilization) = 0.1)",
            "400s hot on vm/a0 is over"
        ]
    );
    // It has cooled down meanwhile.
    let over = "last(\"cpu.utilization\") > 0.8 is false (last(cpu.utilization) = 0.1)";
    let cool = after(&[(130, 0.1), (200, 0.1)], 2000);
    assert_eq!(cool, ["100s n1-1 stands", &format!("130s closed: {over}"), "130s hot on vm/a0 is over"]);
    // When it opens after that, people are told anew.
    let again = after(&[(130, 0.1), (700, 0.9)], 750);
    assert_eq!(again[3..], ["700s opened", "700s n2-1 is told"]);
    // Nothing of it comes back: for an hour it may open again without a word.
    let silent = after(&[], 4000);
    let away = "what it was about has not come back since homeostat was started anew";
    assert_eq!(silent, ["100s n1-1 stands", &format!("3700s closed: {away}"), "3700s hot on vm/a0 is over"]);
    let late = after(&[(1250, 0.9)], 2000);
    assert_eq!(late[..2], ["100s n1-1 stands", "1250s opened"]);
    // It is killed once more before anything is known.
    after(&[], 120);
    after(&[(110, 0.9)], 120);
}

#[test]
fn what_people_were_told_of_an_event_stands_while_the_plan_that_answers_it_goes_on() {
    let site = policy("crash", &format!("{CRASH}then: [{{notify: {{message: look}}}}, restart]"));
    let mut bench = Bench::new(&site, centre(1), slow(600));
    bench.driver.handle(at(0), Input::Channels(vec![chat()]));
    bench.event(90, "vm/a0", "vm.crashed", &[]);
    let records = bench.driver.records().to_vec();
    let mut open = OpenPlans::default();
    records.iter().for_each(|record| open.apply(record));
    let open = open.into_plans().remove(0);
    let (plan, step) = (open.made.id, StepId(1));
    let key = IdempotencyKey::new(plan, step);

    let (mut engine, began) = next_engine(&site, Past::default(), &records, 100);
    assert!(began.iter().any(|output| matches!(output, Output::Stands(_))), "{began:?}");
    engine.handle(at(100), Input::Recovered(Box::new(open)), &mut Vec::new());
    assert!(about_people(live_on(&mut engine, &[(130, 0.1)], 170)).is_empty(), "its plan goes on");
    let result = StepResult::Done { observed: "running".into() };
    engine.handle(
        at(171),
        Input::Report(StepReport { generation: Generation(2), plan, step, key, result }),
        &mut Vec::new(),
    );
    let over = "it was open when homeostat last ended, and does not hold any more";
    assert_eq!(
        about_people(live_on(&mut engine, &[], 300)),
        [format!("220s closed: {over}"), "220s crash on vm/a0 is over".into()]
    );
}

#[test]
fn what_people_were_told_stands_over_several_restarts_and_for_channels_that_are_started_anew() {
    let (site, mut records) = told_site();
    records.push(begun(&records, 90));
    let (mut engine, mut out) = next_engine(&site, Past::default(), &records, 100);
    let stands = |out: &[Output]| out.iter().filter(|output| matches!(output, Output::Stands(_))).count();
    assert_eq!(stands(&out), 1);
    out.clear();
    engine.handle(at(101), Input::Channels(vec![]), &mut out);
    assert_eq!(stands(&out), 1, "whoever is new has to know");
    // What is over stands no more.
    live_on(&mut engine, &[(130, 0.1)], 200);
    out.clear();
    engine.handle(at(201), Input::Channels(vec![]), &mut out);
    assert_eq!(stands(&out), 0);
    let finding = FindingRef { policy: PolicyName::new("hot").unwrap(), resource: id("vm/a0") };
    records.push(Record { at: at(95), entry: Entry::FindingClosed { finding, reason: "over".into() } });
    assert_eq!(stands(&next_engine(&site, Past::default(), &records, 100).1), 0);
}
