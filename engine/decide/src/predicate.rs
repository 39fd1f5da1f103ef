//! Formulas as native code: a tree over numbered inputs, with Rhai only at the leaves that need it.

use std::borrow::Cow;

use homeostat_model::{Clause, Data, Truth, Value};
use homeostat_policy::{Arithmetic, Comparison, Expr, Formula, Input, Node};
use homeostat_script::{Sandbox, Script};

use crate::{
    operand::{Operand, Reading, calculate, compare},
    scripts::Scripts,
};

/// What a formula reads while it is evaluated.
pub(crate) trait Readings {
    /// The input of this number, now.
    fn read(&self, input: usize) -> Operand<'_>;
    /// Runs scripts.
    fn scripts(&self) -> &Scripts<'_>;
    /// When the truth of `leaf`, which does not hold now, could change by time alone.
    fn could_hold(&self, _leaf: &Leaf) -> Option<homeostat_model::Timestamp> {
        None
    }
}

/// A compiled condition.
#[derive(Debug)]
pub(crate) enum Predicate {
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    /// Everything that is not made of truths.
    Leaf(Box<Leaf>),
}

/// A comparison, or a term that is a truth by itself, and how it is shown to people.
#[derive(Debug)]
pub(crate) struct Leaf {
    text: String,
    inputs: Vec<usize>,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Compare(Comparison, Term, Term),
    Holds(Term),
}

/// A compiled expression of any type.
#[derive(Debug)]
pub(crate) enum Term {
    Literal(Value),
    Input(usize),
    Arithmetic(Arithmetic, Box<Term>, Box<Term>),
    Negate(Box<Term>),
    /// The first, or the second where the first is not known.
    Otherwise(Box<Term>, Box<Term>),
    Nested(Box<Predicate>),
    Script(Script, Vec<usize>),
}

/// Characters of a clause that are shown: two lines of a terminal. Only scripts are longer.
const MAX_SHOWN: usize = 200;

/// What the sandbox says against a script, and where in the formula's text, in bytes, where that is known.
pub(crate) type Refused = (String, Option<usize>);

/// Compiles formulas and numbers what they read.
pub(crate) struct Compiler<'a> {
    sandbox: &'a Sandbox,
    inputs: Vec<Input>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox) -> Self {
        Self { sandbox, inputs: Vec::new() }
    }

    pub(crate) fn into_inputs(self) -> Vec<Input> {
        self.inputs
    }

    /// A formula that is a truth.
    pub(crate) fn condition(&mut self, condition: &Formula) -> Result<Predicate, Refused> {
        self.predicate(&condition.expr, &condition.text)
    }

    /// A formula of any type.
    pub(crate) fn formula(&mut self, formula: &Formula) -> Result<Term, Refused> {
        self.term(&formula.expr, &formula.text)
    }

    pub(crate) fn predicate(&mut self, expr: &Expr, text: &str) -> Result<Predicate, Refused> {
        match &expr.node {
            Node::And(parts) => Ok(Predicate::And(self.all(parts, text)?)),
            Node::Or(parts) => Ok(Predicate::Or(self.all(parts, text)?)),
            Node::Not(inner) => Ok(Predicate::Not(Box::new(self.predicate(inner, text)?))),
            _ => {
                let test = match &expr.node {
                    Node::Compare(comparison, left, right) => {
                        Test::Compare(*comparison, self.term(left, text)?, self.term(right, text)?)
                    }
                    _ => Test::Holds(self.term(expr, text)?),
                };
                let mut inputs = Vec::new();
                test.inputs(&mut inputs);
                let text = shown(text.get(expr.span.clone()).unwrap_or(text));
                Ok(Predicate::Leaf(Box::new(Leaf { text, inputs, test })))
            }
        }
    }

    fn all(&mut self, parts: &[Expr], text: &str) -> Result<Vec<Predicate>, Refused> {
        parts.iter().map(|part| self.predicate(part, text)).collect()
    }

    pub(crate) fn term(&mut self, expr: &Expr, text: &str) -> Result<Term, Refused> {
        Ok(match &expr.node {
            Node::Literal { value, .. } => Term::Literal(value.clone()),
            Node::Input(input) => Term::Input(self.input(input)),
            Node::Arithmetic(operator, left, right) => {
                Term::Arithmetic(*operator, Box::new(self.term(left, text)?), Box::new(self.term(right, text)?))
            }
            Node::Negate(inner) => Term::Negate(Box::new(self.term(inner, text)?)),
            Node::Otherwise(left, right) => {
                Term::Otherwise(Box::new(self.term(left, text)?), Box::new(self.term(right, text)?))
            }
            Node::Script(script) => {
                let compiled = self.sandbox.compile_and_try(&script.source, script.inputs.len()).map_err(|error| {
                    let origin = error.offset.and_then(|offset| {
                        let (from, to) = script.origins.iter().rev().find(|(from, _)| *from <= offset)?;
                        Some(to + (offset - from))
                    });
                    (error.message, origin)
                })?;
                let inputs = script.inputs.iter().map(|input| self.input(input)).collect();
                Term::Script(compiled, inputs)
            }
            Node::And(_) | Node::Or(_) | Node::Not(_) | Node::Compare(..) => {
                Term::Nested(Box::new(self.predicate(expr, text)?))
            }
        })
    }

    fn input(&mut self, input: &Input) -> usize {
        if let Some(known) = self.inputs.iter().position(|known| known == input) {
            return known;
        }
        self.inputs.push(input.clone());
        self.inputs.len() - 1
    }
}

impl Predicate {
    /// Whether it holds for these readings.
    pub(crate) fn truth(&self, readings: &impl Readings) -> Truth {
        match self {
            // A false part decides, whatever the parts after it are.
            Self::And(parts) => fold(parts, Truth::True, Truth::False, Truth::and, readings),
            Self::Or(parts) => fold(parts, Truth::False, Truth::True, Truth::or, readings),
            Self::Not(inner) => !inner.truth(readings),
            Self::Leaf(leaf) => leaf.truth(readings),
        }
    }

    /// The truth of each clause, with the values it was made of.
    pub(crate) fn clauses(&self, inputs: &[Input], readings: &impl Readings, out: &mut Vec<Clause>) {
        self.each_leaf(&mut |leaf| {
            let value = |input: &usize| Some((inputs.get(*input)?.to_string(), readings.read(*input).into_reading()));
            let mut values: Vec<(String, Reading)> = leaf.inputs.iter().filter_map(value).collect();
            leaf.test.failures(readings, &mut values);
            let truth = leaf.truth(readings);
            let could_hold_at = if truth == Truth::True { None } else { readings.could_hold(leaf) };
            out.push(Clause { text: leaf.text.clone(), truth, values, could_hold_at });
        });
    }

    /// Goes through the clauses, in the order of the text.
    pub(crate) fn each_leaf<'a>(&'a self, see: &mut impl FnMut(&'a Leaf)) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.each_leaf(see)),
            Self::Not(inner) => inner.each_leaf(see),
            Self::Leaf(leaf) => see(leaf),
        }
    }

    /// Its input, comparison and number, if it is nothing but a comparison of an input with a number.
    pub(crate) fn as_threshold(&self) -> Option<(usize, Comparison, f64)> {
        let Self::Leaf(leaf) = self else { return None };
        match &leaf.test {
            Test::Compare(comparison, Term::Input(input), Term::Literal(Value::Number(threshold))) => {
                Some((*input, *comparison, *threshold))
            }
            Test::Compare(comparison, Term::Literal(Value::Number(threshold)), Term::Input(input)) => {
                Some((*input, mirrored(*comparison), *threshold))
            }
            _ => None,
        }
    }

    /// Whether something in it turns an unknown into a known value.
    pub(crate) fn has_otherwise(&self) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::has_otherwise),
            Self::Not(inner) => inner.has_otherwise(),
            Self::Leaf(leaf) => match &leaf.test {
                Test::Compare(_, left, right) => left.has_otherwise() || right.has_otherwise(),
                Test::Holds(term) => term.has_otherwise(),
            },
        }
    }
}

/// A clause on one line; of a long script only the beginning.
fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{} ..", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// `5 < x` is `x > 5`.
fn mirrored(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        Comparison::Equal | Comparison::NotEqual => comparison,
    }
}

fn fold(
    parts: &[Predicate],
    neutral: Truth,
    decisive: Truth,
    combine: fn(Truth, Truth) -> Truth,
    readings: &impl Readings,
) -> Truth {
    let mut truth = neutral;
    for part in parts {
        truth = combine(truth, part.truth(readings));
        if truth == decisive {
            break;
        }
    }
    truth
}

impl Leaf {
    pub(crate) fn truth(&self, readings: &impl Readings) -> Truth {
        match &self.test {
            Test::Compare(comparison, left, right) => {
                compare(*comparison, &left.value(readings), &right.value(readings))
            }
            Test::Holds(term) => term.value(readings).truth(),
        }
    }

    /// What it reads, in the order of the text.
    pub(crate) fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    /// As it stands in the policy.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The numbers that are written in it.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        let mut numbers = Vec::new();
        match &self.test {
            Test::Compare(_, left, right) => {
                left.numbers(&mut numbers);
                right.numbers(&mut numbers);
            }
            Test::Holds(term) => term.numbers(&mut numbers),
        }
        numbers
    }
}

impl Test {
    /// Adds why scripts in it fail, if they do: a person has to see what is unknown for good.
    fn failures(&self, readings: &impl Readings, out: &mut Vec<(String, Reading)>) {
        match self {
            Self::Compare(_, left, right) => {
                left.failures(readings, out);
                right.failures(readings, out);
            }
            Self::Holds(term) => term.failures(readings, out),
        }
    }

    fn inputs(&self, out: &mut Vec<usize>) {
        match self {
            Self::Compare(_, left, right) => {
                left.inputs(out);
                right.inputs(out);
            }
            Self::Holds(term) => term.inputs(out),
        }
    }
}

impl Term {
    pub(crate) fn value<'a>(&'a self, readings: &'a impl Readings) -> Operand<'a> {
        match self {
            Self::Literal(value) => Operand::from(Some(value)),
            Self::Input(input) => readings.read(*input),
            Self::Negate(inner) => inner.value(readings).number().map(|number| -number).into(),
            Self::Arithmetic(operator, left, right) => {
                match (left.value(readings).number(), right.value(readings).number()) {
                    (Some(left), Some(right)) => calculate(*operator, left, right),
                    _ => Operand::Unknown,
                }
            }
            Self::Otherwise(left, right) => match left.value(readings) {
                Operand::Unknown => right.value(readings),
                known => known,
            },
            Self::Nested(predicate) => predicate.truth(readings).into(),
            // A script that fails has no result; that is all a condition can know about it.
            Self::Script(script, inputs) => match run(script, inputs, readings) {
                Some(Ok(value)) => Operand::from(value),
                Some(Err(_)) | None => Operand::Unknown,
            },
        }
    }

    /// What a script gives, of whatever form; `None` when something that it reads is not known.
    pub(crate) fn data(&self, readings: &impl Readings) -> Option<Result<Data, String>> {
        let Self::Script(script, inputs) = self else { return None };
        let values: Option<Vec<Value>> = inputs.iter().map(|input| readings.read(*input).into_reading()).collect();
        values.map(|values| readings.scripts().evaluate_data(script, &values))
    }

    fn failures(&self, readings: &impl Readings, out: &mut Vec<(String, Reading)>) {
        match self {
            Self::Script(script, inputs) => {
                if let Some(Err(error)) = run(script, inputs, readings) {
                    out.push(("the script's error".into(), Some(Value::Text(error))));
                }
            }
            Self::Negate(inner) => inner.failures(readings, out),
            Self::Arithmetic(_, left, right) | Self::Otherwise(left, right) => {
                left.failures(readings, out);
                right.failures(readings, out);
            }
            Self::Literal(_) | Self::Input(_) | Self::Nested(_) => {}
        }
    }

    fn inputs(&self, out: &mut Vec<usize>) {
        match self {
            Self::Literal(_) => {}
            Self::Input(input) => out.push(*input),
            Self::Negate(inner) => inner.inputs(out),
            Self::Arithmetic(_, left, right) | Self::Otherwise(left, right) => {
                left.inputs(out);
                right.inputs(out);
            }
            Self::Nested(predicate) => predicate.each_leaf(&mut |leaf| out.extend(&leaf.inputs)),
            Self::Script(_, inputs) => out.extend(inputs),
        }
    }

    fn numbers(&self, out: &mut Vec<f64>) {
        match self {
            Self::Literal(Value::Number(number)) => out.push(*number),
            Self::Literal(_) | Self::Input(_) | Self::Script(..) => {}
            Self::Negate(inner) => inner.numbers(out),
            Self::Arithmetic(_, left, right) | Self::Otherwise(left, right) => {
                left.numbers(out);
                right.numbers(out);
            }
            Self::Nested(predicate) => predicate.each_leaf(&mut |leaf| out.extend(leaf.numbers())),
        }
    }

    fn has_otherwise(&self) -> bool {
        match self {
            Self::Otherwise(..) => true,
            Self::Literal(_) | Self::Input(_) | Self::Script(..) => false,
            Self::Negate(inner) => inner.has_otherwise(),
            Self::Arithmetic(_, left, right) => left.has_otherwise() || right.has_otherwise(),
            Self::Nested(predicate) => predicate.has_otherwise(),
        }
    }

    /// As it is shown to people.
    pub(crate) fn shown(&self, readings: &impl Readings) -> Cow<'static, str> {
        self.value(readings).into_reading().map_or(Cow::Borrowed("unknown"), |value| match value {
            Value::Text(text) => Cow::Owned(text),
            value => Cow::Owned(value.to_string()),
        })
    }
}

/// Runs a script if everything that it reads is known.
fn run(script: &Script, inputs: &[usize], readings: &impl Readings) -> Option<Result<Value, String>> {
    let values: Option<Vec<Value>> = inputs.iter().map(|input| readings.read(*input).into_reading()).collect();
    values.map(|values| readings.scripts().evaluate(script, &values))
}
