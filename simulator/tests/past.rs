//! What outlasts the program: what an engine recalls of any earlier moment and of the records since is what the engine before knew at the
//! end; and what follows from it is done, or is not done, as if homeostat had not been started anew.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, CRASH, at, centre, chat, guard, id, policies, policy, slow};
use homeostat_engine::{Engine, Generation, Input, OperatorCommand, Output, Past};
use homeostat_model::*;
use homeostat_simulator::Assumption;
use proptest::prelude::*;

const RATE: usize = 4;
const PER: Duration = Duration::from_mins(20);

/// Policies that remember something in each way that there is.
fn site() -> String {
    [
        guard(
            "site",
            &format!(
                "select: {{kind: vm}}\nbudgets: [{{max: {RATE}, per: {PER}}}]\nbreaker: {{failures: 3, within: 10m, pause: 4m}}"
            ),
        ),
        policy("busy", "select: {kind: vm}\nwhen: last(\"cpu.utilization\") > 0.8\nfor: 1m\ncooldown: 1m\nflap: {changes: 3, within: 30m}\nhandOver: {after: 9m}\nthen: [{restart: , attempts: 4, within: 3m}, {restart: , attempts: 2, within: 45s}]"),
        policy("crash", "select: {kind: vm}\non: vm.crashed\ncooldown: 1m\nhandOver: {after: 15m}\nthen: [{restart: , attempts: 2, cooldown: 90s, within: 150s}, {restart: , within: 25s}, {notify: {message: look}}]"),
        // Where it asks for the same, it joins what another policy does, at a later rung.
        policy("again", "select: {kind: vm}\non: vm.crashed\ncooldown: 2m\npriority: -1\nthen: [{notify: {message: look}}, {restart: , attempts: 2}]"),
        policy("full", "select: {kind: vm}\nwhen: last(\"disk.used\") > 0.9\nmode: recommend\npromote: {after: 2, to: auto}\ncooldown: 3m\nthen: [restart]"),
        policy("grown", "select: {kind: vm}\non: vm.grown\ncooldown: 0s\nmode: approve\napproval: {within: 2m, otherwise: approve}\npromote: {after: 2, to: auto}\nthen: [{resize: {vcpus: +1}}]"),
        // People are told after what is passed over: that alone is no record that outlasts the program.
        policy("leave", "select: {kind: host}\non: host.leaving\ncooldown: 1m\nthen: [{evacuate: , within: 20s}, {notify: {message: look}}]"),
        // The first rung is not meant, or cannot be done; the last one waits for the guard's budget.
        policy("passing", "select: {kind: vm}\nwhen: last(\"disk.used\") > 0.75\ncooldown: 1m\nthen: [{resize: {vcpus: +1000}, if: last(\"disk.used\") > 0.85}, {resize: {vcpus: +2000}}, {restart: , if: last(\"disk.used\") < 0.9}]"),
        policy("told", "select: {kind: vm}\nwhen: last(\"disk.used\") > 0.7\ncooldown: 10m\nthen: [{notify: {message: full}}]"),
    ]
    .concat()
}

#[derive(Debug, Clone)]
enum Happening {
    Busy(usize, bool),
    Full(usize, f64),
    Crash(usize),
    Grown(usize),
    Approve(bool),
    Leave(usize),
    Agree(bool),
    /// The oldest notification that waits is delivered, or given up.
    Deliver(bool),
    Cancel,
    Reload,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (0_usize..3, prop::bool::weighted(0.7)).prop_map(|(vm, busy)| Happening::Busy(vm, busy)),
        3 => (0_usize..2, prop_oneof![Just(0.5), Just(0.8), Just(0.95)]).prop_map(|(vm, used)| Happening::Full(vm, used)),
        4 => (0_usize..3).prop_map(Happening::Crash),
        3 => (0_usize..3).prop_map(Happening::Grown),
        2 => prop::bool::weighted(0.9).prop_map(Happening::Approve),
        2 => (0_usize..2).prop_map(Happening::Leave),
        4 => prop::bool::weighted(0.9).prop_map(Happening::Agree),
        2 => any::<bool>().prop_map(Happening::Deliver),
        2 => Just(Happening::Cancel),
        1 => Just(Happening::Reload),
    ]
}

/// A run, with what was known and how much was recorded after each happening.
struct Run {
    bench: Bench,
    journal: Vec<Record>,
    seen: usize,
    noted: Vec<(u64, usize, Past)>,
}

impl Run {
    fn new(failing: usize) -> Self {
        let no = Some(StepResult::Failed { reason: "no".into() });
        let resource = Some(id(["vm/a0", "vm/a1", "vm/b0", "vm/b1"][failing]));
        let takes = Duration::from_secs(20);
        let fails = Assumption { resource, ends: no, takes, ..Assumption::default() };
        let assumptions = std::iter::once(fails).chain(slow(30)).collect();
        let mut run = Self {
            bench: Bench::new(&site(), centre(3), assumptions),
            journal: Vec::new(),
            seen: 0,
            noted: Vec::new(),
        };
        run.bench.driver.handle(at(0), Input::Channels(vec![chat()]));
        run.note(0);
        run
    }

    fn note(&mut self, now: u64) {
        let records = &self.bench.driver.records()[self.seen..];
        self.journal.extend(records.iter().cloned());
        self.seen += records.len();
        self.journal.extend(self.bench.driver.engine().counted());
        self.noted.push((now, self.journal.len(), self.bench.driver.engine().past()));
    }

    fn play(&mut self, happenings: &[(u64, Happening)]) {
        let mut now = 0;
        for (gap, happening) in happenings {
            now += gap;
            self.bench.driver.run_until(at(now));
            self.happens(now, happening);
            self.note(now);
        }
    }

    fn happens(&mut self, now: u64, happening: &Happening) {
        let newest = |which: fn(&Plan) -> bool, journal: &[Record]| {
            journal.iter().rev().find_map(|record| match &record.entry {
                Entry::PlanMade(plan) if which(plan) => Some(plan.id),
                _ => None,
            })
        };
        let command = match happening {
            Happening::Busy(vm, busy) => {
                let value = if *busy { 0.9 } else { 0.1 };
                self.bench.sample(now, &format!("vm/a{vm}"), "cpu.utilization", value);
                None
            }
            Happening::Full(vm, used) => {
                self.bench.sample(now, &format!("vm/b{vm}"), "disk.used", *used);
                None
            }
            Happening::Crash(vm) => {
                self.bench.event(now, &format!("vm/a{vm}"), "vm.crashed", &[]);
                None
            }
            Happening::Grown(vm) => {
                self.bench.event(now, &format!("vm/b{vm}"), "vm.grown", &[]);
                None
            }
            Happening::Approve(approve) => newest(|plan| plan.mode == Mode::Approve, &self.journal)
                .map(|plan| OperatorCommand::Vote { plan, by: "bob".into(), approve: *approve, hash: None }),
            Happening::Leave(host) => {
                self.bench.event(now, ["host/a", "host/b"][*host], "host.leaving", &[]);
                None
            }
            Happening::Agree(approve) => newest(|plan| plan.mode == Mode::Recommend, &self.journal)
                .map(|plan| OperatorCommand::Vote { plan, by: "ann".into(), approve: *approve, hash: None }),
            Happening::Deliver(given_up) => {
                let mut waiting = Notices::default();
                self.journal.iter().for_each(|record| waiting.apply(record));
                if let Some(notification) = waiting.iter().next().map(|one| one.id) {
                    let given_up = given_up.then(|| "no".to_owned());
                    let delivery = Delivery { notification, channel: chat().name, given_up };
                    self.bench.driver.handle(at(now), Input::Delivered(delivery));
                }
                None
            }
            Happening::Cancel => newest(|plan| plan.mode == Mode::Auto, &self.journal)
                .map(|plan| OperatorCommand::Cancel { plan, by: "ann".into() }),
            Happening::Reload => {
                self.bench.replace(now, &site());
                None
            }
        };
        if let Some(command) = command {
            self.bench.driver.handle(at(now), Input::Operator(command));
        }
    }
}

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

/// What the next engine knows that was told `past` and `since`.
fn recalled(past: Past, since: &[Record], now: u64) -> Past {
    next_engine(&site(), past, since, now).0.past()
}

/// The program is killed between two records that belong together: the trial has ended, that the breaker is closed is lost. Half open
/// for good, it would let nothing pass any more.
#[test]
fn a_breaker_whose_trial_ended_with_the_program_is_what_the_trial_made_it() {
    let site = [
        guard("site", "select: {kind: vm}\nbreaker: {failures: 2, within: 1m, pause: 2m}"),
        policy("crash", &format!("{CRASH}then: [{{restart: , attempts: 1}}]")),
    ]
    .concat();
    for (fail, ends, becomes) in [(2, true, "closed"), (3, false, "open")] {
        let no = Some(StepResult::Failed { reason: "no".into() });
        let fails = Assumption { ends: no, times: Some(fail), ..Assumption::default() };
        let mut bench = Bench::new(&site, centre(3), vec![fails]);
        bench.event(1, "vm/a0", "vm.crashed", &[]).event(2, "vm/a1", "vm.crashed", &[]);
        bench.event(3, "vm/b0", "vm.crashed", &[]);
        bench.driver.run_until(at(200));

        let records = bench.driver.records();
        let ended = |record: &Record| match &record.entry {
            Entry::PlanFinished { result, .. } => record.at > at(100) && (*result == PlanResult::Succeeded) == ends,
            _ => false,
        };
        let killed = records.iter().position(ended).expect("the trial ends");
        let lost = &records[killed + 1].entry;
        assert!(matches!(lost, Entry::BreakerChanged { .. }), "that is what is lost: {lost:?}");
        let (engine, said) = next_engine(&site, Past::default(), &records[..=killed], 210);
        let changed = said.iter().find_map(|output| match output {
            Output::Record(record) => match &record.entry {
                Entry::BreakerChanged { state, reason, .. } => Some((state.to_string(), reason.clone())),
                _ => None,
            },
            _ => None,
        });
        let (state, reason) = changed.expect("what was lost is said");
        assert_eq!((state.as_str(), reason.contains("its record was lost")), (becomes, true), "{reason}");
        // Who was told of that as well knows no more.
        let knows = next_engine(&site, Past::default(), &records[..=killed + 1], 210).0.past();
        assert_eq!(engine.past(), knows);
    }
}

/// What the time limit lets through, nobody has agreed with: homeostat does not trust a policy more for having been started anew.
#[test]
fn what_only_the_time_limit_has_let_through_promotes_nothing_after_a_restart() {
    let spec = format!(
        "{CRASH}mode: approve\napproval: {{within: 5s, otherwise: approve}}\npromote: {{after: 3, to: auto}}\nthen: [restart]"
    );
    let site = policy("crash", &spec);
    let approve = |number| OperatorCommand::Approve(PlanId { generation: Generation(1), number });
    let run = |people: bool| {
        let mut bench = Bench::new(&site, centre(3), vec![]);
        for (second, number, vm) in [(1, 1, "vm/a0"), (21, 2, "vm/a1"), (41, 3, "vm/b0")] {
            bench.event(second, vm, "vm.crashed", &[]);
            if people {
                bench.operator(second + 1, approve(number));
            }
        }
        bench.driver.run_until(at(60));
        let mode = bench.driver.engine().explain(&id("vm/a0")).remove(0).mode;
        (bench.driver.records().to_vec(), mode)
    };
    let changed = |output: &Output| {
        matches!(output, Output::Record(Record { entry: Entry::AutonomyChanged { mode: Mode::Auto, .. }, .. }))
    };

    let (records, mode) = run(false);
    assert_eq!(mode, Mode::Approve);
    let (_, said) = next_engine(&site, Past::default(), &records, 70);
    assert!(!said.iter().any(changed), "{said:?}");
    let knows = next_engine(&site, Past::default(), &records, 70).0.past();
    let standing = serde_json::to_value(&knows).unwrap()["guard"]["standings"].to_string();
    assert!(!standing.contains("auto") && !standing.contains("\"agreed\":3"), "{standing}");

    // People have agreed, and homeostat is killed before that is on the disk: it follows from their words, and is said.
    let (records, mode) = run(true);
    assert_eq!(mode, Mode::Auto);
    let lost = records.iter().position(|record| matches!(record.entry, Entry::AutonomyChanged { .. })).unwrap();
    let (engine, said) = next_engine(&site, Past::default(), &records[..lost], 70);
    assert!(said.iter().any(changed), "{said:?}");
    let (known, said) = next_engine(&site, Past::default(), &records[..=lost], 70);
    assert!(!said.iter().any(changed), "{said:?}");
    assert_eq!(
        serde_json::to_value(engine.past()).unwrap()["guard"],
        serde_json::to_value(known.past()).unwrap()["guard"]
    );
}

/// What is told to an engine about what there is, or measured.
fn sees(engine: &mut Engine, seconds: u64, seen: Observation) -> Vec<Output> {
    let mut out = Vec::new();
    engine.handle(at(seconds), Input::Observed(seen), &mut out);
    out
}

fn listed() -> Observation {
    let adapter = AdapterName::new("assumed").unwrap();
    let owned = |resource| Resource { adapter: Some(adapter.clone()), ..resource };
    let resources = centre(3).into_iter().map(owned).collect();
    Observation::Inventory(InventoryChange::Snapshot { adapter: adapter.clone(), resources })
}

fn heat(seconds: u64, value: f64) -> Observation {
    let metric = MetricName::new("cpu.utilization").unwrap();
    Observation::Sample(Sample { resource: id("vm/a0"), metric, time: at(seconds), value })
}

/// What was decided, told in lines.
fn lines(out: &[Output]) -> String {
    let mut text = String::new();
    for output in out {
        if let Output::Record(record) = output {
            bench::tell(&mut text, record);
        }
    }
    text
}

/// What is open when homeostat ends and is open afterwards has opened once.
#[test]
fn a_restart_is_no_flapping() {
    let spec = "select: {kind: vm}\nwhen: last(\"cpu.utilization\") > 0.8\nstaleAfter: 1h\nflap: {changes: 2, within: 6h}\nmode: approve\nthen: [restart]";
    let site = policy("hot", spec);
    let mut bench = Bench::new(&site, centre(3), vec![]);
    bench.sample(1, "vm/a0", "cpu.utilization", 0.9);
    bench.driver.run_until(at(2));
    let mut records = bench.driver.records().to_vec();
    for life in 2..5_u64 {
        let now = 100 * life;
        let (mut engine, mut out) = (Engine::new(Generation(life as u32)), Vec::new());
        engine.replace_policies(at(now), &policies(&site), &mut out).unwrap();
        let recalled = Input::Recalled { past: Box::default(), since: records.clone() };
        engine.handle(at(now), recalled, &mut out);
        out.extend(sees(&mut engine, now + 1, listed()));
        out.extend(sees(&mut engine, now + 2, heat(now + 2, 0.9)));
        assert!(lines(&out).contains("opened hot on vm/a0"), "{}", lines(&out));
        assert!(!lines(&out).contains("flapping"), "{}", lines(&out));
        if life == 4 {
            // That it closes, and opens again, is what counts.
            out.extend(sees(&mut engine, now + 3, heat(now + 3, 0.1)));
            out.extend(sees(&mut engine, now + 4, heat(now + 4, 0.9)));
            assert!(lines(&out).contains("flapping: it has opened 2 times"), "{}", lines(&out));
        }
        records.extend(out.into_iter().filter_map(|output| match output {
            Output::Record(record) => Some(record),
            _ => None,
        }));
    }
}

/// What was open when homeostat ended may open again at once; once it was seen to be over, it has to hold anew, however often that ends.
#[test]
fn what_has_closed_since_a_restart_has_to_hold_anew_after_the_next_one() {
    let site = policy(
        "hot",
        "select: {kind: vm}\nwhen: last(\"cpu.utilization\") > 0.8\nfor: 1m\nmode: observe\nthen: [restart]",
    );
    let mut bench = Bench::new(&site, centre(3), vec![]);
    bench.sample(1, "vm/a0", "cpu.utilization", 0.9).sample(61, "vm/a0", "cpu.utilization", 0.9);
    bench.driver.run_until(at(62));
    let mut records = bench.driver.records().to_vec();
    let mut said = String::new();
    for (life, value) in [(2_u32, 0.1), (3, 0.9)] {
        let (now, mut engine, mut out) = (u64::from(life - 1) * 100, Engine::new(Generation(life)), Vec::new());
        engine.replace_policies(at(now), &policies(&site), &mut out).unwrap();
        let recalled = Input::Recalled { past: Box::default(), since: records.clone() };
        engine.handle(at(now), recalled, &mut out);
        out.extend(sees(&mut engine, now, listed()));
        out.extend(sees(&mut engine, now + 1, heat(now + 1, value)));
        engine.advance(at(now + 90), &mut out);
        said += &lines(&out);
        records.extend(out.into_iter().filter_map(|output| match output {
            Output::Record(record) => Some(record),
            _ => None,
        }));
    }
    expect_test::expect![[r#"
        100s loaded ["hot"]
        101s closed hot on vm/a0: last("cpu.utilization") > 0.8 is false (last(cpu.utilization) = 0.1)
        200s loaded ["hot"]
        261s opened hot on vm/a0: last("cpu.utilization") > 0.8 is true (last(cpu.utilization) = 0.9)
        261s held hot on vm/a0: mode observe: findings only
    "#]]
    .assert_eq(&said);
}

/// What has held for 40 of 60 seconds has to hold for 20 more, whether that was kept in what is known or in a record since.
#[test]
fn what_counts_towards_a_for_goes_on_after_a_restart() {
    let spec = "select: {kind: vm}\nwhen: last(\"cpu.utilization\") > 0.8\nfor: 1m\nmode: observe\nthen: [restart]";
    let site = policy("hot", spec);
    for is_recorded in [true, false] {
        let (mut first, mut out) = (Engine::new(Generation(1)), Vec::new());
        first.replace_policies(at(0), &policies(&site), &mut out).unwrap();
        let before = first.past();
        out.extend(sees(&mut first, 0, listed()));
        out.extend(sees(&mut first, 10, heat(10, 0.9)));
        first.advance(at(50), &mut out);
        let (past, since) = if is_recorded { (before, first.counted()) } else { (first.past(), Vec::new()) };
        let (mut engine, mut out) = next_engine(&site, past, &since, 100);
        out.extend(sees(&mut engine, 100, listed()));
        out.extend(sees(&mut engine, 101, heat(101, 0.9)));
        engine.advance(at(200), &mut out);
        expect_test::expect![[r#"
            121s opened hot on vm/a0: last("cpu.utilization") > 0.8 is true (last(cpu.utilization) = 0.9)
            121s held hot on vm/a0: mode observe: findings only
        "#]]
        .assert_eq(&lines(&out));
    }
}

/// Whether a finding has closed while homeostat did not run is known when its condition is; before, no quarantine ends.
#[test]
fn a_restart_ends_no_quarantine() {
    let spec = "select: {kind: vm}\nwhen: last(\"cpu.utilization\") > 0.8\nstaleAfter: 1h\nthen: [restart]\nhandOver: {quarantine: 20s}";
    let site = policy("hot", spec);
    let mut bench = Bench::new(&site, centre(3), vec![]);
    bench.sample(1, "vm/a0", "cpu.utilization", 0.9).sample(400, "vm/a0", "cpu.utilization", 0.9);
    bench.driver.run_until(at(700));
    let records = bench.driver.records();
    assert!(records.iter().any(|record| matches!(record.entry, Entry::ResourceQuarantined { .. })), "{records:?}");

    let restarted = || {
        let (mut engine, _) = next_engine(&site, Past::default(), records, 1_000);
        sees(&mut engine, 1_001, listed());
        engine
    };
    let until = |engine: &mut Engine, seconds: u64| {
        let mut out = Vec::new();
        engine.advance(at(seconds), &mut out);
        out
    };
    // Nothing is measured: nothing is known.
    let mut engine = restarted();
    let out = until(&mut engine, 1_001 + 2 * 3_600);
    assert_eq!(lines(&out), "");
    // It is as it was, and then no longer.
    let mut engine = restarted();
    let mut out = sees(&mut engine, 1_100, heat(1_100, 0.9));
    out.extend(until(&mut engine, 1_200));
    out.extend(sees(&mut engine, 1_200, heat(1_200, 0.1)));
    out.extend(until(&mut engine, 1_300));
    expect_test::expect![[r#"
        1100s opened hot on vm/a0: last("cpu.utilization") > 0.8 is true (last(cpu.utilization) = 0.9)
        1200s closed hot on vm/a0: last("cpu.utilization") > 0.8 is false (last(cpu.utilization) = 0.1)
        1220s released vm/a0: its finding has been closed for 20s
    "#]]
    .assert_eq(&lines(&out));
    // It was over when something was first measured.
    let mut engine = restarted();
    let mut out = sees(&mut engine, 1_100, heat(1_100, 0.1));
    let closed: Vec<Record> = out
        .iter()
        .filter_map(|output| match output {
            Output::Record(record) => Some(record.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(closed.len(), 1, "{closed:?}");
    out.extend(until(&mut engine, 1_300));
    expect_test::expect![[r#"
        1100s closed hot on vm/a0: last("cpu.utilization") > 0.8 is false (last(cpu.utilization) = 0.1)
        1120s released vm/a0: its finding has been closed for 20s
    "#]]
    .assert_eq(&lines(&out));
    // Of what has not come back in an hour nothing will be measured.
    let (mut engine, _) = next_engine(&site, Past::default(), records, 1_000);
    let out = until(&mut engine, 1_000 + 2 * 3_600);
    expect_test::expect![[r#"
        4600s closed hot on vm/a0: what it was about has not come back since homeostat was started anew
        4620s released vm/a0: its finding has been closed for 20s
    "#]]
    .assert_eq(&lines(&out));
    // Another text says nothing about the old one.
    let (mut engine, mut out) = next_engine(&site.replace("0.8", "0.7"), Past::default(), records, 1_000);
    out.extend(until(&mut engine, 1_100));
    expect_test::expect![[r#"
        1000s closed hot on vm/a0: the policy was changed or removed while homeostat did not run
        1020s released vm/a0: its finding has been closed for 20s
    "#]]
    .assert_eq(&lines(&out));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_was_known_at_any_moment_and_the_records_since_give_what_was_known_at_the_end(
        happenings in prop::collection::vec((1_u64..120, happening()), 1..60),
        failing in 0_usize..4,
        snapshot in any::<prop::sample::Index>(),
    ) {
        let mut run = Run::new(failing);
        run.play(&happenings);
        let (now, end, last) = run.noted.last().cloned().unwrap();
        let (_, begin, first) = run.noted[snapshot.index(run.noted.len())].clone();
        // The state itself, given to the next engine at once, and the same from the records.
        let whole = recalled(last, &[], now);
        let folded = recalled(first, &run.journal[begin..end], now);
        prop_assert_eq!(folded, whole, "{:#?}", &run.journal[begin..end]);
    }
}
