//! Compares what a test expects with what is, and says every difference.

use homeostat_engine::Explanation;
use homeostat_model::{Action, Amount, Duration, Entry, FindingRef, Notification, Plan, Record, Severity, Step, Truth};
use homeostat_policy::{
    PolicyTest,
    policy_test::{Expectation, ExpectedNotification, ExpectedPlan, ExpectedStep, Explanation as ExpectedExplanation},
};

use super::{Coverage, Outcome, load, play, run::Played};
use crate::{command::explain::word, report::Failure};

/// Plays one test; gives what was decided and what was not as expected.
///
/// # Errors
/// [`Failure`] when it cannot be played.
pub(super) fn check(test: &PolicyTest, coverage: Option<&mut Coverage>) -> Result<(Vec<Record>, Vec<String>), Failure> {
    let mut expectations: Vec<&Expectation> = test.expect.iter().collect();
    expectations.sort_by_key(|expectation| expectation.at);
    let moments: Vec<Duration> = expectations.iter().map(|expectation| expectation.at).collect();
    let loaded = load(test)?;
    let mut failures = Vec::new();
    let played = play(test, loaded.policies.clone(), &moments, coverage.is_some(), |outcome, index| {
        let Some(expectation) = expectations.get(index) else { return };
        let mut problems = Vec::new();
        hold(expectation, &outcome, &mut problems);
        failures.extend(problems.into_iter().map(|problem| format!("at {}: {problem}", expectation.at)));
    })?;
    let Played { records, coverage: made } = played;
    if let Some(coverage) = coverage {
        coverage.add(&loaded, &made, &records);
    }
    Ok((records, failures))
}

fn hold(expectation: &Expectation, outcome: &Outcome<'_>, problems: &mut Vec<String>) {
    if let Some(expected) = &expectation.findings {
        let found: Vec<FindingRef> = outcome.engine.findings().cloned().collect();
        let mut expected = expected.clone();
        expected.sort();
        if found != expected {
            problems.push(format!("open findings are {}, expected {}", list(&found), list(&expected)));
        }
    }
    for expected in &expectation.explain {
        let explanations = outcome.engine.explain(&expected.resource);
        explain(expected, &explanations, outcome, problems);
    }
    if let Some(expected) = &expectation.plans {
        let plans: Vec<&Plan> = outcome.records.iter().filter_map(plan_of).collect();
        let (wanted, made) = (expected.iter().map(show_expected).collect(), plans.iter().copied().map(show).collect());
        let fits = pairwise(expected, &plans, plan_fits);
        compare("plans made", fits, made, wanted, problems);
    }
    if let Some(expected) = &expectation.notified {
        let told: Vec<&Notification> = outcome.notifications.iter().collect();
        let (wanted, made) =
            (expected.iter().map(show_wanted).collect(), told.iter().copied().map(show_told).collect());
        let fits = pairwise(expected, &told, told_fits);
        compare("people were told", fits, made, wanted, problems);
    }
}

/// As many, and each fits its counterpart.
fn pairwise<E, T>(expected: &[E], given: &[&T], fits: impl Fn(&E, &T) -> bool) -> bool {
    expected.len() == given.len() && expected.iter().zip(given).all(|(expected, given)| fits(expected, given))
}

fn compare(what: &str, fits: bool, made: Vec<String>, wanted: Vec<String>, problems: &mut Vec<String>) {
    if !fits {
        let (made, wanted) = (lines(&made), lines(&wanted));
        problems.push(format!("{what} since the expectation before:{made}\nexpected:{wanted}"));
    }
}

fn plan_of(record: &Record) -> Option<&Plan> {
    match &record.entry {
        Entry::PlanMade(plan) => Some(plan),
        _ => None,
    }
}

fn explain(
    expected: &ExpectedExplanation,
    explanations: &[Explanation],
    outcome: &Outcome<'_>,
    problems: &mut Vec<String>,
) {
    let fits = |one: &&Explanation| expected.policy.as_ref().is_none_or(|policy| one.policy == *policy);
    let chosen: Vec<&Explanation> = explanations.iter().filter(fits).collect();
    if chosen.is_empty() {
        problems.push(format!("no policy that is meant watches {}", expected.resource));
    }
    for one in chosen {
        let what = format!("{} on {}", one.policy, one.resource);
        if expected.holds.is_some_and(|holds| holds != one.evidence.truth) {
            problems.push(format!("the condition of {what} is {}: {}", one.evidence.truth, one.evidence));
        }
        if expected.status.as_ref().is_some_and(|status| status != word(one.status)) {
            problems.push(format!("{what} is `{}`: {}", word(one.status), one.because));
        }
        if let Some(part) = expected.because.as_ref().filter(|part| !one.because.contains(*part)) {
            problems.push(format!("{what} is explained by `{}`, which does not contain `{part}`", one.because));
        }
        for (part, truth) in &expected.clauses {
            clause(&what, part, *truth, one, problems);
        }
        if let Some(wanted) = expected.acts_at {
            let at = one.acts_at.map(|at| at.since(outcome.start));
            if at != Some(wanted) {
                let at = at.map_or_else(|| "at no known time".into(), |at| format!("at {at}"));
                problems.push(format!("{what} acts {at}, expected at {wanted}: {}", one.because));
            }
        }
    }
}

/// Every clause that is meant has to be of this truth. Quotes and spaces play no part, as they are a matter of taste.
fn clause(what: &str, part: &str, truth: Truth, one: &Explanation, problems: &mut Vec<String>) {
    let plain = |text: &str| text.replace(['"', '\''], "").split_whitespace().collect::<String>();
    let wanted = plain(part);
    let meant: Vec<_> = one.evidence.clauses.iter().filter(|clause| plain(&clause.text).contains(&wanted)).collect();
    if meant.is_empty() {
        let texts: Vec<&str> = one.evidence.clauses.iter().map(|clause| clause.text.as_str()).collect();
        let texts = if texts.is_empty() { "no clause".into() } else { texts.join("; ") };
        problems.push(format!("no clause of {what} contains `{part}`; it has {texts}"));
    }
    for clause in meant.into_iter().filter(|clause| clause.truth != truth) {
        problems.push(format!("of {what}, expected to be {truth}: {clause}"));
    }
}

fn plan_fits(expected: &ExpectedPlan, plan: &Plan) -> bool {
    plan.policy == expected.policy
        && expected.subject.as_ref().is_none_or(|subject| *subject == plan.subject)
        && expected.steps.as_ref().is_none_or(|steps| {
            steps.len() == plan.steps.len()
                && steps.iter().zip(&plan.steps).all(|(expected, step)| step_fits(expected, step))
        })
}

fn step_fits(expected: &ExpectedStep, step: &Step) -> bool {
    let amount = match &step.action {
        Action::Resize(amount) => Some(amount.as_ref().clone()),
        _ => None,
    };
    let host = match &step.action {
        Action::Migrate { to, .. } => Some(to),
        Action::Restart { on } => on.as_ref(),
        _ => None,
    };
    expected.resource == step.resource
        && expected.action == step.action.verb()
        && expected
            .amount
            .as_ref()
            .is_none_or(|wanted| amount.as_ref().is_some_and(|amount| amount_fits(wanted, amount)))
        && expected.host.as_ref().is_none_or(|wanted| host == Some(wanted))
}

/// What is not said may be anything.
fn amount_fits(wanted: &Amount, amount: &Amount) -> bool {
    wanted.vcpus.is_none_or(|vcpus| amount.vcpus.is_some_and(|given| (given - vcpus).abs() < 1e-9))
        && wanted.memory_bytes.is_none_or(|bytes| amount.memory_bytes == Some(bytes))
}

fn told_fits(expected: &ExpectedNotification, told: &Notification) -> bool {
    expected.policy == told.finding.policy
        && expected.resource.as_ref().is_none_or(|resource| *resource == told.finding.resource)
        && expected.severity.is_none_or(|severity| severity == told.severity)
        && expected.contains.as_ref().is_none_or(|part| told.message.contains(part))
}

fn show(plan: &Plan) -> String {
    let steps: Vec<String> = plan.steps.iter().map(|step| format!("{} {}", step.resource, step.action)).collect();
    format!("{} on {}: {}", plan.policy, plan.subject, steps.join(", "))
}

fn show_expected(expected: &ExpectedPlan) -> String {
    let subject = expected.subject.as_ref().map_or_else(|| "any resource".into(), ToString::to_string);
    let steps = expected.steps.as_ref().map_or_else(
        || "any steps".into(),
        |steps| {
            let step = |step: &ExpectedStep| {
                let amount = step.amount.as_ref().map_or_else(String::new, |amount| format!(" to {amount}"));
                let host = step.host.as_ref().map_or_else(String::new, |host| format!(" to {host}"));
                format!("{} {}{amount}{host}", step.resource, step.action)
            };
            steps.iter().map(step).collect::<Vec<_>>().join(", ")
        },
    );
    format!("{} on {subject}: {steps}", expected.policy)
}

fn show_told(told: &Notification) -> String {
    format!("{} ({}): {}", told.finding, severity(told.severity), told.message)
}

fn show_wanted(expected: &ExpectedNotification) -> String {
    let resource = expected.resource.as_ref().map_or_else(|| "any resource".into(), ToString::to_string);
    let severity = expected.severity.map_or("any severity", severity);
    let message = expected.contains.as_ref().map_or_else(|| "any message".into(), |part| format!("..{part}.."));
    format!("{} on {resource} ({severity}): {message}", expected.policy)
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

fn lines(items: &[String]) -> String {
    if items.is_empty() { " none".into() } else { format!("\n  {}", items.join("\n  ")) }
}

fn list(findings: &[FindingRef]) -> String {
    let names: Vec<String> = findings.iter().map(ToString::to_string).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}
