//! Percent-encoding, as in URLs and in the headers of CloudEvents.

/// One round of decoding. A `%` that two hexadecimal digits do not follow stands for itself.
pub(crate) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, ..] if *byte == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                decoded.push(high * 16 + low);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_round_is_decoded() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("%e2%82%ac", "€"),
            ("%41%61", "Aa"),
            ("%2541", "%41"),
            ("95%", "95%"),
            ("95%2", "95%2"),
            ("%zz%4", "%zz%4"),
            ("%%41", "%A"),
        ] {
            assert_eq!(String::from_utf8(decoded(text.as_bytes())).unwrap(), expected, "{text}");
        }
    }
}
