//! `homeostat explain`: why something is done about a resource, or is not; by a running homeostat, or in a test.

mod table;
mod virtual_time;

use std::{io::Write, process::ExitCode};

use homeostat_engine::{Explanation, Status};
use homeostat_model::{ResourceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    cli::{ExplainArgs, Format},
    report::Failure,
};

/// What is thought of a resource at a moment.
#[derive(Debug, Serialize, Deserialize)]
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
    let answer = match &args.test {
        Some(file) => virtual_time::ask(file, args, &resource)?,
        None => ask(&args.server, &resource)?,
    };
    let answer = only(answer, args.policy.as_deref(), &resource)?;
    let text = match args.output {
        Format::Json => serde_json::to_string(&answer).unwrap_or_default() + "\n",
        Format::Table => table::text(&answer, &resource),
    };
    // A closed standard output means that nobody wants to read it.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Leaves what the policy called `name` thinks, if one is named.
fn only(mut answer: Answer, name: Option<&str>, resource: &ResourceId) -> Result<Answer, Failure> {
    let Some(name) = name else { return Ok(answer) };
    let watching: Vec<String> = answer.explanations.iter().map(|one| one.policy.to_string()).collect();
    answer.explanations.retain(|one| one.policy.as_str() == name);
    if answer.explanations.is_empty() {
        let who =
            if watching.is_empty() { "no policy does".into() } else { format!("these do: {}", watching.join(", ")) };
        return Err(Failure::new(format!("no policy `{name}` watches {resource}")).help(who));
    }
    Ok(answer)
}

/// Asks a running homeostat.
fn ask(server: &str, resource: &ResourceId) -> Result<Answer, Failure> {
    let url = format!("{}/api/v1/explain/{resource}", base(server));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(10)))
        .build()
        .into();
    let mut response = agent.get(&url).call().map_err(|error| {
        Failure::new(format!("cannot reach homeostat at {server}: {error}"))
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
    serde_json::from_str(&body).map_err(|_| foreign(status))
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

#[cfg(test)]
mod tests {
    use homeostat_engine::Status;
    use homeostat_policy::policy_test::STATUSES;

    use super::word;

    #[test]
    fn tests_use_the_words_that_are_printed() {
        let all = [Status::No, Status::Unknown, Status::Waiting, Status::HeldBack, Status::Acting, Status::HandedOver];
        assert_eq!(all.map(word), STATUSES);
    }
}
