//! A batch through the bolts of a task: what they ask for is fetched, and they run on it.

use super::{OfNode, Task};
use crate::{
    context::{StageId, no_stage},
    guard,
    store::{Fetched, Refused, Rejected, Session, Store, StoreError},
    work::{Inputs, Work},
};
use std::collections::BTreeMap;
use tallyd_bolt::{Address, Batch, Effects, Key, Reads};
use tallyd_event::Event;
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
        self.fetch(session, Vec::new()).await.map(|found| found.skipped)
    }

    /// Runs some stages, whose state is fetched at once. An event that makes a bolt panic, or needs
    /// a key that somebody else wrote, goes to the dead letters, and the others run again without
    /// it.
    async fn process_level(
        &mut self,
        session: &mut S::Session,
        work: &mut Work,
        level: &[StageId],
    ) -> Result<Vec<u16>, StoreError> {
        let now = self.options.shared.now(self.options.clock);
        let mut open = level.to_vec();
        // Every turn but the last of a stage takes an event out, or brings state that decides what else
        // is asked for.
        while !open.is_empty() {
            let asked = open.iter().map(|&stage| self.missing(stage, work, now));
            let asked = asked.collect::<Result<Vec<_>, StoreError>>()?;
            let (missing, incomplete): (Vec<_>, Vec<bool>) = asked.into_iter().unzip();
            let found = self.fetch(session, missing).await?;
            if !found.skipped.is_empty() {
                return Ok(found.skipped);
            }
            if !found.refused.is_empty() {
                self.refuse(work, &open, &found.refused, now)?;
                continue;
            }
            let mut again = Vec::new();
            for (stage, incomplete) in open.into_iter().zip(incomplete) {
                // Where what was found decides what else is needed, the bolt is asked again with it.
                if incomplete || !self.run_bolt(stage, work, now)? {
                    again.push(stage);
                }
            }
            open = again;
        }
        Ok(Vec::new())
    }

    /// The cells that a stage's bolt asks for and the cache lacks, with the place of the node, and
    /// whether it has to be asked again with them.
    fn missing(
        &mut self,
        stage: StageId,
        work: &mut Work,
        now: i64,
    ) -> Result<((usize, Vec<Address>), bool), StoreError> {
        let of = self.context.stage(stage)?;
        let node = of_stage(&mut self.nodes, stage)?;
        while let (Some(bolt), Some(batch)) = (&of.bolt, work.batch(stage, of, now)?) {
            let asked = guard::reads(&**bolt, &batch, &node.cache.known(Instant::now()));
            match asked {
                Ok(reads) => {
                    let (asked, incomplete) = (reads.asked(), reads.is_incomplete());
                    let missing = node.cache.missing(reads.into_addresses());
                    node.metrics.looked_up(asked, missing.len() as u64);
                    return Ok(((of.place, missing), incomplete));
                }
                Err(poison) => {
                    work.reject(stage, of, poison.event, Rejected::Panic, poison.reason)?;
                }
            }
        }
        Ok(((of.place, Vec::new()), false))
    }

    /// Rejects the events that ask for keys which hold something else than the bolts store there.
    fn refuse(
        &mut self,
        work: &mut Work,
        stages: &[StageId],
        refused: &[Refused],
        now: i64,
    ) -> Result<(), StoreError> {
        let mut rejected = 0;
        for &stage in stages {
            let of = self.context.stage(stage)?;
            let keys: BTreeMap<&Key, &str> = refused
                .iter()
                .filter(|refused| refused.node == of.place)
                .map(|refused| (&refused.key, refused.reason.as_str()))
                .collect();
            let (Some(bolt), Some(batch)) = (&of.bolt, work.batch(stage, of, now)?) else {
                continue;
            };
            let mut asking = Vec::new();
            // What is at hand decides what a bolt asks for, and what was refused is not at hand.
            let known = of_stage(&mut self.nodes, stage)?.cache.known(Instant::now());
            for (index, event) in batch.events.iter().enumerate().filter(|_| !keys.is_empty()) {
                let one = Batch { events: std::slice::from_ref(event), ..batch };
                let asked = guard::reads(&**bolt, &one, &known);
                let asked = asked.as_ref().into_iter().flat_map(Reads::iter);
                let reason = asked.filter_map(|address| keys.get(&address.key)).next();
                asking.extend(reason.map(|reason| (index, (*reason).to_owned())));
            }
            rejected += asking.len();
            // From behind, so that the places of the others stay.
            for (event, reason) in asking.into_iter().rev() {
                work.reject(stage, of, event, Rejected::WrongType, reason)?;
            }
        }
        if rejected == 0 {
            let reasons: Vec<&str> = refused.iter().map(|key| key.reason.as_str()).collect();
            let message = format!("no event asked for what was refused: {}", reasons.join("; "));
            return Err(StoreError::bug(message));
        }
        Ok(())
    }

    /// The partitions whose events make the bolts write to keys that refused a write: the batch's
    /// events run again, a partition at a time, on the state that they had. `None` where that does
    /// not tell.
    pub(super) fn writers(&self, batch: &Inputs, failed: &[(usize, Key)]) -> Option<Vec<u16>> {
        let mut writers = Vec::new();
        let topology = &self.context.topology;
        let stages = self.context.stages.iter().zip(&self.nodes).zip(&batch.events);
        for ((of, node), events) in stages {
            let keys: Vec<&Key> =
                failed.iter().filter(|(place, _)| *place == of.place).map(|(_, key)| key).collect();
            let (false, Some(bolt)) = (keys.is_empty(), &of.bolt) else { continue };
            let by = topology.partitioned_by(of.place)?;
            let mut parts: BTreeMap<u16, Vec<Event>> = BTreeMap::new();
            for event in events.iter() {
                let partition = by.partition(&of.input, event, topology.partitions);
                parts.entry(partition).or_default().push(event.clone());
            }
            for (partition, events) in parts {
                let part = Batch { schema: &of.input, events: &events, now: batch.now };
                let effects = guard::process(&**bolt, &part, node.cache.state()).ok()?;
                if effects.writes.iter().any(|write| keys.contains(&write.key())) {
                    writers.push(partition);
                }
            }
        }
        (!writers.is_empty()).then_some(writers)
    }

    /// Runs a stage's bolt on the cells of the cache. Returns whether it went through.
    fn run_bolt(&mut self, stage: StageId, work: &mut Work, now: i64) -> Result<bool, StoreError> {
        let of = self.context.stage(stage)?;
        let node = of_stage(&mut self.nodes, stage)?;
        let outcome = match (&of.bolt, work.batch(stage, of, now)?) {
            (Some(bolt), Some(batch)) => {
                let began = Instant::now();
                let outcome = guard::process(&**bolt, &batch, node.cache.state());
                let took = began.elapsed();
                node.metrics.processed(took);
                self.options.meter.bolt(stage.0, took);
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
                work.reject(stage, of, poison.event, Rejected::Panic, poison.reason)?;
                Ok(false)
            }
        }
    }

    /// Brings cells into the caches. What is left of the answer: the partitions whose group skipped
    /// an entry, and the keys that hold no cells.
    pub(super) async fn fetch(
        &mut self,
        session: &mut S::Session,
        mut missing: Vec<(usize, Vec<Address>)>,
    ) -> Result<Fetched, StoreError> {
        missing.retain(|(_, addresses)| !addresses.is_empty());
        let spans = std::mem::take(&mut self.unchecked);
        if missing.is_empty() && spans.is_empty() {
            return Ok(Fetched::default());
        }
        let mut fetched = session.fetch(missing, &spans).await?;
        for (place, address, cell) in std::mem::take(&mut fetched.cells) {
            let stage = self.context.stage_of(place)?;
            of_stage(&mut self.nodes, stage)?.cache.insert(address, cell, Instant::now());
        }
        Ok(fetched)
    }
}

/// What the task has for a stage.
fn of_stage(nodes: &mut [OfNode], stage: StageId) -> Result<&mut OfNode, StoreError> {
    let count = nodes.len();
    nodes.get_mut(stage.0).ok_or_else(|| no_stage(stage, count))
}
