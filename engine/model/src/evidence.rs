//! Why a condition holds or does not, with the values that made it so.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Timestamp, Truth, Value};

/// One clause of a condition: a comparison, or a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clause {
    /// As it stands in the policy: `avg("cpu.utilization", 5m) > 85%`.
    pub text: String,
    /// Whether it holds.
    pub truth: Truth,
    /// What its signals and attributes were, in the order of their appearance; `None` for one that is not known.
    pub values: Vec<(String, Option<Value>)>,
    /// When time alone could make it hold, everything else staying as it is. In answers to questions only, and only where it is a
    /// matter of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub could_hold_at: Option<Timestamp>,
}

/// A condition's truth and that of each of its clauses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Of the whole condition.
    pub truth: Truth,
    /// The clauses, in the order of the policy.
    pub clauses: Vec<Clause>,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.text, self.truth)?;
        let mut separator = " (";
        for (name, value) in &self.values {
            match value {
                Some(value) => write!(f, "{separator}{name} = {value}")?,
                None => write!(f, "{separator}{name} is not known")?,
            }
            separator = ", ";
        }
        if separator == ", " { f.write_str(")") } else { Ok(()) }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, clause) in self.clauses.iter().enumerate() {
            write!(f, "{}{clause}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
