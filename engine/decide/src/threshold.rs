//! Rules that only compare one value with a number: all that read a value are met each time it changes.
//!
//! They stand in the order in which a value comes to hold them. Of `> 0.8`, `> 0.9` and `> 0.95` a value of 0.85 holds the first;
//! as the second fails, the third need not be asked. A thousand thresholds of which none holds cost one comparison.

use std::cmp::Ordering;

use homeostat_policy::Comparison;

use crate::{operand::compare_numbers, tracked::is_set};

/// What there is to be compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Given {
    /// This.
    Number(f64),
    /// It is missing: no condition holds.
    Nothing,
    /// It cannot be told here: any condition may hold.
    Unclear,
}

/// Cells whose conditions compare the same value in the same way, each with a number of its own.
#[derive(Debug)]
struct Run<V> {
    value: V,
    comparison: Comparison,
    /// Number and cell; what holds first stands first, except where the comparison gives no order.
    bounds: Vec<(f64, usize)>,
}

/// The thresholds of some values; `V` tells which one, such as a window.
#[derive(Debug)]
pub(crate) struct Thresholds<V>(Vec<Run<V>>);

impl<V> Default for Thresholds<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V: PartialEq> Thresholds<V> {
    /// The condition of `cell` is that `value` stands in this relation to `number`.
    pub(crate) fn enter(&mut self, value: V, comparison: Comparison, number: f64, cell: usize) {
        let known = self.0.iter_mut().find(|run| run.value == value && run.comparison == comparison);
        match known {
            Some(run) => {
                let place = run.bounds.partition_point(|(other, _)| other.total_cmp(&number) != after(comparison));
                run.bounds.insert(place, (number, cell));
            }
            None => self.0.push(Run { value, comparison, bounds: vec![(number, cell)] }),
        }
    }
}

impl<V> Thresholds<V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives `tell` each cell that a change concerns, and whether its condition may hold: those whose condition may, and those of
    /// which something is remembered. `marks` has a bit for each cell; `None` when nothing is remembered of any.
    #[inline]
    pub(crate) fn meet(&self, given: impl Fn(&V) -> Given, marks: Option<&[u64]>, mut tell: impl FnMut(usize, bool)) {
        for Run { value, comparison, bounds } in &self.0 {
            let given = given(value);
            for (number, cell) in bounds {
                let may_hold = match given {
                    Given::Number(value) => compare_numbers(*comparison, value, *number),
                    Given::Nothing => false,
                    Given::Unclear => true,
                };
                if may_hold || marks.is_some_and(|marks| is_set(marks, *cell)) {
                    tell(*cell, may_hold);
                } else if marks.is_none() && is_ordered(*comparison) {
                    break;
                }
            }
        }
    }

    /// All cells.
    pub(crate) fn cells(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().flat_map(|run| &run.bounds).map(|(_, cell)| *cell)
    }
}

/// Whether, where one number's condition does not hold, those of the numbers after it do not either.
fn is_ordered(comparison: Comparison) -> bool {
    !matches!(comparison, Comparison::Equal | Comparison::NotEqual)
}

/// How a number that is to stand behind another one compares with it.
fn after(comparison: Comparison) -> Ordering {
    match comparison {
        Comparison::Less | Comparison::LessOrEqual => Ordering::Less,
        _ => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Comparison; 6] = [
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
        Comparison::Equal,
        Comparison::NotEqual,
    ];

    fn given() -> impl Strategy<Value = Given> {
        prop_oneof![(0_i8..6).prop_map(|n| Given::Number(n.into())), Just(Given::Nothing), Just(Given::Unclear)]
    }

    proptest! {
        #[test]
        fn those_are_told_that_hold_or_are_remembered(
            entered in proptest::collection::vec((0_usize..2, 0_usize..6, 0_i8..6), 0..60),
            given in [given(), given()],
            marks in 0_u64..,
            is_any_marked in any::<bool>(),
        ) {
            let marks = [if is_any_marked { marks } else { 0 }];
            let mut thresholds = Thresholds::default();
            let mut expected = Vec::new();
            for (cell, (value, comparison, number)) in entered.iter().copied().enumerate() {
                let (comparison, number) = (ALL[comparison], f64::from(number));
                thresholds.enter(value, comparison, number, cell);
                let holds = match given[value] {
                    Given::Number(value) => compare_numbers(comparison, value, number),
                    Given::Nothing => false,
                    Given::Unclear => true,
                };
                if holds || is_set(&marks, cell) {
                    expected.push((cell, holds));
                }
            }
            let mut told = Vec::new();
            let marks = (marks != [0]).then_some(marks.as_slice());
            thresholds.meet(|value| given[*value], marks, |cell, holds| told.push((cell, holds)));
            told.sort_unstable();
            prop_assert_eq!(told, expected);
            let mut cells: Vec<usize> = thresholds.cells().collect();
            cells.sort_unstable();
            prop_assert_eq!(cells, (0..entered.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn where_one_fails_those_after_it_are_not_asked() {
        let mut thresholds = Thresholds::default();
        for number in [3.0, 1.0, 2.0] {
            thresholds.enter((), Comparison::Greater, number, 0);
            thresholds.enter((), Comparison::Less, number, 0);
        }
        let numbers = |run: &Run<()>| run.bounds.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        assert_eq!(thresholds.0.iter().map(numbers).collect::<Vec<_>>(), [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]);
    }
}
