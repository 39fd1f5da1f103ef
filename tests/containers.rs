//! The whole loop on real systems: a real container engine, a real Prometheus and Alertmanager, the real program.

#[cfg(test)]
mod program;
#[cfg(test)]
mod testbed;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use crate::{
        program::{PATIENCE, Program, homeostat, printed, root, scratch},
        testbed::{Alertmanager, Container, Engine, Prometheus, wait_for},
    };

    /// Starts homeostat on `engine` with stock policies and those of the test's own.
    fn start(folder: &Path, engine: &Engine, stock: &[&str], own: &[(&str, &str)], more: &str) -> Program {
        let policies = folder.join("policies");
        fs::create_dir_all(&policies).unwrap();
        for name in stock {
            fs::copy(root().join("policies").join(name), policies.join(name)).unwrap();
        }
        for (name, text) in own {
            fs::write(policies.join(name), text).unwrap();
        }
        let adapter =
            format!("adapters:\n  - container: {{endpoint: \"{}\", sampleEvery: 1s}}\n{more}", engine.endpoint);
        Program::start(folder, &adapter)
    }

    fn wait_until_restarted(program: &Program, container: &Container<'_>, before: &str) {
        program
            .wait_for("restart", || (container.state() == "running" && container.started_at() != before).then_some(()));
        program.wait_for("end of the plan", || {
            program.entries("planFinished").iter().any(|end| end["result"] == "succeeded").then_some(())
        });
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_killed_container_is_restarted_and_a_stopped_one_is_not() {
        let (folder, engine) = (scratch(), Engine::private("docker"));
        let (victim, stopped) = (engine.container("sleep 1000", &[]), engine.container("sleep 1000", &[]));
        let program = start(folder.path(), &engine, &["container-crash-restart.yaml"], &[], "");
        let before = victim.started_at();
        engine.client(&["stop", "--time", "1", &stopped.name]);
        victim.kill_process();
        wait_until_restarted(&program, &victim, &before);
        // The one that was stopped first has been looked at by now, too.
        assert_eq!(stopped.state(), "exited");
        let subjects: Vec<String> =
            program.entries("planMade").iter().map(|plan| plan["subject"].as_str().unwrap().to_owned()).collect();
        assert_eq!(subjects, [format!("container/{}", victim.name)]);
        // A person asks why.
        let (status, told) =
            printed(&homeostat(&["explain", &format!("container/{}", stopped.name), "--server", &program.socket()]));
        assert_eq!(status, 0, "{told}");
        assert!(told.contains("container-crash-restart  no"), "{told}");
        let told = program.stop();
        assert!(told.contains("event container.died") && told.contains("succeeded"), "{told}");
        same_decisions_again(folder.path());
    }

    /// What was decided live is decided again, byte for byte, by `backtest` and by `test`.
    fn same_decisions_again(folder: &Path) {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let live = fs::read(path("decisions.jsonl")).unwrap();
        assert!(!live.is_empty());
        for policies in [None, Some(path("policies"))] {
            let (recording, again) = (path("recording.jsonl"), path("again.jsonl"));
            let mut arguments = vec!["backtest", "--input", &recording, "--decisions", &again];
            if let Some(policies) = &policies {
                arguments.extend(["--policies", policies]);
            }
            let (status, told) = printed(&homeostat(&arguments));
            assert_eq!(status, 0, "{told}");
            assert_eq!(String::from_utf8_lossy(&live), fs::read_to_string(&again).unwrap(), "backtest {policies:?}");
        }
        let names: Vec<String> = fs::read_dir(path("policies"))
            .unwrap()
            .map(|entry| format!("policies/{}", entry.unwrap().file_name().to_str().unwrap()))
            .collect();
        let test = format!(
            "apiVersion: homeostat.dev/v1alpha1\nkind: PolicyTest\nspec:\n  policies: [{}]\n  input: recording.jsonl\n  \
             expect: [{{at: 0s, findings: []}}]\n",
            names.join(", ")
        );
        fs::write(path("replay.test.yaml"), test).unwrap();
        let (status, told) =
            printed(&homeostat(&["test", &path("replay.test.yaml"), "--decisions", &path("tested.jsonl")]));
        assert_eq!(status, 0, "{told}");
        assert_eq!(String::from_utf8_lossy(&live), fs::read_to_string(path("tested.jsonl")).unwrap(), "test");
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_container_near_its_memory_limit_is_given_more_while_it_runs() {
        let (folder, engine) = (scratch(), Engine::private("docker"));
        let fill = "dd if=/dev/zero of=/dev/shm/fill bs=1M count=61 2>/dev/null; sleep 1000";
        let options = ["--memory", "64m", "--memory-swap", "64m", "--shm-size", "256m"];
        let container = engine.container(fill, &options);
        let pid = container.pid();
        assert_eq!(container.memory_limit(), 64 << 20);
        let program = start(folder.path(), &engine, &["container-memory-pressure.yaml"], &[], "");
        program.wait_for("raised limit", || (container.memory_limit() == 80 << 20).then_some(()));
        assert_eq!(container.kernel_memory_limit(), 80 << 20, "the kernel has the new limit as well");
        assert_eq!(container.pid(), pid, "it was not restarted");
        program.wait_for("end of the finding", || {
            let closed = program.entries("findingClosed");
            closed.iter().any(|closed| closed["finding"]["policy"] == "container-memory-pressure").then_some(())
        });
        let opened = &program.entries("findingOpened")[0];
        let value = opened["evidence"]["clauses"][0]["values"][0][1].as_f64().unwrap();
        assert!((0.85..=1.0).contains(&value), "the finding says what it saw: {opened}");
        program.stop();
        same_decisions_again(folder.path());
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn memory_that_is_high_and_flat_is_left_alone() {
        let (folder, engine) = (scratch(), Engine::private("docker"));
        let fill = "dd if=/dev/zero of=/dev/shm/fill bs=1M count=57 2>/dev/null; sleep 1000";
        let options = ["--memory", "64m", "--memory-swap", "64m", "--shm-size", "256m"];
        let container = engine.container(fill, &options);
        // It has come to rest before anybody looks.
        let filled = ["exec", &container.name, "sh", "-c", "wc -c < /dev/shm/fill || true"];
        wait_for("full memory", PATIENCE, || (engine.client(&filled) == (57 << 20).to_string()).then_some(()));
        let program = start(folder.path(), &engine, &["container-memory-pressure.yaml"], &[], "");
        let explain = || {
            let resource = format!("container/{}", container.name);
            printed(&homeostat(&["explain", &resource, "--server", &program.socket(), "-o", "json"])).1
        };
        program.wait_for("full memory that is seen", || explain().contains("memory.utilization").then_some(()));
        std::thread::sleep(Duration::from_secs(50));
        assert_eq!(container.memory_limit(), 64 << 20, "{}", explain());
        assert!(program.entries("findingOpened").is_empty(), "{}", explain());
        program.stop();
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_container_that_its_engine_restarts_is_left_to_it_and_told_of_when_that_does_not_help() {
        let (folder, engine) = (scratch(), Engine::private("docker"));
        let stock = ["container-crash-restart.yaml", "container-flapping.yaml"];
        let program = start(folder.path(), &engine, &stock, &[], "");
        let flapping = engine.container("sleep 1; exit 3", &["--restart", "always"]);
        let told = program.wait_for("word of the flapping container", || {
            let told = program.entries("notified");
            told.into_iter().find(|told| told["finding"]["policy"] == "container-flapping")
        });
        let message = told["message"].as_str().unwrap();
        let resource = format!("container/{}", flapping.name);
        assert!(message.contains(&resource) && message.contains("the last time with 3"), "{message}");
        assert!(program.entries("planMade").is_empty(), "the engine restarts it, and nobody else");
        // Once is enough.
        std::thread::sleep(Duration::from_secs(10));
        assert_eq!(program.entries("notified").len(), 1);
        program.stop();
        same_decisions_again(folder.path());
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_container_that_dies_again_is_restarted_later_than_the_first_time() {
        let (folder, engine) = (scratch(), Engine::private("docker"));
        let program = start(folder.path(), &engine, &["container-crash-restart.yaml"], &[], "");
        let container = engine.container("sleep 3; exit 7", &[]);
        program.wait_for("second restart", || (program.entries("planFinished").len() == 2).then_some(()));
        let at = |sort: &str, number: usize| {
            let decisions = program.decisions();
            let mut of = decisions.iter().filter(|decision| !decision["entry"][sort].is_null());
            of.nth(number).unwrap()["at"].as_i64().unwrap()
        };
        let pause = at("planMade", 1) - at("planFinished", 0);
        assert!(
            (9_900..30_000).contains(&pause),
            "{pause} ms after the end of the first restart of {}",
            container.name
        );
        program.stop();
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn an_alert_of_a_real_prometheus_and_alertmanager_is_acted_on() {
        let (folder, engine) = (scratch(), Engine::private("docker"));
        let container = engine.container("sleep 1000", &[]);
        let policy = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: restart-on-alert}\nspec:\n  \
                      select: {kind: container}\n  on: alert.firing\n  when: event.alertname == \"Stuck\"\n  \
                      cooldown: 10m\n  then: [restart]\n";
        let own = [("restart-on-alert.yaml", policy)];
        let program = start(folder.path(), &engine, &[], &own, "sources:\n  - alertmanager: {}\n");
        let before = container.started_at();
        let alertmanager = Alertmanager::start(&program.url("/webhook/alertmanager"));
        let rules = format!(
            "groups:\n  - name: test\n    rules:\n      - alert: Stuck\n        expr: vector(1) > 0\n        \
             labels: {{resource: container/{}}}\n",
            container.name
        );
        let _prometheus = Prometheus::start(&rules, &[], &alertmanager);
        wait_until_restarted(&program, &container, &before);
        assert_eq!(program.entries("planMade").len(), 1);
        program.stop();
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_death_while_the_engine_was_away_is_not_missed() {
        let (folder, engine) = (scratch(), Engine::private("docker"));
        let (victim, other) = (engine.container("sleep 1000", &[]), engine.container("sleep 1000", &[]));
        let program = start(folder.path(), &engine, &["container-crash-restart.yaml"], &[], "");
        let (pid, before, untouched) = (victim.pid().to_string(), victim.started_at(), other.started_at());
        engine.kill();
        program.wait_for("notice of the lost engine", || {
            (program.metric("homeostat_adapter_up{adapter=\"docker\"}") == 0.0).then_some(())
        });
        assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        std::thread::sleep(Duration::from_millis(500));
        engine.start();
        wait_until_restarted(&program, &victim, &before);
        assert_eq!(other.started_at(), untouched, "the other one went on");
        // And what comes after the reconnection is seen, too.
        let again = victim.started_at();
        wait_for("new process", PATIENCE, || (victim.pid() > 1).then_some(()));
        victim.kill_process();
        program
            .wait_for("second restart", || (victim.state() == "running" && victim.started_at() != again).then_some(()));
        program.stop();
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_plan_that_the_end_of_homeostat_interrupts_is_looked_into_before_anything_else_is_done() {
        let (folder, engine) = (scratch(), Engine::docker());
        // It does not listen: to stop it takes as long as it is given to end in good order.
        let stubborn = engine.container("trap '' TERM; while true; do sleep 1; done", &["--label", "chosen=yes"]);
        let policy = once("stop-it", "{stop: {}, attempts: 3}");
        let program = start(folder.path(), &engine, &[], &[("stop-it.yaml", &policy)], "");
        let step = program.wait_for("step", || program.entries("stepDispatched").into_iter().next());
        let old = step["plan"].as_str().unwrap();
        program.kill();
        assert_eq!(stubborn.state(), "running", "the end came in the middle");
        let program = start(folder.path(), &engine, &[], &[("stop-it.yaml", &policy)], "");
        // First the old plan comes to its end, by what its engine says; only then is there another one, if that is needed.
        program.wait_for("end of the old plan", || {
            program.entries("planFinished").iter().any(|end| end["plan"] == old).then_some(())
        });
        program.wait_for("stop", || (stubborn.state() == "exited").then_some(()));
        program.wait_for("end of all plans", || (program.metric("homeostat_plans_in_flight") == 0.0).then_some(()));
        let told: Vec<(String, String)> = program
            .decisions()
            .iter()
            .filter_map(|decision| {
                let (sort, entry) = decision["entry"].as_object()?.iter().next()?;
                let plan = entry["plan"].as_str().or_else(|| entry["id"].as_str())?;
                Some((sort.clone(), plan.to_owned()))
            })
            .collect();
        let place = |sort: &str, plan: &str| told.iter().position(|(a, b)| a == sort && b == plan);
        assert!(place("stepDispatched", old).is_none(), "it was begun once more: {told:?}");
        assert!(place("stepFinished", old) < place("planFinished", old), "{told:?}");
        if let Some(next) = told.iter().position(|(sort, _)| sort == "planMade") {
            assert!(place("planFinished", old) < Some(next), "{told:?}");
        }
        assert!(program.log().contains("step is probed"), "{}", program.log());
        program.stop();
    }

    /// A policy that does one thing to what is labelled `chosen`, once.
    fn once(name: &str, response: &str) -> String {
        format!(
            "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  \
             select: {{kind: container, matchLabels: {{chosen: \"yes\"}}}}\n  when: state == \"running\"\n  cooldown: 1h\n  \
             then: [{response}]\n"
        )
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_container_gets_processors_of_its_own_and_gives_them_back() {
        let (folder, engine) = (scratch(), Engine::private("docker"));
        let cores = std::thread::available_parallelism().unwrap().get();
        if cores < 2 {
            return eprintln!("one processor cannot be divided: nothing is checked");
        }
        let chosen = engine.container("sleep 1000", &["--label", "chosen=yes"]);
        let other = engine.container("sleep 1000", &[]);
        let cpus = |container: &Container<'_>| container.inspect("{{.HostConfig.CpusetCpus}}");
        let program = start(folder.path(), &engine, &[], &[("own.yaml", &once("own", "fisicalize"))], "");
        program.wait_for("processors of its own", || (cpus(&chosen) == (cores - 1).to_string()).then_some(()));
        let rest = if cores == 2 { "0".into() } else { format!("0-{}", cores - 2) };
        assert_eq!(cpus(&other), rest, "the other one was kept off them before");
        program.wait_for("end of the plan", || program.entries("planFinished").first().cloned());
        program.stop();
        fs::remove_dir_all(folder.path().join("policies")).unwrap();
        let program = start(folder.path(), &engine, &[], &[("back.yaml", &once("back", "release"))], "");
        let every = format!("0-{}", cores - 1);
        program
            .wait_for("return of the processors", || (cpus(&chosen) == every && cpus(&other) == every).then_some(()));
        program.stop();
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_container_moves_to_another_host_and_the_plan_says_beforehand_how() {
        let (left, right, podman) = (Engine::private("docker"), Engine::private("docker"), Engine::podman());
        for (target, live) in [(&right, true), (&podman, false)] {
            let folder = scratch();
            // Something that stays takes room here: there is more left on the other one.
            let _stays = left.container("sleep 1000", &["--memory", "4g"]);
            let nproc = ["--ulimit", "nproc=4096:4096", "--label", "chosen=yes", "--memory", "64m"];
            let container = left.container("sleep 100000 & wait", &nproc);
            let policies = folder.path().join("policies");
            fs::create_dir_all(&policies).unwrap();
            fs::write(policies.join("move.yaml"), once("move", "migrate")).unwrap();
            let hosts = format!(
                "adapters:\n  - container: {{hosts: [{{name: left, endpoint: \"{}\"}}, {{name: there, endpoint: \"{}\"}}]}}\n",
                left.endpoint, target.endpoint
            );
            let program = Program::start(folder.path(), &hosts);
            let plan = program.wait_for("plan", || program.entries("planMade").first().cloned());
            let step = &plan["steps"][0];
            assert_eq!(step["action"]["migrate"]["live"], live, "{plan}");
            let says = step["reason"].as_str().unwrap().contains("it is stopped and made anew there");
            assert_eq!(says, !live, "{plan}");
            let end = program.wait_for("end of the plan", || program.entries("planFinished").first().cloned());
            assert_eq!(end["result"], "succeeded", "{end}");
            let there = target.client(&["inspect", "--format", "{{.State.Status}}", &container.name]);
            assert_eq!(there, "running");
            assert_eq!(left.client(&["ps", "--all", "--quiet", "--filter", &format!("name={}", container.name)]), "");
            target.client(&["rm", "--force", &container.name]);
            program.stop();
        }
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn what_podman_cannot_do_is_said_before_it_is_tried() {
        let (folder, engine) = (scratch(), Engine::private("podman"));
        let fill = "dd if=/dev/zero of=/dev/shm/fill bs=1M count=61 2>/dev/null; sleep 1000";
        let container = engine.container(fill, &["--memory", "64m", "--memory-swap", "64m", "--shm-size", "256m"]);
        // Podman does not tell of every stop, so whether an end was asked for is not known there.
        let crash = fs::read_to_string(root().join("policies/container-crash-restart.yaml")).unwrap();
        let crash = crash.replace("event.requested == false && ", "");
        let own = [("crash.yaml", crash.as_str())];
        let program = start(folder.path(), &engine, &["container-memory-pressure.yaml"], &own, "");
        let skipped = program.wait_for("passed-over response", || program.entries("skipped").first().cloned());
        assert!(skipped["reason"].as_str().unwrap().contains("cannot resize a container"), "{skipped}");
        // The rest of the adapter works.
        let before = container.started_at();
        container.kill_process();
        program
            .wait_for("restart", || (container.state() == "running" && container.started_at() != before).then_some(()));
        program.stop();
    }
}
