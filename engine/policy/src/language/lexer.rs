//! Text to tokens: Rhai's, plus numbers with units.

use std::ops::Range;

use homeostat_model::{Quantity, Unit};

use super::{
    ExprProblem,
    token::{Token, TokenKind, Tokens},
};
use crate::mistake::Mistake;

/// Rhai's symbols, longer ones before those they begin with.
const SYMBOLS: [&str; 54] = [
    "**=", "<<=", ">>=", "..=", "...", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "**", "..", "?.", "?[", "??",
    "=>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "::", "#{", "(", ")", "[", "]", "{", "}", "+", "-", "*", "/",
    "%", "<", ">", "=", "!", "&", "|", "^", ",", ";", ":", ".", "?", "~", "@",
];

/// Cuts `text` into tokens.
pub(super) fn tokens(text: &str) -> Result<Tokens<'_>, ExprProblem> {
    let mut lexer = Lexer { text, position: 0, tokens: Vec::new(), braces: Vec::new() };
    while lexer.skip_blanks()? {
        let start = lexer.position;
        let kind = lexer.token()?;
        lexer.tokens.push(Token { kind, span: start..lexer.position });
    }
    Tokens::new(text, lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    position: usize,
    tokens: Vec<Token>,
    /// The open braces; true for those of a `${` in a template.
    braces: Vec<bool>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        Some(c)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.get(..rest.find(|c| !wanted(c)).unwrap_or(rest.len())).unwrap_or_default();
        self.position += taken.len();
        taken
    }

    /// Passes over white space and comments; false at the end.
    fn skip_blanks(&mut self) -> Result<bool, ExprProblem> {
        loop {
            self.take_while(char::is_whitespace);
            if self.rest().starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                self.block_comment()?;
            } else {
                return Ok(!self.rest().is_empty());
            }
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) -> Result<(), ExprProblem> {
        let start = self.position;
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.position += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.position += 2;
            } else if self.advance().is_none() {
                return Err(unterminated("comment", "*/", start..start + 2));
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<TokenKind, ExprProblem> {
        match self.peek() {
            Some(c) if c.is_ascii_digit() => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                self.take_while(is_name);
                Ok(TokenKind::Word)
            }
            Some('"') => self.string(),
            Some('\'') => self.character(),
            Some('`') => {
                self.advance();
                self.template(true)
            }
            Some('#') if self.rest().trim_start_matches('#').starts_with('"') => self.raw_string(),
            _ => self.symbol(),
        }
    }

    fn symbol(&mut self) -> Result<TokenKind, ExprProblem> {
        let rest = self.rest();
        let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) else {
            let start = self.position;
            let literal: String = self.advance().into_iter().collect();
            let help = Some("expressions are written in ASCII; other characters are allowed in quotes".into());
            let mistake = Mistake::InvalidLiteral { literal, what: "part of the language", help };
            return Err(ExprProblem { mistake, span: start..self.position });
        };
        self.position += symbol.len();
        match *symbol {
            "{" | "#{" => self.braces.push(false),
            "}" if self.braces.pop() == Some(true) => return self.template(false),
            _ => {}
        }
        Ok(TokenKind::Symbol(symbol))
    }

    /// A number, with its unit if one is written at it.
    fn number(&mut self) -> Result<TokenKind, ExprProblem> {
        let start = self.position;
        if let Some(radix) = radix(self.rest()) {
            self.position += 2;
            let digits = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').replace('_', "");
            let value = i64::from_str_radix(&digits, radix).map_err(|_| self.bad_number(start))?;
            // Exact up to 2^53, as with every other number.
            let value: f64 = value.to_string().parse().map_err(|_| self.bad_number(start))?;
            return Ok(TokenKind::Number { value, unit: Unit::None, literal: false });
        }
        self.take_while(is_digit);
        self.fraction();
        self.exponent();
        let number = self.position;
        self.unit_suffix();
        let text = self.text.get(start..self.position).unwrap_or_default();
        if number == self.position {
            let value = text.replace('_', "").parse::<f64>().ok().filter(|value| value.is_finite());
            let value = value.ok_or_else(|| self.bad_number(start))?;
            return Ok(TokenKind::Number { value, unit: Unit::None, literal: false });
        }
        let quantity = text.parse::<Quantity>().ok().filter(|quantity| quantity.number.is_finite());
        let quantity = quantity.ok_or_else(|| self.bad_number(start))?;
        Ok(TokenKind::Number { value: quantity.number, unit: quantity.unit, literal: true })
    }

    /// `.5`, but neither `..` nor the call of a method.
    fn fraction(&mut self) {
        let mut after = self.rest().chars();
        if after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
            self.position += 1;
            self.take_while(is_digit);
        }
    }

    /// `e3`, `E-3`; else the letter begins a unit.
    fn exponent(&mut self) {
        let rest = self.rest();
        let Some(sign) = rest.strip_prefix(['e', 'E']) else { return };
        let digits = sign.strip_prefix(['+', '-']).unwrap_or(sign);
        if digits.starts_with(|c: char| c.is_ascii_digit()) {
            self.position += rest.len() - digits.len();
            self.take_while(is_digit);
        }
    }

    /// `%`, or letters; a duration goes on with digits (`1h30m`).
    fn unit_suffix(&mut self) {
        if self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.take_while(|c| c.is_ascii_alphanumeric());
        } else if let Some(after) = self.rest().strip_prefix('%')
            && !begins_operand(after)
        {
            self.position += 1;
        }
    }

    fn bad_number(&self, start: usize) -> ExprProblem {
        let literal = self.text.get(start..self.position).unwrap_or_default().to_owned();
        let help = Some("units are %, Ki Mi Gi Ti, k M G T, W kW MW, and d h m s ms: 85%, 500Mi, 10kW, 5m".into());
        ExprProblem { mistake: Mistake::InvalidLiteral { literal, what: "a number", help }, span: start..self.position }
    }

    fn string(&mut self) -> Result<TokenKind, ExprProblem> {
        let start = self.position;
        self.advance();
        let mut text = String::new();
        loop {
            let at = self.position;
            match self.advance() {
                // A doubled quote is a quote.
                Some('"') if self.peek() == Some('"') => {
                    self.advance();
                    text.push('"');
                }
                Some('"') => return Ok(TokenKind::Text(text)),
                Some('\\') => self.escape(at, &mut text)?,
                None | Some('\n') => return Err(unterminated("text", "\"", start..start + 1)),
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self, start: usize, text: &mut String) -> Result<(), ExprProblem> {
        let escaped = self.advance();
        let digits = match escaped {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        let c = match escaped {
            Some('t') => Some('\t'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some(c @ ('"' | '\\' | '`' | '\'')) => Some(c),
            Some('\n') => {
                self.take_while(char::is_whitespace);
                return Ok(());
            }
            _ if digits > 0 => {
                let code = self.rest().get(..digits).and_then(|code| u32::from_str_radix(code, 16).ok());
                self.position += code.map_or(0, |_| digits);
                code.and_then(char::from_u32)
            }
            _ => None,
        };
        if let Some(c) = c {
            text.push(c);
            return Ok(());
        }
        let literal = self.text.get(start..self.position).unwrap_or_default().to_owned();
        let help = Some("write a backslash as `\\\\`; \\t, \\n, \\r, \\\", \\xHH and \\uHHHH are known".into());
        let mistake = Mistake::InvalidLiteral { literal, what: "an escape", help };
        Err(ExprProblem { mistake, span: start..self.position })
    }

    /// Rhai's single character; longer ones are texts in the wrong quotes.
    fn character(&mut self) -> Result<TokenKind, ExprProblem> {
        let start = self.position;
        self.advance();
        let mut count = 0;
        loop {
            match self.advance() {
                Some('\'') => break,
                Some('\\') => {
                    self.advance();
                    self.take_while(|c| c.is_ascii_hexdigit());
                    count += 1;
                }
                None | Some('\n') => return Err(unterminated("character", "'", start..start + 1)),
                Some(_) => count += 1,
            }
        }
        if count == 1 {
            return Ok(TokenKind::Foreign);
        }
        let literal = self.text.get(start..self.position).unwrap_or_default().to_owned();
        let help = Some(format!("write texts in double quotes: \"{}\"", literal.trim_matches('\'')));
        let mistake = Mistake::InvalidLiteral { literal, what: "a single character", help };
        Err(ExprProblem { mistake, span: start..self.position })
    }

    /// `#"..."#`, with as many `#` at the end as at the start.
    fn raw_string(&mut self) -> Result<TokenKind, ExprProblem> {
        let start = self.position;
        let hashes = self.take_while(|c| c == '#');
        let closing = format!("\"{hashes}");
        self.advance();
        match self.rest().find(&closing) {
            Some(end) => {
                self.position += end + closing.len();
                Ok(TokenKind::Foreign)
            }
            None => Err(unterminated("text", "\"#", start..start + 1)),
        }
    }

    /// The text of a template up to the next `${` or its end.
    fn template(&mut self, opens: bool) -> Result<TokenKind, ExprProblem> {
        let start = self.position;
        loop {
            match self.advance() {
                // A doubled backtick is a backtick.
                Some('`') if self.peek() == Some('`') => {
                    self.advance();
                }
                Some('`') => return Ok(TokenKind::Template { opens, closes: true }),
                Some('$') if self.peek() == Some('{') => {
                    self.advance();
                    self.braces.push(true);
                    return Ok(TokenKind::Template { opens, closes: false });
                }
                Some(_) => {}
                None => return Err(unterminated("text", "`", start.saturating_sub(1)..start)),
            }
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || c == '_'
}

fn radix(text: &str) -> Option<u32> {
    match text.get(..2)? {
        "0x" | "0X" => Some(16),
        "0o" | "0O" => Some(8),
        "0b" | "0B" => Some(2),
        _ => None,
    }
}

/// Whether what follows a `%` makes it a modulo: something it could divide by.
fn begins_operand(after: &str) -> bool {
    let after = after.trim_start();
    let word = after.get(..after.find(|c| !is_name(c)).unwrap_or(after.len())).unwrap_or_default();
    // `85% in [..]` and the like go on with an operator.
    let operator = ["in", "else"].contains(&word);
    !operator && after.starts_with(|c: char| is_name(c) || matches!(c, '"' | '\'' | '`' | '(' | '[' | '#'))
}

fn unterminated(what: &'static str, closing: &'static str, span: Range<usize>) -> ExprProblem {
    ExprProblem { mistake: Mistake::Unterminated { what, closing }, span }
}
