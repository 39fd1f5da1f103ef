//! Finds clauses that cannot matter: because of others, or whatever the value is.
//!
//! ```text
//!   a > 90% && a < 10%                 never both                       contradiction
//!   a > 90% && a > 80%                 the second follows               redundant clause
//!   a > 90% && (a < 10% || b)          the first alternative never      contradiction
//!   a > 1 || a <= 1                    always one of them               tautology
//!   count("m", 5m) < 0                 of no value                      beyond bounds
//! ```
//!
//! Everything said here is certain in three-valued logic as well: "never" is false or unknown, "always" true or unknown. That
//! something was not found proves nothing; clauses about different values are taken for independent.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    ExprProblem,
    canonical::canonical,
    clause::{Clause, Part, Place},
    facts::{Conflict, Facts},
};
use crate::{Expr, Node, mistake::Mistake};

/// Help for clauses that exclude each other.
const EITHER: &str = "write `||` if either is enough, or remove one of them";

/// Help for a value that is needed where there is none.
const LONGER: &str = "write `||` if either is enough, or ask about a window that is longer than the absence";

/// Each clause of `condition`, which was read from `text`, that cannot matter.
pub(super) fn problems(condition: &Expr, text: &str) -> Vec<ExprProblem> {
    let mut finder = Finder { text, problems: Vec::new() };
    finder.conjunction(&parts(&whole(condition), true), None);
    finder.problems
}

/// Whether the conditions `a` and `b`, of one resource and at one time, can both be true, as far as that can be told from
/// comparisons of single values with literals. False is certain; true says that nothing speaks against it.
#[must_use]
pub fn overlap(a: &Expr, b: &Expr) -> bool {
    let mut both = parts(&whole(a), true);
    both.extend(parts(&whole(b), true));
    possible(&both, None)
}

fn whole(condition: &Expr) -> Part<'_> {
    Part { expr: condition, holds: true, negation: None }
}

/// What has to hold together, of a conjunction; the alternatives, of a disjunction. In either case however it is nested, and
/// with negations resolved.
fn parts<'e>(part: &Part<'e>, conjunction: bool) -> Vec<Part<'e>> {
    let Part { expr, holds, .. } = *part;
    match &expr.node {
        Node::Not(inner) => parts(&Part { expr: inner, holds: !holds, negation: Some(expr) }, conjunction),
        Node::And(operands) if holds == conjunction => of_all(operands, holds, conjunction),
        Node::Or(operands) if holds != conjunction => of_all(operands, holds, conjunction),
        _ => vec![part.clone()],
    }
}

fn of_all(operands: &[Expr], holds: bool, conjunction: bool) -> Vec<Part<'_>> {
    let operands = operands.iter().map(|expr| Part { expr, holds, negation: None });
    operands.flat_map(|operand| parts(&operand, conjunction)).collect()
}

fn is_junction(part: &&Part<'_>) -> bool {
    matches!(part.expr.node, Node::And(_) | Node::Or(_))
}

/// Whether all of `conjunction` can be true, given what is true around it.
fn possible(conjunction: &[Part<'_>], outer: Option<&Facts<'_>>) -> bool {
    let mut facts = Facts::within(outer);
    for part in conjunction {
        if let Some(clause) = Clause::of(part) {
            if facts.against(&clause, part).is_some() {
                return false;
            }
            facts.add(clause, part);
        }
    }
    conjunction.iter().filter(is_junction).all(|disjunction| {
        parts(disjunction, false).iter().any(|alternative| possible(&parts(alternative, true), Some(&facts)))
    })
}

struct Finder<'a> {
    text: &'a str,
    problems: Vec<ExprProblem>,
}

impl Finder<'_> {
    /// All of `operands` have to be true, given what is true around them.
    fn conjunction(&mut self, operands: &[Part<'_>], outer: Option<&Facts<'_>>) {
        let mut facts = Facts::within(outer);
        for part in operands {
            let Some(clause) = Clause::of(part).filter(|_| !self.settled(part)) else { continue };
            if let Some(conflict) = facts.against(&clause, part) {
                self.contradiction(&clause.place, &conflict);
                continue;
            }
            if let Some(other) = facts.about(&clause).find(|other| clause.follows_from(other)) {
                self.redundant(&clause.place, &other.place, "says as much");
                continue;
            }
            if let Some(weaker) = facts.here_about(&clause).find(|old| old.follows_from(&clause)) {
                self.redundant(&weaker.place, &clause.place, "says more");
            }
            facts.add(clause, part);
        }
        let disjunctions: Vec<_> = operands.iter().filter(is_junction).collect();
        self.repeated(&disjunctions);
        for disjunction in disjunctions {
            self.disjunction(disjunction, &facts);
        }
    }

    /// One of the alternatives of `disjunction` has to be true.
    fn disjunction(&mut self, disjunction: &Part<'_>, outer: &Facts<'_>) {
        let alternatives = parts(disjunction, false);
        let mut before = Facts::within(None);
        for part in &alternatives {
            let Some(clause) = Clause::of(part).filter(|_| !self.settled(part)) else { continue };
            if let Some(conflict) = outer.against(&clause, part) {
                self.contradiction(&clause.place, &conflict);
                continue;
            }
            if let Some(other) = outer.about(&clause).find(|other| clause.follows_from(other)) {
                self.redundant(&disjunction.place(), &other.place, "makes it true wherever it is looked at");
                return;
            }
            if let Some(other) = before.here_about(&clause).find(|other| clause.covers_with(other)) {
                self.tautology(&clause.place, &other.place);
            } else if let Some(wider) = before.here_about(&clause).find(|other| other.follows_from(&clause)) {
                self.redundant(&clause.place, &wider.place, "is true whenever it is");
                continue;
            } else if let Some(narrower) = before.here_about(&clause).find(|other| clause.follows_from(other)) {
                self.redundant(&narrower.place, &clause.place, "is true whenever it is");
            }
            before.add(clause, part);
        }
        let conjunctions: Vec<_> = alternatives.iter().filter(is_junction).collect();
        self.repeated(&conjunctions);
        for conjunction in conjunctions {
            self.conjunction(&parts(conjunction, true), Some(outer));
        }
    }

    /// Of junctions, only those that are written alike are compared.
    fn repeated(&mut self, junctions: &[&Part<'_>]) {
        let mut seen: BTreeMap<(String, bool), Place> = BTreeMap::new();
        let mut repeated = BTreeSet::new();
        for part in junctions {
            let key = (canonical(part.expr), part.holds);
            if let Some(first) = seen.get(&key) {
                if repeated.insert(key.clone()) {
                    self.redundant(&part.place(), first, "is the same");
                }
            } else {
                seen.insert(key, part.place());
            }
        }
    }

    /// Says so when no other clause is needed to know what `part` comes to.
    fn settled(&mut self, part: &Part<'_>) -> bool {
        // As it is written, negated or not.
        let Some(clause) = Clause::of(&whole(part.expr)) else { return false };
        let Some((truth, reason)) = clause.settled() else { return false };
        let verdict = if truth { "always true" } else { "never true" };
        let written = clause.place.written(self.text);
        self.add(clause.place.span, Mistake::BeyondBounds { clause: written, verdict, reason: reason.into() });
        true
    }

    fn contradiction(&mut self, at: &Place, conflict: &Conflict) {
        let (Conflict::With(other) | Conflict::Absent { other, .. }) = conflict;
        let reason = format!("`{}` has to be true as well", other.written(self.text));
        let (reason, help) = match conflict {
            Conflict::With(_) => (reason, EITHER),
            Conflict::Absent { absence, window, .. } => {
                (format!("{reason}, and without a sample in {absence} there is none in {window}"), LONGER)
            }
        };
        let (clause, other) = (at.written(self.text), other.span.clone());
        self.add(at.span.clone(), Mistake::Contradiction { clause, reason, help, other });
    }

    /// `at` does nothing, because of what `other` does.
    fn redundant(&mut self, at: &Place, other: &Place, does: &str) {
        let reason = format!("`{}` {does}", other.written(self.text));
        let (clause, other) = (at.written(self.text), other.span.clone());
        self.add(at.span.clone(), Mistake::RedundantClause { clause, reason, other });
    }

    fn tautology(&mut self, at: &Place, other: &Place) {
        let (clause, first) = (at.written(self.text), other.written(self.text));
        self.add(at.span.clone(), Mistake::Tautology { clause, first, other: other.span.clone() });
    }

    /// Adds a mistake, one a place.
    fn add(&mut self, span: Range<usize>, mistake: Mistake) {
        if self.problems.iter().all(|known| known.span != span) {
            self.problems.push(ExprProblem { mistake, span });
        }
    }
}
