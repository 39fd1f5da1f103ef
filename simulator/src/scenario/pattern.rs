//! Names for many: `web-{1..4}` stands for web-1, web-2, web-3 and web-4.

use super::MAX_RESOURCES;

/// The names that `pattern` stands for: one, when it has no braces.
///
/// # Errors
/// A sentence on what is wrong with it.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let Some((before, rest)) = pattern.split_once('{') else { return Ok(vec![pattern.to_owned()]) };
    let wrong = || format!("`{pattern}` is not a pattern; write a range of numbers in braces, such as web-{{1..4}}");
    let (range, after) = rest.split_once('}').ok_or_else(wrong)?;
    if after.contains('{') {
        return Err(format!("`{pattern}` has more than one range"));
    }
    let (first, last) = range.split_once("..").ok_or_else(wrong)?;
    let (first, last): (usize, usize) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    if last < first {
        return Err(format!("the range of `{pattern}` ends before it begins"));
    }
    if last - first >= MAX_RESOURCES {
        return Err(format!("`{pattern}` stands for more than {MAX_RESOURCES} names"));
    }
    Ok((first..=last).map(|number| format!("{before}{number}{after}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_their_names() {
        for (pattern, expected) in [
            ("web", Ok(vec!["web"])),
            ("web-{1..3}", Ok(vec!["web-1", "web-2", "web-3"])),
            ("r{9..10}-a", Ok(vec!["r9-a", "r10-a"])),
            ("web-{1-3}", Err("is not a pattern")),
            ("web-{1..3", Err("is not a pattern")),
            ("web-{a..c}", Err("is not a pattern")),
            ("web-{3..1}", Err("ends before it begins")),
            ("web-{0..10000}", Err("more than 10000 names")),
            ("{1..2}{1..2}", Err("more than one range")),
        ] {
            match (expand(pattern), expected) {
                (Ok(names), Ok(expected)) => assert_eq!(names, expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (found, _) => panic!("{pattern}: {found:?}"),
            }
        }
    }
}
