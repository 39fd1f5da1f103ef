//! Text from elsewhere, as it may be shown: on one line, and without anything that moves a terminal's cursor or turns text around.

use std::fmt::Write as _;

/// `text` with what is not to be seen written out, as `\n` or `\u{1b}`. Whoever names a resource or words a reason forges no line with it.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, character| {
        match character {
            hidden if hidden.is_control() || turns(hidden) => {
                // Writing to a String does not fail.
                let _ = write!(shown, "{}", hidden.escape_default());
            }
            seen => shown.push(seen),
        }
        shown
    })
}

/// Whether it begins another line, or the direction in which text is read.
fn turns(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_text_stays_on_its_line_and_what_can_be_seen_stays_as_it_is() {
        for (text, shown) in [
            ("it is 3 °C, \"done\" \\ ok", "it is 3 °C, \"done\" \\ ok"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[2J\u{9b}31m\u{7f}", "\\u{1b}[2J\\u{9b}31m\\u{7f}"),
            ("\u{202e}txt\u{2028}", "\\u{202e}txt\\u{2028}"),
        ] {
            assert_eq!(printable(text), shown);
            assert_eq!(printable(shown), shown, "shown twice");
        }
    }
}
