//! What serde says is wrong, kept apart so that people can be told with a place and a near miss.

use std::fmt;

use serde::de;

use crate::Place;

/// Why a type cannot be read from a tree.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) kind: ErrorKind,
    /// Where, and the value without which the rest may be read; attached by the innermost value that was being read.
    pub(crate) at: Option<(Place, usize)>,
}

#[derive(Debug)]
pub(crate) enum ErrorKind {
    UnknownField {
        field: String,
        known: &'static [&'static str],
    },
    MissingField(&'static str),
    UnknownVariant {
        variant: String,
        known: &'static [&'static str],
    },
    /// What it is and what it has to be.
    Wrong {
        found: String,
        wanted: String,
    },
    /// A secret that stands where a reference is to stand.
    SecretInPlace,
    /// What there is to say has been said.
    Gone,
    Other(String),
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self { kind, at: None }
    }

    /// The same, at this place unless it has one.
    pub(crate) fn at(mut self, place: &Place, id: usize) -> Self {
        self.at.get_or_insert_with(|| (place.clone(), id));
        self
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(ErrorKind::Other(message.to_string()))
    }

    fn invalid_type(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        Self::new(ErrorKind::Wrong { found: found.to_string(), wanted: wanted.to_string() })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(ErrorKind::UnknownVariant { variant: variant.into(), known })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(ErrorKind::UnknownField { field: field.into(), known })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(ErrorKind::MissingField(field))
    }
}

/// For whoever shows such an error without its place; nobody here does.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::UnknownField { field, .. } => write!(f, "there is no field `{field}`"),
            ErrorKind::MissingField(field) => write!(f, "`{field}` is missing"),
            ErrorKind::UnknownVariant { variant, .. } => write!(f, "`{variant}` is not known"),
            ErrorKind::Wrong { found, wanted } => write!(f, "it is {found}, but {wanted} is needed"),
            ErrorKind::SecretInPlace => f.write_str("a secret is written down"),
            ErrorKind::Gone => f.write_str("it is wrong"),
            ErrorKind::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
