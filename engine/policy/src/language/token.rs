//! Tokens, and the brackets among them.

use std::ops::Range;

use homeostat_model::Unit;

use super::{ExprProblem, MAX_EXPRESSION_DEPTH};
use crate::mistake::Mistake;

/// A token and its bytes in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

/// The sorts of tokens. Comments and white space are none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// A number in its base unit; `literal` when a unit is written at it, which Rhai does not know.
    Number {
        value: f64,
        unit: Unit,
        literal: bool,
    },
    /// `"..."`, with its escapes replaced.
    Text(String),
    /// Between two backticks, or a part of it around `${..}`.
    Template {
        opens: bool,
        closes: bool,
    },
    /// `'x'` and `#"..."#`, which mean something to Rhai only.
    Foreign,
    /// A name or a keyword.
    Word,
    Symbol(&'static str),
}

/// The tokens of a text, with the partner of every bracket.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    pub(super) text: &'a str,
    list: Vec<Token>,
    partners: Vec<usize>,
}

impl<'a> Tokens<'a> {
    /// Finds the partners of the brackets.
    pub(super) fn new(text: &'a str, list: Vec<Token>) -> Result<Self, ExprProblem> {
        let mut partners: Vec<usize> = (0..list.len()).collect();
        let mut open: Vec<(usize, &'static str)> = Vec::new();
        for (index, token) in list.iter().enumerate() {
            if let Some(closing) = closes(&token.kind) {
                match open.pop() {
                    Some((start, wanted)) if wanted == closing => {
                        pair(&mut partners, start, index);
                    }
                    Some((_, wanted)) => return Err(missing(wanted, text, token)),
                    None => return Err(missing("an opening bracket", text, token)),
                }
            }
            if let Some(closing) = opens(&token.kind) {
                open.push((index, closing));
            }
            if open.len() > MAX_EXPRESSION_DEPTH {
                let mistake = Mistake::ExpressionTooDeep { limit: MAX_EXPRESSION_DEPTH };
                return Err(ExprProblem { mistake, span: token.span.clone() });
            }
        }
        match open.pop().and_then(|(index, closing)| Some((list.get(index)?, closing))) {
            Some((token, closing)) => {
                let mistake = Mistake::Unterminated { what: "bracket", closing };
                Err(ExprProblem { mistake, span: token.span.clone() })
            }
            None => Ok(Self { text, list, partners }),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Token> {
        self.list.get(index)
    }

    /// The kind of the token at `index`.
    pub(super) fn kind(&self, index: usize) -> Option<&TokenKind> {
        self.list.get(index).map(|token| &token.kind)
    }

    /// Whether the token at `index` is `symbol`.
    pub(super) fn is(&self, index: usize, symbol: &str) -> bool {
        matches!(self.kind(index), Some(TokenKind::Symbol(found)) if *found == symbol)
    }

    /// The word at `index`, if there is one.
    pub(super) fn word(&self, index: usize) -> Option<&'a str> {
        let token = self.list.get(index)?;
        if token.kind == TokenKind::Word { self.text.get(token.span.clone()) } else { None }
    }

    /// The index of the bracket that belongs to the one at `index`; of any other token, its own.
    pub(super) fn partner(&self, index: usize) -> usize {
        self.partners.get(index).copied().unwrap_or(index)
    }

    /// The bytes of the tokens `range`.
    pub(super) fn span(&self, range: &Range<usize>) -> Range<usize> {
        let behind = || self.text.trim_end().len();
        let start = self.get(range.start).map_or_else(behind, |token| token.span.start);
        let last = range.end.checked_sub(1).filter(|last| *last >= range.start);
        start..last.and_then(|last| self.get(last)).map_or(start, |token| token.span.end)
    }
}

fn pair(partners: &mut [usize], start: usize, end: usize) {
    if let Some(partner) = partners.get_mut(start) {
        *partner = end;
    }
    if let Some(partner) = partners.get_mut(end) {
        *partner = start;
    }
}

/// What has to close it, if it opens something.
fn opens(kind: &TokenKind) -> Option<&'static str> {
    match kind {
        TokenKind::Symbol("(") => Some(")"),
        TokenKind::Symbol("[" | "?[") => Some("]"),
        TokenKind::Symbol("{" | "#{") => Some("}"),
        TokenKind::Template { closes: false, .. } => Some("`"),
        _ => None,
    }
}

/// What it closes, if it closes something.
fn closes(kind: &TokenKind) -> Option<&'static str> {
    match kind {
        TokenKind::Symbol(symbol @ (")" | "]" | "}")) => Some(symbol),
        TokenKind::Template { opens: false, .. } => Some("`"),
        _ => None,
    }
}

fn missing(expected: &'static str, text: &str, token: &Token) -> ExprProblem {
    let found = format!("`{}`", text.get(token.span.clone()).unwrap_or_default());
    ExprProblem { mistake: Mistake::ExpressionSyntax { expected, found, help: None }, span: token.span.clone() }
}
