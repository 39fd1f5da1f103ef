//! What an expression reads: of whom, and which attribute, checked against what exists.

use std::ops::Range;

use homeostat_model::{Kind, Unit};

use super::{
    ExprContext, ExprProblem,
    checker::Type,
    extent::{ANCESTORS, RESERVED, SETS, function, is_signal_call},
    token::{TokenKind, Tokens},
};
use crate::{
    Attribute, Clock, Function, Input, Of,
    mistake::Mistake,
    nearest::{hint, nearest},
};

/// Names that are there for every kind.
const COMMON: [&str; 4] = ["name", "kind", "labels", "capacity"];

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope<'t> {
    /// It is asked of the policy's resource.
    Own,
    /// It is asked of each member of an aggregate; of this kind, or of any.
    Member(Option<&'t str>),
}

/// Whose name it is.
#[derive(Debug, Clone)]
pub(super) enum Subject<'t> {
    /// The resource that the expression is asked of.
    Itself(Option<&'t str>),
    /// What that runs on.
    Ancestor(Kind),
}

impl Subject<'_> {
    pub(super) fn of(&self) -> Of {
        match self {
            Self::Itself(_) => Of::Itself,
            Self::Ancestor(kind) => Of::Ancestor(kind.clone()),
        }
    }

    /// The kind it is of; `None` when it can be any.
    pub(super) fn kind(&self) -> Option<&str> {
        match self {
            Self::Itself(kind) => *kind,
            Self::Ancestor(kind) => Some(kind.as_str()),
        }
    }

    pub(super) fn described(&self) -> &str {
        self.kind().unwrap_or("resource")
    }
}

/// Resolves inputs and collects what is wrong with them.
#[derive(Clone, Copy)]
pub(super) struct Reader<'t, 'a> {
    pub(super) tokens: &'t Tokens<'a>,
    pub(super) context: &'t ExprContext<'t>,
    pub(super) scope: Scope<'t>,
}

impl<'t, 'a> Reader<'t, 'a> {
    pub(super) fn new(tokens: &'t Tokens<'a>, context: &'t ExprContext<'t>, scope: Scope<'t>) -> Self {
        Self { tokens, context, scope }
    }

    /// What the tokens `range` (up to [`super::extent::input_end`]) stand for; `None` when a problem was added.
    pub(super) fn input(&self, range: &Range<usize>, problems: &mut Vec<ExprProblem>) -> Option<(Input, Type)> {
        let (subject, at) = match self.subject(range) {
            Ok(found) => found,
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        };
        let word = self.tokens.word(at).unwrap_or_default();
        if SETS.contains(&word) {
            return self.aggregate(&subject, &(at..range.end), range, problems);
        }
        let called = self.tokens.is(at + 1, "(");
        let found = match function(word) {
            Some(function) if called && (at > range.start || is_signal_call(self.tokens, at)) => {
                self.signal(function, &subject, at + 1)
            }
            None if called => Err(self.unknown_call(word, at)),
            _ => self.attribute(&subject, &(at..range.end)).map_err(|mistake| self.problem(range, mistake)),
        };
        let (input, found) = found.map_err(|problem| problems.push(problem)).ok()?;
        if input == Input::Clock(Clock::Weekday) {
            let before = problems.len();
            self.check_days(range, problems);
            return (problems.len() == before).then_some((input, found));
        }
        Some((input, found))
    }

    /// Whose name it is, and the token after that: `host.` says it, and nothing means the resource itself.
    fn subject(&self, range: &Range<usize>) -> Result<(Subject<'t>, usize), ExprProblem> {
        let start = range.start;
        let word = self.tokens.word(start).unwrap_or_default();
        if !ANCESTORS.contains(&word) || range.len() < 3 {
            let kind = match self.scope {
                Scope::Own => Some(self.context.kind),
                Scope::Member(kind) => kind,
            };
            return Ok((Subject::Itself(kind), start));
        }
        if self.scope != Scope::Own {
            let what = format!("`{word}.`, which is about what a resource runs on,");
            let help = "an aggregate asks each member about itself; compare with the others outside of it";
            return Err(self.problem(range, Mistake::NotInAggregate { what, help }));
        }
        let span = start..start + 1;
        if word == self.context.kind {
            return Err(self.problem(&span, Mistake::RelativeToItself { kind: word.into() }));
        }
        let kind = Kind::new(word).ok();
        match (self.context.catalogue.check_kind(word), kind) {
            (Ok(()), Some(kind)) => Ok((Subject::Ancestor(kind), start + 2)),
            (Err(help), _) => Err(self.problem(&span, Mistake::UnknownKind { kind: word.into(), help })),
            (Ok(()), None) => Err(self.problem(&span, alone(word))),
        }
    }

    /// Checks a call that is not a window function's.
    pub(super) fn check_foreign_call(&self, at: usize) -> Result<(), ExprProblem> {
        let name = self.tokens.word(at).unwrap_or_default();
        let span = at..at + 1;
        if RESERVED.contains(&name) {
            return Err(self.problem(&span, alone(name)));
        }
        // Rhai has short names as well (`sin`); ours begin with a metric in quotes.
        if !matches!(self.tokens.kind(at + 2), Some(TokenKind::Text(_))) {
            return Ok(());
        }
        let near = nearest(name, Function::NAMES.into_iter().chain(SETS))
            .filter(|near| strsim::osa_distance(&name.to_lowercase(), near) <= 1);
        near.map_or(Ok(()), |near| Err(self.problem(&span, Mistake::UnknownFunction { name: name.into(), near })))
    }

    /// A call after `host.` that is no window function's.
    fn unknown_call(&self, name: &str, at: usize) -> ExprProblem {
        let span = at..at + 1;
        if let Some(near) = nearest(name, Function::NAMES) {
            return self.problem(&span, Mistake::UnknownFunction { name: name.into(), near });
        }
        let help = hint(name, Function::NAMES);
        self.problem(&span, Mistake::UnknownWord { what: "a window function", given: name.into(), help })
    }

    fn attribute(&self, of: &Subject<'_>, range: &Range<usize>) -> Result<(Input, Type), Mistake> {
        let root = self.tokens.word(range.start).unwrap_or_default();
        let part = match self.tokens.kind(range.start + 2) {
            _ if range.len() == 1 => None,
            Some(TokenKind::Text(text)) => Some(text.clone()),
            _ => {
                let words: Vec<&str> =
                    (range.start + 2..range.end).step_by(2).filter_map(|at| self.tokens.word(at)).collect();
                Some(words.join(".")).filter(|words| !words.is_empty())
            }
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
                let (attribute, kind) = (format!("capacity.{part}"), of.described().into());
                let help = hint(&attribute, ["capacity.vcpus", "capacity.memory"]);
                return Err(Mistake::UnknownAttribute { attribute, kind, help });
            }
            ("event", part) => (self.event(of, part)?, Type::Any),
            ("time", part) => return self.clock(part.as_deref()),
            ("labels", None) => return Err(reserved(root, "read one label: labels.tier, or labels[\"app/name\"]")),
            ("capacity", None) => return Err(reserved(root, "read capacity.vcpus or capacity.memory")),
            (name, _) if RESERVED.contains(&name) => return Err(alone(name)),
            (name, _) => {
                self.check_attribute(of, name)?;
                (Attribute::Resource(name.into()), Type::Any)
            }
        };
        Ok((Input::Attribute(of.of(), attribute), found))
    }

    fn check_attribute(&self, of: &Subject<'_>, name: &str) -> Result<(), Mistake> {
        let catalogue = self.context.catalogue;
        let known = match of.kind() {
            Some(kind) => catalogue.check_attribute(kind, name, &COMMON),
            None => catalogue.check_attribute_of_any(name, &COMMON),
        };
        known.map_err(|help| {
            // Something that begins with one of our own words, misspelt.
            let own = matches!(of, Subject::Itself(_)).then(|| nearest(name, RESERVED)).flatten();
            let help = own.map(|near| format!("did you mean `{near}`?")).or(help);
            let (attribute, kind) = (name.into(), of.described().into());
            Mistake::UnknownAttribute { attribute, kind, help }
        })
    }

    fn event(&self, of: &Subject<'_>, detail: Option<String>) -> Result<Attribute, Mistake> {
        if let Subject::Ancestor(kind) = of {
            let help = format!("an event is the policy's own: leave `{kind}.` out");
            return Err(reserved("event", &help));
        }
        if self.scope != Scope::Own {
            let help = "an event is the policy's own: compare it outside of the aggregate";
            return Err(Mistake::NotInAggregate { what: "`event`".into(), help });
        }
        match detail {
            Some(detail) if self.context.event => Ok(Attribute::Event(detail)),
            Some(detail) => Err(Mistake::EventWithoutOn { attribute: format!("event.{detail}") }),
            None => Err(reserved("event", "read one detail of the event: event.reason")),
        }
    }

    pub(super) fn problem(&self, tokens: &Range<usize>, mistake: Mistake) -> ExprProblem {
        ExprProblem { mistake, span: self.tokens.span(tokens) }
    }
}

fn reserved(word: &str, help: &str) -> Mistake {
    Mistake::ReservedWord { word: word.into(), help: Some(help.into()) }
}

/// What to write instead of a reserved word that stands alone.
pub(super) fn alone(word: &str) -> Mistake {
    let help = match word {
        "time" => "read time.ofDay (`time.ofDay >= 22h`) or time.weekday (`time.weekday == \"sunday\"`)".into(),
        "children" | "group" => format!("ask something of all of them: `{}`", super::aggregate::example(word)),
        _ => format!(
            "read something of the {word}: `{word}.avg(\"power.watts\", 5m)`, `{word}.name`, `{word}.labels.zone`"
        ),
    };
    reserved(word, &help)
}
