//! Takes each guard of a promise out of the code, one at a time, and sees that the promise's test fails.
//!
//! ```text
//!   simulator/tests/promises/mutations.txt --> a copy of the tree, one text replaced --> build, run --> a row of the table
//! ```
//!
//! It works in a copy under `target/mutations`: what is here is not touched.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{process::output_of, run::target_folder};

/// Where the mutations are.
const LIST: &str = "simulator/tests/promises/mutations.txt";

/// Seeds that each is run with at most: as many as the tests run, so that each of them shows there. A few that fail are enough.
const SEEDS: &str = "10000";

/// One guard taken out.
#[derive(Debug, PartialEq, Eq)]
struct Mutation {
    promise: u32,
    /// What is so without the guard.
    what: String,
    file: String,
    text: String,
    instead: String,
    /// The test program and the test in it that notice, where it takes more seeds than are run to see it.
    scenario: Option<(String, String)>,
}

/// `cargo xtask mutations`: all of them, or those of the promises with these numbers.
pub(crate) fn try_all(root: &Path, promises: &[&str]) -> Result<(), String> {
    let folder = target_folder()?.join("mutations");
    let tree = folder.join("tree");
    copy(root, &tree)?;
    let chosen = |one: &Mutation| promises.is_empty() || promises.contains(&one.promise.to_string().as_str());
    println!("| promise | without its guard | file | the test of the promise |");
    println!("| --- | --- | --- | --- |");
    let mut survived = Vec::new();
    for mutation in list(root)?.into_iter().filter(chosen) {
        let seen = try_one(&mutation, &tree, &folder.join("target"))?;
        let Mutation { promise, what, file, .. } = &mutation;
        println!("| {promise} | {what} | `{file}` | {} |", seen.as_deref().unwrap_or("**passes**"));
        if seen.is_none() {
            survived.push(what.clone());
        }
    }
    if survived.is_empty() { Ok(()) } else { Err(format!("nobody noticed that {}", survived.join("; that "))) }
}

/// What the test of the promise said; `None` when it passed.
fn try_one(mutation: &Mutation, tree: &Path, target: &Path) -> Result<Option<String>, String> {
    let path = tree.join(&mutation.file);
    let whole = read(&path)?;
    write(&path, &whole.replacen(&mutation.text, &mutation.instead, 1))?;
    let built = test(tree, target, mutation, true);
    let ran = built.and_then(|built| {
        if built.status.success() {
            return test(tree, target, mutation, false);
        }
        let said = String::from_utf8_lossy(&built.stderr);
        Err(format!("without `{}` it cannot be built:\n{said}", mutation.text))
    });
    write(&path, &whole)?;
    let ran = ran?;
    Ok((!ran.status.success()).then(|| match &mutation.scenario {
        Some((program, name)) => format!("`simulator/tests/{program}.rs`: `{name}` fails"),
        None => told(&String::from_utf8_lossy(&ran.stdout)),
    }))
}

/// In how many seeds a promise was broken, and one example, of what its test printed.
fn told(said: &str) -> String {
    let broken = said.lines().filter_map(|line| line.split_once(" is broken in "));
    let seeds = broken.filter_map(|(_, after)| after.split_once(" seeds:")).map(|(seeds, _)| seeds).next();
    let seeds = seeds.unwrap_or("no");
    let example = said.lines().find(|line| line.starts_with("life ") || line.starts_with("the run panicked"));
    format!("fails in {seeds} seeds: {}", example.unwrap_or_default())
}

fn test(tree: &Path, target: &Path, mutation: &Mutation, build_only: bool) -> Result<Output, String> {
    let Mutation { promise, scenario, .. } = mutation;
    // A number of its own: the test of a promise lies in the file `p06_..`.
    let of_promise = ("promises".to_owned(), format!("p{promise:02}_"));
    let (program, name) = scenario.as_ref().unwrap_or(&of_promise);
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(tree).env("CARGO_TARGET_DIR", target).env("RUST_BACKTRACE", "0");
    cargo.env("HOMEOSTAT_SEEDS", SEEDS).env("HOMEOSTAT_ENOUGH_OF", promise.to_string());
    cargo.args(["test", "--quiet", "--offline", "-p", "homeostat-simulator", "--test", program]);
    if build_only {
        cargo.arg("--no-run")
    } else {
        cargo.args(["--", name])
    };
    cargo.output().map_err(|error| format!("cannot run cargo: {error}"))
}

/// Copies what git knows of; what is the same already stays, so that it is not built again.
fn copy(root: &Path, tree: &Path) -> Result<(), String> {
    let files = output_of(Command::new("git").current_dir(root).args(["ls-files", "-z"]))?;
    for file in files.split('\0').filter(|file| !file.is_empty()) {
        let (from, to) = (root.join(file), tree.join(file));
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        let folder: PathBuf = to.parent().map(Path::to_owned).unwrap_or_default();
        fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        fs::write(&to, bytes).map_err(|error| format!("cannot write {}: {error}", to.display()))?;
    }
    Ok(())
}

/// The mutations; each text is there exactly once.
fn list(root: &Path) -> Result<Vec<Mutation>, String> {
    let mutations = parse(&read(&root.join(LIST))?)?;
    for Mutation { file, text, .. } in &mutations {
        let times = read(&root.join(file))?.matches(text.as_str()).count();
        if times != 1 {
            return Err(format!("{LIST}: `{text}` is found {times} times in {file}; write what stands there now"));
        }
    }
    Ok(mutations)
}

fn parse(list: &str) -> Result<Vec<Mutation>, String> {
    let blocks =
        list.split("\n\n").map(|block| block.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>());
    blocks.filter(|lines| !lines.is_empty()).map(|lines| block(&lines)).collect()
}

fn block(lines: &[&str]) -> Result<Mutation, String> {
    let wrong = || {
        format!("{LIST}: a mutation is `promise: what`, `file ..`, `- ..`, `+ ..`, maybe `test ..`, and not {lines:?}")
    };
    let ([head, file, text, instead], scenario) = match lines {
        [head, file, text, instead] => ([head, file, text, instead], None),
        [head, file, text, instead, scenario] => ([head, file, text, instead], Some(scenario)),
        _ => return Err(wrong()),
    };
    let (promise, what) = head.split_once(": ").ok_or_else(wrong)?;
    let after = |line: &str, word: &str| line.strip_prefix(word).map(str::to_owned).ok_or_else(wrong);
    Ok(Mutation {
        promise: promise.parse().map_err(|_| wrong())?,
        what: what.to_owned(),
        file: after(file, "file ")?,
        text: after(text, "- ")?,
        instead: after(instead, "+ ")?,
        scenario: scenario.map(|line| named(line).ok_or_else(wrong)).transpose()?,
    })
}

fn named(line: &str) -> Option<(String, String)> {
    let (program, name) = line.strip_prefix("test ")?.split_once("::")?;
    Some((program.to_owned(), name.to_owned()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_promise_has_a_mutation_whose_text_is_in_the_code_exactly_once() {
        let mutations = list(&crate::stages::root()).unwrap();
        let promises: BTreeSet<u32> = mutations.iter().map(|mutation| mutation.promise).collect();
        assert_eq!(promises, (2..=13).collect());
        assert!(mutations.iter().all(|mutation| mutation.text != mutation.instead));
    }

    #[test]
    fn the_number_of_seeds_and_an_example_are_read_from_what_the_test_printed() {
        let said = "\nrunning 1 test\nthread 'p13_equal::equal' panicked at sweep.rs:105:5:\n\
                    promise 13 is broken in 20 of 31 seeds:\nlife 1: output 3 was A, and is B\n  HOMEOSTAT_SEED=0 cargo test\n\
                    life 2: output 9 was B, and is C\n  HOMEOSTAT_SEED=0 cargo test\n";
        assert_eq!(told(said), "fails in 20 of 31 seeds: life 1: output 3 was A, and is B");
        assert_eq!(told("error: test failed, to rerun pass `-p it`\n"), "fails in no seeds: ");
    }

    #[test]
    fn what_is_no_mutation_is_refused() {
        assert!(parse("6: what\nfile a.rs\n- b").is_err());
        assert!(parse("six: what\nfile a.rs\n- b\n+ c").is_err());
        assert!(parse("6: what\nfile a.rs\n- b\n+ c\ntest of nothing").is_err());
        let two =
            "# a comment\n\n6: what\nfile a.rs\n- b\n+ c\n\n6: else\nfile a.rs\n- b\n+ c\ntest doubts::it_works\n";
        let two = parse(two).unwrap();
        let scenarios: Vec<_> = two.iter().map(|one| one.scenario.as_ref().map(|(program, _)| &**program)).collect();
        assert_eq!(scenarios, [None, Some("doubts")]);
    }
}
