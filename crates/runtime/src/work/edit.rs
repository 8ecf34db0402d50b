//! Edits: entries that go the way of events, in their place among them, and hold none.
//!
//! An entry of a source is an edit if it has the one field [`EDIT_FIELD`], and no other. It is a batch
//! of its own, and goes on along every edge to each partition that the member may be in. Where that
//! are several partitions that each send it to all of the next node, that one waits for the last: none
//! of the member's events that came before it can come after that. An edit of a part of a bolt's
//! results takes effect with the first, because what came before it is told by the entries of events.

use super::{EDIT_FIELD, FRAME_FIELD, entry::field};
use crate::{
    context::Context,
    store::{EditPart, Entry, Frame},
};
use tallyd_bolt::Handing;
use tallyd_event::{Edit, EditKind, EntryId, Handed, frame, partition_of};
use tallyd_topology::{EdgeKey, Node};

/// The edit that an entry of a source or of an edge is; `None` for any other entry.
#[must_use]
pub fn edit_of(source: bool, entry: &Entry) -> Option<Edit> {
    if source {
        let only = entry.fields.only().filter(|(name, _)| *name == EDIT_FIELD.as_bytes());
        return only.and_then(|(_, text)| Edit::from_text(text));
    }
    Edit::decode(field(entry, FRAME_FIELD)?)
}

/// An edit in one partition of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditWork {
    /// The partition.
    pub partition: u16,
    /// The edit.
    pub edit: Edit,
    /// How many copies of it have come, this one included.
    pub came: u32,
    /// By stage: how many results the commit of this batch changes.
    pub changed: Vec<u64>,
    /// By stage: what it hands over to partitions.
    pub handed: Vec<Vec<(u16, Vec<u8>)>>,
}

impl EditWork {
    pub(super) fn new(partition: u16, edit: Edit, stages: usize) -> Self {
        Self {
            partition,
            edit,
            came: 1,
            changed: vec![0; stages],
            handed: vec![Vec::new(); stages],
        }
    }

    /// Whether it waits for another copy.
    fn waits(&self) -> bool {
        self.came < self.edit.copies
    }

    /// The edit as bolts get it, if they do by now.
    pub fn for_bolts(&self) -> Option<Edit> {
        let mut edit = self.edit.clone();
        match &mut edit.scope {
            Some(scope) => scope.left = edit.copies.saturating_sub(self.came),
            None if self.waits() => return None,
            None => {}
        }
        Some(edit)
    }

    /// What the commit does of it in the bolt of a stage.
    pub(super) fn part(&self, stage: usize, bolt: &str) -> Option<EditPart> {
        let changed = self.changed.get(stage).copied().unwrap_or_default();
        let done = !self.waits();
        // What is handed over is of one bolt, and done by that alone.
        let is_of = self.edit.handed.is_none() || self.edit.is_for(bolt);
        let handed = || self.handed.get(stage).cloned().unwrap_or_default();
        let part =
            || EditPart { id: self.edit.id.clone(), changed, done, handed: handed(), place: None };
        (is_of && (done || self.edit.scope.is_some())).then(part)
    }

    /// Entries for the streams of partitions to which a bolt hands something over.
    pub(crate) fn handings(
        &self,
        bolt: &str,
        handings: Vec<Handing>,
    ) -> Result<Vec<(u16, Vec<u8>)>, frame::EncodeError> {
        let entry = |Handing { to, kind, member, state }| {
            let handed = Some(Handed { bolt: bolt.into(), state });
            let Edit { id, field, .. } = &self.edit;
            Ok((to, Edit { handed, ..Edit::new(id, kind, field, &member) }.encode()?))
        };
        handings.into_iter().map(entry).collect()
    }

    /// What the commit of a source notes of it: where it stands in the stream, for those who sweep up
    /// to there.
    pub(super) fn note(&self, place: Option<EntryId>) -> Option<EditPart> {
        let place = place.filter(|_| self.edit.kind == EditKind::Forget)?;
        let (id, handed) = (self.edit.id.clone(), Vec::new());
        Some(EditPart { id, changed: 0, done: false, handed, place: Some(place) })
    }

    /// Whether it goes on with this copy. One with a scope does so twice: before any event that comes
    /// after it, and behind all that came before it.
    /// What is handed over is there.
    fn goes_on(&self) -> bool {
        let is_first = self.edit.scope.is_some() && self.came == 1;
        self.edit.handed.is_none() && (!self.waits() || is_first)
    }

    /// By which other partitions of the node it goes on too; `None` where this one has no events of
    /// the member, and it does not.
    fn copies(&self, context: &Context) -> Option<u32> {
        if context.reads_source() {
            return Some(1);
        }
        let partitions = context.topology.partitions;
        if self.edit.scope.is_some() {
            let times = if self.edit.copies > 1 { 2 } else { 1 };
            return Some(u32::from(partitions) * times);
        }
        let by_member = match context.topology.partitioned_by(context.place)? {
            EdgeKey::Fields(places) => match places.as_slice() {
                [place] => {
                    let input = &context.stages.first()?.input;
                    input.fields.get(*place).is_some_and(|field| field.name == self.edit.field)
                }
                _ => false,
            },
            EdgeKey::Identity => false,
        };
        if !by_member {
            return Some(partitions.into());
        }
        let own = partition_of([self.edit.member.as_str()], partitions) == self.partition;
        own.then_some(1)
    }
}

/// What a node passes on of an edit: an entry for each partition of each of its edges.
pub(super) fn frames(
    context: &Context,
    (place, node): (usize, &Node),
    edit: Option<&EditWork>,
) -> Result<Vec<Frame>, frame::EncodeError> {
    let Some(work) = edit.filter(|work| work.goes_on() && !node.edges.is_empty()) else {
        return Ok(Vec::new());
    };
    let Some(copies) = work.copies(context) else { return Ok(Vec::new()) };
    let field = match work.edit.kind {
        EditKind::Hide | EditKind::Unhide | EditKind::Move | EditKind::Close | EditKind::Reset => {
            work.edit.field.clone()
        }
        // All that is kept of the member, by whatever name a bolt calls the field. Where it emits none,
        // nobody behind it has anything of the member, and says so for each partition all the same.
        EditKind::Forget | EditKind::Rename => {
            context.topology.emits_as(place, &work.edit.field).unwrap_or_default()
        }
    };
    let bytes = Edit { copies, field, ..work.edit.clone() }.encode()?;
    let edges = 0..node.edges.len();
    let partitions = 0..context.topology.partitions;
    let frame = |edge, partition| Frame { edge, partition, bytes: bytes.clone() };
    Ok(edges
        .flat_map(|edge| partitions.clone().map(move |p| (edge, p)))
        .map(|(e, p)| frame(e, p))
        .collect())
}
