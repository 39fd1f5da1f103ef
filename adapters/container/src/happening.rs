//! What the engine's events mean, and whether an end was asked for.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bollard::models::EventMessage;

/// How long a request to end is held against the end that follows: the longest that a container is usually given to end by
/// itself. What ends later than that ends for another reason.
const REQUEST_HOLDS: Duration = Duration::from_secs(600);

/// Requests that are remembered; a stop of every container of a full host fits.
const MAX_REQUESTS: usize = 2048;

/// Signals that are sent to have something done, and not to have the container end, unless it is stopped by one of them.
const POKES: [(&str, &str); 9] = [
    ("1", "HUP"),
    ("10", "USR1"),
    ("12", "USR2"),
    ("17", "CHLD"),
    ("18", "CONT"),
    ("19", "STOP"),
    ("20", "TSTP"),
    ("23", "URG"),
    ("28", "WINCH"),
];

/// What happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happening {
    Created,
    Started,
    Died {
        exit_code: Option<i32>,
    },
    Oom,
    Health(String),
    Paused,
    Unpaused,
    Resized,
    Renamed,
    Removed,
    /// Somebody asked the engine to end it.
    EndRequested,
    /// Somebody sent it this signal, by its number, which ends few containers.
    Poked(&'static str),
}

/// Whether a container that is stopped by `stop_signal` (`SIGHUP`, `HUP` or `1`) is stopped by the poke `number`.
pub(crate) fn is_stopped_by(stop_signal: &str, number: &str) -> bool {
    let name = POKES.iter().find(|(poke, _)| *poke == number).map(|(_, name)| *name);
    stop_signal == number || name.is_some_and(|name| stop_signal.trim_start_matches("SIG").eq_ignore_ascii_case(name))
}

impl Happening {
    /// The type of the event that tells of it; `None` when there is none.
    pub(crate) fn event_type(&self) -> Option<&'static str> {
        Some(match self {
            Self::Created => "container.created",
            Self::Started => "container.started",
            Self::Died { .. } => "container.died",
            Self::Oom => "container.oom",
            Self::Health(_) => "container.health",
            Self::Paused => "container.paused",
            Self::Unpaused => "container.unpaused",
            Self::Resized => "container.resized",
            Self::Removed => "container.removed",
            Self::Renamed | Self::EndRequested | Self::Poked(_) => return None,
        })
    }
}

/// An engine's event about a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// The engine's id of the container.
    pub(crate) id: String,
    /// Its name, if the engine said it.
    pub(crate) name: Option<String>,
    /// What happened.
    pub(crate) happening: Happening,
    /// Names the event: the same text is the same event.
    pub(crate) event_id: String,
    /// When it happened, in nanoseconds since the epoch by the engine's clock.
    pub(crate) nanos: Option<i64>,
}

impl Told {
    /// Understands an event. `None` for one that is of no interest, such as that of a command run inside.
    pub(crate) fn of(event: &EventMessage, podman: bool) -> Option<Self> {
        let actor = event.actor.as_ref()?;
        let id = actor.id.clone().filter(|id| !id.is_empty())?;
        let attribute = |name: &str| actor.attributes.as_ref()?.get(name).filter(|value| !value.is_empty());
        let action = event.action.as_deref()?;
        let happening = match action {
            "create" => Happening::Created,
            "start" => Happening::Started,
            "die" | "died" => {
                let code = attribute("exitCode").or_else(|| attribute("containerExitCode"));
                Happening::Died { exit_code: code.and_then(|code| code.parse().ok()) }
            }
            "oom" => Happening::Oom,
            "pause" => Happening::Paused,
            "unpause" => Happening::Unpaused,
            "update" => Happening::Resized,
            "rename" => Happening::Renamed,
            "destroy" | "remove" => Happening::Removed,
            "kill" => {
                let poke = attribute("signal").and_then(|signal| POKES.iter().find(|(number, _)| number == signal));
                poke.map_or(Happening::EndRequested, |(number, _)| Happening::Poked(number))
            }
            // Docker tells of these when they are done, Podman when they begin.
            "stop" | "restart" if podman => Happening::EndRequested,
            _ => Happening::Health(action.strip_prefix("health_status: ")?.to_owned()),
        };
        let event_id = format!("{id}-{action}-{}", event.time_nano.unwrap_or_default());
        Some(Self { id, name: attribute("name").cloned(), happening, event_id, nanos: event.time_nano })
    }
}

/// The containers that somebody asked the engine to end, or that this adapter was asked to.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<BTreeMap<String, Instant>>);

impl Requests {
    /// The container `id` is asked to end, now.
    pub(crate) fn note(&self, id: &str) {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.retain(|_, asked| asked.elapsed() < REQUEST_HOLDS);
        if requests.len() >= MAX_REQUESTS {
            let oldest = requests.iter().min_by_key(|(_, asked)| **asked).map(|(id, _)| id.clone());
            oldest.map(|id| requests.remove(&id));
        }
        requests.insert(id.to_owned(), Instant::now());
    }

    /// Whether the container `id` was asked to end; what was asked is done with after that.
    pub(crate) fn take(&self, id: &str) -> bool {
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.remove(id).is_some_and(|asked| asked.elapsed() < REQUEST_HOLDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(action: &str, attributes: &str, podman: bool) -> Option<Happening> {
        let json = format!(
            r#"{{"Type": "container", "Action": "{action}", "timeNano": 7,
            "Actor": {{"ID": "ab", "Attributes": {{{attributes}}}}}}}"#
        );
        Told::of(&serde_json::from_str(&json).unwrap(), podman).map(|told| told.happening)
    }

    #[test]
    fn events_mean_what_each_engine_means_by_them() {
        let died = |exit_code| Some(Happening::Died { exit_code });
        for (action, attributes, podman, wanted) in [
            ("create", "", false, Some(Happening::Created)),
            ("start", "", true, Some(Happening::Started)),
            ("die", r#""exitCode": "137""#, false, died(Some(137))),
            ("died", r#""containerExitCode": "3""#, true, died(Some(3))),
            ("die", "", false, died(None)),
            ("die", r#""exitCode": "much""#, false, died(None)),
            ("kill", r#""signal": "15""#, false, Some(Happening::EndRequested)),
            ("kill", r#""signal": "37""#, false, Some(Happening::EndRequested)),
            ("kill", r#""signal": "1""#, false, Some(Happening::Poked("1"))),
            ("kill", "", true, Some(Happening::EndRequested)),
            ("stop", "", true, Some(Happening::EndRequested)),
            ("stop", "", false, None),
            ("restart", "", true, Some(Happening::EndRequested)),
            ("restart", "", false, None),
            ("health_status: unhealthy", "", false, Some(Happening::Health("unhealthy".into()))),
            ("destroy", "", false, Some(Happening::Removed)),
            ("remove", "", true, Some(Happening::Removed)),
            ("exec_create: /bin/sh", "", false, None),
            ("top", "", false, None),
        ] {
            assert_eq!(told(action, attributes, podman), wanted, "{action} {attributes} podman={podman}");
        }
    }

    #[test]
    fn a_poke_ends_what_is_stopped_by_it() {
        for (stop_signal, number, wanted) in [
            ("SIGHUP", "1", true),
            ("HUP", "1", true),
            ("1", "1", true),
            ("SIGWINCH", "28", true),
            ("SIGTERM", "1", false),
            ("", "1", false),
            ("SIGUSR1", "12", false),
        ] {
            assert_eq!(is_stopped_by(stop_signal, number), wanted, "{stop_signal} {number}");
        }
    }

    #[test]
    fn an_event_without_a_container_is_nothing() {
        for json in
            ["{}", r#"{"Action": "die"}"#, r#"{"Action": "die", "Actor": {"ID": ""}}"#, r#"{"Actor": {"ID": "ab"}}"#]
        {
            assert_eq!(Told::of(&serde_json::from_str(json).unwrap(), false), None, "{json}");
        }
    }

    #[test]
    fn a_request_explains_one_end() {
        let requests = Requests::default();
        assert!(!requests.take("ab"));
        requests.note("ab");
        assert!(requests.take("ab"));
        assert!(!requests.take("ab"));
        for number in 0..MAX_REQUESTS + 5 {
            requests.note(&number.to_string());
        }
        assert_eq!(requests.0.lock().unwrap().len(), MAX_REQUESTS);
    }
}
