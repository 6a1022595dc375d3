//! Structured logs: text for people, JSON for collectors; never a mail's content, an address or a secret.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One readable line each.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error at `level` (or what `HAGAKI_LOG` says). A second call changes nothing.
pub fn start(format: Format, level: &str) {
    let filter = || {
        EnvFilter::try_from_env("HAGAKI_LOG")
            // At each start PostgreSQL remarks that the tables are there already.
            .or_else(|_| EnvFilter::try_new(format!("{level},sqlx::postgres::notice=warn")))
            .unwrap_or_else(|_| EnvFilter::new("info"))
    };
    let colors = std::io::stderr().is_terminal();
    let lines = fmt().with_writer(std::io::stderr).with_ansi(colors).with_env_filter(filter()).with_target(true);
    // An error means that somebody (a test) has started logging already.
    let _ = match format {
        Format::Text => lines.compact().try_init(),
        Format::Json => lines.json().try_init(),
    };
}
