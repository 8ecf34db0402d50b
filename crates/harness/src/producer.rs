//! A producer: simulated learners' answers by XADD, each written into the ledger once
//! Redis has accepted it.

use crate::HarnessError;
use redis::Pipeline;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tallyd_bolt::{Lasting, calendar};
use tallyd_event::EntryId;
use tallyd_learners::{
    Ledger, LedgerOptions, Length, Sending, Simulation, SimulationOptions, Span,
};
use tallyd_store::Connection;
use tallyd_topology::{
    NodeKind, Topology,
    bolts::{aggregate, dedup, leaderboard},
};
use tokio::time::{Instant, sleep};

/// The most entries sent in one round trip.
const CHUNK: usize = 200;
/// How often it looks how many entries are due.
const TICK: Duration = Duration::from_millis(5);

/// How much was sent so far.
#[derive(Debug, Default)]
pub struct Sent {
    /// Events, well-formed or not, counted before they are sent: no more can be counted than this.
    pub events: AtomicU64,
    doubtful: AtomicU64,
}

impl Sent {
    /// Entries of which it is not known whether Redis has them.
    pub fn doubtful(&self) -> u64 {
        self.doubtful.load(Ordering::Relaxed)
    }
}

/// An empty ledger for the windows and periods of the topology.
pub fn ledger(topology: &Topology) -> Result<Ledger, HarnessError> {
    let mut options = LedgerOptions {
        time_zone: topology.time_zone.to_string(),
        windows: Vec::new(),
        periods: Vec::new(),
        remembered_ms: None,
    };
    for node in &topology.nodes {
        let NodeKind::Bolt(bolt) = &node.kind else { continue };
        if let Some(dedup) = bolt.options.of::<dedup::Options>() {
            options.remembered_ms = Some(dedup.window_ms);
        }
        if let Some(aggregate) = bolt.options.of::<aggregate::Options>() {
            options.windows =
                aggregate.windows.iter().map(|w| span(&w.name, w.length, w.lasting)).collect();
        }
        if let Some(board) = bolt.options.of::<leaderboard::Options>() {
            options.periods =
                board.periods.iter().map(|p| span(&p.name, p.length, p.lasting)).collect();
        }
    }
    Ok(Ledger::new(options)?)
}

fn span(name: &str, length: calendar::Length, lasting: Lasting) -> Span {
    let length = match length {
        calendar::Length::Millis(ms) => Length::Millis(ms),
        calendar::Length::Day => Length::Day,
        calendar::Length::Week => Length::Week,
        calendar::Length::Month => Length::Month,
        calendar::Length::All => Length::All,
    };
    // Late answers change what is still kept.
    let grace_ms = [lasting.retain_ms, lasting.grace_ms].into_iter().flatten().min();
    Span { name: name.into(), length, grace_ms, retain_ms: lasting.retain_ms }
}

/// Sends until told to stop, and returns the ledger of what was sent.
pub async fn run(
    url: String,
    options: SimulationOptions,
    mut ledger: Ledger,
    rate: u32,
    stop: Arc<AtomicBool>,
    sent: Arc<Sent>,
) -> Result<Ledger, HarnessError> {
    let mut connection = Connection::open(&url).await?;
    let mut simulation = Simulation::new(options)?;
    let began = Instant::now();
    let mut due = 0.0;
    while !stop.load(Ordering::Relaxed) {
        let target = began.elapsed().as_secs_f64() * f64::from(rate);
        // A producer that fell behind does not catch up in one burst.
        due = f64::max(due, target - f64::from(rate) / 10.0);
        let mut chunk = Vec::new();
        while due < target && chunk.len() < CHUNK {
            let sending = simulation.send(now_ms());
            due += sending.items.len() as f64;
            chunk.push(sending);
        }
        if chunk.is_empty() {
            sleep(TICK).await;
            continue;
        }
        let items: usize = chunk.iter().map(|sending| sending.items.len()).sum();
        sent.events.fetch_add(items as u64, Ordering::Relaxed);
        if let Err(error) = send(&mut connection, &chunk, &mut ledger).await {
            sent.doubtful.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            return Err(error);
        }
    }
    Ok(ledger)
}

async fn send(
    connection: &mut Connection,
    chunk: &[Sending],
    ledger: &mut Ledger,
) -> Result<(), HarnessError> {
    let mut pipeline = Pipeline::with_capacity(chunk.len());
    for sending in chunk {
        let command = pipeline.cmd("XADD").arg("answers").arg("*");
        for (name, value) in &sending.fields {
            command.arg(*name).arg(value.as_slice());
        }
    }
    for (sending, id) in chunk.iter().zip(connection.all(&pipeline).await?) {
        let id: String = redis::from_redis_value(id)?;
        let id: EntryId = id.parse()?;
        ledger.record(sending, id.time());
    }
    Ok(())
}

/// Now, in ms since the epoch.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_event::decode::{TimeLimits, decode};
    use tallyd_learners::{Faults, Item};
    use tallyd_topology::parse;

    /// What the engine reads of an entry is what the ledger takes it for, item by item.
    #[test]
    fn the_ledger_and_the_decoder_agree_on_what_is_sent() {
        let file = include_str!("../../../topologies/testprep.toml");
        let topology = parse("testprep.toml", file, &|_| None).unwrap_or_else(|f| panic!("{f}"));
        let schema = &topology.nodes.first().unwrap().schema;
        let defaults = SimulationOptions::default();
        let faults = Faults { malformed: 0.3, batch: 0.8, batch_events: 5, ..defaults.faults };
        let options = SimulationOptions { faults, ..defaults };
        let mut simulation = Simulation::new(options).unwrap();
        let limits = TimeLimits { max_ahead_ms: 600_000, max_behind_ms: None };
        let at = EntryId { ms: 1_767_225_600_000, seq: 0 };
        let mut cut_short = 0;
        for _ in 0..3000 {
            let sending = simulation.send(at.time());
            let entry: Vec<(Vec<u8>, Vec<u8>)> = sending
                .fields
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.clone()))
                .collect();
            let decoded = decode(schema, limits, at, &entry);
            let is_answer = |item: &&Item| matches!(item, Item::Answer(_));
            let answers = sending.items.iter().filter(is_answer).count();
            let read = (decoded.events.len(), decoded.rejects.len());
            assert_eq!(read, (answers, sending.items.len() - answers), "{:?}", sending.items);
            cut_short += u32::from(format!("{:?}", sending.items.last()).contains("BrokenBatch"));
        }
        assert!(cut_short > 100, "{cut_short} batches were broken");
    }
}
