//! Sends notifications as CloudEvents 1.0 over HTTP, in structured JSON mode: the twin of the source of that name.

use async_trait::async_trait;
use homeostat_model::{ChannelName, Duration, Notification, Severity};
use homeostat_port::Secret;
use serde::Deserialize;
use serde_json::json;

use crate::{
    DeliveryError, Notifier, Patience,
    patience::some_time,
    payload::{payload, stable_id, time},
    post::{Headers, Post, Poster},
    url::Url,
};

/// The type of every event that is sent.
const TYPE: &str = "dev.homeostat.notification.v1";

/// Where events are sent, and how.
///
/// ```yaml
/// name: pager
/// url: https://events.example.org/homeostat
/// token: {env: PAGER_TOKEN}
/// headers: {X-Team: infra}
/// minSeverity: warning
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CloudEventsConfig {
    /// The channel's name, by which policies mean it.
    #[serde(default = "default_name")]
    pub name: ChannelName,
    /// Where events are posted.
    url: Url,
    /// Shown there as a bearer token.
    token: Option<Secret>,
    /// Headers besides.
    #[serde(default)]
    headers: Headers,
    /// The events' attribute `source`: which of several installations speaks.
    #[serde(default = "default_source")]
    source: String,
    /// The least urgent notifications that are sent here unless a policy names the channel.
    #[serde(default)]
    pub min_severity: Severity,
    /// The longest that one try takes.
    #[serde(default = "default_timeout", deserialize_with = "some_time")]
    timeout: Duration,
    /// How old a notification may become undelivered until it is given up.
    #[serde(default)]
    pub give_up_after: Patience,
}

#[expect(clippy::expect_used, reason = "a constant that is a name")]
fn default_name() -> ChannelName {
    ChannelName::new("cloud-events").expect("a name")
}

fn default_source() -> String {
    "/homeostat".into()
}

/// As long as receivers usually have.
pub(crate) fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

impl CloudEventsConfig {
    /// What is in force where nothing is given, by the names of the fields.
    #[must_use]
    pub fn defaults(&self) -> serde_json::Value {
        let Self { name, source, min_severity, timeout, give_up_after, .. } = self;
        json!({
            "name": name, "source": source, "minSeverity": min_severity, "timeout": timeout, "giveUpAfter": give_up_after,
        })
    }
}

/// The channel.
#[derive(Debug)]
pub struct CloudEvents {
    post: Post,
    source: String,
    poster: Poster,
}

impl CloudEvents {
    /// One that sends as `config` says.
    #[must_use]
    pub fn new(config: CloudEventsConfig) -> Self {
        let CloudEventsConfig { url, token, headers, source, timeout, .. } = config;
        let poster = Poster::new(&url);
        let timeout = std::time::Duration::from_millis(timeout.as_millis());
        let post = Post { url, token, headers, timeout, content_type: "application/cloudevents+json; charset=utf-8" };
        Self { post, source, poster }
    }
}

#[async_trait]
impl Notifier for CloudEvents {
    async fn deliver(&self, notification: &Notification) -> Result<(), DeliveryError> {
        let event = json!({
            "specversion": "1.0",
            "id": stable_id(notification),
            "source": self.source,
            "type": TYPE,
            "subject": notification.finding.resource,
            "time": time(notification.at),
            "datacontenttype": "application/json",
            "data": payload(notification),
        });
        self.poster.post(&self.post, event.to_string()).await
    }
}
