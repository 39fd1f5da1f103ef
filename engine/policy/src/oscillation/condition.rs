//! Conditions as far as they can be read: for each quantity, the values at which they hold.

use std::{collections::BTreeMap, fmt::Write as _};

use homeostat_model::{MetricName, Unit, Value};

use crate::{Attribute, Comparison, Expr, Function, Input, Node, Of, Signal};

/// What is compared with a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quantity {
    /// A metric of the resource. At a steady load, all windows over it that give a value of it give the same.
    Metric(MetricName),
    /// How many cores it has.
    Vcpus,
    /// How many bytes of memory it has.
    Memory,
}

/// The numbers between two others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether `low` and `high` themselves are among them.
    pub(super) closed: (bool, bool),
}

impl Range {
    pub(super) const ALL: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, closed: (false, false) };

    /// Those that are in both; `None` when there are none.
    pub(super) fn and(self, other: Self) -> Option<Self> {
        let (low, with_low) = match self.low.total_cmp(&other.low) {
            std::cmp::Ordering::Less => (other.low, other.closed.0),
            std::cmp::Ordering::Greater => (self.low, self.closed.0),
            std::cmp::Ordering::Equal => (self.low, self.closed.0 && other.closed.0),
        };
        let (high, with_high) = match self.high.total_cmp(&other.high) {
            std::cmp::Ordering::Greater => (other.high, other.closed.1),
            std::cmp::Ordering::Less => (self.high, self.closed.1),
            std::cmp::Ordering::Equal => (self.high, self.closed.1 && other.closed.1),
        };
        let both = Self { low, high, closed: (with_low, with_high) };
        (low < high || (low <= high && with_low && with_high)).then_some(both)
    }

    /// All of them times something positive.
    pub(super) fn times(self, factor: f64) -> Self {
        Self { low: self.low * factor, high: self.high * factor, ..self }
    }

    pub(super) fn contains(self, value: f64) -> bool {
        self.and(Self { low: value, high: value, closed: (true, true) }).is_some()
    }

    /// One of them to show, at least 0 and at most `most` where that is possible.
    pub(super) fn example(self, most: f64) -> f64 {
        let usual = Self { low: 0.0, high: most, closed: (true, true) };
        let within = self.and(usual).unwrap_or(self);
        match (within.low.is_finite(), within.high.is_finite()) {
            (true, true) => (within.low + within.high) / 2.0,
            (true, false) => within.low * 1.5 + f64::from(u8::from(within.low == 0.0)),
            (false, true) => within.high / 2.0,
            (false, false) => 0.0,
        }
    }
}

/// All that has to be so for a condition to hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Condition(BTreeMap<Quantity, (Range, Unit)>);

impl Condition {
    /// `None` when something in it cannot be read, or it never holds.
    pub(super) fn of(expr: &Expr) -> Option<Self> {
        let mut condition = Self::default();
        condition.add(expr)?;
        Some(condition)
    }

    /// What is asked of the host of the resource: `None` when nothing is, or something in the whole cannot be read. What is asked of the
    /// resource itself may be so for one or another that runs there.
    pub(super) fn of_its_host(expr: &Expr) -> Option<Self> {
        let parts = match &expr.node {
            Node::And(parts) => parts.as_slice(),
            _ => std::slice::from_ref(expr),
        };
        let mut condition = Self::default();
        for part in parts {
            match hosts(part) {
                Some((metric, range, unit)) => condition.bound(Quantity::Metric(metric), range, unit)?,
                None => drop(Self::of(part)?),
            }
        }
        (!condition.0.is_empty()).then_some(condition)
    }

    /// The metrics that it asks about, and the values at which it holds.
    pub(super) fn metrics(&self) -> impl Iterator<Item = (&Quantity, Range)> {
        self.0.iter().filter(|(one, _)| matches!(one, Quantity::Metric(_))).map(|(one, (range, _))| (one, *range))
    }

    fn add(&mut self, expr: &Expr) -> Option<()> {
        match &expr.node {
            Node::And(parts) => parts.iter().try_for_each(|part| self.add(part)),
            Node::Compare(comparison, left, right) => {
                let (quantity, comparison, (number, unit)) = match (quantity(left), number(right)) {
                    (Some(quantity), Some(number)) => (quantity, *comparison, number),
                    _ => (quantity(right)?, turned(*comparison), number(left)?),
                };
                self.bound(quantity, range(comparison, number)?, unit)
            }
            // What is measured all the time is never absent.
            Node::Not(inner) => match &inner.node {
                Node::Input(Input::Signal(Of::Itself, signal)) if signal.function == Function::Absent => Some(()),
                _ => None,
            },
            _ => None,
        }
    }

    fn bound(&mut self, quantity: Quantity, range: Range, unit: Unit) -> Option<()> {
        let (known, _) = self.0.get(&quantity).copied().unwrap_or((Range::ALL, unit));
        self.0.insert(quantity, (known.and(range)?, unit));
        Some(())
    }

    /// That both hold; `None` when that cannot be.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        other.0.iter().try_for_each(|(quantity, (range, unit))| both.bound(quantity.clone(), *range, *unit))?;
        Some(both)
    }

    /// The values of `quantity` at which it may hold; `None` when it does not ask for it.
    pub(super) fn range(&self, quantity: &Quantity) -> Option<Range> {
        self.0.get(quantity).map(|(range, _)| *range)
    }

    /// The same without what it asks of `quantity`.
    pub(super) fn without(&self, quantity: &Quantity) -> Self {
        Self(self.0.iter().filter(|(one, _)| *one != quantity).map(|(one, range)| (one.clone(), *range)).collect())
    }

    /// Whether both ask about one metric.
    pub(super) fn shares_a_metric(&self, other: &Self) -> bool {
        self.0.keys().any(|one| matches!(one, Quantity::Metric(_)) && other.0.contains_key(one))
    }

    /// Values at which it holds, in words; `size` is that of the resource, where it matters.
    pub(super) fn example(&self, size: Option<&str>) -> String {
        let mut text = String::new();
        for (quantity, (range, unit)) in &self.0 {
            let Quantity::Metric(name) = quantity else { continue };
            let joint = if text.is_empty() { "" } else { " and " };
            let most = if *unit == Unit::Ratio { 1.0 } else { f64::INFINITY };
            // Writing to a String does not fail.
            let _ = write!(text, "{joint}{name} {}", shown(range.example(most), *unit));
        }
        size.map_or(text.clone(), |size| format!("{text} with {size}"))
    }
}

/// A value as people write it.
pub(super) fn shown(value: f64, unit: Unit) -> String {
    let round = |value: f64, digits: f64| (value * digits).round() / digits;
    match unit {
        Unit::Ratio => format!("{}%", round(value * 100.0, 10.0)),
        Unit::Bytes => format!("{} MiB", round(value / f64::from(1 << 20), 10.0)),
        _ => format!("{}", round(value, 100.0)),
    }
}

/// A metric of the host that is compared with a number, and the values at which that holds.
fn hosts(expr: &Expr) -> Option<(MetricName, Range, Unit)> {
    let Node::Compare(comparison, left, right) = &expr.node else { return None };
    let metric = |expr: &Expr| match &expr.node {
        Node::Input(Input::Signal(Of::Ancestor(kind), signal)) if kind.as_str() == "host" => level(signal),
        _ => None,
    };
    let (metric, comparison, (number, unit)) = match (metric(left), number(right)) {
        (Some(metric), Some(number)) => (metric, *comparison, number),
        _ => (metric(right)?, turned(*comparison), number(left)?),
    };
    Some((metric, range(comparison, number)?, unit))
}

/// The metric of a window that gives a value of it.
fn level(signal: &Signal) -> Option<MetricName> {
    match signal.function {
        Function::Last | Function::Avg | Function::Min | Function::Max | Function::Quantile(_) | Function::Ewma => {
            Some(signal.metric.clone())
        }
        _ => None,
    }
}

fn quantity(expr: &Expr) -> Option<Quantity> {
    let Node::Input(input) = &expr.node else { return None };
    match input {
        Input::Signal(Of::Itself, signal) => level(signal).map(Quantity::Metric),
        Input::Attribute(Of::Itself, Attribute::Vcpus) => Some(Quantity::Vcpus),
        Input::Attribute(Of::Itself, Attribute::Memory) => Some(Quantity::Memory),
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<(f64, Unit)> {
    match &expr.node {
        Node::Literal { value: Value::Number(number), unit } => Some((*number, *unit)),
        Node::Negate(inner) => number(inner).map(|(number, unit)| (-number, unit)),
        _ => None,
    }
}

fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same @ (Comparison::Equal | Comparison::NotEqual) => same,
    }
}

/// The values that compare so with `number`; `None` when they have a gap.
fn range(comparison: Comparison, number: f64) -> Option<Range> {
    let (below, above) = (Range { high: number, ..Range::ALL }, Range { low: number, ..Range::ALL });
    Some(match comparison {
        Comparison::Less => below,
        Comparison::LessOrEqual => Range { closed: (false, true), ..below },
        Comparison::Greater => above,
        Comparison::GreaterOrEqual => Range { closed: (true, false), ..above },
        Comparison::Equal => Range { low: number, high: number, closed: (true, true) },
        Comparison::NotEqual => return None,
    })
}
