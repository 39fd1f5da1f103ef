//! The clock: `time.ofDay` and `time.weekday`, and the days that this is compared with.

use std::ops::Range;

use homeostat_model::Unit;

use super::{
    ExprProblem,
    checker::Type,
    reading::{Reader, Scope, alone},
    token::TokenKind,
};
use crate::{Clock, Input, mistake::Mistake, nearest::hint};

/// What `time.weekday` can be.
pub(super) const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Reader<'_, '_> {
    /// `time.` with what follows it.
    pub(super) fn clock(&self, part: Option<&str>) -> Result<(Input, Type), Mistake> {
        if self.scope != Scope::Own {
            let help = "it is the same time for each member: compare it outside of the aggregate";
            return Err(Mistake::NotInAggregate { what: "`time`".into(), help });
        }
        match part {
            Some("ofDay") => Ok((Input::Clock(Clock::OfDay), Type::Number(Unit::Seconds))),
            Some("weekday") => Ok((Input::Clock(Clock::Weekday), Type::Text)),
            Some(other) => {
                let given = format!("time.{other}");
                let help = hint(&given, ["time.ofDay", "time.weekday"]);
                Err(Mistake::UnknownWord { what: "a reading of the clock", given, help })
            }
            None => Err(alone("time")),
        }
    }

    /// Refuses days that `weekday`, the tokens of `time.weekday`, is compared with and that do not exist. Looking at the tokens
    /// around it finds them in scripts as well.
    pub(super) fn check_days(&self, weekday: &Range<usize>, problems: &mut Vec<ExprProblem>) {
        for at in self.compared_with(weekday) {
            let Some(TokenKind::Text(day)) = self.tokens.kind(at) else { continue };
            if !DAYS.contains(&day.as_str()) {
                let help = hint(day, DAYS);
                let mistake = Mistake::UnknownWord { what: "a day of the week", given: day.clone(), help };
                problems.push(self.problem(&(at..at + 1), mistake));
            }
        }
    }

    /// The tokens that it is compared with: those of `== ".."`, `".." ==`, `in [..]`.
    fn compared_with(&self, weekday: &Range<usize>) -> Range<usize> {
        let equality = |at| self.tokens.is(at, "==") || self.tokens.is(at, "!=");
        let end = weekday.end;
        let list = if self.tokens.is(end, "!") { end + 2 } else { end + 1 };
        if equality(end) {
            end + 1..end + 2
        } else if self.tokens.word(list.saturating_sub(1)) == Some("in") && self.tokens.is(list, "[") {
            list + 1..self.tokens.partner(list)
        } else {
            match weekday.start.checked_sub(2) {
                Some(before) if equality(before + 1) => before..before + 1,
                _ => 0..0,
            }
        }
    }
}
