//! How the cost of an event grows with partitions, workers, learners and the size of boards.
//!
//! Learners and boards are put there first: every learner has state in all bolts, or stands on
//! every board, before an event is measured. What is stored is copied from a learner that tallyd
//! wrote.

use crate::{
    BenchError,
    contender::Contender,
    outcome,
    processes::Deployed,
    results::ScalePoint,
    run::{self, Setting},
    server::Private,
    workload::{Workload, WorkloadOptions},
};
use redis::Value;
use std::path::Path;
use tallyd_topology::Topology;

const PARTITIONS: [u16; 4] = [1, 4, 16, 64];
const WORKERS: [usize; 3] = [1, 2, 4];
const LEARNERS: [u32; 4] = [10_000, 200_000, 1_000_000, 5_000_000];
/// How many learners answer where the size of boards is varied.
const ON_BOARDS: u32 = 10_000;
/// How many events make the keys that are copied.
const FIRST: usize = 2_000;
/// The numbers of those events, above all others: their identities are none of the run's.
const FIRST_NUMBER: u32 = 3_000_000_000;
/// How many learners one call of the script puts there.
const CHUNK: u32 = 5_000;

/// Puts members on a board: every `step`th learner of a range, those that are new to it.
const BOARD: &str = "for i = ARGV[1], ARGV[2], ARGV[3] do \
    redis.call('ZADD', KEYS[1], 'NX', i % 997 + 0.5, 'u' .. string.format('%d', i)) end";
/// Copies a hash to the learners of a range who have none.
const LEARNER: &str = "local stored = redis.call('HGETALL', KEYS[1]); \
    for i = ARGV[1], ARGV[2] do local key = ARGV[3] .. string.format('%d', i); \
    if redis.call('EXISTS', key) == 0 then redis.call('HSET', key, unpack(stored)) end end";

/// The topology with another number of partitions.
///
/// # Errors
/// Where it does not hold or can't be written.
pub fn topology(text: &str, partitions: u16, file: &Path) -> Result<Topology, BenchError> {
    let text = text.replace("partitions = 16", &format!("partitions = {partitions}"));
    std::fs::write(file, &text).map_err(BenchError::io("write the topology"))?;
    tallyd_topology::parse("testprep.toml", &text, &|_| None)
        .map_err(|faults| BenchError::Faults(faults.render(false)))
}

/// Measures all points. `text`: the topology file. `biggest`: no more learners than these.
///
/// # Errors
/// Where a run fails.
pub async fn measure(
    setting: &Setting<'_>,
    text: &str,
    biggest: u32,
) -> Result<Vec<ScalePoint>, BenchError> {
    let mut points = Vec::new();
    let folder = tempfile::tempdir().map_err(BenchError::io("make a folder"))?;
    let file = folder.path().join("testprep.toml");
    for partitions in PARTITIONS {
        let topology = topology(text, partitions, &file)?;
        let deployed = Deployed { topology: &topology, file: &file, ..setting.deployed };
        let measured = run::run(Contender::Tallyd, &Setting { deployed, ..*setting }).await?;
        points.push(point("partitions", u64::from(partitions), measured));
    }
    for workers in WORKERS {
        let deployed = Deployed { workers, ..setting.deployed };
        let measured = run::run(Contender::Tallyd, &Setting { deployed, ..*setting }).await?;
        points.push(point("workers", workers as u64, measured));
    }
    for learners in LEARNERS.into_iter().filter(|learners| *learners <= biggest) {
        let options = WorkloadOptions { learners, ..*setting.options };
        let measured = filled(setting, &options, learners, true).await?;
        points.push(point("learners", u64::from(learners), measured));
    }
    for members in LEARNERS.into_iter().filter(|members| *members <= biggest) {
        let options = WorkloadOptions { learners: ON_BOARDS, ..*setting.options };
        let measured = filled(setting, &options, members, false).await?;
        points.push(point("board members", u64::from(members), measured));
    }
    Ok(points)
}

fn point(what: &'static str, amount: u64, measured: run::Measured) -> ScalePoint {
    println!("scale: {what} {amount}");
    ScalePoint { what, amount, figures: measured.figures }
}

/// A run on a server that holds so many learners already, on boards or with all their state.
async fn filled(
    setting: &Setting<'_>,
    options: &WorkloadOptions,
    learners: u32,
    with_state: bool,
) -> Result<run::Measured, BenchError> {
    let mut server = Private::start(setting.aof).await?;
    let mut first = Workload::new(&WorkloadOptions { events: FIRST, ..*options });
    first.answers.iter_mut().for_each(|answer| answer.number += FIRST_NUMBER);
    let making = Setting { options, workload: &first, checked: false, ..*setting };
    run::run_on(&mut server, Contender::Tallyd, &making).await?;
    boards(&mut server, learners, options.classes).await?;
    if with_state {
        for pattern in [outcome::FATIGUE, outcome::MASTERY] {
            states(&mut server, pattern, learners).await?;
        }
    }
    let workload = Workload::new(options);
    let measuring = Setting { options, workload: &workload, checked: false, ..*setting };
    run::run_on(&mut server, Contender::Tallyd, &measuring).await
}

async fn boards(server: &mut Private, learners: u32, classes: u32) -> Result<(), BenchError> {
    for key in server.keys(outcome::BOARDS).await? {
        let class = key.rsplit_once("class=c").and_then(|(_, class)| class.parse::<u32>().ok());
        let (from, step) = class.map_or((0, 1), |class| (class, classes));
        let mut begin = from;
        while begin < learners {
            let end = begin + CHUNK * step;
            let range = [begin, end.min(learners) - 1, step].map(|n| n.to_string());
            let [first, last, step] = &range;
            server.ask::<Value>(&["EVAL", BOARD, "1", &key, first, last, step]).await?;
            begin = end;
        }
    }
    Ok(())
}

async fn states(server: &mut Private, pattern: &str, learners: u32) -> Result<(), BenchError> {
    let keys = server.keys(pattern).await?;
    let lengths: Vec<u64> = server.of_each(&["HLEN"], &keys, &[]).await?;
    let mut by_length: Vec<(u64, String)> = lengths.into_iter().zip(keys).collect();
    by_length.sort_unstable();
    // The busiest learner has practised a hundred concepts, most only a few.
    let Some((_, sample)) = by_length.get(by_length.len() / 2).cloned() else { return Ok(()) };
    let prefix = pattern.replace('*', "u");
    for begin in (0..learners).step_by(CHUNK as usize) {
        let (begin, end) = (begin.to_string(), ((begin + CHUNK).min(learners) - 1).to_string());
        server.ask::<Value>(&["EVAL", LEARNER, "1", &sample, &begin, &end, &prefix]).await?;
    }
    Ok(())
}
