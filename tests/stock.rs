//! The stock policies and guards: each has its tests, its page, its scenario and its place in the index, and what the pages show is so.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use expect_test::expect_file;
    use serde_json::Value;

    use crate::program::{homeostat, printed, root};

    /// Longest line of a transcript in a page; evidence can be longer than anybody reads there.
    const WIDTH: usize = 160;

    /// Look-alikes that each policy has to be left cold by.
    const QUIET: usize = 3;

    fn policies() -> PathBuf {
        root().join("policies")
    }

    /// The names of the stock policies and guards, by their files.
    fn all() -> Vec<String> {
        let files = fs::read_dir(policies()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = files
            .filter(|file| !file.ends_with(".test.yaml"))
            .filter_map(|file| Some(file.strip_suffix(".yaml")?.to_owned()))
            .collect();
        names.sort();
        names
    }

    fn is_guard(name: &str) -> bool {
        text(&format!("{name}.yaml")).contains("\nkind: Guard\n")
    }

    /// Those of the policies.
    fn names() -> Vec<String> {
        let names: Vec<String> = all().into_iter().filter(|name| !is_guard(name)).collect();
        assert!(names.len() >= 10, "{names:?}");
        names
    }

    /// Those of the guards.
    fn guards() -> Vec<String> {
        let guards: Vec<String> = all().into_iter().filter(|name| is_guard(name)).collect();
        assert!(!guards.is_empty(), "there is no stock guard");
        guards
    }

    fn text(path: &str) -> String {
        let path = policies().join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The mode that a policy says, or the one that it has then.
    fn mode(name: &str) -> String {
        let policy = text(&format!("{name}.yaml"));
        policy.lines().find_map(|line| line.strip_prefix("  mode: ")).unwrap_or("auto").to_owned()
    }

    /// What comes after `word` in the names of its tests that begin with it.
    fn tests(name: &str, word: &str) -> Vec<String> {
        let tests = text(&format!("{name}.test.yaml"));
        let named = tests.lines().filter_map(|line| line.strip_prefix("metadata: {name: ")?.strip_suffix('}'));
        named.filter_map(|test| Some(test.trim_matches('"').strip_prefix(word)?.to_owned())).collect()
    }

    /// What is listed in its page under this heading.
    fn listed(name: &str, heading: &str) -> Vec<String> {
        let page = text(&format!("docs/{name}.md"));
        let (_, listed) = page.split_once(&format!("## {heading}\n")).unwrap_or_else(|| panic!("{name}.md"));
        let (listed, _) = listed.split_once("\n## ").unwrap();
        listed.lines().filter_map(|line| Some(line.strip_prefix("- ")?.to_owned())).collect()
    }

    fn has_headings(name: &str) {
        let page = text(&format!("docs/{name}.md"));
        for heading in ["When not to use it", "What it needs", "How to tune it", "Before and after"] {
            assert!(page.contains(&format!("\n## {heading}\n")), "{name}.md has nothing under {heading}");
        }
    }

    #[test]
    fn every_file_and_page_belongs_to_a_stock_policy_or_guard() {
        let names = all();
        for entry in fs::read_dir(policies().join("docs")).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            assert!(names.iter().any(|name| file == format!("{name}.md")), "docs/{file} is of no policy");
        }
        for entry in fs::read_dir(root().join("examples/stock")).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            assert!(names.contains(&file), "examples/stock/{file} is of no policy");
        }
        for name in names {
            // A guard is for one kind: a file has several, and each the file's name.
            let end = if is_guard(&name) { "-" } else { "}" };
            assert!(text(&format!("{name}.yaml")).contains(&format!("metadata: {{name: {name}{end}")), "{name}");
        }
    }

    #[test]
    fn no_two_policies_can_undo_each_other() {
        let (status, text) = printed(&homeostat(&["check", policies().to_str().unwrap()]));
        assert_eq!(status, 0, "{text}");
        assert!(text.contains("no problem\n") && !text.contains("oscillation"), "{text}");
    }

    #[test]
    fn the_index_names_every_policy_with_its_mode_and_every_guard() {
        let index = text("README.md");
        let rows: Vec<&str> =
            index.lines().filter(|line| line.starts_with("| [") && line.contains("](docs/")).collect();
        let expected: Vec<String> = names().into_iter().chain(guards()).collect();
        assert_eq!(rows.len(), expected.len(), "one row for each policy: {rows:#?}");
        for (row, name) in rows.iter().zip(&expected) {
            let end = if is_guard(name) { " |".to_owned() } else { format!("| `{}` |", mode(name)) };
            let link = format!("| [{name}](docs/{name}.md) |");
            assert!(row.starts_with(&link) && row.ends_with(&end), "{row}\nis to begin with {link} and end with {end}");
        }
    }

    #[test]
    fn what_moves_or_fences_by_itself_is_only_recommended() {
        for name in names() {
            let policy = text(&format!("{name}.yaml"));
            let (_, ladder) = policy.split_once("\n  then:\n").unwrap();
            let risky = ["migrate", "evacuate", "fisicalize"].iter().any(|response| ladder.contains(response));
            assert!(!risky || mode(&name) == "recommend", "{name} acts by itself");
        }
    }

    #[test]
    fn every_policy_is_left_cold_by_what_looks_like_it_and_its_page_says_by_what() {
        for name in names() {
            let quiet = tests(&name, "quiet - ");
            assert!(quiet.len() >= QUIET, "{name} has {} tests that begin with `quiet - `: {quiet:?}", quiet.len());
            assert_eq!(listed(&name, "When it stays quiet"), quiet, "{name}.md");
            has_headings(&name);
            let page = text(&format!("docs/{name}.md"));
            assert!(page.contains(&format!("`mode: {}`", mode(&name))), "{name}.md says another mode");
        }
    }

    #[test]
    fn every_guard_holds_back_and_lets_pass_what_its_page_says() {
        for name in guards() {
            let (held, passes) = (tests(&name, "held - "), tests(&name, "passes - "));
            assert!(held.len() >= QUIET && !passes.is_empty(), "{name}: {held:?} {passes:?}");
            assert_eq!(listed(&name, "What it holds back"), held, "{name}.md");
            assert_eq!(listed(&name, "What it lets pass"), passes, "{name}.md");
            has_headings(&name);
            // In its scenario, too.
            let page = text(&format!("docs/{name}.md"));
            assert!(page.contains(&format!("guard {name}-")), "{name}.md shows nothing that is held back");
        }
    }

    #[test]
    fn the_tests_try_almost_everything_that_the_policies_say() {
        let folder = policies();
        let (status, told) = printed(&homeostat(&["test", folder.to_str().unwrap(), "--coverage-min", "97%"]));
        assert_eq!(status, 0, "{told}");
        for name in names() {
            assert!(told.contains(&format!("%  {name} (")) && !told.contains("no test uses it"), "{name}: {told}");
        }
    }

    #[test]
    fn the_pages_show_what_is_printed() {
        for name in all() {
            let page = text(&format!("docs/{name}.md"));
            let (before, rest) = page.split_once("```console\n").unwrap_or_else(|| panic!("{name}.md shows nothing"));
            let (shown, after) = rest.split_once("```\n").unwrap();
            let command = shown.lines().next().unwrap().to_owned();
            assert_eq!(command, format!("$ homeostat simulate --mode auto --compare examples/stock/{name}"));
            let folder = root().join("examples/stock").join(&name);
            let arguments = ["simulate", "--mode", "auto", "--compare", folder.to_str().unwrap()];
            let (status, told) = printed(&homeostat(&arguments));
            assert_eq!(status, 0, "{told}");
            let told: String = told.lines().map(|line| cut(line) + "\n").collect();
            let page = format!("{before}```console\n{command}\n{told}```\n{after}");
            expect_file![policies().join(format!("docs/{name}.md"))].assert_eq(&page);
        }
    }

    /// A line as a page has it.
    fn cut(line: &str) -> String {
        let short: String = line.chars().take(WIDTH).collect();
        if short.len() < line.len() { format!("{short}...") } else { short }
    }

    /// What has to be better when the policy acts.
    const BETTER: [(&str, &str); 12] = [
        ("container-crash-restart", "workloads down"),
        ("container-flapping", "messages to people"),
        ("container-memory-pressure", "crashes"),
        ("dedicated-node", "processor time wanted and not had"),
        ("disk-filling", "messages to people"),
        ("host-overload", "processor time wanted and not had"),
        ("host-silent", "workloads down"),
        ("idle-consolidation", "hosts on that run nothing"),
        ("noisy-neighbour", "  by vm/db"),
        ("vm-cpu-pressure", "processor time wanted and not had"),
        ("vm-crash-restart", "workloads down"),
        ("vm-memory-pressure", "crashes"),
    ];

    #[test]
    fn every_policy_makes_its_scenario_better_and_the_stock_modes_go_no_further_than_they_say() {
        assert_eq!(names(), BETTER.map(|(name, _)| name.to_owned()), "each has a figure to be judged by");
        for (name, figure) in BETTER {
            let folder = root().join("examples/stock").join(name);
            let json = |arguments: &[&str]| -> Value {
                let all = [&["simulate", "-o", "json", "--compare"], arguments, &[folder.to_str().unwrap()]].concat();
                serde_json::from_slice(&homeostat(&all).stdout).unwrap()
            };
            let figure_of = |document: &Value| -> (f64, f64) {
                let figures = document["comparison"].as_array().unwrap();
                // What made no difference to a workload has no line.
                let Some(found) = figures.iter().find(|one| one["name"] == figure) else { return (0.0, 0.0) };
                (found["without"].as_f64().unwrap(), found["with"].as_f64().unwrap())
            };
            let (without, with) = figure_of(&json(&["--mode", "auto"]));
            // What can be switched off, and what people hear of, is more; all else is less, and by a quarter at least.
            match figure {
                "hosts on that run nothing" | "messages to people" => {
                    assert!(with > without, "{name}: {without} {with}")
                }
                _ => assert!(with < without * 0.75, "{name}: {figure} is {without} without it and {with} with it"),
            }
            if mode(name) == "recommend" {
                let document = json(&[]);
                let (without, with) = figure_of(&document);
                assert!(figure == "messages to people" || without == with, "{name} acted though it only recommends");
                assert!(!document["plans"].as_array().unwrap().is_empty(), "{name} recommends nothing");
            }
        }
    }
}
