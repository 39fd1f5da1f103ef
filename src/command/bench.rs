//! `homeostat bench`: how fast it is here, beside what somebody would otherwise use, in one run.
//!
//! Whatever can be is measured in processor time of the one thread that does the work, ours and its baseline in turn, so that
//! other work on the machine disturbs neither of the two more. Input is made before the measured time begins. Where both do
//! the same work, they have to come to the same decisions, or the scenario fails.

mod by_hand;
mod events;
mod executor;
mod figure;
mod fleet;
mod journal;
mod latency;
mod machine;
mod memory;
mod samples;
mod start;
mod stopwatch;
mod unrelated;

use std::{io::Write, process::ExitCode};

use serde::Serialize;

use crate::{
    cli::{BenchArgs, Rendering, Scenario},
    rendering::laid_out,
    report::Failure,
};
use figure::{Figure, write_section};
use machine::Machine;

/// All scenarios, in the order in which they run.
const ALL: [Scenario; 9] = [
    Scenario::Samples,
    Scenario::Samples200,
    Scenario::Unrelated,
    Scenario::Events,
    Scenario::Memory,
    Scenario::Latency,
    Scenario::Start,
    Scenario::Journal,
    Scenario::Executor,
];

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// A look at whether everything runs; the figures mean little.
    quick: bool,
}

impl Extent {
    /// `full`, or `quick` when it has to be quick.
    fn of<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// How often ours and its baseline run in turn: an odd number, so that one of them is the median.
    fn rounds(self) -> u32 {
        self.of(5, 1)
    }
}

/// One scenario with its figures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Measured {
    scenario: Scenario,
    /// What is done.
    about: String,
    figures: Vec<Figure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    machine: &'a Machine,
    quick: bool,
    scenarios: &'a [Measured],
}

pub(crate) fn run(args: &BenchArgs) -> Result<ExitCode, Failure> {
    let extent = Extent { quick: args.quick };
    if let Some(part) = args.child {
        return memory::child(part, extent);
    }
    let machine = Machine::find();
    // A closed standard output means that nobody wants to read it; here and below.
    let mut out = std::io::stdout().lock();
    if args.output == Rendering::Table {
        let _ = writeln!(out, "{machine}");
    }
    let chosen = ALL.into_iter().filter(|scenario| args.names.is_empty() || args.names.contains(scenario));
    let mut measured = Vec::new();
    for scenario in chosen {
        let (about, figures) = measure(scenario, extent)?;
        if args.output == Rendering::Table {
            // Each as soon as it is there: all of them take minutes.
            let _ = write_section(&mut out, scenario.name(), &about, &figures);
        }
        measured.push(Measured { scenario, about, figures });
    }
    let document = Document { machine: &machine, quick: args.quick, scenarios: &measured };
    if let Some(text) = laid_out(&document, args.output)? {
        let _ = out.write_all(text.as_bytes());
    }
    let missed = measured.iter().flat_map(|one| &one.figures).any(|figure| !figure.met());
    Ok(ExitCode::from(u8::from(args.enforce && missed)))
}

/// What a scenario does, and what came out.
fn measure(scenario: Scenario, extent: Extent) -> Result<(String, Vec<Figure>), Failure> {
    match scenario {
        Scenario::Samples => samples::twenty_readers(extent),
        Scenario::Samples200 => samples::two_hundred_readers(extent),
        Scenario::Unrelated => unrelated::measure(extent),
        Scenario::Events => events::measure(extent),
        Scenario::Memory => memory::measure(extent),
        Scenario::Latency => latency::measure(extent),
        Scenario::Start => start::measure(extent),
        Scenario::Journal => journal::measure(extent),
        Scenario::Executor => executor::measure(extent),
    }
}
