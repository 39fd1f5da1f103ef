//! Near misses: what somebody may have meant.

/// Most edits between what was written and what may have been meant: more is another word, and for short words so are two.
const MAX_EDITS: usize = 3;

/// The candidate with the fewest edits from `given`, if few are enough; the first in order of those alike.
#[must_use]
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (given.chars().count() / 3).clamp(1, MAX_EDITS);
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&given, &candidate.to_lowercase()), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// `did you mean ..?` when there is a near miss, else all candidates when they are few.
#[must_use]
pub fn hint<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    /// As many as fit on a line.
    const LISTED: usize = 12;
    if let Some(near) = nearest(given, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<&str> = candidates.into_iter().collect();
    match all.split_at_checked(LISTED) {
        _ if all.is_empty() => None,
        Some((first, rest)) if !rest.is_empty() => {
            Some(format!("among those known are {} ({} more)", listed(first), rest.len()))
        }
        _ => Some(format!("known: {}", listed(&all))),
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_found_and_a_far_one_is_not() {
        let names = ["avg", "cpu.utilization", "memory.used", "matchLabels"];
        for (given, expected) in [
            ("av", Some("avg")),
            ("agv", Some("avg")),
            ("abs", None),
            ("cpu.utilisation", Some("cpu.utilization")),
            ("cpu.usage", None),
            ("matchlabels", Some("matchLabels")),
            ("", None),
        ] {
            assert_eq!(nearest(given, names), expected, "{given}");
        }
    }

    #[test]
    fn without_a_near_miss_the_candidates_are_listed() {
        assert_eq!(hint("zzz", ["a", "b"]).as_deref(), Some("known: `a`, `b`"));
        assert_eq!(hint("zzz", []), None);
        let many: Vec<String> = (0..20).map(|i| format!("name{i}")).collect();
        let hint = hint("zzz", many.iter().map(String::as_str)).unwrap();
        assert!(hint.ends_with("`name11` (8 more)"), "{hint}");
    }
}
