//! One fact from a producer, or one that a bolt derived.

use crate::{EntryId, Schema, Value};
use smol_str::{SmolStr, format_smolstr};

/// An event: values in the order of its [`Schema`], and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The entry of the source stream that brought it. A derived event has that of its cause.
    pub origin: EntryId,
    /// Its place among the events of that entry; 0 where the entry holds one.
    pub index: u32,
    /// When it reached its source, in ms since the epoch, on the Redis server's clock: the time of
    /// its entry's id, or that of the read, where the id was ahead of the clock or no clock made it
    /// ([`Arrival::of`](crate::decode::Arrival::of) is the rule). It is decided once, by the task
    /// that reads the source, and every frame carries it.
    ///
    /// A dead letter that is replayed keeps that of its first arrival.
    pub arrived: i64,
    /// When this copy of it came, in ms since the epoch: [`Event::arrived`], but of a dead letter
    /// that is replayed the time of the replay. What is forgotten as events come (the identities of
    /// a dedup bolt) goes by this: it never goes back.
    ///
    /// Of an event that is taken back: when that was found out, or when it came, if that is later.
    pub entered: i64,
    /// Whether it is taken back: it counted before, under the same values and times, and what it
    /// did is to be undone. Only a bolt that corrects emits such events.
    pub taken_back: bool,
    /// The values, one for each field of the schema.
    pub values: Vec<Value>,
}

impl Event {
    /// An event of an entry whose id says when it came.
    #[must_use]
    pub fn new(origin: EntryId, index: u32, values: Vec<Value>) -> Self {
        let at = origin.time();
        Self { origin, index, arrived: at, entered: at, taken_back: false, values }
    }

    /// The value at a place of the schema; `Null` beyond its end.
    #[must_use]
    pub fn value(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    /// When the event reached its source, in ms since the epoch, on the Redis server's clock: what
    /// decides whether it is late. One that is taken back goes by when that was found out: a window
    /// that is final by then stays as it is.
    #[must_use]
    pub fn arrival(&self) -> i64 {
        if self.taken_back { self.arrived.max(self.entered) } else { self.arrived }
    }

    /// When the event happened, in ms since the epoch: its time field, or else when it arrived.
    #[must_use]
    pub fn time(&self, schema: &Schema) -> i64 {
        schema.time.and_then(|i| self.value(i).as_int()).unwrap_or(self.arrived)
    }

    /// The identity: two events with one key and one identity are one event.
    #[must_use]
    pub fn id(&self, schema: &Schema) -> SmolStr {
        match schema.id.map(|i| self.value(i)) {
            Some(value) if !value.is_null() => value.to_text(),
            _ => format_smolstr!("{}/{}", self.origin, self.index),
        }
    }

    /// The key: events with one key keep their order.
    #[must_use]
    pub fn key(&self, schema: &Schema) -> SmolStr {
        match schema.key.map(|i| self.value(i)) {
            Some(value) if !value.is_null() => value.to_text(),
            _ => self.id(schema),
        }
    }
}
