//! Everything that a benchmark found, as it stands in `docs/internals/performance.json`.

use crate::{
    against::Against,
    contender::Contender,
    figures::{Figures, Spread},
    forget::Forget,
    info::CommandCost,
    machine::Machine,
    serving::Serving,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// All figures of a benchmark. A part that was not measured is left out.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Where it ran.
    pub machine: Machine,
    /// The command that ran it.
    pub command: String,
    /// How many rounds, without the one to warm up.
    pub rounds: usize,
    /// How many events a round.
    pub events: usize,
    /// How many workers tallyd had.
    pub workers: usize,
    /// Whether the servers wrote an append-only file.
    pub aof: bool,
    /// The medians of [`Results::ratio_spread`].
    pub ratios: BTreeMap<&'static str, f64>,
    /// Ratios of two contenders' figures in the same round.
    pub ratio_spread: BTreeMap<&'static str, Spread>,
    /// Figures by contender.
    pub contenders: BTreeMap<&'static str, BTreeMap<&'static str, Spread>>,
    /// Calls and µs an event by command, in the last round. µs are by the wall clock.
    pub by_command: BTreeMap<&'static str, BTreeMap<String, Cost>>,
    /// From due to visible, at shares of the highest rate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<LatencyPoint>,
    /// The longest gaps in results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gaps: Option<Gaps>,
    /// What is stored for a learner and an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub footprint: Option<Footprint>,
    /// How the cost of an event grows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<ScalePoint>,
    /// Another build, in turn with this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
    /// Results over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<Serving>,
    /// Forgetting a learner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forget: Option<Forget>,
}

/// What a command cost, an event.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// Calls.
    pub calls: f64,
    /// Microseconds.
    pub micros: f64,
}

/// The delay at one rate.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyPoint {
    /// The share of the highest rate; not a number where that was not measured.
    pub share: f64,
    /// Events a second.
    pub rate: f64,
    /// How many delays were measured.
    pub samples: usize,
    /// The median, in ms.
    pub p50_ms: f64,
    /// Of a hundred the highest but one.
    pub p99_ms: f64,
    /// Of a thousand the highest but one.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// How often a second the observer looked.
    pub looks_per_second: f64,
}

/// The longest times for which a result did not change though an event was due.
#[derive(Clone, Debug, Serialize)]
pub struct Gaps {
    /// After a worker of two was killed with SIGKILL.
    pub takeover_ms: f64,
    /// After how long a worker counts as gone.
    pub session_timeout_ms: f64,
    /// While two workers were restarted one after the other.
    pub rolling_restart_ms: f64,
    /// Events a second meanwhile.
    pub rate: f64,
}

/// Bytes that Redis needs (`MEMORY USAGE`).
#[derive(Clone, Debug, Serialize)]
pub struct Footprint {
    /// For an identity in the dedup window.
    pub bytes_per_id: f64,
    /// For a learner with state in all bolts and 20 concepts, boards aside.
    pub bytes_per_learner: f64,
    /// Of these, fatigue.
    pub bytes_per_learner_fatigue: f64,
    /// Of these, mastery.
    pub bytes_per_learner_mastery: f64,
    /// For a learner with state in all bolts and 200 concepts, boards aside.
    pub bytes_per_learner_of_200: f64,
}

/// The cost of an event where one thing is larger or smaller.
#[derive(Clone, Debug, Serialize)]
pub struct ScalePoint {
    /// What is varied.
    pub what: &'static str,
    /// How much of it there is.
    pub amount: u64,
    /// The figures of one run.
    pub figures: Figures,
}

/// A ratio's name, and the figures above and below.
type Ratio = (&'static str, (Contender, &'static str), (Contender, &'static str));

const RATIOS: &[Ratio] = {
    use Contender::{Direct, Floor, Loop, SeaStreamer, Tallyd, TallydBatch};
    const CPU: &str = "redis_cpu_us";
    const RATE: &str = "events_per_second";
    &[
        ("redis_cpu_single_over_loop", (Tallyd, CPU), (Loop, CPU)),
        ("redis_cpu_single_over_direct", (Tallyd, CPU), (Direct, CPU)),
        ("redis_cpu_batch_over_direct", (TallydBatch, CPU), (Direct, CPU)),
        ("redis_cpu_stream_over_floor", (Tallyd, "redis_stream_us"), (Floor, "redis_stream_us")),
        ("redis_cpu_state_over_direct", (Tallyd, "redis_state_us"), (Direct, "redis_state_us")),
        ("rate_single_over_loop", (Tallyd, RATE), (Loop, RATE)),
        ("rate_single_over_sea_streamer", (Tallyd, RATE), (SeaStreamer, RATE)),
        ("rate_batch_over_loop", (TallydBatch, RATE), (Loop, RATE)),
        ("rate_batch_over_sea_streamer", (TallydBatch, RATE), (SeaStreamer, RATE)),
    ]
};

/// The figures of every round, by contender.
pub type Rounds = BTreeMap<Contender, Vec<Figures>>;

/// The spread of each figure of each contender.
#[must_use]
pub fn spreads(rounds: &Rounds) -> BTreeMap<&'static str, BTreeMap<&'static str, Spread>> {
    rounds.iter().map(|(contender, figures)| (contender.name(), spread(figures))).collect()
}

/// The spread of each figure over rounds.
#[must_use]
pub fn spread(figures: &[Figures]) -> BTreeMap<&'static str, Spread> {
    let names = figures.iter().flat_map(Figures::names);
    let spread = |name| {
        let values = figures.iter().filter_map(|round| round.get(name)).collect();
        Some((name, Spread::of(values)?))
    };
    names.filter_map(spread).collect()
}

/// The ratios whose contenders were both measured, each within a round.
#[must_use]
pub fn ratios(rounds: &Rounds) -> BTreeMap<&'static str, Spread> {
    let empty = Vec::new();
    let of = |contender| rounds.get(&contender).unwrap_or(&empty);
    let ratio = |(name, above, below): &Ratio| {
        let pairs = of(above.0).iter().zip(of(below.0));
        let values = pairs.filter_map(|(a, b)| Some(a.get(above.1)? / b.get(below.1)?));
        Some((*name, Spread::of(values.collect())?))
    };
    RATIOS.iter().filter_map(ratio).collect()
}

/// What each command cost an event.
#[must_use]
pub fn per_event(costs: &BTreeMap<String, CommandCost>, events: usize) -> BTreeMap<String, Cost> {
    let events = events.max(1) as f64;
    let cost = |c: &CommandCost| Cost { calls: c.calls / events, micros: c.micros / events };
    costs.iter().map(|(name, of_command)| (name.clone(), cost(of_command))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let figures = |cpu: f64| {
            let mut figures = Figures::default();
            figures.set("redis_cpu_us", cpu);
            figures
        };
        // The machine was three times as slow in the second round.
        let rounds = Rounds::from([
            (Contender::Tallyd, vec![figures(10.0), figures(33.0)]),
            (Contender::Loop, vec![figures(40.0), figures(120.0)]),
        ]);
        let ratios = ratios(&rounds);
        assert_eq!(ratios.len(), 1);
        let spread = ratios["redis_cpu_single_over_loop"];
        assert_eq!((spread.min, spread.max), (0.25, 0.275));
        assert_eq!(spreads(&rounds)["tallyd"]["redis_cpu_us"].median, 21.5);
    }
}
