//! Which series of a Prometheus are of use here: of which resource they are, what their metric is called, in which unit.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use homeostat_model::{InvalidName, Kind, MetricDescription, MetricName, ResourceId, Unit};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    Mapping,
    mapping::Item,
    names::Names,
    pattern::{InvalidPattern, Pattern},
    series_preset::{self, Preset},
    template::Template,
};

/// The label that is the name of a series.
pub(crate) const NAME: &str = "__name__";

/// How the series of a Prometheus are read. The first rule that applies counts; what none applies to is not read, but counted.
///
/// ```yaml
/// mapping:
///   presets: [node-exporter]
///   resource: ["host/${labels.instance|host}"]
///   labels: [zone]
///   series:
///     - match: node_load1                    # a regular expression over the whole name, as in relabelling
///       metric: load
///     - match: ipmi_temperature_celsius
///       when: {sensor: "CPU[12] Temp"}       # labels, by regular expressions; one that is missing is empty
///       part: sensor/${labels.sensor}        # of a part of the host: sensor/h1/.., which runs on host/h1
///       metric: temperature
///     - match: libvirt_domain_(cpu|memory)_percent
///       resource: ["vm/${labels.domain}"]
///       on: host/${labels.instance|host}
///       metric: ${1}.utilization             # what the first group matched
///       scale: 0.01
///       unit: ratio
///     - {match: "go_.*", drop: true}
///   keepOthers: true
/// ```
///
/// `resource`: templates of a resource id, as those of [`Mapping`]; they apply to rules that have none of their own. Without any,
/// the labels `resource`, `container`, `vm`, `pod`, `host` and then `instance` name the resource, as everywhere.
///
/// `series`: the rules. `metric` is a template, too, and the name itself unless given. Values are multiplied by `scale`; `unit` is what
/// they are in after that.
///
/// `presets`: rules that come with homeostat, tried after those above.
///
/// `labels`: labels of series that become labels of their resources.
///
/// `keepOthers`: keeps what no rule applies to, under its own name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SeriesMapping {
    presets: Vec<Preset>,
    resource: Vec<Template>,
    series: Vec<SeriesRule>,
    /// Labels that become those of the resource.
    labels: BTreeSet<String>,
    keep_others: bool,
}

/// One rule of a [`SeriesMapping`].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RuleDocument")]
pub(crate) struct SeriesRule(RuleDocument);

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RuleDocument {
    #[serde(rename = "match")]
    name: Pattern,
    #[serde(default)]
    when: BTreeMap<String, Pattern>,
    metric: Option<Template>,
    #[serde(default)]
    resource: Vec<Template>,
    part: Option<Template>,
    on: Option<Template>,
    #[serde(default = "one")]
    scale: f64,
    #[serde(default)]
    unit: Unit,
    #[serde(default)]
    drop: bool,
}

fn one() -> f64 {
    1.0
}

/// A rule that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum InvalidRule {
    #[error("the scale is {0}; it is a number other than 0, such as 0.01 for a percentage that becomes a ratio")]
    Scale(String),
    #[error("`part` already says what it runs on: the resource; leave `on` out")]
    PartOn,
    #[error("`drop` drops the series; leave `{0}` out")]
    DroppedAnd(&'static str),
    #[error("{0}")]
    Metric(#[from] InvalidName),
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    #[error("the part `{0}` has no kind before a `/`; write kind/name, such as cpu/${{labels.cpu}}")]
    PartKind(String),
}

/// Where the samples of a series go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// What they are about, and the metric.
    pub(crate) place: (ResourceId, MetricName),
    /// What values are multiplied by.
    pub(crate) scale: f64,
    /// What the resource runs on, if the rule says so.
    pub(crate) on: Option<ResourceId>,
    /// Labels of the series that become those of the resource.
    pub(crate) labels: BTreeMap<String, String>,
}

impl SeriesMapping {
    /// The metrics that its rules give a fixed name, for checking policies. Where two rules give one metric different units, its
    /// numbers compare with any.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<MetricName, MetricDescription> {
        let mut metrics: BTreeMap<MetricName, MetricDescription> = BTreeMap::new();
        for SeriesRule(rule) in self.rules().filter(|rule| !rule.0.drop) {
            let name = rule.metric.as_ref().map_or_else(|| rule.name.plain(), Template::fixed);
            let Some(name) = name.and_then(|name| MetricName::new(name).ok()) else { continue };
            let described = MetricDescription { unit: rule.unit, help: String::new() };
            let known = metrics.entry(name).or_insert(described);
            if known.unit != rule.unit {
                known.unit = Unit::None;
            }
        }
        metrics
    }

    /// The kinds of resources that it names, as far as templates say them.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<Kind> {
        let rules = self.rules().map(|rule| &rule.0);
        let templates = rules.flat_map(|rule| rule.resource.iter().chain(&rule.part).chain(&rule.on));
        let whole = if self.presets.is_empty() { &self.resource } else { self.resource_of_presets() };
        let kind = |template: &Template| Kind::new(template.beginning().split_once('/')?.0).ok();
        templates.chain(whole).filter_map(kind).collect()
    }

    /// One by which the series called `metric` is just that, of the resource that the templates say, multiplied by `scale`.
    pub(crate) fn of_one(metric: &MetricName, resource: Vec<Template>, scale: f64) -> Result<Self, InvalidRule> {
        let rule = RuleDocument {
            name: Pattern::try_from(regex::escape(metric.as_str()))?,
            when: BTreeMap::new(),
            metric: None,
            resource,
            part: None,
            on: None,
            scale,
            unit: Unit::None,
            drop: false,
        };
        Ok(Self { series: vec![SeriesRule::try_from(rule)?], ..Self::default() })
    }

    /// The resource that has these labels, whatever its metrics are called.
    ///
    /// # Errors
    /// Why none has.
    pub(crate) fn resource_with(&self, labels: &[(&str, &str)]) -> Result<ResourceId, String> {
        let templates = if self.presets.is_empty() { &self.resource } else { self.resource_of_presets() };
        resource_of(templates, &Series { labels, groups: None })
    }

    /// Where the samples of the series with these labels go; `None` when they are of no use.
    ///
    /// # Errors
    /// Why they should be of use and are not.
    pub(crate) fn target_of(&self, labels: &[(&str, &str)]) -> Result<Option<Target>, String> {
        let series = Series { labels, groups: None };
        let Some(name) = series.label(NAME) else { return Ok(None) };
        let applies = |rule: &&SeriesRule| rule.applies(name, &series);
        let own = self.series.iter().find(applies).map(|rule| (rule, &*self.resource));
        let preset = || self.preset_rules().find(applies).map(|rule| (rule, self.resource_of_presets()));
        match own.or_else(preset) {
            Some((SeriesRule(rule), _)) if rule.drop => Ok(None),
            Some((SeriesRule(rule), default)) => self.made_by(rule, default, name, labels).map(Some),
            None if self.keep_others => {
                let resource = resource_of(&self.resource, &series)?;
                let metric = MetricName::new(name).map_err(|invalid| invalid.to_string())?;
                let place = (resource, metric);
                Ok(Some(Target { place, scale: 1.0, on: None, labels: self.labels_of(&series) }))
            }
            None => Ok(None),
        }
    }

    fn rules(&self) -> impl Iterator<Item = &SeriesRule> {
        self.series.iter().chain(self.preset_rules())
    }

    fn preset_rules(&self) -> impl Iterator<Item = &SeriesRule> {
        self.presets.iter().flat_map(|preset| series_preset::rules(*preset))
    }

    fn resource_of_presets(&self) -> &[Template] {
        if self.resource.is_empty() { &series_preset::HOST } else { &self.resource }
    }

    fn made_by(
        &self,
        rule: &RuleDocument,
        default: &[Template],
        name: &str,
        labels: &[(&str, &str)],
    ) -> Result<Target, String> {
        let series = Series { labels, groups: rule.name.captures(name) };
        let fill = |template: &Template| {
            let missing = || format!("`{}` cannot be filled in: the series lacks a label", template.text());
            template.fill(|path| series.variable(path)).ok_or_else(missing)
        };
        let metric = match &rule.metric {
            Some(template) => MetricName::new(fill(template)?),
            None => MetricName::new(name),
        };
        let metric = metric.map_err(|invalid| invalid.to_string())?;
        let id = |text: String| text.parse::<ResourceId>().map_err(|invalid| invalid.to_string());
        let whole = resource_of(if rule.resource.is_empty() { default } else { &rule.resource }, &series)?;
        let (resource, on) = match &rule.part {
            Some(part) => {
                let part = fill(part)?;
                let (kind, part) = part.split_once('/').unwrap_or_default();
                (id(format!("{kind}/{}/{part}", whole.name()))?, Some(whole))
            }
            None => (whole, rule.on.as_ref().map(|on| id(fill(on)?)).transpose()?),
        };
        let place = (resource, metric);
        Ok(Target { place, scale: rule.scale, on, labels: self.labels_of(&series) })
    }

    fn labels_of(&self, series: &Series<'_>) -> BTreeMap<String, String> {
        let value = |name: &String| series.label(name).filter(|value| !value.is_empty());
        self.labels.iter().filter_map(|name| Some((name.clone(), value(name)?.to_owned()))).collect()
    }
}

fn resource_of(templates: &[Template], series: &Series<'_>) -> Result<ResourceId, String> {
    let mapping = Mapping::of_resources(templates.to_vec());
    mapping.resource_of(series, &mut Names::forgotten()).map_err(|unplaced| unplaced.to_string())
}

impl SeriesRule {
    fn applies(&self, name: &str, series: &Series<'_>) -> bool {
        let Self(rule) = self;
        rule.name.is_match(name)
            && rule.when.iter().all(|(label, pattern)| pattern.is_match(series.label(label).unwrap_or_default()))
    }
}

impl TryFrom<RuleDocument> for SeriesRule {
    type Error = InvalidRule;

    fn try_from(rule: RuleDocument) -> Result<Self, InvalidRule> {
        if !rule.scale.is_finite() || rule.scale == 0.0 {
            return Err(InvalidRule::Scale(rule.scale.to_string()));
        }
        if rule.part.is_some() && rule.on.is_some() {
            return Err(InvalidRule::PartOn);
        }
        let besides = [("metric", rule.metric.is_some()), ("part", rule.part.is_some()), ("on", rule.on.is_some())];
        if let Some((field, _)) = besides.into_iter().find(|(_, given)| rule.drop && *given) {
            return Err(InvalidRule::DroppedAnd(field));
        }
        if let Some(fixed) = rule.metric.as_ref().and_then(Template::fixed) {
            MetricName::new(fixed)?;
        }
        if let Some(part) = rule.part.as_ref().filter(|part| !part.beginning().contains('/')) {
            return Err(InvalidRule::PartKind(part.text().to_owned()));
        }
        Ok(Self(rule))
    }
}

/// The labels of a series as templates see them: `labels.x`, `name`, and what the groups of the rule's expression matched.
struct Series<'a> {
    labels: &'a [(&'a str, &'a str)],
    groups: Option<regex::Captures<'a>>,
}

impl<'a> Series<'a> {
    fn label(&self, name: &str) -> Option<&'a str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| *value)
    }
}

impl Item for Series<'_> {
    const WHAT: &'static str = "series";
    const OWN_ID: &'static str = "labels.resource";
    const OWN_ID_IS_MEANT: bool = false;

    fn variable(&self, path: &str) -> Option<Cow<'_, str>> {
        if let Some(label) = path.strip_prefix("labels.") {
            return self.label(label).map(Cow::from);
        }
        if path == "name" {
            return self.label(NAME).map(Cow::from);
        }
        let groups = self.groups.as_ref()?;
        let group = path.parse().map_or_else(|_| groups.name(path), |number| groups.get(number));
        group.map(|group| Cow::from(group.as_str()))
    }

    fn variables(&self) -> Vec<String> {
        self.labels.iter().map(|(name, _)| format!("labels.{name}")).collect()
    }
}
