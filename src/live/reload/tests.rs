use std::{fs, path::Path};

use super::{Found, Reader};
use crate::{command::run::policy_files, config::Loaded};

const POLICY: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: hot}\nspec:\n  select: {kind: host}\n  \
                      when: last(\"cpu\") > 90%\n  then: [{notify: {message: hot}}]\n";
const SPEC: &str = "metrics: [{name: cpu}]\npolicies: [hot.yaml]\nadapters: [{container: {}}]\n\
                    sources: [{alertmanager: {}}]\ninclude: [conf.d/*.yaml]";

fn whole(spec: &str) -> String {
    format!("apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  {}\n", spec.replace('\n', "\n  "))
}

/// A folder with a configuration, a policy and an empty `conf.d`, and what reads them.
fn begin(folder: &Path) -> Reader {
    fs::create_dir(folder.join("conf.d")).unwrap();
    fs::write(folder.join("homeostat.yaml"), whole(SPEC)).unwrap();
    fs::write(folder.join("hot.yaml"), POLICY).unwrap();
    let loaded = Loaded::find(Some(folder)).unwrap();
    let policies = policy_files(&loaded);
    let (_, texts) = policies.load().unwrap();
    Reader::new(loaded, false, policies, texts)
}

/// What is told, in a word or two.
fn told(reader: &mut Reader) -> String {
    answered(reader, false)
}

/// The same, when somebody asked.
fn answered(reader: &mut Reader, asked: bool) -> String {
    match reader.look(asked) {
        Ok(Found::Nothing) => "nothing".into(),
        Ok(Found::AsBefore) => "as before".into(),
        Ok(Found::New(new)) => {
            let policies = if new.message.is_some() { "policies" } else { "" };
            let configuration = new.configuration.as_ref().map(|(loaded, waiting)| {
                let sources = loaded.configuration.sources.len();
                format!(" configuration: {sources} sources, waiting {waiting:?}")
            });
            format!("{policies}{}", configuration.unwrap_or_default())
        }
        Err(refused) if refused.configuration => "refused: configuration".into(),
        Err(_) => "refused: policies".into(),
    }
}

#[test]
fn only_other_policies_are_loaded_or_complained_about_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut reader = begin(folder.path());
    let (other, broken) = (POLICY.replace("90%", "80%"), POLICY.replace("last(", "lst("));
    for (number, (text, expected)) in [
        (POLICY, "nothing"),
        (&other, "policies"),
        (&other, "nothing"),
        (&broken, "refused: policies"),
        (&broken, "nothing"),
        (&other, "as before"),
        (&broken, "refused: policies"),
        (POLICY, "policies"),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(folder.path().join("hot.yaml"), text).unwrap();
        assert_eq!(told(&mut reader), expected, "text {number}");
    }
    fs::remove_file(folder.path().join("hot.yaml")).unwrap();
    assert_eq!(told(&mut reader), "refused: policies");
}

#[test]
fn a_configuration_is_put_into_force_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut reader = begin(folder.path());
    let file = folder.path().join("homeostat.yaml");
    assert_eq!(told(&mut reader), "nothing");
    let reconfigured =
        |sources: &str, waiting: &str| format!("policies configuration: {sources} sources, waiting [{waiting}]");
    for (number, (spec, expected)) in [
        // Notes for people change nothing.
        (SPEC.replace("[{name: cpu}]", "[{name: cpu}] # of hosts"), "as before".to_owned()),
        (SPEC.replace("alertmanager: {}", "alertmanager: {path: /alerts}"), reconfigured("1", "")),
        (SPEC.replace("alertmanager: {}", "alertmanagr: {}"), "refused: configuration".into()),
        // The policy needs the metric.
        (SPEC.replace("name: cpu", "name: load"), "refused: configuration".into()),
        // What cannot be read is found before anything is stopped.
        (SPEC.replace("alertmanager: {}", "jsonLines: {path: gone}"), "refused: configuration".into()),
        (
            SPEC.replace("container: {}", "container: {prefix: a/}").replace("include", "listen: 127.0.0.1:1\ninclude"),
            reconfigured("1", "\"adapters\", \"listen\""),
        ),
        (SPEC.to_owned(), reconfigured("1", "")),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(&file, whole(&spec)).unwrap();
        assert_eq!(told(&mut reader), expected, "configuration {number}");
        assert_eq!(told(&mut reader), "nothing", "configuration {number}");
    }
    let part = folder.path().join("conf.d/more.yaml");
    fs::write(&part, whole("sources: [{jsonLines: {path: lines, follow: true}}]")).unwrap();
    assert_eq!(told(&mut reader), reconfigured("2", ""));
    fs::write(&part, whole("listen: 127.0.0.1:0\nspeeed: 1")).unwrap();
    assert_eq!(told(&mut reader), "refused: configuration");
    assert_eq!(told(&mut reader), "nothing");
    assert_eq!(answered(&mut reader, true), "refused: configuration");
    fs::remove_file(&part).unwrap();
    assert_eq!(told(&mut reader), reconfigured("1", ""));
    assert_eq!(told(&mut reader), "nothing");
    assert_eq!(answered(&mut reader, true), "as before");
}

#[test]
fn all_folders_are_watched_in_which_a_part_may_change_or_appear() {
    let folder = tempfile::tempdir().unwrap();
    let reader = begin(folder.path());
    let watched: Vec<String> =
        reader.paths().iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string()).collect();
    assert_eq!(watched, ["homeostat.yaml", "homeostat.yaml", "hot.yaml", "conf.d/.include"]);
}
