//! What the demo knows at one moment: read from Redis as any application would.

use redis::{Pipeline, Value, from_redis_value};
use std::{sync::atomic::Ordering, time::Duration};
use tallyd_bolt::Key;
use tallyd_harness::{
    Deployment,
    probe::{self, Probe},
    producer::Sent,
};
use tallyd_runtime::store::Owner;
use tallyd_store::inspect::{self, Status};

/// How many answers a concept needs before its share of right ones says something.
const ENOUGH_ANSWERS: u64 = 30;

/// What is known at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Since the load began.
    pub elapsed: Duration,
    /// How long the load goes on; `None` until the user ends it.
    pub length: Option<Duration>,
    /// Events that were sent, or are being sent.
    pub sent: u64,
    /// Events that count.
    pub counted: u64,
    /// Retries that were recognised.
    pub repeats: u64,
    /// Events that do not fit the schema.
    pub refused: u64,
    /// Counted events a second.
    pub rate: f64,
    /// Entries that wait.
    pub lag_entries: u64,
    /// How long the oldest of them has waited, in s.
    pub lag_seconds: f64,
    /// From XADD to visible, in s.
    pub p50: Option<f64>,
    /// From XADD to visible, in s.
    pub p99: Option<f64>,
    /// Members and scores, the best first.
    pub top: Vec<(String, i64)>,
    /// Concepts with their share of right answers and how many there were, the hardest first.
    pub hardest: Vec<(String, f64, u64)>,
    /// Learners with their state and score, the latest first.
    pub tired: Vec<(String, String, String)>,
    /// How many alerts there were.
    pub alerts: u64,
    /// Each worker, in words.
    pub workers: Vec<String>,
}

/// The processes that the demo started.
pub struct Workers<'a> {
    /// Their process ids, in order.
    pub pids: &'a [Option<u32>],
    /// Whether the first was killed.
    pub first_is_killed: bool,
}

/// Reads it all; of each list at most `rows`.
pub async fn take(
    open: &mut Deployment,
    workers: &Workers<'_>,
    rows: usize,
    (sent, probe): (&Sent, &Probe),
) -> anyhow::Result<Snapshot> {
    let status = inspect::status(&mut open.connection, &open.topology, &open.keys).await?;
    // Read after what was counted: no more can be counted than was sent before.
    let sent = sent.events.load(Ordering::Relaxed) + probe.sent.load(Ordering::Relaxed);
    let mut now = Snapshot {
        sent,
        p50: probe.quantile(0.5),
        p99: probe.quantile(0.99),
        ..Snapshot::default()
    };
    for node in &status.nodes {
        now.repeats += node.counts.duplicates;
        now.refused += node.counts.dead;
        if node.name == "points" {
            now.counted = node.counts.events;
        }
        if node.fused_with.is_some() {
            // Its lag is that of the other.
            continue;
        }
        now.lag_entries += node.lag.entries;
        let age = node.lag.oldest.map_or(0, |oldest| (status.now - oldest).max(0));
        now.lag_seconds = now.lag_seconds.max(age as f64 / 1000.0);
    }
    now.workers = words(&status, workers);
    results(open, &mut now, rows).await?;
    Ok(now)
}

/// What each worker does.
fn words(status: &Status, workers: &Workers<'_>) -> Vec<String> {
    let owners = |is: &dyn Fn(&Owner) -> bool| {
        let heads = status.nodes.iter().filter(|node| node.fused_with.is_none());
        heads.flat_map(|node| &node.owners).filter(|owner| is(owner)).count()
    };
    let mut words = Vec::new();
    for (number, pid) in (1..).zip(workers.pids) {
        let of_pid = status.workers.iter().find(|(worker, _)| Some(worker.pid) == *pid);
        let id = of_pid.map(|(worker, _)| worker.id.clone());
        let owned = owners(&|owner| matches!(owner, Owner::Worker(o) if Some(o) == id.as_ref()));
        words.push(match (number == 1 && workers.first_is_killed, owned) {
            (true, 0) => format!("worker {number}  killed"),
            (true, _) => {
                format!("worker {number}  killed; {owned} partitions wait for a new owner")
            }
            (false, 1) => format!("worker {number}  works on 1 partition"),
            (false, _) => format!("worker {number}  works on {owned} partitions"),
        });
    }
    let nobody = owners(&|owner| *owner == Owner::Nobody);
    if nobody > 0 {
        words.push(format!("nobody works on {nobody} partitions yet"));
    }
    words
}

async fn results(open: &mut Deployment, now: &mut Snapshot, rows: usize) -> anyhow::Result<()> {
    let groups = open.keys.bolt("concepts", &Key::new(&["groups", "all", "all"]));
    let board = open.keys.bolt("points", &Key::new(&["board", "all", "all", "everyone"]));
    let mut ask = Pipeline::new();
    ask.cmd("SMEMBERS").arg(groups);
    // One more: the probe measures, and is no learner.
    ask.cmd("ZREVRANGE").arg(board).arg(0).arg(rows).arg("WITHSCORES");
    ask.cmd("XREVRANGE").arg("fatigue-alerts").arg("+").arg("-").arg("COUNT").arg(rows);
    ask.cmd("XLEN").arg("fatigue-alerts");
    let mut replies = open.connection.all(&ask).await?.into_iter();
    let mut next = || replies.next().unwrap_or(Value::Nil);
    let groups: Vec<String> = from_redis_value(next())?;
    let top: Vec<(String, f64)> = from_redis_value(next())?;
    let learners = top.into_iter().filter(|(member, _)| member != probe::LEARNER);
    now.top = learners.map(|(member, score)| (member, score.floor() as i64)).take(rows).collect();
    let alerts: redis::streams::StreamRangeReply = from_redis_value(next())?;
    for alert in alerts.ids {
        let field = |name: &str| alert.get::<String>(name).unwrap_or_default();
        now.tired.push((field("learner"), field("state"), field("score")));
    }
    now.alerts = from_redis_value(next())?;
    now.hardest = hardest(open, groups).await?;
    now.hardest.truncate(rows);
    Ok(())
}

async fn hardest(
    open: &mut Deployment,
    groups: Vec<String>,
) -> anyhow::Result<Vec<(String, f64, u64)>> {
    let mut ask = Pipeline::new();
    for group in &groups {
        let key = open.keys.bolt("concepts", &Key::new(&["window", "all", "all", group]));
        ask.cmd("HMGET").arg(key).arg("answers").arg("right");
    }
    let mut concepts = Vec::new();
    for (group, counts) in groups.iter().zip(open.connection.all(&ask).await?) {
        let (answers, right): (Option<u64>, Option<u64>) = from_redis_value(counts)?;
        let (answers, right) = (answers.unwrap_or(0), right.unwrap_or(0));
        let name = Key::decode(group.strip_prefix("concept=").unwrap_or(group));
        if answers >= ENOUGH_ANSWERS && name != probe::CONCEPT {
            concepts.push((name, right as f64 / answers as f64, answers));
        }
    }
    concepts.sort_by(|a, b| a.1.total_cmp(&b.1));
    Ok(concepts)
}
