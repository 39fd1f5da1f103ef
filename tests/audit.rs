//! `homeostat audit`: what it shows of a journal, what it leaves out, and what it finds when the journal was changed.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{BufRead, BufReader},
        path::Path,
        process::{Command, Stdio},
        sync::Arc,
    };

    use expect_test::{Expect, expect};
    use homeostat_journal::{Journal, Options};
    use homeostat_model::{
        Action, Clause, Duration, Entry, Evidence, FindingRef, Generation, Hold, IdempotencyKey, Mode, Plan, PlanId,
        PlanResult, Record, Step, StepId, StepResult, Timestamp, Truth, Value,
    };
    use serde_json::Value as Json;
    use tempfile::TempDir;

    use crate::program::{homeostat, printed, scratch};

    /// 2026-01-31T10:00:00Z and so many seconds.
    fn at(seconds: i64, entry: Entry) -> Record {
        Record { at: Timestamp::from_millis(1_769_853_600_000 + seconds * 1000), entry }
    }

    fn finding(policy: &str, resource: &str) -> FindingRef {
        FindingRef { policy: policy.parse().unwrap(), resource: resource.parse().unwrap() }
    }

    fn opened(policy: &str, resource: &str) -> Entry {
        let values = vec![("load".into(), Some(Value::Number(0.95)))];
        let clause = Clause { text: "load > 0.9".into(), truth: Truth::True, values, could_hold_at: None };
        let evidence = Evidence { truth: Truth::True, clauses: vec![clause] };
        Entry::FindingOpened { finding: finding(policy, resource), evidence }
    }

    fn id(number: u64) -> PlanId {
        PlanId { generation: Generation(1), number }
    }

    fn plan(number: u64, policy: &str, resource: &str) -> Entry {
        let step = Step {
            id: StepId(1),
            after: vec![],
            resource: resource.parse().unwrap(),
            adapter: "dc".parse().unwrap(),
            action: Action::Restart { on: None },
            timeout: Duration::from_secs(30),
            reason: "it hangs".into(),
            preconditions: vec![],
            retry: Default::default(),
            compensation: None,
        };
        Entry::PlanMade(Arc::new(Plan {
            id: id(number),
            created: at(0, opened(policy, resource)).at,
            policy: policy.parse().unwrap(),
            subject: resource.parse().unwrap(),
            findings: Vec::new(),
            response: "restart".into(),
            rung: 1,
            evidence: Evidence { truth: Truth::True, clauses: vec![] },
            mode: Mode::Auto,
            priority: 0,
            effect: "it runs".into(),
            steps: vec![step],
            reach: Default::default(),
            cost: Default::default(),
            verification: None,
        }))
    }

    fn dispatched(number: u64) -> Entry {
        let (plan, step) = (id(number), StepId(1));
        Entry::StepDispatched { plan, step, key: IdempotencyKey::new(plan, step) }
    }

    fn finished(number: u64) -> Entry {
        let result = StepResult::Done { observed: "running".into() };
        Entry::StepFinished { plan: id(number), step: StepId(1), result }
    }

    /// Two plans on two resources; the second one goes on in a second segment.
    fn journal() -> TempDir {
        let folder = scratch();
        let (journal, _) = Journal::open(folder.path(), Options::default(), |_| {}).unwrap();
        let policies = vec!["hot".parse().unwrap(), "down".parse().unwrap()];
        let cooldown = Hold::Cooldown { until: at(600, finished(1)).at };
        for entry in [
            (0, Entry::PoliciesLoaded { generation: Generation(1), policies, texts: Vec::new() }),
            (5, opened("hot", "vm/web-1")),
            (5, plan(1, "hot", "vm/web-1")),
            (5, dispatched(1)),
            (7, finished(1)),
            (7, Entry::PlanFinished { plan: id(1), result: PlanResult::Succeeded }),
            (8, Entry::Held { finding: finding("hot", "vm/web-1"), hold: cooldown }),
            (9, opened("down", "vm/db-1")),
            (9, plan(2, "down", "vm/db-1")),
        ] {
            journal.append(&[at(entry.0, entry.1)]).unwrap().wait().unwrap();
        }
        journal.roll(b"the driver's".to_vec()).unwrap().wait().unwrap();
        let reason = "the host is gone".into();
        for entry in [
            (10, dispatched(2)),
            (70, Entry::StepFinished { plan: id(2), step: StepId(1), result: StepResult::Failed { reason } }),
            (
                71,
                Entry::PlanFinished {
                    plan: id(2),
                    result: PlanResult::Failed { step: StepId(1), reason: "no host".into() },
                },
            ),
        ] {
            journal.append(&[at(entry.0, entry.1)]).unwrap().wait().unwrap();
        }
        folder
    }

    fn audit(folder: &Path, options: &[&str]) -> (i32, String) {
        printed(&homeostat(&[&["audit", folder.to_str().unwrap()], options].concat()))
    }

    fn shows(options: &[&str], expected: &Expect) {
        let folder = journal();
        let (status, told) = audit(folder.path(), options);
        assert_eq!(status, 0, "{told}");
        expected.assert_eq(&told);
    }

    #[test]
    fn everything_is_told_in_order() {
        shows(
            &[],
            &expect![[r#"
                1       2026-01-31 10:00:00  policies  2 loaded (generation 1): hot, down
                2       2026-01-31 10:00:05  finding   vm/web-1 hot: load > 0.9 is true (load = 0.95)
                3       2026-01-31 10:00:05  plan      p1-1 restart vm/web-1 for hot, 1 step; then it runs
                4       2026-01-31 10:00:05    step    p1-1/1 vm/web-1 restart: it hangs
                5       2026-01-31 10:00:07    step    p1-1/1 done: running
                6       2026-01-31 10:00:07  plan      p1-1 restart vm/web-1 succeeded
                7       2026-01-31 10:00:08  held back vm/web-1 hot: cooldown: the policy acted here not long ago
                8       2026-01-31 10:00:09  finding   vm/db-1 down: load > 0.9 is true (load = 0.95)
                9       2026-01-31 10:00:09  plan      p1-2 restart vm/db-1 for down, 1 step; then it runs
                10      2026-01-31 10:00:10    step    p1-2/1 vm/db-1 restart: it hangs
                11      2026-01-31 10:01:10    step    p1-2/1 failed: the host is gone
                12      2026-01-31 10:01:11  plan      p1-2 restart vm/db-1 failed at step 1: no host
            "#]],
        );
    }

    #[test]
    fn it_is_filtered_by_what_it_is_about_and_by_time() {
        shows(
            &["--plan", "p1-2"],
            &expect![[r#"
                9       2026-01-31 10:00:09  plan      p1-2 restart vm/db-1 for down, 1 step; then it runs
                10      2026-01-31 10:00:10    step    p1-2/1 vm/db-1 restart: it hangs
                11      2026-01-31 10:01:10    step    p1-2/1 failed: the host is gone
                12      2026-01-31 10:01:11  plan      p1-2 restart vm/db-1 failed at step 1: no host
            "#]],
        );
        shows(
            &["--policy", "hot"],
            &expect![[r#"
                1       2026-01-31 10:00:00  policies  2 loaded (generation 1): hot, down
                2       2026-01-31 10:00:05  finding   vm/web-1 hot: load > 0.9 is true (load = 0.95)
                3       2026-01-31 10:00:05  plan      p1-1 restart vm/web-1 for hot, 1 step; then it runs
                4       2026-01-31 10:00:05    step    p1-1/1 vm/web-1 restart: it hangs
                5       2026-01-31 10:00:07    step    p1-1/1 done: running
                6       2026-01-31 10:00:07  plan      p1-1 restart vm/web-1 succeeded
                7       2026-01-31 10:00:08  held back vm/web-1 hot: cooldown: the policy acted here not long ago
            "#]],
        );
        shows(
            &["--resource", "vm/db-1"],
            &expect![[r#"
                8       2026-01-31 10:00:09  finding   vm/db-1 down: load > 0.9 is true (load = 0.95)
                9       2026-01-31 10:00:09  plan      p1-2 restart vm/db-1 for down, 1 step; then it runs
                10      2026-01-31 10:00:10    step    p1-2/1 vm/db-1 restart: it hangs
                11      2026-01-31 10:01:10    step    p1-2/1 failed: the host is gone
                12      2026-01-31 10:01:11  plan      p1-2 restart vm/db-1 failed at step 1: no host
            "#]],
        );
        shows(
            &["--kind", "stepFinished,planFinished"],
            &expect![[r#"
                5       2026-01-31 10:00:07    step    p1-1/1 done: running
                6       2026-01-31 10:00:07  plan      p1-1 restart vm/web-1 succeeded
                11      2026-01-31 10:01:10    step    p1-2/1 failed: the host is gone
                12      2026-01-31 10:01:11  plan      p1-2 restart vm/db-1 failed at step 1: no host
            "#]],
        );
        shows(
            &["--since", "2026-01-31T10:00:08Z", "--until", "2026-01-31T10:00:10Z"],
            &expect![[r#"
                7       2026-01-31 10:00:08  held back vm/web-1 hot: cooldown: the policy acted here not long ago
                8       2026-01-31 10:00:09  finding   vm/db-1 down: load > 0.9 is true (load = 0.95)
                9       2026-01-31 10:00:09  plan      p1-2 restart vm/db-1 for down, 1 step; then it runs
            "#]],
        );
        // There are some, all of them older.
        shows(&["--kind", "planMade", "--since", "2026-02-01T00:00:00Z"], &expect![[r#""#]]);
        shows(
            &["--kind", "stepDone", "--policy", "hot"],
            &expect![[r#"
            no record is of kind stepDone; there are: findingOpened, held, planFinished, planMade, policiesLoaded, stepDispatched, stepFinished
        "#]],
        );
    }

    #[test]
    fn programs_get_every_record_with_its_hash() {
        shows(
            &["-o", "json", "--kind", "stepFinished"],
            &expect![[r#"
                {"at":1769853607000,"entry":{"stepFinished":{"plan":"p1-1","result":{"done":{"observed":"running"}},"step":1}},"hash":"abf91a6356a003d54cc85311f214dbeafd9af37d67c9b07d56930d03fc9aa410","number":5}
                {"at":1769853670000,"entry":{"stepFinished":{"plan":"p1-2","result":{"failed":{"reason":"the host is gone"}},"step":1}},"hash":"95aea2498ccb3fa6a0524f896b50d6eac849d7ff4cb838ccdb534960546dea87","number":11}
            "#]],
        );
        let folder = journal();
        let (_, all) = audit(folder.path(), &["-o", "json"]);
        let records: Vec<Json> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), 12);
        let (_, verified) = audit(folder.path(), &["--verify", "-o", "json"]);
        let verified: Json = serde_json::from_str(&verified).unwrap();
        assert_eq!(verified["records"]["last"]["hash"], records[11]["hash"]);
    }

    #[test]
    fn a_stream_of_yaml_says_what_the_lines_of_json_say() {
        shows(
            &["-o", "yaml", "--kind", "stepFinished"],
            &expect![[r#"
            at: 1769853607000
            entry:
              stepFinished:
                plan: p1-1
                result:
                  done:
                    observed: running
                step: 1
            hash: abf91a6356a003d54cc85311f214dbeafd9af37d67c9b07d56930d03fc9aa410
            number: 5
            ---
            at: 1769853670000
            entry:
              stepFinished:
                plan: p1-2
                result:
                  failed:
                    reason: the host is gone
                step: 1
            hash: 95aea2498ccb3fa6a0524f896b50d6eac849d7ff4cb838ccdb534960546dea87
            number: 11
        "#]],
        );
        let folder = journal();
        let documents = |options: &[&str]| {
            let (status, text) = audit(folder.path(), &[&["-o", "yaml"], options].concat());
            (status, serde_saphyr::from_multiple::<Json>(&text).unwrap())
        };
        let (_, lines) = audit(folder.path(), &["-o", "json"]);
        let lines: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(documents(&[]), (0, lines));
        assert_eq!(documents(&["--plan", "p9-9"]), (0, vec![]));
        let (_, verified) = audit(folder.path(), &["--verify", "-o", "json"]);
        assert_eq!(documents(&["--verify"]), (0, vec![serde_json::from_str(&verified).unwrap()]));
    }

    #[test]
    fn an_old_segment_need_not_be_there() {
        let folder = journal();
        fs::remove_file(folder.path().join("00000001.journal")).unwrap();
        let (status, told) = audit(folder.path(), &["--policy", "down"]);
        assert_eq!(status, 0, "{told}");
        expect![[r#"
            10      2026-01-31 10:00:10    step    p1-2/1 vm/db-1 restart: it hangs
            11      2026-01-31 10:01:10    step    p1-2/1 failed: the host is gone
            12      2026-01-31 10:01:11  plan      p1-2 restart vm/db-1 failed at step 1: no host
        "#]]
        .assert_eq(&told);
    }

    #[test]
    fn what_was_changed_is_found_and_said() {
        let verify = |folder: &TempDir| {
            let (status, told) = audit(folder.path(), &["--verify"]);
            (status, told.replace(folder.path().to_str().unwrap(), "JOURNAL"))
        };
        let folder = journal();
        let (status, told) = verify(&folder);
        assert_eq!(status, 0, "{told}");
        expect![[r#"
            whole: records 1 to 12 in 2 segments; the hash of the last is 398c28cad115b685baf968c8a32d448a4e4cef5ef8ee5efad1e78d694ce7e54b
        "#]].assert_eq(&told);
        let first = folder.path().join("00000001.journal");
        let text = fs::read_to_string(&first).unwrap();
        // As somebody would who knows of the checksums: the record before is to look as if it had been another.
        let line = text.lines().find(|line| line.contains("0.95")).unwrap();
        let (sum, json) = line.split_at(9);
        let forged = json.replace("0.95", "0.15");
        let forged_line =
            line.replace(sum.trim_end(), &format!("{:08x}", crc(forged.as_bytes()))).replace("0.95", "0.15");
        fs::write(&first, text.replace(line, &forged_line)).unwrap();
        let (status, told) = verify(&folder);
        assert_eq!(status, 1, "{told}");
        expect![[r#"
            damaged: records 1 to 1 in 1 segment; the hash of the last is 3e1f0852c302ec9d9890365f9fcec8af45f66a5f0d796637e8fe8bb2f3ce0f14
            error: JOURNAL/00000001.journal is damaged at byte 362: the hash chain breaks at record 2: something was changed or removed there. Keep a copy of the folder, then restore it from a backup; or give up what was recorded later, after looking at the systems themselves for steps that were under way: `truncate -s 362` of this file, before which everything is whole, and remove the file `durable` and the segments after this one
        "#]].assert_eq(&told);
        // Whoever only looks is told as well, after what can be trusted.
        let (status, told) = audit(folder.path(), &["--kind", "policiesLoaded"]);
        assert!(status == 1 && told.contains("2 loaded") && told.contains("error: "), "{status}: {told}");
    }

    /// CRC-32 as zlib has it, bit by bit.
    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
    }

    #[test]
    fn a_journal_in_use_is_followed() {
        follow("json", |lines, number| {
            assert!(lines.next().unwrap().contains(&format!("p1-{number}/1")));
        });
        follow("yaml", |lines, number| {
            // Each is whole when it comes, and is parted from the one before.
            let part = if number > 1 { lines.next() } else { None };
            let document: Vec<String> = lines.take(8).collect();
            let document: Json = serde_saphyr::from_str(&document.join("\n")).unwrap();
            assert_eq!(document["entry"]["stepDispatched"]["key"], format!("p1-{number}/1"));
            assert!(part.is_none_or(|part| part == "---"));
        });
    }

    /// Reads what is told of one record after the other, each before the next one is made.
    fn follow(output: &str, read: impl Fn(&mut dyn Iterator<Item = String>, u64)) {
        let folder = scratch();
        let (journal, _) = Journal::open(folder.path(), Options::default(), |_| {}).unwrap();
        let append = |number| journal.append(&[at(1, dispatched(number))]).unwrap().wait().unwrap();
        append(1);
        let mut child = Command::new(env!("CARGO_BIN_EXE_homeostat"))
            .args(["audit", "--follow", "-o", output])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        for number in 1..=3 {
            read(&mut lines, number);
            if number == 2 {
                journal.roll(vec![]).unwrap().wait().unwrap();
            }
            append(number + 1);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn what_is_no_journal_is_said() {
        let folder = scratch();
        let (status, told) = audit(folder.path(), &[]);
        assert!(status == 2 && told.contains("there is no journal in this folder"), "{status}: {told}");
        fs::write(
            folder.path().join("homeostat.yaml"),
            "apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec: {sources: [{alertmanager: {}}]}\n",
        )
        .unwrap();
        let (status, told) = printed(&homeostat(&["audit", "-c", folder.path().to_str().unwrap()]));
        assert!(status == 2 && told.contains("has no journal") && told.contains("spec.journal"), "{status}: {told}");
        let (status, told) = audit(folder.path(), &["--since", "yesterday"]);
        assert!(status == 2 && told.contains("2026-01-31T10:00:00Z"), "{status}: {told}");
    }
}
