//! `homeostat explain`: asks a running homeostat why.

use std::{io::Write, process::ExitCode};

use homeostat_engine::{Explanation, Status};
use homeostat_model::{Duration, ResourceId, Timestamp};
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
    let url = format!("{}/api/v1/explain/{resource}", base(&args.server));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(10)))
        .build()
        .into();
    let mut response = agent.get(&url).call().map_err(|error| {
        Failure::new(format!("cannot reach homeostat at {}: {error}", args.server))
            .help("start it with `homeostat run`, or say where it is with --server or HOMEOSTAT_SERVER")
    })?;
    let foreign = |status: u16| {
        Failure::new(format!("{url} gave an answer (status {status}) that is not homeostat's"))
            .help("something else listens there; say where homeostat is with --server or HOMEOSTAT_SERVER")
    };
    let status = response.status().as_u16();
    // What is too long, or no text, is not ours either.
    let body = response.body_mut().read_to_string().map_err(|_| foreign(status))?;
    if status != 200 {
        let Refused { error } = serde_json::from_str(&body).map_err(|_| foreign(status))?;
        return Err(Failure::new(format!("{resource}: {error}")));
    }
    let answer: Answer = serde_json::from_str(&body).map_err(|_| foreign(status))?;
    let mut out = std::io::stdout().lock();
    if args.output == Format::Json {
        // A closed standard output means that nobody wants to read it; here and below.
        let _ = writeln!(out, "{body}");
        return Ok(ExitCode::SUCCESS);
    }
    if answer.explanations.is_empty() {
        let _ = writeln!(out, "no policy watches {resource}");
    }
    let width = answer.explanations.iter().map(|one| one.policy.as_str().len()).max().unwrap_or_default();
    for one in &answer.explanations {
        let _ = writeln!(out, "{:width$}  {:<11} {}", one.policy.as_str(), word(one.status), sentence(one, answer.now));
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the server is; without a scheme it is HTTP.
fn base(server: &str) -> String {
    let server = server.trim_end_matches('/');
    if server.contains("://") { server.to_owned() } else { format!("http://{server}") }
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
        let wait = Duration::from_secs(at.since(now).as_millis().div_ceil(1000));
        text.push_str(&format!("; could act at {} (in {wait})", clock(at)));
    }
    text
}
