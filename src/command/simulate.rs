//! `homeostat simulate`: a scenario of the embedded data centre in virtual time, at once.

use std::process::ExitCode;

use homeostat_engine::Generation;
use homeostat_simulator::{DataCentre, VirtualDriver};

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
    let policies = policy_files(&loaded).policies()?;
    let centre = DataCentre::new(&scenario, name, scenario.start, scenario.seed);
    let announcements = centre.announcements();
    let mut driver = VirtualDriver::new(Generation(1), centre, scenario.start);
    let refused = |errors: Vec<homeostat_engine::CompileError>| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::new(errors.join("\n"))
    };
    driver.replace_policies(scenario.start, &policies).map_err(refused)?;
    for announcement in announcements {
        driver.handle(scenario.start, announcement);
    }
    let end = loaded.configuration.until.map_or(scenario.end(), |until| scenario.start + until);
    driver.run_until(end);
    let intake = Intake {
        samples: driver.samples(),
        events: driver.events(),
        lines_refused: 0,
        samples_refused: driver.refused_samples(),
    };
    let summary = Summary { records: driver.records(), intake: &intake, span: Some((scenario.start, end)) };
    summary.write(args.output, args.decisions.as_deref())?;
    Ok(ExitCode::SUCCESS)
}
