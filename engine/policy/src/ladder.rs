//! `then`: the ladder of responses, with its branches written out.

use std::ops::Range;

use homeostat_model::{Duration, Retry};

use crate::{
    Formula, Guard, Prescription, Rung, Verify,
    fields::{Fields, duration, integer, items, parsed},
    formula::{Placed, Scope, Written, condition},
    hand_over::LEAST,
    language::{MAX_WINDOW, overlap},
    mistake::Mistake,
    report::Report,
    response::{self, RESPONSES},
    yaml::{Node, Yaml},
};

/// Most attempts of one rung: with the shortest useful pause that is still more than a day of trying.
pub(crate) const MAX_ATTEMPTS: u16 = 100;

/// The shortest time within which it can be seen whether a response helped: it is looked once a second.
const LEAST_WITHIN: Duration = Duration::from_secs(1);

/// Most tries of a step: with doubling pauses the last ones come minutes apart, and what has not worked by then is for the next rung.
pub(crate) const MAX_TRIES: u16 = 10;

/// The first pause between two tries: what hiccups needs a second to come back, and no pause grows beyond five minutes.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// The first pause unless the policy says otherwise: as that of the steps that are tried again by themselves.
const USUAL_PAUSE: Duration = Duration::from_secs(5);

/// How long a step may take: nothing real is done within less than a second, and what takes more than a day is waited for in vain.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(24 * 60));

/// Deepest nesting of `else`: a decision of more is a table, which a script is better at.
const MAX_NESTING: usize = 4;

/// Most responses of a policy, all branches together: trying each once takes hours already.
const MAX_RUNGS: usize = 32;

/// The fields of an entry that are no response.
pub(crate) const MODIFIERS: [&str; 9] =
    ["if", "attempts", "within", "cooldown", "verify", "compensate", "timeout", "retry", "else"];

/// A rung, and where it is written.
pub(crate) struct WrittenRung {
    pub(crate) rung: Rung,
    /// The name of its response.
    pub(crate) response: Written,
    /// Its formulas, in the order in which it gives them.
    pub(crate) formulas: Vec<Written>,
}

/// Reads `then`.
pub(crate) fn ladder(node: &Node, scope: &Scope<'_>, report: &mut Report) -> Vec<WrittenRung> {
    let entries = items(node, "then", report);
    if let (Yaml::List(_), true) = (&node.value, entries.is_empty()) {
        report.add(node.at.clone(), Mistake::EmptyThen);
    }
    let mut reading = Reading { scope, rungs: Vec::new(), found: 0, branches: Vec::new() };
    for entry in entries {
        reading.entry(entry, report);
    }
    if reading.found > MAX_RUNGS {
        let mistake = Mistake::TooManyResponses { found: reading.found, limit: MAX_RUNGS };
        report.add(node.at.clone(), mistake);
    }
    reading.rungs
}

/// The `if` of an entry around, and whether this is its `else`.
struct Branch {
    formula: Formula,
    written: Written,
    wanted: bool,
}

struct Reading<'a> {
    scope: &'a Scope<'a>,
    /// The first ones, as many as are read.
    rungs: Vec<WrittenRung>,
    found: usize,
    /// From the outermost to the innermost.
    branches: Vec<Branch>,
}

impl Reading<'_> {
    fn entry(&mut self, entry: &Node, report: &mut Report) {
        match &entry.value {
            Yaml::Scalar { text, .. } => {
                let response = response::read(text, &entry.at, None, self.scope, report);
                self.push(response, Written::here(&entry.at, report), Some(1), Beside::default());
            }
            Yaml::Map(_) => {
                let Some(fields) = Fields::open(entry, "an entry of `then`", report) else { return };
                self.mapping(fields, report);
            }
            _ => {
                let problem = "is neither the name of a response nor a mapping with one";
                report.add(entry.at.clone(), Mistake::OneResponse { problem });
            }
        }
    }

    fn mapping(&mut self, mut fields: Fields<'_>, report: &mut Report) {
        let (guard, attempts, otherwise) = (fields.take("if"), fields.take("attempts"), fields.take("else"));
        let limit = fields.take("within");
        let (pause, checked, undone) = (fields.take("cooldown"), fields.take("verify"), fields.take("compensate"));
        let (limited, repeated) = (fields.take("timeout"), fields.take("retry"));
        let (mut given, mut strangers) = (Vec::new(), Vec::new());
        for key in fields.keys().filter(|key| !MODIFIERS.contains(&key.text.as_str())) {
            match RESPONSES.into_iter().find(|name| *name == key.text) {
                Some(name) => given.push((name, key)),
                None => strangers.push(key),
            }
        }
        let parameters: Vec<Option<&Node>> = RESPONSES.into_iter().map(|name| fields.take(name)).collect();
        let (at, else_at) = (fields.at(), fields.key_at("else"));
        let unknown = !strangers.is_empty();
        match (given.as_slice(), strangers.as_slice()) {
            // The only word that can be the response is none.
            ([], [key]) => response::unknown(&key.text, key.at.clone(), report),
            _ => fields.finish(report),
        }
        let attempts = attempts.map_or(Some(1), |node| integer(node, "attempts", (1, MAX_ATTEMPTS), report));
        let cooldown = pause.and_then(|node| duration(node, "cooldown", (Duration::ZERO, MAX_WINDOW), report));
        let within = limit.and_then(|node| duration(node, "within", (LEAST, MAX_WINDOW), report));
        let verify = checked.and_then(|node| verify(node, self.scope, report));
        let for_good = undone.is_some_and(|node| parsed(node, "compensate", report) == Some(false));
        let timeout = limited.and_then(|node| duration(node, "timeout", TIMEOUTS, report));
        let retry = repeated.and_then(|node| retry(node, report));
        let beside = Beside { within, cooldown, verify, for_good, timeout, retry };
        let branch = guard.map(|node| condition(node, "if", self.scope, report));
        let guarded = self.enter(branch, true, &at, report);
        match given.as_slice() {
            [(name, key)] => {
                if *name == "notify" {
                    idle("`verify` has nothing to look at: a notification changes nothing", checked, report);
                    idle("`timeout` limits nothing: a notification has no steps", limited, report);
                    idle(
                        "`retry` repeats nothing: a notification has no steps, and is delivered again by itself",
                        repeated,
                        report,
                    );
                }
                let parameters = parameters.into_iter().flatten().next();
                let response = response::read(name, &key.at, parameters, self.scope, report);
                self.push(response, Written::here(&key.at, report), attempts, beside);
            }
            [] if !unknown => report.add(at, Mistake::OneResponse { problem: "has no response" }),
            [_, (_, second), ..] if !unknown => {
                report.add(second.at.clone(), Mistake::OneResponse { problem: "has two responses" });
            }
            _ => {}
        }
        if let Some(otherwise) = otherwise {
            if guard.is_none() {
                report.add(else_at.clone(), Mistake::ElseWithoutIf);
            }
            self.otherwise(otherwise, guarded, &else_at, report);
        }
        if guarded {
            self.branches.pop();
        }
    }

    /// Begins a branch, and reports when what is in it can never be reached. False when there is none to begin.
    fn enter(
        &mut self,
        condition: Option<Option<(Formula, Written)>>,
        wanted: bool,
        at: &Range<usize>,
        report: &mut Report,
    ) -> bool {
        let Some(Some((formula, written))) = condition else { return false };
        self.contradicted(&formula, wanted, at, report);
        self.branches.push(Branch { formula, written, wanted });
        true
    }

    fn contradicted(&self, formula: &Formula, wanted: bool, at: &Range<usize>, report: &mut Report) {
        let against = self.branches.iter().find(|branch| branch.wanted != wanted && branch.formula.alike(formula));
        if let Some(branch) = against {
            let reason = match branch.wanted {
                true => format!("it is the `else` of `{}` where that holds already", formula.text.trim()),
                false => format!("it asks for `{}` in the `else` of that very condition", formula.text.trim()),
            };
            report.add(at.clone(), Mistake::UnreachableResponse { reason });
        } else if wanted && let Some(other) = self.excluding(formula) {
            let reason = format!("`{}` is never the case while `{}` is", formula.text.trim(), other.text.trim());
            report.add(at.clone(), Mistake::UnreachableResponse { reason });
        } else if !wanted && self.scope.given.is_some_and(|given| given.alike(formula)) {
            let reason = "it is the `else` of what `when` asks for, which holds whenever something is done".into();
            report.add(at.clone(), Mistake::UnreachableResponse { reason });
        }
    }

    /// What holds here already, and cannot hold together with `formula`.
    fn excluding(&self, formula: &Formula) -> Option<&Formula> {
        let around = self.branches.iter().filter(|branch| branch.wanted).map(|branch| &branch.formula);
        self.scope.given.into_iter().chain(around).find(|other| !overlap(&other.expr, &formula.expr))
    }

    fn otherwise(&mut self, node: &Node, guarded: bool, at: &Range<usize>, report: &mut Report) {
        if self.branches.iter().filter(|branch| !branch.wanted).count() == MAX_NESTING {
            let help = "let a script choose: `- script: | ..`";
            report.add(at.clone(), Mistake::NestedTooDeep { limit: MAX_NESTING, help });
            return;
        }
        if guarded && let Some(last) = self.branches.pop() {
            self.contradicted(&last.formula, false, at, report);
            self.branches.push(Branch { wanted: false, ..last });
        }
        let entries = match &node.value {
            Yaml::List(entries) => entries.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if entries.is_empty() {
            report.add(node.at.clone(), Mistake::EmptyThen);
        }
        for entry in entries {
            self.entry(entry, report);
        }
    }

    fn push(&mut self, read: Option<Placed<Prescription>>, response: Written, attempts: Option<u16>, beside: Beside) {
        let (Some(read), Some(attempts)) = (read, attempts) else { return };
        self.found += 1;
        if self.found > MAX_RUNGS {
            return;
        }
        let guard = |branch: &Branch| Guard { condition: branch.formula.clone(), wanted: branch.wanted };
        let mut formulas: Vec<Written> = self.branches.iter().map(|branch| branch.written.clone()).collect();
        formulas.extend(read.places);
        let guards = self.branches.iter().map(guard).collect();
        let Beside { within, cooldown, verify, for_good, timeout, retry } = beside;
        let (verify, written) = verify.unzip();
        formulas.extend(written);
        let compensate = !for_good;
        let rung =
            Rung { guards, response: read.value, attempts, within, cooldown, verify, compensate, timeout, retry };
        self.rungs.push(WrittenRung { rung, response, formulas });
    }
}

/// What stands beside a response.
#[derive(Default)]
struct Beside {
    within: Option<Duration>,
    cooldown: Option<Duration>,
    verify: Option<(Verify, Written)>,
    for_good: bool,
    timeout: Option<Duration>,
    retry: Option<Retry>,
}

/// Refuses what means nothing beside a notification.
fn idle(reason: &str, given: Option<&Node>, report: &mut Report) {
    if let Some(node) = given {
        let mistake = Mistake::InvalidValue { reason: reason.into(), help: Some("remove it".into()) };
        report.add(node.at.clone(), mistake);
    }
}

/// Reads `retry`.
fn retry(node: &Node, report: &mut Report) -> Option<Retry> {
    let mut fields = Fields::open(node, "retry", report)?;
    let (attempts, pause) = (fields.require("attempts", report), fields.take("pause"));
    fields.finish(report);
    let attempts = attempts.and_then(|node| integer(node, "attempts", (1, MAX_TRIES), report));
    let pause = pause.map_or(Some(USUAL_PAUSE), |node| duration(node, "pause", PAUSES, report));
    match (attempts?, pause?) {
        (1, _) => Some(Retry::ONCE),
        (attempts, pause) => Some(Retry { attempts, pause }),
    }
}

/// Reads `verify`.
fn verify(node: &Node, scope: &Scope<'_>, report: &mut Report) -> Option<(Verify, Written)> {
    let mut fields = Fields::open(node, "verify", report)?;
    let (that, within) = (fields.require("that", report), fields.require("within", report));
    let stable_for = fields.take("stableFor");
    fields.finish(report);
    let that = that.and_then(|node| condition(node, "that", scope, report));
    let within = within.and_then(|node| duration(node, "within", (LEAST_WITHIN, MAX_WINDOW), report));
    let longest = within.unwrap_or(MAX_WINDOW);
    let stable_for = match stable_for {
        Some(node) => duration(node, "stableFor", (Duration::ZERO, longest), report)?,
        None => Duration::ZERO,
    };
    let (that, written) = that?;
    Some((Verify { that, within: within?, stable_for }, written))
}
