//! A Prometheus node exporter of the test's own: this machine's metrics, and one that the test writes.

use std::fs;

use super::{alerts::Daemon, folder, variable};

/// A node exporter. It ends with this value.
#[derive(Debug)]
pub(crate) struct NodeExporter(Daemon);

impl NodeExporter {
    /// Starts one that serves the metrics in `page` besides this machine's own.
    pub(crate) fn start(page: &str) -> Self {
        let folder = folder("exporter");
        fs::create_dir(folder.join("textfiles")).unwrap();
        fs::write(folder.join("textfiles/test.prom"), page).unwrap();
        Self(Daemon::start_ready(&variable("HOMEOSTAT_TEST_NODE_EXPORTER_BIN"), folder, "/", |folder, port| {
            vec![
                format!("--web.listen-address=127.0.0.1:{port}"),
                format!("--collector.textfile.directory={}", folder.join("textfiles").display()),
            ]
        }))
    }

    /// Serves other metrics of the test's own from now on.
    pub(crate) fn write(&self, page: &str) {
        // In one step, as the exporter's documentation asks for it.
        let (whole, part) = (self.0.folder.join("textfiles/test.prom"), self.0.folder.join("part"));
        fs::write(&part, page).unwrap();
        fs::rename(part, whole).unwrap();
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }
}
