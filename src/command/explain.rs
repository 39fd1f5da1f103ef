//! `homeostat explain`: asks a running homeostat why.

use std::{io::Write, process::ExitCode};

use homeostat_engine::{Explanation, Status};
use homeostat_model::{ResourceId, Timestamp};
use serde::Deserialize;

use crate::{
    cli::{ExplainArgs, Format},
    report::Failure,
    story::clock,
};

#[derive(Debug, Deserialize)]
struct Answer {
    now: Timestamp,
    explanations: Vec<Explanation>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    error: String,
}

pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let resource: ResourceId = args.resource.parse().map_err(|error| Failure::new(format!("{error}")))?;
    let url = format!("{}/api/v1/explain/{resource}", args.server.trim_end_matches('/'));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(10)))
        .build()
        .into();
    let mut response = agent.get(&url).call().map_err(|error| {
        Failure::new(format!("cannot reach homeostat at {}: {error}", args.server))
            .help("start it with `homeostat run`, or say where it is with --server or HOMEOSTAT_SERVER")
    })?;
    let body = response.body_mut().read_to_string().map_err(|error| Failure::new(format!("{url}: {error}")))?;
    if response.status() != 200 {
        let why = serde_json::from_str::<Refused>(&body).map_or(body, |refused| refused.error);
        return Err(Failure::new(format!("{resource}: {why}")));
    }
    let mut out = std::io::stdout().lock();
    if args.output == Format::Json {
        // A closed standard output means that nobody wants to read it; here and below.
        let _ = writeln!(out, "{body}");
        return Ok(ExitCode::SUCCESS);
    }
    let answer: Answer = serde_json::from_str(&body).map_err(|error| Failure::new(format!("{url}: {error}")))?;
    if answer.explanations.is_empty() {
        let _ = writeln!(out, "no policy watches {resource}");
    }
    let width = answer.explanations.iter().map(|one| one.policy.as_str().len()).max().unwrap_or_default();
    for one in &answer.explanations {
        let _ = writeln!(out, "{:width$}  {:<11} {}", one.policy.as_str(), word(one.status), sentence(one, answer.now));
    }
    Ok(ExitCode::SUCCESS)
}

/// The status in the words of the documentation.
pub(crate) fn word(status: Status) -> &'static str {
    match status {
        Status::No => "no",
        Status::Unknown => "unknown",
        Status::Waiting => "waiting",
        Status::HeldBack => "held back",
        Status::Acting => "acting",
        Status::HandedOver => "handed over",
    }
}

fn sentence(one: &Explanation, now: Timestamp) -> String {
    let mut text = one.because.clone();
    if let Some(at) = one.acts_at {
        text.push_str(&format!("; could act at {} (in {})", clock(at), at.since(now)));
    }
    text
}
