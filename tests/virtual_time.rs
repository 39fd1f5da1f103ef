//! Policy tests and explanations as people type them: on a virtual clock, and of a running program.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{BufRead, BufReader},
        path::Path,
        process::{Command, Stdio},
        time::{SystemTime, UNIX_EPOCH},
    };

    use expect_test::{Expect, expect};
    use serde_json::Value;

    use crate::program::{Program, homeostat, printed, scratch};

    const HEAD: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: PolicyTest\n";

    const HOT: &str = "apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: hot}
spec:
  select: {kind: vm, matchLabels: {tier: web}}
  when: avg(\"cpu\", 1m) > 90% && state == \"running\"
  for: 30s
  cooldown: 1m
  then:
    - restart:
      attempts: 2
    - notify: {severity: critical, message: \"${resource} stays hot\"}
";

    /// A folder with the policy `hot` and these tests of it.
    fn folder(tests: &str) -> tempfile::TempDir {
        let folder = scratch();
        fs::write(folder.path().join("hot.yaml"), HOT).unwrap();
        fs::write(folder.path().join("hot.test.yaml"), tests).unwrap();
        folder
    }

    /// A test called `name` of the policy `hot` on `vm/one`, with this below its spec.
    fn test(name: &str, spec: &str) -> String {
        format!(
            "{HEAD}metadata: {{name: {name}}}\nspec:\n  policies: [hot.yaml]\n  interval: 10s\n  \
             resources: [{{id: vm/one, labels: {{tier: web}}, attributes: {{state: running}}}}]\n{spec}---\n"
        )
    }

    /// The status and what was printed, with the folder's path and times on the wall replaced.
    fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
        let path = folder.to_str().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|one| one.replace("FOLDER", path)).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (status, told) = printed(&homeostat(&arguments));
        (status, told.replace(path, "FOLDER"))
    }

    fn check(folder: &Path, arguments: &[&str], status: i32, expected: &Expect) {
        let (ended, told) = run(folder, arguments);
        expected.assert_eq(&told);
        assert_eq!(ended, status, "{told}");
    }

    #[test]
    fn steps_end_as_a_test_wants_and_people_are_told_what_it_expects() {
        let hot = "  series: [{resource: vm/one, metric: cpu, values: 0.95x60}]\n";
        let tests = [
            test(
                "the first restart fails",
                &format!(
                    "{hot}  actions: [{{resource: vm/one, action: restart, fails: no disk, times: 1}}]\n  expect:\n    \
                     - {{at: 1m, plans: [{{policy: hot}}, {{policy: hot}}], notified: []}}\n    \
                     - {{at: 2m, plans: [], notified: [{{policy: hot, resource: vm/one, severity: critical, contains: stays hot}}]}}\n"
                ),
            ),
            test(
                "nobody knows what became of it",
                &format!(
                    "{hot}  actions: [{{resource: vm/one, action: restart, unknown: true}}]\n  expect:\n    \
                     - at: 1m\n      plans: [{{policy: hot}}]\n      explain: {{resource: vm/one, status: handed over}}\n"
                ),
            ),
            test(
                "it takes longer than it may",
                &format!(
                    "{hot}  actions: [{{resource: vm/one, action: restart, takes: 2h}}]\n  expect:\n    \
                     - {{at: 5s, explain: {{resource: vm/one, status: waiting, actsAt: 30s}}}}\n    \
                     - {{at: 3h, plans: [{{policy: hot}}], explain: {{resource: vm/one, status: handed over}}}}\n"
                ),
            ),
            test(
                "wrong expectations",
                &format!(
                    "{hot}  expect:\n    - at: 1m\n      notified: [{{policy: hot, severity: info}}]\n      explain:\n        \
                     resource: vm/one\n        status: waiting\n        actsAt: 10m\n        \
                     clauses: {{\"avg(cpu,1m)\": false, 'state == \"running\"': true, disk: true}}\n"
                ),
            ),
        ];
        let folder = folder(&tests.concat());
        check(
            folder.path(),
            &["test", "FOLDER"],
            1,
            &expect![[r#"
                ok    the first restart fails (FOLDER/hot.test.yaml)
                ok    nobody knows what became of it (FOLDER/hot.test.yaml)
                ok    it takes longer than it may (FOLDER/hot.test.yaml)
                FAIL  wrong expectations (FOLDER/hot.test.yaml)
                      at 1m: hot on vm/one is `held back`: cooldown: the policy acted here not long ago; avg("cpu", 1m) > 90% is true (avg(cpu, 1m) = 0.95); state == "running" is true (state = "running")
                      at 1m: of hot on vm/one, expected to be false: avg("cpu", 1m) > 90% is true (avg(cpu, 1m) = 0.95)
                      at 1m: no clause of hot on vm/one contains `disk`; it has avg("cpu", 1m) > 90%; state == "running"
                      at 1m: hot on vm/one acts at 1m30s, expected at 10m: cooldown: the policy acted here not long ago; avg("cpu", 1m) > 90% is true (avg(cpu, 1m) = 0.95); state == "running" is true (state = "running")
                      at 1m: people were told since the expectation before: none
                      expected:
                        hot on any resource (info): any message
                3 passed, 1 failed
            "#]],
        );
    }

    #[test]
    fn resources_come_and_go_and_samples_may_be_late() {
        let tests = [
            test(
                "a vm appears later and is watched from then on",
                "  inventory:\n    - {at: 1m, add: {id: vm/two, labels: {tier: db}, attributes: {state: running}}}\n    \
                 - {at: 2m, change: {id: vm/two, labels: {tier: web}}}\n    - {at: 5m, remove: vm/two}\n  \
                 series: [{resource: vm/two, metric: cpu, values: 0.95x60}]\n  expect:\n    \
                 - {at: 110s, findings: []}\n    - {at: 3m, findings: [{policy: hot, resource: vm/two}]}\n    \
                 - {at: 6m, findings: []}\n",
            ),
            test(
                "what is gone cannot be restarted",
                "  inventory: [{at: 35s, remove: vm/one}]\n  actions: [{resource: vm/one, action: restart, takes: 10s}]\n  \
                 series: [{resource: vm/one, metric: cpu, values: 0.95x60}]\n  expect:\n    \
                 - {at: 30s, plans: [{policy: hot}]}\n    - {at: 5m, findings: [], plans: []}\n",
            ),
            test(
                "a late sample is put in its place",
                "  series: [{resource: vm/one, metric: cpu, values: 0.95x2}]\n  samples:\n    \
                 - {at: 25s, time: 5s, resource: vm/one, metric: cpu, value: 10%}\n  expect:\n    \
                 - {at: 22s, explain: {resource: vm/one, clauses: {avg: true}}}\n    \
                 - {at: 26s, explain: {resource: vm/one, clauses: {avg: false}, status: \"no\"}}\n",
            ),
        ];
        let folder = folder(&tests.concat());
        check(
            folder.path(),
            &["test", "FOLDER"],
            0,
            &expect![[r#"
            ok    a vm appears later and is watched from then on (FOLDER/hot.test.yaml)
            ok    what is gone cannot be restarted (FOLDER/hot.test.yaml)
            ok    a late sample is put in its place (FOLDER/hot.test.yaml)
            3 passed, 0 failed
        "#]],
        );
    }

    #[test]
    fn coverage_lists_what_no_test_has_tried() {
        let quiet = "  series: [{resource: vm/one, metric: cpu, values: 0.2x20}]\n  expect: [{at: 3m, findings: []}]\n";
        let hot = "  series: [{resource: vm/one, metric: cpu, values: 0.95x20}]\n  expect: [{at: 31s, plans: [{policy: hot}]}]\n";
        let folder = folder(&test("quiet", quiet));
        fs::write(folder.path().join("idle.yaml"), HOT.replace("name: hot", "name: idle")).unwrap();
        check(
            folder.path(),
            &["test", "FOLDER", "--coverage"],
            0,
            &expect![[r#"
            ok    quiet (FOLDER/hot.test.yaml)

             28%  hot (FOLDER/hot.yaml): 0 findings in 1 test
                  never true: avg("cpu", 1m) > 90%
                  never false: state == "running"
                  never tried: restart (response 1 of 2)
                  never tried: notify (response 2 of 2)
              0%  idle (FOLDER/idle.yaml): no test uses it
             14%  of all was tried (2 of 14)
            1 passed, 0 failed
        "#]],
        );
        fs::write(folder.path().join("more.test.yaml"), test("hot", hot)).unwrap();
        check(
            folder.path(),
            &["test", "FOLDER", "--coverage-min", "90%"],
            1,
            &expect![[r#"
            ok    quiet (FOLDER/hot.test.yaml)
            ok    hot (FOLDER/more.test.yaml)

             85%  hot (FOLDER/hot.yaml): 1 finding in 2 tests
                  never false: state == "running"
              0%  idle (FOLDER/idle.yaml): no test uses it
             42%  of all was tried (6 of 14), but 90% is asked for
            2 passed, 0 failed
        "#]],
        );
        for (least, status) in [("42%", 0), ("43", 1), ("0%", 0), ("101%", 2), ("many", 2)] {
            let (ended, told) = run(folder.path(), &["test", "FOLDER", "--coverage-min", least]);
            assert_eq!(ended, status, "{least}: {told}");
        }
        // Without the folder nobody has asked about the other policy.
        let (_, told) = run(folder.path(), &["test", "FOLDER/hot.test.yaml", "-o", "json", "--coverage"]);
        let document: Value = serde_json::from_str(&told).unwrap();
        let policies = document["coverage"]["policies"].as_array().unwrap();
        assert_eq!(policies.len(), 1, "{told}");
        assert_eq!((&policies[0]["policy"], &policies[0]["tests"]), (&"hot".into(), &1.into()));
        assert_eq!(policies[0]["clauses"][1]["wasTrue"], true, "{told}");
        assert_eq!(document["tests"][0]["failures"], Value::Array(Vec::new()), "{told}");
    }

    #[test]
    fn build_servers_are_told_of_failures_and_of_files_that_cannot_be_read() {
        let fine = test("fine", "  expect: [{at: 1m, plans: []}]\n");
        let wrong = test("wrong <1>", "  expect: [{at: 1m, findings: [{policy: hot, resource: vm/one}]}]\n");
        let missing = fine.replace("hot.yaml", "gone.yaml").replace("name: fine", "name: lost");
        let folder = folder(&[fine, wrong, missing].concat());
        fs::write(folder.path().join("torn.test.yaml"), "kind: [\n").unwrap();
        let (status, told) = run(folder.path(), &["test", "FOLDER", "-o", "junit"]);
        // As a class the folder is a package, without the dot of a hidden one.
        let class = folder.path().to_str().unwrap().trim_start_matches('/').replace("/.", "/").replace('/', ".");
        assert_eq!(status, 1, "{told}");
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="homeostat" tests="4" failures="1" errors="2" time="0.000">
              <testsuite name="FOLDER/hot.test.yaml" tests="3" failures="1" errors="1" skipped="0" time="0.000">
                <testcase name="fine" classname="FOLDER.hot" time="0.000"/>
                <testcase name="wrong &lt;1&gt;" classname="FOLDER.hot" time="0.000">
                  <failure type="homeostat::test::expectation" message="at 1m: open findings are none, expected hot on vm/one">at 1m: open findings are none, expected hot on vm/one</failure>
                </testcase>
                <testcase name="lost" classname="FOLDER.hot" time="0.000">
                  <error type="homeostat::test::not_run" message="cannot read FOLDER/gone.yaml: No such file or directory (os error 2)">cannot read FOLDER/gone.yaml: No such file or directory (os error 2)</error>
                </testcase>
              </testsuite>
              <testsuite name="FOLDER/torn.test.yaml" tests="1" failures="0" errors="1" skipped="0" time="0.000">
                <testcase name="FOLDER/torn.test.yaml:1 can be read" classname="FOLDER.torn" time="0.000">
                  <error type="homeostat::policy::yaml_syntax" message="this is not YAML: unclosed bracket '['">homeostat::policy::yaml_syntax

              × this is not YAML: unclosed bracket '['
               ╭─[FOLDER/torn.test.yaml:1:7]
             1 │ kind: [
               ·       ┬
               ·       ╰── here
               ╰────
              help: check the quotes, brackets and indentation here and just before</error>
                </testcase>
              </testsuite>
            </testsuites>
        "#]].assert_eq(&without_times(&told.replace(&class, "FOLDER")));
    }

    /// XML in which every time is zero.
    fn without_times(text: &str) -> String {
        let mut parts = text.split(" time=\"");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| {
            text + " time=\"0.000" + part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
        })
    }

    #[test]
    fn watching_runs_the_tests_again_until_it_is_interrupted() {
        let folder = folder(&test("fine", "  expect: [{at: 1m, plans: []}]\n"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_homeostat"))
            .args(["test", "--watch"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut until = |part: &str| lines.find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part}"));
        until("1 passed, 0 failed");
        // What is broken is told, and does not end it.
        fs::write(folder.path().join("hot.yaml"), HOT.replace("avg(", "agv(")).unwrap();
        assert!(until("changed: ").ends_with("hot.yaml"));
        until("0 passed, 1 failed");
        fs::write(folder.path().join("hot.yaml"), HOT).unwrap();
        until("1 passed, 0 failed");
        fs::write(folder.path().join("new.test.yaml"), test("new", "  expect: [{at: 1m, plans: []}]\n")).unwrap();
        until("new.test.yaml");
        until("2 passed, 0 failed");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }

    #[test]
    fn explain_answers_out_of_a_test() {
        let hot = "  series: [{resource: vm/one, metric: cpu, values: 0.95x60}]\n  expect: [{at: 40s, plans: [{policy: hot}]}]\n";
        let folder = folder(&[test("hot", hot), test("hotter", hot)].concat());
        let ask = |more: &[&str], status, expected: &Expect| {
            let arguments = ["explain", "--test", "FOLDER/hot.test.yaml", "--name", "hot"];
            check(folder.path(), &[&arguments, more].concat(), status, expected);
        };
        ask(
            &["vm/one", "--at", "5s"],
            0,
            &expect![[r#"
            vm/one at 00:00:05

            hot  waiting      it has to hold for 30s; could act in 25s, at 00:00:30
                   true       avg("cpu", 1m) > 90%   avg(cpu, 1m) = 0.95
                   true       state == "running"   state = "running"
        "#]],
        );
        ask(
            &["vm/one"],
            0,
            &expect![[r#"
            vm/one at 00:00:40

            hot  held back    cooldown: the policy acted here not long ago; could act in 50s, at 00:01:30
                   true       avg("cpu", 1m) > 90%   avg(cpu, 1m) = 0.95
                   true       state == "running"   state = "running"
        "#]],
        );
        ask(
            &["vm/one", "--policy", "cold"],
            2,
            &expect![[r#"
            error: no policy `cold` watches vm/one
              help: these do: hot
        "#]],
        );
        ask(
            &["vm/two"],
            2,
            &expect![[r#"
            error: vm/two is not known 40s after the start
              help: names are kind/name, such as vm/web-1; say with --at at which time it exists
        "#]],
        );
        let (_, told) = run(
            folder.path(),
            &["explain", "--test", "FOLDER/hot.test.yaml", "--name", "hotter", "vm/one", "-o", "json"],
        );
        let document: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(document["explanations"][0]["policy"], "hot", "{told}");
        let unclear = ["explain", "--test", "FOLDER/hot.test.yaml", "vm/one"];
        check(
            folder.path(),
            &unclear,
            2,
            &expect![[r#"
            error: FOLDER/hot.test.yaml has 2 tests that may be meant
              help: choose one with --name: hot; hotter
        "#]],
        );
    }

    #[test]
    fn explain_answers_for_a_running_program_and_for_its_recording() {
        let folder = scratch();
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let line =
            |ago: u64| format!("{{\"resource\":\"vm/one\",\"time\":{},\"metrics\":{{\"cpu\":0.95}}}}\n", now - ago);
        fs::write(folder.path().join("in.jsonl"), line(10_000) + &line(5_000)).unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        let policy = HOT.replace(", matchLabels: {tier: web}", "").replace("&& state", "|| state").replace("30s", "1h");
        fs::write(folder.path().join("policies/hot.yaml"), policy).unwrap();
        let spec = "metrics: [{name: cpu}]\nsources: [{jsonLines: {path: in.jsonl, follow: true}}]";
        let program = Program::start(folder.path(), spec);
        let server = program.socket();
        let ask = |resource: &str| printed(&homeostat(&["explain", resource, "--policy", "hot", "--server", &server]));
        let told = program.wait_for("explanation", || {
            Some(ask("vm/one")).filter(|(status, told)| *status == 0 && told.contains("0.95"))
        });
        let expected = expect![[r#"
            vm/one at TIME

            hot  waiting      it has to hold for 1h; could act in WAIT, at TIME
                   true       avg("cpu", 1m) > 90%   avg(cpu, 1m) = 0.95
                   unknown    state == "running"   state is not known
        "#]];
        expected.assert_eq(&timeless(&told.1));
        assert_eq!(ask("vm/two").0, 1);
        program.stop();
        let (status, told) = run(folder.path(), &["explain", "--test", "FOLDER/recording.jsonl", "vm/one"]);
        assert_eq!(status, 0, "{told}");
        expected.assert_eq(&timeless(&told));
    }

    /// Text in which times on the wall and how long it is until then are replaced.
    fn timeless(text: &str) -> String {
        let mut before = "";
        let mut out = String::new();
        for word in text.split_inclusive([' ', '\n']) {
            let bare = word.trim_end();
            let ends = word.get(bare.len()..).unwrap_or_default();
            match before {
                "at" => out += "TIME",
                "in" => out += "WAIT,",
                _ => out += bare,
            }
            out += ends;
            before = bare;
        }
        out
    }
}
