//! Templates of resource ids, such as `host/${labels.instance|host}`.

use std::borrow::Cow;

use serde::Deserialize;
use thiserror::Error;

/// Longest template, in bytes: a resource id has at most 507, and its variables are shorter than what they stand for.
const MAX_TEMPLATE_BYTES: usize = 512;

/// A text that is not a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidTemplate {
    /// It is longer than any resource id.
    #[error(
        "the template has {0} bytes, at most {MAX_TEMPLATE_BYTES} are allowed; write kind/name, such as vm/${{labels.vm}}"
    )]
    TooLong(usize),
    /// It is not of the form of a template.
    #[error("`{text}`, column {column}: {problem}")]
    Malformed {
        /// The template.
        text: String,
        /// In characters, from 1.
        column: usize,
        /// What is wrong there, and what would be right.
        problem: String,
    },
}

/// Text with variables.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { path: String, filter: Option<Filter> },
}

/// What is made of the value of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// The host of an address.
    Host,
    /// A path without the slash that it begins with; `/` is `root`.
    Path,
}

impl Template {
    /// What it is without any variable; `None` when it has one.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text that it begins with, before the first variable.
    pub(crate) fn beginning(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The variables that it needs.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable { path, .. } => Some(path.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text with its variables filled in; `None` when one of them is not there or empty.
    pub(crate) fn fill<'a>(&self, value_of: impl Fn(&str) -> Option<Cow<'a, str>>) -> Option<String> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Variable { path, filter } => {
                    let value = value_of(path)?;
                    let value = filter.map_or(&*value, |filter| filter.of(&value));
                    if value.is_empty() {
                        return None;
                    }
                    filled.push_str(value);
                }
            }
        }
        Some(filled)
    }
}

impl Filter {
    fn of(self, value: &str) -> &str {
        match self {
            Self::Host => host_of(value),
            Self::Path if value == "/" => "root",
            Self::Path => value.strip_prefix('/').unwrap_or(value),
        }
    }
}

/// The host of `host:port`, `[address]:port` or a URL.
fn host_of(address: &str) -> &str {
    let after_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    if let Some(bracketed) = place.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or_default();
    }
    match place.rsplit_once(':') {
        // More than one colon is an IPv6 address without a port.
        Some((host, port)) if !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => place,
    }
}

impl TryFrom<String> for Template {
    type Error = InvalidTemplate;

    fn try_from(text: String) -> Result<Self, InvalidTemplate> {
        if text.len() > MAX_TEMPLATE_BYTES {
            return Err(InvalidTemplate::TooLong(text.len()));
        }
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let malformed = |at: &str, problem: String| {
                let before = text.len().saturating_sub(at.len());
                let column = text.get(..before).unwrap_or_default().chars().count() + 1;
                InvalidTemplate::Malformed { text: text.clone(), column, problem }
            };
            rest = if let Some(opened) = rest.strip_prefix("${") {
                let Some((inner, after)) = opened.split_once('}') else {
                    return Err(malformed(rest, "the variable has no end; write ${labels.vm}".into()));
                };
                parts.push(variable(inner).map_err(|problem| malformed(rest, problem))?);
                after
            } else {
                let (literal, after) = rest.split_at(rest.find("${").unwrap_or(rest.len()));
                if let Some((at, bad)) = literal.char_indices().find(|(_, c)| !is_of_id(*c)) {
                    let problem =
                        format!("{bad:?} cannot be part of a resource id; a variable is written ${{labels.vm}}");
                    return Err(malformed(rest.get(at..).unwrap_or_default(), problem));
                }
                parts.push(Part::Text(literal.to_owned()));
                after
            };
        }
        if parts.is_empty() {
            let problem = "it is empty; write kind/name, such as vm/${labels.vm}".into();
            return Err(InvalidTemplate::Malformed { text, column: 1, problem });
        }
        Ok(Self { text, parts })
    }
}

fn variable(inner: &str) -> Result<Part, String> {
    let (path, filter) = match inner.split_once('|') {
        Some((path, filter)) => (path.trim(), Some(filter.trim())),
        None => (inner.trim(), None),
    };
    match filter {
        _ if path.is_empty() => Err("the variable has no name; write ${labels.vm}".into()),
        None => Ok(Part::Variable { path: path.into(), filter: None }),
        Some("host") => Ok(Part::Variable { path: path.into(), filter: Some(Filter::Host) }),
        Some("path") => Ok(Part::Variable { path: path.into(), filter: Some(Filter::Path) }),
        Some(filter) => Err(format!(
            "the filter `{filter}` is not known; there are `host`, which strips a port, and `path`, which strips the first slash"
        )),
    }
}

fn is_of_id(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./:@+".contains(c)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn template(text: &str) -> Template {
        Template::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn fills_what_is_there_and_nothing_when_something_is_missing() {
        let value_of = |path: &str| match path {
            "labels.instance" => Some("h1:9100".into()),
            "pod" => Some("web-1".into()),
            "namespace" => Some("shop".into()),
            "empty" => Some("".into()),
            "root" => Some("/".into()),
            "mountpoint" => Some("/var/lib".into()),
            _ => None,
        };
        for (text, expected) in [
            ("host/${labels.instance|host}", Some("host/h1")),
            ("host/${labels.instance}", Some("host/h1:9100")),
            ("pod/${namespace}/${ pod }", Some("pod/shop/web-1")),
            ("vm/fixed", Some("vm/fixed")),
            ("${pod}", Some("web-1")),
            ("fs/${root|path}", Some("fs/root")),
            ("fs/${mountpoint|path}", Some("fs/var/lib")),
            ("vm/${empty}", None),
            ("pod/${namespace}/${nothing}", None),
        ] {
            assert_eq!(template(text).fill(value_of).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn strips_ports_and_only_ports() {
        for (address, host) in [
            ("h1:9100", "h1"),
            ("h1", "h1"),
            ("10.0.0.1:9100", "10.0.0.1"),
            ("[2001:db8::1]:9100", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("https://shop.example:8443/login?x=1", "shop.example"),
            ("http://user@h1/", "h1"),
            ("h1:http", "h1:http"),
            (":9100", ""),
            ("", ""),
        ] {
            assert_eq!(host_of(address), host, "{address}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_template_and_where() {
        let mut told = String::new();
        for text in ["", "vm/${labels.vm", "vm/${}", "vm/${|host}", "host/${x|port}", "vm/$x", "vm/a b", "vm/{x}"] {
            told += &format!("{}\n", Template::try_from(text.to_owned()).unwrap_err());
        }
        told += &format!("{}\n", Template::try_from("x".repeat(513)).unwrap_err());
        expect![[r#"
            ``, column 1: it is empty; write kind/name, such as vm/${labels.vm}
            `vm/${labels.vm`, column 4: the variable has no end; write ${labels.vm}
            `vm/${}`, column 4: the variable has no name; write ${labels.vm}
            `vm/${|host}`, column 4: the variable has no name; write ${labels.vm}
            `host/${x|port}`, column 6: the filter `port` is not known; there are `host`, which strips a port, and `path`, which strips the first slash
            `vm/$x`, column 4: '$' cannot be part of a resource id; a variable is written ${labels.vm}
            `vm/a b`, column 5: ' ' cannot be part of a resource id; a variable is written ${labels.vm}
            `vm/{x}`, column 4: '{' cannot be part of a resource id; a variable is written ${labels.vm}
            the template has 513 bytes, at most 512 are allowed; write kind/name, such as vm/${labels.vm}
        "#]]
        .assert_eq(&told);
    }
}
