//! The house stays as ARCHITECTURE.md draws it: arrows, file sizes, the engine's purity.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate may know, transitively closed by listing everything.
const ARROWS: &[(&str, &[&str])] = &[
    ("homeostat-model", &[]),
    ("homeostat-policy", &["model"]),
    ("homeostat-script", &["model"]),
    ("homeostat-decide", &["model", "policy", "script"]),
    ("homeostat-plan", &["model"]),
    ("homeostat-guard", &["model", "plan"]),
    ("homeostat-engine", &["model", "policy", "decide", "plan", "guard"]),
    ("homeostat-port", &["model"]),
    ("homeostat-container", &["model", "port"]),
    ("homeostat-sources", &["model", "port"]),
    ("homeostat-notify", &["model", "port"]),
    ("homeostat-journal", &["model"]),
    ("homeostat-configuration", &["model", "policy", "port"]),
    ("homeostat-request", &["model"]),
    ("homeostat-simulator", &["model", "policy", "engine", "port"]),
    ("xtask", &[]),
];

/// Crates that touch the world; nothing below `engine/` depends on one, not even through another crate of ours.
const WORLDLY: &[&str] = &["tokio", "axum", "bollard", "notify", "ureq", "hyper", "mio", "socket2"];

/// Lines of a source file, beyond which it has two ideas.
const MAX_LINES: usize = 600;

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils.rs", "util.rs", "helpers.rs", "helper.rs", "common.rs", "types.rs", "misc.rs"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_arrows_point_one_way() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".into()])
        .exec()
        .unwrap();
    let allowed: BTreeMap<&str, BTreeSet<String>> = ARROWS
        .iter()
        .map(|(name, may)| (*name, may.iter().map(|room| format!("homeostat-{room}")).collect()))
        .collect();
    let members: BTreeSet<String> = metadata.workspace_packages().iter().map(|p| p.name.to_string()).collect();
    for package in metadata.workspace_packages() {
        if package.name.as_str() == "homeostat" {
            continue;
        }
        let may = allowed.get(package.name.as_str()).unwrap_or_else(|| panic!("{} is not on the map", package.name));
        let knows = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal && members.contains(&dependency.name));
        for dependency in knows {
            assert!(may.contains(&dependency.name), "{} may not know {}", package.name, dependency.name);
        }
    }
}

#[test]
fn the_engine_depends_on_nothing_worldly() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        // Of what other platforms need, nothing may be here.
        .other_options(["--offline".into(), "--filter-platform".into(), format!("{ARCH}-unknown-linux-gnu")])
        .exec()
        .unwrap();
    let resolve = metadata.resolve.as_ref().unwrap();
    let node = |id: &cargo_metadata::PackageId| resolve.nodes.iter().find(|node| node.id == *id).unwrap();
    let name = |id: &cargo_metadata::PackageId| metadata[id].name.to_string();
    let engine = metadata.workspace_packages().into_iter().find(|p| p.name.as_str() == "homeostat-engine").unwrap();
    let mut waiting = vec![engine.id.clone()];
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        assert!(!WORLDLY.contains(&name(&id).as_str()), "the engine depends on {}", name(&id));
        let normal = |dependency: &&cargo_metadata::NodeDep| {
            dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
        };
        waiting.extend(node(&id).deps.iter().filter(normal).map(|dependency| dependency.pkg.clone()));
    }
    assert!(seen.len() > 10, "the walk ended early");
}

#[test]
fn the_engine_is_pure() {
    // What clippy.toml bans by path; `use` and macros are looked for here too.
    let banned = [
        "std::time::Instant",
        "SystemTime",
        "std::fs",
        "std::net",
        "std::thread",
        "std::env",
        "std::process",
        "std::io",
        "println!",
        "eprintln!",
        "rand::",
        "#[allow(",
    ];
    let mut files = Vec::new();
    sources(&root().join("engine"), &mut files);
    assert!(files.len() > 20);
    let tests = |path: &Path| path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    for file in files.iter().filter(|file| !tests(file)) {
        let text = fs::read_to_string(file).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for word in banned {
                // `Operand::` is not `rand::`.
                let found =
                    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric()));
                assert!(!found, "{}:{}: {word} in the engine", file.display(), number + 1);
            }
        }
    }
    let clippy = fs::read_to_string(root().join("engine/clippy.toml")).unwrap();
    for word in ["Instant", "SystemTime", "File", "TcpStream", "HashMap::iter", "HashMap::keys", "HashMap::values"] {
        assert!(clippy.contains(word), "engine/clippy.toml does not ban {word}");
    }
}

#[test]
fn files_have_one_idea() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(!EMPTY_NAMES.contains(&name), "{} says nothing by its name", file.display());
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines, at most {MAX_LINES} are one idea", file.display());
    }
}

#[test]
fn every_crate_opens_with_its_picture_and_its_invariants() {
    let mut heads = Vec::new();
    for (name, _) in ARROWS.iter().filter(|(name, _)| *name != "xtask") {
        let room = name.trim_start_matches("homeostat-");
        let places = [format!("engine/{room}"), format!("adapters/{room}"), format!("src/{room}"), room.to_owned()];
        heads
            .push(places.iter().map(|place| root().join(place).join("src/lib.rs")).find(|path| path.exists()).unwrap());
    }
    for head in heads {
        let text = fs::read_to_string(&head).unwrap();
        let opening: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(opening.iter().any(|line| line.contains("```text")), "{} draws nothing", head.display());
        assert!(opening.iter().any(|line| line.contains("Invariant:")), "{} promises nothing", head.display());
    }
}

#[test]
fn every_stock_policy_has_its_test_beside_it() {
    for entry in fs::read_dir(root().join("policies")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".yaml") && !name.ends_with(".test.yaml") {
            let test = path.with_file_name(name.replace(".yaml", ".test.yaml"));
            assert!(test.exists(), "{} has no test", path.display());
        }
    }
}
