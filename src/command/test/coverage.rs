//! What the tests have tried of the policies: each clause true and false, each response of the ladder, a finding at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::{Path, PathBuf},
};

use homeostat_engine::PolicyCoverage;
use homeostat_model::{Entry, PolicyName, Record};
use homeostat_policy::{Catalogue, Expr, Formula, Node, Policy, SourceText, UnknownMetrics};
use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Suite, suite::Loaded};
use crate::{
    cli::Percent,
    files,
    report::{Failure, counted},
};

/// What was tried of all policies, over all tests.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// By file, whatever path it was reached by, and name.
    policies: BTreeMap<(PathBuf, PolicyName), Tried>,
    /// The policies of files that were looked at.
    files: BTreeMap<PathBuf, BTreeSet<PolicyName>>,
}

/// What was tried of one policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tried {
    policy: PolicyName,
    file: String,
    /// In how many tests it was.
    tests: usize,
    /// How often it has opened a finding.
    findings: usize,
    /// Of its condition and of what closes its findings.
    clauses: Vec<Clause>,
    /// Its ladder.
    responses: Vec<Response>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Clause {
    clause: String,
    was_true: bool,
    was_false: bool,
    was_unknown: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    response: String,
    /// How often.
    tried: u64,
}

/// So many of so many things were tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Share {
    tried: usize,
    of: usize,
}

impl Share {
    /// Rounded down: all is only all.
    fn percent(self) -> usize {
        (self.tried * 100).checked_div(self.of).unwrap_or(100)
    }
}

impl Coverage {
    /// Takes in what became of the policies of one test.
    pub(super) fn add(&mut self, loaded: &Loaded, made: &[PolicyCoverage], records: &[Record]) {
        for policy in &loaded.policies {
            let Some(tried) = self.of(policy, &loaded.sources) else { continue };
            tried.tests += 1;
            let opened = |record: &&Record| matches!(&record.entry, Entry::FindingOpened { finding, .. } if finding.policy == policy.name);
            tried.findings += records.iter().filter(opened).count();
            if let Some(made) = made.iter().find(|made| made.policy == policy.name) {
                tried.take(made);
            }
        }
    }

    /// Takes in the policies that lie in the folders of the tests, and that no test uses.
    ///
    /// # Errors
    /// [`Failure`] when the folders cannot be read.
    pub(super) fn untested(&mut self, suite: &Suite) -> Result<(), Failure> {
        let sources = files::policy_sources(&suite.folders)?;
        // What is wrong with them is for `check` to say.
        for policy in homeostat_policy::load(&sources, &Catalogue::new(UnknownMetrics::Allow)).policies {
            self.of(&policy, &sources);
        }
        Ok(())
    }

    /// Whether at least this share of all was tried.
    pub(super) fn reaches(&self, least: Percent) -> bool {
        let all = self.all();
        all.tried * 100 >= usize::from(least.0) * all.of
    }

    /// For people.
    pub(super) fn table(&self, least: Option<Percent>) -> String {
        let mut out = String::new();
        for tried in self.policies.values() {
            tried.write(&mut out);
        }
        let all = self.all();
        let wanted = match least {
            Some(least) if self.reaches(least) => format!(", {}% is asked for", least.0),
            Some(least) => format!(", but {}% is asked for", least.0),
            None => String::new(),
        };
        // Writing to a String does not fail; here and below.
        let _ = writeln!(out, "{:>3}%  of all was tried ({} of {}){wanted}", all.percent(), all.tried, all.of);
        out
    }

    fn all(&self) -> Share {
        self.policies
            .values()
            .map(Tried::share)
            .fold(Share::default(), |all, one| Share { tried: all.tried + one.tried, of: all.of + one.of })
    }

    /// What is known of `policy`, which is in one of `sources`.
    fn of(&mut self, policy: &Policy, sources: &[SourceText]) -> Option<&mut Tried> {
        let scripts: Vec<&SourceText> = sources.iter().filter(|source| is_script(source)).collect();
        let (file, path) = sources.iter().filter(|source| !is_script(source)).find_map(|source| {
            let path = PathBuf::from(&source.name);
            let path = path.canonicalize().unwrap_or(path);
            let names = self.files.entry(path.clone()).or_insert_with(|| names(source, &scripts));
            names.contains(&policy.name).then(|| (source.name.clone(), path))
        })?;
        Some(self.policies.entry((path, policy.name.clone())).or_insert_with(|| Tried::nothing_of(policy, file)))
    }
}

/// Scripts are read beside the policies that name them.
fn is_script(source: &SourceText) -> bool {
    Path::new(&source.name).extension().is_some_and(|end| end == files::SCRIPT_END)
}

/// The policies in one file.
fn names(source: &SourceText, scripts: &[&SourceText]) -> BTreeSet<PolicyName> {
    let sources: Vec<SourceText> = std::iter::once(source).chain(scripts.iter().copied()).cloned().collect();
    let loaded = homeostat_policy::load(&sources, &Catalogue::new(UnknownMetrics::Allow));
    loaded.policies.into_iter().map(|policy| policy.name).collect()
}

impl Tried {
    fn nothing_of(policy: &Policy, file: String) -> Self {
        let mut clauses: Vec<Clause> = Vec::new();
        for formula in policy.when.iter().chain(&policy.clear) {
            for clause in texts(formula, &formula.expr) {
                if clauses.iter().all(|known| known.clause != clause) {
                    clauses.push(Clause { clause: clause.to_owned(), ..Clause::default() });
                }
            }
        }
        let response = |response: String| Response { response, tried: 0 };
        let responses = policy.then.iter().map(|rung| response(rung.response.to_string())).collect();
        Self { policy: policy.name.clone(), file, tests: 0, findings: 0, clauses, responses }
    }

    fn take(&mut self, made: &PolicyCoverage) {
        for seen in &made.clauses {
            let known = match self.clauses.iter_mut().position(|known| known.clause == seen.clause) {
                Some(place) => self.clauses.get_mut(place),
                None => {
                    self.clauses.push(Clause { clause: seen.clause.clone(), ..Clause::default() });
                    self.clauses.last_mut()
                }
            };
            if let Some(known) = known {
                known.was_true |= seen.was_true;
                known.was_false |= seen.was_false;
                known.was_unknown |= seen.was_unknown;
            }
        }
        for (response, (_, tried)) in self.responses.iter_mut().zip(&made.rungs) {
            response.tried += tried;
        }
    }

    /// Of a clause, that it was true and that it was false; of a response, that it was tried; and that there was a finding.
    fn share(&self) -> Share {
        let clauses: usize =
            self.clauses.iter().map(|one| usize::from(one.was_true) + usize::from(one.was_false)).sum();
        let responses = self.responses.iter().filter(|response| response.tried > 0).count();
        Share {
            tried: clauses + responses + usize::from(self.findings > 0),
            of: 2 * self.clauses.len() + self.responses.len() + 1,
        }
    }

    fn write(&self, out: &mut String) {
        let what = match self.tests {
            0 => "no test uses it".into(),
            tests => format!("{} in {}", counted(self.findings, "finding"), counted(tests, "test")),
        };
        let _ = writeln!(out, "{:>3}%  {} ({}): {what}", self.share().percent(), self.policy, self.file);
        if self.tests == 0 {
            return;
        }
        for clause in &self.clauses {
            let missing = match (clause.was_true, clause.was_false) {
                (true, true) => continue,
                (true, false) => "never false",
                (false, true) => "never true",
                (false, false) if clause.was_unknown => "never known",
                (false, false) => "never asked",
            };
            let _ = writeln!(out, "      {missing}: {}", clause.clause);
        }
        for (index, response) in self.responses.iter().enumerate().filter(|(_, response)| response.tried == 0) {
            let (number, all) = (index + 1, self.responses.len());
            let _ = writeln!(out, "      never tried: {} (response {number} of {all})", response.response);
        }
    }
}

/// The clauses of a formula as they are written: whatever is not made of other truths.
fn texts<'a>(formula: &'a Formula, expr: &Expr) -> Vec<&'a str> {
    match &expr.node {
        Node::And(parts) | Node::Or(parts) => parts.iter().flat_map(|part| texts(formula, part)).collect(),
        Node::Not(part) => texts(formula, part),
        _ => vec![formula.text.get(expr.span.clone()).unwrap_or(&formula.text).trim()],
    }
}

impl Serialize for Coverage {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            #[serde(flatten)]
            tried: &'a Tried,
            percent: usize,
        }
        let all = self.all();
        let shown = |tried| Shown { tried, percent: Tried::share(tried).percent() };
        let mut document = to.serialize_struct("Coverage", 4)?;
        document.serialize_field("percent", &all.percent())?;
        document.serialize_field("tried", &all.tried)?;
        document.serialize_field("of", &all.of)?;
        document.serialize_field("policies", &self.policies.values().map(shown).collect::<Vec<_>>())?;
        document.end()
    }
}
