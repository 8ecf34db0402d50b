//! What came of a run, for people and for the record.

use crate::{ChaosError, fault::Kind, producer::Load, run::Options, stage::Stage, tape::Tape};
use redis::{Pipeline, from_redis_value};
use serde::Serialize;
use std::{fmt, path::Path, sync::atomic::Ordering};
use tallyd_harness::{Deployment, audit::Findings};
use tallyd_store::inspect;

/// How many differences are printed.
const SHOWN: usize = 20;
/// What workers say in their logs, and what it is called here.
const SAID: [(&str, &str); 3] = [
    ("commits fenced", "commit fenced"),
    ("groups restored", "consumer group was missing or had skipped entries"),
    ("errors of storage survived", "storage failed"),
];

/// A kind of fault in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suffered {
    /// Its name.
    pub fault: &'static str,
    /// How often it was struck.
    pub count: u64,
    /// The longest time, in s, in which a partition of the leaderboard showed nothing new, of
    /// those that began with such a fault.
    pub longest_gap: Option<f64>,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// For how long faults were struck, in s.
    pub seconds: f64,
    /// Which server it was.
    pub server: String,
    /// The faults by kind.
    pub faults: Vec<Suffered>,
    /// All faults.
    pub total: u64,
    /// What the run was made of and what happened in it, each with its name.
    pub facts: Vec<(&'static str, u64)>,
    /// How many figures were compared.
    pub figures: u64,
    /// One line for each that differs, and for each thing else that must not be.
    pub differences: Vec<String>,
    /// The audit's own summary.
    pub summary: String,
}

impl Outcome {
    /// Whether everything is as it must be.
    #[must_use]
    pub fn fine(&self) -> bool {
        self.differences.is_empty()
    }
}

/// What was sent.
pub(crate) struct Sent<'a> {
    /// What stood in the source.
    pub tape: &'a Tape,
    /// How many edits were refused because another one was on its way.
    pub refused: usize,
    /// The producers.
    pub load: &'a Load,
}

/// Puts it together. The workers still run, and the server is well.
pub(crate) async fn gather(
    options: &Options,
    stage: &mut Stage,
    open: &mut Deployment,
    Sent { tape, refused, load }: Sent<'_>,
    findings: Findings,
) -> Result<Outcome, ChaosError> {
    let status = inspect::status(&mut open.connection, &open.topology, &open.keys).await?;
    let halted = status.halted.iter().map(|(place, reason)| format!("{place} halted: {reason}"));
    let mut differences = findings.differences;
    differences.extend(tape.faults.iter().cloned());
    differences.extend(halted);
    let ledger = &tape.ledger;
    let mut facts = vec![
        ("events sent", ledger.sent),
        ("events distinct", ledger.distinct),
        ("duplicates", ledger.duplicates),
        ("dead letters", ledger.dead_letters()),
        ("entries", tape.entries() as u64),
        ("entries that stand twice, their first answer lost", tape.copies() as u64),
        ("edits done", tape.edits() as u64),
        ("edits refused, as a rename was on its way", refused as u64),
        ("sendings repeated", load.retries.load(Ordering::Relaxed)),
        ("workers started", stage.fleet.started() as u64),
        ("partitions taken over", take_overs(open).await?),
    ];
    for (name, text) in SAID {
        facts.push((name, said(&options.folder, text)?));
    }
    let longest = stage.gaps.longest();
    let suffered = |(kind, count): (&Kind, &u64)| Suffered {
        fault: kind.name(),
        count: *count,
        longest_gap: longest.get(kind).map(std::time::Duration::as_secs_f64),
    };
    Ok(Outcome {
        seed: options.seed,
        seconds: options.length.as_secs_f64(),
        server: stage.subject.version().await,
        faults: stage.struck.iter().map(suffered).collect(),
        total: stage.total(),
        facts,
        figures: findings.figures,
        differences,
        summary: findings.summary,
    })
}

/// The epochs of all fences: each take-over raises one by one.
async fn take_overs(open: &mut Deployment) -> Result<u64, ChaosError> {
    let mut ask = Pipeline::new();
    for node in &open.topology.nodes {
        for partition in 0..node.partitions {
            ask.cmd("GET").arg(open.keys.fence(&node.name, partition));
        }
    }
    let mut sum = 0;
    for fence in open.connection.all(&ask).await? {
        let fence: Option<String> = from_redis_value(fence)?;
        let epoch = fence.as_deref().and_then(|fence| fence.rsplit('#').nth(1)?.parse().ok());
        sum += epoch.unwrap_or(0_u64);
    }
    Ok(sum)
}

/// How often workers said this, in all of their logs.
fn said(folder: &Path, text: &str) -> Result<u64, ChaosError> {
    let read = || -> std::io::Result<u64> {
        let mut count = 0;
        for file in std::fs::read_dir(folder)? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with("worker-") {
                count += std::fs::read_to_string(file.path())?.matches(text).count() as u64;
            }
        }
        Ok(count)
    };
    read().map_err(ChaosError::io("can't read the workers' logs"))
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:28} {:>6}  longest gap", "fault", "count")?;
        for Suffered { fault, count, longest_gap } in &self.faults {
            let gap = longest_gap.map_or("-".to_owned(), |gap| format!("{gap:.2} s"));
            writeln!(f, "{fault:28} {count:6}  {gap:>9}")?;
        }
        writeln!(f, "{:28} {:6}", "all", self.total)?;
        writeln!(f)?;
        for (name, value) in &self.facts {
            writeln!(f, "{name}: {value}")?;
        }
        writeln!(f, "{}, seed {}, {} s of faults", self.server, self.seed, self.seconds)?;
        for difference in self.differences.iter().take(SHOWN) {
            writeln!(f, "DIFFERENCE {difference}")?;
        }
        if self.differences.len() > SHOWN {
            writeln!(f, "… and {} more", self.differences.len() - SHOWN)?;
        }
        writeln!(f, "{}", self.summary)?;
        let (figures, differ) = (self.figures, self.differences.len());
        write!(f, "audit: {figures} figures compared, {differ} differ")
    }
}
