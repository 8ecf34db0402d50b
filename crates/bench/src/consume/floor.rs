//! The floor under every consumer of a stream: XREADGROUP, XACK, and nothing else.

use super::{GROUP, connect, read, say};
use crate::{BenchError, wire::STREAM};
use redis::Value;

pub fn run(url: &str) -> Result<(), BenchError> {
    let mut connection = connect(url)?;
    say("ready")?;
    let mut done = 0;
    loop {
        let entries = read(&mut connection)?;
        if entries.is_empty() {
            continue;
        }
        let mut acknowledge = redis::cmd("XACK");
        acknowledge.arg(STREAM).arg(GROUP);
        for entry in &entries {
            acknowledge.arg(&entry.id);
        }
        acknowledge.query::<Value>(&mut connection)?;
        done += entries.len();
        say(&format!("done {done}"))?;
    }
}
