//! Every mistake that can be made in a configuration, as `check` shows it. The answers are files beside the mistakes.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
        process::Command,
    };

    use expect_test::{expect, expect_file};
    use serde_json::Value;

    use crate::program::{homeostat, homeostat_in, printed, root, scratch};

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

    /// A document as an editor sees it.
    fn document(file: &Path) -> Option<Value> {
        serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).ok()
    }

    #[test]
    fn editors_are_told_what_a_configuration_is() {
        let output = homeostat(&["schema", "config"]);
        let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let mut seen = 0;
        for entry in fs::read_dir(root().join("examples")).unwrap() {
            let file = entry.unwrap().path().join("homeostat.yaml");
            if file.exists() {
                let told: Vec<String> =
                    validator.iter_errors(&document(&file).unwrap()).map(|error| error.to_string()).collect();
                assert_eq!(told, Vec::<String>::new(), "{}", file.display());
                seen += 1;
            }
        }
        assert!(seen >= 1, "no example was seen");
        // What an editor can see without looking at other files or the network.
        for name in [
            "api-version",
            "include-no-list",
            "kind",
            "missing-fields",
            "speed-negative",
            "unknown-adapter",
            "unknown-fields",
            "wrong-types",
        ] {
            let document = document(&folder().join(format!("{name}.yaml"))).unwrap();
            assert!(!validator.is_valid(&document), "{name}");
        }
    }

    #[test]
    fn show_tells_where_each_value_comes_from() {
        let folder = scratch();
        let write = |name: &str, spec: &str| {
            let text = format!("apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  {spec}\n");
            fs::write(folder.path().join(name), text).unwrap();
        };
        fs::create_dir(folder.path().join("conf.d")).unwrap();
        write(
            "homeostat.yaml",
            "include: [conf.d/*.yaml]\n  adapters:\n    - container:\n        prefix: edge/\n    - datacentre: {scenario: s.yaml}",
        );
        write(
            "conf.d/sources.yaml",
            "sources:\n    - alertmanager:\n    - jsonLines: {path: lines, mapping: {metrics: {a.b: cpu}}}",
        );
        let show = |arguments: &[&str]| {
            let output = homeostat_in(folder.path(), &[&["config", "show"], arguments].concat());
            let (status, told) = printed(&output);
            assert_eq!(status, 0, "{told}");
            told
        };
        expect![[r#"
            spec.adapters[0].container.endpoint            unix:///var/run/docker.sock  default
            spec.adapters[0].container.name                docker                       default
            spec.adapters[0].container.prefix              edge/                        homeostat.yaml:7
            spec.adapters[0].container.sampleEvery         10s                          default
            spec.adapters[1].datacentre.name               datacentre                   default
            spec.adapters[1].datacentre.scenario           s.yaml                       homeostat.yaml:8
            spec.listen                                    127.0.0.1:9393               default
            spec.notifications                             []                           default
            spec.sources[0].alertmanager.name              alertmanager                 default
            spec.sources[0].alertmanager.path              /webhook/alertmanager        default
            spec.sources[1].jsonLines.follow               false                        default
            spec.sources[1].jsonLines.mapping.metrics.a.b  cpu                          conf.d/sources.yaml:6
            spec.sources[1].jsonLines.name                 json-lines                   default
            spec.sources[1].jsonLines.path                 lines                        conf.d/sources.yaml:6
            spec.speed                                     1                            default
        "#]]
        .assert_eq(&show(&[]));
        let yaml = show(&["-o", "yaml"]);
        expect![[r#"
            apiVersion: homeostat.dev/v1alpha1
            kind: Configuration
            spec:
              adapters:
                -
                  container:
                    endpoint: "unix:///var/run/docker.sock" # default
                    name: "docker" # default
                    prefix: "edge/" # homeostat.yaml:7
                    sampleEvery: "10s" # default
                -
                  datacentre:
                    name: "datacentre" # default
                    scenario: "s.yaml" # homeostat.yaml:8
              listen: "127.0.0.1:9393" # default
              notifications: [] # default
              sources:
                -
                  alertmanager:
                    name: "alertmanager" # default
                    path: "/webhook/alertmanager" # default
                -
                  jsonLines:
                    follow: false # default
                    mapping:
                      metrics:
                        "a.b": "cpu" # conf.d/sources.yaml:6
                    name: "json-lines" # default
                    path: "lines" # conf.d/sources.yaml:6
              speed: 1 # default
        "#]]
        .assert_eq(&yaml);
        // It is a configuration, and says the same.
        fs::write(folder.path().join("again.yaml"), yaml).unwrap();
        let values = |file: &str| -> Vec<(String, Value)> {
            let document: Value = serde_json::from_str(&show(&["-o", "json", file])).unwrap();
            let values = document["values"].as_array().unwrap();
            values.iter().map(|value| (value["path"].as_str().unwrap().to_owned(), value["value"].clone())).collect()
        };
        assert_eq!(values("again.yaml"), values("homeostat.yaml"));
        let document: Value = serde_json::from_str(&show(&["-o", "json"])).unwrap();
        let of = |path: &str| {
            document["values"].as_array().unwrap().iter().find(|value| value["path"] == path).unwrap().clone()
        };
        let path = of("spec.sources[1].jsonLines.path");
        assert_eq!(
            (&path["value"], &path["file"], &path["line"]),
            (&"lines".into(), &"conf.d/sources.yaml".into(), &6.into())
        );
        assert_eq!(of("spec.listen")["from"], "default");
    }

    #[test]
    fn shells_read_their_completions() {
        let folder = scratch();
        for (shell, part) in
            [("bash", "_homeostat()"), ("zsh", "#compdef homeostat"), ("fish", "complete -c homeostat")]
        {
            let (status, script) = printed(&homeostat(&["completions", shell]));
            assert_eq!(status, 0, "{script}");
            for part in [part, "backtest", "coverage-min", "config", "show"] {
                assert!(script.contains(part), "no {part} for {shell}");
            }
            let file = folder.path().join(shell);
            fs::write(&file, script).unwrap();
            // Of the shells that are here, each reads its own; bash always is.
            match Command::new(shell).arg("-n").arg(&file).output() {
                Ok(read) => assert!(read.status.success() && read.stderr.is_empty(), "{}", printed(&read).1),
                Err(_) => assert_ne!(shell, "bash"),
            }
        }
    }

    #[test]
    fn every_command_has_a_manual_page_that_renders() {
        let folder = scratch();
        let pages = folder.path().join("man1");
        let (status, told) = printed(&homeostat(&["man", pages.to_str().unwrap()]));
        assert_eq!((status, told.as_str()), (0, ""));
        let (_, help) = printed(&homeostat(&["--help"]));
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names = commands
            .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().filter(|_| !line.starts_with("   ")));
        let names: BTreeSet<&str> = names.filter(|name| *name != "help").collect();
        assert!(names.len() >= 11, "{names:?}");
        for name in names {
            let page = pages.join(format!("homeostat-{name}.1"));
            let text = fs::read_to_string(&page).unwrap();
            for part in [".TH", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
                assert!(text.contains(part), "{name} has no {part}");
            }
            // Where there is a formatter, it has nothing to complain about.
            if let Ok(drawn) = Command::new("groff").args(["-man", "-Tascii", "-ww"]).arg(&page).output() {
                let (status, told) = printed(&drawn);
                assert!(status == 0 && drawn.stderr.is_empty() && told.contains(name), "{name}: {told}");
            }
        }
        let (status, page) = printed(&homeostat(&["man"]));
        assert!(status == 0 && page.contains(".SH NAME") && page.contains("homeostat"), "{page}");
    }
}
