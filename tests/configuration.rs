//! Every mistake that can be made in a configuration, as `check` shows it. The answers are files beside the mistakes.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::PathBuf};

    use expect_test::expect_file;
    use serde_json::Value;

    use crate::program::{homeostat_in, printed, root};

    fn folder() -> PathBuf {
        root().join("tests/configuration")
    }

    /// The names of the mistakes.
    fn mistakes() -> Vec<String> {
        let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.filter(|name| name.ends_with(".yaml")).collect();
        names.sort();
        names
    }

    #[test]
    fn every_mistake_is_shown_with_its_place_and_what_to_do() {
        for name in mistakes() {
            let (status, told) = printed(&homeostat_in(&folder(), &["check", &name]));
            assert_eq!(status, 1, "{name}: {told}");
            expect_file![folder().join(name.replace(".yaml", ".txt"))].assert_eq(&told);
        }
    }

    #[test]
    fn programs_are_told_the_same() {
        let (mut codes, mut count) = (BTreeSet::new(), 0);
        for name in mistakes() {
            let output = homeostat_in(&folder(), &["check", "-o", "json", &name]);
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            for problem in document["problems"].as_array().unwrap() {
                let (code, help) = (problem["code"].as_str().unwrap(), problem["help"].as_str().unwrap_or_default());
                assert!(code.starts_with("homeostat::configuration::"), "{name}: {problem}");
                assert!(
                    problem["line"].as_u64() > Some(0) && problem["column"].as_u64() > Some(0),
                    "{name}: {problem}"
                );
                // Of what is no YAML, the parser knows no more.
                assert!(!help.is_empty() || code.ends_with("yaml_syntax"), "{name}: {problem}");
                codes.insert(code.to_owned());
                count += 1;
            }
        }
        assert!(codes.len() >= 20 && count >= 50, "{count} problems, {codes:#?}");
    }
}
