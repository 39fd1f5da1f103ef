//! Structured values: what a script returns.

use std::{collections::BTreeMap, fmt};

use crate::Value;

/// A value, or a structure of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Data {
    /// Nothing at all: Rhai's `()`.
    #[default]
    Nothing,
    /// A number, a text or a truth.
    Value(Value),
    /// Some, in order.
    List(Vec<Data>),
    /// Some by name.
    Map(BTreeMap<String, Data>),
}

impl<T: Into<Value>> From<T> for Data {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

/// In the form of JSON, on one line; numbers as [`Value`] shows them.
impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("null"),
            Self::Value(value) => value.fmt(f),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (name, item)) in entries.iter().enumerate() {
                    write!(f, "{}{name:?}: {item}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_json() {
        let size = Data::Map(BTreeMap::from([("vcpus".into(), 4.0.into()), ("a \"b\"".into(), Data::Nothing)]));
        let list = Data::List(vec!["web".into(), true.into(), Data::List(Vec::new())]);
        let all = Data::Map(BTreeMap::from([("resize".into(), size), ("list".into(), list)]));
        assert_eq!(all.to_string(), r#"{"list": ["web", true, []], "resize": {"a \"b\"": null, "vcpus": 4}}"#);
    }
}
