//! What one policy cannot do to another: by a missing field, by being replaced, by coming and going.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use std::{collections::BTreeMap, sync::Arc};

use bench::{Bench, at, host, id, policies, policy, vm};
use homeostat_engine::{Engine, Generation, Input, Output};
use homeostat_model::*;
use homeostat_policy::Policy;
use proptest::prelude::*;

/// A policy on VMs that only observes, under these lines.
fn observing(name: &str, lines: &str) -> String {
    policy(name, &format!("select: {{kind: vm}}\n{lines}\nmode: observe\nthen: [restart]"))
}

/// How many findings of the policies whose names begin with `of` were opened.
fn opened(bench: &Bench, of: &str) -> usize {
    let is = |record: &&Record| matches!(&record.entry, Entry::FindingOpened { finding, .. } if finding.policy.as_str().starts_with(of));
    bench.driver.records().iter().filter(is).count()
}

#[test]
fn a_missing_field_or_metric_stops_no_other_policy() {
    for policies in [1, 9, 500] {
        let mut yaml = String::new();
        for number in 0..policies {
            // A third reads what is never there, in three ways.
            yaml += &observing(
                &format!("lame-event-{number}"),
                &format!("on: reading\nwhen: event.nothing{number} > {number}"),
            );
            yaml += &observing(
                &format!("lame-metric-{number}"),
                &format!("when: last(\"nothing.{number}\") > 1 || last(\"cpu\") / 0 > 1"),
            );
            yaml += &observing(
                &format!("lame-script-{number}"),
                "when: labels.nothing.contains(\"x\") && last(\"cpu\") > 50%",
            );
            yaml += &observing(&format!("good-event-{number}"), "on: reading\nwhen: event.cpu > 50%");
            yaml += &observing(&format!("good-metric-{number}"), "when: avg(\"cpu\", 1m) > 50%");
        }
        let mut bench = Bench::new(&yaml, vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 2.0)], vec![]);
        bench.event(10, "vm/one", "reading", &[("cpu", 0.9.into())]);
        bench.sample(11, "vm/one", "cpu", 0.9);
        assert_eq!(
            (opened(&bench, "good-event"), opened(&bench, "good-metric")),
            (policies, policies),
            "{policies} policies"
        );
        assert_eq!(opened(&bench, "lame"), 0);
    }
}

/// What is decided about findings of the policies `kept`, in order; the numbers of plans left out, since others make plans too.
fn decisions(out: &[Output], kept: &str) -> Vec<String> {
    let about = |finding: &FindingRef| finding.policy.as_str().starts_with(kept);
    out.iter()
        .filter_map(|output| match output {
            Output::Record(Record { at, entry: Entry::FindingOpened { finding, evidence } }) if about(finding) => {
                Some(format!("{at:?} opened {finding} {evidence}"))
            }
            Output::Record(Record { at, entry: Entry::FindingClosed { finding, reason } }) if about(finding) => {
                Some(format!("{at:?} closed {finding} {reason}"))
            }
            _ => None,
        })
        .collect()
}

#[derive(Debug, Clone)]
enum Happening {
    Sample(u8, u8, i64),
    Event(u8),
    Swap(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0..4_u8, 0..12_u8, -40..1_i64).prop_map(|(vm, value, late)| Happening::Sample(vm, value, late)),
        1 => (0..4_u8).prop_map(Happening::Event),
        2 => any::<u8>().prop_map(Happening::Swap),
    ]
}

/// Policies whose state is long-lived: windows, `for`, `keepFiringFor`, patterns, aggregates.
fn kept() -> String {
    [
        observing("kept-window", "when: avg(\"cpu\", 2m) > 5 && quantile(\"cpu\", 90%, 3m) > 6\nfor: 1m"),
        observing("kept-clear", "when: last(\"cpu\") > 8\nclear: max(\"cpu\", 1m) < 6\nkeepFiringFor: 30s"),
        observing("kept-pattern", "on: {event: reading, count: 3, within: 5m}"),
        observing("kept-absent", "on: {absent: reading, for: 3m}"),
        observing("kept-slope", "when: slope(\"cpu\", 5m) > 0 || ewma(\"cpu\", 1m) > 6"),
        policy(
            "kept-host",
            "select: {kind: host}\nwhen: children.avg(avg(\"cpu\", 1m)) > 5\nmode: observe\nthen: [evacuate]",
        ),
    ]
    .concat()
}

/// A changing policy that reads the same metrics as those that stay, and others.
fn swapped(number: u8) -> String {
    match number % 5 {
        0 => String::new(),
        1 => observing("swapped", &format!("when: max(\"cpu\", {}s) > 3", 10 + u64::from(number))),
        2 => observing("swapped", "when: stddev(\"cpu\", 10m) > 2 && children.count(true) == 0"),
        3 => [
            observing("swapped", "on: {absent: reading, for: 1m}"),
            observing("second", "when: host.last(\"cpu\") > 1"),
        ]
        .concat(),
        _ => observing("swapped", "on: reading\nwhen: group(\"tier\").any(last(\"cpu\") > 5)"),
    }
}

/// The policies with each of those that change.
fn sets() -> Vec<Vec<Arc<Policy>>> {
    (0..35).map(|number| policies(&[kept(), swapped(number)].concat())).collect()
}

/// Runs what happens; with or without the policies that change.
fn run(happenings: &[Happening], sets: &[Vec<Arc<Policy>>], swapping: bool) -> (Vec<String>, usize) {
    let mut engine = Engine::new(Generation(1));
    let mut out = Vec::new();
    for resource in [host("host/a", 8.0, &[]), host("host/b", 8.0, &[])] {
        engine.handle(at(0), Input::Observed(Observation::Inventory(InventoryChange::Upsert(resource))), &mut out);
    }
    for number in 0..4 {
        let mut one = vm(&format!("vm/{number}"), if number < 2 { "host/a" } else { "host/b" }, 2.0);
        one.labels.insert("tier".into(), "web".into());
        engine.handle(at(0), Input::Observed(Observation::Inventory(InventoryChange::Upsert(one))), &mut out);
    }
    engine.replace_policies(at(0), &policies(&kept()), &mut out).unwrap();
    let mut swaps = 0;
    for (place, happening) in happenings.iter().enumerate() {
        let now = at(10 * (place as u64 + 1));
        match happening {
            Happening::Sample(vm, value, late) => {
                let time = Timestamp::from_millis(now.as_millis() + late * 1000);
                let metric = MetricName::new("cpu").unwrap();
                let sample = Sample { resource: id(&format!("vm/{vm}")), metric, time, value: f64::from(*value) };
                engine.handle(now, Input::Observed(Observation::Sample(sample)), &mut out);
            }
            Happening::Event(vm) => {
                let event = Event {
                    resource: id(&format!("vm/{vm}")),
                    event_type: EventType::new("reading").unwrap(),
                    time: now,
                    id: String::new(),
                    attributes: BTreeMap::new().into_iter().collect(),
                };
                engine.handle(now, Input::Observed(Observation::Event(event)), &mut out);
            }
            Happening::Swap(number) => {
                if swapping {
                    engine.replace_policies(now, &sets[usize::from(*number) % sets.len()], &mut out).unwrap();
                    swaps += 1;
                } else {
                    engine.advance(now, &mut out);
                }
            }
        }
    }
    (decisions(&out, "kept"), swaps)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn replacing_other_policies_changes_no_decision(happenings in proptest::collection::vec(happening(), 50..300)) {
        let sets = sets();
        prop_assert_eq!(run(&happenings, &sets, true).0, run(&happenings, &sets, false).0);
    }
}

#[test]
fn a_thousand_swaps_under_load_leave_the_others_alone() {
    // Every fifth happening is a swap, and between them the load goes up and down.
    let happenings: Vec<Happening> = (0..5000_u32)
        .map(|number| match number % 5 {
            0 => Happening::Swap((number / 5 % 251) as u8),
            1 if number % 70 == 1 => Happening::Event((number % 4) as u8),
            _ => Happening::Sample((number % 4) as u8, (number / 90 % 12) as u8, -i64::from(number % 7)),
        })
        .collect();
    let (swapping, swaps) = run(&happenings, &sets(), true);
    let (quiet, _) = run(&happenings, &sets(), false);
    assert_eq!(swaps, 1000);
    assert!(swapping.len() > 100, "{} decisions", swapping.len());
    assert_eq!(swapping, quiet);
}

#[test]
fn what_only_samples_speak_of_is_forgotten_when_it_falls_silent() {
    let hours = |hours: u64| at(hours * 3600);
    let mut engine = Engine::new(Generation(1));
    let mut out = Vec::new();
    engine.replace_policies(at(0), &policies(&observing("any", "when: last(\"cpu\") > 80%")), &mut out).unwrap();
    let mut owned = vm("vm/owned", "host/a", 1.0);
    owned.adapter = Some(AdapterName::new("kvm").unwrap());
    engine.handle(at(0), Input::Observed(Observation::Inventory(InventoryChange::Upsert(owned))), &mut out);
    let mut sample = |engine: &mut Engine, hour: u64, name: &str, metric: &str| {
        let sample = Sample { resource: id(name), metric: metric.parse().unwrap(), time: hours(hour), value: 0.9 };
        engine.handle(hours(hour), Input::Observed(Observation::Sample(sample)), &mut out);
    };
    for number in 0..100 {
        sample(&mut engine, 1, &format!("vm/once-{number}"), "cpu");
    }
    for hour in (1..100).step_by(20) {
        // Also by what no policy reads.
        sample(&mut engine, hour, "vm/nightly", "unread");
    }
    engine.advance(hours(100), &mut out);
    let left: Vec<&str> = engine.topology().iter().map(|resource| resource.id.as_str()).collect();
    assert_eq!(left, ["vm/nightly", "vm/owned"]);
    assert_eq!(engine.findings().count(), 0);
    // It may come again, as new.
    let sample = Sample { resource: id("vm/once-7"), metric: "cpu".parse().unwrap(), time: hours(101), value: 0.9 };
    engine.handle(hours(101), Input::Observed(Observation::Sample(sample)), &mut out);
    assert_eq!(engine.findings().map(|finding| finding.resource.as_str()).collect::<Vec<_>>(), ["vm/once-7"]);
}
