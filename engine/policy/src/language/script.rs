//! Rewrites a piece for Rhai: what it reads becomes variables, units become plain numbers, the rest stays as it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    ExprProblem,
    extent::{begins_input, input_end},
    reading::Reader,
    token::{TokenKind, Tokens},
};
use crate::{Input, Script, mistake::Mistake};

/// The script of the tokens `range`; `None` when something is wrong with it, which is added to `problems`.
pub(super) fn rewrite(
    reader: &Reader<'_, '_>,
    range: &Range<usize>,
    problems: &mut Vec<ExprProblem>,
) -> Option<Script> {
    let tokens = reader.tokens;
    let before = problems.len();
    let names = bound_names(tokens, range);
    if let Some(at) =
        range.clone().find(|at| tokens.word(*at).is_some_and(|word| is_variable(word) && names.contains(word)))
    {
        let word = tokens.word(at).unwrap_or_default().to_owned();
        let help = Some("`in0`, `in1`, .. stand for what the script reads: choose another name".into());
        problems.push(ExprProblem { mistake: Mistake::ReservedWord { word, help }, span: tokens.span(&(at..at + 1)) });
    }
    let mut rewriter = Rewriter::new(tokens, range);
    let mut at = range.start;
    while at < range.end {
        let mut end = at + 1;
        match tokens.kind(at) {
            Some(TokenKind::Number { value, literal: true, .. }) => {
                let text = value.to_string();
                // To Rhai, a number with a point is never a whole one, whose division would drop the rest.
                rewriter.replace(at..end, if text.contains('.') { text } else { text + ".0" });
            }
            Some(TokenKind::Word) => match word(tokens, at, &names) {
                Word::Rhai => {}
                Word::Call => problems.extend(reader.check_foreign_call(at).err()),
                Word::Input => {
                    end = input_end(tokens, at);
                    if tokens.is(end, "??") {
                        problems.push(unheeded(tokens.span(&(end..end + 1))));
                    }
                    if let Some((input, _)) = reader.input(&(at..end), problems) {
                        rewriter.read(at..end, input);
                    }
                }
            },
            _ => {}
        }
        at = end;
    }
    if problems.len() == before { Some(rewriter.finish()) } else { None }
}

/// `??` after something that a script reads: it would never come to that.
fn unheeded(span: Range<usize>) -> ExprProblem {
    let help = "a script runs only when all that it reads is known: write `(last(\"m\") ?? 0)` outside of it, or split the condition \
                with `&&`";
    ExprProblem { mistake: Mistake::ReservedWord { word: "??".into(), help: Some(help.into()) }, span }
}

/// What a word of a script is.
enum Word {
    /// A keyword, a field, a local name.
    Rhai,
    /// The name of a function of Rhai's.
    Call,
    /// Something that is read.
    Input,
}

fn word(tokens: &Tokens<'_>, at: usize, names: &BTreeSet<&str>) -> Word {
    let name = tokens.word(at).unwrap_or_default();
    let after = |symbols: &[&str]| at > 0 && symbols.iter().any(|symbol| tokens.is(at - 1, symbol));
    if after(&[".", "?.", "::"]) || is_keyword(name) || names.contains(name) {
        return Word::Rhai;
    }
    // `#{name: ..}`; the other colons of Rhai do not come after a name.
    if tokens.is(at + 1, ":") || tokens.is(at + 1, "::") {
        return Word::Rhai;
    }
    if begins_input(tokens, at) { Word::Input } else { Word::Call }
}

/// Whether it is a name that the rewriting itself uses.
fn is_variable(word: &str) -> bool {
    word.strip_prefix("in").is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()))
}

fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 28] = [
        "true", "false", "let", "const", "if", "else", "switch", "do", "while", "until", "loop", "for", "in",
        "continue", "break", "return", "throw", "try", "catch", "fn", "private", "this", "is", "import", "export",
        "as", "global", "_",
    ];
    KEYWORDS.contains(&word)
}

/// The names that the script itself gives to something; they are none of the resource's.
fn bound_names<'a>(tokens: &Tokens<'a>, range: &Range<usize>) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for at in range.clone() {
        match tokens.kind(at) {
            Some(TokenKind::Word) => match tokens.word(at) {
                Some("let" | "const") => names.extend(tokens.word(at + 1)),
                // `for x in`, `for (x, i) in`, `catch (e)`, `fn f(a, b)`
                Some("for" | "catch") => names.extend(listed(tokens, at + 1)),
                Some("fn") => names.extend(tokens.word(at + 1).into_iter().chain(listed(tokens, at + 2))),
                _ => {}
            },
            Some(TokenKind::Symbol("|")) if !ends_operand(tokens, at) => {
                let words = (at + 1..range.end).take_while(|at| !tokens.is(*at, "|"));
                names.extend(words.filter_map(|at| tokens.word(at)));
            }
            _ => {}
        }
    }
    names
}

/// The word at `at`, or those in the parentheses there.
fn listed<'a>(tokens: &Tokens<'a>, at: usize) -> impl Iterator<Item = &'a str> {
    let words = if tokens.is(at, "(") { at + 1..tokens.partner(at) } else { at..at + 1 };
    words.filter_map(|at| tokens.word(at)).collect::<Vec<_>>().into_iter()
}

/// Whether the token before `at` ends an operand, so that a `|` there is an operator and no closure.
fn ends_operand(tokens: &Tokens<'_>, at: usize) -> bool {
    match at.checked_sub(1).and_then(|before| Some((before, tokens.kind(before)?))) {
        Some((_, TokenKind::Symbol(symbol))) => matches!(*symbol, ")" | "]" | "}"),
        Some((before, TokenKind::Word)) => {
            !tokens.word(before).is_some_and(|word| matches!(word, "return" | "in" | "else"))
        }
        Some((_, TokenKind::Template { closes, .. })) => *closes,
        Some(_) => true,
        None => false,
    }
}

/// Writes the script, keeping track of where everything comes from.
struct Rewriter<'t, 'a> {
    tokens: &'t Tokens<'a>,
    source: String,
    inputs: Vec<Input>,
    /// Where an input stands in that list, by how it is written in full: those that look alike are alike.
    known: BTreeMap<String, usize>,
    origins: Vec<(usize, usize)>,
    /// Up to where the text has been written.
    done: usize,
    end: usize,
}

impl<'t, 'a> Rewriter<'t, 'a> {
    fn new(tokens: &'t Tokens<'a>, range: &Range<usize>) -> Self {
        let Range { start, end } = tokens.span(range);
        Self {
            tokens,
            source: String::new(),
            inputs: Vec::new(),
            known: BTreeMap::new(),
            origins: Vec::new(),
            done: start,
            end,
        }
    }

    fn copy_up_to(&mut self, end: usize) {
        if self.done < end {
            self.origins.push((self.source.len(), self.done));
            self.source.push_str(self.tokens.text.get(self.done..end).unwrap_or_default());
            self.done = end;
        }
    }

    fn replace(&mut self, tokens: Range<usize>, with: String) {
        let span = self.tokens.span(&tokens);
        self.copy_up_to(span.start);
        self.origins.push((self.source.len(), span.start));
        self.source.push_str(&with);
        self.done = span.end;
    }

    fn read(&mut self, tokens: Range<usize>, input: Input) {
        let index = *self.known.entry(input.to_string()).or_insert(self.inputs.len());
        if index == self.inputs.len() {
            self.inputs.push(input);
        }
        self.replace(tokens, format!("in{index}"));
    }

    fn finish(mut self) -> Script {
        if self.done == self.end {
            // After a replacement of another length, the end leads nowhere by itself.
            self.origins.push((self.source.len(), self.end));
        }
        self.copy_up_to(self.end);
        Script { source: self.source, inputs: self.inputs, origins: self.origins }
    }
}
