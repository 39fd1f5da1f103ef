//! Remote-write from those who write it: a real Prometheus, and a program made of Prometheus' own packages.

#[cfg(test)]
mod program;
#[cfg(test)]
mod testbed;

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs,
        path::{Path, PathBuf},
        process::Command,
        time::{Duration, Instant},
    };

    use serde_json::Value;

    use crate::{
        program::{PATIENCE, Program, scratch},
        testbed::{Samples, WritingPrometheus, free_port, number, variable},
    };

    /// Series of a Prometheus itself of each sort that matters: one of a kind, some told apart by a label, counters and gauges.
    const NAMES: &str = "up|process_cpu_seconds_total|prometheus_tsdb_head_samples_appended_total|prometheus_engine_query_duration_seconds";

    const SPEC: &str = r#"
sources:
  - remoteWrite:
      name: prometheus
      mapping:
        resource: ["host/${labels.instance|host}"]
        series:
          - {match: "up|process_cpu_seconds_total"}
          - {match: prometheus_tsdb_head_samples_appended_total, when: {type: float|}, metric: appended}
          - {match: prometheus_engine_query_duration_seconds, metric: "query.${labels.slice}.${labels.quantile}"}
"#;

    /// Which metric a series is mapped to; the same that the mapping says, said once more.
    fn metric(labels: &BTreeMap<String, String>) -> String {
        match labels["__name__"].as_str() {
            "prometheus_tsdb_head_samples_appended_total" => "appended".into(),
            "prometheus_engine_query_duration_seconds" => format!("query.{}.{}", labels["slice"], labels["quantile"]),
            name => name.into(),
        }
    }

    /// What Prometheus has of the series that the mapping wants, by metric.
    fn wanted(prometheus: &WritingPrometheus) -> BTreeMap<String, Samples> {
        let series = prometheus.samples(NAMES).into_iter();
        // Of histograms it counts nothing here, and the mapping leaves that out.
        let series = series.filter(|(labels, _)| labels.get("type").is_none_or(|kind| kind == "float"));
        series.map(|(labels, samples)| (metric(&labels), samples)).collect()
    }

    /// Every sample that the engine was given, by metric, and how many of them.
    fn recorded(files: &[PathBuf]) -> (BTreeMap<String, Samples>, usize) {
        let (mut all, mut count) = (BTreeMap::<String, Samples>::new(), 0);
        for line in files
            .iter()
            .flat_map(|file| fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        {
            // The last line of one that was killed may be torn.
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            let sample = &line["input"]["observed"]["sample"];
            if let (Some(metric), Some(time)) = (sample["metric"].as_str(), sample["time"].as_i64()) {
                all.entry(metric.to_owned()).or_default().insert((time, number(&sample["value"])));
                count += 1;
            }
        }
        (all, count)
    }

    /// Waits until everything that Prometheus has by now was recorded, but for samples of `lost`; none was recorded that it has not.
    fn all_arrive(prometheus: &WritingPrometheus, files: &[PathBuf], lost: &dyn Fn(i64) -> bool) {
        let theirs = wanted(prometheus);
        let finite = |samples: Samples| samples.into_iter().filter(|(_, value)| value != "NaN").collect::<Samples>();
        let expected: BTreeMap<String, Samples> = theirs
            .into_iter()
            .map(|(metric, samples)| (metric, finite(samples)))
            .filter(|(_, samples)| !samples.is_empty())
            .collect();
        assert!(expected.values().map(BTreeSet::len).sum::<usize>() > 20, "{expected:?}");
        let missing = |have: &BTreeMap<String, Samples>| {
            let missing = expected.iter().flat_map(|(metric, samples)| {
                let have = have.get(metric).cloned().unwrap_or_default();
                samples.difference(&have).cloned().map(|sample| (metric.clone(), sample)).collect::<Vec<_>>()
            });
            missing.filter(|(_, (time, _))| !lost(*time)).collect::<Vec<_>>()
        };
        let deadline = Instant::now() + PATIENCE;
        let mut left = missing(&recorded(files).0);
        while !left.is_empty() {
            assert!(Instant::now() < deadline, "{} samples have not come, such as {:?}", left.len(), left.first());
            std::thread::sleep(Duration::from_millis(100));
            left = missing(&recorded(files).0);
        }
        // Looked at later than what was recorded: it has at least that.
        let (have, count) = recorded(files);
        let theirs = wanted(prometheus);
        for (metric, samples) in &have {
            let more: Vec<_> = samples.difference(&theirs[metric]).collect();
            assert!(more.is_empty(), "{metric}: {more:?}");
        }
        println!("{count} samples recorded, {} different", have.values().map(BTreeSet::len).sum::<usize>());
    }

    fn now() -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_millis()).unwrap()
    }

    fn written(program: &Program) -> f64 {
        program.metric(r#"homeostat_source_taken_total{source="prometheus"}"#)
    }

    fn wait_for_samples(program: &Program, prometheus: &WritingPrometheus, more: f64) {
        let before = written(program);
        program.wait_for("samples", || (written(program) >= before + more).then_some(()));
        assert!(!prometheus.log().contains("non-recoverable"), "{}", prometheus.log());
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn nothing_is_lost_when_homeostat_is_killed() {
        let (folder, port) = (scratch(), free_port());
        let url = format!("http://127.0.0.1:{port}/api/v1/write");
        let files: Vec<PathBuf> =
            (0..3).map(|number| folder.path().join(format!("recording-{number}.jsonl"))).collect();
        let start = |file: &Path| Program::start_on(port, folder.path(), "policies", SPEC, Some(file));
        let mut program = start(&files[0]);
        let prometheus = WritingPrometheus::start(&url);
        wait_for_samples(&program, &prometheus, 20.0);
        for file in &files[1..] {
            program.kill();
            // It goes on scraping meanwhile, and cannot write.
            std::thread::sleep(Duration::from_secs(4));
            program = start(file);
            wait_for_samples(&program, &prometheus, 20.0);
        }
        all_arrive(&prometheus, &files, &|_| false);
        program.stop_unheard();
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn nothing_is_lost_when_prometheus_is_killed_but_what_it_loses_itself() {
        let (folder, port) = (scratch(), free_port());
        let file = folder.path().join("recording.jsonl");
        let program = Program::start_on(port, folder.path(), "policies", SPEC, Some(&file));
        let mut prometheus = WritingPrometheus::start(&program.url("/api/v1/write"));
        wait_for_samples(&program, &prometheus, 20.0);
        let killed = now();
        prometheus.kill();
        prometheus.start_again();
        let again = now();
        wait_for_samples(&program, &prometheus, 40.0);
        // It writes what it scrapes from its start on; of what it had not written before, it keeps no account.
        let lost = |time: i64| (killed - 2_000..=again).contains(&time);
        all_arrive(&prometheus, std::slice::from_ref(&file), &lost);
        program.stop_unheard();
    }

    const LOAD: &str = r#"
sources:
  - remoteWrite:
      name: load
      mapping: {series: [{match: "load_metric_(.)", metric: "load.${1}"}]}
metrics: [{name: load.0}, {name: load.1}]
"#;

    /// One that watches a tenth of the samples and, with its value far away, never finds anything.
    const POLICY: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: watch}\nspec:\n  \
        select: {kind: host}\n  when: avg(\"load.0\", 30s) > 10000000\n  then: [{notify: {message: never}}]\n";

    /// Sends at 100,000 samples a second: for `HOMEOSTAT_TEST_LOAD_SECONDS` (60 by hand), 5 unless told, at a tenth in a debug build.
    fn load(version: &str) {
        let seconds: f64 = std::env::var("HOMEOSTAT_TEST_LOAD_SECONDS").map_or(5.0, |text| text.parse().unwrap());
        let rate = if cfg!(debug_assertions) { 10_000.0 } else { 100_000.0 };
        let folder = scratch();
        fs::create_dir_all(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/watch.yaml"), POLICY).unwrap();
        let program = Program::start_on(free_port(), folder.path(), "policies", LOAD, None);
        let output = Command::new(variable("HOMEOSTAT_TEST_REMOTE_WRITE_BIN"))
            .args(["-url", &program.url(""), "-version", version, "-seconds", &seconds.to_string()])
            .args(["-rate", &rate.to_string(), "-series", &rate.to_string()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), program.log());
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sent = told["sent"].as_f64().unwrap();
        assert!(sent >= rate * seconds * 0.99, "{told}");
        // What was accepted may still be on its way into the engine.
        program.wait_for("last of the samples", || (program.metric("homeostat_samples_total") >= sent).then_some(()));
        let count = |name: &str| program.metric(&format!(r#"homeostat_source_{name}_total{{source="load"}}"#));
        let deferred = program.metric(r#"homeostat_source_refused_total{source="load",reason="busy"}"#);
        println!(
            "version {version}: {told}; homeostat used {:.1} s of processor time; deferred {}",
            program.cpu_seconds(),
            deferred
        );
        assert_eq!(program.metric("homeostat_samples_total"), sent, "{told}");
        assert_eq!(program.metric("homeostat_samples_refused_total"), 0.0);
        assert_eq!(count("taken") + count("repeated"), sent);
        // Only what was turned away came again.
        assert!(count("repeated") <= deferred, "{}", program.get("/metrics").unwrap().1);
        if version == "2" {
            assert_eq!(told["written"], told["sent"]);
        }
        program.stop_unheard();
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_load_of_version_1_arrives_whole() {
        load("1");
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_load_of_version_2_arrives_whole() {
        load("2");
    }
}
