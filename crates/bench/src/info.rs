//! What a redis-server says of its own costs: `INFO`, before and after.

use crate::{BenchError, cpu::Waiting};
use std::collections::BTreeMap;

/// The commands that move events and guard commits. All others are for state.
const STREAM_COMMANDS: &[&str] = &[
    "discard",
    "exec",
    "info",
    "mget",
    "multi",
    "ping",
    "time",
    "unwatch",
    "watch",
    "xack",
    "xadd",
    "xautoclaim",
    "xgroup",
    "xinfo",
    "xlen",
    "xpending",
    "xrange",
    "xread",
    "xreadgroup",
    "xtrim",
];

/// How often a command ran, and how long in all, in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CommandCost {
    /// Calls.
    pub calls: f64,
    /// Microseconds, by the clock, inside the command.
    pub micros: f64,
}

/// The counters of a server at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    waiting: Waiting,
    fields: BTreeMap<String, f64>,
    commands: BTreeMap<String, CommandCost>,
}

/// What a run cost the server.
#[derive(Clone, Debug, Default)]
pub struct Costs {
    /// Processor time of the main thread, in µs.
    pub main_thread: f64,
    /// Processor time of the whole process.
    pub process: f64,
    /// Of the main thread's, that of commands which read and write state. Redis clocks commands
    /// by the wall, so the share of the time for which the thread was put off a processor is taken
    /// off.
    pub state: f64,
    /// For how long the main thread was put off a processor while it had work.
    pub waited: f64,
    /// Commands.
    pub commands: f64,
    /// Reads from sockets: at least one for each round trip.
    pub reads: f64,
    /// By command.
    pub by_command: BTreeMap<String, CommandCost>,
}

impl Snapshot {
    /// Reads the text of `INFO everything`. `waiting`: that of the main thread so far.
    #[must_use]
    pub fn parse(text: &str, waiting: Waiting) -> Self {
        let mut snapshot = Self { waiting, ..Self::default() };
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            if let Some(command) = name.strip_prefix("cmdstat_") {
                let part = |key: &str| {
                    let parts = value.split(',').filter_map(|part| part.split_once('='));
                    parts.filter(|(k, _)| *k == key).find_map(|(_, v)| v.parse().ok())
                };
                let cost = CommandCost {
                    calls: part("calls").unwrap_or(0.0),
                    micros: part("usec").unwrap_or(0.0),
                };
                snapshot.commands.insert(command.to_owned(), cost);
            } else if name == "latency_percentiles_usec_exec" {
                let p99 = value.split(',').find_map(|part| part.strip_prefix("p99="));
                if let Some(micros) = p99.and_then(|p99| p99.trim().parse().ok()) {
                    snapshot.fields.insert("exec_p99_usec".to_owned(), micros);
                }
            } else if let Ok(number) = value.trim().parse() {
                snapshot.fields.insert(name.to_owned(), number);
            }
        }
        snapshot
    }

    /// A figure of the server; `exec_p99_usec` is how long all but a hundredth of its EXECs took
    /// at most, since it started.
    ///
    /// # Errors
    /// Where the server does not say it.
    pub fn field(&self, name: &str) -> Result<f64, BenchError> {
        self.fields.get(name).copied().ok_or_else(|| BenchError::NoFigure(name.to_owned()))
    }

    /// What happened since an earlier moment.
    ///
    /// # Errors
    /// Where the server does not say what its processor time is.
    pub fn since(&self, before: &Self) -> Result<Costs, BenchError> {
        let grown = |name: &str| Ok::<f64, BenchError>(self.field(name)? - before.field(name)?);
        let seconds = |part: &str| {
            let of_thread = grown(&format!("used_cpu_user{part}"))?;
            Ok::<f64, BenchError>((of_thread + grown(&format!("used_cpu_sys{part}"))?) * 1e6)
        };
        let process = seconds("")?;
        let mut costs = Costs {
            // Before Redis 7 only the process's time is known.
            main_thread: seconds("_main_thread").unwrap_or(process),
            process,
            waited: self.waiting.put_off_since(&before.waiting),
            commands: grown("total_commands_processed")?,
            reads: grown("total_reads_processed")?,
            ..Costs::default()
        };
        for (name, now) in &self.commands {
            let then = before.commands.get(name).copied().unwrap_or_default();
            let cost =
                CommandCost { calls: now.calls - then.calls, micros: now.micros - then.micros };
            let stream = STREAM_COMMANDS.contains(&name.split('|').next().unwrap_or(name));
            if !stream {
                costs.state += cost.micros;
            }
            if cost.calls > 0.0 {
                costs.by_command.insert(name.clone(), cost);
            }
        }
        costs.state *= costs.main_thread / (costs.main_thread + costs.waited).max(1.0);
        Ok(costs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_differences() {
        let text = |cpu: f64, adds: u32, sets: u32| {
            let text = format!(
                "# CPU\r\nused_cpu_sys:{cpu}\r\nused_cpu_user:1.0\r\nused_cpu_sys_main_thread:{cpu}\r\nused_cpu_user_main_thread:0.5\r\ntotal_commands_processed:{adds}\r\ntotal_reads_processed:3\r\ncmdstat_xadd:calls={adds},usec=20,usec_per_call=2.0\r\ncmdstat_hset:calls=1,usec={sets},usec_per_call=1.0\r\n"
            );
            // It waited for half a second in all, a quarter of its wall time.
            let ready = (cpu - 1.0) * 1e6 / 3.0;
            Snapshot::parse(&text, Waiting { ready, voluntary: 0.0, involuntary: cpu })
        };
        let costs = text(2.5, 110, 700).since(&text(1.0, 10, 200)).unwrap();
        assert_eq!((costs.main_thread, costs.process), (1_500_000.0, 1_500_000.0));
        assert_eq!((costs.state, costs.commands, costs.reads), (375.0, 100.0, 0.0));
        assert_eq!(costs.waited, 500_000.0);
        assert_eq!(costs.by_command["xadd"], CommandCost { calls: 100.0, micros: 0.0 });
        assert!(Snapshot::default().since(&Snapshot::default()).is_err());
    }
}
