//! An edit in a task: the bolts say what it changes, step by step, each step a fenced commit, the last
//! one with the acknowledgement.
//!
//! What a step needs is read from the server, and not from the caches: an edit looks at much that no
//! event has asked for. A worker that dies between two steps leaves the entry pending; the next one
//! asks the bolts again, and they say what is left. No event of the partition comes between: it is
//! read in order.

use super::Task;
use crate::{
    context::{Stage, StageId},
    guard,
    store::{Commit, EditPart, ErrorKind, Next, Outcome, Part, Session, Store, StoreError},
    work::{EditWork, Work},
};
use smol_str::SmolStr;
use std::sync::Arc;
use tallyd_bolt::{
    Address, Bolt, Cell, EditAt, EditStep, Effects, Handing, Key, Kind, Reads, State,
};
use tallyd_event::Edit;
use tokio::time::Instant;

/// How many cells are fetched at once, so that no answer is too long.
const FETCHED: usize = 4096;

/// How far an edit came.
pub(super) enum Edited {
    /// Its last step is in the batch. The partitions whose group skipped an entry: then nothing of it
    /// may be committed.
    Ready(Vec<u16>),
    /// The task no longer has all of its partitions, and what it read is claimed again.
    Interrupted,
}

impl<S: Store> Task<S> {
    /// Does all steps of the edit of a batch, but for the last one of each bolt.
    pub(super) async fn edit(
        &mut self,
        session: &mut S::Session,
        work: &mut Work,
        mut of: EditWork,
    ) -> Result<Edited, StoreError> {
        let skipped = self.fetch(session, Vec::new()).await?.skipped;
        if !skipped.is_empty() {
            return Ok(Edited::Ready(skipped));
        }
        let now = self.options.shared.now(self.options.clock);
        let partitions = self.context.topology.partitions;
        let at = EditAt { partition: of.partition, partitions, now };
        let mut copies = self.note_copy(session, &mut of).await?;
        let edit = of.for_bolts();
        let stages = self.context.stages.clone();
        for (number, stage) in stages.iter().enumerate() {
            let (Some(bolt), Some(edit)) = (&stage.bolt, &edit) else { continue };
            let name = self.context.node(stage)?.name.clone();
            let mut steps = match edit.is_for(&name) {
                true => self.steps(session, stage, bolt, edit, at).await?,
                false => Vec::new(),
            };
            if let Some(why) = steps.iter().find_map(|step| step.broken.as_ref()) {
                let message = format!("edit {} of {name}: {why}", edit.id);
                let error = StoreError::new(ErrorKind::Halt, message);
                let partition = Some(vec![of.partition]);
                self.halt(session, &Commit::read(Next::Nothing), partition, &error).await?;
                return Ok(Edited::Interrupted);
            }
            let last = steps.pop().unwrap_or_default();
            for step in steps {
                if !self.step(session, (number, stage), &of, step).await? {
                    return Ok(Edited::Interrupted);
                }
            }
            let handed = self.handings(stage, &of, last.handed)?;
            let mut effects = last.effects;
            if StageId(number) == StageId::READS {
                effects.writes.append(&mut copies.writes);
            }
            if let Some(changed) = of.changed.get_mut(number) {
                *changed = last.changed;
            }
            if let Some(of_stage) = of.handed.get_mut(number) {
                *of_stage = handed;
            }
            work.finish(&self.context, StageId(number), effects)?;
        }
        if edit.is_none() {
            work.finish(&self.context, StageId::READS, copies)?;
        }
        work.edit = Some(of);
        Ok(Edited::Ready(Vec::new()))
    }

    /// Counts the copies of an edit that come by several partitions.
    async fn note_copy(
        &mut self,
        session: &mut S::Session,
        of: &mut EditWork,
    ) -> Result<Effects, StoreError> {
        let mut effects = Effects::default();
        if of.edit.copies <= 1 {
            return Ok(effects);
        }
        let (key, id) = (Key::new(&["edits", &of.partition.to_string()]), of.edit.id.clone());
        let place = self.context.place;
        let state = self.gather(session, place, |reads| reads.field(&key, &id)).await?;
        let came = state.field(&key, &id).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let came = came.and_then(|text| text.parse::<u32>().ok()).unwrap_or_default() + 1;
        of.came = came;
        if came < of.edit.copies {
            effects.set_field(&key, &id, came.to_string());
        } else {
            effects.remove_field(&key, &id);
        }
        Ok(effects)
    }

    /// What an edit changes in a bolt.
    async fn steps(
        &mut self,
        session: &mut S::Session,
        stage: &Stage,
        bolt: &Arc<dyn Bolt>,
        edit: &Edit,
        at: EditAt,
    ) -> Result<Vec<EditStep>, StoreError> {
        let panicked = |said: String| StoreError::bug(format!("edit {}: {said}", edit.id));
        // A bolt that panics here would do so again: the state is read outside of the guard.
        let ask = |reads: &mut Reads<'_>| bolt.edit_reads(edit, at, reads);
        let state = self.gather(session, stage.place, ask).await?;
        guard::whole(|| bolt.edit(edit, at, &state)).map_err(panicked)
    }

    /// The cells that are asked for, again and again until nothing is missing. A key that holds
    /// something else than bolts store there holds nothing.
    async fn gather(
        &mut self,
        session: &mut S::Session,
        place: usize,
        ask: impl Fn(&mut Reads<'_>),
    ) -> Result<State, StoreError> {
        let mut state = State::default();
        loop {
            let (again, missing) = {
                let mut reads = Reads::beside(&state, i64::MIN);
                let asked = guard::whole(|| {
                    ask(&mut reads);
                    reads
                });
                let asked = asked.map_err(StoreError::bug)?;
                (asked.is_incomplete(), asked.into_addresses().into_iter().collect::<Vec<_>>())
            };
            for some in missing.chunks(FETCHED) {
                let fetched = session.fetch(vec![(place, some.to_vec())], &[]).await?;
                some.iter().for_each(|address| state.insert(address.clone(), empty(address)));
                for (_, address, cell) in fetched.cells {
                    state.insert(address, cell);
                }
            }
            if !again {
                return Ok(state);
            }
        }
    }

    /// Entries for the partitions to which a step hands something over.
    fn handings(
        &self,
        stage: &Stage,
        of: &EditWork,
        handings: Vec<Handing>,
    ) -> Result<Vec<(u16, Vec<u8>)>, StoreError> {
        let name = &self.context.node(stage)?.name;
        let entries = of.handings(name, handings);
        entries.map_err(|error| StoreError::bug(format!("an edit can't be encoded: {error}")))
    }

    /// Commits one step. Returns whether the task goes on with all that it had.
    async fn step(
        &mut self,
        session: &mut S::Session,
        (number, stage): (usize, &Stage),
        of: &EditWork,
        step: EditStep,
    ) -> Result<bool, StoreError> {
        let (writes, expiries) = (step.effects.writes, step.effects.expiries);
        let handed = self.handings(stage, of, step.handed)?;
        let (id, changed) = (SmolStr::clone(&of.edit.id), step.changed);
        let edit = Some(EditPart { id, changed, done: false, handed, place: None });
        let part = Part { node: stage.place, writes, expiries, edit, ..Part::default() };
        let commit = Commit { parts: vec![part], ..Commit::read(Next::Nothing) };
        match self.send(session, &commit).await {
            Ok(Outcome::Done(read)) => {
                if let Some((part, node)) = commit.parts.first().zip(self.nodes.get_mut(number)) {
                    node.cache.edited(&part.writes, Instant::now());
                }
                let kept = self.owned.keys().all(|p| read.kept.contains(p));
                if !kept {
                    self.keep(session, read.kept, true).await?;
                }
                Ok(kept)
            }
            Ok(Outcome::Fenced { kept }) => {
                self.metrics.fenced(self.owned.len(), kept.len());
                self.keep(session, kept, true).await?;
                Ok(false)
            }
            Err(error) if error.kind == ErrorKind::Halt => {
                self.halt(session, &commit, Some(vec![of.partition]), &error).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// The cell of an address that holds nothing.
fn empty(address: &Address) -> Cell {
    match address.kind {
        Kind::Counters(names) => Cell::Counters(names.iter().map(|_| 0).collect(), 0),
        Kind::Field => Cell::Field(None),
        Kind::Log => Cell::Log(Box::default()),
        Kind::Names | Kind::Ranked(..) => Cell::Names(Box::default()),
        Kind::Score => Cell::Score(None),
    }
}
