//! Media types, as far as it matters what is in them.

/// `type/subtype`, without parameters but the charset, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaType {
    essence: String,
    charset: Option<String>,
}

impl MediaType {
    /// Reads a media type; `None` when it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let essence = parts.next()?.to_ascii_lowercase();
        let (of, sub) = essence.split_once('/')?;
        let is_token = |word: &str| !word.is_empty() && word.bytes().all(is_token_byte);
        if !is_token(of) || !is_token(sub) {
            return None;
        }
        let charset =
            parts.filter_map(|one| one.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        let charset = charset.map(|(_, value)| value.trim().trim_matches('"').to_ascii_lowercase());
        Some(Self { essence, charset })
    }

    /// `type/subtype`.
    pub(crate) fn essence(&self) -> &str {
        &self.essence
    }

    /// Whether JSON is in it: `*/json` or `*/*+json`.
    pub(crate) fn is_json(&self) -> bool {
        self.essence.ends_with("/json") || self.essence.ends_with("+json")
    }

    /// Whether a text is in it that a person can read.
    pub(crate) fn is_text(&self) -> bool {
        self.essence.starts_with("text/") || self.essence.ends_with("/xml") || self.essence.ends_with("+xml")
    }

    /// Whether it is encoded as UTF-8 or a part of that, as far as it says so.
    pub(crate) fn is_utf8(&self) -> bool {
        self.charset.as_deref().is_none_or(|charset| matches!(charset, "utf-8" | "utf8" | "us-ascii"))
    }
}

/// What names may be made of: RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_say_what_is_in_them() {
        for (text, expected) in [
            ("application/json", Some((true, false, true))),
            ("Application/JSON; charset=UTF-8", Some((true, false, true))),
            ("text/json;x=y; Charset = \"utf-8\"", Some((true, true, true))),
            ("application/vnd.acme+json", Some((true, false, true))),
            ("application/jsonp", Some((false, false, true))),
            ("text/plain; charset=iso-8859-1", Some((false, true, false))),
            ("application/xml", Some((false, true, true))),
            ("image/png", Some((false, false, true))),
            ("json", None),
            ("/json", None),
            ("application/", None),
            ("application json/x", None),
            ("", None),
        ] {
            let found = MediaType::parse(text).map(|media| (media.is_json(), media.is_text(), media.is_utf8()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
