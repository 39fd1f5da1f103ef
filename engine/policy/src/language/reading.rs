//! What an expression reads: window functions and attributes, recognised in tokens and checked against what exists.

use std::ops::Range;

use homeostat_model::{Duration, MetricName, Unit};

use super::{
    ExprContext, ExprProblem, MAX_WINDOW,
    checker::Type,
    token::{Token, TokenKind, Tokens},
};
use crate::{Attribute, Function, Input, Of, Signal, mistake::Mistake, nearest::nearest};

/// Names that are there for every kind.
const COMMON: [&str; 4] = ["name", "kind", "labels", "capacity"];

/// The functions that can be written so far.
const FUNCTIONS: [Function; 6] =
    [Function::Last, Function::Avg, Function::Min, Function::Max, Function::Rate, Function::Absent];

/// The one called `name`.
fn named(name: &str) -> Option<Function> {
    FUNCTIONS.into_iter().find(|function| function.name() == name)
}

/// Words kept for what runs above, below and beside a resource; as attributes they could not become that.
const RELATIVES: [&str; 4] = ["host", "rack", "children", "group"];

/// Whether a call of one of the window functions begins at the token `at`.
///
/// Rhai has a `min` and a `max` of two values; those are meant when no metric in quotes and no window is given.
pub(super) fn is_signal_call(tokens: &Tokens<'_>, at: usize) -> bool {
    let Some(function) = tokens.word(at).and_then(named).filter(|_| tokens.is(at + 1, "(")) else {
        return false;
    };
    if !matches!(function, Function::Min | Function::Max) {
        return true;
    }
    let arguments = arguments(tokens, at + 1);
    let metric = arguments.first().and_then(|range| tokens.kind(range.start));
    let window = arguments.last().and_then(|range| tokens.kind(range.start));
    arguments.len() != 2
        || matches!(metric, Some(TokenKind::Text(_)))
        || matches!(window, Some(TokenKind::Number { unit: Unit::Seconds, .. }))
}

/// The tokens of the arguments between the parenthesis at `open` and its partner.
fn arguments(tokens: &Tokens<'_>, open: usize) -> Vec<Range<usize>> {
    let close = tokens.partner(open);
    let mut arguments = Vec::new();
    let (mut start, mut at) = (open + 1, open + 1);
    while at < close {
        if tokens.is(at, ",") {
            arguments.push(start..at);
            start = at + 1;
        }
        at = tokens.partner(at).max(at) + 1;
    }
    if start < close {
        arguments.push(start..close);
    }
    arguments
}

/// The end of the window function or attribute that begins at the token `at`.
pub(super) fn input_end(tokens: &Tokens<'_>, at: usize) -> usize {
    if is_signal_call(tokens, at) {
        return tokens.partner(at + 1) + 1;
    }
    let indexed = tokens.is(at + 1, "[") && matches!(tokens.kind(at + 2), Some(TokenKind::Text(_)));
    match tokens.word(at) {
        Some("labels" | "event" | "capacity") if tokens.is(at + 1, ".") && tokens.word(at + 2).is_some() => at + 3,
        Some("labels" | "event") if indexed && tokens.is(at + 3, "]") => at + 4,
        _ => at + 1,
    }
}

/// Resolves inputs and collects what is wrong with them.
pub(super) struct Reader<'t, 'a> {
    tokens: &'t Tokens<'a>,
    context: &'t ExprContext<'t>,
}

impl<'t, 'a> Reader<'t, 'a> {
    pub(super) fn new(tokens: &'t Tokens<'a>, context: &'t ExprContext<'t>) -> Self {
        Self { tokens, context }
    }

    /// What the tokens `range` (up to [`input_end`]) stand for.
    pub(super) fn input(&self, range: &Range<usize>) -> Result<(Input, Type), ExprProblem> {
        if is_signal_call(self.tokens, range.start) {
            return self.signal(range);
        }
        let span = self.tokens.span(range);
        self.attribute(range).map_err(|mistake| ExprProblem { mistake, span })
    }

    /// Refuses the call at `at` when its name is a near miss of a window function's.
    pub(super) fn check_foreign_call(&self, at: usize) -> Result<(), ExprProblem> {
        let name = self.tokens.word(at).unwrap_or_default();
        let span = self.tokens.span(&(at..at + 1));
        if RELATIVES.contains(&name) {
            return Err(ExprProblem { mistake: relative(name), span });
        }
        // Rhai has short names as well (`sin`); ours begin with a metric in quotes.
        if !matches!(self.tokens.kind(at + 2), Some(TokenKind::Text(_))) {
            return Ok(());
        }
        let near = nearest(name, FUNCTIONS.map(Function::name))
            .filter(|near| strsim::osa_distance(&name.to_lowercase(), near) <= 1);
        near.map_or(Ok(()), |near| {
            Err(ExprProblem { mistake: Mistake::UnknownFunction { name: name.into(), near }, span })
        })
    }

    fn signal(&self, range: &Range<usize>) -> Result<(Input, Type), ExprProblem> {
        let function = self.tokens.word(range.start).and_then(named).unwrap_or(Function::Last);
        let arguments = arguments(self.tokens, range.start + 1);
        let metric = self.metric(function, range, arguments.first())?;
        let window = match (function.has_window(), arguments.get(1)) {
            (false, None) => Duration::ZERO,
            (false, Some(window)) => {
                return Err(self.wrong(function, "takes no window: it is the newest value", window));
            }
            (true, None) => return Err(self.wrong(function, "needs a window of time", range)),
            (true, Some(window)) => self.window(function, window)?,
        };
        if let Some(third) = arguments.get(2) {
            return Err(self.wrong(function, "takes a metric and a window, nothing else", third));
        }
        let unit = self.unit(&metric, &arguments)?;
        let found = match function {
            Function::Absent => Type::Bool,
            // Seconds of work per second are a share of the time.
            Function::Rate if unit == Unit::Seconds => Type::Number(Unit::Ratio),
            _ => Type::Number(unit),
        };
        Ok((Input::Signal(Of::Itself, Signal { function, metric, window }), found))
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

    fn unit(&self, metric: &MetricName, arguments: &[Range<usize>]) -> Result<Unit, ExprProblem> {
        let ExprContext { catalogue, kind, metrics, .. } = self.context;
        catalogue.unit_of(kind, metric.as_str(), metrics).map_err(|help| {
            let mistake = Mistake::UnknownMetric { metric: metric.to_string(), kind: (*kind).into(), help };
            ExprProblem { mistake, span: arguments.first().map_or(0..0, |first| self.tokens.span(first)) }
        })
    }

    /// A window is a duration, `5m` or `"5m"`.
    fn window(&self, function: Function, argument: &Range<usize>) -> Result<Duration, ExprProblem> {
        let text = match (self.tokens.get(argument.start), argument.len()) {
            (Some(Token { kind: TokenKind::Text(text), .. }), 1) => Some(text.as_str()),
            (Some(Token { kind: TokenKind::Number { .. }, span }), 1) => self.tokens.text.get(span.clone()),
            _ => None,
        };
        let Some(window) = text.and_then(|text| text.parse::<Duration>().ok()) else {
            return Err(self.wrong(function, "needs a duration as its window", argument));
        };
        if window.is_zero() || window > MAX_WINDOW {
            let mistake = Mistake::WindowOutOfRange { window: window.to_string(), limit: MAX_WINDOW.to_string() };
            return Err(ExprProblem { mistake, span: self.tokens.span(argument) });
        }
        Ok(window)
    }

    fn wrong(&self, function: Function, problem: &'static str, tokens: &Range<usize>) -> ExprProblem {
        let window = if function.has_window() { ", 5m" } else { "" };
        let example = format!("{}(\"cpu.utilization\"{window})", function.name());
        let mistake = Mistake::WrongArguments { function: function.name(), problem, example };
        ExprProblem { mistake, span: self.tokens.span(tokens) }
    }

    fn attribute(&self, range: &Range<usize>) -> Result<(Input, Type), Mistake> {
        let root = self.tokens.word(range.start).unwrap_or_default();
        let part = match self.tokens.kind(range.start + 2) {
            _ if range.len() == 1 => None,
            Some(TokenKind::Text(text)) => Some(text.clone()),
            _ => self.tokens.word(range.start + 2).map(ToOwned::to_owned),
        };
        // `labels.contains(..)`: a call, not a label of that name.
        let part = part.filter(|_| !self.tokens.is(range.end, "("));
        let (attribute, found) = match (root, part) {
            ("name", _) => (Attribute::Name, Type::Text),
            ("kind", _) => (Attribute::Kind, Type::Text),
            ("labels", Some(label)) => (Attribute::Label(label), Type::Text),
            ("capacity", Some(part)) if part == "vcpus" => (Attribute::Vcpus, Type::Number(Unit::None)),
            ("capacity", Some(part)) if part == "memory" => (Attribute::Memory, Type::Number(Unit::Bytes)),
            ("capacity", Some(part)) => {
                return Err(self.unknown(&format!("capacity.{part}"), &["capacity.vcpus", "capacity.memory"]));
            }
            ("event", Some(detail)) if self.context.event => (Attribute::Event(detail), Type::Any),
            ("event", Some(detail)) => return Err(Mistake::EventWithoutOn { attribute: format!("event.{detail}") }),
            ("labels", None) => return Err(reserved(root, "read one label: labels.tier, or labels[\"app/name\"]")),
            ("event", None) => return Err(reserved(root, "read one detail of the event: event.reason")),
            ("capacity", None) => return Err(reserved(root, "read capacity.vcpus or capacity.memory")),
            (name, _) if RELATIVES.contains(&name) => return Err(relative(name)),
            (name, _) => {
                if let Err(help) = self.context.catalogue.check_attribute(self.context.kind, name, &COMMON) {
                    let (attribute, kind) = (name.into(), self.context.kind.into());
                    return Err(Mistake::UnknownAttribute { attribute, kind, help });
                }
                (Attribute::Resource(name.into()), Type::Any)
            }
        };
        Ok((Input::Attribute(Of::Itself, attribute), found))
    }

    fn unknown(&self, attribute: &str, known: &[&str]) -> Mistake {
        let help = crate::nearest::hint(attribute, known.iter().copied());
        Mistake::UnknownAttribute { attribute: attribute.into(), kind: self.context.kind.into(), help }
    }
}

fn reserved(word: &str, help: &str) -> Mistake {
    Mistake::ReservedWord { word: word.into(), help: Some(help.into()) }
}

fn relative(word: &str) -> Mistake {
    reserved(word, "a policy reads the resources that it selects; select the other kind in a policy of its own")
}
