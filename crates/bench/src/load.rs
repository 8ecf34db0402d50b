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

/// How many learners probe, where nothing else is said.
pub const LEARNERS: u64 = 64;
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
    /// How many events were sent.
    pub sent: u64,
}

/// Which events are probes, and when each is due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    began: Instant,
    rate: f64,
    /// Each event of so many is a probe.
    every: u64,
    learners: u64,
}

impl Schedule {
    fn new(options: &LoadOptions) -> Self {
        let every = (options.rate / PROBES_PER_SECOND).ceil().max(1.0) as u64;
        Self { began: Instant::now(), rate: options.rate, every, learners: options.probing }
    }

    /// The probe that an event is: of which learner, and the score that shows it.
    fn probe(&self, number: u64) -> Option<(u64, i64)> {
        let probe = number.is_multiple_of(self.every).then(|| number / self.every)?;
        Some((probe % self.learners, (probe / self.learners + 1) as i64 * POINTS))
    }

    /// When an event is due.
    fn at(&self, number: u64) -> Instant {
        self.began + Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// When each of the probes was due that brought a learner from one score to another.
    pub fn due(&self, learner: u64, from: i64, to: i64) -> impl Iterator<Item = Instant> {
        let this = *self;
        (from / POINTS..to / POINTS).map(move |before| {
            this.at((before.cast_unsigned() * this.learners + learner) * this.every)
        })
    }

    /// The score of a learner after so many events.
    #[must_use]
    pub fn score(&self, learner: u64, sent: u64) -> i64 {
        let probes = sent.div_ceil(self.every);
        let of_learner = (probes + self.learners).saturating_sub(learner + 1) / self.learners;
        of_learner.cast_signed() * POINTS
    }
}

/// A running load.
pub struct Load {
    /// When its probes are due.
    pub schedule: Schedule,
    stop: Arc<AtomicBool>,
    sender: JoinHandle<Result<u64, BenchError>>,
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
    /// How many learners probe.
    pub probing: u64,
    /// Whether each of them is in a class of its own: `c0`, `c1` and so on.
    pub in_classes: bool,
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
            Arc::new(Mutex::new(vec![VecDeque::new(); options.probing as usize]));
        let schedule = Schedule::new(&options);
        let (asked, seen) = (Arc::clone(&stop), Arc::clone(&outstanding));
        let observed = options.clone();
        let sent = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&sent);
        let sender = std::thread::spawn(move || {
            let outcome = send(producer, (&options, &schedule), &asked, &outstanding);
            sent.store(true, Ordering::Relaxed);
            outcome
        });
        let observer = std::thread::spawn(move || observe(connection, &observed, &over, &seen));
        Ok(Self { schedule, stop, sender, observer })
    }

    /// Stops sending, waits for the last probes, and gives the delays.
    ///
    /// # Errors
    /// Where Redis refused something, or a probe is never seen.
    pub fn finish(self) -> Result<Observed, BenchError> {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join().map_err(|_| BenchError::Thread("sender"))??;
        let observed = self.observer.join().map_err(|_| BenchError::Thread("observer"))??;
        Ok(Observed { sent, ..observed })
    }
}

fn send(
    mut producer: Producer,
    (options, schedule): (&LoadOptions, &Schedule),
    stop: &AtomicBool,
    outstanding: &Outstanding,
) -> Result<u64, BenchError> {
    let mut sent = 0u64;
    while !stop.load(Ordering::Relaxed) {
        // The first is due at once.
        let due = (schedule.began.elapsed().as_secs_f64() * options.rate) as u64 + 1;
        let until = due.min(sent + MOST);
        if until == sent {
            std::thread::sleep(TICK);
            continue;
        }
        let mut bytes = Vec::new();
        for number in sent..until {
            let probe = schedule.probe(number);
            if let Some((learner, score)) = probe {
                let mut outstanding = outstanding.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(queue) = outstanding.get_mut(learner as usize) {
                    queue.push_back((score, schedule.at(number)));
                }
            }
            let fields = fields(options, number, probe.map(|(learner, _)| learner));
            wire::add_flat(&mut bytes, &fields);
        }
        producer.send(&bytes, (until - sent) as usize)?;
        sent = until;
    }
    Ok(sent)
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
        fields.user = probing(&options.name, learner);
        if options.in_classes {
            fields.class = format!("c{learner}");
        }
        fields.correct = true;
        fields.points = POINTS;
    }
    fields
}

/// The name of a probing learner of a load.
#[must_use]
pub fn probing(load: &str, learner: u64) -> String {
    format!("probe-{load}-{learner}")
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
            (0..options.probing)
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
                ask.cmd("ZSCORE").arg(&options.board).arg(probing(&options.name, *learner));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_knows_when_a_score_was_due() {
        let schedule = Schedule { began: Instant::now(), rate: 1000.0, every: 5, learners: 3 };
        let mut scores = [0; 3];
        for number in 0..100 {
            if let Some((learner, score)) = schedule.probe(number) {
                let had = scores[learner as usize];
                let due: Vec<Instant> = schedule.due(learner, had, score).collect();
                assert_eq!(due, [schedule.at(number)], "{number}");
                scores[learner as usize] = score;
            }
            let all = [0, 1, 2].map(|learner| schedule.score(learner, number + 1));
            assert_eq!(all, scores, "{number}");
        }
        assert_eq!(schedule.due(1, 4, 16).count(), 3);
    }
}
