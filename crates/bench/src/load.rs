//! An open-loop load with probes: events are due at fixed times, whatever the system does, and the
//! clock of a probe starts when its event was due.
//!
//! Some events are those of probing learners. An observer reads their scores, on a connection of
//! its own, only while one is outstanding, by one pipeline of ZSCORE (which tallyd never sends, so
//! that the observer's share shows in `commandstats`).

use crate::{
    BenchError,
    producer::Producer,
    run::now_ms,
    wire::{self, Fields},
    workload::Answer,
};
use redis::{Connection, Pipeline};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How many learners probe.
const LEARNERS: u64 = 64;
/// How many probes a second.
const PROBES_PER_SECOND: f64 = 200.0;
/// How often events are sent and scores are read.
const TICK: Duration = Duration::from_micros(200);
/// The most events in one write.
const MOST: u64 = 2_000;
/// How long the last probes may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The points of a probe.
const POINTS: i64 = 4;

/// How long a probe took.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// When it was due.
    pub due: Instant,
    /// From then until its result was seen.
    pub took: Duration,
}

/// What a load gave.
#[derive(Debug, Default)]
pub struct Observed {
    /// The delays, in the order in which they were seen.
    pub delays: Vec<Delay>,
    /// How often the observer looked.
    pub looks: u64,
}

/// A running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<Result<(), BenchError>>,
    observer: JoinHandle<Result<Observed, BenchError>>,
}

/// The probes that are not yet seen, by learner: the score that shows one, and when it was due.
type Outstanding = Arc<Mutex<Vec<VecDeque<(i64, Instant)>>>>;

/// What a load is made of.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Events a second.
    pub rate: f64,
    /// The events, taken again and again, each time as new ones.
    pub answers: Arc<Vec<Answer>>,
    /// Tells this load's events and probes from those of others on the server.
    pub name: String,
    /// The board on which probes are seen.
    pub board: String,
}

impl Load {
    /// Begins.
    ///
    /// # Errors
    /// Where the server can't be reached.
    pub fn start(address: SocketAddr, options: LoadOptions) -> Result<Self, BenchError> {
        let producer = Producer::connect(address)?;
        let client = redis::Client::open(format!("redis://{address}"))?;
        let connection = client.get_connection()?;
        let stop = Arc::new(AtomicBool::new(false));
        let outstanding: Outstanding =
            Arc::new(Mutex::new(vec![VecDeque::new(); LEARNERS as usize]));
        let (asked, seen) = (Arc::clone(&stop), Arc::clone(&outstanding));
        let observed = options.clone();
        let sent = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&sent);
        let sender = std::thread::spawn(move || {
            let outcome = send(producer, &options, &asked, &outstanding);
            sent.store(true, Ordering::Relaxed);
            outcome
        });
        let observer = std::thread::spawn(move || observe(connection, &observed, &over, &seen));
        Ok(Self { stop, sender, observer })
    }

    /// Stops sending, waits for the last probes, and gives the delays.
    ///
    /// # Errors
    /// Where Redis refused something, or a probe is never seen.
    pub fn finish(self) -> Result<Observed, BenchError> {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().map_err(|_| BenchError::Thread("sender"))??;
        self.observer.join().map_err(|_| BenchError::Thread("observer"))?
    }
}

fn send(
    mut producer: Producer,
    options: &LoadOptions,
    stop: &AtomicBool,
    outstanding: &Outstanding,
) -> Result<(), BenchError> {
    let began = Instant::now();
    let every = (options.rate / PROBES_PER_SECOND).ceil().max(1.0) as u64;
    let mut sent = 0u64;
    while !stop.load(Ordering::Relaxed) {
        // The first is due at once.
        let due = (began.elapsed().as_secs_f64() * options.rate) as u64 + 1;
        let until = due.min(sent + MOST);
        if until == sent {
            std::thread::sleep(TICK);
            continue;
        }
        let mut bytes = Vec::new();
        for number in sent..until {
            let fields = if number.is_multiple_of(every) {
                let probe = number / every;
                let at = began + Duration::from_secs_f64(number as f64 / options.rate);
                let mut outstanding = outstanding.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(queue) = outstanding.get_mut((probe % LEARNERS) as usize) {
                    queue.push_back(((probe / LEARNERS + 1) as i64 * POINTS, at));
                }
                fields(options, number, Some(probe % LEARNERS))
            } else {
                fields(options, number, None)
            };
            wire::add_flat(&mut bytes, &fields);
        }
        producer.send(&bytes, (until - sent) as usize)?;
        sent = until;
    }
    Ok(())
}

/// The fields of an event: a probe's, or the next of the workload's as a new one.
fn fields(options: &LoadOptions, number: u64, probe: Option<u64>) -> Fields {
    let place = number as usize % options.answers.len().max(1);
    let mut fields = match options.answers.get(place) {
        Some(answer) => Fields::of(answer, 0),
        None => return Fields::default(),
    };
    fields.id = format!("{}-{number}", options.name);
    fields.at = now_ms();
    if let Some(learner) = probe {
        fields.user = probing(options, learner);
        fields.correct = true;
        fields.points = POINTS;
    }
    fields
}

fn probing(options: &LoadOptions, learner: u64) -> String {
    format!("probe-{}-{learner}", options.name)
}

fn observe(
    mut connection: Connection,
    options: &LoadOptions,
    over: &AtomicBool,
    outstanding: &Outstanding,
) -> Result<Observed, BenchError> {
    let mut observed = Observed::default();
    let mut ended: Option<Instant> = None;
    loop {
        let waiting: Vec<u64> = {
            let outstanding = outstanding.lock().unwrap_or_else(PoisonError::into_inner);
            (0..LEARNERS)
                .zip(outstanding.iter())
                .filter(|(_, q)| !q.is_empty())
                .map(|(l, _)| l)
                .collect()
        };
        if over.load(Ordering::Relaxed) {
            let ended = *ended.get_or_insert_with(Instant::now);
            if waiting.is_empty() {
                return Ok(observed);
            }
            if ended.elapsed() > PATIENCE {
                let what = format!("the probes of {} learners were not seen", waiting.len());
                return Err(BenchError::Timeout { what, seconds: PATIENCE.as_secs() });
            }
        }
        if !waiting.is_empty() {
            observed.looks += 1;
            let mut ask = Pipeline::with_capacity(waiting.len());
            for learner in &waiting {
                ask.cmd("ZSCORE").arg(&options.board).arg(probing(options, *learner));
            }
            let scores: Vec<Option<f64>> = ask.query(&mut connection)?;
            let now = Instant::now();
            let mut outstanding = outstanding.lock().unwrap_or_else(PoisonError::into_inner);
            for (learner, score) in waiting.iter().zip(scores) {
                let Some(queue) = outstanding.get_mut(*learner as usize) else { continue };
                let score = score.unwrap_or(0.0).floor() as i64;
                while let Some((_, due)) = queue.pop_front_if(|(shown, _)| *shown <= score) {
                    let took = now.saturating_duration_since(due);
                    observed.delays.push(Delay { due, took });
                }
            }
        }
        std::thread::sleep(TICK);
    }
}
