//! Logs, to standard error. Standard output belongs to results.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// Starts logging; a filter that cannot be read counts as `warn`, and says so.
pub(crate) fn start(filter: &str, format: LogFormat) {
    let parsed = EnvFilter::try_new(filter);
    let broken = parsed.as_ref().err().map(ToString::to_string);
    let filter = parsed.unwrap_or_else(|_| EnvFilter::new("warn"));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    if let Some(broken) = broken {
        tracing::warn!(%broken, "the log filter cannot be read; logging warnings");
    }
}
