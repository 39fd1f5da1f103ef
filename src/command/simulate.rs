//! `homeostat simulate`: a scenario of the embedded data centre in virtual time, at once.

mod comparison;

use std::{process::ExitCode, sync::Arc};

use homeostat_engine::Generation;
use homeostat_model::{AdapterName, Mode, Timestamp};
use homeostat_policy::Policy;
use homeostat_simulator::{DataCentre, Scenario, VirtualDriver};

pub(crate) use comparison::Comparison;

use crate::{
    cli::SimulateArgs,
    command::{
        run::policy_files,
        summary::{Intake, Summary},
    },
    config::Loaded,
    report::Failure,
};

pub(crate) fn run(args: &SimulateArgs) -> Result<ExitCode, Failure> {
    let loaded = Loaded::find(args.configuration.as_deref())?;
    let Some((name, scenario)) = loaded.scenario().map_err(|flaws| Failure::of("the scenario", &flaws))? else {
        return Err(Failure::new("the configuration has no embedded data centre to simulate")
            .help("add `- datacentre: {scenario: FILE}` under spec.adapters"));
    };
    let mut policies = policy_files(&loaded).policies()?;
    if let Some(mode) = args.mode {
        policies = in_mode(&policies, mode.into());
    }
    let end = loaded.configuration.until.map_or(scenario.end(), |until| scenario.start + until);
    let driver = play(&scenario, &name, &policies, end)?;
    let idle = match args.compare {
        true => Some(play(&scenario, &name, &in_mode(&policies, Mode::Observe), end)?),
        false => None,
    };
    let intake = Intake {
        samples: driver.samples(),
        events: driver.events(),
        lines_refused: 0,
        samples_refused: driver.refused_samples(),
    };
    let comparison = idle.map(|idle| comparison::of(&idle, &driver));
    let span = Some((scenario.start, end));
    let summary = Summary { records: driver.records(), intake: &intake, span, comparison: comparison.as_ref() };
    summary.write(args.output, args.decisions.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// The scenario under `policies`, until `end`.
fn play(
    scenario: &Scenario,
    name: &AdapterName,
    policies: &[Arc<Policy>],
    end: Timestamp,
) -> Result<VirtualDriver<DataCentre>, Failure> {
    let centre = DataCentre::new(scenario, name.clone(), scenario.start, scenario.seed);
    let announcements = centre.announcements();
    let mut driver = VirtualDriver::new(Generation(1), centre, scenario.start);
    let refused = |errors: Vec<homeostat_engine::CompileError>| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::new(errors.join("\n"))
    };
    driver.replace_policies(scenario.start, policies).map_err(refused)?;
    for announcement in announcements {
        driver.handle(scenario.start, announcement);
    }
    driver.run_until(end);
    Ok(driver)
}

/// The policies as if each had this mode.
fn in_mode(policies: &[Arc<Policy>], mode: Mode) -> Vec<Arc<Policy>> {
    policies.iter().map(|policy| Arc::new(Policy { mode, ..Policy::clone(policy) })).collect()
}
