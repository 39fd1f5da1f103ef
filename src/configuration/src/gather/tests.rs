use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

use expect_test::{Expect, expect};
use homeostat_policy::SourceText;
use homeostat_port::Secret;
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Deserialize;

use super::{Files, MAX_FILES, MAX_INCLUDE_DEPTH, gather};
use crate::Reading;

/// Files by their paths; each is the spec of a configuration alone.
struct Fixed(BTreeMap<String, String>);

impl Fixed {
    fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        Self(files.into_iter().map(|(path, spec)| (path.to_owned(), whole(spec))).collect())
    }

    fn reading(&self) -> Reading<Spec> {
        let main = SourceText { name: "etc/main.yaml".into(), text: self.0["etc/main.yaml"].clone() };
        gather(&main, Path::new("etc/main.yaml"), self).read()
    }
}

fn whole(spec: &str) -> String {
    format!("apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  {}\n", spec.replace('\n', "\n  "))
}

impl Files for Fixed {
    fn read(&self, path: &Path) -> Result<String, String> {
        self.0.get(path.to_str().unwrap()).cloned().ok_or("it is not there".into())
    }

    fn names(&self, folder: &Path) -> Result<Vec<String>, String> {
        let paths = self.0.keys().map(PathBuf::from).filter(|path| path.parent() == Some(folder));
        let names: Vec<String> =
            paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).rev().collect();
        if names.is_empty() { Err("it is not there".into()) } else { Ok(names) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "shown by Debug")]
struct Spec {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    door: Option<Door>,
    #[serde(default)]
    doors: Vec<Door>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "shown by Debug")]
struct Door {
    #[serde(default)]
    width: u16,
    token: Option<Secret>,
}

/// What was read, where it was given, and what is wrong.
fn told<const N: usize>(files: [(&str, &str); N], expected: &Expect) {
    let reading = Fixed::of(files).reading();
    let mut told = String::new();
    if let Some(value) = &reading.value {
        writeln!(told, "{value:?}").unwrap();
    }
    for setting in reading.origins.settings() {
        writeln!(told, "{} = {} ({})", setting.path, setting.text, setting.place).unwrap();
    }
    for problem in &reading.problems {
        let code = problem.code().rsplit("::").next().unwrap();
        writeln!(told, "{:?} {code}: {problem}; {}", problem.place(), problem.advice().unwrap()).unwrap();
    }
    expected.assert_eq(&told);
}

#[test]
fn files_are_joined_in_order_and_each_value_keeps_its_place() {
    told(
        [
            ("etc/main.yaml", "names: [one]\ninclude: [conf.d/*.yaml, ../other.yaml]\ndoor: {width: 7}"),
            ("etc/conf.d/20-b.yaml", "names: [three]\ndoors: [{width: 1}]"),
            ("etc/conf.d/10-a.yaml", "names:\n- two\ninclude: [./deep.yaml]"),
            ("etc/conf.d/.hidden.yaml", "names: [hidden]"),
            ("etc/conf.d/notes.txt", "names: [notes]"),
            ("etc/deep.yaml", "door: {token: {env: DOOR}}"),
            ("other.yaml", "names: [four]\ndoors: [{token: {file: key}}, {token: {file: /run/key}}]"),
        ],
        &expect![[r#"
            Spec { names: ["one", "two", "three", "four"], door: Some(Door { width: 7, token: Some(<from environment DOOR>) }), doors: [Door { width: 1, token: None }, Door { width: 0, token: Some(<from file etc/key>) }, Door { width: 0, token: Some(<from file /run/key>) }] }
            spec.names[0] = one (etc/main.yaml:4)
            spec.names[1] = two (etc/conf.d/10-a.yaml:5)
            spec.names[2] = three (etc/conf.d/20-b.yaml:4)
            spec.names[3] = four (other.yaml:4)
            spec.door.width = 7 (etc/main.yaml:6)
            spec.door.token = <from environment DOOR> (etc/deep.yaml:4)
            spec.doors[0].width = 1 (etc/conf.d/20-b.yaml:5)
            spec.doors[1].token = <from file etc/key> (other.yaml:5)
            spec.doors[2].token = <from file /run/key> (other.yaml:5)
        "#]],
    );
}

#[test]
fn all_mistakes_of_all_files_are_found_at_once() {
    told(
        [
            (
                "etc/main.yaml",
                "names: [one, [two]]\ninclude: [a.yaml]\ndoor: {width: wide, token: {fil: x}}\ndoors: [{widht: 1, tokn: {}}]",
            ),
            (
                "etc/a.yaml",
                "nmes: [three]\ndoor: {width: 70000}\ndoors: [{width: 70000, token: {file: a, env: B}}, 7, {token: {env: [x]}}]",
            ),
        ],
        &expect![[r#"
            Spec { names: ["one"], door: Some(Door { width: 0, token: None }), doors: [Door { width: 0, token: None }, Door { width: 0, token: None }, Door { width: 0, token: None }] }
            spec.names[0] = one (etc/main.yaml:4)
            etc/main.yaml:4:16 wrong_type: `spec.names[1]` is a list, but a plain value is needed; write a plain value
            etc/main.yaml:6:17 wrong_type: `spec.door.width` is `wide`, but a whole number from 0 to 65535 is needed; write a whole number from 0 to 65535
            etc/main.yaml:6:31 unknown_field: `spec.door.token` has no field `fil`; did you mean `file`?
            etc/main.yaml:7:12 unknown_field: `spec.doors[0]` has no field `widht`; did you mean `width`?
            etc/main.yaml:7:22 unknown_field: `spec.doors[0]` has no field `tokn`; did you mean `token`?
            etc/a.yaml:4:3 unknown_field: `spec` has no field `nmes`; known: `include`
            etc/a.yaml:5:17 given_twice: `spec.door.width` is given in two files; keep it in one of them
            etc/a.yaml:6:19 wrong_type: `spec.doors[1].width` is `70000`, but a whole number from 0 to 65535 is needed; write a whole number from 0 to 65535
            etc/a.yaml:6:33 invalid_value: `spec.doors[1].token`: a secret is in one place; write {env: NAME} or {file: path}
            etc/a.yaml:6:53 wrong_type: `spec.doors[2]` is `7`, but a mapping is needed; write a mapping
            etc/a.yaml:6:64 wrong_type: `spec.doors[3].token` is a mapping, but {env: NAME} or {file: path} is needed; write {env: NAME} or {file: path}
        "#]],
    );
}

#[test]
fn a_secret_that_was_written_down_is_not_repeated() {
    let files = Fixed::of([
        ("etc/main.yaml", "doors:\n- {token: hunter2}\n- {token: \"hunter3\", widht: 1}\ninclude: [a.yaml]"),
        ("etc/a.yaml", "doors: [{token: {file: hunter4}}]"),
    ]);
    let reading = files.reading();
    let mut drawn = String::new();
    for problem in &reading.problems {
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .render_report(&mut drawn, problem)
            .unwrap();
    }
    assert!(!format!("{drawn}{reading:?}").contains("hunter2") && !drawn.contains("hunter3"), "{drawn}{reading:?}");
    expect![[r#"
        homeostat::configuration::secret_in_place

          × `spec.doors[0].token` is a secret, and is written down here
           ╭─[etc/main.yaml:5:13]
         4 │   doors:
         5 │   - {token: *******}
           ·             ───┬───
           ·                ╰── here
         6 │   - {token: *********, widht: 1}
           ╰────
          help: put it into a file or into the environment, and refer to it with `{file: path}` or `{env: NAME}`
        homeostat::configuration::secret_in_place

          × `spec.doors[1].token` is a secret, and is written down here
           ╭─[etc/main.yaml:6:13]
         5 │   - {token: *******}
         6 │   - {token: *********, widht: 1}
           ·             ────┬────
           ·                 ╰── here
         7 │   include: [a.yaml]
           ╰────
          help: put it into a file or into the environment, and refer to it with `{file: path}` or `{env: NAME}`
        homeostat::configuration::unknown_field

          × `spec.doors[1]` has no field `widht`
           ╭─[etc/main.yaml:6:24]
         5 │   - {token: *******}
         6 │   - {token: *********, widht: 1}
           ·                        ──┬──
           ·                          ╰── here
         7 │   include: [a.yaml]
           ╰────
          help: did you mean `width`?
    "#]]
    .assert_eq(&drawn);
    let places: Vec<String> =
        reading.secrets.iter().map(|found| format!("{} {} {:?}", found.path, found.secret, found.place)).collect();
    assert_eq!(places, ["spec.doors[2].token <from file etc/hunter4> etc/a.yaml:4:19"]);
}

#[test]
fn files_that_include_each_other_end() {
    let chain = |length: usize| {
        let file = |n: usize| (format!("etc/{n}.yaml"), whole(&format!("names: [\"{n}\"]\ninclude: [{}.yaml]", n + 1)));
        let mut files: BTreeMap<String, String> = (1..length).map(file).collect();
        files.insert(format!("etc/{length}.yaml"), whole("names: [last]"));
        files.insert("etc/main.yaml".into(), whole("include: [1.yaml]"));
        Fixed(files).reading()
    };
    assert!(chain(MAX_INCLUDE_DEPTH - 1).problems.is_empty());
    let deep = chain(MAX_INCLUDE_DEPTH);
    let problem = &deep.problems[0];
    assert_eq!((deep.problems.len(), problem.code()), (1, "homeostat::configuration::include_depth"));
    assert_eq!(problem.place().to_string(), format!("etc/{}.yaml:5", MAX_INCLUDE_DEPTH - 1));

    let many = |count: usize| {
        let mut files: BTreeMap<String, String> =
            (0..count).map(|n| (format!("etc/{n}.yml"), whole("names: [x]"))).collect();
        files.insert("etc/main.yaml".into(), whole("include: ['*.yml']"));
        Fixed(files).reading()
    };
    assert!(many(MAX_FILES - 1).problems.is_empty());
    assert_eq!(many(MAX_FILES).problems[0].code(), "homeostat::configuration::too_many_files");
}
