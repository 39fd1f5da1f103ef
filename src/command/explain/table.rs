//! Answers for people: a line for each policy, and one for each of its clauses, at most 100 columns wide.
//!
//! ```text
//!   web-cpu    waiting      it has to hold for 2m; acts in 40s, at 10:41:20
//!                true       avg("cpu.utilization", 5m) > 85%   avg(cpu.utilization, 5m) = 0.91
//! ```

use std::fmt::Write;

use homeostat_engine::{Explanation, Status};
use homeostat_model::{Clause, Duration, ResourceId, Timestamp, Truth};

use super::word;
use crate::{api::Answer, printable::printable, story::clock};

/// As wide as a line may become. A single word that is longer is not cut.
const WIDTH: usize = 100;
/// The longest status, `handed over`, and two spaces.
const STATUS: usize = 13;
/// How a policy stands that does not watch the resource.
const NOT_CONCERNED: &str = "not for it";
/// The widest column for the names of policies; a longer name moves its own line only.
const MAX_NAME: usize = 32;
/// A space at which no line ends, within a value or a time; it is written as a usual one.
const GLUE: &str = "\u{a0}";
/// How far clauses are set in.
const INDENT: usize = 2;

/// The answer as text.
pub(super) fn text(answer: &Answer, resource: &ResourceId) -> String {
    let mut out = String::new();
    // Writing to a String does not fail; here and below.
    if answer.explanations.is_empty() {
        let _ = writeln!(out, "no policy watches {resource}");
        if answer.others.is_empty() {
            return out;
        }
    } else {
        let _ = writeln!(out, "{resource} at {}", clock(answer.now));
    }
    let watching = answer.explanations.iter().map(|one| &one.policy);
    let names = watching.chain(answer.others.iter().map(|one| &one.policy));
    let name = names.map(|policy| policy.as_str().chars().count()).max().unwrap_or_default();
    let name = name.min(MAX_NAME) + 2;
    for one in &answer.explanations {
        out.push('\n');
        let head = format!("{:name$}{:STATUS$}", one.policy.as_str(), word(one.status));
        paragraph(&head, &sentence(one, answer.now), name + STATUS, &mut out);
        for clause in &one.evidence.clauses {
            let head = format!("{:name$}{:STATUS$}", "", format!("{:INDENT$}{}", "", clause.truth));
            paragraph(&head, &shown(clause, answer.now), name + STATUS, &mut out);
        }
    }
    if !answer.others.is_empty() {
        out.push('\n');
    }
    for one in &answer.others {
        let head = format!("{:name$}{:STATUS$}", one.policy.as_str(), NOT_CONCERNED);
        paragraph(&head, &one.because, name + STATUS, &mut out);
    }
    out
}

/// The reason without the clauses, which stand below it, and when it acts.
fn sentence(one: &Explanation, now: Timestamp) -> String {
    let evidence = one.evidence.to_string();
    let unknown = one.evidence.clauses.iter().filter(|clause| clause.truth == Truth::Unknown);
    let unknown: Vec<String> = unknown.map(ToString::to_string).collect();
    let mut reason = one.because.clone();
    for clauses in [evidence, unknown.join("; ")].iter().filter(|clauses| !clauses.is_empty()) {
        reason = reason.replace(clauses, "");
    }
    let parts: Vec<&str> = reason.split("; ").map(str::trim).filter(|part| !part.is_empty()).collect();
    let mut text = match (parts.is_empty(), one.status) {
        (false, _) => parts.join("; "),
        (true, Status::No) => "the condition does not hold".into(),
        (true, Status::Unknown) => "the condition is not known".into(),
        (true, _) => "the condition holds".into(),
    };
    if let Some(at) = one.acts_at {
        let _ = write!(text, "; could act {}", moment(at, now));
    }
    text
}

/// A clause with its values, and when time alone could make it hold.
fn shown(clause: &Clause, now: Timestamp) -> String {
    let mut text = clause.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let values = clause.values.iter().map(|(name, value)| match value {
        Some(value) => format!("{name} = {value}"),
        None => format!("{name} is not known"),
    });
    let values: Vec<String> = values.map(|value| value.replace(' ', GLUE)).collect();
    if !values.is_empty() {
        let _ = write!(text, "   {}", values.join(", "));
    }
    if let Some(at) = clause.could_hold_at {
        let _ = write!(text, "; could hold {}", moment(at, now));
    }
    text
}

/// `in 3m, at 10:41:20`
fn moment(at: Timestamp, now: Timestamp) -> String {
    let wait = Duration::from_secs(at.since(now).as_millis().div_ceil(1000));
    if wait.is_zero() { "now".into() } else { format!("in {wait}, at {}", clock(at)).replace(' ', GLUE) }
}

/// Writes `head` and behind it `text`, on as many lines as it needs; those after the first begin at `column`.
fn paragraph(head: &str, text: &str, column: usize, out: &mut String) {
    let (text, mut line) = (printable(text), printable(head));
    let mut begun = false;
    for word in text.split_inclusive(' ') {
        let needed = line.chars().count() + word.trim_end().chars().count();
        if begun && needed > WIDTH {
            let _ = writeln!(out, "{}", line.replace(GLUE, " ").trim_end());
            line = " ".repeat(column);
            begun = false;
        }
        // The gap before the values is none at the beginning of a line.
        if begun || word != " " {
            line.push_str(word);
            begun = true;
        }
    }
    let _ = writeln!(out, "{}", line.replace(GLUE, " ").trim_end());
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use homeostat_model::Timestamp;

    use super::{Answer, text};

    #[test]
    fn an_answer_is_readable_at_a_hundred_columns() {
        let answer = r#"{"now": 1767225600000, "explanations": [
            {"policy": "web-cpu", "resource": "vm/web-1", "mode": "auto", "status": "waiting",
             "because": "avg(\"cpu\", 5m) > 85% is true (avg(cpu, 5m) = 0.91); it has to hold for 2m", "actsAt": 1767225639500,
             "evidence": {"truth": "true", "clauses": [
                {"text": "avg(\"cpu\", 5m) > 85%", "truth": "true", "values": [["avg(cpu, 5m)", 0.91]]}]}},
            {"policy": "disk-filling", "resource": "vm/web-1", "mode": "auto", "status": "unknown",
             "because": "predict(\"disk.free\", 1h, 4h) < 0 is unknown (predict(disk.free, 1h, 4h) is not known)",
             "evidence": {"truth": "unknown", "clauses": [
                {"text": "predict(\"disk.free\", 1h, 4h) < 0", "truth": "unknown", "values": [["predict(disk.free, 1h, 4h)", null]]},
                {"text": "absent(\"backup.finished\", 26h)", "truth": "false", "values": [["absent(backup.finished, 26h)", false]],
                 "could_hold_at": 1767319200000},
                {"text": "labels.tier ==\n    \"database-with-a-long-name\"", "truth": "true",
                 "values": [["labels.tier", "database-with-a-long-name"]]}]}},
            {"policy": "noisy", "resource": "vm/web-1", "mode": "auto", "status": "held-back",
             "because": "plan p1-3 has host/h1 in hand; state == \"running\" is true (state = \"running\")",
             "evidence": {"truth": "true", "clauses": [
                {"text": "state == \"running\"", "truth": "true", "values": [["state", "running"]]}]}},
            {"policy": "crash", "resource": "vm/web-1", "mode": "auto", "status": "no",
             "because": "no event vm.crashed is being answered", "evidence": {"truth": "true", "clauses": []}},
            {"policy": "idle", "resource": "vm/web-1", "mode": "auto", "status": "no",
             "because": "state == \"stopped\" is false (state = \"running\")",
             "evidence": {"truth": "false", "clauses": [
                {"text": "state == \"stopped\"", "truth": "false", "values": [["state", "running"]]}]}}
        ]}"#;
        let answer: Answer = serde_json::from_str(answer).unwrap();
        let told = text(&answer, &"vm/web-1".parse().unwrap());
        assert!(told.lines().all(|line| line.chars().count() <= 100), "{told}");
        expect![[r#"
            vm/web-1 at 00:00:00

            web-cpu       waiting      it has to hold for 2m; could act in 40s, at 00:00:39
                            true       avg("cpu", 5m) > 85%   avg(cpu, 5m) = 0.91

            disk-filling  unknown      the condition is not known
                            unknown    predict("disk.free", 1h, 4h) < 0
                                       predict(disk.free, 1h, 4h) is not known
                            false      absent("backup.finished", 26h)   absent(backup.finished, 26h) = false;
                                       could hold in 1d2h, at 02:00:00
                            true       labels.tier == "database-with-a-long-name"
                                       labels.tier = "database-with-a-long-name"

            noisy         held back    plan p1-3 has host/h1 in hand
                            true       state == "running"   state = "running"

            crash         no           no event vm.crashed is being answered

            idle          no           the condition does not hold
                            false      state == "stopped"   state = "running"
        "#]]
        .assert_eq(&told);
        let none = Answer { now: Timestamp::from_millis(0), explanations: Vec::new(), others: Vec::new() };
        assert_eq!(text(&none, &"vm/x".parse().unwrap()), "no policy watches vm/x\n");
    }
}
