//! Loads policies from files: everything good is loaded, everything bad is said.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use homeostat_model::PolicyName;

use crate::{
    Catalogue, Policy, Problem, Safeguard, Safeguards, SourceText,
    ceiling::{Forbidden, forbidden},
    document,
    formula::Written,
    mistake::Mistake,
    oscillation::{Oscillation, oscillations},
    report::Report,
    safeguard::{self, is_guard},
    scripts::{Scripts, is_script},
    source::documents,
    yaml,
};

/// What became of the files.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The good policies, in the order of their names.
    pub policies: Vec<Policy>,
    /// The good guards, in the order of their names. Each policy has them too.
    pub guards: Arc<[Safeguard]>,
    /// All that is wrong, in the order of the files.
    pub problems: Vec<Problem>,
    /// What to be warned of: pairs of good policies that can undo each other, and responses that a guard never lets happen; each in the
    /// order of their names.
    pub warnings: Vec<Problem>,
    /// Where the formulas of the good policies stand, in the order of [`Policy::formulas`].
    formulas: BTreeMap<PolicyName, Vec<Written>>,
}

impl Loaded {
    /// Takes out the policy called `name`, because Rhai refuses a script in one of its formulas, and says where.
    ///
    /// `formula` is its place in [`Policy::formulas`], `offset` the place in bytes of its text, where it is known. This crate
    /// runs no Rhai; whoever does reports back here, so that all problems are shown alike.
    pub fn refuse_script(&mut self, name: &PolicyName, formula: usize, offset: Option<usize>, reason: String) {
        self.policies.retain(|policy| policy.name != *name);
        let Some(formulas) = self.formulas.remove(name) else { return };
        let Some(written) = formulas.get(formula).or(formulas.first()) else { return };
        let mistake = Mistake::ScriptRefused { reason };
        self.problems.push(match offset.filter(|offset| *offset < written.text().len()) {
            Some(offset) => written.problem(&(offset..offset + 1), mistake),
            None => written.problem_of_all(mistake),
        });
    }
}

/// Reads the policies of all `sources` and checks them against `catalogue`.
///
/// Sources whose name ends in `.rhai` are scripts, which policies name with `file:`, seen from their own source.
/// A bad document is left out and does not affect the others. Of several policies with one name, the first is loaded.
/// Of several guards with one name, too, and all hold for all policies. Documents of the kind `PolicyTest` are passed over; see [`crate::load_tests`].
#[must_use]
pub fn load(sources: &[SourceText], catalogue: &Catalogue) -> Loaded {
    let mut policies: BTreeMap<PolicyName, (Policy, Problem)> = BTreeMap::new();
    let mut guards: BTreeMap<PolicyName, (Safeguard, Problem)> = BTreeMap::new();
    let mut written = Places::default();
    let mut problems = Vec::new();
    let mut formulas = BTreeMap::new();
    let scripts = Scripts::of(sources);
    for source in sources.iter().filter(|source| !is_script(&source.name)) {
        let mut report = Report::new(source);
        for range in documents(&source.text, &mut report) {
            let Some(root) = yaml::parse(range.clone(), &mut report) else { continue };
            if is_guard(&root) {
                let Some((guard, places)) = safeguard::guard(&root, catalogue, &mut report) else { continue };
                let name = guard.name.to_string();
                if let Some((_, first)) = guards.get(&guard.name) {
                    let mistake = Mistake::DuplicateGuard { name, first: format!("{}:{}", first.file(), first.line()) };
                    let problem = report.problem(places.name, mistake).relate(first.clone());
                    report.push(problem);
                } else {
                    let declared = report.problem(places.name, Mistake::FirstDeclared { name });
                    written.ceilings.extend(places.ceiling.map(|ceiling| (guard.name.clone(), ceiling)));
                    guards.insert(guard.name.clone(), (guard, declared));
                }
                continue;
            }
            let text = source.text.get(range).unwrap_or_default();
            let Some((policy, places)) = document::policy(&root, text, catalogue, &scripts, &mut report) else {
                continue;
            };
            let name = policy.name.to_string();
            if let Some((_, first)) = policies.get(&policy.name) {
                let mistake = Mistake::DuplicatePolicy { name, first: format!("{}:{}", first.file(), first.line()) };
                let problem = report.problem(places.name, mistake).relate(first.clone());
                report.push(problem);
            } else {
                let declared = report.problem(places.name, Mistake::FirstDeclared { name });
                formulas.insert(policy.name.clone(), places.formulas);
                written.responses.insert(policy.name.clone(), places.responses);
                policies.insert(policy.name.clone(), (policy, declared));
            }
        }
        problems.extend(report.into_problems());
    }
    once_per_script(&mut problems);
    let guards: Arc<[Safeguard]> = guards.into_values().map(|(guard, _)| guard).collect();
    let mut warnings = oscillating(&policies, &formulas);
    warnings.extend(above_guards(&policies, &guards, &written));
    let with_guards = |(policy, _)| Policy { safeguards: Safeguards(Arc::clone(&guards)), ..policy };
    Loaded { policies: policies.into_values().map(with_guards).collect(), guards, problems, warnings, formulas }
}

/// A warning for each pair of policies that can undo each other, at the conditions of both.
fn oscillating(
    policies: &BTreeMap<PolicyName, (Policy, Problem)>,
    formulas: &BTreeMap<PolicyName, Vec<Written>>,
) -> Vec<Problem> {
    let when = |name: &PolicyName| formulas.get(name).and_then(|written| written.first());
    let found = oscillations(policies.values().map(|(policy, _)| policy));
    let warning = |Oscillation { first, second, how }| {
        let other = when(&first)?.problem_of_all(Mistake::OtherCondition { name: first.to_string() });
        Some(when(&second)?.problem_of_all(Mistake::Oscillation { how }).relate(other))
    };
    found.into_iter().filter_map(warning).collect()
}

/// Where responses of good policies stand, in the order of their ladders, and ceilings of good guards.
#[derive(Default)]
struct Places {
    responses: BTreeMap<PolicyName, Vec<Written>>,
    ceilings: BTreeMap<PolicyName, Written>,
}

/// A warning for each response that a guard never lets happen, at the response and at the ceiling of the guard.
fn above_guards(
    policies: &BTreeMap<PolicyName, (Policy, Problem)>,
    guards: &[Safeguard],
    written: &Places,
) -> Vec<Problem> {
    let warning = |Forbidden { policy, rung, guard, mistake }| {
        let ceiling = written.ceilings.get(&guard)?.problem_of_all(Mistake::OtherCeiling { name: guard.to_string() });
        Some(written.responses.get(&policy)?.get(rung)?.problem_of_all(mistake).relate(ceiling))
    };
    let found = forbidden(policies.values().map(|(policy, _)| policy), guards.iter());
    found.into_iter().filter_map(warning).collect()
}

/// What is wrong with a script is said once, however many policies name it.
fn once_per_script(problems: &mut Vec<Problem>) {
    let mut told = BTreeSet::new();
    problems.retain(|problem| {
        let span = problem.span();
        !is_script(problem.file())
            || told.insert((problem.file().to_owned(), span.start, span.end, problem.to_string()))
    });
}
