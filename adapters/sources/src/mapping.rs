//! Finds in foreign data what homeostat needs to know: the resource, the time, the labels, the metrics.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    sync::LazyLock,
};

use homeostat_model::{InvalidName, MetricName, ResourceId};
use serde::Deserialize;
use thiserror::Error;

use crate::{names::Names, template::Template, time::TimeField};

/// Stands in `ignore` for all fields that nothing else names.
const ALL_OTHERS: &str = "*";

/// Names that a message lists: as many as fit on a few lines.
const LISTED: usize = 12;

/// Where the resource is looked for when the mapping does not say it.
static DEFAULT_TEMPLATES: LazyLock<Vec<Template>> =
    LazyLock::new(|| DEFAULT_TEXTS.iter().filter_map(|text| Template::try_from((*text).to_owned()).ok()).collect());

const DEFAULT_TEXTS: [&str; 5] = [
    "container/${labels.container}",
    "vm/${labels.vm}",
    "pod/${labels.pod}",
    "host/${labels.host}",
    "host/${labels.instance|host}",
];

/// How foreign data is read. All of it may be left out.
///
/// ```yaml
/// mapping:
///   resource: ["container/${labels.container}", "host/${labels.instance|host}"]
///   time: ts
///   labels: tags
///   metrics: {cpu: cpu.utilization}
///   ignore: [version]
/// ```
///
/// `resource`: templates of a resource id. The first whose variables are all there, and not empty, is taken. `${labels.x}` is
/// the label `x`, `${annotations.x}` an alert's annotation; of a line `${a.b}` is the member `b` of its field `a`.
/// `${x|host}` is the host of an address or URL, without port. When none applies, a whole id is taken from the field `resource`
/// of a line, the `subject` of a CloudEvent, or the label `resource` of an alert. Without templates, and without such an id,
/// the labels `container`, `vm`, `pod` and `host` of an alert or a line name a resource of that kind, then `instance` a host.
///
/// The others are about sample lines only:
///
/// `time`: the field with the time, in milliseconds since the epoch or as RFC 3339; `ts|seconds` when it is in seconds.
/// Default `time`.
///
/// `labels`: the field with the labels; in templates they are called `labels` all the same. Default `labels`.
///
/// `metrics`: other names for metrics. Fields of the line itself that are named here are metrics too.
///
/// `ignore`: fields that are not read. `"*"` stands for all that nothing else names; without it they are refused.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Mapping {
    resource: Vec<Template>,
    pub(crate) time: TimeField,
    labels: Option<String>,
    pub(crate) metrics: BTreeMap<String, MetricName>,
    ignore: BTreeSet<String>,
}

/// Something that came in, as templates see it.
pub(crate) trait Item {
    /// What it is called in messages.
    const WHAT: &'static str;
    /// The variable that holds a whole resource id, if there is one.
    const OWN_ID: &'static str;
    /// Whether that variable never holds anything else. A label `resource` may well be `cpu`.
    const OWN_ID_IS_MEANT: bool = true;
    /// Whether the default templates, which are about labels, apply to it.
    const HAS_LABELS: bool = true;

    /// The text of a variable.
    fn variable(&self, path: &str) -> Option<Cow<'_, str>>;

    /// The names of its variables, for messages.
    fn variables(&self) -> Vec<String>;
}

/// It is not known which resource something is about.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unplaced {
    /// No template applies.
    #[error(
        "it names no resource: {missing} missing; the {what} has {had}; add one that is missing, or a template over what there is to mapping.resource"
    )]
    NoTemplate {
        /// `alert`, `line` or `event`.
        what: &'static str,
        /// The variables that would have been needed, with `is` or `are`.
        missing: String,
        /// The variables that there are.
        had: String,
    },
    /// What a template makes is not a resource id.
    #[error(
        "{invalid}; it was made by `{template}`: correct what it is made of, or add a template to mapping.resource"
    )]
    NotAnId {
        /// The template, that of a whole id included.
        template: String,
        /// What is wrong.
        #[source]
        invalid: InvalidName,
    },
}

impl Mapping {
    /// One that only says which resource something is about.
    pub(crate) fn of_resources(resource: Vec<Template>) -> Self {
        Self { resource, ..Self::default() }
    }

    /// The resource that `item` is about.
    pub(crate) fn resource_of<I: Item>(&self, item: &I, names: &mut Names) -> Result<ResourceId, Unplaced> {
        let value_of = |path: &str| item.variable(path);
        let mut whole = |template: &dyn Display, text: &str| {
            let not_an_id = |invalid| Unplaced::NotAnId { template: template.to_string(), invalid };
            names.resources.read(text).map_err(not_an_id)
        };
        if let Some((text, id)) = first(&self.resource, value_of) {
            return whole(&text, &id);
        }
        let own = item.variable(I::OWN_ID).filter(|id| !id.is_empty());
        let own = own.map(|id| whole(&format_args!("${{{}}}", I::OWN_ID), &id));
        match own {
            Some(Ok(id)) => return Ok(id),
            Some(Err(unplaced)) if I::OWN_ID_IS_MEANT => return Err(unplaced),
            _ => {}
        }
        let defaults: &[Template] = if self.resource.is_empty() && I::HAS_LABELS { &DEFAULT_TEMPLATES } else { &[] };
        if let Some((text, id)) = first(defaults, value_of) {
            return whole(&text, &id);
        }
        if let Some(Err(unplaced)) = own {
            return Err(unplaced);
        }
        let wanted = std::iter::once(I::OWN_ID);
        let wanted = wanted.chain(self.resource.iter().chain(defaults).flat_map(Template::variables));
        let mut missing: Vec<String> =
            wanted.filter(|path| item.variable(path).is_none_or(|v| v.is_empty())).map(ToOwned::to_owned).collect();
        let mut seen = BTreeSet::new();
        missing.retain(|path| seen.insert(path.clone()));
        let be = if missing.len() == 1 { "is" } else { "are" };
        let missing = format!("{} {be}", listed(&missing));
        Err(Unplaced::NoTemplate { what: I::WHAT, missing, had: listed(&item.variables()) })
    }

    /// The field of a line that holds its labels.
    pub(crate) fn labels_field(&self) -> &str {
        self.labels.as_deref().unwrap_or("labels")
    }

    /// Whether the field `name` is not to be read.
    pub(crate) fn ignores(&self, name: &str) -> bool {
        self.ignore.contains(name)
    }

    /// Whether fields that nothing names are passed over.
    pub(crate) fn ignores_others(&self) -> bool {
        self.ignore.contains(ALL_OTHERS)
    }

    /// Whether a template reads the field `name` or a member of it.
    pub(crate) fn reads(&self, name: &str) -> bool {
        let within = |path: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.resource.iter().flat_map(Template::variables).any(within)
    }
}

fn first<'a, 'b>(
    templates: &'a [Template],
    value_of: impl Fn(&str) -> Option<Cow<'b, str>>,
) -> Option<(&'a str, String)> {
    templates.iter().find_map(|template| Some((template.text(), template.fill(&value_of)?)))
}

fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{}`", shortened(name))).collect();
    match names.len().saturating_sub(LISTED) {
        _ if names.is_empty() => "nothing".into(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A name as messages show it: cut to 64 characters.
pub(crate) fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}
