//! The usual consumer: XREADGROUP, and for each entry a MULTI/EXEC of its commands and its XACK.
//!
//! All transactions of a batch go in one pipeline. A consumer that waits for the reply to each is
//! more usual, and slower. At least once: an entry that is delivered again after a crash is known
//! by its own id, which is what its answer's id was marked with.

use super::{BATCH, BLOCK_MS, CONSUMER, GROUP, connect, say};
use crate::{
    BenchError,
    application::{Known, ask},
    wire::{Fields, STREAM},
};
use redis::{
    Pipeline, Value,
    streams::{StreamId, StreamReadReply},
};

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
        let answers: Vec<Fields> = stream.ids.iter().map(answer).collect();
        let owner = |place: usize| stream.ids.get(place).map(|entry| entry.id.clone());
        let replies: Vec<Value> = ask(&answers, owner).query(&mut connection)?;
        let mut known = Known::read(&answers, &replies, owner);
        let mut writes = Pipeline::with_capacity(BATCH * 44);
        for ((place, answer), entry) in answers.iter().enumerate().zip(&stream.ids) {
            writes.cmd("MULTI");
            known.write(place, answer, &mut writes);
            writes.cmd("XACK").arg(STREAM).arg(GROUP).arg(&entry.id);
            writes.cmd("EXEC");
        }
        writes.query::<Vec<Value>>(&mut connection)?;
        done += answers.len();
        say(&format!("done {done}"))?;
    }
}

/// The answer of an entry. What does not fit becomes empty: an application would log it.
fn answer(entry: &StreamId) -> Fields {
    let text = |name: &str| entry.get::<String>(name).unwrap_or_default();
    let number = |name: &str| entry.get::<i64>(name).unwrap_or_default();
    Fields {
        id: text("id"),
        user: text("user"),
        class: text("class"),
        question: text("question"),
        concept: text("concept"),
        correct: number("correct") == 1,
        ms: number("ms"),
        points: number("points"),
        at: number("at"),
    }
}
