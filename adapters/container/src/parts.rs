//! What a container is called while it is being replaced by another one, so that everybody can see at the engines how far that
//! came, also after a crash.
//!
//! ```text
//!   web.homeostat-in-p1-7.2       the new one, before it has taken the name
//!   web.homeostat-out-p1-7.2      the old one, which has given its name away and is kept until the new one runs
//!   web.homeostat-window-p1-7.2   never started; through it files of its host are read and written
//! ```

use homeostat_model::IdempotencyKey;

/// Says under which key a container was made.
pub(crate) const STEP_LABEL: &str = "homeostat.step";

/// Says what the engine's id of the container is that this one replaces.
pub(crate) const FROM_LABEL: &str = "homeostat.from";

/// Says whether the container that this one replaces ran.
pub(crate) const RAN_LABEL: &str = "homeostat.ran";

/// Says that what is bound into the container is the same on every host.
pub(crate) const SHARED_LABEL: &str = "homeostat.shared-volumes";

/// Stands between a container's name and its part.
const MARK: &str = ".homeostat-";

/// What a container is in a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The new one.
    In,
    /// The old one.
    Out,
    /// Neither.
    Window,
}

impl Part {
    fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Window => "window",
        }
    }

    /// The name of this part in the replacement of `container` under `key`.
    pub(crate) fn name(self, container: &str, key: &IdempotencyKey) -> String {
        format!("{container}{MARK}{}-{}", self.word(), key.to_string().replace('/', "."))
    }

    /// The part that a name stands for, and the name of the container that is replaced.
    pub(crate) fn of(name: &str) -> Option<(Self, &str)> {
        let (container, rest) = name.split_once(MARK)?;
        let (word, _) = rest.split_once('-')?;
        let part = [Self::In, Self::Out, Self::Window].into_iter().find(|part| part.word() == word)?;
        Some((part, container))
    }
}

/// The name that a container has when nothing is being replaced.
pub(crate) fn own_name(name: &str) -> &str {
    Part::of(name).map_or(name, |(_, container)| container)
}

#[cfg(test)]
mod tests {
    use homeostat_model::{Generation, PlanId, StepId};

    use super::*;

    #[test]
    fn a_part_is_known_by_its_name() {
        let key = IdempotencyKey::new(PlanId { generation: Generation(1), number: 7 }, StepId(2));
        for part in [Part::In, Part::Out, Part::Window] {
            let name = part.name("web-1", &key);
            assert_eq!(Part::of(&name), Some((part, "web-1")), "{name}");
            assert_eq!(own_name(&name), "web-1");
        }
        assert_eq!(Part::Out.name("web", &key), "web.homeostat-out-p1-7.2");
        for other in ["web", "web.homeostat", "web.homeostat-up-p1", "web.homeostat-in"] {
            assert_eq!(Part::of(other), None, "{other}");
            assert_eq!(own_name(other), other);
        }
    }
}
