//! Aggregates: one value of many resources, `children("vm").sum(last("memory.used"))`.
//!
//! What stands in the parentheses is an expression of its own, asked of each member: names mean the member, and it reads
//! nothing but the member, so that each answer can be kept with the resource it is of.

use std::ops::Range;

use homeostat_model::{Kind, Unit, Value};

use super::{
    ExprProblem,
    checker::{Checker, Type},
    extent::{arguments, set_end},
    parser,
    reading::{Reader, Scope, Subject},
    token::TokenKind,
};
use crate::{Aggregate, Expr, Fold, Function, Input, Members, Node, mistake::Mistake, nearest::hint};

/// How a set that begins with this word is asked.
pub(super) fn example(word: &str) -> &'static str {
    if word == "group" { "group(\"tier\").count(state == \"running\")" } else { "children.count(state == \"running\")" }
}

/// The set that is asked, and where.
struct Asked {
    members: Members,
    /// The kind of the members, if they are all of one.
    kind: Option<Kind>,
    /// As written.
    text: String,
}

impl Reader<'_, '_> {
    /// The aggregate `whole`, whose set begins at the first token of `range`; `None` when a problem was added.
    pub(super) fn aggregate(
        &self,
        of: &Subject<'_>,
        range: &Range<usize>,
        whole: &Range<usize>,
        problems: &mut Vec<ExprProblem>,
    ) -> Option<(Input, Type)> {
        let word = self.tokens.word(range.start).unwrap_or_default();
        if self.scope != Scope::Own {
            let help =
                "an aggregate asks each member about itself, not about others: combine two aggregates side by side";
            let mistake = Mistake::NotInAggregate { what: format!("`{word}`"), help };
            problems.push(self.problem(whole, mistake));
            return None;
        }
        let set = set_end(self.tokens, range.start);
        let asked = self.set(of, range.start, whole, set).and_then(|asked| Ok((self.fold(&asked, set, whole)?, asked)));
        let (fold, asked) = asked.map_err(|problem| problems.push(problem)).ok()?;
        let open = set + 2;
        if let Some(problem) = self.not_for_each(&asked, fold, open) {
            problems.push(problem);
            return None;
        }
        let (each, found) = self.each(&asked, fold, open, problems)?;
        let text = self.text(whole).to_owned();
        let found = match fold {
            Fold::Any | Fold::All => Type::Bool,
            Fold::Count => Type::Number(Unit::None),
            Fold::Sum | Fold::Avg | Fold::Min | Fold::Max => found,
        };
        Some((Input::Aggregate(Box::new(Aggregate { members: asked.members, fold, each, text })), found))
    }

    /// `children`, `children("vm")`, `group("tier")`, from the token `at` to `end`.
    fn set(&self, of: &Subject<'_>, at: usize, whole: &Range<usize>, end: usize) -> Result<Asked, ExprProblem> {
        let word = self.tokens.word(at).unwrap_or_default();
        let text = self.text(&(whole.start..end)).to_owned();
        let wrong = |problem, help: &str| {
            let mistake = Mistake::WrongAggregate { set: text.clone(), problem, help: help.into() };
            self.problem(&(whole.start..end), mistake)
        };
        let argument = match self.argument(at + 1) {
            Ok(argument) => argument,
            Err(()) if word == "group" => {
                return Err(wrong("needs a label in double quotes", "write `group(\"tier\")`"));
            }
            Err(()) => {
                let help = "write `children(\"vm\")`, or `children` for those of every kind";
                return Err(wrong("needs a kind in double quotes", help));
            }
        };
        if word == "group" {
            let (None, Some(label)) = (ancestor(of), argument) else {
                let help = "a group is of the policy's own resources: write `group(\"tier\")`";
                return Err(wrong("is no group", help));
            };
            let kind = Kind::new(self.context.kind).ok();
            return Ok(Asked { members: Members::Group { label: label.clone() }, kind, text });
        }
        let kind = argument.map(|name| self.kind(name, at + 2)).transpose()?;
        Ok(Asked { members: Members::Children { of: of.of(), kind: kind.clone() }, kind, text })
    }

    /// The text between the parentheses at `open`, if there are any; an error when there is something else.
    fn argument(&self, open: usize) -> Result<Option<&String>, ()> {
        if !self.tokens.is(open, "(") {
            return Ok(None);
        }
        match (self.tokens.kind(open + 1), self.tokens.partner(open)) {
            (Some(TokenKind::Text(text)), close) if close == open + 2 && !text.is_empty() => Ok(Some(text)),
            _ => Err(()),
        }
    }

    fn kind(&self, name: &str, at: usize) -> Result<Kind, ExprProblem> {
        let kind = Kind::new(name).map_err(|error| {
            let mistake = Mistake::InvalidLiteral { literal: error.text, what: "a kind", help: Some(error.problem) };
            self.problem(&(at..at + 1), mistake)
        })?;
        self.context
            .catalogue
            .check_kind(name)
            .map_err(|help| self.problem(&(at..at + 1), Mistake::UnknownKind { kind: name.into(), help }))?;
        Ok(kind)
    }

    /// What is asked of the set that ends before the token `end`.
    fn fold(&self, asked: &Asked, end: usize, whole: &Range<usize>) -> Result<Fold, ExprProblem> {
        let Some(name) = self.tokens.word(end + 1).filter(|_| self.tokens.is(end, ".")) else {
            let help = format!("ask something of all of them: `{}.count(state == \"running\")`", asked.text);
            let mistake = Mistake::WrongAggregate {
                set: asked.text.clone(),
                problem: "stands for many resources, not for a value",
                help,
            };
            return Err(self.problem(whole, mistake));
        };
        match Fold::named(name) {
            Some(fold) if self.tokens.is(end + 2, "(") => Ok(fold),
            Some(fold) => {
                let set = format!("{}.{name}", asked.text);
                let help = format!("write `{set}({})`", sample(fold));
                let mistake = Mistake::WrongAggregate { set, problem: "does not say what is asked of each", help };
                Err(self.problem(whole, mistake))
            }
            None => {
                let help = hint(name, Fold::ALL.map(Fold::name));
                let mistake = Mistake::UnknownWord { what: "a question to many resources", given: name.into(), help };
                Err(self.problem(&(end + 1..end + 2), mistake))
            }
        }
    }

    /// Recognises what people write first: nothing, or the parameters of a window function.
    fn not_for_each(&self, asked: &Asked, fold: Fold, open: usize) -> Option<ExprProblem> {
        let set = format!("{}.{}", asked.text, fold.name());
        let arguments = arguments(self.tokens, open);
        let Some(first) = arguments.first() else {
            let help = match fold {
                Fold::Count => format!("write `{set}(true)` to count all of them"),
                _ => format!("write `{set}({})`", sample(fold)),
            };
            let mistake = Mistake::WrongAggregate { set, problem: "does not say what is asked of each", help };
            return Some(self.problem(&(open..open + 2), mistake));
        };
        let metric = matches!(self.tokens.kind(first.start), Some(TokenKind::Text(_))) && first.len() == 1;
        if !metric {
            return None;
        }
        let inside = self.text(&(open + 1..self.tokens.partner(open)));
        let function = match fold {
            _ if arguments.len() == 1 => Function::Last,
            Fold::Sum => Function::Sum,
            Fold::Min => Function::Min,
            Fold::Max => Function::Max,
            _ => Function::Avg,
        };
        let call = format!("{}({inside})", function.name());
        let help = match fold.of_truths() {
            true => format!("write `{set}({call} > ..)`"),
            false => format!("write `{set}({call})`"),
        };
        let problem = "is asked an expression for each member, not a metric";
        Some(self.problem(&(open + 1..self.tokens.partner(open)), Mistake::WrongAggregate { set, problem, help }))
    }

    /// What is asked of each member, in the parentheses at `open`.
    fn each(&self, asked: &Asked, fold: Fold, open: usize, problems: &mut Vec<ExprProblem>) -> Option<(Expr, Type)> {
        let inside = open + 1..self.tokens.partner(open);
        let tree = parser::parse(self.tokens, &inside).map_err(|problem| problems.push(problem)).ok()?;
        let scope = Scope::Member(asked.kind.as_ref().map(Kind::as_str));
        let mut checker = Checker::new(self.tokens, self.context, scope);
        let checked = checker.expression(&tree);
        problems.append(&mut checker.problems);
        let (each, found) = checked?;
        let (expected, help) = match (fold.of_truths(), found) {
            (true, Type::Bool | Type::Any) | (false, Type::Number(_)) => return Some((each, found)),
            (false, Type::Any) => return Some((each, Type::Number(Unit::None))),
            (true, _) => ("a truth", Some(format!("compare it: `{}.{}(.. > 85%)`", asked.text, fold.name()))),
            (false, Type::Bool) => {
                ("a number", Some(format!("count for how many it holds: `{}.count(..)`", asked.text)))
            }
            (false, Type::Text) => ("a number", None),
        };
        let operand = format!("what `{}` is asked of each", fold.name());
        let mistake = Mistake::WrongOperand { operand, found: found.described(), expected, help };
        problems.push(ExprProblem { mistake, span: each.span });
        None
    }

    fn text(&self, tokens: &Range<usize>) -> &str {
        self.tokens.text.get(self.tokens.span(tokens)).unwrap_or_default()
    }
}

/// Whether `expr` is the number of something, which has no unit and is no share.
pub(super) fn is_count(expr: &Expr) -> bool {
    match &expr.node {
        Node::Input(Input::Aggregate(aggregate)) => aggregate.fold == Fold::Count,
        Node::Input(Input::Signal(_, signal)) => matches!(signal.function, Function::Count | Function::Changes),
        _ => false,
    }
}

/// Whether `each` asks nothing, which is right where the members themselves are counted.
pub(super) fn asks_for_all(fold: Fold, each: &Expr) -> bool {
    matches!(fold, Fold::Count | Fold::Any) && matches!(each.node, Node::Literal { value: Value::Bool(true), .. })
}

/// Something that can be asked of each.
fn sample(fold: Fold) -> &'static str {
    if fold.of_truths() { "state == \"running\"" } else { "last(\"memory.used\")" }
}

fn ancestor<'s>(of: &'s Subject<'_>) -> Option<&'s Kind> {
    match of {
        Subject::Itself(_) => None,
        Subject::Ancestor(kind) => Some(kind),
    }
}
