//! A batch through the bolts of a task: what they ask for is fetched, and they run on it.

use super::{OfNode, Task};
use crate::{
    context::{StageId, no_stage},
    guard,
    store::{Session, Store, StoreError},
    work::Work,
};
use tallyd_bolt::{Address, Effects};
use tokio::time::Instant;

impl<S: Store> Task<S> {
    /// Runs the bolts: first that of the node which reads, then those that take what it emits, and
    /// so on. Returns the partitions whose group skipped an entry: then nothing of the batch may be
    /// committed.
    pub(super) async fn process(
        &mut self,
        session: &mut S::Session,
        work: &mut Work,
    ) -> Result<Vec<u16>, StoreError> {
        let mut level = vec![StageId::READS];
        while !level.is_empty() {
            let skipped = self.process_level(session, work, &level).await?;
            if !skipped.is_empty() {
                return Ok(skipped);
            }
            level = level.iter().flat_map(|&stage| self.context.takers(stage)).collect();
        }
        self.fetch(session, Vec::new()).await
    }

    /// Runs some stages, whose state is fetched at once. An event that makes a bolt panic goes to
    /// the dead letters, and the others run again without it.
    async fn process_level(
        &mut self,
        session: &mut S::Session,
        work: &mut Work,
        level: &[StageId],
    ) -> Result<Vec<u16>, StoreError> {
        let now = self.options.shared.now(self.options.clock);
        let mut open = level.to_vec();
        // Every turn but the last of a stage takes an event out.
        while !open.is_empty() {
            let missing = open.iter().map(|&stage| self.missing(stage, work, now));
            let missing = missing.collect::<Result<_, StoreError>>()?;
            let skipped = self.fetch(session, missing).await?;
            if !skipped.is_empty() {
                return Ok(skipped);
            }
            let mut again = Vec::new();
            for stage in open {
                if !self.run_bolt(stage, work, now)? {
                    again.push(stage);
                }
            }
            open = again;
        }
        Ok(Vec::new())
    }

    /// The cells that a stage's bolt asks for and the cache lacks, with the place of the node.
    fn missing(
        &mut self,
        stage: StageId,
        work: &mut Work,
        now: i64,
    ) -> Result<(usize, Vec<Address>), StoreError> {
        let of = self.context.stage(stage)?;
        let node = of_stage(&mut self.nodes, stage)?;
        while let (Some(bolt), Some(batch)) = (&of.bolt, work.batch(stage, of, now)?) {
            let asked = guard::reads(&**bolt, &batch, &node.cache.known(Instant::now()));
            match asked {
                Ok(reads) => {
                    let asked = reads.asked();
                    let missing = node.cache.missing(reads.into_addresses());
                    node.metrics.looked_up(asked, missing.len() as u64);
                    return Ok((of.place, missing));
                }
                Err(poison) => work.reject(stage, of, poison.event, poison.reason)?,
            }
        }
        Ok((of.place, Vec::new()))
    }

    /// Runs a stage's bolt on the cells of the cache. Returns whether it went through.
    fn run_bolt(&mut self, stage: StageId, work: &mut Work, now: i64) -> Result<bool, StoreError> {
        let of = self.context.stage(stage)?;
        let node = of_stage(&mut self.nodes, stage)?;
        let outcome = match (&of.bolt, work.batch(stage, of, now)?) {
            (Some(bolt), Some(batch)) => {
                let began = Instant::now();
                let outcome = guard::process(&**bolt, &batch, node.cache.state());
                node.metrics.processed(began.elapsed());
                outcome
            }
            _ => Ok(Effects::default()),
        };
        match outcome {
            Ok(effects) => {
                work.finish(&self.context, stage, effects)?;
                Ok(true)
            }
            Err(poison) => {
                work.reject(stage, of, poison.event, poison.reason)?;
                Ok(false)
            }
        }
    }

    /// Brings cells into the caches. Returns the partitions whose group skipped an entry.
    async fn fetch(
        &mut self,
        session: &mut S::Session,
        mut missing: Vec<(usize, Vec<Address>)>,
    ) -> Result<Vec<u16>, StoreError> {
        missing.retain(|(_, addresses)| !addresses.is_empty());
        let spans = std::mem::take(&mut self.unchecked);
        if missing.is_empty() && spans.is_empty() {
            return Ok(Vec::new());
        }
        let fetched = session.fetch(missing, &spans).await?;
        for (place, address, cell) in fetched.cells {
            let stage = self.context.stage_of(place)?;
            of_stage(&mut self.nodes, stage)?.cache.insert(address, cell, Instant::now());
        }
        Ok(fetched.skipped)
    }
}

/// What the task has for a stage.
fn of_stage(nodes: &mut [OfNode], stage: StageId) -> Result<&mut OfNode, StoreError> {
    let count = nodes.len();
    nodes.get_mut(stage.0).ok_or_else(|| no_stage(stage, count))
}
