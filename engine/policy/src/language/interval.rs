//! The values that comparisons with literals leave: an interval without some points.

use std::cmp::Ordering;

use homeostat_model::Value;

use crate::Comparison;

/// An end of an interval, and whether it belongs to it.
#[derive(Debug, Clone, PartialEq)]
struct End {
    value: Value,
    closed: bool,
}

/// Values of one type, in their order: numbers, texts or truths.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Interval {
    lower: Option<End>,
    upper: Option<End>,
    without: Vec<Value>,
    /// It was asked to be of two types at once, which nothing is.
    torn: bool,
}

impl Interval {
    /// Those that compare with `value` like this.
    pub(super) fn of(comparison: Comparison, value: &Value) -> Self {
        let mut all = Self::default();
        all.restrict(comparison, value);
        all
    }

    /// Keeps the values for which the comparison with `value` is true.
    pub(super) fn restrict(&mut self, comparison: Comparison, value: &Value) {
        let end = |closed| End { value: value.clone(), closed };
        self.torn |= self.sample().is_some_and(|other| order(other, value).is_none());
        match comparison {
            Comparison::Less => self.below(end(false)),
            Comparison::LessOrEqual => self.below(end(true)),
            Comparison::Greater => self.above(end(false)),
            Comparison::GreaterOrEqual => self.above(end(true)),
            Comparison::Equal => {
                self.below(end(true));
                self.above(end(true));
            }
            Comparison::NotEqual => match value {
                // A truth that is not one of the two is the other.
                Value::Bool(truth) => self.restrict(Comparison::Equal, &Value::Bool(!truth)),
                Value::Number(_) | Value::Text(_) => self.without.push(value.clone()),
            },
        }
    }

    /// Whether nothing is left. Only what is certain: between two texts, or two numbers, there is always another.
    pub(super) fn is_empty(&self) -> bool {
        let (Some(lower), Some(upper)) = (&self.lower, &self.upper) else { return self.torn };
        self.torn
            || match order(&lower.value, &upper.value) {
                Some(Ordering::Less) | None => false,
                Some(Ordering::Equal) => !(lower.closed && upper.closed) || self.without.contains(&lower.value),
                Some(Ordering::Greater) => true,
            }
    }

    /// Whether every value of it compares with `value` like this.
    pub(super) fn lies(&self, comparison: Comparison, value: &Value) -> bool {
        if self.sample().is_none_or(|other| order(other, value).is_none()) {
            return false;
        }
        let mut rest = self.clone();
        rest.restrict(inverse(comparison), value);
        rest.is_empty()
    }

    fn sample(&self) -> Option<&Value> {
        let ends = [&self.lower, &self.upper].into_iter().flatten().map(|end| &end.value);
        ends.chain(&self.without).next()
    }

    fn above(&mut self, end: End) {
        let tighter = self.lower.as_ref().is_none_or(|old| match order(&end.value, &old.value) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => !end.closed,
            Some(Ordering::Less) | None => false,
        });
        if tighter {
            self.lower = Some(end);
        }
    }

    fn below(&mut self, end: End) {
        let tighter = self.upper.as_ref().is_none_or(|old| match order(&end.value, &old.value) {
            Some(Ordering::Less) => true,
            Some(Ordering::Equal) => !end.closed,
            Some(Ordering::Greater) | None => false,
        });
        if tighter {
            self.upper = Some(end);
        }
    }
}

/// The order of two values of one type.
pub(super) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// What is true exactly where `comparison` is false, if both values are known.
pub(super) fn inverse(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::GreaterOrEqual,
        Comparison::LessOrEqual => Comparison::Greater,
        Comparison::Greater => Comparison::LessOrEqual,
        Comparison::GreaterOrEqual => Comparison::Less,
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
    }
}

/// The comparison with its sides exchanged.
pub(super) fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        Comparison::Equal | Comparison::NotEqual => comparison,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMPARISONS: [Comparison; 6] = [
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
        Comparison::Equal,
        Comparison::NotEqual,
    ];

    fn holds(left: f64, comparison: Comparison, right: f64) -> bool {
        match comparison {
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
        }
    }

    fn comparisons() -> impl Strategy<Value = Vec<(Comparison, f64)>> {
        prop::collection::vec((prop::sample::select(&COMPARISONS[..]), (-2_i8..3).prop_map(f64::from)), 1..6)
    }

    proptest! {
        /// Literals are whole, so that halves stand for all values between them.
        #[test]
        fn an_interval_is_empty_exactly_when_no_value_is_left(asked in comparisons()) {
            let mut interval = Interval::default();
            asked.iter().for_each(|(comparison, value)| interval.restrict(*comparison, &Value::Number(*value)));
            let values = (-8_i8..9).map(|half| f64::from(half) / 2.0);
            let left = values.clone().any(|value| asked.iter().all(|(comparison, other)| holds(value, *comparison, *other)));
            prop_assert_eq!(interval.is_empty(), !left, "{:?}", interval);
        }

        #[test]
        fn an_interval_lies_where_all_of_its_values_do(asked in comparisons(), last in comparisons()) {
            let mut interval = Interval::default();
            asked.iter().for_each(|(comparison, value)| interval.restrict(*comparison, &Value::Number(*value)));
            let (comparison, other) = last[0];
            let mut values = (-8_i8..9).map(|half| f64::from(half) / 2.0);
            let all = values.all(|value| {
                !asked.iter().all(|(comparison, other)| holds(value, *comparison, *other))
                    || holds(value, comparison, other)
            });
            prop_assert_eq!(interval.lies(comparison, &Value::Number(other)), all);
        }
    }

    #[test]
    fn a_truth_is_one_of_two() {
        let mut interval = Interval::of(Comparison::NotEqual, &Value::Bool(true));
        assert!(interval.lies(Comparison::Equal, &Value::Bool(false)));
        interval.restrict(Comparison::NotEqual, &Value::Bool(false));
        assert!(interval.is_empty());
    }

    #[test]
    fn nothing_is_of_two_types() {
        let mut interval = Interval::of(Comparison::NotEqual, &Value::Number(1.0));
        assert!(!interval.is_empty() && !interval.lies(Comparison::NotEqual, &Value::from("a")));
        interval.restrict(Comparison::NotEqual, &Value::from("a"));
        assert!(interval.is_empty());
    }
}
