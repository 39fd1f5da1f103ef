//! Conditions as native code: a tree over numbered slots, with Rhai only at the leaves that need it.

use std::borrow::Cow;

use homeostat_model::{Clause, Evidence, Truth, Value};
use homeostat_policy::{Arithmetic, Comparison, Expr, Formula, Input, Node};
use homeostat_script::{Sandbox, Script};

/// What a slot or a term is at this moment; `None` when it is not known.
pub(crate) type Reading = Option<Value>;

/// The value of a term while a predicate is evaluated. Borrows texts instead of copying them.
#[derive(Debug, Clone, PartialEq)]
enum Operand<'a> {
    Number(f64),
    Bool(bool),
    Text(Cow<'a, str>),
    Unknown,
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
    slots: Vec<usize>,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Compare(Comparison, Term, Term),
    Holds(Term),
}

#[derive(Debug)]
enum Term {
    Literal(Value),
    Slot(usize),
    Arithmetic(Arithmetic, Box<Term>, Box<Term>),
    Negate(Box<Term>),
    Nested(Box<Predicate>),
    Script(Script, Vec<usize>),
}

type Refused = (String, Option<usize>);

/// Compiles conditions and numbers what they read.
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

    pub(crate) fn predicate(&mut self, condition: &Formula) -> Result<Predicate, Refused> {
        self.compile(&condition.expr, &condition.text)
    }

    fn compile(&mut self, expr: &Expr, text: &str) -> Result<Predicate, Refused> {
        match &expr.node {
            Node::And(parts) => Ok(Predicate::And(self.all(parts, text)?)),
            Node::Or(parts) => Ok(Predicate::Or(self.all(parts, text)?)),
            Node::Not(inner) => Ok(Predicate::Not(Box::new(self.compile(inner, text)?))),
            _ => {
                let test = match &expr.node {
                    Node::Compare(comparison, left, right) => {
                        Test::Compare(*comparison, self.term(left, text)?, self.term(right, text)?)
                    }
                    _ => Test::Holds(self.term(expr, text)?),
                };
                let mut slots = Vec::new();
                test.slots(&mut slots);
                let text = text.get(expr.span.clone()).unwrap_or(text).trim().to_owned();
                Ok(Predicate::Leaf(Box::new(Leaf { text, slots, test })))
            }
        }
    }

    fn all(&mut self, parts: &[Expr], text: &str) -> Result<Vec<Predicate>, Refused> {
        parts.iter().map(|part| self.compile(part, text)).collect()
    }

    fn term(&mut self, expr: &Expr, text: &str) -> Result<Term, Refused> {
        Ok(match &expr.node {
            Node::Literal { value, .. } => Term::Literal(value.clone()),
            Node::Input(input) => Term::Slot(self.slot(input)),
            Node::Arithmetic(operator, left, right) => {
                Term::Arithmetic(*operator, Box::new(self.term(left, text)?), Box::new(self.term(right, text)?))
            }
            Node::Negate(inner) => Term::Negate(Box::new(self.term(inner, text)?)),
            Node::Script(script) => {
                let compiled = self.sandbox.compile_and_try(&script.source, script.inputs.len()).map_err(|error| {
                    let origin = error.offset.and_then(|offset| {
                        let (from, to) = script.origins.iter().rev().find(|(from, _)| *from <= offset)?;
                        Some(to + (offset - from))
                    });
                    (error.message, origin)
                })?;
                let slots = script.inputs.iter().map(|input| self.slot(input)).collect();
                Term::Script(compiled, slots)
            }
            Node::Otherwise(left, _) => self.term(left, text)?,
            Node::And(_) | Node::Or(_) | Node::Not(_) | Node::Compare(..) => {
                Term::Nested(Box::new(self.compile(expr, text)?))
            }
        })
    }

    fn slot(&mut self, input: &Input) -> usize {
        if let Some(slot) = self.inputs.iter().position(|known| known == input) {
            return slot;
        }
        self.inputs.push(input.clone());
        self.inputs.len() - 1
    }
}

impl Predicate {
    /// Whether it holds for these readings, one for each slot.
    pub(crate) fn truth(&self, readings: &[Reading], sandbox: &Sandbox) -> Truth {
        match self {
            // A false part decides, whatever the parts after it are.
            Self::And(parts) => fold(parts, Truth::True, Truth::False, Truth::and, readings, sandbox),
            Self::Or(parts) => fold(parts, Truth::False, Truth::True, Truth::or, readings, sandbox),
            Self::Not(inner) => !inner.truth(readings, sandbox),
            Self::Leaf(leaf) => leaf.truth(readings, sandbox),
        }
    }

    /// The truth of the whole and of each clause, with the values they were made of.
    pub(crate) fn evidence(&self, inputs: &[Input], readings: &[Reading], sandbox: &Sandbox) -> Evidence {
        let mut clauses = Vec::new();
        self.clauses(inputs, readings, sandbox, &mut clauses);
        Evidence { truth: self.truth(readings, sandbox), clauses }
    }

    fn clauses(&self, inputs: &[Input], readings: &[Reading], sandbox: &Sandbox, out: &mut Vec<Clause>) {
        match self {
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().for_each(|part| part.clauses(inputs, readings, sandbox, out));
            }
            Self::Not(inner) => inner.clauses(inputs, readings, sandbox, out),
            Self::Leaf(leaf) => {
                let value =
                    |slot: &usize| Some((inputs.get(*slot)?.to_string(), readings.get(*slot).cloned().flatten()));
                let mut values: Vec<(String, Reading)> = leaf.slots.iter().filter_map(value).collect();
                leaf.test.failures(readings, sandbox, &mut values);
                out.push(Clause { text: leaf.text.clone(), truth: leaf.truth(readings, sandbox), values });
            }
        }
    }
}

fn fold(
    parts: &[Predicate],
    neutral: Truth,
    decisive: Truth,
    combine: fn(Truth, Truth) -> Truth,
    readings: &[Reading],
    sandbox: &Sandbox,
) -> Truth {
    let mut truth = neutral;
    for part in parts {
        truth = combine(truth, part.truth(readings, sandbox));
        if truth == decisive {
            break;
        }
    }
    truth
}

impl Leaf {
    fn truth(&self, readings: &[Reading], sandbox: &Sandbox) -> Truth {
        match &self.test {
            Test::Compare(comparison, left, right) => {
                compare(*comparison, &left.value(readings, sandbox), &right.value(readings, sandbox))
            }
            Test::Holds(term) => match term.value(readings, sandbox) {
                Operand::Bool(value) => Truth::from(Some(value)),
                _ => Truth::Unknown,
            },
        }
    }
}

impl Test {
    /// Adds why scripts in it fail, if they do: a person has to see what is unknown for good.
    fn failures(&self, readings: &[Reading], sandbox: &Sandbox, out: &mut Vec<(String, Reading)>) {
        match self {
            Self::Compare(_, left, right) => {
                left.failures(readings, sandbox, out);
                right.failures(readings, sandbox, out);
            }
            Self::Holds(term) => term.failures(readings, sandbox, out),
        }
    }

    fn slots(&self, out: &mut Vec<usize>) {
        match self {
            Self::Compare(_, left, right) => {
                left.slots(out);
                right.slots(out);
            }
            Self::Holds(term) => term.slots(out),
        }
    }
}

impl Term {
    fn value<'a>(&'a self, readings: &'a [Reading], sandbox: &Sandbox) -> Operand<'a> {
        match self {
            Self::Literal(value) => Operand::from(Some(value)),
            Self::Slot(slot) => Operand::from(readings.get(*slot).and_then(Option::as_ref)),
            Self::Negate(inner) => match inner.value(readings, sandbox) {
                Operand::Number(number) => Operand::Number(-number),
                _ => Operand::Unknown,
            },
            Self::Arithmetic(operator, left, right) => {
                match (left.value(readings, sandbox), right.value(readings, sandbox)) {
                    (Operand::Number(left), Operand::Number(right)) => calculate(*operator, left, right),
                    _ => Operand::Unknown,
                }
            }
            Self::Nested(predicate) => match predicate.truth(readings, sandbox) {
                Truth::True => Operand::Bool(true),
                Truth::False => Operand::Bool(false),
                Truth::Unknown => Operand::Unknown,
            },
            Self::Script(script, slots) => {
                // A script that fails has no result; that is all a condition can know about it.
                match run(script, slots, readings, sandbox) {
                    Some(Ok(value)) => Operand::from(value),
                    Some(Err(_)) | None => Operand::Unknown,
                }
            }
        }
    }

    fn failures(&self, readings: &[Reading], sandbox: &Sandbox, out: &mut Vec<(String, Reading)>) {
        match self {
            Self::Script(script, slots) => {
                if let Some(Err(error)) = run(script, slots, readings, sandbox) {
                    out.push(("the script's error".into(), Some(Value::Text(error.to_string()))));
                }
            }
            Self::Negate(inner) => inner.failures(readings, sandbox, out),
            Self::Arithmetic(_, left, right) => {
                left.failures(readings, sandbox, out);
                right.failures(readings, sandbox, out);
            }
            Self::Literal(_) | Self::Slot(_) | Self::Nested(_) => {}
        }
    }

    fn slots(&self, out: &mut Vec<usize>) {
        match self {
            Self::Literal(_) => {}
            Self::Slot(slot) => out.push(*slot),
            Self::Negate(inner) => inner.slots(out),
            Self::Arithmetic(_, left, right) => {
                left.slots(out);
                right.slots(out);
            }
            Self::Nested(predicate) => predicate.slots(out),
            Self::Script(_, slots) => out.extend(slots),
        }
    }
}

impl Predicate {
    fn slots(&self, out: &mut Vec<usize>) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.slots(out)),
            Self::Not(inner) => inner.slots(out),
            Self::Leaf(leaf) => out.extend(&leaf.slots),
        }
    }
}

impl<'a> From<Option<&'a Value>> for Operand<'a> {
    fn from(value: Option<&'a Value>) -> Self {
        match value {
            Some(Value::Number(number)) => Self::Number(*number),
            Some(Value::Bool(value)) => Self::Bool(*value),
            Some(Value::Text(text)) => Self::Text(Cow::Borrowed(text)),
            None => Self::Unknown,
        }
    }
}

impl From<Value> for Operand<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(number),
            Value::Bool(value) => Self::Bool(value),
            Value::Text(text) => Self::Text(Cow::Owned(text)),
        }
    }
}

/// Runs a script if everything that it reads is known.
fn run(
    script: &Script,
    slots: &[usize],
    readings: &[Reading],
    sandbox: &Sandbox,
) -> Option<Result<Value, homeostat_script::ScriptError>> {
    let inputs: Option<Vec<Value>> = slots.iter().map(|slot| readings.get(*slot).cloned().flatten()).collect();
    inputs.map(|inputs| sandbox.evaluate(script, &inputs))
}

fn calculate(operator: Arithmetic, left: f64, right: f64) -> Operand<'static> {
    let result = match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
    };
    if result.is_finite() { Operand::Number(result) } else { Operand::Unknown }
}

/// Values of different types do not compare: that is unknown, where Rhai would say false.
fn compare(comparison: Comparison, left: &Operand<'_>, right: &Operand<'_>) -> Truth {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let ordering = match (left, right) {
        (Operand::Number(left), Operand::Number(right)) => left.partial_cmp(right),
        (Operand::Text(left), Operand::Text(right)) => Some(left.cmp(right)),
        (Operand::Bool(left), Operand::Bool(right)) => Some(left.cmp(right)),
        _ => None,
    };
    let Some(ordering) = ordering else { return Truth::Unknown };
    Truth::from(Some(match comparison {
        Comparison::Less => ordering == Less,
        Comparison::LessOrEqual => ordering != Greater,
        Comparison::Greater => ordering == Greater,
        Comparison::GreaterOrEqual => ordering != Less,
        Comparison::Equal => ordering == Equal,
        Comparison::NotEqual => ordering != Equal,
    }))
}
