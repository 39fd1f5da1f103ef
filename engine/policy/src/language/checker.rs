//! Types: what may be compared, added and asked. Rhai itself answers `false` to a number compared with a text.

use std::ops::Range;

use homeostat_model::{Unit, Value};

use super::{
    ExprContext, ExprProblem,
    aggregate::is_count,
    canonical::symbol,
    parser::{Form, Tree},
    reading::{Reader, Scope},
    script,
    token::{TokenKind, Tokens},
};
use crate::{Arithmetic, Attribute, Clock, Comparison, Expr, Input, Node, Of, Script, mistake::Mistake};

/// From this on, a number without a unit that is compared with a share is taken for a percentage whose sign was forgotten.
const FORGOTTEN_PERCENT: f64 = 10.0;

/// What is known of a value before it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Number(Unit),
    Text,
    /// Known only when it is read.
    Any,
}

impl Type {
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Bool => "a truth",
            Self::Number(Unit::None) => "a number",
            Self::Number(Unit::Ratio) => "a ratio",
            Self::Number(Unit::Bytes) => "a number of bytes",
            Self::Number(Unit::Seconds) => "a number of seconds",
            Self::Number(Unit::Watts) => "a number of watts",
            Self::Text => "a text",
            Self::Any => "anything",
        }
    }
}

/// Turns trees into checked expressions, collecting all that is wrong with them.
pub(super) struct Checker<'t, 'a> {
    tokens: &'t Tokens<'a>,
    reader: Reader<'t, 'a>,
    pub(super) problems: Vec<ExprProblem>,
}

impl<'t, 'a> Checker<'t, 'a> {
    pub(super) fn new(tokens: &'t Tokens<'a>, context: &'t ExprContext<'t>, scope: Scope<'t>) -> Self {
        Self { tokens, reader: Reader::new(tokens, context, scope), problems: Vec::new() }
    }

    /// The checked form of `tree` and its type; `None` when a problem was found.
    pub(super) fn expression(&mut self, tree: &Tree) -> Option<(Expr, Type)> {
        let span = self.tokens.span(&tree.tokens);
        let (node, found) = match &tree.form {
            Form::Literal => self.literal(tree.core.start)?,
            Form::Input => {
                let (input, found) = self.reader.input(&tree.core, &mut self.problems)?;
                (Node::Input(input), found)
            }
            Form::Not(inner) => (Node::Not(Box::new(self.truth("!", inner)?)), Type::Bool),
            Form::Negate(inner) => {
                let (inner, found) = self.number("-", inner)?;
                (Node::Negate(Box::new(inner)), found)
            }
            Form::And(operands) => (Node::And(self.truths("&&", operands)?), Type::Bool),
            Form::Or(operands) => (Node::Or(self.truths("||", operands)?), Type::Bool),
            Form::Compare(comparison, left, right) => {
                let (left, right) = self.comparison(*comparison, left, right, &span)?;
                (Node::Compare(*comparison, Box::new(left), Box::new(right)), Type::Bool)
            }
            Form::Arithmetic(arithmetic, left, right) => {
                let (left, right, found) = self.arithmetic(*arithmetic, left, right, &span)?;
                (Node::Arithmetic(*arithmetic, Box::new(left), Box::new(right)), found)
            }
            Form::Otherwise(left, right) => {
                let (left, right, found) = self.otherwise(left, right, &span)?;
                (Node::Otherwise(Box::new(left), Box::new(right)), found)
            }
            Form::Script => (Node::Script(self.script(tree)?), Type::Any),
        };
        Some((Expr { node, span }, found))
    }

    fn literal(&self, at: usize) -> Option<(Node, Type)> {
        let (value, unit, found) = match self.tokens.kind(at)? {
            TokenKind::Number { value, unit, .. } => (Value::Number(*value), *unit, Type::Number(*unit)),
            TokenKind::Text(text) => (Value::Text(text.clone()), Unit::None, Type::Text),
            _ => (Value::Bool(self.tokens.word(at)? == "true"), Unit::None, Type::Bool),
        };
        Some((Node::Literal { value, unit }, found))
    }

    fn truths(&mut self, operator: &'static str, operands: &[Tree]) -> Option<Vec<Expr>> {
        let checked: Vec<_> = operands.iter().map(|operand| self.truth(operator, operand)).collect();
        checked.into_iter().collect()
    }

    fn truth(&mut self, operator: &'static str, tree: &Tree) -> Option<Expr> {
        let (expr, found) = self.expression(tree)?;
        if matches!(found, Type::Bool | Type::Any) {
            return Some(expr);
        }
        let help = "compare it with something, such as `.. > 85%` or `.. == \"running\"`";
        self.wrong_operand(operator, &expr, found, "a truth", help);
        None
    }

    fn number(&mut self, operator: &'static str, tree: &Tree) -> Option<(Expr, Type)> {
        let (expr, found) = self.expression(tree)?;
        match found {
            Type::Any => Some((expr, Type::Number(Unit::None))),
            Type::Number(_) => Some((expr, found)),
            Type::Bool | Type::Text => {
                self.wrong_operand(operator, &expr, found, "a number", "");
                None
            }
        }
    }

    fn wrong_operand(
        &mut self,
        operator: &'static str,
        expr: &Expr,
        found: Type,
        expected: &'static str,
        help: &'static str,
    ) {
        let operand = format!("the operand of `{operator}`");
        let help = (!help.is_empty()).then(|| help.to_owned());
        let mistake = Mistake::WrongOperand { operand, found: found.described(), expected, help };
        self.problems.push(ExprProblem { mistake, span: expr.span.clone() });
    }

    fn comparison(
        &mut self,
        comparison: Comparison,
        left: &Tree,
        right: &Tree,
        span: &Range<usize>,
    ) -> Option<(Expr, Expr)> {
        let operator = symbol(comparison);
        let (left, right) = (self.expression(left), self.expression(right));
        let ((left, left_type), (right, right_type)) = (left?, right?);
        let ordering = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let is_day = |expr: &Expr| matches!(expr.node, Node::Input(Input::Clock(Clock::Weekday)));
        if ordering && (is_day(&left) || is_day(&right)) {
            let help = "days have no order: write `time.weekday == \"sunday\"`, or `time.weekday in [\"saturday\", \"sunday\"]`";
            self.mismatch(operator, left_type, right_type, Some(help), span);
            return None;
        }
        let fits = match (left_type, right_type) {
            (Type::Number(a), Type::Number(b)) => {
                self.units(operator, (&left, a), (&right, b), span)?;
                true
            }
            (Type::Bool, Type::Bool | Type::Any) | (Type::Any, Type::Bool) => !ordering,
            (Type::Text | Type::Any, Type::Text | Type::Any) => true,
            (Type::Any, Type::Number(_)) | (Type::Number(_), Type::Any) => true,
            _ => false,
        };
        if fits {
            return Some((left, right));
        }
        let help = misfit(ordering, (&left, left_type), (&right, right_type));
        self.mismatch(operator, left_type, right_type, help, span);
        None
    }

    fn arithmetic(
        &mut self,
        arithmetic: Arithmetic,
        left: &Tree,
        right: &Tree,
        span: &Range<usize>,
    ) -> Option<(Expr, Expr, Type)> {
        let operator = match arithmetic {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
        };
        let (left, right) = (self.expression(left), self.expression(right));
        let ((left, left_type), (right, right_type)) = (left?, right?);
        let (Some(a), Some(b)) = (unit(left_type), unit(right_type)) else {
            let text = left_type == Type::Text || right_type == Type::Text;
            let help = text.then_some("texts are compared, not calculated with");
            self.mismatch(operator, left_type, right_type, help, span);
            return None;
        };
        let unit = match (arithmetic, a, b) {
            (Arithmetic::Add | Arithmetic::Subtract, ..) => {
                self.units(operator, (&left, a), (&right, b), span)?;
                if a == Unit::None { b } else { a }
            }
            (Arithmetic::Multiply, Unit::None | Unit::Ratio, other)
            | (Arithmetic::Multiply | Arithmetic::Divide, other, Unit::None | Unit::Ratio) => other,
            // A product such as watts times seconds has no name here, and compares with any number.
            (Arithmetic::Multiply, ..) => Unit::None,
            (Arithmetic::Divide, a, b) if a == b => Unit::Ratio,
            (Arithmetic::Divide, ..) => Unit::None,
        };
        Some((left, right, Type::Number(unit)))
    }

    /// `a ?? b`: both are of one type, as far as that is known.
    fn otherwise(&mut self, left: &Tree, right: &Tree, span: &Range<usize>) -> Option<(Expr, Expr, Type)> {
        let (left, right) = (self.expression(left), self.expression(right));
        let ((left, left_type), (right, right_type)) = (left?, right?);
        let found = match (left_type, right_type) {
            (Type::Number(a), Type::Number(b)) => {
                self.units("??", (&left, a), (&right, b), span)?;
                Type::Number(if a == Unit::None { b } else { a })
            }
            (a, Type::Any) => a,
            (Type::Any, b) => b,
            (a, b) if a == b => a,
            _ => {
                let help =
                    Some("what stands in for a value is of its type: `last(\"a\") ?? 0`, `labels.tier ?? \"none\"`");
                self.mismatch("??", left_type, right_type, help, span);
                return None;
            }
        };
        if is_always_known(&left) {
            let written = |expr: &Expr| self.tokens.text.get(expr.span.clone()).unwrap_or_default().to_owned();
            let mistake = Mistake::UselessOtherwise { left: written(&left), never: written(&right) };
            self.problems.push(ExprProblem { mistake, span: right.span });
            return None;
        }
        Some((left, right, found))
    }

    fn script(&mut self, tree: &Tree) -> Option<Script> {
        let before = self.problems.len();
        let script = script::rewrite(&self.reader, &tree.tokens, &mut self.problems)?;
        if self.reader.scope == Scope::Own {
            return Some(script);
        }
        self.problems.truncate(before);
        let help = "inside are comparisons, arithmetic, window functions and attributes of the member";
        let mistake = Mistake::NotInAggregate { what: "what only Rhai understands".into(), help };
        self.problems.push(ExprProblem { mistake, span: self.tokens.span(&tree.tokens) });
        None
    }

    /// Refuses numbers of different units.
    fn units(
        &mut self,
        operator: &'static str,
        (left, a): (&Expr, Unit),
        (right, b): (&Expr, Unit),
        span: &Range<usize>,
    ) -> Option<()> {
        let percent = |share: &Expr, unit: Unit, number: &Expr| match (&share.node, &number.node) {
            (Node::Input(_), Node::Literal { value: Value::Number(value), unit: Unit::None })
                if unit == Unit::Ratio =>
            {
                (*value >= FORGOTTEN_PERCENT).then(|| format!("1 is all of it: write `{value}%`"))
            }
            _ => None,
        };
        let help = match (percent(left, a, right), percent(right, b, left)) {
            (Some(help), _) | (_, Some(help)) => help,
            _ if let Some(help) = meaningless((left, a), (right, b)) => help,
            _ if a == b || a == Unit::None || b == Unit::None => return Some(()),
            _ => {
                let metric = if matches!(left.node, Node::Literal { .. }) { b } else { a };
                format!("make both {}, such as `{}`", Type::Number(metric).described(), example(metric))
            }
        };
        let (left, right) = (Type::Number(a).described().into(), Type::Number(b).described().into());
        let mistake = Mistake::UnitMismatch { operator, left, right, help };
        self.problems.push(ExprProblem { mistake, span: span.clone() });
        None
    }

    fn mismatch(
        &mut self,
        operator: &'static str,
        left: Type,
        right: Type,
        help: Option<&'static str>,
        span: &Range<usize>,
    ) {
        let (left, right) = (left.described(), right.described());
        let mistake = Mistake::TypeMismatch { operator, left, right, help: help.map(Into::into) };
        self.problems.push(ExprProblem { mistake, span: span.clone() });
    }
}

/// What is wrong with numbers that have no unit, of which one is nevertheless not just any number.
fn meaningless((left, a): (&Expr, Unit), (right, b): (&Expr, Unit)) -> Option<String> {
    for ((expr, _), (other, unit)) in [((left, a), (right, b)), ((right, b), (left, a))] {
        match (&expr.node, &other.node) {
            _ if is_count(expr) && unit == Unit::Ratio => {
                return Some(
                    "a count is no share: divide it by how many there are, such as `children.count(true)`".into(),
                );
            }
            _ if is_count(expr) && unit != Unit::None => return Some("a count is compared with a number".into()),
            (
                Node::Input(Input::Clock(Clock::OfDay)),
                Node::Literal { value: Value::Number(value), unit: Unit::None },
            ) if *value != 0.0 => {
                return Some(format!("write the time with its unit: `{value}h`, or `{value}h30m`"));
            }
            _ => {}
        }
    }
    None
}

/// Whether it has a value at any time.
fn is_always_known(expr: &Expr) -> bool {
    match &expr.node {
        Node::Literal { .. } | Node::Input(Input::Clock(_)) => true,
        Node::Input(Input::Attribute(of, attribute)) => {
            *of == Of::Itself && matches!(attribute, Attribute::Name | Attribute::Kind)
        }
        Node::Not(inner) | Node::Negate(inner) => is_always_known(inner),
        _ => false,
    }
}

/// What may have been meant by a comparison that does not fit.
fn misfit(ordering: bool, left: (&Expr, Type), right: (&Expr, Type)) -> Option<&'static str> {
    for ((expr, found), (other, other_type)) in [(left, right), (right, left)] {
        let literal = |expr: &Expr| matches!(expr.node, Node::Literal { .. });
        match (found, other_type) {
            (Type::Bool, _) if ordering && matches!(expr.node, Node::Compare(..)) => {
                return Some("comparisons do not chain: write `a < b && b < c`");
            }
            (Type::Bool, _) => {
                return Some("a truth stands for itself: write it without a comparison, or with `!` before it");
            }
            (Type::Text, Type::Number(_)) if literal(expr) => return Some("write numbers without quotes"),
            (Type::Text, Type::Number(_)) if literal(other) => {
                return Some("a text is compared with a text: write it in quotes");
            }
            _ => {}
        }
    }
    None
}

/// The unit, if it can be calculated with.
fn unit(found: Type) -> Option<Unit> {
    match found {
        Type::Number(unit) => Some(unit),
        Type::Any => Some(Unit::None),
        Type::Bool | Type::Text => None,
    }
}

fn example(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "5",
        Unit::Ratio => "85%",
        Unit::Bytes => "500Mi",
        Unit::Seconds => "5m",
        Unit::Watts => "10kW",
    }
}
