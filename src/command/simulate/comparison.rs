//! What became of a data centre in which nobody acted, beside what became of it under its policies.

use std::fmt::Write as _;

use homeostat_model::Duration;
use homeostat_simulator::{DataCentre, Figures, VirtualDriver};
use serde::Serialize;

/// One figure of both.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    unit: &'static str,
    /// What it is when policies only observe.
    without: f64,
    /// What it is when they act as far as their modes go.
    with: f64,
}

/// All figures.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison(Vec<Figure>);

/// The figures of a run in which policies only observed, and of one in which they acted.
pub(super) fn of(idle: &VirtualDriver<DataCentre>, acting: &VirtualDriver<DataCentre>) -> Comparison {
    let (without, with) = (idle.world().figures(), acting.world().figures());
    let both =
        |name, unit, value: fn(&Figures) -> f64| Figure { name, unit, without: value(without), with: value(with) };
    let told =
        |driver: &VirtualDriver<DataCentre>| count(u64::try_from(driver.notifications().len()).unwrap_or(u64::MAX));
    Comparison(vec![
        both("crashes", "", |figures| count(figures.crashes)),
        both("workloads down", "s", |figures| figures.down_seconds),
        both("processor time that hosts did not have", "core s", |figures| figures.starved_core_seconds),
        both("processor time beyond own vcpus", "core s", |figures| figures.capped_core_seconds),
        both("disks full", "s", |figures| figures.full_disk_seconds),
        both("hosts on that run nothing", "s", |figures| figures.empty_host_seconds),
        both("energy", "Wh", |figures| figures.energy_joules / 3600.0),
        Figure { name: "messages to people", unit: "", without: told(idle), with: told(acting) },
    ])
}

impl Comparison {
    /// As a table for people.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("\n{:38}  {:>14}  {:>14}\n", "", "nobody acts", "policies act");
        for figure in self.0.iter().filter(|figure| figure.without != 0.0 || figure.with != 0.0) {
            let Figure { name, unit, without, with } = figure;
            // Writing to a String does not fail.
            let _ = writeln!(out, "{name:38}  {:>14}  {:>14}", written(*without, unit), written(*with, unit));
        }
        out
    }
}

fn written(value: f64, unit: &str) -> String {
    match unit {
        "" => format!("{value:.0}"),
        "Wh" => format!("{value:.0} Wh"),
        _ => {
            let seconds = std::time::Duration::try_from_secs_f64(value.round()).unwrap_or_default().as_secs();
            let time = Duration::from_secs(seconds);
            if unit == "s" { time.to_string() } else { format!("{time} core") }
        }
    }
}

fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
