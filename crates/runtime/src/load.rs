//! What a worker tells of its load with its heartbeats: how busy its tasks and bolts are, and how
//! long the last probe took. Metrics have it in full; this is what shows without them.

use crate::store::{NodeLoad, ProbeSeen};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tallyd_topology::Topology;
use tokio::time::Instant;

/// The shortest time over which shares are measured: beats may come close together.
const SPAN: Duration = Duration::from_millis(900);

/// What one task counts of itself.
#[derive(Debug)]
pub struct Meter {
    /// Time from the entries of batches to their commits, in µs.
    busy: AtomicU64,
    /// By stage of its context.
    stages: Vec<StageMeter>,
}

#[derive(Debug, Default)]
struct StageMeter {
    /// Time in the bolt's own code, in µs.
    bolt: AtomicU64,
    probe: Mutex<Option<ProbeSeen>>,
}

impl Meter {
    /// A meter of a task with so many stages.
    #[must_use]
    pub fn new(stages: usize) -> Self {
        let stages = (0..stages).map(|_| StageMeter::default()).collect();
        Self { busy: AtomicU64::new(0), stages }
    }

    /// A batch took so long, from its entries to its commit.
    pub fn batch(&self, took: Duration) {
        self.busy.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    /// How long its batches took so far, in µs.
    pub fn busy(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }

    /// The bolt of a stage took so long.
    pub fn bolt(&self, stage: usize, took: Duration) {
        if let Some(stage) = self.stages.get(stage) {
            stage.bolt.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
        }
    }

    /// A probe came through a stage.
    pub fn probe(&self, stage: usize, seen: ProbeSeen) {
        if let Some(stage) = self.stages.get(stage) {
            *stage.probe.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        }
    }
}

/// The load of a worker, as it is told.
pub struct Loads {
    nodes: Vec<OfNode>,
    measured: Instant,
    told: BTreeMap<SmolStr, NodeLoad>,
}

struct OfNode {
    /// The node that reads, then those fused with it: by stage.
    names: Vec<SmolStr>,
    /// By task, with what it had counted when it was looked at last.
    meters: Vec<(Arc<Meter>, Counted)>,
}

/// What a meter has counted, in µs.
#[derive(Clone, Default)]
struct Counted {
    busy: u64,
    /// By stage.
    bolts: Vec<u64>,
}

impl Loads {
    /// The load of tasks: of each node that reads, the places of it and of those fused with it, and
    /// its tasks' meters.
    pub fn of<'a>(
        topology: &Topology,
        nodes: impl Iterator<Item = (&'a [usize], &'a [Arc<Meter>])>,
    ) -> Self {
        let name = |place: &usize| topology.nodes.get(*place).map(|node| node.name.clone());
        let named = |places: &[usize]| places.iter().map(|p| name(p).unwrap_or_default()).collect();
        Self::new(
            nodes.map(|(places, meters)| (named(places), meters.to_vec())).collect(),
            Instant::now(),
        )
    }

    fn new(nodes: Vec<(Vec<SmolStr>, Vec<Arc<Meter>>)>, now: Instant) -> Self {
        let nodes = nodes.into_iter().map(|(names, meters)| OfNode {
            names,
            meters: meters.into_iter().map(|meter| (meter, Counted::default())).collect(),
        });
        Self { nodes: nodes.collect(), measured: now, told: BTreeMap::new() }
    }

    /// The load of each node.
    pub fn tell(&mut self, now: Instant) -> &BTreeMap<SmolStr, NodeLoad> {
        let span = now.saturating_duration_since(self.measured);
        if span >= SPAN {
            self.measured = now;
            let nodes = self.nodes.iter_mut().flat_map(|node| node.measure(span));
            self.told = nodes.collect();
        }
        &self.told
    }
}

impl OfNode {
    fn measure(&mut self, span: Duration) -> Vec<(SmolStr, NodeLoad)> {
        let mut loads = vec![NodeLoad::default(); self.names.len()];
        for (meter, before) in &mut self.meters {
            let now = meter.counted();
            for (stage, load) in loads.iter_mut().enumerate() {
                if stage == 0 {
                    load.busy = load.busy.max(percent(now.busy - before.busy, span));
                }
                let bolt = |counted: &Counted| counted.bolts.get(stage).copied().unwrap_or(0);
                load.bolt = load.bolt.max(percent(bolt(&now) - bolt(before), span));
                load.probe = load.probe.max(meter.probed(stage));
            }
            *before = now;
        }
        self.names.iter().cloned().zip(loads).collect()
    }
}

impl Meter {
    fn counted(&self) -> Counted {
        let bolts = self.stages.iter().map(|stage| stage.bolt.load(Ordering::Relaxed));
        Counted { busy: self.busy(), bolts: bolts.collect() }
    }

    fn probed(&self, stage: usize) -> Option<ProbeSeen> {
        let stage = self.stages.get(stage)?;
        *stage.probe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time as percent of a span. A batch that began before the span counts where it ends.
fn percent(us: u64, span: Duration) -> u8 {
    let percent = u128::from(us) * 100 / span.as_micros().max(1);
    u8::try_from(percent.min(100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(sent: i64) -> ProbeSeen {
        ProbeSeen { sent, took: 7 }
    }

    #[test]
    fn a_node_is_as_busy_as_its_busiest_task_and_a_fused_bolt_has_its_own_share() {
        let meters = [Arc::new(Meter::new(2)), Arc::new(Meter::new(2))];
        let names = vec!["unique".into(), "points".into()];
        let began = Instant::now();
        let mut loads = Loads::new(vec![(names, meters.to_vec())], began);
        meters[0].batch(Duration::from_millis(300));
        meters[1].batch(Duration::from_millis(800));
        meters[0].bolt(1, Duration::from_millis(120));
        meters[0].bolt(2, Duration::from_secs(9));
        meters[0].probe(0, seen(5));
        meters[1].probe(0, seen(4));
        assert!(loads.tell(began + Duration::from_millis(10)).is_empty(), "too short to measure");
        let told = loads.tell(began + Duration::from_secs(2)).clone();
        assert_eq!(told["unique"], NodeLoad { busy: 40, bolt: 0, probe: Some(seen(5)) });
        assert_eq!(told["points"], NodeLoad { busy: 0, bolt: 6, probe: None });
        assert_eq!(loads.tell(began + Duration::from_millis(2100)), &told, "until it is due again");

        // From where it was, and never more than all of the time.
        meters[0].batch(Duration::from_secs(7));
        let told = loads.tell(began + Duration::from_secs(3));
        assert_eq!((told["unique"].busy, told["points"].bolt), (100, 0));
        assert_eq!(told["unique"].probe, Some(seen(5)), "the last one stays");
    }
}
