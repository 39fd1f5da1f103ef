//! `homeostat explain`: why something is done about a resource, or is not; by a running homeostat, or in a test.

mod table;
mod virtual_time;

use std::{io::Write, process::ExitCode};

use homeostat_engine::Status;
use homeostat_model::ResourceId;

use crate::{
    api::Answer,
    cli::ExplainArgs,
    client::{Client, encoded},
    rendering::rendered,
    report::Failure,
};

pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let resource: ResourceId = args.resource.parse().map_err(|error| Failure::new(format!("{error}")))?;
    let answer = match &args.test {
        Some(file) => virtual_time::ask(file, args, &resource)?,
        None => Client::new(&args.server)?.get(&format!("/api/v1/explain/{}", encoded(resource.as_str())))?,
    };
    let answer = only(answer, args.policy.as_deref(), &resource)?;
    let text = rendered(&answer, args.output)?.unwrap_or_else(|| table::text(&answer, &resource));
    // A closed standard output means that nobody wants to read it.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Leaves what the policy called `name` thinks, if one is named.
fn only(mut answer: Answer, name: Option<&str>, resource: &ResourceId) -> Result<Answer, Failure> {
    let Some(name) = name else { return Ok(answer) };
    let watching: Vec<String> = answer.explanations.iter().map(|one| one.policy.to_string()).collect();
    answer.explanations.retain(|one| one.policy.as_str() == name);
    answer.others.retain(|one| one.policy.as_str() == name);
    if answer.explanations.is_empty() && answer.others.is_empty() {
        let who =
            if watching.is_empty() { "no policy does".into() } else { format!("these do: {}", watching.join(", ")) };
        return Err(Failure::new(format!("no policy `{name}` watches {resource}")).help(who));
    }
    Ok(answer)
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
