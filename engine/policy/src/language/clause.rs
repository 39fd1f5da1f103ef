//! Clauses: the least parts of a condition that are true or false, in a form in which two can be set against each other.

use std::ops::Range;

use homeostat_model::{Duration, Value};

use super::{
    canonical::canonical,
    constant::constant,
    interval::{Interval, inverse, mirrored, order},
};
use crate::{Attribute, Clock, Comparison, Expr, Fold, Function, Input, Node, Of, Signal};

/// A day, in seconds.
const DAY: f64 = 24.0 * 3600.0;

/// A part of a condition.
#[derive(Debug, Clone)]
pub(super) struct Part<'e> {
    /// Without the negations around it.
    pub(super) expr: &'e Expr,
    /// Whether it has to be true, rather than false, for the condition to be true.
    pub(super) holds: bool,
    /// The negation directly around it.
    pub(super) negation: Option<&'e Expr>,
}

impl Part<'_> {
    pub(super) fn place(&self) -> Place {
        let whole = self.negation.unwrap_or(self.expr);
        // What is negated together with others stands there without a negation of its own.
        Place { span: whole.span.clone(), negated: !self.holds && self.negation.is_none() }
    }
}

/// Where something stands that has to be true, or the opposite of which has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) span: Range<usize>,
    pub(super) negated: bool,
}

impl Place {
    /// What has to be true, taken from the text of the condition.
    pub(super) fn written(&self, text: &str) -> String {
        let written = text.get(self.span.clone()).unwrap_or_default();
        if self.negated { format!("!({written})") } else { written.to_owned() }
    }
}

/// One value set against a literal: `avg("cpu", 5m) > 90%`. Of two that are compared with each other, it is the difference.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    /// What is compared: equal for clauses that are about the same value.
    pub(super) subject: String,
    pub(super) comparison: Comparison,
    pub(super) value: Value,
    /// What the value is in any case, and why.
    pub(super) bounds: Vec<Bound>,
    /// Where it stands.
    pub(super) place: Place,
}

/// Something that always holds of a value, when it is known.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    comparison: Comparison,
    value: Value,
    pub(super) reason: &'static str,
}

impl Clause {
    /// The clause that `part` is; `None` for one made of others.
    pub(super) fn of(part: &Part<'_>) -> Option<Self> {
        let (subject, comparison, value, bounds) = match &part.expr.node {
            Node::Not(_) | Node::And(_) | Node::Or(_) | Node::Literal { .. } => return None,
            Node::Compare(comparison, left, right) => match (constant(left), constant(right)) {
                (None, Some(value)) => (canonical(left), *comparison, value, bounds(left)),
                (Some(value), None) => (canonical(right), mirrored(*comparison), value, bounds(right)),
                (None, None) => difference(*comparison, left, right),
                (Some(_), Some(_)) => return None,
            },
            _ => (canonical(part.expr), Comparison::Equal, Value::Bool(true), Vec::new()),
        };
        let comparison = if part.holds { comparison } else { inverse(comparison) };
        Some(Self { subject, comparison, value, bounds, place: part.place() })
    }

    /// The values for which it is true.
    pub(super) fn interval(&self) -> Interval {
        let mut interval = self.possible();
        interval.restrict(self.comparison, &self.value);
        interval
    }

    /// The values that there can be at all.
    fn possible(&self) -> Interval {
        let mut interval = Interval::default();
        for bound in &self.bounds {
            interval.restrict(bound.comparison, &bound.value);
        }
        interval
    }

    /// Whether it is true for all values for which `other`, about the same value, is.
    pub(super) fn follows_from(&self, other: &Self) -> bool {
        other.interval().lies(self.comparison, &self.value)
    }

    /// Whether it can be true together with `other`, about the same value.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let mut both = self.interval();
        both.restrict(other.comparison, &other.value);
        !both.is_empty()
    }

    /// Whether it or `other`, about the same value, is true for any value; both ask for the same type.
    pub(super) fn covers_with(&self, other: &Self) -> bool {
        let mut neither = Interval::of(inverse(self.comparison), &self.value);
        neither.restrict(inverse(other.comparison), &other.value);
        order(&self.value, &other.value).is_some() && neither.is_empty()
    }

    /// Whether its bounds alone make it true, or false, and the reason of theirs.
    pub(super) fn settled(&self) -> Option<(bool, &'static str)> {
        let reason = self.bounds.first()?.reason;
        if self.possible().lies(self.comparison, &self.value) {
            return Some((true, reason));
        }
        self.interval().is_empty().then_some((false, reason))
    }
}

/// Two values that are compared with each other, as their difference, so that it does not matter which one stands first.
fn difference(comparison: Comparison, left: &Expr, right: &Expr) -> (String, Comparison, Value, Vec<Bound>) {
    let (a, b) = (canonical(left), canonical(right));
    let mut bounds = Vec::new();
    if a == b {
        bounds.push(bound(Comparison::Equal, 0.0, "both sides are the same"));
    } else if let Some(known) = size(left, right) {
        bounds.push(known);
    }
    if a <= b {
        return (format!("{a} - {b}"), comparison, Value::Number(0.0), bounds);
    }
    for bound in &mut bounds {
        bound.comparison = mirrored(bound.comparison);
    }
    (format!("{b} - {a}"), mirrored(comparison), Value::Number(0.0), bounds)
}

/// What is known of `left - right` where both are computed from the same samples.
fn size(left: &Expr, right: &Expr) -> Option<Bound> {
    let (Node::Input(Input::Signal(of, left)), Node::Input(Input::Signal(other, right))) = (&left.node, &right.node)
    else {
        return None;
    };
    let rank = |signal: &Signal| match signal.function {
        Function::Min => Some(0),
        Function::Avg | Function::Quantile(_) => Some(1),
        Function::Max => Some(2),
        _ => None,
    };
    if (of, &left.metric, left.window) != (other, &right.metric, right.window) {
        return None;
    }
    let reason = "of the same samples, `min` is never above the mean, and that never above `max`";
    match rank(left)?.cmp(&rank(right)?) {
        std::cmp::Ordering::Less => Some(bound(Comparison::LessOrEqual, 0.0, reason)),
        std::cmp::Ordering::Greater => Some(bound(Comparison::GreaterOrEqual, 0.0, reason)),
        std::cmp::Ordering::Equal => None,
    }
}

/// What is known of a value before it is there.
fn bounds(expr: &Expr) -> Vec<Bound> {
    let at_least_zero = |reason| vec![bound(Comparison::GreaterOrEqual, 0.0, reason)];
    match &expr.node {
        Node::Input(Input::Signal(_, signal)) => match signal.function {
            Function::Count | Function::Changes => at_least_zero("a count is never below 0"),
            Function::Stddev => at_least_zero("a deviation is never below 0"),
            Function::Rate | Function::Increase => {
                at_least_zero("a counter that drops has begun anew, so that its increase is never below 0")
            }
            _ => Vec::new(),
        },
        Node::Input(Input::Aggregate(aggregate)) if aggregate.fold == Fold::Count => {
            at_least_zero("a count is never below 0")
        }
        Node::Input(Input::Attribute(_, Attribute::Vcpus | Attribute::Memory)) => {
            at_least_zero("a capacity is never below 0")
        }
        Node::Input(Input::Clock(Clock::OfDay)) => {
            let reason = "the time of day goes from 0h to 24h";
            vec![bound(Comparison::GreaterOrEqual, 0.0, reason), bound(Comparison::Less, DAY, reason)]
        }
        _ => Vec::new(),
    }
}

fn bound(comparison: Comparison, value: f64, reason: &'static str) -> Bound {
    Bound { comparison, value: Value::Number(value), reason }
}

/// The windows over which `expr` needs samples to be known: one for each function that is unknown without any.
pub(super) fn needs(expr: &Expr) -> Vec<(String, Duration)> {
    fn input(input: &Input, needed: &mut Vec<(String, Duration)>) {
        if let Input::Signal(of, signal) = input
            && fails_without_samples(signal.function)
        {
            needed.push((stream(of, signal), signal.window));
        }
    }
    fn walk(expr: &Expr, needed: &mut Vec<(String, Duration)>) {
        match &expr.node {
            Node::Input(read) => input(read, needed),
            Node::Script(script) => script.inputs.iter().for_each(|read| input(read, needed)),
            Node::Negate(inner) | Node::Not(inner) => walk(inner, needed),
            Node::Compare(_, left, right) | Node::Arithmetic(_, left, right) => {
                walk(left, needed);
                walk(right, needed);
            }
            // These can be known although a part of them is not.
            Node::And(_) | Node::Or(_) | Node::Otherwise(..) | Node::Literal { .. } => {}
        }
    }
    let mut needed = Vec::new();
    walk(expr, &mut needed);
    needed
}

/// The stream of samples, and the window in which there are none, if that is what the clause says.
pub(super) fn says_absent(part: &Part<'_>) -> Option<(String, Duration)> {
    match &part.expr.node {
        Node::Input(Input::Signal(of, signal)) if part.holds && signal.function == Function::Absent => {
            Some((stream(of, signal), signal.window))
        }
        _ => None,
    }
}

fn stream(of: &Of, signal: &Signal) -> String {
    format!("{of}{}", signal.metric)
}

/// Whether it is unknown when there is no sample in its window. The newest value and the weighted mean are older than any
/// window, and nothing to count is a count as well.
fn fails_without_samples(function: Function) -> bool {
    !matches!(function, Function::Last | Function::Ewma | Function::Count | Function::Changes | Function::Absent)
}
