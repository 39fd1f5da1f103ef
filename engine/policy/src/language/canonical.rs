//! One text for all ways to write the same expression: two that agree in it have the same value whenever they are asked.

use std::fmt::{self, Write};

use homeostat_model::Value;

use crate::{Aggregate, Arithmetic, Comparison, Expr, Input, Node, Script};

/// `expr` without spans, blanks and needless parentheses.
pub(super) fn canonical(expr: &Expr) -> String {
    let mut out = String::new();
    // Writing to a text does not fail.
    let _ = write(&mut out, expr);
    out
}

fn write(out: &mut String, expr: &Expr) -> fmt::Result {
    match &expr.node {
        // All digits: `Display` rounds for people.
        Node::Literal { value: Value::Number(number), .. } => write!(out, "{number:?}"),
        Node::Literal { value, .. } => write!(out, "{value}"),
        Node::Input(input) => write_input(out, input),
        Node::Not(inner) => list(out, "!", [&**inner]),
        Node::Negate(inner) => list(out, "-", [&**inner]),
        Node::And(operands) => list(out, "&&", operands),
        Node::Or(operands) => list(out, "||", operands),
        Node::Compare(comparison, left, right) => list(out, symbol(*comparison), [&**left, &**right]),
        Node::Arithmetic(arithmetic, left, right) => {
            let symbol = match arithmetic {
                Arithmetic::Add => "+",
                Arithmetic::Subtract => "-",
                Arithmetic::Multiply => "*",
                Arithmetic::Divide => "/",
            };
            list(out, symbol, [&**left, &**right])
        }
        Node::Otherwise(left, right) => list(out, "??", [&**left, &**right]),
        Node::Script(script) => write_script(out, script),
    }
}

fn list<'e>(out: &mut String, operator: &str, operands: impl IntoIterator<Item = &'e Expr>) -> fmt::Result {
    write!(out, "({operator}")?;
    for operand in operands {
        out.push(' ');
        write(out, operand)?;
    }
    out.write_char(')')
}

fn write_input(out: &mut String, input: &Input) -> fmt::Result {
    let Input::Aggregate(aggregate) = input else { return write!(out, "{input}") };
    let Aggregate { members, fold, each, .. } = &**aggregate;
    write!(out, "({members:?}.{} ", fold.name())?;
    write(out, each)?;
    out.write_char(')')
}

fn write_script(out: &mut String, script: &Script) -> fmt::Result {
    write!(out, "{{{}", script.source)?;
    for input in &script.inputs {
        out.push_str(" | ");
        write_input(out, input)?;
    }
    out.write_char('}')
}

/// The operator as it is written.
pub(super) fn symbol(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
    }
}
