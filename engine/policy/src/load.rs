//! Loads policies from files: everything good is loaded, everything bad is said.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use homeostat_model::PolicyName;
use miette::NamedSource;

use crate::{
    Catalogue, Policy, Problem, SourceText, alignment::locate, document, mistake::Mistake, report::Report,
    source::documents, yaml,
};

/// What became of the files.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The good policies, in the order of their names.
    pub policies: Vec<Policy>,
    /// All that is wrong, in the order of the files.
    pub problems: Vec<Problem>,
    /// Where the conditions of the good policies stand.
    conditions: BTreeMap<PolicyName, Written>,
}

/// A condition's file and its bytes therein.
#[derive(Debug)]
struct Written {
    source: Arc<NamedSource<String>>,
    at: Range<usize>,
}

impl Loaded {
    /// Takes out the policy called `name`, because Rhai refuses a script in one of its formulas, and says where.
    ///
    /// `formula` is its place in [`Policy::formulas`], `offset` the place in bytes of its text, where it is known. This crate
    /// runs no Rhai; whoever does reports back here, so that all problems are shown alike.
    pub fn refuse_script(&mut self, name: &PolicyName, formula: usize, offset: Option<usize>, reason: String) {
        let refused =
            self.policies.iter().position(|policy| policy.name == *name).map(|place| self.policies.remove(place));
        let text = refused.and_then(|policy| policy.formulas().nth(formula).map(|formula| formula.text.clone()));
        let text = text.unwrap_or_default();
        if let Some(Written { source, at }) = self.conditions.remove(name) {
            let place = match offset.filter(|offset| *offset < text.len()) {
                Some(offset) => locate(source.inner(), &at, &text, &(offset..offset + 1)),
                None => at,
            };
            self.problems.push(Problem::new(source, place, Mistake::ScriptRefused { reason }));
        }
    }
}

/// Reads the policies of all `sources` and checks them against `catalogue`.
///
/// A bad document is left out and does not affect the others. Of several policies with one name, the first is loaded.
/// Documents of the kind `PolicyTest` are passed over; see [`crate::load_tests`].
#[must_use]
pub fn load(sources: &[SourceText], catalogue: &Catalogue) -> Loaded {
    let mut policies: BTreeMap<PolicyName, (Policy, Problem)> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut conditions = BTreeMap::new();
    for source in sources {
        let mut report = Report::new(source);
        for range in documents(&source.text, &mut report) {
            let Some(root) = yaml::parse(range.clone(), &mut report) else { continue };
            let text = source.text.get(range).unwrap_or_default();
            let Some((policy, places)) = document::policy(&root, text, catalogue, &mut report) else { continue };
            let name = policy.name.to_string();
            if let Some((_, first)) = policies.get(&policy.name) {
                let mistake = Mistake::DuplicatePolicy { name, first: format!("{}:{}", first.file(), first.line()) };
                let problem = report.problem(places.name, mistake).relate(first.clone());
                report.push(problem);
            } else {
                let declared = report.problem(places.name, Mistake::FirstDeclared { name });
                if let Some(at) = places.when {
                    conditions.insert(policy.name.clone(), Written { source: report.source(), at });
                }
                policies.insert(policy.name.clone(), (policy, declared));
            }
        }
        problems.extend(report.into_problems());
    }
    Loaded { policies: policies.into_values().map(|(policy, _)| policy).collect(), problems, conditions }
}
