//! Lines and columns in a body.

use serde::Serialize;

/// A character of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// Its number in that line, from 1.
    pub(crate) column: usize,
}

/// Finds places in a body, and goes on from the last one: asked in the order of the body, all of them together cost one
/// look at it, however many bad alerts there are.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    body: &'a str,
    byte: usize,
    last: Place,
}

impl<'a> Places<'a> {
    pub(crate) fn new(body: &'a str) -> Self {
        Self { body, byte: 0, last: Place { line: 1, column: 1 } }
    }

    /// What the places are in.
    pub(crate) fn body(&self) -> &'a str {
        self.body
    }

    /// The place of a byte.
    pub(crate) fn of(&mut self, byte: usize) -> Place {
        let byte = self.body.floor_char_boundary(byte);
        if byte < self.byte {
            *self = Self::new(self.body);
        }
        let passed = self.body.get(self.byte..byte).unwrap_or_default();
        self.last = match passed.rsplit_once('\n') {
            None => Place { column: self.last.column + passed.chars().count(), ..self.last },
            Some((before, line)) => {
                Place { line: self.last.line + before.matches('\n').count() + 1, column: line.chars().count() + 1 }
            }
        };
        self.byte = byte;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_in_whatever_order_it_is_asked_for() {
        let body = "ab\n\nü😀d\ne";
        let counted = |byte: usize| {
            let before = &body[..body.floor_char_boundary(byte)];
            let line = before.rsplit('\n').next().unwrap();
            Place { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
        };
        for first in 0..=body.len() + 1 {
            for second in 0..=body.len() + 1 {
                let mut places = Places::new(body);
                assert_eq!(
                    (places.of(first), places.of(second)),
                    (counted(first), counted(second)),
                    "{first}, {second}"
                );
            }
        }
    }
}
