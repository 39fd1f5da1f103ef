//! Memory of many series, in a fresh process, beside the same samples kept by hand.

use std::{
    collections::VecDeque,
    fs,
    process::{Command, ExitCode, Stdio},
};

use homeostat_engine::{Engine, Input, Output};
use homeostat_model::{Duration, Generation, MetricName, Observation, Sample, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Extent, executor,
    figure::{Bound, Figure},
    fleet,
};
use crate::{cli::Child, report::Failure};

/// From one sample of a series to the next.
const INTERVAL: Duration = Duration::from_secs(15);

/// Samples of each series: six minutes of them, so that the window of five minutes has been full for a while.
const SAMPLES: u32 = 24;

/// Series of each resource, as in the scenarios of speed.
const METRICS: u32 = 5;

/// Samples in a window of five minutes.
const KEPT: usize = 20;

const MEGABYTE: f64 = 1e6;

/// What a process had, in bytes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Resident {
    pub(super) now: u64,
    peak: u64,
}

pub(super) fn measure(extent: Extent) -> Result<(String, Vec<Figure>), Failure> {
    let series = series(extent);
    let (ours, by_hand) =
        (in_a_child::<Resident>(Child::Homeostat, extent)?, in_a_child::<Resident>(Child::ByHand, extent)?);
    let beyond = (float(ours.now) - float(by_hand.now)) / f64::from(series);
    let about = format!(
        "{series} series of {} resources with an average over 5m each, a sample every {INTERVAL}, after 6m",
        series / METRICS
    );
    let megabytes = |bytes: u64| float(bytes) / MEGABYTE;
    Ok((
        about,
        vec![
            Figure::of("homeostat, resident", "MB", &[megabytes(ours.now)]).target(Bound::AtMost(60.0)),
            Figure::of("homeostat, at its peak", "MB", &[megabytes(ours.peak)]),
            Figure::of("by hand: the windows' samples only", "MB", &[megabytes(by_hand.now)]),
            Figure::of("beyond them, for each series", "bytes", &[beyond]).target(Bound::AtMost(256.0)),
        ],
    ))
}

/// The work of the process that is measured: does it, and prints what it had.
pub(super) fn child(part: Child, extent: Extent) -> Result<ExitCode, Failure> {
    let resident = match part {
        Child::Homeostat => homeostat(series(extent))?,
        Child::ByHand => by_hand(series(extent))?,
        Child::Plans => return executor::child(extent).map(|()| ExitCode::SUCCESS),
    };
    println!("{}", serde_json::to_string(&resident).unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

fn series(extent: Extent) -> u32 {
    extent.of(100_000, 1_000)
}

/// What a process of its own that does `part` says of itself.
pub(super) fn in_a_child<T: DeserializeOwned>(part: Child, extent: Extent) -> Result<T, Failure> {
    let part = part.name();
    let program = std::env::current_exe().map_err(|error| failed(part, &error))?;
    let mut command = Command::new(program);
    command.args(["bench", "--child", part]).stdin(Stdio::null()).stderr(Stdio::inherit());
    if extent.quick {
        command.arg("--quick");
    }
    let output = command.output().map_err(|error| failed(part, &error))?;
    serde_json::from_slice(&output.stdout).map_err(|error| failed(part, &error))
}

fn homeostat(series: u32) -> Result<Resident, Failure> {
    let policies: Vec<_> = (0..METRICS)
        .map(|metric| {
            fleet::policy(&format!("warm-{metric}"), "{kind: vm}", &format!("when: avg(\"load{metric}\", 5m) > 0.95"))
        })
        .collect();
    let mut engine = Engine::new(Generation(1));
    let mut out = Vec::new();
    let metrics = metrics()?;
    engine
        .replace_policies(at(0), &fleet::load(&policies)?, &mut out)
        .map_err(|_| Failure::new("the generated policy does not compile"))?;
    for pass in 0..SAMPLES {
        for number in 0..series {
            // As a source makes them: the engine gets texts of its own, and keeps what it needs.
            let resource = fleet::id(number / METRICS)?;
            let Some(metric) = metrics.get(usize::try_from(number % METRICS).unwrap_or(0)) else { continue };
            let sample = Sample { resource, metric: metric.clone(), time: at(pass), value: value(number, pass) };
            engine.handle(at(pass), Input::Observed(Observation::Sample(sample)), &mut out);
            if out.iter().any(|output| matches!(output, Output::SampleRefused { .. })) {
                return Err(Failure::new("the engine refused a generated sample"));
            }
            out.clear();
        }
    }
    let resident = resident()?;
    // Not before: it is what was measured.
    drop(engine);
    Ok(resident)
}

fn by_hand(series: u32) -> Result<Resident, Failure> {
    let mut windows: Vec<VecDeque<(Timestamp, f64)>> = (0..series).map(|_| VecDeque::with_capacity(KEPT)).collect();
    for pass in 0..SAMPLES {
        for (number, window) in (0..).zip(&mut windows) {
            if window.len() == KEPT {
                window.pop_front();
            }
            window.push_back((at(pass), value(number, pass)));
        }
    }
    let resident = resident()?;
    drop(windows);
    Ok(resident)
}

fn at(pass: u32) -> Timestamp {
    fleet::moment(0) + Duration::from_millis(INTERVAL.as_millis() * u64::from(pass))
}

/// Never above the threshold, and not the same twice.
fn value(number: u32, pass: u32) -> f64 {
    f64::from((number + pass * 37) % 901) / 1000.0
}

fn metrics() -> Result<Vec<MetricName>, Failure> {
    let name = |metric| MetricName::new(format!("load{metric}")).map_err(|invalid| Failure::new(invalid.to_string()));
    (0..METRICS).map(name).collect()
}

/// What the system says of this process.
pub(super) fn resident() -> Result<Resident, Failure> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(|error| Failure::new(format!("cannot read /proc/self/status: {error}")))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kilobytes * 1024)
    };
    match (bytes("VmRSS:"), bytes("VmHWM:")) {
        (Some(now), Some(peak)) => Ok(Resident { now, peak }),
        _ => Err(Failure::new("/proc/self/status does not say what is resident")),
    }
}

#[expect(clippy::as_conversions, reason = "std has no other conversion; bytes of a machine are far below 2^53")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

fn failed(part: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the process that measures the memory of `{part}` failed: {error}"))
}
