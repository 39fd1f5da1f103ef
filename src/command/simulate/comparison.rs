//! What became of a data centre in which nobody acted, beside what became of it under its policies.

use std::{collections::BTreeSet, fmt::Write as _};

use homeostat_model::{Duration, ResourceId};
use homeostat_simulator::{DataCentre, Figures, VirtualDriver};
use serde::Serialize;

/// Workloads whose processor time is listed by itself: those for which acting made the greatest difference.
const LISTED: usize = 5;

/// A difference that is not worth a line, in seconds of one core.
const NEGLIGIBLE: f64 = 60.0;

/// What a figure counts in.
#[derive(Debug, Clone, Copy, Serialize)]
enum Unit {
    /// A plain number.
    #[serde(rename = "")]
    Number,
    #[serde(rename = "s")]
    Seconds,
    /// Seconds of one core.
    #[serde(rename = "core s")]
    CoreSeconds,
    #[serde(rename = "Wh")]
    WattHours,
}

/// One figure of both.
#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    unit: Unit,
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
    let both = |name: &str, unit, value: fn(&Figures) -> f64| Figure {
        name: name.to_owned(),
        unit,
        without: value(without),
        with: value(with),
    };
    let told =
        |driver: &VirtualDriver<DataCentre>| count(u64::try_from(driver.notifications().len()).unwrap_or(u64::MAX));
    let mut figures = vec![
        both("crashes", Unit::Number, |figures| count(figures.crashes)),
        both("workloads down", Unit::Seconds, |figures| figures.down_seconds),
        both("processor time wanted and not had", Unit::CoreSeconds, Figures::all_missing_core_seconds),
    ];
    figures.extend(by_workload(without, with));
    figures.extend([
        both("disks full", Unit::Seconds, |figures| figures.full_disk_seconds),
        both("hosts on that run nothing", Unit::Seconds, |figures| figures.empty_host_seconds),
        both("energy", Unit::WattHours, |figures| figures.energy_joules / 3600.0),
        Figure { name: "messages to people".into(), unit: Unit::Number, without: told(idle), with: told(acting) },
    ]);
    Comparison(figures)
}

/// The processor time that single workloads lack, where acting made a difference; in the order of ids.
fn by_workload(without: &Figures, with: &Figures) -> Vec<Figure> {
    let of = |figures: &Figures, id: &ResourceId| figures.missing_core_seconds.get(id).copied().unwrap_or_default();
    let ids: BTreeSet<&ResourceId> =
        without.missing_core_seconds.keys().chain(with.missing_core_seconds.keys()).collect();
    let mut changed: Vec<(&ResourceId, f64, f64)> = ids
        .into_iter()
        .map(|id| (id, of(without, id), of(with, id)))
        .filter(|(_, without, with)| (without - with).abs() > NEGLIGIBLE)
        .collect();
    changed.sort_by(|(_, a, b), (_, c, d)| (c - d).abs().total_cmp(&(a - b).abs()));
    changed.truncate(LISTED);
    changed.sort_by_key(|(id, ..)| *id);
    let figure = |(id, without, with): (&ResourceId, f64, f64)| Figure {
        name: format!("  by {id}"),
        unit: Unit::CoreSeconds,
        without,
        with,
    };
    changed.into_iter().map(figure).collect()
}

impl Comparison {
    /// As a table for people.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("\n{:38}  {:>14}  {:>14}\n", "", "nobody acts", "policies act");
        for figure in self.0.iter().filter(|figure| figure.without != 0.0 || figure.with != 0.0) {
            let Figure { name, unit, without, with } = figure;
            // Writing to a String does not fail.
            let _ = writeln!(out, "{name:38}  {:>14}  {:>14}", written(*without, *unit), written(*with, *unit));
        }
        out
    }
}

fn written(value: f64, unit: Unit) -> String {
    let time = || {
        let seconds = std::time::Duration::try_from_secs_f64(value.round()).unwrap_or_default().as_secs();
        Duration::from_secs(seconds)
    };
    match unit {
        Unit::Number => format!("{value:.0}"),
        Unit::WattHours => format!("{value:.0} Wh"),
        Unit::Seconds => time().to_string(),
        Unit::CoreSeconds => format!("{} core", time()),
    }
}

fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
