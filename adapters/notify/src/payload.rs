//! A notification as receivers read it.

use homeostat_model::{Notification, Timestamp};
use serde_json::{Value, json};

/// What a notification says, as JSON.
pub(crate) fn payload(notification: &Notification) -> Value {
    let mut said = json!({
        "id": stable_id(notification),
        "time": time(notification.at),
        "severity": notification.severity,
        "policy": notification.finding.policy,
        "resource": notification.finding.resource,
        "message": notification.message,
    });
    if let (Some(asks), Some(said)) = (&notification.asks, said.as_object_mut()) {
        let until = asks.until.map(time);
        said.insert(
            "plan".into(),
            json!({
                "id": asks.plan, "hash": asks.hash, "quorum": asks.quorum, "until": until, "otherwise": asks.otherwise,
            }),
        );
    }
    said
}

/// The same for every delivery of a notification, and for no other one: also where a journal was begun anew, with generation 1.
pub(crate) fn stable_id(notification: &Notification) -> String {
    format!("{}.{}", notification.id, notification.at.as_millis())
}

/// In the form of RFC 3339.
pub(crate) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default().to_string()
}
