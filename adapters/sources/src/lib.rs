//! Brings samples and events from elsewhere: Alertmanager's webhook, CloudEvents over HTTP, remote-write, scraping, PromQL and
//! JSON lines.
//!
//! ```text
//!   POST -> admission -+-> payload -> alert --+                +-- not seen before? --+
//!                      +-> content -> event --+--> mapping ----+                      +--> sink
//!   file, stdin -> lines ---> line, event ----+    resource id +-- labels changed? ---+
//!                                \--> a recording, in virtual time: read_all
//!
//!   POST a request -> write request --+
//!   GET a page     -> exposition -----+--> series -> mapped once: target, or why there is none -> samples --> sink
//!   ask a query    -> answer ---------+
//! ```
//!
//! Whatever comes in is about one resource. Where it does not say so itself, the [`Mapping`] finds the resource in what it
//! does say. Alerts, events and lines are read by one code each, live and from a recording.
//!
//! Invariant: one bad alert or line is refused alone, with what is wrong, where and what to do next; the others go on.
//! Invariant: nothing grows with what comes in: bodies, lines, memories and warnings are bounded.
//! Invariant: what is sent on is remembered, and nothing else; what comes again is not sent on again.
//! Invariant: it knows no policy, no plan and no adapter; it acts on nothing.

mod access;
mod admission;
mod alertmanager;
mod cloud_event;
mod cloud_events;
mod complaint;
mod content;
mod event_data;
mod exposition;
mod follow;
mod generations;
mod http;
mod intake;
mod json_lines;
mod labels;
mod line;
mod line_error;
mod lock;
mod mapping;
mod media_type;
mod memory;
mod names;
mod object;
mod pattern;
mod payload;
mod percent;
mod place;
mod promql;
mod protobuf;
mod reader;
mod recent;
mod refusal;
mod remote_write;
mod scan;
mod scrape;
mod seen;
mod series;
mod series_mapping;
mod series_preset;
mod space;
mod target;
mod template;
mod time;
mod token;
mod webhook_path;
mod write_request;

pub use admission::{BodyLimit, Inlet, InvalidBodyLimit};
pub use alertmanager::{AlertmanagerConfig, alertmanager};
pub use cloud_events::{CloudEventsConfig, cloud_events};
pub use exposition::{
    Entry, Exemplar, Exposition, ExpositionError, ExpositionFormat, ExpositionProblem, FamilyType, Label, Point,
};
pub use intake::{Became, Counted, Intake, PassedOver, Reason};
pub use json_lines::{JsonLines, JsonLinesConfig};
pub use line::parse_line;
pub use line_error::{LineError, LineProblem};
pub use mapping::{Mapping, Unplaced};
pub use memory::Memory;
pub use payload::ALERT_EVENTS;
pub use promql::{Promql, PromqlConfig};
pub use reader::{TimedLine, read_all};
pub use remote_write::{RemoteWriteConfig, remote_write};
pub use scrape::{SCRAPE_EVENTS, Scrape, ScrapeConfig};
pub use series::{Delivery, Fate, Series, SeriesReader, is_stale_marker};
pub use series_mapping::SeriesMapping;
pub use template::InvalidTemplate;
pub use token::{Token, TokenError};
pub use webhook_path::{InvalidWebhookPath, WebhookPath};
