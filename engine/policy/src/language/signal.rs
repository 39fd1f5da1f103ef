//! Window functions: their parameters, and what their numbers measure.

use std::ops::Range;

use homeostat_model::{Duration, MetricName, Unit};

use super::{
    ExprProblem, MAX_AHEAD, MAX_WINDOW,
    checker::Type,
    extent::arguments,
    reading::{Reader, Subject},
    token::{Token, TokenKind},
};
use crate::{Function, Input, Millionths, Signal, mistake::Mistake};

impl Reader<'_, '_> {
    /// The call of `function` over a metric of `of`, whose parenthesis opens at the token `open`.
    pub(super) fn signal(
        &self,
        function: Function,
        of: &Subject<'_>,
        open: usize,
    ) -> Result<(Input, Type), ExprProblem> {
        let call = open.saturating_sub(1)..self.tokens.partner(open) + 1;
        let arguments = arguments(self.tokens, open);
        let metric = self.metric(function, &call, arguments.first())?;
        let (function, window, taken) = self.parameters(function, &call, &arguments)?;
        if let Some(more) = arguments.get(taken) {
            return Err(self.wrong(function, too_many(function), more));
        }
        let unit = self.unit(of, &metric, &arguments)?;
        Ok((Input::Signal(of.of(), Signal { function, metric, window }), result(function, unit)))
    }

    /// The function with its parameter, its window, and how many arguments these are with the metric.
    fn parameters(
        &self,
        function: Function,
        call: &Range<usize>,
        arguments: &[Range<usize>],
    ) -> Result<(Function, Duration, usize), ExprProblem> {
        let second = arguments.get(1);
        match function {
            Function::Last => Ok((function, Duration::ZERO, 1)),
            Function::Quantile(_) => {
                let share = second.ok_or_else(|| self.wrong(function, "needs a share and a window", call))?;
                let function = Function::Quantile(self.share(function, share)?);
                Ok((function, self.window(function, call, arguments.get(2))?, 3))
            }
            Function::Predict(_) => {
                let window = self.window(function, call, second)?;
                let ahead = arguments.get(2);
                let ahead = ahead.ok_or_else(|| self.wrong(function, "needs to know how far ahead", call))?;
                Ok((Function::Predict(self.ahead(function, ahead)?), window, 3))
            }
            _ => Ok((function, self.window(function, call, second)?, 2)),
        }
    }

    fn metric(
        &self,
        function: Function,
        call: &Range<usize>,
        argument: Option<&Range<usize>>,
    ) -> Result<MetricName, ExprProblem> {
        let Some(argument) = argument else { return Err(self.wrong(function, "needs a metric", call)) };
        let (Some(Token { kind: TokenKind::Text(name), span }), 1) = (self.tokens.get(argument.start), argument.len())
        else {
            return Err(self.wrong(function, "needs the metric's name in double quotes", argument));
        };
        MetricName::new(name).map_err(|error| {
            let mistake =
                Mistake::InvalidLiteral { literal: error.text, what: "a metric's name", help: Some(error.problem) };
            ExprProblem { mistake, span: span.clone() }
        })
    }

    fn unit(&self, of: &Subject<'_>, metric: &MetricName, arguments: &[Range<usize>]) -> Result<Unit, ExprProblem> {
        let (catalogue, own) = (self.context.catalogue, self.context.metrics);
        let unit = match of.kind() {
            Some(kind) => catalogue.unit_of(kind, metric.as_str(), own),
            None => catalogue.unit_of_any(metric.as_str(), own),
        };
        unit.map_err(|help| {
            let mistake = Mistake::UnknownMetric { metric: metric.to_string(), kind: of.described().into(), help };
            ExprProblem { mistake, span: arguments.first().map_or(0..0, |first| self.tokens.span(first)) }
        })
    }

    fn window(
        &self,
        function: Function,
        call: &Range<usize>,
        argument: Option<&Range<usize>>,
    ) -> Result<Duration, ExprProblem> {
        let Some(argument) = argument else { return Err(self.wrong(function, "needs a window of time", call)) };
        let Some(window) = self.duration(argument) else {
            return Err(self.wrong(function, "needs a duration as its window", argument));
        };
        if window.is_zero() || window > MAX_WINDOW {
            let mistake = Mistake::WindowOutOfRange { window: window.to_string(), limit: MAX_WINDOW.to_string() };
            return Err(ExprProblem { mistake, span: self.tokens.span(argument) });
        }
        Ok(window)
    }

    /// How far `predict` looks ahead.
    fn ahead(&self, function: Function, argument: &Range<usize>) -> Result<Duration, ExprProblem> {
        let Some(ahead) = self.duration(argument) else {
            return Err(self.wrong(function, "needs a duration for how far ahead it looks", argument));
        };
        if ahead.is_zero() || ahead > MAX_AHEAD {
            let allowed = format!("a duration longer than 0 and at most {MAX_AHEAD}");
            let what = "how far `predict` looks ahead".to_owned();
            let mistake = Mistake::OutOfRange { what, given: ahead.to_string(), allowed };
            return Err(ExprProblem { mistake, span: self.tokens.span(argument) });
        }
        Ok(ahead)
    }

    /// A duration, `5m` or `"5m"`.
    fn duration(&self, argument: &Range<usize>) -> Option<Duration> {
        let text = match (self.tokens.get(argument.start)?, argument.len()) {
            (Token { kind: TokenKind::Text(text), .. }, 1) => text.as_str(),
            (Token { kind: TokenKind::Number { .. }, span }, 1) => self.tokens.text.get(span.clone())?,
            _ => return None,
        };
        text.parse().ok()
    }

    /// A share of the samples, `95%` or `0.95`.
    fn share(&self, function: Function, argument: &Range<usize>) -> Result<Millionths, ExprProblem> {
        let (Some(TokenKind::Number { value, unit: Unit::Ratio | Unit::None, .. }), 1) =
            (self.tokens.kind(argument.start), argument.len())
        else {
            return Err(self.wrong(function, "needs a share of the samples before its window", argument));
        };
        // Through text, because there is no conversion that could not lose something; here it rounds, and is in range.
        let millionths = format!("{:.0}", value * 1e6).parse().ok().filter(|millionths| *millionths <= 1_000_000);
        millionths.map(Millionths).ok_or_else(|| {
            let span = self.tokens.span(argument);
            let given = self.tokens.text.get(span.clone()).unwrap_or_default().to_owned();
            let forgotten = *value <= 100.0 && !given.ends_with('%');
            let allowed = if forgotten { format!("`{given}%`") } else { "0% to 100%".into() };
            ExprProblem { mistake: Mistake::OutOfRange { what: "the share".into(), given, allowed }, span }
        })
    }

    fn wrong(&self, function: Function, problem: &'static str, tokens: &Range<usize>) -> ExprProblem {
        let parameters = match function {
            Function::Last => "",
            Function::Quantile(_) => ", 95%, 5m",
            Function::Predict(_) => ", 1h, 4h",
            _ => ", 5m",
        };
        let example = format!("{}(\"cpu.utilization\"{parameters})", function.name());
        let mistake = Mistake::WrongArguments { function: function.name(), problem, example };
        ExprProblem { mistake, span: self.tokens.span(tokens) }
    }
}

fn too_many(function: Function) -> &'static str {
    match function {
        Function::Last => "takes no window: it is the newest value",
        Function::Quantile(_) => "takes a metric, a share and a window, nothing else",
        Function::Predict(_) => "takes a metric, a window and how far ahead, nothing else",
        _ => "takes a metric and a window, nothing else",
    }
}

/// The type of `function` over a metric of `unit`.
fn result(function: Function, unit: Unit) -> Type {
    match function {
        Function::Absent => Type::Bool,
        Function::Count | Function::Changes => Type::Number(Unit::None),
        // Seconds of work per second are a share of the time.
        Function::Rate | Function::Slope if unit == Unit::Seconds => Type::Number(Unit::Ratio),
        _ => Type::Number(unit),
    }
}
