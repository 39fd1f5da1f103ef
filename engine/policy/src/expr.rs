//! Expressions after checking: what can be native is, and what cannot is a script over named inputs.

use std::{fmt, ops::Range};

use homeostat_model::{Duration, MetricName, Unit, Value};

/// What a window function computes over the samples of one metric of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// The newest value.
    Last,
    /// The mean over the window.
    Avg,
    /// The smallest in the window.
    Min,
    /// The greatest in the window.
    Max,
    /// The increase of a counter per second over the window, a drop counting as a restart from zero.
    Rate,
    /// Whether there is no sample in the window. Never unknown.
    Absent,
}

impl Function {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 6] = [Self::Last, Self::Avg, Self::Min, Self::Max, Self::Rate, Self::Absent];

    /// Its name in the language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Rate => "rate",
            Self::Absent => "absent",
        }
    }

    /// The function called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    /// Whether it takes a window; only `last` does not.
    #[must_use]
    pub fn has_window(self) -> bool {
        self != Self::Last
    }
}

/// A window function over a metric: `avg("cpu.utilization", 5m)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal {
    /// What is computed.
    pub function: Function,
    /// Over which metric of the policy's resource.
    pub metric: MetricName,
    /// Over how long; zero for `last`.
    pub window: Duration,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}", self.function.name(), self.metric)?;
        if self.function.has_window() {
            write!(f, ", {}", self.window)?;
        }
        f.write_str(")")
    }
}

/// Something else that is known about the resource or the event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// `name`: the resource's name without its kind. Text.
    Name,
    /// `kind`. Text.
    Kind,
    /// `labels.tier`, `labels["app.kubernetes.io/name"]`. Text; unknown when the label is missing.
    Label(String),
    /// `capacity.vcpus`, in cores. Number.
    Vcpus,
    /// `capacity.memory`, in bytes. Number.
    Memory,
    /// `state`, `image`, any other attribute of the resource. Its type is known only when it is read.
    Resource(String),
    /// `event.exitCode`: a detail of the event that is being looked at.
    Event(String),
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("name"),
            Self::Kind => f.write_str("kind"),
            Self::Label(name) => write!(f, "labels.{name}"),
            Self::Vcpus => f.write_str("capacity.vcpus"),
            Self::Memory => f.write_str("capacity.memory"),
            Self::Resource(name) => f.write_str(name),
            Self::Event(name) => write!(f, "event.{name}"),
        }
    }
}

/// What is read when an expression is evaluated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// A window function.
    Signal(Signal),
    /// An attribute.
    Attribute(Attribute),
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => signal.fmt(f),
            Self::Attribute(attribute) => attribute.fmt(f),
        }
    }
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// Arithmetic on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; division by zero is unknown.
    Divide,
}

/// A checked expression. Its operands have the types that their operator wants, as far as they are known when it loads;
/// an attribute that turns out to be of another type makes the comparison unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub node: Node,
    /// Its bytes in [`crate::Condition::text`], for evidence.
    pub span: Range<usize>,
}

/// The forms of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A literal; `unit` is that of a number.
    Literal {
        /// The value, numbers in their base unit.
        value: Value,
        /// What a number measures.
        unit: Unit,
    },
    /// Something to read.
    Input(Input),
    /// `!a`
    Not(Box<Expr>),
    /// `a && b && ...`, at least two.
    And(Vec<Expr>),
    /// `a || b || ...`, at least two.
    Or(Vec<Expr>),
    /// `a < b` and its like.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `a + b` and its like.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// `-a`
    Negate(Box<Expr>),
    /// Anything else is left to Rhai.
    Script(Script),
}

/// A piece of Rhai in which signals, attributes and units were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Rhai's source: units are plain numbers, inputs are the variables `in0`, `in1`, ...
    pub source: String,
    /// What `in0`, `in1`, ... stand for. When one of them is not known, neither is the result.
    pub inputs: Vec<Input>,
    /// For each byte of `source` and for its end, the byte of the condition's text it came from, as
    /// (start in source, start in text) pairs.
    pub origins: Vec<(usize, usize)>,
}
