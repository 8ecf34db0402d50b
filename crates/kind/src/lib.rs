//! What a type of bolt is: its name and keys in a topology file, how its table is read, and how the
//! bolt is made. Each bolt's crate implements [`BoltKind`] and [`BoltOptions`]; the topology lists
//! the types.
//!
//! Text that was parsed as TOML goes in, options or faults come out. This crate does no I/O and
//! knows no bolt.

pub mod call;
pub mod corrected;
pub mod expected;
pub mod fault;
pub mod hints;
pub mod input;
pub mod key_spec;
pub mod parameters;
pub mod record;
pub mod row;
pub mod section;
pub mod sheet;
pub mod span_entry;
pub mod units;
pub mod view;

mod name;

pub use name::is_plain;

use crate::{
    input::{Input, Output},
    key_spec::KeySpec,
    record::Record,
    section::Section,
    view::View,
};
use std::{
    any::Any,
    fmt::{self, Debug},
    sync::Arc,
};
use tallyd_bolt::{
    Bolt, FieldRef, Lasting,
    calendar::{Calendar, Length},
};
use tallyd_event::{Event, Schema};

/// The types of bolts that a topology may name.
pub type Kinds = &'static [&'static dyn BoltKind];

/// A type of bolt, as a topology file knows it.
pub trait BoltKind: Sync {
    /// What the file calls it.
    fn name(&self) -> &'static str;

    /// What other systems call it, for a hint to those who write that.
    fn also_called(&self) -> &'static [&'static str] {
        &[]
    }

    /// What it does, in a sentence.
    fn doc(&self) -> &'static str;

    /// What it stores for applications, if anything: the kinds of Redis values.
    fn results(&self) -> Option<&'static str>;

    /// Whether what it stores is by windows of time: then an event can be late for it, and it depends
    /// on where days begin.
    fn is_by_time(&self) -> bool {
        false
    }

    /// Whether its bolts undo what an event did that is taken back ([`Event::taken_back`]). Then
    /// [`BoltKind::read`] refuses what can't be undone of that, where [`Input::corrected`] says
    /// that there are such events. A type that does not know them is refused behind a bolt that
    /// corrects.
    fn takes_back(&self) -> bool {
        false
    }

    /// What its results can be asked for.
    fn views(&self) -> &'static [&'static View] {
        &[]
    }

    /// The keys of its table, those that every bolt has left out.
    fn keys(&self) -> Vec<KeySpec>;

    /// Reads its table. `input` is what it reads, where that is known. `None` where something is
    /// faulty: that is told to the section's sheet.
    fn read(&self, section: &Section<'_>, input: Option<&Input>) -> Option<Arc<dyn BoltOptions>>;

    /// What the bolt of this name emits, whose options may be faulty (`None`).
    fn output(
        &self,
        node: &str,
        input: Option<&Input>,
        options: Option<&dyn BoltOptions>,
    ) -> Output;
}

/// The options of a bolt, every field resolved.
pub trait BoltOptions: Any + Debug + Send + Sync {
    /// The bolt's type.
    fn kind(&self) -> &'static dyn BoltKind;

    /// Makes the bolt. `input` is the schema of the events it reads; `seed` keys the fingerprints
    /// of a dedup bolt.
    fn build(
        &self,
        input: &Schema,
        calendar: &Calendar,
        partitions: u16,
        seed: [u8; 16],
    ) -> Arc<dyn Bolt>;

    /// What its stored state depends on, each with a name: data that was written under another
    /// shape can't be used.
    fn shape(&self) -> Vec<(String, String)>;

    /// What it wants its input to be partitioned by.
    fn partitioned_by(&self) -> Wanted<'_>;

    /// The field that names whom its results are about, where each is about one: a learner, a
    /// member of a board.
    fn about(&self) -> Option<&FieldRef> {
        None
    }

    /// How its results of one learner are read, if it has a view of them.
    fn record(&self) -> Option<&dyn Record> {
        None
    }

    /// The field that names the members whom an edit can take off its results; `None` where edits
    /// change nothing.
    fn edited_by(&self) -> Option<&FieldRef> {
        None
    }

    /// The fields by whose values it keeps something: an edit that forgets one of them takes that out.
    fn kept_by(&self) -> Vec<&FieldRef> {
        self.about().into_iter().collect()
    }

    /// What stays of a member's events when the member is forgotten, by this field of its input, or by
    /// one that its input does not have (`None`): in words, for people. `None` where nothing does.
    fn stays(&self, _field: Option<&str>) -> Option<String> {
        None
    }

    /// What it can take out of results of many, where it adds up events: what those of a member added
    /// who is forgotten. `None` for a bolt that adds up nothing.
    fn subtracts(&self) -> Option<Subtracts<'_>> {
        None
    }

    /// By what it knows an event again that comes once more, where it drops such events. `seed` is that
    /// of [`BoltOptions::build`].
    fn identity(&self, _event: &Event, _schema: &Schema, _seed: [u8; 16]) -> Option<Identity> {
        None
    }

    /// What an edit leaves that gives all of a member to another name, by this field of its input: in
    /// words, for people; `None` where it leaves nothing.
    ///
    /// # Errors
    /// Where it can't be done: why, and the way around if there is one. A bolt that keeps something by
    /// the field has to say that it can.
    fn renamed(&self, field: &str) -> Result<Option<String>, String> {
        match self.kept_by().iter().any(|by| by.name == field) {
            true => Err("its type keeps results by the name, and can't move them".to_owned()),
            false => Ok(None),
        }
    }

    /// By what name the events that it emits have a field of its input; `None` where they don't. One
    /// that passes events on is not asked.
    fn emits_as<'a>(&self, _field: &'a str) -> Option<&'a str> {
        None
    }

    /// The parts of its results that an edit can close, or start over; `None` where it has none.
    fn extent(&self) -> Option<Extent<'_>> {
        None
    }

    /// Whether it emits nothing but events that it read, as they came.
    fn passes_events_on(&self) -> bool {
        false
    }

    /// Whether it passes all events on but those that it knows again by [`BoltOptions::identity`]: then
    /// it can be told later which it dropped.
    fn drops_only_repeated(&self) -> bool {
        false
    }

    /// What people can do so that nothing of a member is counted in what stands behind it, in words;
    /// `None` where nothing helps.
    fn way_around(&self) -> Option<&'static str> {
        None
    }

    /// The names of the windows or periods that events can be late for.
    fn windows(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// What a bolt can take out of what it has added up.
#[derive(Clone, Debug)]
pub struct Subtracts<'a> {
    /// The fields of its input that it needs for it, beside the time; `None`: it can take out nothing.
    pub fields: Option<Vec<&'a FieldRef>>,
    /// What stays all the same, in words; `None` where nothing does.
    pub stays: Option<String>,
}

/// By what a bolt that drops repeated events knows one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The same for all that are the same.
    pub fingerprint: u128,
    /// The number of the bucket of time that it came in.
    pub bucket: i64,
    /// How many buckets may lie between two that are the same: of those further apart, both pass.
    pub reach: u64,
    /// How long a bucket is, in ms.
    pub bucket_ms: i64,
}

impl Identity {
    /// Whether it is dropped, as it comes again after the same event passed in a bucket.
    #[must_use]
    pub fn meets(self, bucket: i64) -> bool {
        self.bucket.abs_diff(bucket) <= self.reach
    }
}

/// The parts of a bolt's results: each is of a group in a period or window.
#[derive(Clone, Debug)]
pub struct Extent<'a> {
    /// The kinds of periods or windows, each with its name.
    pub periods: Vec<(&'a str, Length, Lasting)>,
    /// The fields that its groups are by.
    pub groups: Vec<Vec<&'a str>>,
    /// Whether a group is named by all of its fields. Else those that are left out may have any value.
    pub whole: bool,
    /// Whether events may be taken back from them, in the groups in which they counted.
    pub corrected: bool,
}

impl Debug for dyn BoltKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl dyn BoltOptions {
    /// The options as those of one type; `None` where they are of another.
    #[must_use]
    pub fn of<T: BoltOptions>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }

    /// The type's name in a topology file.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.kind().name()
    }
}

/// What a bolt wants its input to be partitioned by.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// The event's key.
    Key,
    /// The values of these fields. None: all events are in one partition.
    Fields(&'a [FieldRef]),
}
