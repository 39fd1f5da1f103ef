//! Holds: why something that could be done is not done now, and what ends that.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AdapterName, Duration, FindingRef, Otherwise, PlanId, PolicyName, ResourceId, Timestamp};

/// Why something that could be done is not done now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Hold {
    /// The policy acted on this resource not long ago.
    Cooldown {
        /// When it may act again.
        until: Timestamp,
    },
    /// Another plan owns a resource that this one needs.
    Owned {
        /// The contested resource.
        resource: ResourceId,
        /// The plan that owns it.
        by: PlanId,
    },
    /// The policy's mode does not let it act.
    Observing,
    /// A plan was made and shown; the policy's mode does not let it run.
    Recommended,
    /// A plan was called off: nothing more is done until the finding closes.
    CalledOff,
    /// The plan waits for a person.
    AwaitingApproval,
    /// The plan waits for several people, or until its time is over.
    AwaitingQuorum {
        /// What they approve of: the hash of the plan.
        hash: String,
        /// How many have.
        approved: u16,
        /// How many have to.
        quorum: u16,
        /// When the time is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// What becomes of it then.
        otherwise: Otherwise,
    },
    /// The condition is no longer known to hold.
    Unknown,
    /// What is to be done depends on something that is not known.
    Undecided {
        /// What.
        what: String,
    },
    /// An operator has paused the engine.
    Paused,
    /// A budget has no room for all that the plan acts on.
    Budget {
        /// Whose budget it is.
        of: String,
        /// What is counted together.
        counted: String,
        /// How many resources there are.
        used: u32,
        /// How many there may be.
        max: u32,
        /// How many the plan would add.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        takes: u32,
        /// That begin in any stretch of this length; `None`: that are in flight.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        per: Option<Duration>,
        /// One of the plans in flight.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<PlanId>,
        /// When there is room again by itself, or the budget is no longer in force; `None`: when a plan has ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Too many have a finding at once: what looks like that is rarely mended one by one. Ends when fewer have.
    Unhealthy {
        /// Who says so.
        of: String,
        /// How many resources have a finding.
        unhealthy: u32,
        /// How many may have.
        max: u32,
        /// How many there are.
        all: u32,
    },
    /// Nothing is heard of too many hosts: it may be ourselves who are cut off. Ends when more are heard of.
    Silent {
        /// The guard that says so.
        of: String,
        /// Of how many hosts nothing was heard.
        silent: u32,
        /// Of how many there may be nothing.
        max: u32,
        /// How many there are.
        all: u32,
        /// For how long.
        after: Duration,
    },
    /// A breaker is open, or has let another plan through to see what comes of it.
    Breaker {
        /// The guard that it belongs to.
        of: String,
        /// What it is.
        state: BreakerState,
    },
    /// People work there.
    Maintenance {
        /// The guard that says so.
        of: String,
        /// Until when.
        until: Timestamp,
    },
    /// It may be done at certain times only.
    Outside {
        /// The guard that says so.
        of: String,
        /// When the next of them begins; `None`: none does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// A mark on a resource says that it is to be left alone.
    Marked {
        /// The resource.
        resource: ResourceId,
        /// The label or attribute.
        mark: String,
    },
    /// A ladder has come to its end there, and a person has taken over.
    Quarantined {
        /// The resource.
        resource: ResourceId,
        /// Since when.
        since: Timestamp,
        /// The policy whose ladder it was.
        by: PolicyName,
        /// When it ends, if the policy's finding stays closed; `None`: it is open, or a person has to say so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The finding opens again and again.
    Flapping {
        /// How often.
        opened: u16,
        /// In a stretch of this length.
        within: Duration,
        /// When it has been quiet enough.
        until: Timestamp,
    },
    /// A workload would be sent back to where it came from.
    Return {
        /// The workload.
        resource: ResourceId,
        /// The host that it left not long ago.
        host: ResourceId,
        /// From when on it may go back.
        until: Timestamp,
    },
    /// A finding of a policy of the same priority wants the opposite: nothing more is done about either until one of them closes.
    Contradicted {
        /// That finding.
        by: FindingRef,
        /// What was to be done.
        wanted: String,
    },
    /// A finding of a policy of a greater priority wants the opposite. Ends when it closes.
    Overruled {
        /// That finding.
        by: FindingRef,
        /// What was to be done.
        wanted: String,
    },
    /// The program began not long ago, or has not seen everything yet.
    Settling {
        /// The guard that says so.
        of: String,
        /// Until when, at least.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// The adapter that has not listed what there is yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unseen: Option<AdapterName>,
    },
}

/// What a plan takes of a budget in records from before plans were weighed.
fn one() -> u32 {
    1
}

fn is_one(takes: &u32) -> bool {
    *takes == 1
}

/// What a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BreakerState {
    /// Everything goes through.
    Closed,
    /// Nothing that disrupts goes through.
    Open {
        /// Until then.
        until: Timestamp,
    },
    /// One plan goes through, to see what comes of it.
    HalfOpen {
        /// That one, once it has begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trial: Option<PlanId>,
    },
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Open { .. } => f.write_str("open"),
            Self::HalfOpen { trial: None } => f.write_str("half open"),
            Self::HalfOpen { trial: Some(plan) } => write!(f, "half open, trying plan {plan}"),
        }
    }
}

impl Hold {
    /// When it ends by itself, where that is a matter of time.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Cooldown { until } | Self::Maintenance { until, .. } => Some(*until),
            Self::Flapping { until, .. } | Self::Return { until, .. } => Some(*until),
            Self::Breaker { state: BreakerState::Open { until }, .. } => Some(*until),
            Self::AwaitingQuorum { until, .. } => *until,
            Self::Quarantined { until, .. } => *until,
            Self::Budget { until, .. } | Self::Outside { until, .. } | Self::Settling { until, .. } => *until,
            _ => None,
        }
    }

    /// When something could be done by that: not where what waits is given up then.
    #[must_use]
    pub fn acts_at(&self) -> Option<Timestamp> {
        match self {
            Self::AwaitingQuorum { otherwise: Otherwise::Reject, .. } => None,
            _ => self.until(),
        }
    }

    /// Whether it says the same but for numbers that come and go while it lasts. It is recorded once.
    #[must_use]
    pub fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Budget { of, counted, per, .. }, Self::Budget { of: o, counted: c, per: p, .. }) => {
                (of, counted, per) == (o, c, p)
            }
            (Self::Unhealthy { of, .. }, Self::Unhealthy { of: other, .. })
            | (Self::Silent { of, .. }, Self::Silent { of: other, .. })
            | (Self::Breaker { of, .. }, Self::Breaker { of: other, .. }) => of == other,
            (Self::Contradicted { by, .. }, Self::Contradicted { by: other, .. })
            | (Self::Overruled { by, .. }, Self::Overruled { by: other, .. }) => by == other,
            (Self::Quarantined { resource, since, .. }, Self::Quarantined { resource: r, since: s, .. }) => {
                (resource, since) == (r, s)
            }
            _ => self == other,
        }
    }

    /// Whether it may end when a plan ends.
    #[must_use]
    pub fn waits_for_a_plan(&self) -> bool {
        match self {
            Self::Owned { .. } | Self::Budget { per: None, .. } => true,
            // A plan that failed has not brought about what the other finding wanted.
            Self::Contradicted { .. } | Self::Overruled { .. } => true,
            Self::Breaker { state, .. } => matches!(state, BreakerState::HalfOpen { .. }),
            _ => false,
        }
    }

    /// Whether nothing that ends makes room: what the plan takes is more than its budget ever allows. With room for none it is a freeze,
    /// which people end.
    #[must_use]
    pub fn is_beyond(&self) -> bool {
        matches!(self, Self::Budget { max, takes, .. } if *max > 0 && takes > max)
    }

    /// The finding of another policy that it waits for.
    #[must_use]
    pub fn opponent(&self) -> Option<&FindingRef> {
        match self {
            Self::Contradicted { by, .. } | Self::Overruled { by, .. } => Some(by),
            _ => None,
        }
    }

    /// Whether something was to be done that a guard, or an operator's pause, forbids for now; by contrast to a pause after one's own deed, to what is not known,
    /// and to what waits for a person.
    #[must_use]
    pub fn is_a_guards(&self) -> bool {
        match self {
            Self::Budget { .. }
            | Self::Unhealthy { .. }
            | Self::Silent { .. }
            | Self::Breaker { .. }
            | Self::Maintenance { .. }
            | Self::Outside { .. }
            | Self::Marked { .. }
            | Self::Quarantined { .. }
            | Self::Flapping { .. }
            | Self::Return { .. }
            | Self::Contradicted { .. }
            | Self::Overruled { .. }
            | Self::Settling { .. }
            | Self::Paused => true,
            Self::Cooldown { .. }
            | Self::Owned { .. }
            | Self::Observing
            | Self::Recommended
            | Self::CalledOff
            | Self::AwaitingApproval
            | Self::AwaitingQuorum { .. }
            | Self::Unknown
            | Self::Undecided { .. } => false,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cooldown { .. } => f.write_str("cooldown: the policy acted here not long ago"),
            Self::Owned { resource, by } => write!(f, "plan {by} has {resource} in hand"),
            Self::Observing => f.write_str("mode observe: findings only"),
            Self::CalledOff => f.write_str("its plan was called off: nothing more is done until the finding closes"),
            Self::Recommended => f.write_str("mode recommend: the plan is shown, not run"),
            Self::AwaitingApproval => f.write_str("mode approve: the plan waits for a person"),
            Self::AwaitingQuorum { hash, approved, quorum, until, otherwise } => {
                let people = if *quorum == 1 { "person" } else { "people" };
                write!(f, "approval of {hash}: {approved} of {quorum} {people}")?;
                until.map_or(Ok(()), |_| write!(f, "; when the time is over: {otherwise}"))
            }
            Self::Unknown => f.write_str("the condition is no longer known to hold"),
            Self::Undecided { what } => write!(f, "what to do is not known: {what}"),
            Self::Paused => f.write_str("paused by an operator"),
            Self::Budget { of, counted, max: 0, .. } => write!(f, "budget of {of}: none may begin for {counted} now"),
            Self::Budget { of, counted, used, max, takes, per, by, .. } => {
                write!(f, "budget of {of}: {used} of {max} for {counted} ")?;
                match per {
                    Some(per) => write!(f, "within {per}")?,
                    None => f.write_str("in flight")?,
                }
                by.map_or(Ok(()), |plan| write!(f, ", such as plan {plan}"))?;
                if *takes > 1 { write!(f, ", and this acts on {takes}") } else { Ok(()) }
            }
            Self::Unhealthy { of, unhealthy, max, all } => {
                write!(f, "maxUnhealthy of {of}: {unhealthy} of {all} have a finding, and {max} may")
            }
            Self::Silent { of, silent, max, all, after } => {
                write!(
                    f,
                    "silentHosts of {of}: nothing was heard of {silent} of {all} hosts for {after}, and {max} may be silent"
                )
            }
            Self::Breaker { of, state } => write!(f, "the breaker of {of} is {state}"),
            Self::Maintenance { of, .. } => write!(f, "maintenance, says {of}"),
            Self::Outside { of, .. } => write!(f, "outside of the times in which {of} lets anything be disrupted"),
            Self::Marked { resource, mark } => write!(f, "{resource} is marked `{mark}`"),
            Self::Quarantined { resource, by, until: None, .. } => {
                write!(
                    f,
                    "{resource} is in quarantine: the ladder of {by} has come to its end; it is released by a person, or when that finding stays closed"
                )
            }
            Self::Quarantined { resource, by, .. } => {
                write!(f, "{resource} is in quarantine: the ladder of {by} has come to its end")
            }
            Self::Flapping { opened, within, .. } => {
                write!(f, "flapping: it has opened {opened} times within {within}")
            }
            Self::Return { resource, host, .. } => write!(f, "returnAfter: {resource} left {host} not long ago"),
            Self::Contradicted { by, wanted } => {
                write!(f, "{by} wants the opposite of {wanted}, and neither has priority")
            }
            Self::Overruled { by, wanted } => write!(f, "{by} wants the opposite of {wanted}, and has priority"),
            Self::Settling { of, unseen: Some(adapter), .. } => {
                write!(f, "settling, says {of}: adapter {adapter} has not listed yet what there is")
            }
            Self::Settling { of, .. } => write!(f, "settling, says {of}: the program began not long ago"),
        }
    }
}
