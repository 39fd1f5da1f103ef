//! What homeostat asks others for, on real systems: a Prometheus node exporter, a Prometheus that scrapes it, the real program.

#[cfg(test)]
mod program;
#[cfg(test)]
mod testbed;

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        io::{Read, Write},
        net::{SocketAddr, TcpListener},
        time::{Duration, SystemTime, UNIX_EPOCH},
    };

    use homeostat_sources::{Entry, Exposition, ExpositionFormat};
    use serde_json::Value;

    use crate::{
        program::{Program, scratch},
        testbed::{Alertmanager, NodeExporter, Prometheus, WritingPrometheus, wait_for},
    };

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Serves one page to whoever asks, as long as the test runs.
    fn serve(content_type: &'static str, page: String) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                // The request ends somewhere in here; nobody sends one with a body.
                let _ = stream.read(&mut [0; 4096]);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n");
                let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len());
            }
        });
        address
    }

    fn get(url: &str) -> (String, String) {
        let mut answer = ureq::get(url).call().unwrap();
        let content_type = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        (content_type.unwrap_or_default(), answer.body_mut().read_to_string().unwrap())
    }

    /// Series by their labels, `__name__` among them, with time and value.
    type SeriesValues = BTreeMap<BTreeMap<String, String>, (Option<i64>, String)>;

    /// As we read a page; labels without a value are none.
    fn ours(page: &str, format: ExpositionFormat) -> SeriesValues {
        let mut exposition = Exposition::new(page.as_bytes(), format);
        let mut series = SeriesValues::new();
        while let Some(entry) = exposition.next_entry() {
            let Entry::Point(point) = entry.unwrap() else { continue };
            let labels = point.labels.iter().filter(|(_, value)| !value.is_empty());
            let mut labels: BTreeMap<String, String> =
                labels.map(|(name, value)| (name.to_string(), value.to_string())).collect();
            labels.insert("__name__".into(), point.name.to_string());
            let time = point.time.map(homeostat_model::Timestamp::as_millis);
            assert_eq!(series.insert(labels, (time, point.value.to_string())), None);
        }
        series
    }

    /// As a Prometheus has it of a target: the newest sample of each series of the last minutes.
    fn theirs(prometheus: &Prometheus, target: &SocketAddr) -> SeriesValues {
        let query = format!("%7Binstance%3D%22{target}%22%7D%5B4m%5D");
        let (_, body) = get(&format!("http://{}/api/v1/query?query={query}", prometheus.address()));
        let answer: Value = serde_json::from_str(&body).unwrap();
        let mut series = SeriesValues::new();
        for item in answer["data"]["result"].as_array().unwrap() {
            let mut labels: BTreeMap<String, String> = serde_json::from_value(item["metric"].clone()).unwrap();
            labels.retain(|name, _| name != "instance" && name != "job");
            let [time, value] = item["values"].as_array().unwrap().last().unwrap().as_array().unwrap().as_slice()
            else {
                panic!("not a pair: {item}");
            };
            let value: f64 = value.as_str().unwrap().parse().unwrap();
            let millis = (time.as_f64().unwrap() * 1000.0).round();
            series.insert(labels, (Some(format!("{millis}").parse().unwrap()), value.to_string()));
        }
        series.retain(|labels, _| {
            let name = &labels["__name__"];
            name != "up" && !name.starts_with("scrape_")
        });
        series
    }

    /// Odd, and good. Blanks in front of a name, which the format allows, are left out: Prometheus 2.42 takes a tab for a part of it.
    const ODD: &str = r##"# HELP odd_values Values of "every" kind \\ and\n more.
# TYPE odd_values gauge
odd_values{kind="NaN"} NaN
odd_values{kind="inf"} +Inf
odd_values {kind="-inf",} -Inf
odd_values{ kind = "hex-like" , other="" } 0.1e-5
odd_values{kind="max"}	1.797693134862315708145274237317043567981e+308
odd_values{kind="min"} 4.9406564584124654e-324
odd_values{kind="digits"} 0.30000000000000004
# a comment, and an empty line

odd_labels{text="a \"quote\", a \\ and a\nline"} 1
odd_labels{text="{}=,#"} 2
odd_labels{text="grün 😀 \d"} 3
# TYPE odd:name summary
odd:name{quantile="0.5"} 4
odd:name_sum 5
odd:name_count 6
odd_names{_a="1",A9="2"} 7
"##;

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn pages_are_read_as_a_real_prometheus_reads_them() {
        let exporter = NodeExporter::start("site_door_open{room=\"r \\\"1\\\"\"} 1\n");
        let folder = scratch();
        let program = Program::start(folder.path(), "sources:\n  - alertmanager: {}\n");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() - 30_000;
        let stamped = format!("# TYPE stamped gauge\nstamped {now}.5 {now}\n");
        let seconds = format!("{}.{:03}", now / 1000, now % 1000);
        let open = format!(
            "# TYPE jobs counter\n# UNIT jobs_seconds seconds\n# HELP jobs Jobs \\\"done\\\".\n\
             jobs_total{{a=\"b\"}} 17.0 {seconds} # {{trace_id=\"K \\\"O\"}} 0.67 1520879607.789\njobs_created{{a=\"b\"}} 1.6e9\n\
             # TYPE lat histogram\nlat_bucket{{le=\"0.1\"}} 8 # {{}} 0.5\nlat_bucket{{le=\"+Inf\"}} 9\nlat_count 9\nlat_sum 3.5\n# EOF\n"
        );
        let text = "text/plain; version=0.0.4";
        let (own_type, own) = get(&program.url("/metrics"));
        assert_eq!(ExpositionFormat::of_content_type(&own_type), ExpositionFormat::OpenMetrics, "{own_type}");
        let open_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let pages = [
            (text, get(&format!("http://{}/metrics", exporter.address())).1),
            (text, ODD.to_owned() + &stamped),
            (open_type, open),
            (open_type, own),
        ];
        let served: Vec<(SocketAddr, SeriesValues)> = pages
            .into_iter()
            .map(|(content_type, page)| {
                let expected = ours(&page, ExpositionFormat::of_content_type(content_type));
                (serve(content_type, page), expected)
            })
            .collect();
        assert!(served[0].1.len() > 300, "the node exporter has {} series only", served[0].1.len());
        let alertmanager = Alertmanager::start(&program.url("/webhook/alertmanager"));
        let targets: Vec<String> = served.iter().map(|(address, _)| address.to_string()).collect();
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        let prometheus = Prometheus::start("groups: []\n", &targets, &alertmanager);
        for (address, expected) in &served {
            let found = wait_for("series at the Prometheus", PATIENCE, || {
                Some(theirs(&prometheus, address)).filter(|series| !series.is_empty())
            });
            let mut stamps = 0;
            for (labels, (time, value)) in expected {
                let (found_time, found_value) = found.get(labels).unwrap_or_else(|| panic!("it has no {labels:?}"));
                assert_eq!(found_value, value, "{labels:?}");
                if time.is_some() {
                    assert_eq!(found_time, time, "{labels:?}");
                    stamps += 1;
                }
            }
            assert_eq!(found.len(), expected.len(), "it has series that we do not have");
            println!("{address}: {} series are the same, {stamps} of them with a time", found.len());
        }
    }

    const DOOR_OPEN: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: door-open}\nspec:\n  \
                             select: {kind: host}\n  when: last(\"door.open\") > 0.5 && last(\"memory.total\") > 1Mi\n  \
                             mode: observe\n  then: [{notify: {message: \"${resource} stands open\"}}]\n";

    const DOWN: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: exporter-down}\nspec:\n  \
                        select: {kind: host}\n  when: last(\"up\") == 0\n  mode: observe\n  \
                        then: [{notify: {message: \"${resource} is silent\"}}]\n";

    const DOWN_EVENT: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: exporter-lost}\nspec:\n  \
                              select: {kind: host}\n  on: source.down\n  when: event.source == \"nodes\"\n  mode: observe\n  \
                              then: [{notify: {message: \"${resource} was lost\"}}]\n";

    const MAPPING: &str = "{presets: [node-exporter], series: [{match: site_door_open, metric: door.open}]}";

    /// What became of findings of a policy, in order: opened or closed, and of which resource.
    fn story(program: &Program, policy: &str) -> Vec<(&'static str, String)> {
        let mut story = Vec::new();
        for decision in program.decisions() {
            for (sort, word) in [("findingOpened", "opened"), ("findingClosed", "closed")] {
                let finding = &decision["entry"][sort]["finding"];
                if finding["policy"] == policy {
                    story.push((word, finding["resource"].as_str().unwrap().to_owned()));
                }
            }
        }
        story
    }

    fn wait_for_story(program: &Program, policy: &str, words: &[&str]) {
        program.wait_for(&format!("{policy}: {words:?}"), || {
            story(program, policy).iter().map(|(word, _)| *word).eq(words.iter().copied()).then_some(())
        });
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_scrape_a_query_and_remote_write_of_the_same_lead_to_the_same_findings() {
        let exporter = NodeExporter::start("site_door_open 0\n");
        let (scraping, asking, receiving) = (scratch(), scratch(), scratch());
        let start = |folder: &tempfile::TempDir, sources: String, policies: &[(&str, &str)]| {
            std::fs::create_dir_all(folder.path().join("policies")).unwrap();
            for (name, text) in policies {
                std::fs::write(folder.path().join("policies").join(name), text).unwrap();
            }
            Program::start(folder.path(), &sources)
        };
        let policies = [("open.yaml", DOOR_OPEN), ("down.yaml", DOWN), ("lost.yaml", DOWN_EVENT)];
        let source = format!(
            "sources:\n  - scrape: {{name: nodes, targets: ['{}'], interval: 1s, mapping: {MAPPING}}}\n",
            exporter.address()
        );
        let scraper = start(&scraping, source, &policies);
        let alertmanager = Alertmanager::start(&scraper.url("/webhook/alertmanager"));
        let prometheus = Prometheus::start("groups: []\n", &[&exporter.address()], &alertmanager);
        let query = "'{__name__=~\"site_door_open|node_memory_MemTotal_bytes\"}'";
        let source = format!(
            "sources:\n  - promql: {{url: '{}', step: 1s, queries: [{{query: {query}}}, {{query: 'up', metric: up}}], mapping: {MAPPING}}}\n",
            prometheus.address()
        );
        let asker = start(&asking, source, &policies[..2]);
        let source = format!("sources:\n  - remoteWrite: {{mapping: {MAPPING}}}\n");
        let receiver = start(&receiving, source, &policies[..2]);
        let _writing = WritingPrometheus::start_scraping(&receiver.url("/api/v1/write"), &[&exporter.address()]);

        for (value, words) in
            [("1", &["opened"][..]), ("0", &["opened", "closed"]), ("1", &["opened", "closed", "opened"])]
        {
            exporter.write(&format!("site_door_open {value}\n"));
            for program in [&scraper, &asker, &receiver] {
                wait_for_story(program, "door-open", words);
            }
        }
        drop(exporter);
        for program in [&scraper, &asker, &receiver] {
            wait_for_story(program, "exporter-down", &["opened"]);
        }
        scraper.wait_for("event of the exporter's end", || {
            let entries = scraper.decisions();
            entries.iter().any(|decision| decision.to_string().contains("exporter-lost")).then_some(())
        });
        for policy in ["door-open", "exporter-down"] {
            let told = story(&scraper, policy);
            assert_eq!(told, story(&asker, policy), "by a query");
            assert_eq!(told, story(&receiver, policy), "by remote-write");
            assert!(told.iter().all(|(_, resource)| resource == "host/127.0.0.1"), "{told:?}");
        }
        assert!(scraper.metric("homeostat_source_requests_total{source=\"nodes\",status=\"ok\"}") > 3.0);
        scraper.stop();
        asker.stop();
        receiver.stop();
    }
}
