//! Resources: anything observed or acted on.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{AdapterName, InvalidName, Kind, Value, name};

/// `kind/name`. The name may hold further slashes (`pod/shop/web-1`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId {
    text: Arc<str>,
    kind_bytes: u16,
}

impl ResourceId {
    /// Builds `kind/name`.
    ///
    /// # Errors
    /// [`InvalidName`] when the name is empty, too long, or has a character outside `-._:/@+` and the alphanumerics.
    pub fn new(kind: &Kind, name: &str) -> Result<Self, InvalidName> {
        format!("{kind}/{name}").parse()
    }

    /// The part before the first slash.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text.get(..usize::from(self.kind_bytes)).unwrap_or_default()
    }

    /// The part after the first slash.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.get(usize::from(self.kind_bytes) + 1..).unwrap_or_default()
    }

    /// The whole `kind/name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for ResourceId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let what = "resource id";
        let Some((kind, rest)) = text.split_once('/') else {
            let text = text.chars().take(64).collect();
            return Err(InvalidName { what, text, problem: "it has no `/`; write kind/name, such as vm/web-1".into() });
        };
        name::check("resource kind", kind, "-_")?;
        name::check(what, rest, "-._:/@+")?;
        let kind_bytes = u16::try_from(kind.len()).unwrap_or(u16::MAX);
        Ok(Self { text: text.into(), kind_bytes })
    }
}

impl TryFrom<String> for ResourceId {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.text.as_ref().into()
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.text)
    }
}

/// How much of each shared thing a resource has (a host) or was given (a workload). Absent means unknown or unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Capacity {
    /// Processors, in (virtual) cores; fractions are allowed for containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcpus: Option<f64>,
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// One resource as its adapter last described it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its name.
    pub id: ResourceId,
    /// The adapter that owns it, and through which it is acted on. `None` for one that is known from samples only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterName>,
    /// The resource it runs on: vm -> host, host -> rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<ResourceId>,
    /// Labels for selection.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What else is known: `state`, `image`, `cordoned`, ... Readable in expressions by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
    /// What it has, or was given.
    #[serde(default)]
    pub capacity: Capacity,
}

impl Resource {
    /// A resource of which nothing but the name is known.
    #[must_use]
    pub fn named(id: ResourceId) -> Self {
        Self {
            id,
            adapter: None,
            on: None,
            labels: BTreeMap::new(),
            attributes: BTreeMap::new(),
            capacity: Capacity::default(),
        }
    }

    /// The text of the attribute `state`, if it is known.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        match self.attributes.get("state") {
            Some(Value::Text(state)) => Some(state),
            _ => None,
        }
    }

    /// Whether the attribute `name` is present and true.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.attributes.get(name), Some(Value::Bool(true)))
    }
}
