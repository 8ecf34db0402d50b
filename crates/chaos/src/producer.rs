//! Producers as an application has them: each sends until Redis has acknowledged, the same again
//! where an answer is lost or the server refuses.

use crate::{
    ChaosError,
    client::Client,
    tape::{Book, STREAM},
};
use redis::{Pipeline, Value, from_redis_value};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tallyd_event::EntryId;
use tallyd_harness::producer::now_ms;
use tallyd_learners::{Sending, Simulation};
use tallyd_store::connection::checked;
use tokio::time::{Instant, sleep};

/// The most entries sent in one round trip.
const CHUNK: usize = 50;
/// How often it looks how many are due.
const TICK: Duration = Duration::from_millis(10);
/// How long it waits before it sends again.
const AGAIN: Duration = Duration::from_millis(50);

/// What the producers share: the learners, the book, and when to stop.
pub struct Load {
    simulation: Mutex<Simulation>,
    book: Arc<Book>,
    stop: AtomicBool,
    /// How many entries were sent again.
    pub retries: AtomicU64,
}

impl Load {
    /// The load of these learners.
    #[must_use]
    pub fn new(simulation: Simulation, book: Arc<Book>) -> Self {
        let (stop, retries) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { simulation: Mutex::new(simulation), book, stop, retries }
    }

    /// Tells the producers to end once what they hold is acknowledged.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn draw(&self) -> Sending {
        self.simulation.lock().unwrap_or_else(PoisonError::into_inner).send(now_ms())
    }

    /// Sends at this rate, in events a second, until told to stop.
    ///
    /// # Errors
    /// Where a reply is no entry id.
    pub async fn produce(self: Arc<Self>, mut client: Client, rate: f64) -> Result<(), ChaosError> {
        let began = Instant::now();
        let mut due = 0.0;
        while !self.stop.load(Ordering::Relaxed) {
            let target = began.elapsed().as_secs_f64() * rate;
            // A producer that was held up does not catch up in one burst.
            due = f64::max(due, target - rate / 2.0);
            let mut waiting = Vec::new();
            while due < target && waiting.len() < CHUNK {
                let sending = self.draw();
                due += sending.items.len() as f64;
                waiting.push((self.book.intend(&sending), sending));
            }
            if waiting.is_empty() {
                sleep(TICK).await;
            }
            self.send_all(&mut client, waiting).await?;
        }
        Ok(())
    }

    async fn send_all(
        &self,
        client: &mut Client,
        mut waiting: Vec<(u128, Sending)>,
    ) -> Result<(), ChaosError> {
        while !waiting.is_empty() {
            // Without an answer nothing is known of any of them.
            let replies = client.send(&pipeline(&waiting)).await.unwrap_or_default();
            let mut again = Vec::new();
            let mut replies = replies.into_iter();
            for (digest, sending) in waiting {
                match replies.next().map(checked) {
                    Some(Ok(reply)) => self.book.acknowledge(digest, entry_id(reply)?),
                    Some(Err(_)) | None => again.push((digest, sending)),
                }
            }
            waiting = again;
            if !waiting.is_empty() {
                self.retries.fetch_add(waiting.len() as u64, Ordering::Relaxed);
                sleep(AGAIN).await;
            }
        }
        Ok(())
    }
}

fn pipeline(sendings: &[(u128, Sending)]) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(sendings.len());
    for (_, sending) in sendings {
        let command = pipeline.cmd("XADD").arg(STREAM).arg("*");
        for (name, value) in &sending.fields {
            command.arg(*name).arg(value.as_slice());
        }
    }
    pipeline
}

fn entry_id(reply: Value) -> Result<EntryId, ChaosError> {
    let id: String = from_redis_value(reply)?;
    Ok(id.parse().map_err(tallyd_harness::HarnessError::from)?)
}
