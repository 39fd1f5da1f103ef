//! Brings samples and events from elsewhere: Alertmanager's webhook, CloudEvents over HTTP, and JSON lines.
//!
//! ```text
//!   POST -> admission -+-> payload -> alert --+                +-- not seen before? --+
//!                      +-> content -> event --+--> mapping ----+                      +--> sink
//!   file, stdin -> lines ---> line, event ----+    resource id +-- labels changed? ---+
//!                                \--> a recording, in virtual time: read_all
//! ```
//!
//! Whatever comes in is about one resource. Where it does not say so itself, the [`Mapping`] finds the resource in what it
//! does say. Alerts, events and lines are read by one code each, live and from a recording.
//!
//! Invariant: one bad alert or line is refused alone, with what is wrong, where and what to do next; the others go on.
//! Invariant: nothing grows with what comes in: bodies, lines, memories and warnings are bounded.
//! Invariant: what is sent on is remembered, and nothing else; what comes again is not sent on again.
//! Invariant: it knows no policy, no plan and no adapter; it acts on nothing.

mod admission;
mod alertmanager;
mod cloud_event;
mod cloud_events;
mod complaint;
mod content;
mod event_data;
mod follow;
mod intake;
mod json_lines;
mod labels;
mod line;
mod line_error;
mod mapping;
mod media_type;
mod names;
mod object;
mod payload;
mod percent;
mod place;
mod reader;
mod recent;
mod refusal;
mod scan;
mod seen;
mod template;
mod time;
mod token;
mod webhook_path;

pub use admission::{BodyLimit, Inlet, InvalidBodyLimit};
pub use alertmanager::{AlertmanagerConfig, alertmanager};
pub use cloud_events::{CloudEventsConfig, cloud_events};
pub use intake::{Intake, Reason};
pub use json_lines::{JsonLines, JsonLinesConfig};
pub use line::parse_line;
pub use line_error::{LineError, LineProblem};
pub use mapping::{Mapping, Unplaced};
pub use payload::ALERT_EVENTS;
pub use reader::{TimedLine, read_all};
pub use template::InvalidTemplate;
pub use token::{Token, TokenError};
pub use webhook_path::{InvalidWebhookPath, WebhookPath};
