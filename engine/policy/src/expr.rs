//! Expressions after checking: what can be native is, and what cannot is a script over named inputs.

use std::{fmt, ops::Range};

use homeostat_model::{Duration, Kind, MetricName, Unit, Value};

/// A number from 0 to 1 in millionths, so that signals can be told apart exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millionths(pub u32);

impl Millionths {
    /// As a number from 0 to 1.
    #[must_use]
    pub fn as_ratio(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

/// What a window function computes over the samples of one metric of one resource.
///
/// Those that Prometheus has too agree with it: `sum` is its `sum_over_time`, `slope` its `deriv`, `predict` its
/// `predict_linear`, `stddev` its `stddev_over_time` (of the population), and `rate`, `increase` and `delta` extrapolate to the
/// edges of the window as it does.
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
    /// The sum of the values in the window.
    Sum,
    /// How many samples there are in the window.
    Count,
    /// The increase of a counter per second over the window, a drop counting as a restart from zero.
    Rate,
    /// The increase of a counter over the window, a drop counting as a restart from zero.
    Increase,
    /// What a gauge gained from the beginning of the window to its end.
    Delta,
    /// The standard deviation of the values in the window.
    Stddev,
    /// The value that this share of the values in the window do not exceed, interpolated between neighbours.
    Quantile(Millionths),
    /// The mean of all values, each weighing half as much as one that is a window newer.
    Ewma,
    /// What a gauge gains per second: the slope of the straight line that fits the window best (least squares).
    Slope,
    /// The value that this line has so long from now.
    Predict(Duration),
    /// How often the value changed in the window.
    Changes,
    /// Whether there is no sample in the window. Unknown only until it was looked for that long.
    Absent,
}

impl Function {
    /// The names of all of them, in the order of the documentation.
    pub const NAMES: [&'static str; 16] = [
        "last", "avg", "min", "max", "sum", "count", "rate", "increase", "delta", "stddev", "quantile", "ewma",
        "slope", "predict", "changes", "absent",
    ];

    /// Its name in the language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Count => "count",
            Self::Rate => "rate",
            Self::Increase => "increase",
            Self::Delta => "delta",
            Self::Stddev => "stddev",
            Self::Quantile(_) => "quantile",
            Self::Ewma => "ewma",
            Self::Slope => "slope",
            Self::Predict(_) => "predict",
            Self::Changes => "changes",
            Self::Absent => "absent",
        }
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
    /// Over which metric of the resource.
    pub metric: MetricName,
    /// Over how long; zero for `last`.
    pub window: Duration,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}", self.function.name(), self.metric)?;
        if let Function::Quantile(share) = self.function {
            write!(f, ", {}%", f64::from(share.0) / 1e4)?;
        }
        if self.function.has_window() {
            write!(f, ", {}", self.window)?;
        }
        if let Function::Predict(ahead) = self.function {
            write!(f, ", {ahead}")?;
        }
        f.write_str(")")
    }
}

/// Something else that is known about a resource or the event.
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
    /// `event.exitCode`: a detail of the event that is being looked at. Always the policy's own.
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

/// Whose signal or attribute it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Of {
    /// The resource itself; inside an aggregate, the member.
    Itself,
    /// The nearest resource of this kind that it runs on, directly or not: `host.`, `node.`, `rack.`. Unknown when there is none.
    Ancestor(Kind),
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => Ok(()),
            Self::Ancestor(kind) => write!(f, "{kind}."),
        }
    }
}

/// A set of resources that is aggregated over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Members {
    /// `children`, `children("vm")`, `host.children`: what runs directly on it.
    Children {
        /// On what.
        of: Of,
        /// Those of this kind only.
        kind: Option<Kind>,
    },
    /// `group("tier")`: all resources of the same kind with the same value of this label, itself among them. Unknown when it
    /// does not carry the label.
    Group {
        /// The label.
        label: String,
    },
}

/// How the values of the members become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fold {
    /// For how many members a condition holds. Unknown as soon as it is unknown for one.
    Count,
    /// Whether it holds for at least one. Three-valued: one that is true decides.
    Any,
    /// Whether it holds for each; true without members. Three-valued: one that is false decides.
    All,
    /// The sum; zero without members. Unknown as soon as one member's value is; likewise those below.
    Sum,
    /// The mean; unknown without members.
    Avg,
    /// The smallest; unknown without members.
    Min,
    /// The greatest; unknown without members.
    Max,
}

impl Fold {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 7] = [Self::Count, Self::Any, Self::All, Self::Sum, Self::Avg, Self::Min, Self::Max];

    /// Its name in the language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Any => "any",
            Self::All => "all",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// The one called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fold| fold.name() == name)
    }

    /// Whether it is asked of truths rather than of numbers.
    #[must_use]
    pub fn of_truths(self) -> bool {
        matches!(self, Self::Count | Self::Any | Self::All)
    }
}

/// `children("vm").sum(last("memory.used"))`: one value of many resources.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Over whom.
    pub members: Members,
    /// How.
    pub fold: Fold,
    /// What is asked of each member. It reads [`Of::Itself`] only, and holds neither a script nor another aggregate.
    pub each: Expr,
    /// The whole as written, for evidence.
    pub text: String,
}

/// The time of day, in the policy's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clock {
    /// `time.ofDay`: since midnight. Number, in seconds: compare it with `8h30m`. As of the last full minute.
    OfDay,
    /// `time.weekday`: `"monday"` to `"sunday"`. Text.
    Weekday,
}

/// What is read when an expression is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A window function.
    Signal(Of, Signal),
    /// An attribute.
    Attribute(Of, Attribute),
    /// A value of many resources.
    Aggregate(Box<Aggregate>),
    /// The time of day.
    Clock(Clock),
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(of, signal) => write!(f, "{of}{signal}"),
            Self::Attribute(of, attribute) => write!(f, "{of}{attribute}"),
            Self::Aggregate(aggregate) => f.write_str(&aggregate.text),
            Self::Clock(Clock::OfDay) => f.write_str("time.ofDay"),
            Self::Clock(Clock::Weekday) => f.write_str("time.weekday"),
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
    /// Its bytes in [`crate::Formula::text`], for evidence.
    pub span: Range<usize>,
}

impl Expr {
    /// Goes through everything that it reads, in the order of the text; not into aggregates.
    pub fn each_input<'a>(&'a self, see: &mut impl FnMut(&'a Input)) {
        match &self.node {
            Node::Literal { .. } => {}
            Node::Input(input) => see(input),
            Node::Script(script) => script.inputs.iter().for_each(see),
            Node::Not(inner) | Node::Negate(inner) => inner.each_input(see),
            Node::And(parts) | Node::Or(parts) => parts.iter().for_each(|part| part.each_input(see)),
            Node::Compare(_, left, right) | Node::Arithmetic(_, left, right) | Node::Otherwise(left, right) => {
                left.each_input(see);
                right.each_input(see);
            }
        }
    }
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
    /// `a ?? b`: a, or b where a is unknown.
    Otherwise(Box<Expr>, Box<Expr>),
    /// Anything else is left to Rhai.
    Script(Script),
}

/// A piece of Rhai in which signals, attributes and units were replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// Rhai's source: units are plain numbers, inputs are the variables `in0`, `in1`, ...
    pub source: String,
    /// What `in0`, `in1`, ... stand for. When one of them is not known, neither is the result.
    pub inputs: Vec<Input>,
    /// For each byte of `source` and for its end, the byte of the formula's text it came from, as
    /// (start in source, start in text) pairs.
    pub origins: Vec<(usize, usize)>,
}
