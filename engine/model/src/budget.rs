//! Budgets: to how many resources something may be done at a time, or in any stretch of time, and where they are counted.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Action, Cron, Duration, Group, Mode, Timestamp};

/// A limit on the resources that plans begin to act on, of those that its owner selects: see [`crate::Reach::weight`].
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// What is counted together.
    pub scope: Scope,
    /// How many at most.
    pub max: Quota,
    /// Those that begin in any stretch of this length; `None`: those in flight at a time.
    pub per: Option<Duration>,
    /// When it is in force; `None`: always.
    pub during: Option<Window>,
}

/// What a budget counts together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// What is done by the policy.
    Policy,
    /// Everything that a guard selects.
    All,
    /// What is done to a host and to what runs on it, whichever policy does it.
    Host,
    /// The same of a rack.
    Rack,
    /// The same of a kind of resource.
    Kind,
    /// The same of all that have one value of this label.
    Label(String),
}

impl Scope {
    /// Whether it counts what is in `group` by itself.
    #[must_use]
    pub fn counts(&self, group: &Group) -> bool {
        match (self, group) {
            (Self::Host, Group::Host(_)) | (Self::Rack, Group::Rack(_)) | (Self::Kind, Group::Kind(_)) => true,
            (Self::Label(name), Group::Label(label, _)) => name == label,
            _ => false,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("policy"),
            Self::All => f.write_str("all"),
            Self::Host => f.write_str("host"),
            Self::Rack => f.write_str("rack"),
            Self::Kind => f.write_str("kind"),
            Self::Label(name) => write!(f, "label:{name}"),
        }
    }
}

/// A number, or a share of those that it is about: `3`, `10%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quota {
    /// So many.
    Count(u32),
    /// This share of them, from 0 to 1.
    Share(f64),
}

/// A text that is no number and no share.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is neither a number nor a share; write a whole number such as `3`, or a share from 0% to 100% such as `10%`"
)]
pub struct ParseQuotaError(String);

impl Quota {
    /// So many of `all`; a share is rounded up, as Karpenter's budgets do, so that only `0%` freezes a small fleet, or a host on which
    /// there is nothing yet.
    #[must_use]
    pub fn up(self, all: usize) -> u32 {
        match self {
            Self::Share(share) if share > 0.0 => self.of(all, f64::ceil).max(1),
            _ => self.of(all, f64::ceil),
        }
    }

    /// So many of `all`; a share is rounded down, as Cluster API's `maxUnhealthy` does, so that a small fleet is not lost whole.
    #[must_use]
    pub fn down(self, all: usize) -> u32 {
        self.of(all, f64::floor)
    }

    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a number of resources is no greater than it, and not negative"
    )]
    fn of(self, all: usize, round: impl Fn(f64) -> f64) -> u32 {
        match self {
            Self::Count(count) => count,
            // What is a whole number but for the last bits of a product is that number.
            Self::Share(share) => {
                let exact = all as f64 * share;
                let near = exact.round();
                (if (exact - near).abs() < 1e-6 { near } else { round(exact) }) as u32
            }
        }
    }
}

impl FromStr for Quota {
    type Err = ParseQuotaError;

    fn from_str(text: &str) -> Result<Self, ParseQuotaError> {
        let error = || ParseQuotaError(text.chars().take(64).collect());
        let quota = match text.strip_suffix('%') {
            Some(share) => {
                share.parse::<f64>().ok().filter(|s| (0.0..=100.0).contains(s)).map(|s| Self::Share(s / 100.0))
            }
            None => text.parse().ok().map(Self::Count),
        };
        quota.ok_or_else(error)
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Share(share) => write!(f, "{}%", (share * 1e8).round() / 1e6),
        }
    }
}

/// A stretch of time by the calendar.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// It comes again.
    Recurring {
        /// When it begins.
        schedule: Cron,
        /// How long it lasts.
        duration: Duration,
        /// By the clock of this zone of the IANA database.
        time_zone: String,
    },
    /// Once.
    Once {
        /// From this moment.
        from: Timestamp,
        /// Until this moment.
        to: Timestamp,
    },
}

/// How people approve of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval {
    /// So many different people have to, at least one.
    pub quorum: u16,
    /// Within this time; `None`: whenever.
    pub within: Option<Duration>,
    /// What becomes of the plan when the time is over.
    pub otherwise: Otherwise,
}

/// What becomes of a plan of which too few people said anything in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    /// It is dropped.
    #[default]
    Reject,
    /// It is carried out.
    Approve,
}

impl fmt::Display for Otherwise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reject => "reject",
            Self::Approve => "approve",
        })
    }
}

/// When a policy may do more by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promotion {
    /// After people have agreed with so many of its plans, one after the other.
    pub after: u16,
    /// Then it has this mode.
    pub to: Mode,
}

/// When a finding is called flapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flap {
    /// When it opens so often,
    pub changes: u16,
    /// in a stretch of this length.
    pub within: Duration,
}

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fuse {
    /// So many plans that failed,
    pub failures: u32,
    /// in a stretch of this length, open it.
    pub within: Duration,
    /// It stays open for so long; then one plan is let through.
    pub pause: Duration,
}

/// How much a deed takes from those who use what it is done to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    /// Nothing: something begins, goes on, or may be used again.
    #[serde(rename = "none")]
    Restoring,
    /// It goes on running meanwhile.
    #[default]
    Live,
    /// It is interrupted.
    Restart,
    /// A whole host is switched off.
    Power,
}

impl Impact {
    /// All, from the least to the greatest.
    pub const ALL: [Self; 4] = [Self::Restoring, Self::Live, Self::Restart, Self::Power];

    /// That of one action.
    #[must_use]
    pub fn of(action: &Action) -> Self {
        match action {
            Action::Start | Action::Pause { on: false } | Action::Power { on: true } | Action::Cordon { on: false } => {
                Self::Restoring
            }
            Action::Resize(_) | Action::Migrate { live: true, .. } | Action::Cordon { on: true } => Self::Live,
            Action::Restart { .. }
            | Action::Stop
            | Action::Pause { on: true }
            | Action::Kill
            | Action::Recreate { .. }
            | Action::Migrate { live: false, .. } => Self::Restart,
            Action::Fence | Action::Power { on: false } => Self::Power,
        }
    }
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Restoring => "none",
            Self::Live => "live",
            Self::Restart => "restart",
            Self::Power => "power",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_to_the_safe_side_of_what_it_is_for() {
        for (text, all, up, down) in [
            ("3", 100, 3, 3),
            ("10%", 30, 3, 3),
            ("10%", 31, 4, 3),
            ("10%", 1, 1, 0),
            ("10%", 0, 1, 0),
            ("0%", 0, 0, 0),
            ("0%", 50, 0, 0),
            ("100%", 7, 7, 7),
            ("12.5%", 8, 1, 1),
            ("33%", 300, 99, 99),
        ] {
            let quota: Quota = text.parse().unwrap();
            assert_eq!(
                (quota.up(all), quota.down(all), quota.to_string().as_str()),
                (up, down, text),
                "{text} of {all}"
            );
        }
        for text in ["", "-1", "1.5", "101%", "%", "ten", "NaN%", "4294967296"] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_restores_is_none_of_the_disruptive_actions() {
        let restoring =
            [Action::Start, Action::Pause { on: false }, Action::Power { on: true }, Action::Cordon { on: false }];
        assert!(restoring.iter().all(|action| Impact::of(action) == Impact::Restoring));
        for (action, impact) in [
            (Action::Resize(Box::default()), Impact::Live),
            (Action::Migrate { to: "host/a".parse().unwrap(), live: true }, Impact::Live),
            (Action::Migrate { to: "host/a".parse().unwrap(), live: false }, Impact::Restart),
            (Action::Stop, Impact::Restart),
            (Action::Fence, Impact::Power),
        ] {
            assert_eq!(Impact::of(&action), impact, "{action}");
        }
    }
}
