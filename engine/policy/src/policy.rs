//! A checked policy: everything in it is known to be well-formed and to exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use homeostat_model::{
    ChannelName, Duration, EventType, Kind, Mode, PolicyName, Resource, Response, Retry, Severity, Topology,
    Verification,
};

use crate::{Expr, Limits, Safeguards};

/// A policy that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name, unique among the loaded ones.
    pub name: PolicyName,
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
    /// What it is for.
    pub description: String,
    /// The resources it watches.
    pub select: Selector,
    /// The events it answers to, or whose absence it does. With `when` too, both have to be the case; after an event, the
    /// condition is asked when it comes and again before acting.
    pub on: Option<On>,
    /// The condition. At least one of `on` and `when` is present.
    pub when: Option<Formula>,
    /// What closes an open finding, where that is not merely that the condition is false. Never with events.
    pub clear: Option<Formula>,
    /// How long the condition has to hold before it is a finding. Always zero with events.
    pub hold_for: Duration,
    /// How long a finding stays open after its condition no longer holds (or `clear` does). Always zero with events.
    pub keep_firing_for: Duration,
    /// The age from which a metric's newest sample no longer says anything.
    pub stale_after: Duration,
    /// What to make of a condition that is not known.
    pub on_unknown: OnUnknown,
    /// The name of the time zone of `time.ofDay` and `time.weekday` in the IANA database; `UTC` unless the policy says otherwise.
    pub time_zone: String,
    /// How far it may go by itself.
    pub mode: Mode,
    /// The greater one owns a contested resource.
    pub priority: i32,
    /// The pause between two plans of this policy on one resource, from the end of the first.
    pub cooldown: Duration,
    /// What limits its plans besides.
    pub limits: Limits,
    /// The guards that were loaded with it, which limit the plans of all policies.
    pub safeguards: Safeguards,
    /// The ladder: a response is tried when those before could not be done or did not help. At least one.
    pub then: Vec<Rung>,
    /// The document as it was written, with the files it refers to, to tell whether a reloaded policy has changed.
    pub text: String,
}

impl Policy {
    /// Whether its findings are about events that happen, and so end when they are answered. A policy about a condition, or
    /// about the absence of an event, has findings that open and close by themselves.
    #[must_use]
    pub fn answers_events(&self) -> bool {
        matches!(self.on, Some(On::Count { .. } | On::Sequence { .. } | On::All { .. }))
    }

    /// How long after an answer an event that comes again shows that the answer did not help: twice the longest pause that the
    /// policy makes.
    #[must_use]
    pub fn recurs_within(&self) -> Duration {
        let longest = self.then.iter().filter_map(|rung| rung.cooldown).fold(self.cooldown, Duration::max);
        longest.plus(longest)
    }

    /// Every formula of the policy, where it came from its text or its files: `when`, `clear`, filters, guards, parameters.
    pub fn formulas(&self) -> impl Iterator<Item = &Formula> {
        let filters = self.on.iter().flat_map(On::matches).filter_map(|one| one.filter.as_ref());
        let rungs = self.then.iter().flat_map(Rung::formulas);
        self.when.iter().chain(&self.clear).chain(filters).chain(rungs)
    }
}

/// What to make of a condition that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Nothing opens, nothing closes.
    #[default]
    Hold,
    /// Nothing opens; an open finding closes.
    Close,
    /// Nothing opens, nothing closes, and people are told once when it has been unknown for `staleAfter` (from the first
    /// evaluation on).
    Notify,
}

/// The events that a policy answers to.
#[derive(Debug, Clone, PartialEq)]
pub enum On {
    /// `count` matching events within `within` of each other. A single event has the count 1, and `within` plays no part.
    Count {
        /// Which events.
        of: EventMatch,
        /// How many, at least 1.
        count: u32,
        /// The time from the first to the last.
        within: Duration,
    },
    /// One event after the other, in this order; others between them do not matter.
    Sequence {
        /// At least two.
        of: Vec<EventMatch>,
        /// The time from the first to the last.
        within: Duration,
    },
    /// One of each, in any order.
    All {
        /// At least two.
        of: Vec<EventMatch>,
        /// The time from the first to the last.
        within: Duration,
    },
    /// No matching event for so long. Unknown until it was looked for that long.
    Absence {
        /// Which events.
        of: EventMatch,
        /// How long.
        window: Duration,
    },
}

impl On {
    /// What it looks for.
    pub fn matches(&self) -> impl Iterator<Item = &EventMatch> {
        match self {
            Self::Count { of, .. } | Self::Absence { of, .. } => std::slice::from_ref(of),
            Self::Sequence { of, .. } | Self::All { of, .. } => of.as_slice(),
        }
        .iter()
    }
}

/// Which events are meant.
#[derive(Debug, Clone, PartialEq)]
pub struct EventMatch {
    /// Any of these types, at least one.
    pub types: Vec<EventType>,
    /// Those for which this holds; unknown is not enough.
    pub filter: Option<Formula>,
}

/// One response of a policy's ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// Conditions under which it is tried at all, all of them. `if` and `else` become these.
    pub guards: Vec<Guard>,
    /// What to do.
    pub response: Prescription,
    /// How often to try it before the next rung, at least 1.
    pub attempts: u16,
    /// How long after it was first begun it is left, however often it was tried; `None`: when its attempts are used up.
    pub within: Option<Duration>,
    /// The pause after it, whatever came of it, instead of the policy's: how a ladder backs off.
    pub cooldown: Option<Duration>,
    /// What has to come about for it to have helped; `None`: that it was done.
    pub verify: Option<Verify>,
    /// Whether what was done of it is undone when it did not succeed, as far as there is a way back.
    pub compensate: bool,
    /// How long each of its steps may take; `None`: as is usual for what it does.
    pub timeout: Option<Duration>,
    /// How often a step that is known not to be done is tried; `None`: as is usual for what it does.
    pub retry: Option<Retry>,
}

impl Rung {
    /// What a plan for it has to bring about.
    #[must_use]
    pub fn verification(&self) -> Option<Verification> {
        let Verify { that, within, stable_for } = self.verify.as_ref()?;
        Some(Verification { that: that.text.trim().to_owned(), within: *within, stable_for: *stable_for })
    }

    fn formulas(&self) -> impl Iterator<Item = &Formula> {
        let guards = self.guards.iter().map(|guard| &guard.condition);
        guards.chain(self.response.formulas()).chain(self.verify.iter().map(|verify| &verify.that))
    }
}

/// When a response has helped.
#[derive(Debug, Clone, PartialEq)]
pub struct Verify {
    /// What has to be the case; unknown is not enough.
    pub that: Formula,
    /// How long after the last step it has to have come about.
    pub within: Duration,
    /// How long it has to hold without a break; at most `within`.
    pub stable_for: Duration,
}

/// An `if`, or the `else` of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    /// The condition.
    pub condition: Formula,
    /// What it has to be: true for `if`, false for `else`.
    pub wanted: bool,
}

/// A response as a policy has it: fixed, or with parameters that are computed when it is tried.
#[expect(clippy::large_enum_variant, reason = "a policy has some dozens of them at most, and none is moved often")]
#[derive(Debug, Clone, PartialEq)]
pub enum Prescription {
    /// Nothing has to be computed.
    Fixed(Response),
    /// A resize of which some number is a formula.
    Resize {
        /// In cores.
        vcpus: Option<Sizing>,
        /// In bytes.
        memory: Option<Sizing>,
    },
    /// A message with values in it.
    Notify {
        /// How urgent it is.
        severity: Severity,
        /// Its parts, in order.
        message: Vec<Part>,
        /// The channels that are named.
        to: BTreeSet<ChannelName>,
    },
    /// A script of the form of [`crate::Node::Script`] that gives a response, or nothing: `#{resize: #{vcpus: 4}}`, `"restart"`.
    Script(Formula),
}

impl Prescription {
    /// The formulas that it is made of, in the order in which they are written.
    pub fn formulas(&self) -> impl Iterator<Item = &Formula> {
        let formulas: Vec<&Formula> = match self {
            Self::Fixed(_) => Vec::new(),
            Self::Resize { vcpus, memory } => {
                [vcpus, memory].into_iter().flatten().flat_map(Sizing::formulas).collect()
            }
            Self::Notify { message, .. } => message
                .iter()
                .filter_map(|part| match part {
                    Part::Formula(formula) => Some(formula),
                    Part::Text(_) | Part::Resource | Part::Policy => None,
                })
                .collect(),
            Self::Script(formula) => vec![formula],
        };
        formulas.into_iter()
    }
}

impl fmt::Display for Prescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(response) => response.fmt(f),
            Self::Resize { .. } => f.pad("resize"),
            Self::Notify { .. } => f.pad("notify"),
            Self::Script(_) => f.pad("script"),
        }
    }
}

/// How much of something a resource is to have.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizing {
    /// The change.
    pub change: SizingChange,
    /// Not less than that.
    pub min: Option<Figure>,
    /// Not more than that.
    pub max: Option<Figure>,
}

impl Sizing {
    fn formulas(&self) -> impl Iterator<Item = &Formula> {
        let (SizingChange::To(change) | SizingChange::By(change, _) | SizingChange::ByShare(change, _)) = &self.change;
        [Some(change), self.min.as_ref(), self.max.as_ref()].into_iter().flatten().filter_map(|figure| match figure {
            Figure::Number(_) => None,
            Figure::Formula(formula) => Some(formula),
        })
    }
}

/// A change of an amount, in the base unit.
#[derive(Debug, Clone, PartialEq)]
pub enum SizingChange {
    /// To this much.
    To(Figure),
    /// By this much times the sign, 1 or -1.
    By(Figure, f64),
    /// By this share of what it has, times the sign.
    ByShare(Figure, f64),
}

/// A number, or how it is computed.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// As written, in the base unit.
    Number(f64),
    /// To be computed.
    Formula(Formula),
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// As it is.
    Text(String),
    /// `${resource}`: its id.
    Resource,
    /// `${policy}`: the policy's name.
    Policy,
    /// `${avg("cpu.utilization", 5m)}`: a value; `unknown` where it is not known.
    Formula(Formula),
}

/// Which resources a policy watches. All that is said has to be the case.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// Their kind.
    pub kind: Kind,
    /// Their name, without the kind.
    pub name: Option<String>,
    /// Labels that they all carry.
    pub match_labels: BTreeMap<String, String>,
    /// More about labels, as in Kubernetes.
    pub match_expressions: Vec<Requirement>,
    /// A resource that they run on, directly or not, is one of these.
    pub within: Option<Box<Selector>>,
}

/// Something about one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What is asked of it.
    pub operator: Operator,
}

/// What is asked of a label; the meaning is Kubernetes'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// Its value is one of these.
    In(Vec<String>),
    /// Its value is none of these; a missing label is none of them.
    NotIn(Vec<String>),
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl Requirement {
    pub(crate) fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl Selector {
    /// Whether `resource` is one of them.
    #[must_use]
    pub fn matches(&self, resource: &Resource, topology: &Topology) -> bool {
        resource.id.kind() == self.kind.as_str()
            && self.name.as_ref().is_none_or(|name| resource.id.name() == name)
            && self.match_labels.iter().all(|(key, value)| resource.labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.holds(&resource.labels))
            && self.within.as_ref().is_none_or(|within| {
                topology.ancestors(&resource.id).any(|ancestor| within.matches(ancestor, topology))
            })
    }
}

/// An expression as written and as understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    /// As written in the policy, or in the file that it names.
    pub text: String,
    /// As understood.
    pub expr: Expr,
}

impl Formula {
    /// Whether the other is the same but for white space.
    #[must_use]
    pub fn alike(&self, other: &Self) -> bool {
        dense(&self.text) == dense(&other.text)
    }
}

/// The text without the white space that has no meaning: what is not in quotes, nor between two words.
fn dense(text: &str) -> String {
    let mut dense = String::new();
    let (mut quote, mut escaped, mut blank) = (None, false, false);
    for c in text.trim().chars() {
        if quote.is_none() && c.is_whitespace() {
            blank = true;
            continue;
        }
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '"';
        if std::mem::take(&mut blank) && word(c) && dense.chars().next_back().is_some_and(word) {
            dense.push(' ');
        }
        match quote {
            _ if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(closing) if c == closing => quote = None,
            None if matches!(c, '"' | '`' | '\'') => quote = Some(c),
            _ => {}
        }
        dense.push(c);
    }
    dense
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_that_means_nothing_is_passed_over() {
        for (one, other, same) in [
            ("state == \"a\"", " state==\"a\"\n", true),
            ("a && b", "a&&b", true),
            ("\"a b\" == x", "\"ab\" == x", false),
            ("\"a\\\" b\" == x", "\"a\\\"b\" == x", false),
            ("x in y", "xiny", false),
            ("a - b", "a -b", true),
            ("a", "b", false),
        ] {
            assert_eq!(dense(one) == dense(other), same, "{one} and {other}");
        }
    }
}
