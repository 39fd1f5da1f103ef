//! Events of a file into decisions, reading them included, beside a parser and a loop.

use std::{
    borrow::Cow,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use homeostat_engine::{Engine, Input};
use homeostat_model::Observation;
use homeostat_sources::{Mapping, read_all};
use serde::Deserialize;

use super::{
    Extent,
    figure::{Bound, Figure},
    fleet::{self, Fleet, changed},
    stopwatch::{Rounds, rates, time},
};
use crate::report::Failure;

/// Rules `event.cpu > N` with another N each.
const RULES: u32 = 100;

/// The least N; the next ones follow in steps of one.
const LEAST: u32 = 900;

/// One event in this many is above the least N, and below the next.
const HIGH_EVERY: u32 = 100;

/// What others have published for a hundred such rules, in events a second: Event-Driven Ansible from its source to its action,
/// and the Drools core in it.
const ANSIBLE: f64 = 2_000.0;
const DROOLS: f64 = 11_000.0;

/// An event as far as a program that was written for it would read it.
#[derive(Debug, Deserialize)]
struct Reading<'a> {
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    cpu: f64,
}

pub(super) fn measure(extent: Extent) -> Result<(String, Vec<Figure>), Failure> {
    let fleet = Fleet { resources: 1_000, groups: 1, metrics: 0, readers: 0 };
    let count: u32 = extent.of(200_000, 2_000);
    let folder = tempfile::tempdir().map_err(unusable)?;
    let path = folder.path().join("events.jsonl");
    write(&path, fleet, count).map_err(unusable)?;
    let rule = |number: u32| {
        fleet::policy(&format!("above-{number}"), "{kind: vm}", &format!("on: reading\n  when: event.cpu > {number}"))
    };
    let policies = fleet::load(&(LEAST..LEAST + RULES).map(rule).collect::<Vec<_>>())?;

    let expected = u64::from(count.div_ceil(HIGH_EVERY));
    let (mut parsing, mut out) = (Vec::new(), Vec::new());
    let ours = |_| {
        // An event that it has seen is not decided on again, so each round has an engine of its own.
        let mut engine = fleet.engine(&policies)?;
        let reading = time(|| read(&path).map(|_| ()))?;
        parsing.push(reading);
        time(|| {
            let found = decide(&path, &mut engine, &mut out)?;
            // A finding of an event opens and closes.
            same(found, expected * 2)
        })
    };
    let baseline = |_| time(|| same(by_hand(&path)?, expected));
    let rounds = Rounds::measure(extent.rounds(), ours, baseline)?;
    let about = format!("{count} JSON events of a file through {RULES} rules `event.cpu > N`, reading included");
    Ok((
        about,
        vec![
            Figure::of("homeostat", "events/s", &rates(count, &rounds.ours)).target(Bound::AtLeast(500_000.0)),
            Figure::of("homeostat, reading alone", "events/s", &rates(count, &parsing)),
            Figure::of("by hand: serde_json and a loop", "events/s", &rates(count, &rounds.baseline)),
            Figure::of("time, homeostat / by hand", "x", &rounds.ratios()),
            Figure::quoted("Event-Driven Ansible, end to end", "events/s", ANSIBLE),
            Figure::quoted("Event-Driven Ansible, its Drools core", "events/s", DROOLS),
        ],
    ))
}

fn write(path: &Path, fleet: Fleet, count: u32) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for number in 0..count {
        let cpu =
            if number.is_multiple_of(HIGH_EVERY) { f64::from(LEAST) + 0.5 } else { f64::from(number % 899) + 0.25 };
        let (subject, time) = (number % fleet.resources, fleet::moment(0).as_millis() + i64::from(number));
        writeln!(
            file,
            "{{\"specversion\":\"1.0\",\"id\":\"{number}\",\"source\":\"/sensors/1\",\"type\":\"reading\",\
             \"subject\":\"vm/v{subject}\",\"time\":{time},\"data\":{{\"cpu\":{cpu}}}}}"
        )?;
    }
    file.flush()
}

/// Decides on every event. Gives how many findings opened or closed.
fn decide(path: &Path, engine: &mut Engine, out: &mut Vec<homeostat_engine::Output>) -> Result<u64, Failure> {
    let mut found = 0;
    for line in read_all(BufReader::new(File::open(path).map_err(unusable)?), &Mapping::default()) {
        for observation in line.map_err(unusable)?.observations {
            let Observation::Event(event) = &observation else { continue };
            engine.handle(event.time, Input::Observed(observation), out);
            if !out.is_empty() {
                found += changed(out);
                out.clear();
            }
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<usize, Failure> {
    let (file, mapping) = (File::open(path).map_err(unusable)?, Mapping::default());
    let lines = read_all(BufReader::new(file), &mapping);
    lines.map(|line| line.map(|line| line.observations.len()).map_err(unusable)).sum()
}

/// The same by hand: how many events are above the least N.
fn by_hand(path: &Path) -> Result<u64, Failure> {
    let thresholds: Vec<f64> = (LEAST..LEAST + RULES).map(f64::from).collect();
    let mut file = BufReader::new(File::open(path).map_err(unusable)?);
    let (mut text, mut found) = (String::new(), 0);
    loop {
        text.clear();
        if file.read_line(&mut text).map_err(unusable)? == 0 {
            return Ok(found);
        }
        let reading: Reading<'_> = serde_json::from_str(&text).map_err(unusable)?;
        if reading.event_type == "reading" && reading.subject.starts_with("vm/") {
            found += thresholds.iter().filter(|above| reading.data.cpu > **above).map(|_| 1).sum::<u64>();
        }
    }
}

fn same(found: u64, expected: u64) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(Failure::new(format!("{found} decisions where there should be {expected}")))
}

fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("cannot use the generated events: {error}"))
}
