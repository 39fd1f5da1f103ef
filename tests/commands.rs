//! The commands as people type them: what they print, and how they end.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{fs, net::TcpListener, path::Path};

    use expect_test::{expect, expect_file};

    use crate::program::{homeostat, printed, root, scratch};

    const HOT: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: hot}\nspec:\n  select: {kind: vm}\n  \
                       when: avg(\"cpu\", 1m) > 90%\n  for: 30s\n  cooldown: 1m\n  then: [restart]\n";

    fn text(path: &Path) -> String {
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_example_tells_its_story() {
        let folder = root().join("examples/datacenter");
        let output = homeostat(&["simulate", &text(&folder)]);
        let (status, told) = printed(&output);
        assert_eq!(status, 0, "{told}");
        expect_file![folder.join("transcript.txt")].assert_eq(&told);
    }

    #[test]
    fn the_built_in_demonstration_is_the_example() {
        let folder = scratch();
        let run = |arguments: &[&str], decisions: &str| {
            let decisions = text(&folder.path().join(decisions));
            let (status, told) = printed(&homeostat(&[arguments, &["--decisions", &decisions]].concat()));
            assert_eq!(status, 0, "{told}");
            fs::read_to_string(decisions).unwrap()
        };
        let example = text(&root().join("examples/datacenter"));
        assert_eq!(run(&["simulate"], "a"), run(&["simulate", &example], "b"));
    }

    #[test]
    fn stock_policies_and_examples_have_no_problem_and_pass_their_tests() {
        for path in ["policies", "examples/datacenter"] {
            let (status, told) = printed(&homeostat(&["check", &text(&root().join(path))]));
            assert_eq!(status, 0, "{told}");
        }
        let (status, told) = printed(&homeostat(&["test", &text(&root().join("policies"))]));
        assert_eq!(status, 0, "{told}");
        assert!(told.contains(" passed, 0 failed"), "{told}");
    }

    #[test]
    fn check_says_everything_that_is_wrong_at_once() {
        let folder = scratch();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("good.yaml", &HOT.replace("\"cpu\"", "\"cpu.utilization\""));
        write("metric.yaml", &HOT.replace("name: hot", "name: metric").replace("\"cpu\"", "\"cpu.utilisation\""));
        write(
            "script.yaml",
            &HOT.replace("name: hot", "name: script").replace("avg(\"cpu\", 1m) > 90%", "if state == { 1 }"),
        );
        write("broken.yaml", "kind: [\n");
        let (status, told) = printed(&homeostat(&["check", &text(folder.path())]));
        assert_eq!(status, 1, "{told}");
        for part in [
            "cpu.utilization",
            "metric.yaml:6",
            "Rhai refuses the script",
            "script.yaml:6",
            "broken.yaml",
            "3 problems in 4 files; 1 policy without one",
        ] {
            assert!(told.contains(part), "no {part} in\n{told}");
        }
        let output = homeostat(&["check", "-o", "json", &text(folder.path())]);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), document["problems"].as_array().unwrap().len()), (Some(1), 3));
    }

    #[test]
    fn a_failing_policy_test_says_what_was_decided_instead() {
        let folder = scratch();
        fs::write(folder.path().join("hot.yaml"), HOT).unwrap();
        let test = "apiVersion: homeostat.dev/v1alpha1\nkind: PolicyTest\nmetadata: {name: too early}\nspec:\n  \
                    policies: [hot.yaml]\n  resources: [{id: vm/one, attributes: {state: running}}]\n  interval: 10s\n  \
                    series: [{resource: vm/one, metric: cpu, values: \"0.95x20\"}]\n  expect:\n    \
                    - {at: 1m, plans: [], findings: []}\n";
        fs::write(folder.path().join("hot.test.yaml"), test).unwrap();
        let (status, told) = printed(&homeostat(&["test", &text(folder.path())]));
        assert_eq!(status, 1, "{told}");
        expect![[r#"
            FAIL  too early (FOLDER/hot.test.yaml)
                  at 1m: open findings are hot on vm/one, expected none
                  at 1m: plans made since the expectation before: 
                    hot on vm/one: vm/one restart
                  expected: none
            0 passed, 1 failed
        "#]]
        .assert_eq(&told.replace(&text(folder.path()), "FOLDER"));
    }

    #[test]
    fn backtest_prints_what_would_have_been_done() {
        let folder = scratch();
        fs::write(folder.path().join("hot.yaml"), HOT).unwrap();
        let mut lines = String::from("this is not JSON\n");
        for second in (0..300_u64).step_by(10) {
            let load = if (60..200).contains(&second) { 0.95 } else { 0.2 };
            let time = 1_700_000_000_000 + second * 1000;
            lines += &format!("{{\"resource\":\"vm/v1\",\"time\":{time},\"metrics\":{{\"cpu\":{load}}}}}\n");
        }
        fs::write(folder.path().join("input.jsonl"), lines).unwrap();
        let (policies, input) = (text(&folder.path().join("hot.yaml")), text(&folder.path().join("input.jsonl")));
        let (status, told) = printed(&homeostat(&["backtest", "--policies", &policies, "--input", &input]));
        assert_eq!(status, 0, "{told}");
        expect![[r#"
            22:13:20  policies  1 loaded (generation 1): hot
            22:15:40  finding   vm/v1 hot: avg("cpu", 1m) > 90% is true (avg(cpu, 1m) = 0.95)
            22:15:40  plan      p1-1 restart vm/v1 for hot, 1 step; then vm/v1 runs again
            22:15:40    step    p1-1/1 vm/v1 restart: it is to run again where it is
            22:15:40    step    p1-1/1 done: assumed
            22:15:40  plan      p1-1 restart vm/v1 succeeded
            22:16:40  handover  vm/v1 hot: a person has to go on; tried, and it did not help: restart
            22:16:40  closed    vm/v1 hot: avg("cpu", 1m) > 90% is false (avg(cpu, 1m) = 0.825)

            policy  findings  plans  steps  skipped  held  handed over  plans/h
            hot            1      1      1        0     1            1   12.414

            30 samples and 0 events over 4m50s from 22:13:20 to 22:18:10; 1 lines and 0 samples were refused
            FOLDER/input.jsonl: line 1, column 2: it is not JSON: expected ident; write one JSON object a line
        "#]].assert_eq(&told.replace(&text(folder.path()), "FOLDER"));
        let strict = homeostat(&["backtest", "--policies", &policies, "--input", &input, "--known-metrics-only"]);
        assert_eq!(printed(&strict).0, 2);
        let json = homeostat(&["backtest", "--policies", &policies, "--input", &input, "-o", "json"]);
        let document: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((&document["policies"]["hot"]["plans"], &document["input"]["linesRefused"]), (&1.into(), &1.into()));
    }

    #[test]
    fn mistakes_on_the_command_line_are_answered_with_what_to_do() {
        let folder = scratch();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let spec = format!(
            "apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  listen: {}\n  sources: [{{alertmanager: {{}}}}]\n",
            taken.local_addr().unwrap()
        );
        fs::write(folder.path().join("homeostat.yaml"), &spec).unwrap();
        fs::write(folder.path().join("odd.yaml"), spec.replace("listen", "lissten")).unwrap();
        fs::write(folder.path().join("empty.jsonl"), "").unwrap();
        let path = |name: &str| text(&folder.path().join(name));
        for (arguments, parts) in [
            (vec!["check", "/nowhere"], vec!["/nowhere", "No such file"]),
            (vec!["test", "/nowhere"], vec!["/nowhere"]),
            (vec!["run", "/nowhere"], vec!["/nowhere", "homeostat.yaml"]),
            (vec!["run", &path("")], vec!["cannot listen", "spec.listen"]),
            (vec!["run", &path("odd.yaml")], vec!["lissten", "listen"]),
            (vec!["simulate", &path("")], vec!["no embedded data centre", "datacentre"]),
            (vec!["backtest", "--input", &path("empty.jsonl")], vec!["--policies"]),
            (vec!["explain", "vm"], vec!["kind/name"]),
            (vec!["explain", "vm/x", "--server", "http://127.0.0.1:1"], vec!["cannot reach", "homeostat run"]),
            (vec!["frobnicate"], vec!["frobnicate", "--help"]),
        ] {
            let (status, told) = printed(&homeostat(&arguments));
            assert_eq!(status, 2, "{arguments:?}: {told}");
            for part in parts {
                assert!(told.contains(part), "{arguments:?}: no {part} in {told}");
            }
        }
    }
}
