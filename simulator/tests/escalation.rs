//! Escalation: a rung and a ladder have their time, a ladder ends with a person and a quarantine, and what people are told reaches them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, at, failing, hot, id, policies, policy, slow, small, vm};
use expect_test::expect;
use homeostat_engine::{Engine, Generation, Input, MAX_UNDELIVERED, OperatorCommand, Output};
use homeostat_model::*;
use homeostat_simulator::Assumption;
use proptest::prelude::*;

#[test]
fn a_rung_is_left_when_its_time_is_over_however_many_attempts_it_has() {
    let lines = "cooldown: 5s\nthen:\n  - {restart: {}, attempts: 100, within: 40s}\n  - {notify: {message: \"next\"}}";
    let mut bench = Bench::new(&hot(lines), small(), failing());
    bench.sample(10, "vm/one", "cpu", 0.95);
    bench.until(
        300,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        10s plan p1-1 restart for hot: vm/one restart
        10s begins p1-1/1
        11s ended p1-1/1: Failed { reason: "it does not come up" }
        11s plan p1-1: Failed { step: StepId(1), reason: "it does not come up" }
        21s plan p1-2 restart for hot: vm/one restart
        21s begins p1-2/1
        22s ended p1-2/1: Failed { reason: "it does not come up" }
        22s plan p1-2: Failed { step: StepId(1), reason: "it does not come up" }
        32s plan p1-3 restart for hot: vm/one restart
        32s begins p1-3/1
        33s ended p1-3/1: Failed { reason: "it does not come up" }
        33s plan p1-3: Failed { step: StepId(1), reason: "it does not come up" }
        43s plan p1-4 restart for hot: vm/one restart
        43s begins p1-4/1
        44s ended p1-4/1: Failed { reason: "it does not come up" }
        44s plan p1-4: Failed { step: StepId(1), reason: "it does not come up" }
        50s skipped restart of hot on vm/one: it has not helped within 40s
        54s told: next
    "#]],
    );
}

#[test]
fn what_is_being_done_is_not_interrupted_when_its_time_is_over() {
    let lines = "cooldown: 5s\nthen:\n  - {restart: {}, attempts: 3, within: 40s}\n  - {notify: {message: \"next\"}}";
    let mut bench = Bench::new(&hot(lines), small(), slow(100));
    bench.sample(10, "vm/one", "cpu", 0.95);
    bench.until(
        300,
        expect![[r#"
            10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
            10s plan p1-1 restart for hot: vm/one restart
            10s begins p1-1/1
            50s skipped restart of hot on vm/one: it has not helped within 40s
            50s turns back p1-1: it has not helped within 40s
            110s ended p1-1/1: Done { observed: "assumed" }
            110s plan p1-1: Unverified { reason: "it has not helped within 40s" }
            110s told: next
        "#]],
    );
}

#[test]
fn a_ladder_is_at_its_end_when_its_time_is_over() {
    let lines =
        "cooldown: 30s\nhandOver: {after: 1m, severity: warning}\nthen: [restart, restart, restart, restart, restart]";
    let mut bench = Bench::new(&hot(lines), small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.95);
    bench.until(300, expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        10s plan p1-1 restart for hot: vm/one restart
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s plan p1-1: Succeeded
        10s held hot on vm/one: cooldown: the policy acted here not long ago
        40s plan p1-2 restart for hot: vm/one restart
        40s begins p1-2/1
        40s ended p1-2/1: Done { observed: "assumed" }
        40s plan p1-2: Succeeded
        40s held hot on vm/one: cooldown: the policy acted here not long ago
        70s skipped restart of hot on vm/one: it has not helped within 1m
        70s handed over hot on vm/one: the ladder is at its end: restart, restart, restart, restart, restart
        70s told: a person has to go on with vm/one: the ladder is at its end: restart, restart, restart, restart, restart
        70s quarantine of vm/one by hot on vm/one, 10m
    "#]]);
}

#[test]
fn a_resource_whose_ladder_is_at_its_end_is_left_alone_until_its_finding_stays_closed() {
    let other = policy(
        "full",
        "select: {kind: vm}\nwhen: last(\"disk\") > 80%\nstaleAfter: 1d\nthen: [{resize: {vcpus: \"+1\"}}]",
    );
    let yaml = format!("{}{other}", hot("cooldown: 10s\nhandOver: {quarantine: 2m}\nthen: [restart]"));
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.95).sample(30, "vm/one", "disk", 0.9);
    bench.until(60, expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        10s plan p1-1 restart for hot: vm/one restart
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s plan p1-1: Succeeded
        10s held hot on vm/one: cooldown: the policy acted here not long ago
        20s handed over hot on vm/one: the ladder is at its end: restart
        20s told: a person has to go on with vm/one: the ladder is at its end: restart
        20s quarantine of vm/one by hot on vm/one, 2m
        30s opened full on vm/one: last("disk") > 80% is true (last(disk) = 0.9)
        30s held full on vm/one: vm/one is in quarantine: the ladder of hot has come to its end; it is released by a person, or when that finding stays closed
    "#]]);
    expect![[r#"vm/one is in quarantine: the ladder of hot has come to its end; it is released by a person, or when that finding stays closed; last("disk") > 80% is true (last(disk) = 0.9)"#]].assert_eq(&bench.driver.engine().explain(&id("vm/one"))[0].because);
    // It comes again before its time is over, which counts anew.
    bench.sample(100, "vm/one", "cpu", 0.1).sample(200, "vm/one", "cpu", 0.95).sample(300, "vm/one", "cpu", 0.1);
    bench.until(1000, expect![[r#"
        100s closed hot on vm/one: last("cpu") > 80% is false (last(cpu) = 0.1)
        200s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        200s held hot on vm/one: vm/one is in quarantine: the ladder of hot has come to its end; it is released by a person, or when that finding stays closed
        300s closed hot on vm/one: last("cpu") > 80% is false (last(cpu) = 0.1)
        420s released vm/one: its finding has been closed for 2m
        420s plan p1-2 resize for full: vm/one resize to 2 vcpus
        420s begins p1-2/1
        420s ended p1-2/1: Done { observed: "assumed" }
        420s plan p1-2: Succeeded
        420s held full on vm/one: cooldown: the policy acted here not long ago
        720s handed over full on vm/one: the ladder is at its end: resize
        720s told: a person has to go on with vm/one: the ladder is at its end: resize
    "#]]);
}

#[test]
fn a_person_releases_a_resource_from_quarantine() {
    let other = policy(
        "full",
        "select: {kind: vm}\nwhen: last(\"disk\") > 80%\nstaleAfter: 1d\nthen: [{resize: {vcpus: \"+1\"}}]",
    );
    let yaml = format!("{}{other}", hot("cooldown: 10s\nthen: [restart]"));
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.95).sample(30, "vm/one", "disk", 0.9);
    bench.driver.run_until(at(5000));
    let release = || Input::Operator(OperatorCommand::Release { resource: id("vm/one"), by: "ann".into() });
    bench.driver.handle(at(5000), release());
    bench.driver.handle(at(5001), release());
    bench.until(6000, expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        10s plan p1-1 restart for hot: vm/one restart
        10s begins p1-1/1
        10s ended p1-1/1: Done { observed: "assumed" }
        10s plan p1-1: Succeeded
        10s held hot on vm/one: cooldown: the policy acted here not long ago
        20s handed over hot on vm/one: the ladder is at its end: restart
        20s told: a person has to go on with vm/one: the ladder is at its end: restart
        20s quarantine of vm/one by hot on vm/one, 10m
        30s opened full on vm/one: last("disk") > 80% is true (last(disk) = 0.9)
        30s held full on vm/one: vm/one is in quarantine: the ladder of hot has come to its end; it is released by a person, or when that finding stays closed
        5000s released vm/one: ann has released it
        5000s plan p1-2 resize for full: vm/one resize to 2 vcpus
        5000s begins p1-2/1
        5000s ended p1-2/1: Done { observed: "assumed" }
        5000s plan p1-2: Succeeded
        5000s held full on vm/one: cooldown: the policy acted here not long ago
        5001s refused release of vm/one by ann: vm/one is not in quarantine
        5300s handed over full on vm/one: the ladder is at its end: resize
        5300s told: a person has to go on with vm/one: the ladder is at its end: resize
    "#]]);
}

#[test]
fn a_ladder_that_interrupted_nothing_or_says_so_leaves_no_quarantine() {
    for lines in [
        "cooldown: 10s\nthen: [{resize: {vcpus: \"+1\"}}]",
        "cooldown: 10s\nhandOver: {quarantine: false}\nthen: [restart]",
    ] {
        let mut bench = Bench::new(&hot(lines), small(), vec![]);
        bench.sample(10, "vm/one", "cpu", 0.95);
        bench.driver.run_until(at(100));
        let entries: Vec<&Entry> = bench.driver.records().iter().map(|record| &record.entry).collect();
        assert!(entries.iter().any(|entry| matches!(entry, Entry::HandedOver { .. })), "{entries:?}");
        assert!(!entries.iter().any(|entry| matches!(entry, Entry::ResourceQuarantined { .. })), "{entries:?}");
    }
}

/// However often it opens again soon after a person has taken over: nothing more is done until it has been quiet for long enough.
#[test]
fn after_a_hand_over_nothing_is_done_until_it_has_been_quiet() {
    let spec =
        "select: {kind: vm}\nwhen: last(\"load\") > 80%\nstaleAfter: 1h\ncooldown: 2m\nthen: [{resize: {vcpus: +1}}]";
    let no = Some(StepResult::Refused { reason: "no".into() });
    let fails = Assumption { ends: no, ..Assumption::default() };
    let mut bench = Bench::new(&policy("hot", spec), small(), vec![fails]);
    for turn in 0..8 {
        bench.sample(10 + 60 * turn, "vm/one", "load", 0.9).sample(40 + 60 * turn, "vm/one", "load", 0.1);
    }
    // Quiet for twice the longest cooldown: what comes now is something new.
    bench.sample(460 + 241, "vm/one", "load", 0.9).until(
        800,
        expect![[r#"
        10s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        10s plan p1-1 resize for hot: vm/one resize to 2 vcpus
        10s begins p1-1/1
        10s ended p1-1/1: Refused { reason: "no" }
        10s plan p1-1: Failed { step: StepId(1), reason: "refused: no" }
        10s handed over hot on vm/one: the ladder is at its end: resize
        10s told: a person has to go on with vm/one: the ladder is at its end: resize
        40s closed hot on vm/one: last("load") > 80% is false (last(load) = 0.1)
        70s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        100s closed hot on vm/one: last("load") > 80% is false (last(load) = 0.1)
        130s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        160s closed hot on vm/one: last("load") > 80% is false (last(load) = 0.1)
        190s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        220s closed hot on vm/one: last("load") > 80% is false (last(load) = 0.1)
        250s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        280s closed hot on vm/one: last("load") > 80% is false (last(load) = 0.1)
        310s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        340s closed hot on vm/one: last("load") > 80% is false (last(load) = 0.1)
        370s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        400s closed hot on vm/one: last("load") > 80% is false (last(load) = 0.1)
        430s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        460s closed hot on vm/one: last("load") > 80% is false (last(load) = 0.1)
        701s opened hot on vm/one: last("load") > 80% is true (last(load) = 0.9)
        701s plan p1-2 resize for hot: vm/one resize to 2 vcpus
        701s begins p1-2/1
        701s ended p1-2/1: Refused { reason: "no" }
        701s plan p1-2: Failed { step: StepId(1), reason: "refused: no" }
        701s handed over hot on vm/one: the ladder is at its end: resize
        701s told: a person has to go on with vm/one: the ladder is at its end: resize
    "#]],
    );
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

fn channels() -> Input {
    Input::Channels(vec![
        Channel { name: channel("pager"), from: Severity::Critical },
        Channel { name: channel("chat"), from: Severity::Info },
    ])
}

/// An engine that knows `vm/0` to `vm/9999` as far as they are told of.
fn engine(generation: u32, lines: &str) -> (Engine, Vec<Output>) {
    let (mut engine, mut out) = (Engine::new(Generation(generation)), Vec::new());
    engine.handle(at(0), channels(), &mut out);
    engine.replace_policies(at(0), &policies(&hot(lines)), &mut out).unwrap();
    (engine, out)
}

fn heat(engine: &mut Engine, seconds: u64, vm: &str, value: f64) -> Vec<Output> {
    let sample = Sample { resource: id(vm), metric: MetricName::new("cpu").unwrap(), time: at(seconds), value };
    let mut out = Vec::new();
    engine.handle(at(seconds), Input::Observed(Observation::Sample(sample)), &mut out);
    out
}

fn handed(out: &[Output]) -> Vec<Notification> {
    let handed = |output: &Output| match output {
        Output::Notify(notification) => Some(notification.clone()),
        _ => None,
    };
    out.iter().filter_map(handed).collect()
}

#[test]
fn people_are_told_through_the_channels_that_are_named_or_want_to_know() {
    for (then, expected) in [
        ("[{notify: {message: m}}]", vec!["chat"]),
        ("[{notify: {message: m, severity: critical}}]", vec!["chat", "pager"]),
        ("[{notify: {message: m, severity: info, to: [pager]}}]", vec!["pager"]),
    ] {
        let (mut engine, _) = engine(1, &format!("then: {then}"));
        let told = handed(&heat(&mut engine, 1, "vm/a", 0.9));
        let to: Vec<&str> = told[0].to.iter().map(ChannelName::as_str).collect();
        assert_eq!((told.len(), to), (1, expected), "{then}");
        // They are to know when it is over.
        let out = heat(&mut engine, 2, "vm/a", 0.1);
        assert!(out.contains(&Output::Resolved(told[0].topic())), "{out:?}");
    }
}

#[test]
fn what_was_not_delivered_is_handed_out_again_by_the_next_generation_and_by_none_after_that() {
    let (mut first, mut out) = engine(1, "then: [{notify: {message: m, severity: critical}}]");
    out.extend(heat(&mut first, 1, "vm/a", 0.9));
    let told = handed(&out).remove(0);
    let deliver = |name: &str, given_up: Option<&str>| {
        let (notification, channel) = (told.id, channel(name));
        Input::Delivered(Delivery { notification, channel, given_up: given_up.map(Into::into) })
    };
    first.handle(at(2), deliver("chat", None), &mut out);
    let mut notices = Notices::default();
    let fold = |notices: &mut Notices, out: &[Output]| {
        for output in out {
            if let Output::Record(record) = output {
                notices.apply(record);
            }
        }
    };
    fold(&mut notices, &out);
    let (mut second, _) = engine(2, "then: [{notify: {message: m}}]");
    let mut out = Vec::new();
    for left in notices.iter() {
        second.handle(at(10), Input::Undelivered(Box::new(left.clone())), &mut out);
        second.handle(at(10), Input::Undelivered(Box::new(left.clone())), &mut out);
    }
    let again = handed(&out);
    assert_eq!(again.len(), 1, "once, though it was said twice");
    assert_eq!((again[0].id, &again[0].to), (told.id, &[channel("pager")].into()));
    second.handle(at(11), deliver("pager", Some("a day is over")), &mut out);
    second.handle(at(12), deliver("pager", None), &mut out);
    fold(&mut notices, &out);
    assert_eq!(notices, Notices::default());
    assert!(
        matches!(&out.last().unwrap(), Output::Record(Record { entry: Entry::InputRefused { .. }, .. })),
        "{out:?}"
    );
}

#[test]
fn a_channel_that_has_too_much_waiting_is_given_no_more_and_that_is_said() {
    let (mut engine, _) = engine(1, "then: [{notify: {message: m}}]");
    for number in 0..MAX_UNDELIVERED {
        let told = handed(&heat(&mut engine, 1, &format!("vm/{number}"), 0.9));
        assert_eq!(told[0].to.len(), 1);
    }
    let out = heat(&mut engine, 1, "vm/one-more", 0.9);
    assert!(handed(&out)[0].to.is_empty());
    let given_up = |output: &Output| match output {
        Output::Record(Record { entry: Entry::Delivered(delivery), .. }) => delivery.given_up.clone(),
        _ => None,
    };
    assert!(out.iter().find_map(given_up).unwrap().contains("1000 others wait"), "{out:?}");
    let first = NoticeId { generation: Generation(1), number: 1 };
    let mut out = Vec::new();
    let delivery = Delivery { notification: first, channel: channel("chat"), given_up: None };
    engine.handle(at(2), Input::Delivered(delivery), &mut out);
    assert_eq!(handed(&heat(&mut engine, 3, "vm/another", 0.9))[0].to.len(), 1, "there is room again");
}

/// How long after a finding has closed its ladder goes on where it was.
const WINDOW: Duration = Duration::from_secs(120);

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever a condition does, no more interrupting plans are begun than the ladder has attempts, unless the finding was closed
    /// for long in between; and one that stays open ends with a person.
    #[test]
    fn a_ladder_never_loops_and_ends_with_a_person(
        turns in prop::collection::vec((5_u64..200, prop::bool::weighted(0.6)), 1..60),
        fails in prop::collection::vec(any::<bool>(), 0..20),
        quarantine in any::<bool>(),
    ) {
        let quarantine = if quarantine { "10s" } else { "false" };
        let lines = format!(
            "cooldown: 60s\nhandOver: {{quarantine: {quarantine}}}\nthen:\n  - {{restart: {{}}, attempts: 2}}\n  - {{recreate: {{}}, attempts: 1}}"
        );
        let assumed = fails.iter().map(|fails| Assumption {
            takes: Duration::from_secs(7),
            ends: fails.then(|| StepResult::Failed { reason: "so it is".into() }),
            times: Some(1),
            ..Assumption::default()
        });
        let mut bench = Bench::new(&hot(&lines), small(), assumed.collect());
        let mut now = 10;
        for (pause, is_hot) in turns {
            bench.sample(now, "vm/one", "cpu", if is_hot { 0.95 } else { 0.1 });
            now += pause;
        }
        let tail = at(now);
        bench.samples(now..=now + 3600, "vm/one", "cpu", 0.95);
        bench.driver.run_until(at(now + 3600));
        let records = bench.driver.records();
        let plans: Vec<Timestamp> =
            records.iter().filter(|record| matches!(record.entry, Entry::PlanMade(_))).map(|record| record.at).collect();
        // When it has been closed for so long that the ladder begins anew.
        let (mut closed, mut quiet) = (None, Vec::new());
        for record in records {
            match record.entry {
                Entry::FindingClosed { .. } => closed = Some(record.at),
                Entry::FindingOpened { .. } if closed.take().is_some_and(|closed| record.at.since(closed) >= WINDOW) => quiet.push(record.at),
                _ => {}
            }
        }
        for four in plans.windows(4) {
            prop_assert!(quiet.iter().any(|at| four[0] < *at && *at <= four[3]), "{four:?} {quiet:?}: {records:#?}");
        }
        let begins = quiet.last().copied().unwrap_or(at(0));
        let person = records.iter().any(|record| record.at >= begins && matches!(record.entry, Entry::HandedOver { .. }));
        prop_assert!(person, "hot from {tail:?} on: {records:#?}");
    }
}

/// A response whose time is over has not helped: what it did is undone before the next one is tried, and it counts as failed. Only what a
/// person calls off stays as it is. A restart in between changes nothing.
#[test]
fn what_a_rung_did_is_undone_when_its_time_is_over() {
    let grow = "cooldown: 5s\nthen:\n  - resize: {vcpus: +1}\n    within: 2m\n    verify: {that: 'last(\"cpu\") < 50%', \
                within: 5m}\n  - {notify: {message: \"next\"}}";
    let mut bench = Bench::new(&hot(grow), small(), slow(20));
    bench.sample(10, "vm/one", "cpu", 0.95).until(
        140,
        expect![[r#"
        10s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        10s plan p1-1 resize for hot: vm/one resize to 2 vcpus
        10s begins p1-1/1
        30s ended p1-1/1: Done { observed: "assumed" }
        30s verifies p1-1: last("cpu") < 50%, until 330s
        130s skipped resize of hot on vm/one: it has not helped within 2m
        130s turns back p1-1: it has not helped within 2m
        130s begins p1-1/1.undo
    "#]],
    );
    let mut killed = bench.killed_until(145, &hot(grow));
    bench.until(
        300,
        expect![[r#"
        150s ended p1-1/1: Done { observed: "assumed" }
        150s plan p1-1: Unverified { reason: "it has not helped within 2m" }
        150s told: next
    "#]],
    );
    killed.sample(146, "vm/one", "cpu", 0.95).until(
        300,
        expect![[r#"
        146s opened hot on vm/one: last("cpu") > 80% is true (last(cpu) = 0.95)
        150s ended p1-1/1: Done { observed: "assumed" }
        150s plan p1-1: Unverified { reason: "it has not helped within 2m" }
        150s told: next
    "#]],
    );

    // Its time is over while a step is being done: nothing after it is begun, and the cordon is lifted.
    let empty = policy(
        "empty",
        "select: {kind: host}\non: host.empty\nthen: [{evacuate: , within: 10s}, {notify: {message: next}}]",
    );
    let mut bench = Bench::new(&empty, bench::centre(1), slow(20));
    bench.event(1, "host/a", "host.empty", &[]).until(
        100,
        expect![[r#"
        1s opened empty on host/a: event host.empty is true
        1s plan p1-1 evacuate for empty: host/a cordon on, vm/a0 after [1] migrate to host/b
        1s begins p1-1/1
        11s skipped evacuate of empty on host/a: it has not helped within 10s
        11s turns back p1-1: it has not helped within 10s
        21s ended p1-1/1: Done { observed: "assumed" }
        21s begins p1-1/1.undo
        41s ended p1-1/1: Done { observed: "assumed" }
        41s plan p1-1: Unverified { reason: "it has not helped within 10s" }
        41s told: next
        41s closed empty on host/a: everything was tried
    "#]],
    );
}

/// A word by the way does not replace the call for help: whoever is only told of what is critical has to be told.
#[test]
fn a_hand_over_is_told_unless_a_rung_told_as_many_as_urgently() {
    for (severity, expected) in
        [("info", vec!["info [chat]", "critical [chat, pager]"]), ("critical", vec!["critical [chat, pager]"])]
    {
        // There is nowhere to move it to.
        let (mut engine, _) =
            engine(1, &format!("then: [{{notify: {{message: m, severity: {severity}}}}}, migrate]\ncooldown: 0s"));
        let mut here = vm("vm/a", "host/a", 1.0);
        here.adapter = Some(AdapterName::new("assumed").unwrap());
        let seen = Input::Observed(Observation::Inventory(InventoryChange::Upsert(here)));
        engine.handle(at(0), seen, &mut Vec::new());
        let mut out = heat(&mut engine, 1, "vm/a", 0.9);
        engine.advance(at(60), &mut out);
        let told: Vec<String> = handed(&out)
            .iter()
            .map(|one| {
                let to: Vec<&str> = one.to.iter().map(ChannelName::as_str).collect();
                format!("{} [{}]", one.severity, to.join(", "))
            })
            .collect();
        assert_eq!(told, expected);
        let over = |output: &Output| matches!(output, Output::Record(Record { entry: Entry::HandedOver { .. }, .. }));
        assert!(out.iter().any(over), "{out:?}");
    }
}
