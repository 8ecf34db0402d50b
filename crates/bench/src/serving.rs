//! Results over HTTP: boards compared with webdis, live updates compared with nchan, and what both
//! take away from the workers. A program that is not installed is left out, and it is said how to
//! get it.

pub mod crowd;
pub mod flood;
pub mod histogram;
pub mod live;
pub mod nchan;
pub mod parse;
pub mod programs;
pub mod reads;

use crate::{
    BenchError,
    figures::{Figures, Spread},
    machine::Machine,
    results,
    run::Setting,
};
use live::LiveOptions;
use reads::Stage;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// For how long each one is asked in a round.
const READING: Duration = Duration::from_secs(5);
/// For how long before the first round, which does not count.
const WARM_UP: Duration = Duration::from_secs(2);
/// How the programs are installed that tallyd is compared with.
const INSTALL: &str = "apt-get install webdis libnginx-mod-nchan";
/// The names of the three parts of a live round.
pub const LIVE: [&str; 3] = ["tallyd, without clients", "tallyd", "nchan"];

/// All figures of serving.
#[derive(Clone, Debug, Serialize)]
pub struct Serving {
    /// Where it ran.
    pub machine: Machine,
    /// The command that ran it.
    pub command: String,
    /// The load of the machine (over one minute) before it began: what else ran.
    pub load_before: f64,
    /// How many rounds.
    pub rounds: usize,
    /// What was not measured, because a program is missing.
    pub skipped: Vec<String>,
    /// The first ten of boards, by who was asked.
    pub reads: BTreeMap<&'static str, Named>,
    /// Live updates, by [`LIVE`].
    pub live: BTreeMap<&'static str, Named>,
    /// The figures that are aimed at, each within a round.
    pub aims: Named,
}

/// Figures by name.
pub type Named = BTreeMap<&'static str, Spread>;

/// How serving is measured.
#[derive(Clone, Debug)]
pub struct ServingOptions {
    /// The command that runs it.
    pub command: String,
    /// How many rounds.
    pub rounds: usize,
    /// The live clients, and for how long.
    pub live: LiveOptions,
}

/// An aim: its name, and of which figures of which ones the quotient is taken.
type Aim = (&'static str, (&'static str, &'static str), Option<(&'static str, &'static str)>);

const AIMS: &[Aim] = {
    use reads::Asked::{BareCold, TallydCold, TallydHot, WebdisHot};
    const CPU: &str = "redis_cpu_us";
    const RATE: &str = "requests_per_second";
    const CPU_RATE: &str = "messages_per_cpu_second";
    const WITHOUT: &str = LIVE[0];
    const WITH: &str = LIVE[1];
    const NCHAN: &str = LIVE[2];
    &[
        ("hot_rate_over_webdis", (TallydHot.name(), RATE), Some((WebdisHot.name(), RATE))),
        ("hot_redis_cpu_over_webdis", (TallydHot.name(), CPU), Some((WebdisHot.name(), CPU))),
        ("cold_redis_cpu_over_bare", (TallydCold.name(), CPU), Some((BareCold.name(), CPU))),
        ("live_p99_ms", (WITH, "live_p99_ms"), None),
        ("live_bytes_per_client", (WITH, "bytes_per_client"), None),
        ("live_clients_lost", (WITH, "clients_lost"), None),
        ("live_clients_behind", (WITH, "clients_behind"), None),
        ("live_messages_per_cpu_over_nchan", (WITH, CPU_RATE), Some((NCHAN, CPU_RATE))),
        (
            "live_ingest_over_without",
            (WITH, "events_per_second"),
            Some((WITHOUT, "events_per_second")),
        ),
        ("live_delay_p50_over_without", (WITH, "delay_p50_ms"), Some((WITHOUT, "delay_p50_ms"))),
        ("live_delay_p99_over_without", (WITH, "delay_p99_ms"), Some((WITHOUT, "delay_p99_ms"))),
    ]
};

type Rounds = BTreeMap<&'static str, Vec<Figures>>;

/// Measures all of it.
///
/// # Errors
/// Where a program fails, or answers differ.
pub async fn measure(
    setting: &Setting<'_>,
    machine: Machine,
    options: ServingOptions,
) -> Result<Serving, BenchError> {
    let load_before = load()?;
    println!("serving: the load of the machine is {load_before:.1} before it begins");
    let (mut rounds, mut skipped) = (Rounds::new(), Vec::new());
    let mut skip = |what: &str| {
        let text = format!("{what} is not installed, and not compared with ({INSTALL})");
        eprintln!("LEFT OUT: {text}");
        skipped.push(text);
    };
    let reads = read(setting, options.rounds).await?;
    if !reads.contains_key(reads::Asked::WebdisHot.name()) {
        skip("webdis");
    }
    let mut lives = Rounds::new();
    for round in 1..=options.rounds {
        let of_round = live::round(setting, options.live).await?;
        let all = [Some(of_round.without), Some(of_round.with), of_round.nchan];
        for (name, figures) in LIVE.into_iter().zip(all) {
            let Some(figures) = figures else { continue };
            say(round, name, &figures);
            lives.entry(name).or_default().push(figures);
        }
    }
    if !lives.contains_key(LIVE[2]) {
        skip("nginx with nchan");
    }
    let spreads = |rounds: &Rounds| -> BTreeMap<&'static str, Named> {
        rounds.iter().map(|(name, of)| (*name, results::spread(of))).collect()
    };
    let (of_reads, of_live) = (spreads(&reads), spreads(&lives));
    rounds.extend(reads);
    rounds.extend(lives);
    Ok(Serving {
        machine,
        command: options.command,
        load_before,
        rounds: options.rounds,
        skipped,
        reads: of_reads,
        live: of_live,
        aims: aims(&rounds),
    })
}

/// The first ten of boards: all in turn, round by round.
async fn read(setting: &Setting<'_>, rounds: usize) -> Result<Rounds, BenchError> {
    let mut stage = Stage::start(setting).await?;
    let mut reads = Rounds::new();
    for round in 0..=rounds {
        for asked in reads::ALL {
            let time = if round == 0 { WARM_UP } else { READING };
            let Some(figures) = stage.ask(asked, time).await? else { continue };
            if round > 0 {
                say(round, asked.name(), &figures);
                reads.entry(asked.name()).or_default().push(figures);
            }
        }
    }
    stage.stop().await?;
    Ok(reads)
}

fn say(round: usize, name: &str, figures: &Figures) {
    let figure = |name| figures.get(name).map(|value| format!(" {name}={value:.2}"));
    let figures: String = figures.names().filter_map(figure).collect();
    println!("round {round} {name}:{figures}");
}

fn aims(rounds: &Rounds) -> Named {
    let none = Vec::new();
    let of = |name: &str| rounds.get(name).unwrap_or(&none).iter();
    let aim = |(name, (above, figure), below): &Aim| {
        let values: Vec<f64> = match below {
            None => of(above).filter_map(|round| round.get(figure)).collect(),
            Some((below, under)) => {
                let pairs = of(above).zip(of(below));
                pairs.filter_map(|(a, b)| Some(a.get(figure)? / b.get(under)?)).collect()
            }
        };
        Some((*name, Spread::of(values)?))
    };
    AIMS.iter().filter_map(aim).collect()
}

/// The load of the machine, over one minute.
fn load() -> Result<f64, BenchError> {
    let text = std::fs::read_to_string("/proc/loadavg").map_err(BenchError::io("/proc/loadavg"))?;
    let first = text.split(' ').next().and_then(|first| first.parse().ok());
    first.ok_or_else(|| BenchError::NoFigure("load of the machine".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_are_of_the_same_round() {
        let figures = |name, value| {
            let mut figures = Figures::default();
            figures.set(name, value);
            figures
        };
        let rate = |value| figures("requests_per_second", value);
        let rounds = Rounds::from([
            (reads::Asked::TallydHot.name(), vec![rate(300.0), rate(100.0)]),
            (reads::Asked::WebdisHot.name(), vec![rate(150.0), rate(40.0)]),
            ("tallyd", vec![figures("live_p99_ms", 250.0)]),
        ]);
        let aims = aims(&rounds);
        assert_eq!(aims.len(), 2);
        assert_eq!(aims["hot_rate_over_webdis"], Spread { median: 2.25, min: 2.0, max: 2.5 });
        assert_eq!(aims["live_p99_ms"].median, 250.0);
    }
}
