//! The words everything else is written in. Pure data: no clock, no I/O, no behaviour beyond checking itself.
//!
//! ```text
//!   rack <-- host <-- vm        a resource is named kind/name and lives `on` another one
//!              ^                samples and events are about one resource each
//!              +----- container a plan is a DAG of steps, each one action on one resource
//! ```
//!
//! Invariant: this crate knows no other crate of the project.
//! Invariant: a value that was built is valid; text from outside goes through `FromStr` or serde and is refused there.
//! Invariant: collections that are iterated are ordered, so that equal values are written as equal bytes.

mod action;
mod attributes;
mod budget;
mod capability;
mod cpus;
mod cron;
mod data;
mod duration;
mod event;
mod evidence;
mod hold;
mod inventory;
mod name;
mod notification;
mod outcome;
mod plan;
mod quantity;
mod reach;
mod record;
mod recovery;
mod resource;
mod response;
mod sample;
mod step;
mod timestamp;
mod topology;
mod truth;
mod value;
mod written;

pub use action::{Action, Amount, Verb};
pub use attributes::Attributes;
pub use budget::{Approval, Budget, Flap, Fuse, Impact, Otherwise, ParseQuotaError, Promotion, Quota, Scope, Window};
pub use capability::{Capabilities, KindCapability, MetricDescription};
pub use cpus::{CpuSet, MAX_CPUS};
pub use cron::{Cron, ParseCronError};
pub use data::Data;
pub use duration::{Duration, ParseDurationError};
pub use event::Event;
pub use evidence::{Clause, Evidence};
pub use hold::{BreakerState, Hold};
pub use inventory::{InventoryChange, Observation};
pub use name::{AdapterName, ChannelName, EventType, InvalidName, Kind, MetricName, PolicyName};
pub use notification::{Channel, Delivery, NoticeId, Notices, Notification, Question, Severity, Topic};
pub use outcome::{REPORT_GRACE, StepReport, StepResult};
pub use plan::{Generation, IdempotencyKey, Mode, Plan, PlanId, PlanResult, Step, StepCommand, StepId};
pub use quantity::{ParseQuantityError, Quantity, Unit};
pub use reach::{Group, Lot, Reach};
pub use record::{Entry, FindingRef, Record};
pub use recovery::{Counting, OpenPlan, OpenPlans};
pub use resource::{Capacity, Resource, ResourceId};
pub use response::{Change, Resizing, Response};
pub use sample::Sample;
pub use step::{Attempt, Cost, Precondition, Retry, Verification};
pub use timestamp::Timestamp;
pub use topology::{MAX_DEPTH, Topology};
pub use truth::Truth;
pub use value::Value;
