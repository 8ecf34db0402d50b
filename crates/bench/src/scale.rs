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
    wire,
    workload::{Workload, WorkloadOptions},
};
use redis::Value;
use std::{collections::HashMap, path::Path};
use tallyd_event::partition_of;
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
/// How many learners one call of the script puts there, or one command.
const CHUNK: u32 = 5_000;

/// Puts members on a board: every `step`th learner of a range, those that are new to it.
const BOARD: &str = "for i = ARGV[1], ARGV[2], ARGV[3] do \
    redis.call('ZADD', KEYS[1], 'NX', i % 997 + 0.5, 'u' .. string.format('%d', i)) end";

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
    fill(&mut server, setting, options, learners, with_state).await?;
    let workload = Workload::new(options);
    let measuring = Setting { options, workload: &workload, checked: false, ..*setting };
    run::run_on(&mut server, Contender::Tallyd, &measuring).await
}

/// Puts so many learners on a fresh server: on all boards, and with state in all bolts where that
/// is asked for.
///
/// # Errors
/// Where a worker or the server fails.
pub async fn fill(
    server: &mut Private,
    setting: &Setting<'_>,
    options: &WorkloadOptions,
    learners: u32,
    with_state: bool,
) -> Result<(), BenchError> {
    let mut first = Workload::new(&WorkloadOptions { events: FIRST, ..*options });
    first.answers.iter_mut().for_each(|answer| answer.number += FIRST_NUMBER);
    let making = Setting { options, workload: &first, checked: false, ..*setting };
    run::run_on(server, Contender::Tallyd, &making).await?;
    boards(server, learners, options.classes).await?;
    if with_state {
        for pattern in [outcome::FATIGUE, outcome::LEARNERS] {
            states(server, pattern, learners, setting.deployed.topology.partitions).await?;
        }
    }
    Ok(())
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

/// Copies what a learner of each partition has to all others of it who have nothing.
async fn states(
    server: &mut Private,
    pattern: &str,
    learners: u32,
    partitions: u16,
) -> Result<(), BenchError> {
    let mut names: Vec<Vec<String>> = vec![Vec::new(); partitions.into()];
    for learner in (0..learners).map(wire::user) {
        let partition = partition_of([learner.as_str()], partitions);
        names.get_mut(usize::from(partition)).into_iter().for_each(|all| all.push(learner.clone()));
    }
    for (partition, names) in names.iter().enumerate() {
        let key = pattern.replace('*', &partition.to_string());
        let stored: HashMap<String, Vec<u8>> = server.ask(&["HGETALL", &key]).await?;
        let mut values: Vec<&Vec<u8>> = stored.values().collect();
        values.sort_unstable_by_key(|value| value.len());
        // The busiest learner has practised a hundred concepts, most only a few.
        let Some(sample) = values.get(values.len() / 2) else { continue };
        let new: Vec<&String> = names.iter().filter(|name| !stored.contains_key(*name)).collect();
        for names in new.chunks(CHUNK as usize) {
            let mut put = redis::cmd("HSET");
            put.arg(&key);
            for name in names {
                put.arg(name.as_str()).arg(sample.as_slice());
            }
            let mut pipeline = redis::Pipeline::new();
            pipeline.add_command(put);
            server.connection.all(&pipeline).await?;
        }
    }
    Ok(())
}
