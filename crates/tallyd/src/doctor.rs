//! `tallyd doctor`: whether a Redis can be trusted.

use crate::{
    connect,
    load::{self, Named},
};
use anyhow::Context;
use serde_json::json;
use std::{path::PathBuf, process::ExitCode};
use tallyd_store::{
    doctor::{self, Finding, Level, Report, Subject},
    keys::Keys,
};

/// The arguments of `tallyd doctor`.
#[derive(clap::Args)]
pub struct Args {
    /// The topology file, if it is not named by --topology; where there is none, only the server
    /// is looked at
    file: Option<PathBuf>,
    #[command(flatten)]
    topology: Named,
    /// The Redis to use instead of the file's; without a file, `TALLYD_REDIS` or the local one
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The server that is meant where nothing says which.
const LOCAL: &str = "redis://127.0.0.1:6379";

/// Looks at a server and says what is wrong, why it matters, and what fixes it. Fails where
/// something breaks the promise.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = args.topology.look(args.file.as_deref())?;
    let topology = file.as_deref().map(load::topology).transpose()?;
    let keys = topology.as_ref().map(|topology| Keys::new(&topology.name, 0));
    let file = file.map(|file| file.display().to_string());
    let address = match (&topology, &args.redis) {
        (Some(topology), url) => connect::address(topology, url.clone()),
        (None, Some(url)) => url.as_str().into(),
        (None, None) => {
            // As in a topology file, an empty one is none.
            let url = std::env::var("TALLYD_REDIS").ok().filter(|url| !url.is_empty());
            url.as_deref().unwrap_or(LOCAL).into()
        }
    };
    let subject = match (&topology, &keys, &file) {
        (Some(topology), Some(keys), Some(file)) => {
            Some(Subject { topology, keys, file, elsewhere: args.redis.is_some() })
        }
        _ => None,
    };
    let shown = doctor::address::Address::of(&address.url).shown;
    let report = doctor::examine(&address, subject)
        .await
        .with_context(|| format!("can't look at Redis at {shown}"))?;
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&as_json(&report))?)?;
    } else {
        outln!("{}", as_text(&report, file.as_deref()).trim_end())?;
    }
    let broken = count(&report, Level::BrokenPromise) > 0;
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn count(report: &Report, level: Level) -> usize {
    report.findings.iter().filter(|finding| finding.level == level).count()
}

fn as_json(report: &Report) -> serde_json::Value {
    json!({
        "redis": report.server,
        "version": report.version,
        "broken_promises": count(report, Level::BrokenPromise),
        "warnings": count(report, Level::Warning),
        "fine": count(report, Level::Fine),
        "findings": report.findings,
    })
}

/// The worst first; of what is fine, one line each.
fn as_text(report: &Report, file: Option<&str>) -> String {
    let mut text = format!("{} at {}", report.version, report.server);
    if let Some(file) = file {
        text += &format!(", {file}");
    }
    text.push('\n');
    let levels = [
        (Level::BrokenPromise, "BROKEN PROMISES", "broken promises"),
        (Level::Warning, "WARNINGS", "warnings"),
        (Level::Fine, "FINE", "fine"),
    ];
    for (level, title, _) in levels {
        let mut findings = report.findings.iter().filter(|f| f.level == level).peekable();
        if findings.peek().is_some() {
            text += &format!("\n{title}\n");
        }
        for finding in findings {
            add(&mut text, finding);
        }
    }
    let sums = levels.map(|(level, _, name)| format!("{name}: {}", count(report, level)));
    text + &format!("\n{}\n", sums.join(", "))
}

fn add(text: &mut String, finding: &Finding) {
    let area = format!("[{}]", finding.area);
    let what = harmless(&finding.what);
    if finding.level == Level::Fine {
        text.push_str(&format!("  {area:<14} {what}\n"));
        return;
    }
    text.push_str(&format!("\n  {area} {what}\n    why   {}\n", harmless(&finding.why)));
    for (place, line) in finding.fix.iter().enumerate() {
        let label = if place == 0 { "fix" } else { "" };
        text.push_str(&format!("    {label:<5} {}\n", harmless(line)));
    }
}

/// Names of keys and consumers are whatever somebody wrote: the terminal is safe from them.
fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_with_what_fixes_it() {
        let finding = |level, what: &str, why: &str, fix: &[&str]| Finding {
            area: "memory",
            check: "eviction",
            level,
            what: what.into(),
            why: why.into(),
            fix: fix.iter().map(|&line| line.into()).collect(),
        };
        let report = Report {
            server: "redis://db:6379".into(),
            version: "Redis 7.0.15".into(),
            findings: vec![
                finding(Level::BrokenPromise, "it evicts", "counts go", &["redis-cli A", "# b"]),
                finding(Level::Warning, "a key \x1b[2J", "odd", &[]),
                finding(Level::Fine, "all is well", "", &[]),
            ],
        };
        insta::assert_snapshot!(as_text(&report, Some("t.toml")), @r"
        Redis 7.0.15 at redis://db:6379, t.toml

        BROKEN PROMISES

          [memory] it evicts
            why   counts go
            fix   redis-cli A
                  # b

        WARNINGS

          [memory] a key \u{1b}[2J
            why   odd

        FINE
          [memory]       all is well

        broken promises: 1, warnings: 1, fine: 1
        ");
    }
}
