//! Plans for people.

use std::fmt::Write;

use homeostat_engine::{PlanState, PlanView, StepView};
use homeostat_model::{Cost, PlanResult, Timestamp};

use crate::{printable::printable, story::clock};

/// One line a plan. `open`: those that are over were not asked for.
pub(super) fn list(plans: &[PlanView], open: bool) -> String {
    if plans.is_empty() {
        let hint = if open { "; --state all shows those that are over, too" } else { "" };
        return format!("no plan{hint}\n");
    }
    let rows = plans.iter().map(|view| {
        let plan = &view.plan;
        let id = plan.id.to_string();
        let (policy, subject) = (plan.policy.to_string(), plan.subject.to_string());
        [id, view.state.word().into(), policy, subject, plan.response.clone(), news(view)].map(|cell| printable(&cell))
    });
    let head = ["PLAN", "STATE", "POLICY", "RESOURCE", "RESPONSE", "NOW"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    rows.iter().fold(String::new(), |mut text, row| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        text
    })
}

/// What is to be known of it at a glance.
fn news(view: &PlanView) -> String {
    let done = view.steps.iter().filter(|step| step.state == "done").count();
    let steps = format!("{done} of {} steps done", view.steps.len());
    match (view.state, &view.result) {
        (PlanState::Waiting, _) => {
            let votes = format!("{} of {} have approved", view.approved.len(), view.quorum.unwrap_or(1));
            let until = view.until.map(|until| format!(", until {}", moment(until))).unwrap_or_default();
            let held = view.held.as_ref().map(|held| format!("; {held}")).unwrap_or_default();
            format!("{votes}{until}{held}")
        }
        (PlanState::InDoubt, _) => "nobody knows what became of it: look, then cancel it".into(),
        (PlanState::Recommended, _) => "shown only".into(),
        (_, Some(result)) => reason(result).to_owned(),
        (_, None) => view.held.clone().unwrap_or(steps),
    }
}

fn reason(result: &PlanResult) -> &str {
    match result {
        PlanResult::Succeeded => "",
        PlanResult::Failed { reason, .. }
        | PlanResult::Unverified { reason }
        | PlanResult::Cancelled { reason }
        | PlanResult::Expired { reason } => reason,
    }
}

/// All that is known of a plan.
pub(super) fn whole(view: &PlanView) -> String {
    let plan = &view.plan;
    let mut text = printable(&format!("plan {} {} {}", plan.id, plan.response, plan.subject)) + "\n";
    let mut line = |name: &str, value: &str| {
        // Writing to a String does not fail; here and below.
        let _ = writeln!(text, "  {name:<10} {}", printable(value));
    };
    line("policy", &format!("{} (rung {}, priority {}, mode {})", plan.policy, plan.rung, plan.priority, plan.mode));
    line("state", view.state.word());
    line("hash", &view.hash);
    line("made", &moment(plan.created));
    line("because", &plan.evidence.to_string());
    line("then", &plan.effect);
    if let Some(cost) = cost(&plan.cost) {
        line("cost", &cost);
    }
    if let Some(wanted) = &plan.verification {
        line("verified", &format!("`{}` within {}", wanted.that, wanted.within));
    }
    if let Some(quorum) = view.quorum {
        let who = if view.approved.is_empty() { "nobody yet".into() } else { view.approved.join(", ") };
        line("approved", &format!("{} of {quorum}: {who}", view.approved.len()));
    }
    if let Some(until) = view.until {
        line("until", &moment(until));
    }
    if let Some(held) = &view.held {
        line("held", held);
    }
    if let Some(result) = &view.result {
        line("ended", &format!("{}: {} {}", view.ended.map(moment).unwrap_or_default(), view.state, reason(result)));
    }
    for (step, view) in plan.steps.iter().zip(&view.steps) {
        let after: Vec<String> = step.after.iter().map(ToString::to_string).collect();
        let after = if after.is_empty() { String::new() } else { format!(" after {}", after.join(", ")) };
        let state = state(view);
        let told = format!("  step {:<5} {state}: {} {}{after}: {}", step.id, step.resource, step.action, step.reason);
        text.push_str(&printable(&told));
        text.push('\n');
    }
    text
}

/// What it costs, as far as it is not nothing.
fn cost(cost: &Cost) -> Option<String> {
    let Cost { expected_downtime, interrupted, moved_bytes } = *cost;
    let parts = [
        (interrupted > 0).then(|| match interrupted {
            1 => "1 workload is interrupted".to_owned(),
            many => format!("{many} workloads are interrupted"),
        }),
        (!expected_downtime.is_zero()).then(|| format!("{expected_downtime} of downtime altogether")),
        (moved_bytes > 0).then(|| format!("{moved_bytes} bytes are moved from host to host")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn state(step: &StepView) -> String {
    let attempt =
        step.attempt.filter(|attempt| *attempt > 1).map(|attempt| format!(", try {attempt}")).unwrap_or_default();
    let until = step.until.map(|until| format!(", again at {}", clock(until))).unwrap_or_default();
    let reason = step.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}{attempt}{until}{reason}", step.state)
}

/// A time in UTC, to the second.
fn moment(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_moves_no_cursor_and_begins_no_line() {
        let view: PlanView = serde_json::from_value(serde_json::json!({
            "plan": {
                "id": "p1-1", "created": 0, "policy": "p", "subject": "vm/a", "response": "restart", "rung": 1, "mode": "approve",
                "evidence": {"truth": "true", "clauses": [
                    {"text": "state == \"\u{1b}[2J\"", "truth": "true", "values": [["state", "\u{1b}[2J"]]}]},
                "priority": 0, "effect": "a\nforged line", "steps": [
                    {"id": 1, "resource": "vm/a", "action": {"restart": {}}, "adapter": "a", "timeout": "1m",
                     "reason": "it is\r\u{202e}so"}],
            },
            "hash": "00", "state": "failed", "result": {"cancelled": {"reason": "\u{9b}31mred\nhash 11"}},
            "ended": 0, "held": null,
            "steps": [{"step": 1, "state": "failed", "reason": "no\u{7}"}],
        }))
        .unwrap();
        for shown in [list(std::slice::from_ref(&view), false), whole(&view)] {
            assert!(
                shown.chars().all(|one| one == '\n' || !one.is_control()) && !shown.contains('\u{202e}'),
                "{shown:?}"
            );
            assert!(shown.contains("\\u{9b}31mred\\nhash 11"), "{shown}");
            assert!(!shown.lines().any(|line| line.starts_with("forged") || line.trim_start().starts_with("hash 11")));
        }
    }

    #[test]
    fn a_cost_is_told_as_far_as_there_is_one() {
        let of = |seconds, interrupted, moved_bytes| {
            let expected_downtime = homeostat_model::Duration::from_secs(seconds);
            cost(&Cost { expected_downtime, interrupted, moved_bytes })
        };
        for (told, wanted) in [
            (of(0, 0, 0), None),
            // A live move of a machine whose size is known, and of one whose size is not.
            (of(1, 0, 4096), Some("1s of downtime altogether; 4096 bytes are moved from host to host")),
            (of(1, 0, 0), Some("1s of downtime altogether")),
            (of(30, 1, 0), Some("1 workload is interrupted; 30s of downtime altogether")),
            // Nobody knows until when.
            (of(0, 2, 0), Some("2 workloads are interrupted")),
            (
                of(91, 2, 4096),
                Some(
                    "2 workloads are interrupted; 1m31s of downtime altogether; 4096 bytes are moved from host to host",
                ),
            ),
        ] {
            assert_eq!(told.as_deref(), wanted);
        }
    }

    #[test]
    fn a_plan_that_costs_nothing_has_no_line_about_it() {
        let whole_of = |cost: serde_json::Value| {
            let view = serde_json::json!({
                "plan": {
                    "id": "p1-1", "created": 0, "policy": "p", "subject": "vm/a", "response": "migrate", "rung": 1, "mode": "auto",
                    "evidence": {"truth": "true", "clauses": []}, "priority": 0, "effect": "it moves", "steps": [], "cost": cost,
                },
                "hash": "00", "state": "running", "result": null, "ended": null, "held": null, "steps": [],
            });
            whole(&serde_json::from_value(view).unwrap())
        };
        let live = whole_of(serde_json::json!({"expectedDowntime": "1s"}));
        assert!(live.contains("\n  cost       1s of downtime altogether\n"), "{live}");
        let nothing = whole_of(serde_json::json!({}));
        assert!(!nothing.contains("cost"), "{nothing}");
    }
}
