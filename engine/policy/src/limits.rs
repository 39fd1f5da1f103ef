//! What limits a policy besides its own pauses, as it stands in the policy or in a guard.

use homeostat_model::{Approval, Budget, Duration, Flap, Impact, Mode, Otherwise, Promotion, Quota, Scope};

use crate::{
    Catalogue, HandOver,
    fields::{Fields, duration, integer, items_up_to, parsed, text, word},
    hand_over::hand_over,
    language::MAX_WINDOW,
    mistake::Mistake,
    nearest::hint,
    report::Report,
    window::recurring,
    yaml::Node,
};

/// Most budgets of one document: one for each scope, by day and by night, at a time and by the hour, and as many again.
pub(crate) const MAX_BUDGETS: usize = 64;

/// Most openings of a finding that are looked at: each is remembered.
pub(crate) const MAX_CHANGES: u16 = 100;

/// Largest quorum: nobody gets more people to say something.
pub(crate) const MAX_QUORUM: u16 = 100;

/// Most plans that people have to agree with: beyond that, nobody reads them any more.
pub(crate) const MAX_AGREED: u16 = 1_000;

/// What may become of a plan when its time is over.
pub(crate) const OTHERWISE: [Otherwise; 2] = [Otherwise::Reject, Otherwise::Approve];

/// The modes that a policy can be promoted to.
pub(crate) const PROMOTED: [Mode; 2] = [Mode::Approve, Mode::Auto];

/// The scopes of a policy's budgets but for labels.
pub(crate) const SCOPES: [Scope; 4] = [Scope::Policy, Scope::Host, Scope::Rack, Scope::Kind];

/// What begins the name of a label as a scope.
const LABEL: &str = "label:";

/// Where budgets stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// In a policy.
    Policy,
    /// In a guard, where everything that it selects can be counted together.
    Guard,
}

/// Limits that a policy has of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// To how many resources something may begin to be done, and be done at a time.
    pub budgets: Vec<Budget>,
    /// Of how many of the resources that it selects it may have a finding at once, for anything to be disrupted.
    pub max_unhealthy: Option<Quota>,
    /// The greatest impact that anything it does may have; `None`: any.
    pub ceiling: Option<Impact>,
    /// When nothing is done about a finding because it opens again and again.
    pub flap: Option<Flap>,
    /// How long a workload is not sent back to a host that it left.
    pub return_after: Option<Duration>,
    /// How much more room there has to be left where a workload is migrated to, a share from 0 to 1.
    pub min_gain: Option<f64>,
    /// How people approve of its plans, where that is more than one person's word.
    pub approval: Option<Approval>,
    /// When it may do more by itself.
    pub promotion: Option<Promotion>,
    /// How its ladder ends.
    pub hand_over: HandOver,
}

/// Reads those among the fields of a policy's `spec`.
pub(crate) fn limits(fields: &mut Fields<'_>, catalogue: &Catalogue, report: &mut Report) -> Limits {
    Limits {
        budgets: budgets(fields.take("budgets"), Within::Policy, report),
        max_unhealthy: fields.take("maxUnhealthy").and_then(|node| parsed(node, "maxUnhealthy", report)),
        ceiling: fields.take("ceiling").and_then(|node| ceiling(node, report)),
        flap: fields.take("flap").and_then(|node| flap(node, report)),
        return_after: fields
            .take("returnAfter")
            .and_then(|node| duration(node, "returnAfter", (Duration::ZERO, MAX_WINDOW), report)),
        min_gain: fields.take("minGain").and_then(|node| share(node, "minGain", report)),
        approval: fields.take("approval").and_then(|node| approval(node, report)),
        promotion: fields.take("promote").and_then(|node| promotion(node, report)),
        hand_over: fields.take("handOver").and_then(|node| hand_over(node, catalogue, report)).unwrap_or_default(),
    }
}

/// Reads `ceiling`.
pub(crate) fn ceiling(node: &Node, report: &mut Report) -> Option<Impact> {
    word(node, "ceiling", "a ceiling", &Impact::ALL, report)
}

fn flap(node: &Node, report: &mut Report) -> Option<Flap> {
    let mut fields = Fields::open(node, "flap", report)?;
    let changes = fields.require("changes", report).and_then(|node| integer(node, "changes", (2, MAX_CHANGES), report));
    let shortest = Duration::from_millis(1);
    let within =
        fields.require("within", report).and_then(|node| duration(node, "within", (shortest, MAX_WINDOW), report));
    fields.finish(report);
    Some(Flap { changes: changes?, within: within? })
}

fn approval(node: &Node, report: &mut Report) -> Option<Approval> {
    let mut fields = Fields::open(node, "approval", report)?;
    let quorum = fields.take("quorum").map_or(Some(1), |node| integer(node, "quorum", (1, MAX_QUORUM), report));
    let shortest = Duration::from_secs(1);
    let (within, otherwise) = (fields.take("within"), fields.take("otherwise"));
    if within.is_none() && otherwise.is_some() {
        fields.missing("within", None, report);
    }
    let within = within.and_then(|node| duration(node, "within", (shortest, MAX_WINDOW), report));
    let otherwise = otherwise.and_then(|node| word(node, "otherwise", "what becomes of a plan", &OTHERWISE, report));
    fields.finish(report);
    Some(Approval { quorum: quorum?, within, otherwise: otherwise.unwrap_or_default() })
}

fn promotion(node: &Node, report: &mut Report) -> Option<Promotion> {
    let mut fields = Fields::open(node, "promote", report)?;
    let after = fields.require("after", report).and_then(|node| integer(node, "after", (1, MAX_AGREED), report));
    let to =
        fields.require("to", report).and_then(|node| word(node, "to", "a mode to be promoted to", &PROMOTED, report));
    fields.finish(report);
    Some(Promotion { after: after?, to: to? })
}

fn share(node: &Node, name: &str, report: &mut Report) -> Option<f64> {
    match parsed::<Quota>(node, name, report)? {
        Quota::Share(share) => Some(share),
        Quota::Count(_) => {
            let help = Some("write a share such as `10%`".into());
            report.add(node.at.clone(), Mistake::InvalidValue { reason: format!("`{name}` is a share"), help });
            None
        }
    }
}

/// Reads `budgets`.
pub(crate) fn budgets(node: Option<&Node>, within: Within, report: &mut Report) -> Vec<Budget> {
    let entries = node.map(|node| items_up_to(node, "budgets", MAX_BUDGETS, report)).unwrap_or_default();
    entries.iter().filter_map(|entry| budget(entry, within, report)).collect()
}

fn budget(node: &Node, within: Within, report: &mut Report) -> Option<Budget> {
    let mut fields = Fields::open(node, "a budget", report)?;
    let before = report.found();
    let default = if within == Within::Guard { Scope::All } else { Scope::Policy };
    let scope = fields.take("scope").map_or(Some(default), |node| scope(node, within, report));
    let max = fields.require("max", report).and_then(|node| parsed::<Quota>(node, "max", report));
    let (per, in_flight) = (fields.take("per"), fields.take("inFlight"));
    if let (Some(_), Some(_)) = (per, in_flight) {
        report.add(fields.key_at("inFlight"), Mistake::Exclusive { one: "per", other: "inFlight" });
    }
    if let Some(node) = in_flight
        && text(node, "inFlight", report).is_some_and(|given| given != "true")
    {
        let help =
            Some("write `inFlight: true`, or how long the stretch is in which they are counted: `per: 1h`".into());
        report.add(node.at.clone(), Mistake::InvalidValue { reason: "`inFlight` can only be true".into(), help });
    }
    let shortest = Duration::from_millis(1);
    let per = per.map(|node| duration(node, "per", (shortest, MAX_WINDOW), report));
    let during = recurring(&mut fields, report);
    fields.finish(report);
    if report.found() > before {
        return None;
    }
    Some(Budget { scope: scope?, max: max?, per: per.flatten(), during })
}

fn scope(node: &Node, within: Within, report: &mut Report) -> Option<Scope> {
    let given = text(node, "scope", report)?;
    if let Some(label) = given.strip_prefix(LABEL).filter(|label| !label.is_empty()) {
        return Some(Scope::Label(label.to_owned()));
    }
    let everything = (within == Within::Guard).then_some(Scope::All);
    let words: Vec<(String, Scope)> =
        SCOPES.into_iter().chain(everything).map(|scope| (scope.to_string(), scope)).collect();
    let found = words.iter().find(|(word, _)| word == given).map(|(_, scope)| scope.clone());
    if found.is_none() {
        let names = words.iter().map(|(word, _)| word.as_str());
        let help = if given.starts_with("label") {
            Some("name the label: `scope: label:tier`".into())
        } else {
            hint(given, names.chain(["label:<name>"]))
        };
        report.add(node.at.clone(), Mistake::UnknownWord { what: "a scope", given: given.into(), help });
    }
    found
}
