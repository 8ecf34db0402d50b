//! The application that writes results itself: no stream, no exactly-once, nothing after a crash.

use super::{BATCH, connect, say};
use crate::{
    BenchError,
    application::{Known, ask},
    wire::Fields,
    workload::Workload,
};
use redis::{Pipeline, Value};

pub fn run(url: &str, workload: &Workload, first_at: i64) -> Result<(), BenchError> {
    let mut connection = connect(url)?;
    say("ready")?;
    let mut go = String::new();
    std::io::stdin().read_line(&mut go).map_err(BenchError::io("wait for the start"))?;
    let mut done = 0;
    for answers in workload.answers.chunks(BATCH) {
        let answers: Vec<Fields> = answers.iter().map(|a| Fields::of(a, first_at)).collect();
        let replies: Vec<Value> = ask(&answers, |_| None).query(&mut connection)?;
        let mut known = Known::read(&answers, &replies, |_| None);
        let mut writes = Pipeline::with_capacity(BATCH * 40);
        for (place, answer) in answers.iter().enumerate() {
            known.write(place, answer, &mut writes);
        }
        writes.query::<Vec<Value>>(&mut connection)?;
        done += answers.len();
        say(&format!("done {done}"))?;
    }
    Ok(())
}
