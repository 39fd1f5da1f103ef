//! Names of files with wildcards.

/// Whether `name` stands for several files.
pub(crate) fn is_wild(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Whether a file called `name` is meant by `pattern`: `*` stands for any characters, `?` for one. As in a shell, names that begin
/// with a dot are not meant: those are editors' files, and the folders in which a ConfigMap keeps its versions.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Where to go on when it does not fit: after the last `*`, which takes one character more each time.
    let (mut p, mut n, mut star) = (0, 0, None);
    while let Some(given) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == given => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_stand_for_what_they_do_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", ".yaml", false),
            ("*.yaml", ".a.yaml", false),
            (".*", ".a.yaml", true),
            ("*.yaml", "a.yml", false),
            ("*.yaml", "a.yaml.bak", false),
            ("1?-*.yaml", "10-web.yaml", true),
            ("1?-*.yaml", "1-web.yaml", false),
            ("*a*b*", "xaxxabx", true),
            ("*a*b*", "bbaa", false),
            ("**", "", true),
            ("?", "", false),
            ("a", "a", true),
            ("ä?", "äö", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
