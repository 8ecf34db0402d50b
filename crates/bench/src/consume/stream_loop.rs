//! The usual consumer: XREADGROUP, and for each entry a MULTI/EXEC of its commands and its XACK.
//!
//! All transactions of a batch go in one pipeline. A consumer that waits for the reply to each is
//! more usual, and slower. At least once: an entry that is delivered again after a crash is known
//! by its own id, which is what its answer's id was marked with.

use super::{BATCH, GROUP, connect, read, say};
use crate::{
    BenchError,
    application::{Known, ask},
    wire::{Fields, STREAM},
};
use redis::{Pipeline, Value, streams::StreamId};

pub fn run(url: &str) -> Result<(), BenchError> {
    let mut connection = connect(url)?;
    say("ready")?;
    let mut done = 0;
    loop {
        let entries = read(&mut connection)?;
        if entries.is_empty() {
            continue;
        }
        let answers: Vec<Fields> = entries.iter().map(answer).collect();
        let owner = |place: usize| entries.get(place).map(|entry| entry.id.clone());
        let replies: Vec<Value> = ask(&answers, owner).query(&mut connection)?;
        let mut known = Known::read(&answers, &replies, owner);
        let mut writes = Pipeline::with_capacity(BATCH * 44);
        for ((place, answer), entry) in answers.iter().enumerate().zip(&entries) {
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
