//! Structured logs on standard error: lines for people on a terminal, JSON for machines.

use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging. `TALLYD_LOG` sets what is logged, such as `debug` or `tallyd_store=debug`.
pub fn start() {
    let filter = EnvFilter::try_from_env("TALLYD_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if std::io::stderr().is_terminal() {
        logs.init();
    } else {
        logs.json().flatten_event(true).init();
    }
}
