//! What may change of a configuration while homeostat runs, and what becomes of a bad one.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Write,
        os::unix::fs::symlink,
        path::{Path, PathBuf},
    };

    use crate::program::{Program, scratch};

    const GAUGE: &str = "homeostat_configuration_reload_successful";
    const SPEC: &str =
        "metrics: [{name: cpu}]\nsources:\n  - jsonLines: {path: lines.jsonl, follow: true}\ninclude: [conf.d/*.yaml]";
    const SECOND: &str = "sources: [{alertmanager: {name: second, path: /webhook/second}}]";

    fn part(spec: &str) -> String {
        format!("apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  {}\n", spec.replace('\n', "\n  "))
    }

    /// Whether somebody listens on `path`: not 404, as every webhook refuses such a body.
    fn listens(program: &Program, path: &str) -> bool {
        program.post(path, "?").0 != 404
    }

    fn wait(program: &Program, what: &str, is_so: impl Fn() -> bool) {
        program.wait_for(what, || is_so().then_some(()));
    }

    fn logged(program: &Program, part: &str) -> usize {
        program.log().matches(part).count()
    }

    fn change(file: &Path, from: &str, to: &str) {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(file, text.replace(from, to)).unwrap();
    }

    #[test]
    fn a_configuration_and_its_parts_are_read_again_and_a_bad_one_changes_nothing() {
        let folder = scratch();
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        fs::create_dir(path("conf.d")).unwrap();
        fs::write(path("lines.jsonl"), "{\"resource\":\"vm/a\",\"metrics\":{\"cpu\":0.5}}\n").unwrap();
        let program = Program::start(folder.path(), SPEC);
        let metric = |name: &str| program.metric(name);
        wait(&program, "first sample", || metric("homeostat_samples_total") == 1.0);
        assert_eq!(metric(GAUGE), 1.0);
        let began = metric("homeostat_configuration_reload_success_timestamp_seconds");
        assert!(began > 1.7e9 && !listens(&program, "/webhook/second"));

        // A part appears, with a source.
        fs::write(path("conf.d/second.yaml"), part(SECOND)).unwrap();
        wait(&program, "second webhook", || listens(&program, "/webhook/second"));

        // A bad one changes nothing, and it is said where it is wrong.
        fs::write(path("conf.d/second.yaml"), part(&SECOND.replace("path", "pth"))).unwrap();
        wait(&program, "refusal", || metric(GAUGE) == 0.0);
        assert!(listens(&program, "/webhook/second"));
        let log = program.log();
        assert!(log.contains("conf.d/second.yaml:4:") && log.contains("did you mean `path`?"), "{log}");
        assert!(log.contains("stays in force"), "{log}");
        fs::write(path("conf.d/second.yaml"), part(SECOND)).unwrap();
        wait(&program, "recovery", || metric(GAUGE) == 1.0);

        // Policies are checked by what is declared now: one that does not fit keeps the configuration out.
        let policy = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: full}\nspec:\n  select: {kind: vm}\n  \
                      when: last(\"disk\") > 90%\n  then: [{notify: {message: full}}]\n";
        program.write_policy("full.yaml", policy);
        wait(&program, "the policy", || metric("homeostat_policies") == 1.0);
        change(&path("homeostat.yaml"), "{name: cpu}", "{name: cpu}, {name: disk, unit: bytes}");
        wait(&program, "refusal", || metric(GAUGE) == 0.0);
        assert!(program.log().contains("homeostat::policy::unit_mismatch"), "{}", program.log());
        change(&path("homeostat.yaml"), "unit: bytes", "unit: ratio");
        wait(&program, "the declaration", || metric(GAUGE) == 1.0);
        assert_eq!(metric("homeostat_policies"), 1.0);

        // The source that nobody touched goes on: it has not read its file again.
        let mut lines = fs::File::options().append(true).open(path("lines.jsonl")).unwrap();
        lines.write_all(b"{\"resource\":\"vm/a\",\"metrics\":{\"cpu\":0.6}}\n").unwrap();
        wait(&program, "second sample", || metric("homeostat_samples_total") == 2.0);

        // What needs a restart is said once, and the rest of the change is in force.
        fs::remove_file(path("conf.d/second.yaml")).unwrap();
        change(&path("homeostat.yaml"), "listen: 127.0.0.1", "listen: 127.0.0.2");
        wait(&program, "warning", || logged(&program, "has to be started again") == 1);
        assert!(program.log().contains("these changes of the configuration: listen;"), "{}", program.log());
        wait(&program, "end of the second webhook", || !listens(&program, "/webhook/second"));

        // Asked for, too; here nothing has changed.
        let before = logged(&program, "the files say what is in force");
        program.hang_up();
        wait(&program, "answer", || logged(&program, "the files say what is in force") == before + 1);
        assert_eq!(logged(&program, "has to be started again"), 1);
        assert!(metric("homeostat_configuration_reload_success_timestamp_seconds") >= began);
        program.stop();
    }

    #[test]
    fn a_secret_that_is_no_token_keeps_what_is_in_force() {
        let folder = scratch();
        let token = folder.path().join("token");
        fs::write(&token, "first").unwrap();
        let program = Program::start(folder.path(), "sources: [{alertmanager: {path: /first, token: {file: token}}}]");
        assert_eq!(program.metric(GAUGE), 1.0);
        fs::write(&token, "a b").unwrap();
        for _ in 0..2 {
            // It may have been noticed before it is asked for.
            let before = logged(&program, "is no token");
            program.hang_up();
            wait(&program, "refusal", || logged(&program, "is no token") > before);
            assert_eq!(program.metric(GAUGE), 0.0);
            assert_eq!(program.post("/first", "?").0, 401, "the webhook is there, and asks for the token");
        }
        fs::write(&token, "second").unwrap();
        wait(&program, "recovery", || program.metric(GAUGE) == 1.0);
        program.stop();
    }

    #[test]
    fn a_folder_of_policies_that_takes_anothers_place_is_followed() {
        let folder = scratch();
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let policy = |name: &str| {
            format!(
                "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  select: {{kind: vm}}\n  \
                 when: last(\"cpu\") > 1\n  then: [{{notify: {{message: hot}}}}]\n"
            )
        };
        let program =
            Program::start(folder.path(), "metrics: [{name: cpu}]\nsources: [{alertmanager: {path: /first}}]");
        program.write_policy("one.yaml", &policy("one"));
        wait(&program, "the first policy", || program.metric("homeostat_policies") == 1.0);
        fs::create_dir(path("new")).unwrap();
        fs::write(path("new/one.yaml"), policy("one")).unwrap();
        fs::write(path("new/two.yaml"), policy("two")).unwrap();
        fs::rename(path("policies"), path("old")).unwrap();
        fs::rename(path("new"), path("policies")).unwrap();
        wait(&program, "the other folder", || program.metric("homeostat_policies") == 2.0);
        fs::write(path("policies/three.yaml"), policy("three")).unwrap();
        wait(&program, "a change in it", || program.metric("homeostat_policies") == 3.0);
        program.stop();
    }

    #[test]
    fn policies_that_undo_each_other_are_warned_of_whenever_they_are_loaded() {
        const HOW: &str = "at cpu.utilization 81.7% with 3 vcpus `grow` makes it 5, which gives 49%, at which `shrink` makes it 3 again";
        let policy = |name: &str, when: &str, by: &str| {
            format!(
                "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  select: {{kind: vm}}\n  \
                 when: avg(\"cpu.utilization\", {when}\n  then: [{{resize: {{vcpus: {by}}}}}]\n"
            )
        };
        let (grow, shrink) = (policy("grow", "5m) > 80%", "+2"), policy("shrink", "1h) < 50%", "-2"));
        let warnings = |program: &Program| {
            let log = program.log();
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(HOW)).collect();
            let said = |line: &&str| line.contains(" WARN ") && line.contains("shrink.yaml:6: ");
            assert!(lines.iter().all(said), "{log}");
            lines.len()
        };
        let spec = "metrics: [{name: cpu.utilization, unit: ratio}]\nsources: [{alertmanager: {path: /first}}]";
        let folder = scratch();
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/grow.yaml"), &grow).unwrap();
        let program = Program::start(folder.path(), spec);
        assert_eq!(warnings(&program), 0, "one policy alone undoes nothing");
        // The other one comes while it runs.
        program.write_policy("shrink.yaml", &shrink);
        wait(&program, "a warning", || warnings(&program) == 1);
        let loaded = program.entries("policiesLoaded").len();
        // With room between them for what they change there is nothing to say.
        program.write_policy("shrink.yaml", &shrink.replace("< 50%", "< 20%"));
        wait(&program, "more room", || program.entries("policiesLoaded").len() > loaded);
        assert_eq!(warnings(&program), 1, "not once more");
        program.stop();

        fs::write(folder.path().join("policies/shrink.yaml"), &shrink).unwrap();
        let program = Program::start(folder.path(), spec);
        assert_eq!(warnings(&program), 1, "at the start");
        program.stop();
    }

    #[test]
    fn a_mounted_config_map_is_followed_when_its_link_is_swapped() {
        let folder = scratch();
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        fs::create_dir(path("..v1")).unwrap();
        fs::create_dir(path("..v2")).unwrap();
        symlink("..v1", path("..data")).unwrap();
        symlink("..data/homeostat.yaml", path("homeostat.yaml")).unwrap();
        let program = Program::start(folder.path(), "sources: [{alertmanager: {path: /first}}]");
        assert!(listens(&program, "/first"));
        let text = fs::read_to_string(path("..v1/homeostat.yaml")).unwrap();
        fs::write(path("..v2/homeostat.yaml"), text.replace("/first", "/other")).unwrap();
        symlink("..v2", path("..data.new")).unwrap();
        fs::rename(path("..data.new"), path("..data")).unwrap();
        wait(&program, "the other webhook", || listens(&program, "/other"));
        assert!(!listens(&program, "/first"));
        program.stop();
    }
}
