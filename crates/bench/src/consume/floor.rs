//! The floor under every consumer of a stream: XREADGROUP, XACK, and nothing else.

use super::{BATCH, BLOCK_MS, CONSUMER, GROUP, connect, say};
use crate::{BenchError, wire::STREAM};
use redis::{Value, streams::StreamReadReply};

pub fn run(url: &str) -> Result<(), BenchError> {
    let mut connection = connect(url)?;
    say("ready")?;
    let mut done = 0;
    loop {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(CONSUMER).arg("COUNT").arg(BATCH);
        read.arg("BLOCK").arg(BLOCK_MS).arg("STREAMS").arg(STREAM).arg(">");
        let reply: Option<StreamReadReply> = read.query(&mut connection)?;
        let Some(stream) = reply.and_then(|reply| reply.keys.into_iter().next()) else { continue };
        let mut acknowledge = redis::cmd("XACK");
        acknowledge.arg(STREAM).arg(GROUP);
        for entry in &stream.ids {
            acknowledge.arg(&entry.id);
        }
        acknowledge.query::<Value>(&mut connection)?;
        done += stream.ids.len();
        say(&format!("done {done}"))?;
    }
}
