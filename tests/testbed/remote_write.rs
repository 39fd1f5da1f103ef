//! A Prometheus that writes what it scrapes to somebody, and that can be killed and started again with what it has kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use super::{
    alerts::{START, free_port, get},
    folder, variable, wait_for,
};

/// The samples of one series, as times in milliseconds and the texts of their values.
pub(crate) type Samples = BTreeSet<(i64, String)>;

/// It ends with this value, by its own process number, and its folder with it.
#[derive(Debug)]
pub(crate) struct WritingPrometheus {
    child: Option<Child>,
    folder: PathBuf,
    port: u16,
}

impl WritingPrometheus {
    /// Starts one that scrapes itself every second as the job `self`, and writes all of it to `url` at once.
    pub(crate) fn start(url: &str) -> Self {
        Self::start_scraping(url, &[])
    }

    /// The same of one that scrapes `targets` (`host:port`), too, as the job `nodes`.
    pub(crate) fn start_scraping(url: &str, targets: &[&str]) -> Self {
        let (folder, port) = (folder("writing-prometheus"), free_port());
        let nodes: Vec<String> = targets.iter().map(|address| format!("'{address}'")).collect();
        let settings = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: self\n    static_configs: [{{targets: \
             ['127.0.0.1:{port}']}}]\n  - job_name: nodes\n    static_configs: [{{targets: [{nodes}]}}]\nremote_write:\n  - url: '{url}'\n    queue_config: {{batch_send_deadline: 100ms, \
             min_backoff: 50ms, max_backoff: 500ms}}\n",
            nodes = nodes.join(", ")
        );
        fs::write(folder.join("settings.yml"), settings).unwrap();
        let mut started = Self { child: None, folder, port };
        started.start_again();
        started
    }

    /// Starts it again where it was, after it was killed.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let log = File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let program = variable("HOMEOSTAT_TEST_PROMETHEUS_BIN");
        let child = Command::new(&program)
            .arg(format!("--config.file={}", self.folder.join("settings.yml").display()))
            .arg(format!("--storage.tsdb.path={}", self.folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .arg("--log.level=info")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let child = self.child.insert(child);
        wait_for("answer from Prometheus", START, || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{program} ended with {status}: {}", fs::read_to_string(self.folder.join("log")).unwrap());
            }
            get(self.port, "/-/ready").filter(|answer| answer.starts_with("HTTP/1.0 200"))
        });
    }

    /// Kills it, so that it has no time to do anything about it.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it does not run");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What it has kept itself of the series with these names, by their labels.
    pub(crate) fn samples(&self, names: &str) -> BTreeMap<BTreeMap<String, String>, Samples> {
        let query = format!("/api/v1/query?query=%7B__name__%3D~%22{names}%22%7D%5B1h%5D");
        let answer = get(self.port, &query).expect("no answer from Prometheus");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let samples = |series: &Value| {
            let values = series["values"].as_array().unwrap().iter();
            // Seconds with three places; a whole number is written without any.
            let millis = |value: &Value| (value[0].as_f64().unwrap() * 1000.0).round().to_string().parse().unwrap();
            values.map(|value| (millis(value), number(&value[1]))).collect()
        };
        let labels = |series: &Value| serde_json::from_value(series["metric"].clone()).unwrap();
        let result = body["data"]["result"].as_array().unwrap_or_else(|| panic!("{body}"));
        result.iter().map(|series| (labels(series), samples(series))).collect()
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }
}

/// A number in the one form that Rust writes it in; Prometheus and JSON have others for the same.
pub(crate) fn number(value: &Value) -> String {
    let number: f64 = value.as_str().map_or_else(|| value.as_f64().unwrap(), |text| text.parse().unwrap());
    number.to_string()
}

impl Drop for WritingPrometheus {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
