//! A plan goes on after a restart as if there had been none: as much at a time, verified as long, nothing begun in vain. And what nobody
//! knows of one that has ended counts as done.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, CRASH, at, centre, guard, host, id, policies, policy, vm};
use expect_test::expect;
use homeostat_engine::{Engine, Generation, Input, OperatorCommand, Output, Past};
use homeostat_model::*;
use homeostat_simulator::{AssumedWorld, Assumption};

/// The engine after the one that made `records`, at that second; it was not told yet what there is.
fn next_engine(site: &str, records: &[Record], second: u64) -> (Engine, Vec<Output>) {
    let (mut engine, mut out) = (Engine::new(Generation(2)), Vec::new());
    engine.replace_policies(at(second), &policies(site), &mut out).unwrap();
    let since = records.iter().filter(|record| Past::concerns(&record.entry)).cloned().collect();
    engine.handle(at(second), Input::Recalled { past: Box::default(), since }, &mut out);
    let mut open = OpenPlans::default();
    records.iter().for_each(|record| open.apply(record));
    for plan in open.into_plans() {
        engine.handle(at(second), Input::Recovered(Box::new(plan)), &mut out);
    }
    (engine, out)
}

/// Tells it what there is.
fn describe(engine: &mut Engine, second: u64, resources: Vec<Resource>, out: &mut Vec<Output>) {
    let world = AssumedWorld::new(AdapterName::new("assumed").unwrap(), resources, vec![]);
    for told in world.announcements() {
        engine.handle(at(second), told, out);
    }
}

/// Six machines on one of two hosts.
fn crowded() -> Vec<Resource> {
    centre(6).into_iter().filter(|one| !one.id.as_str().starts_with("vm/b")).collect()
}

fn slow_moves(seconds: u64) -> Vec<Assumption> {
    vec![Assumption { verb: Some(Verb::Migrate), takes: Duration::from_secs(seconds), ..Assumption::default() }]
}

fn probed(out: &[Output]) -> usize {
    out.iter().filter(|output| matches!(output, Output::Probe(_))).count()
}

fn dispatched(out: &[Output]) -> Vec<String> {
    let command = |output: &Output| match output {
        Output::Dispatch(command) => Some(format!("{} {}", command.resource, command.action)),
        _ => None,
    };
    out.iter().filter_map(command).collect()
}

#[test]
fn no_more_is_done_at_a_time_after_a_restart_than_before() {
    let site = policy("empty", "select: {kind: host}\non: host.empty\nthen: [evacuate]");
    let resources = crowded();
    let mut bench = Bench::new(&site, resources.clone(), slow_moves(600));
    bench.event(1, "host/a", "host.empty", &[]);
    // The cordon, and then as many moves as a host takes at a time.
    bench.driver.run_until(at(100));
    let (mut engine, mut out) = next_engine(&site, bench.driver.records(), 110);
    assert_eq!((probed(&out), dispatched(&out)), (4, vec![]));
    describe(&mut engine, 120, resources, &mut out);
    assert_eq!(dispatched(&out), Vec::<String>::new(), "four moves are in flight");
    let probe = out.iter().find_map(|output| match output {
        Output::Probe(command) => Some(command.clone()),
        _ => None,
    });
    let StepCommand { plan, step, key, generation, .. } = probe.unwrap();
    let result = StepResult::Done { observed: "it has moved".into() };
    engine.handle(at(130), Input::Report(StepReport { plan, step, key, generation, result }), &mut out);
    assert_eq!(dispatched(&out).len(), 1, "where one has ended, one begins");
}

/// An adapter that needs long to say what there is takes nothing from the time in which it is looked whether a plan has helped.
#[test]
fn what_is_verified_is_looked_at_for_as_long_after_a_restart() {
    let site = policy(
        "small",
        "select: {kind: vm}\nwhen: capacity.vcpus < 3\nthen: [{resize: {vcpus: 3}, verify: {that: capacity.vcpus == 3, within: 15s, \
         stableFor: 10s}}]",
    );
    let mut bench = Bench::new(&site, vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)], vec![]);
    bench.driver.run_until(at(5));
    assert!(matches!(bench.driver.records().last().unwrap().entry, Entry::Verifying { .. }));
    let (mut engine, mut out) = next_engine(&site, bench.driver.records(), 10);
    engine.advance(at(60), &mut out);
    describe(&mut engine, 60, vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 3.0)], &mut out);
    engine.advance(at(71), &mut out);
    let ended = out.iter().find_map(|output| match output {
        Output::Record(Record { at, entry: Entry::PlanFinished { result, .. } }) => Some((*at, result.clone())),
        _ => None,
    });
    assert_eq!(ended, Some((at(70), PlanResult::Succeeded)));
}

/// What may have come to a host takes room there until a person has looked, and what may have gone to it is not emptied away under it.
#[test]
fn what_may_have_moved_counts_as_moved() {
    let site = [
        policy("move", "select: {kind: vm}\non: vm.move\ncooldown: 0s\nthen: [migrate]"),
        policy("empty", "select: {kind: host}\non: host.empty\ncooldown: 0s\nthen: [evacuate]"),
    ]
    .concat();
    let unknown = StepResult::Unknown { reason: "no answer".into() };
    let lost = Assumption { resource: Some(id("vm/one")), ends: Some(unknown), ..Assumption::default() };
    let resources = vec![
        host("host/a", 8.0, &[]),
        host("host/b", 5.0, &[]),
        vm("vm/one", "host/a", 3.0),
        vm("vm/two", "host/a", 3.5),
        vm("vm/three", "host/b", 0.5),
    ];
    let mut bench = Bench::new(&site, resources, vec![lost]);
    bench.event(1, "vm/one", "vm.move", &[]).event(20, "vm/two", "vm.move", &[]).event(21, "host/b", "host.empty", &[]);
    bench.until(22, expect![[r#"
        1s opened move on vm/one: event vm.move is true
        1s plan p1-1 migrate for move: vm/one migrate to host/b
        1s begins p1-1/1
        1s ended p1-1/1: Unknown { reason: "no answer" }
        1s plan p1-1: Failed { step: StepId(1), reason: "outcome not known: no answer" }
        1s handed over move on vm/one: what became of a step of plan p1-1 is not known; look at its system, then cancel the plan
        1s told: a person has to go on with vm/one: what became of a step of plan p1-1 is not known; look at its system, then cancel the plan
        1s closed move on vm/one: a person has to look
        20s opened move on vm/two: event vm.move is true
        20s skipped migrate of move on vm/two: the only other host has no room for 3.5 vcpus and 8192 MiB
        20s handed over move on vm/two: the ladder is at its end: migrate
        20s told: a person has to go on with vm/two: the ladder is at its end: migrate
        20s closed move on vm/two: everything was tried
        21s opened empty on host/b: event host.empty is true
        21s held empty on host/b: plan p1-1 has host/b in hand
    "#]]);
    let plan = PlanId { generation: Generation(1), number: 1 };
    bench.operator(30, OperatorCommand::Cancel { plan, by: "ann".into() }).event(40, "vm/two", "vm.move", &[]);
    bench.until(
        41,
        expect![[r#"
        30s plan p1-1: Cancelled { reason: "cancelled by ann" }
        30s plan p1-2 evacuate for empty: host/b cordon on, vm/three after [1] migrate to host/a
        30s begins p1-2/1
        30s ended p1-2/1: Done { observed: "assumed" }
        30s begins p1-2/2
        30s ended p1-2/2: Done { observed: "assumed" }
        30s plan p1-2: Succeeded
        30s closed empty on host/b: the plan succeeded
        40s opened move on vm/two: event vm.move is true
        40s closed move on vm/two: everything was tried
    "#]],
    );
}

#[test]
fn a_host_that_is_back_is_not_fenced() {
    let site = policy("down", "select: {kind: host}\nwhen: state == \"down\"\nthen: [evacuate]");
    let no = Some(StepResult::Failed { reason: "no".into() });
    let fails = Assumption { verb: Some(Verb::Fence), ends: no, times: Some(1), ..Assumption::default() };
    let mut bench = Bench::new(&site, centre(1), vec![fails]);
    let mut down = host("host/a", 64.0, &[]);
    down.adapter = Some(AdapterName::new("assumed").unwrap());
    let up = down.clone();
    down.attributes.insert("state".into(), "down".into());
    bench.describe(10, down).describe(12, up);
    bench.until(
        60,
        expect![[r#"
        10s opened down on host/a: state == "down" is true (state = "down")
        10s plan p1-1 evacuate for down: host/a fence, vm/a0 after [1] restart on host/b
        10s begins p1-1/1
        10s ended p1-1/1: Failed { reason: "no" }
        12s closed down on host/a: state == "down" is false (state = "up")
        13.36s ended p1-1/1: Refused { reason: "host/a runs again" }
        13.36s plan p1-1: Failed { step: StepId(1), reason: "refused: host/a runs again" }
    "#]],
    );
}

/// As the program ends nothing begins that it would not wait for: the next start finds it as it is, and it has cost no try.
#[test]
fn as_the_program_ends_nothing_begins() {
    let site = [
        policy("crash", &format!("{CRASH}then: [restart]")),
        policy("empty", "select: {kind: host}\non: host.empty\ncooldown: 0s\nthen: [evacuate]"),
    ]
    .concat();
    let mut bench = Bench::new(&site, crowded(), slow_moves(30));
    bench.event(1, "host/a", "host.empty", &[]);
    bench.driver.run_until(at(20));
    bench.operator(25, OperatorCommand::Stop);
    let before = begun(&bench);
    bench.driver.run_until(at(600));
    assert_eq!(begun(&bench), before, "what was under way has ended, and nothing followed it");
    let (mut engine, mut out) = next_engine(&site, bench.driver.records(), 610);
    assert_eq!(probed(&out), 0);
    describe(&mut engine, 620, crowded(), &mut out);
    assert_eq!(dispatched(&out).len(), 2, "six were to move, and four have: {out:?}");
}

fn begun(bench: &Bench) -> usize {
    let dispatched = |record: &&Record| matches!(record.entry, Entry::StepDispatched { .. });
    bench.driver.records().iter().filter(dispatched).count()
}

/// People were told that it runs: it began, though its first step waits for its turn as the program is killed. It is what a breaker lets
/// through to see, too.
#[test]
fn what_people_approved_of_and_waits_for_its_turn_goes_on_after_a_restart() {
    let site = [
        guard("site", "select: {kind: vm}\nbreaker: {failures: 1, within: 1m, pause: 1m}\nparallel: {host: 1}"),
        policy("crash", &format!("{CRASH}mode: approve\nhandOver: {{quarantine: false}}\nthen: [restart]")),
        policy("stopped", "select: {kind: vm}\non: vm.stopped\nthen: [start]"),
    ]
    .concat();
    let no = Some(StepResult::Failed { reason: "no".into() });
    let fails = Assumption { verb: Some(Verb::Restart), ends: no, times: Some(1), ..Assumption::default() };
    let slow = Assumption { verb: Some(Verb::Start), takes: Duration::from_secs(120), ..Assumption::default() };
    let mut bench = Bench::new(&site, centre(3), vec![fails, slow]);
    let approve = |number| OperatorCommand::Approve(PlanId { generation: Generation(1), number });
    bench.event(1, "vm/a0", "vm.crashed", &[]).operator(2, approve(1));
    bench.event(3, "vm/a1", "vm.crashed", &[]).operator(4, approve(2)).event(10, "vm/a2", "vm.stopped", &[]);
    bench.until(
        70,
        expect![[r#"
            1s opened crash on vm/a0: event vm.crashed is true
            1s plan p1-1 restart for crash: vm/a0 restart
            1s held crash on vm/a0: mode approve: the plan waits for a person
            1s told: plan p1-1 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again; its hash is 8c45a39b22687ae1
            2s an operator approves of plan p1-1
            2s begins plan p1-1
            2s begins p1-1/1
            2s ended p1-1/1: Failed { reason: "no" }
            2s plan p1-1: Failed { step: StepId(1), reason: "no" }
            2s breaker of site is open: plan p1-1 failed: no
            2s handed over crash on vm/a0: the ladder is at its end: restart
            2s told: a person has to go on with vm/a0: the ladder is at its end: restart
            2s closed crash on vm/a0: everything was tried
            3s opened crash on vm/a1: event vm.crashed is true
            3s plan p1-2 restart for crash: vm/a1 restart
            3s held crash on vm/a1: mode approve: the plan waits for a person
            3s told: plan p1-2 waits for approval: restart vm/a1, 1 step; then vm/a1 runs again; its hash is e6ab6778ddb0947b
            4s an operator approves of plan p1-2
            4s held crash on vm/a1: the breaker of guard site is open
            10s opened stopped on vm/a2: event vm.stopped is true
            10s plan p1-3 start for stopped: vm/a2 start
            10s begins p1-3/1
            62s breaker of site is half open: it was open for as long as it is to be
            62s begins plan p1-2
            62s breaker of site is half open, trying plan p1-2: plan p1-2 is tried
        "#]],
    );
    bench.killed_until(80, &site).until(
        200,
        expect![[r#"
        130s ended p1-3/1: Done { observed: "assumed" }
        130s plan p1-3: Succeeded
        130s begins p1-2/1
        130s ended p1-2/1: Done { observed: "assumed" }
        130s plan p1-2: Succeeded
        130s breaker of site is closed: plan p1-2 succeeded
    "#]],
    );
}

/// People were told on the way, and what comes after that waits as the program is killed: it is not the end of the ladder.
#[test]
fn a_ladder_goes_on_after_a_restart_past_what_people_were_told() {
    let site = [
        policy("grown", "select: {kind: vm}\non: vm.grown\nthen: [{resize: {vcpus: +1}}]"),
        policy(
            "hot",
            "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\ncooldown: 0s\nthen: [{notify: {message: look}}, restart]",
        ),
    ]
    .concat();
    let slow = Assumption { verb: Some(Verb::Resize), takes: Duration::from_secs(30), ..Assumption::default() };
    let mut bench = Bench::new(&site, centre(1), vec![slow]);
    bench.event(1, "vm/a0", "vm.grown", &[]).sample(2, "vm/a0", "cpu", 0.9);
    bench.driver.run_until(at(5));
    bench.killed_until(10, &site).sample(11, "vm/a0", "cpu", 0.9).until(
        32,
        expect![[r#"
        11s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        11s held hot on vm/a0: plan p1-1 has vm/a0 in hand
        31s ended p1-1/1: Done { observed: "assumed" }
        31s plan p1-1: Succeeded
        31s plan p2-1 restart for hot: vm/a0 restart
        31s begins p2-1/1
        31s ended p2-1/1: Done { observed: "assumed" }
        31s plan p2-1: Succeeded
        31s handed over hot on vm/a0: the ladder is at its end: notify, restart
        31s told: a person has to go on with vm/a0: the ladder is at its end: notify, restart
        31s quarantine of vm/a0 by hot on vm/a0, 10m
    "#]],
    );
}

/// The program is killed between two records that belong together: a plan was made, that its first step was handed over is lost. It has
/// begun, and counts as such in every later life, as it did in the one that made it.
#[test]
fn a_plan_that_was_made_as_the_program_ended_counts_from_then_on() {
    let site = [
        guard("site", "select: {kind: vm}\nbudgets: [{max: 1, per: 20m}]"),
        policy("crash", &format!("{CRASH}then: [restart]")),
    ]
    .concat();
    let slow = vec![Assumption { takes: Duration::from_secs(30), ..Assumption::default() }];
    let mut bench = Bench::new(&site, centre(3), slow);
    bench.event(1, "vm/a0", "vm.crashed", &[]);
    bench.driver.run_until(at(2));

    let records = bench.driver.records();
    let made = records.iter().position(|record| matches!(record.entry, Entry::PlanMade(_))).expect("a plan is made");
    let lost = &records[made + 1].entry;
    assert!(matches!(lost, Entry::StepDispatched { .. }), "that is what is lost: {lost:?}");
    let knows = |records: &[Record]| next_engine(&site, records, 210).0.past();
    assert_eq!(knows(&records[..=made]), knows(&records[..=made + 1]));
    assert_ne!(knows(&records[..made]), knows(&records[..=made]));
}

/// What could not be done is not tried again, nor said, only because homeostat was started anew.
#[test]
fn a_rung_that_was_passed_over_stays_so_after_a_restart() {
    let site = [
        guard("site", "select: {kind: vm}\nbudgets: [{max: 1, per: 1h}]"),
        policy("crash", &format!("{CRASH}then: [restart]")),
        policy(
            "hot",
            "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 1h\nthen: [{resize: {vcpus: +1000}}, restart]",
        ),
    ]
    .concat();
    let mut bench = Bench::new(&site, centre(2), vec![]);
    bench.event(1, "vm/b0", "vm.crashed", &[]);
    bench.driver.run_until(at(2));
    let before = bench.driver.records().len();
    bench.sample(10, "vm/a0", "cpu", 0.9);
    bench.driver.run_until(at(20));
    let records = bench.driver.records();
    assert!(told(&records[before..]).contains("skipped resize"), "{}", told(&records[before..]));

    let (mut engine, mut out) = next_engine(&site, records, 100);
    describe(&mut engine, 100, centre(2), &mut out);
    engine.handle(at(101), heat(101), &mut out);
    engine.advance(at(4_000), &mut out);
    expect![[r#"
        101s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        101s held hot on vm/a0: budget of guard site: 1 of 1 for all that it guards within 1h
        3601s plan p2-1 restart for hot: vm/a0 restart
        3601s begins p2-1/1
    "#]]
    .assert_eq(&told_of(&out));
}

/// What was not meant may be meant after a restart: then the ladder begins where it is. What is not is not said again.
#[test]
fn a_rung_whose_if_was_not_met_is_asked_again_after_a_restart() {
    let site = policy(
        "hot",
        "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 1h\nthen:\n  - {resize: {vcpus: +1}, if: last(\"swap\") > 50%}\n  - {restart: , if: last(\"swap\") > 90%}",
    );
    let mut bench = Bench::new(&site, centre(2), vec![]);
    bench.sample(9, "vm/a0", "swap", 0.1).sample(10, "vm/a0", "cpu", 0.9);
    bench.driver.run_until(at(20));
    let records = bench.driver.records();
    assert_eq!(told(records).matches("skipped").count(), 2, "{}", told(records));

    let (mut engine, mut out) = next_engine(&site, records, 100);
    describe(&mut engine, 100, centre(2), &mut out);
    for (second, swap) in [(101, 0.1), (130, 0.6)] {
        engine.handle(at(second), sample(second, "swap", swap), &mut out);
        engine.handle(at(second + 1), heat(second + 1), &mut out);
        engine.advance(at(second + 20), &mut out);
    }
    expect![[r#"
        102s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        102s held hot on vm/a0: what to do is not known: no response of the ladder is meant now
        132s plan p2-1 resize for hot: vm/a0 resize to 2 vcpus
        132s begins p2-1/1
    "#]]
    .assert_eq(&told_of(&out));
}

/// Nothing was done yet: what was not meant at first may be meant by the time at which what comes after it is let through.
#[test]
fn a_ladder_of_which_nothing_was_tried_begins_anew_where_the_rest_of_it_is_not_meant() {
    let site = [
        guard("site", "select: {kind: vm}\nbudgets: [{max: 1, per: 1h}]"),
        policy("crash", &format!("{CRASH}then: [restart]")),
        policy(
            "hot",
            "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nstaleAfter: 3h\nthen:\n  - {resize: {vcpus: +1}, if: last(\"swap\") > 50%}\n  - {restart: , if: last(\"lag\") > 50%}",
        ),
    ]
    .concat();
    let mut bench = Bench::new(&site, centre(2), vec![]);
    bench.event(1, "vm/b0", "vm.crashed", &[]);
    bench.driver.run_until(at(2));
    let before = bench.driver.records().len();
    bench.sample(9, "vm/a0", "swap", 0.1).sample(9, "vm/a0", "lag", 0.9).sample(10, "vm/a0", "cpu", 0.9);
    bench.sample(20, "vm/a0", "swap", 0.9).sample(20, "vm/a0", "lag", 0.1);
    bench.driver.run_until(at(3_700));
    expect![[r#"
        10s opened hot on vm/a0: last("cpu") > 80% is true (last(cpu) = 0.9)
        10s skipped resize of hot on vm/a0: `if: last("swap") > 50%` is false
        10s held hot on vm/a0: budget of guard site: 1 of 1 for all that it guards within 1h
        3601s skipped restart of hot on vm/a0: `if: last("lag") > 50%` is false
        3601s held hot on vm/a0: what to do is not known: no response of the ladder is meant now
        3611s plan p1-2 resize for hot: vm/a0 resize to 2 vcpus
        3611s begins p1-2/1
        3611s ended p1-2/1: Done { observed: "assumed" }
        3611s plan p1-2: Succeeded
        3611s held hot on vm/a0: cooldown: the policy acted here not long ago
    "#]]
    .assert_eq(&told(&bench.driver.records()[before..]));
}

fn sample(second: u64, metric: &str, value: f64) -> Input {
    let metric = MetricName::new(metric).unwrap();
    Input::Observed(Observation::Sample(Sample { resource: id("vm/a0"), metric, time: at(second), value }))
}

fn heat(second: u64) -> Input {
    sample(second, "cpu", 0.9)
}

fn told(records: &[Record]) -> String {
    let mut text = String::new();
    records.iter().for_each(|record| bench::tell(&mut text, record));
    text
}

/// What was decided, but for the policies that were loaded.
fn told_of(out: &[Output]) -> String {
    let records = out.iter().filter_map(|output| match output {
        Output::Record(record) if !matches!(record.entry, Entry::PoliciesLoaded { .. }) => Some(record.clone()),
        _ => None,
    });
    told(&records.collect::<Vec<_>>())
}
