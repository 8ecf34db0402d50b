//! The processes of a contender: workers of tallyd, or a consumer of the benchmark's own.

use crate::{
    BenchError, consume::Consumer, contender::Contender, cpu, run::Setting, server::Private,
    workload::WorkloadOptions,
};
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tallyd_harness::WorkerProcess;
use tallyd_store::keys::Keys;
use tallyd_topology::Topology;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long processes may take until they are ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often tallyd's cursors are read: seldom enough to cost nothing.
const LOOK: Duration = Duration::from_millis(20);
/// The topology's name.
const TOPOLOGY: &str = "testprep";
/// The bolts at its ends.
const LAST: [&str; 4] = ["concepts", "points", "fatigue", "mastery"];

/// tallyd's side of a run.
#[derive(Clone, Copy, Debug)]
pub struct Deployed<'a> {
    /// The program.
    pub program: &'a Path,
    /// The topology.
    pub topology: &'a Topology,
    /// Its file.
    pub file: &'a Path,
    /// How many workers.
    pub workers: usize,
}

/// The processes, which are killed when this is dropped.
pub enum Processes {
    /// A consumer of the benchmark's own.
    Consumer(Child),
    /// Workers of tallyd.
    Workers(Vec<WorkerProcess>),
}

impl Processes {
    /// Starts them and waits until they are ready. `progress` will count the events processed.
    ///
    /// # Errors
    /// Where one can't be started, or is not ready in time.
    pub async fn start(
        contender: Contender,
        server: &mut Private,
        setting: &Setting<'_>,
        first_at: i64,
        progress: &Arc<AtomicU64>,
    ) -> Result<Self, BenchError> {
        match contender.consumer() {
            Some(consumer) => {
                if consumer != Consumer::Direct && consumer != Consumer::SeaStreamer {
                    let stream = crate::wire::STREAM;
                    let group = crate::consume::GROUP;
                    server.ask::<()>(&["XGROUP", "CREATE", stream, group, "0", "MKSTREAM"]).await?;
                }
                start_consumer(contender, &server.url, setting, first_at, progress).await
            }
            None => start_workers(server, &setting.deployed).await,
        }
    }

    /// Lets those begin who do not wait for entries.
    ///
    /// # Errors
    /// Where the process is gone.
    pub async fn go(&mut self) -> Result<(), BenchError> {
        if let Self::Consumer(child) = self
            && let Some(input) = &mut child.stdin
        {
            input.write_all(b"go\n").await.map_err(BenchError::io("start a consumer"))?;
        }
        Ok(())
    }

    /// Their processor time so far, in µs.
    ///
    /// # Errors
    /// Where a process is gone.
    pub fn cpu(&self) -> Result<f64, BenchError> {
        let ids: Vec<u32> = match self {
            Self::Consumer(child) => child.id().into_iter().collect(),
            Self::Workers(workers) => workers.iter().filter_map(WorkerProcess::pid).collect(),
        };
        ids.into_iter().map(cpu::process).sum()
    }

    /// Waits until so many events are processed. tallyd's last bolts have
    /// processed `before` already, and for it `target` counts no retries.
    ///
    /// # Errors
    /// Where nothing goes on for too long, or a process ends.
    pub async fn until_done(
        &mut self,
        server: &mut Private,
        (target, before): (u64, u64),
        progress: &AtomicU64,
    ) -> Result<Instant, BenchError> {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            if let Self::Workers(_) = self {
                let done = processed(server).await?.saturating_sub(before);
                progress.store(done, Ordering::Relaxed);
            }
            let done = progress.load(Ordering::Relaxed);
            if done >= target {
                return Ok(Instant::now());
            }
            if done > last {
                (last, since) = (done, Instant::now());
            }
            if since.elapsed() > PATIENCE {
                let what = format!("{done} of {target} events were processed, and no more");
                return Err(BenchError::Timeout { what, seconds: PATIENCE.as_secs() });
            }
            self.check(done)?;
            sleep(if matches!(self, Self::Consumer(_)) { LOOK / 10 } else { LOOK }).await;
        }
    }

    /// Lets workers hand over and end; consumers are killed.
    ///
    /// # Errors
    /// Where a worker does not end in time.
    pub async fn stop(self) -> Result<(), BenchError> {
        if let Self::Workers(workers) = self {
            for worker in workers {
                worker.stop().await?;
            }
        }
        Ok(())
    }

    fn check(&mut self, done: u64) -> Result<(), BenchError> {
        match self {
            Self::Workers(workers) => {
                workers.iter_mut().try_for_each(WorkerProcess::check).map_err(BenchError::from)
            }
            Self::Consumer(child) => {
                match child.try_wait().map_err(BenchError::io("look at a consumer"))? {
                    Some(status) if !status.success() => Err(BenchError::Ended {
                        what: format!("the consumer, after {done} events,"),
                        status,
                    }),
                    _ => Ok(()),
                }
            }
        }
    }
}

async fn start_consumer(
    contender: Contender,
    url: &str,
    setting: &Setting<'_>,
    first_at: i64,
    progress: &Arc<AtomicU64>,
) -> Result<Processes, BenchError> {
    let mut command = Command::new(setting.consumer);
    command.args(["consume", contender.name(), "--url", url]);
    command.arg("--first-at").arg(first_at.to_string());
    let WorkloadOptions { seed, events, learners, concepts, questions, classes, skew } =
        setting.options;
    command.arg("--seed").arg(seed.to_string()).arg("--events").arg(events.to_string());
    command.arg("--learners").arg(learners.to_string()).arg("--concepts").arg(concepts.to_string());
    command.arg("--questions").arg(questions.to_string()).arg("--classes").arg(classes.to_string());
    command.arg("--skew").arg(skew.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(BenchError::io("start a consumer"))?;
    let gone = || BenchError::io("hear of a consumer")(std::io::ErrorKind::BrokenPipe.into());
    let output = child.stdout.take().ok_or_else(gone)?;
    let mut lines = BufReader::new(output).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.map_err(|_| {
        let what = format!("{} was not ready", contender.name());
        BenchError::Timeout { what, seconds: PATIENCE.as_secs() }
    })?;
    if first.map_err(BenchError::io("hear of a consumer"))?.as_deref() != Some("ready") {
        let status = child.wait().await.map_err(BenchError::io("wait for a consumer"))?;
        return Err(BenchError::Ended { what: contender.name().to_owned(), status });
    }
    let progress = Arc::clone(progress);
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(done) = line.strip_prefix("done ").and_then(|n| n.parse().ok()) {
                progress.store(done, Ordering::Relaxed);
            }
        }
    });
    Ok(Processes::Consumer(child))
}

/// Starts workers and waits until they own all partitions.
///
/// # Errors
/// Where one can't be started, or they do not take the partitions in time.
pub async fn start_workers(
    server: &mut Private,
    deployed: &Deployed<'_>,
) -> Result<Processes, BenchError> {
    let mut workers = Vec::new();
    for number in 1..=deployed.workers {
        let Deployed { program, file, .. } = deployed;
        let folder = server.folder().to_owned();
        workers.push(WorkerProcess::start(program, &folder, file, &server.url, number)?);
    }
    let keys = Keys::new(&deployed.topology.name, 0);
    until_owned(server, deployed.topology, &keys, deployed.workers).await?;
    Ok(Processes::Workers(workers))
}

/// Waits until every partition has an owner, and as many workers own some as there are. Of a fence
/// it reads no more than its owner, which stands first in that of every build: it may be another
/// one that is measured.
///
/// # Errors
/// Where that does not happen in time.
pub async fn until_owned(
    server: &mut Private,
    topology: &Topology,
    keys: &Keys,
    workers: usize,
) -> Result<(), BenchError> {
    let heads =
        topology.nodes.iter().enumerate().filter(|(place, _)| topology.head(*place) == *place);
    let fences = heads.flat_map(|(_, n)| (0..n.partitions).map(|p| keys.fence(&n.name, p)));
    let fences: Vec<String> = fences.collect();
    let began = Instant::now();
    loop {
        let stored: Vec<Option<String>> = server.of_each(&["GET"], &fences, &[]).await?;
        let owner = |fence: &Option<String>| {
            let owner = fence.as_deref()?.split('#').next()?.to_owned();
            (!owner.is_empty()).then_some(owner)
        };
        let owners: Vec<Option<String>> = stored.iter().map(owner).collect();
        let different: HashSet<&String> = owners.iter().flatten().collect();
        if owners.iter().all(Option::is_some) && different.len() == workers {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let what = "the workers did not take all partitions".to_owned();
            return Err(BenchError::Timeout { what, seconds: PATIENCE.as_secs() });
        }
        sleep(LOOK).await;
    }
}

/// How many events every one of tallyd's last bolts has processed. A cursor is an entry id and
/// counts, of which the first is that of events.
///
/// # Errors
/// Where the server can't be read.
pub async fn processed(server: &mut Private) -> Result<u64, BenchError> {
    let keys = Keys::new(TOPOLOGY, 0);
    let cursors: Vec<String> = LAST.iter().map(|bolt| keys.cursors(bolt)).collect();
    let stored: Vec<HashMap<String, String>> = server.of_each(&["HGETALL"], &cursors, &[]).await?;
    let events = |cursor: &String| {
        let events = cursor.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
        let what = format!("read \"{cursor}\" as a cursor");
        events.ok_or_else(|| BenchError::io(what)(std::io::ErrorKind::InvalidData.into()))
    };
    let of_bolts = stored.iter().map(|bolt| bolt.values().map(events).sum::<Result<u64, _>>());
    Ok(of_bolts.collect::<Result<Vec<u64>, _>>()?.into_iter().min().unwrap_or(0))
}
