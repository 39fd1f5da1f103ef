//! homeostat is started anew: what it was about to do, and what it must not do again yet, it still knows.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use serde_json::Value;

    use crate::program::{Program, homeostat, printed, scratch};

    const POLICIES: &str = "
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: failed-disk}
spec:
  select: {kind: host}
  on: disk.failed
  cooldown: 1h
  then: [{notify: {message: the disk failed}}]
---
apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: hot}
spec:
  select: {kind: host}
  when: last(\"temperature\") > 60
  for: 1h
  staleAfter: 2h
  then: [{notify: {message: it is hot}}]
";

    const SPEC: &str = "events: [disk.failed]\nmetrics: [{name: temperature}]\nsources:\n  - cloudEvents: {name: smart}\n  \
                        - jsonLines: {name: lines, path: lines}\n";

    fn start(folder: &Path) -> Program {
        start_with(folder, "")
    }

    /// The same, with more in the configuration.
    fn start_with(folder: &Path, more: &str) -> Program {
        fs::create_dir_all(folder.join("policies")).unwrap();
        fs::write(folder.join("policies/site.yaml"), POLICIES).unwrap();
        let now = jiff::Timestamp::now();
        fs::write(
            folder.join("lines"),
            format!("{{\"resource\": \"host/h1\", \"time\": \"{now}\", \"metrics\": {{\"temperature\": 70}}}}\n"),
        )
        .unwrap();
        Program::start(folder, &format!("{SPEC}{more}"))
    }

    fn fail(program: &Program, id: u32) {
        let event = format!(
            r#"{{"specversion": "1.0", "id": "{id}", "source": "/smart", "type": "disk.failed", "subject": "host/h1"}}"#
        );
        let json = ("Content-Type", "application/cloudevents+json");
        assert_eq!(program.post_with("/webhook/cloudevents", &[json], &event).0, 202);
    }

    /// When `hot` acts, in milliseconds.
    fn acts_at(program: &Program) -> i64 {
        program.wait_for("the policy's count", || {
            let server = program.socket();
            let (status, answer) = printed(&homeostat(&["explain", "host/h1", "--server", &server, "-o", "json"]));
            if status != 0 {
                return None;
            }
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let hot = answer["explanations"].as_array()?.iter().find(|one| one["policy"] == "hot")?.clone();
            hot["actsAt"].as_i64()
        })
    }

    #[test]
    fn a_pause_and_what_counts_outlast_it() {
        let folder = scratch();
        let program = start(folder.path());
        let first = acts_at(&program);
        fail(&program, 1);
        program.wait_for("notification", || program.entries("notified").first().map(drop));
        std::thread::sleep(Duration::from_secs(3));
        program.stop();
        let program = start(folder.path());
        // It has held for three seconds at least; while nobody looked it held for nothing.
        let (second, now) = (acts_at(&program), jiff::Timestamp::now().as_millisecond());
        assert!(first < second && second < now + 3_600_000 - 2_900, "{first} {second} {now}");
        fail(&program, 2);
        let held = program.wait_for("what holds it back", || program.entries("held").first().cloned());
        assert!(held.to_string().contains("cooldown"), "{held}");
        // A crash loses nothing of a pause either.
        program.kill();
        let program = start(folder.path());
        fail(&program, 3);
        program.wait_for("what holds it back", || program.entries("held").first().cloned());
        assert_eq!(program.entries("notified").len(), 0);
        program.stop();
    }

    #[test]
    fn a_quarantine_outlasts_it_and_so_does_its_end() {
        // Nothing can evacuate what only events tell of, so that its ladder is at its end soon.
        let ends = POLICIES
            .split("---\n")
            .next()
            .unwrap()
            .replace("failed-disk", "vain")
            .replace("cooldown: 1h", "staleAfter: 1s");
        let (ladder, _) = ends.split_once("  then:").unwrap();
        let folder = scratch();
        fs::create_dir(folder.path().join("policies")).unwrap();
        let ends = format!("{ladder}  handOver: {{quarantine: 1h}}\n  then: [evacuate]\n");
        fs::write(folder.path().join("policies/vain.yaml"), ends).unwrap();
        let program = start(folder.path());
        let status = |program: &Program| printed(&homeostat(&["status", "--server", &program.socket()])).1;
        assert!(status(&program).contains("quarantine none\n"));
        fail(&program, 1);
        program.wait_for("quarantine", || program.entries("resourceQuarantined").first().map(drop));
        program.kill();
        let program = start(folder.path());
        assert!(status(&program).contains("quarantine host/h1\n"), "{}", status(&program));
        let release = |program: &Program| printed(&homeostat(&["release", "host/h1", "--server", &program.socket()]));
        let (code, told) = release(&program);
        assert!(code == 0 && told.contains("quarantine none\n"), "{told}");
        program.kill();
        let program = start(folder.path());
        assert!(status(&program).contains("quarantine none\n"), "{}", status(&program));
        let (code, told) = release(&program);
        assert!(code == 1 && told.contains("host/h1 is not in quarantine"), "{told}");
        program.stop();
    }

    /// A segment that is too long for a journal that has become smaller is left as homeostat starts, before it knows what it is to carry
    /// over; and one that is to be left because of what only counts.
    #[test]
    fn what_is_known_outlasts_a_new_segment_at_the_start() {
        let folder = scratch();
        let program = start(folder.path());
        let (status, told) = printed(&homeostat(&["pause", "--server", &program.socket()]));
        assert_eq!(status, 0, "{told}");
        let event = |host: u32| {
            format!(
                r#"{{"specversion": "1.0", "id": "{host}", "source": "/smart", "type": "disk.failed", "subject": "host/b{host}"}}"#
            )
        };
        let events: Vec<String> = (0..400).map(event).collect();
        let json = ("Content-Type", "application/cloudevents-batch+json");
        let answer = program.post_with("/webhook/cloudevents", &[json], &format!("[{}]", events.join(",")));
        assert_eq!(answer.0, 202, "{answer:?}");
        program.wait_for("what is held", || (program.entries("held").len() == 400).then_some(()));
        program.stop();
        let segments = || {
            let names = fs::read_dir(folder.path().join("journal")).unwrap();
            names.filter(|name| name.as_ref().unwrap().path().extension().is_some_and(|end| end == "journal")).count()
        };
        assert_eq!(segments(), 1);
        let small = "journal: {path: journal, maxBytes: 1Mi}\n";
        start_with(folder.path(), small).stop();
        assert!(segments() > 1, "a new one has begun");
        let program = start_with(folder.path(), small);
        let (status, told) = printed(&homeostat(&["status", "--server", &program.socket()]));
        assert!(status == 0 && told.contains("paused"), "{told}");
        program.stop();
    }
}
