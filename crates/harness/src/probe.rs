//! How long it takes from XADD until the result is visible, seen from outside: a learner of its
//! own answers now and then, and its score is read until it changes.

use crate::{HarnessError, producer::now_ms};
use redis::{Pipeline, Value};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tallyd_bolt::Key;
use tallyd_store::{Connection, keys::Keys};
use tokio::time::{Instant, sleep};

/// The learner who probes.
pub const LEARNER: &str = "probe";
/// The concept that it answers.
pub const CONCEPT: &str = "probing";
/// How long between two probes.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the score is read.
const LOOK: Duration = Duration::from_micros(500);

/// What was measured so far.
#[derive(Debug, Default)]
pub struct Probe {
    /// Answers, counted before they are sent.
    pub sent: AtomicU64,
    seconds: Mutex<Vec<f64>>,
}

impl Probe {
    /// The value below which this share of the measurements lie; `None` before the first.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seconds.sort_by(f64::total_cmp);
        let last = seconds.len().checked_sub(1)?;
        seconds.get((last as f64 * share).round() as usize).copied()
    }

    fn add(&self, seconds: f64) {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner).push(seconds);
    }
}

/// Probes until told to stop, and returns how many answers it sent.
pub async fn run(
    url: String,
    keys: Keys,
    stop: Arc<AtomicBool>,
    probe: Arc<Probe>,
) -> Result<u64, HarnessError> {
    let mut connection = Connection::open(&url).await?;
    let board = keys.bolt("points", &Key::new(&["board", "all", "all", "everyone"]));
    let mut sent = 0_u64;
    let mut before = read(&mut connection, &board).await?;
    while !stop.load(Ordering::Relaxed) {
        sent += 1;
        probe.sent.store(sent, Ordering::Relaxed);
        let mut add = Pipeline::new();
        let command = add.cmd("XADD").arg("answers").arg("*");
        command
            .arg("id")
            .arg(format!("probe-{sent}"))
            .arg("user")
            .arg(LEARNER)
            .arg("question")
            .arg("probe");
        command
            .arg("concept")
            .arg(CONCEPT)
            .arg("correct")
            .arg(1)
            .arg("ms")
            .arg(1000)
            .arg("points")
            .arg(1);
        command.arg("at").arg(now_ms());
        let began = Instant::now();
        connection.all(&add).await?;
        loop {
            let now = read(&mut connection, &board).await?;
            if now != before {
                before = now;
                probe.add(began.elapsed().as_secs_f64());
                break;
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
            sleep(LOOK).await;
        }
        sleep(PAUSE).await;
    }
    Ok(sent)
}

async fn read(connection: &mut Connection, board: &str) -> Result<Value, HarnessError> {
    let mut ask = Pipeline::new();
    ask.cmd("ZSCORE").arg(board).arg(LEARNER);
    Ok(connection.all(&ask).await?.pop().unwrap_or(Value::Nil))
}
