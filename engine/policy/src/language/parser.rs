//! Tokens to a tree, by precedence climbing after Vaughan Pratt (Top down operator precedence, 1973).
//!
//! Only the shape is found here; what names mean, and whether types fit, is asked later, so that all of it is reported.

use std::ops::Range;

use super::{
    ExprProblem, MAX_EXPRESSION_DEPTH,
    extent::{begins_input, input_end},
    token::{TokenKind, Tokens},
};
use crate::{Arithmetic, Comparison, mistake::Mistake};

/// A piece of an expression and its tokens.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) form: Form,
    /// Its tokens, with the parentheses around it.
    pub(super) tokens: Range<usize>,
    /// Its tokens without them.
    pub(super) core: Range<usize>,
    depth: usize,
}

impl Tree {
    fn new(form: Form, tokens: Range<usize>, depth: usize) -> Self {
        Self { form, core: tokens.clone(), tokens, depth }
    }
}

/// The forms of a piece.
#[derive(Debug)]
pub(super) enum Form {
    /// A number, a text or a truth: the one token.
    Literal,
    /// A window function or an attribute.
    Input,
    Not(Box<Tree>),
    Negate(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Compare(Comparison, Box<Tree>, Box<Tree>),
    Arithmetic(Arithmetic, Box<Tree>, Box<Tree>),
    /// `a ?? b`
    Otherwise(Box<Tree>, Box<Tree>),
    /// Something that only Rhai understands.
    Script,
}

/// Why a piece could not be read.
enum Stop {
    Problem(ExprProblem),
    /// It is of a form that has no end the parser could find.
    Script,
}

type Parsed = Result<Tree, Stop>;

/// Reads all of `range`: the whole text, or what stands between two brackets.
pub(super) fn parse(tokens: &Tokens<'_>, range: &Range<usize>) -> Result<Tree, ExprProblem> {
    let mut parser = Parser { tokens, at: range.start, range: range.clone() };
    let whole = || Tree::new(Form::Script, range.clone(), 1);
    match parser.expression(0, 0).and_then(|tree| parser.end(tree)) {
        Ok(tree) => Ok(tree),
        Err(Stop::Script) => Ok(whole()),
        Err(Stop::Problem(problem)) => Err(problem),
    }
}

struct Parser<'t, 'a> {
    tokens: &'t Tokens<'a>,
    at: usize,
    range: Range<usize>,
}

/// How an infix operator is understood.
enum Infix {
    And,
    Or,
    Compare(Comparison),
    Arithmetic(Arithmetic),
    Otherwise,
    Script,
}

impl Parser<'_, '_> {
    fn expression(&mut self, power: u8, depth: usize) -> Parsed {
        if depth > MAX_EXPRESSION_DEPTH {
            return Err(self.too_deep(self.at));
        }
        let mut left = self.prefix(depth)?;
        while let Some((operator, left_power, right_power)) = self.infix() {
            if left_power < power {
                break;
            }
            let at = self.at;
            // `!in` are two tokens.
            self.at += if self.tokens.is(at, "!") { 2 } else { 1 };
            let right = self.expression(right_power, depth + 1)?;
            left = join(&operator, left, right);
            if left.depth > MAX_EXPRESSION_DEPTH {
                return Err(self.too_deep(at));
            }
        }
        Ok(left)
    }

    /// The infix operator that comes next, and its powers in Rhai to the left and to the right.
    fn infix(&self) -> Option<(Infix, u8, u8)> {
        let symbol = match self.tokens.kind(self.at)? {
            TokenKind::Symbol(symbol) => *symbol,
            TokenKind::Word if self.tokens.word(self.at) == Some("in") => return Some((Infix::Script, 110, 111)),
            _ => return None,
        };
        let (infix, power) = match symbol {
            "!" if self.tokens.word(self.at + 1) == Some("in") => (Infix::Script, 110),
            "||" => (Infix::Or, 30),
            "|" | "^" => (Infix::Script, 30),
            "&&" => (Infix::And, 60),
            "&" => (Infix::Script, 60),
            "==" => (Infix::Compare(Comparison::Equal), 90),
            "!=" => (Infix::Compare(Comparison::NotEqual), 90),
            "<" => (Infix::Compare(Comparison::Less), 130),
            "<=" => (Infix::Compare(Comparison::LessOrEqual), 130),
            ">" => (Infix::Compare(Comparison::Greater), 130),
            ">=" => (Infix::Compare(Comparison::GreaterOrEqual), 130),
            "??" => (Infix::Otherwise, 135),
            ".." | "..=" => (Infix::Script, 140),
            "+" => (Infix::Arithmetic(Arithmetic::Add), 150),
            "-" => (Infix::Arithmetic(Arithmetic::Subtract), 150),
            "*" => (Infix::Arithmetic(Arithmetic::Multiply), 180),
            "/" => (Infix::Arithmetic(Arithmetic::Divide), 180),
            "%" => (Infix::Script, 180),
            "**" => return Some((Infix::Script, 190, 190)),
            "<<" | ">>" => (Infix::Script, 210),
            _ => return None,
        };
        Some((infix, power, power + 1))
    }

    fn prefix(&mut self, depth: usize) -> Parsed {
        let start = self.at;
        let operator = match self.tokens.kind(start) {
            Some(TokenKind::Symbol("!")) => Form::Not,
            Some(TokenKind::Symbol("-")) => Form::Negate,
            _ => return self.operand(depth),
        };
        self.at += 1;
        // A prefix binds tighter than any infix operator.
        let inner = self.expression(u8::MAX, depth + 1)?;
        if inner.depth >= MAX_EXPRESSION_DEPTH {
            return Err(self.too_deep(start));
        }
        let depth = inner.depth + 1;
        Ok(Tree::new(operator(Box::new(inner)), start..self.at, depth))
    }

    /// An operand with everything that is called on it.
    fn operand(&mut self, depth: usize) -> Parsed {
        let start = self.at;
        let mut tree = self.primary(depth)?;
        while self.postfix() {
            tree = Tree::new(Form::Script, start..self.at, 1);
        }
        Ok(tree)
    }

    /// Goes over `.name`, `(..)` and `[..]`; false when there is none.
    fn postfix(&mut self) -> bool {
        match self.tokens.kind(self.at) {
            Some(TokenKind::Symbol("." | "?.")) if self.tokens.word(self.at + 1).is_some() => self.at += 2,
            Some(TokenKind::Symbol("(" | "[" | "?[")) => self.at = self.tokens.partner(self.at) + 1,
            _ => return false,
        }
        true
    }

    fn primary(&mut self, depth: usize) -> Parsed {
        let start = self.at;
        let form = match self.tokens.kind(start) {
            Some(TokenKind::Number { .. } | TokenKind::Text(_)) => Form::Literal,
            Some(TokenKind::Foreign) => Form::Script,
            Some(TokenKind::Template { .. }) => {
                self.skip_template();
                return Ok(self.leaf(Form::Script, start));
            }
            Some(TokenKind::Symbol("(")) => return self.group(depth),
            Some(TokenKind::Symbol("[" | "#{")) => {
                self.at = self.tokens.partner(start) + 1;
                return Ok(self.leaf(Form::Script, start));
            }
            Some(TokenKind::Symbol("{" | "|" | "||")) => return Err(Stop::Script),
            Some(TokenKind::Word) => return self.word(start),
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok(self.leaf(form, start))
    }

    fn word(&mut self, start: usize) -> Parsed {
        let word = self.tokens.word(start).unwrap_or_default();
        if is_statement(word) {
            return Err(Stop::Script);
        }
        if word == "not" || word == "and" || word == "or" {
            return Err(self.unexpected("a value"));
        }
        let form = if word == "true" || word == "false" {
            self.at += 1;
            Form::Literal
        } else if begins_input(self.tokens, start) {
            self.at = input_end(self.tokens, start);
            if word == "this" { Form::Script } else { Form::Input }
        } else {
            self.at = self.tokens.partner(start + 1) + 1;
            Form::Script
        };
        Ok(self.leaf(form, start))
    }

    /// `( .. )`
    fn group(&mut self, depth: usize) -> Parsed {
        let start = self.at;
        let end = self.tokens.partner(start);
        self.at += 1;
        match self.expression(0, depth + 1) {
            Ok(_) if self.at != end => Err(self.unexpected("`)`")),
            Ok(mut tree) => {
                self.at = end + 1;
                tree.tokens = start..self.at;
                Ok(tree)
            }
            // The parentheses delimit what the parser cannot.
            Err(Stop::Script) => {
                self.at = end + 1;
                Ok(self.leaf(Form::Script, start))
            }
            Err(problem) => Err(problem),
        }
    }

    fn skip_template(&mut self) {
        while let Some(TokenKind::Template { closes: false, .. }) = self.tokens.kind(self.at) {
            self.at = self.tokens.partner(self.at);
        }
        self.at += 1;
    }

    fn leaf(&self, form: Form, start: usize) -> Tree {
        Tree::new(form, start..self.at, 1)
    }

    fn end(&self, tree: Tree) -> Parsed {
        if self.at >= self.range.end {
            return Ok(tree);
        }
        let statements = self.range.clone().any(|at| {
            self.tokens.is(at, ";") || self.tokens.word(at).is_some_and(|word| word == "let" || word == "const")
        });
        if statements { Err(Stop::Script) } else { Err(self.unexpected("an operator")) }
    }

    fn unexpected(&self, expected: &'static str) -> Stop {
        let span = self.tokens.span(&(self.at..(self.at + 1).min(self.tokens.len())));
        let written = self.tokens.text.get(span.clone()).unwrap_or_default();
        let found = if written.is_empty() { "the end".into() } else { format!("`{written}`") };
        let help = match written {
            "=" => Some("compare with `==`"),
            "and" => Some("write `&&`"),
            "or" => Some("write `||`"),
            "not" => Some("write `!`"),
            "%" => Some("`%` is a unit only directly after a number: 85%"),
            _ => None,
        };
        let mistake = Mistake::ExpressionSyntax { expected, found, help: help.map(Into::into) };
        Stop::Problem(ExprProblem { mistake, span })
    }

    fn too_deep(&self, at: usize) -> Stop {
        let mistake = Mistake::ExpressionTooDeep { limit: MAX_EXPRESSION_DEPTH };
        Stop::Problem(ExprProblem { mistake, span: self.tokens.span(&(at..at + 1)) })
    }
}

/// Words that begin what only Rhai can parse.
fn is_statement(word: &str) -> bool {
    matches!(
        word,
        "if" | "switch"
            | "let"
            | "const"
            | "while"
            | "loop"
            | "for"
            | "do"
            | "fn"
            | "return"
            | "throw"
            | "try"
            | "private"
    )
}

fn join(operator: &Infix, left: Tree, right: Tree) -> Tree {
    let tokens = left.tokens.start..right.tokens.end;
    let depth = left.depth.max(right.depth) + 1;
    let form = match operator {
        Infix::Script => return Tree::new(Form::Script, tokens, 1),
        Infix::Compare(comparison) => Form::Compare(*comparison, Box::new(left), Box::new(right)),
        Infix::Arithmetic(arithmetic) => Form::Arithmetic(*arithmetic, Box::new(left), Box::new(right)),
        Infix::Otherwise => Form::Otherwise(Box::new(left), Box::new(right)),
        Infix::And => return chain(left, right, tokens, true),
        Infix::Or => return chain(left, right, tokens, false),
    };
    Tree::new(form, tokens, depth)
}

/// `a && b && c` is one piece of three, however it was put into parentheses.
fn chain(left: Tree, right: Tree, tokens: Range<usize>, and: bool) -> Tree {
    let mut operands = Vec::new();
    for tree in [left, right] {
        match tree.form {
            Form::And(inner) if and => operands.extend(inner),
            Form::Or(inner) if !and => operands.extend(inner),
            form => operands.push(Tree { form, ..tree }),
        }
    }
    let depth = operands.iter().map(|tree| tree.depth).max().unwrap_or(0) + 1;
    Tree::new(if and { Form::And(operands) } else { Form::Or(operands) }, tokens, depth)
}
