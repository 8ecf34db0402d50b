//! Many events in one entry: its `batch` field is a MessagePack array of maps.

use crate::Fields;
use serde::{Serialize, Serializer};

/// The most events of one entry.
const EVENTS: usize = 100;
/// The length at which an entry is full, in bytes of text: far below what a source takes.
const BYTES: usize = 1 << 20;

/// The events of an entry that is being filled.
#[derive(Debug, Default)]
pub struct Batch {
    events: Vec<Event>,
    bytes: usize,
}

#[derive(Debug)]
struct Event(Fields);

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(field, value)| (field.as_str(), value.as_str())))
    }
}

impl Batch {
    /// Adds an event, and says whether the entry is full.
    pub fn push(&mut self, fields: Fields) -> bool {
        self.bytes += fields.iter().map(|(field, value)| field.len() + value.len()).sum::<usize>();
        self.events.push(Event(fields));
        self.events.len() >= EVENTS || self.bytes >= BYTES
    }

    /// The value of the `batch` field and how many events it holds, and begins again; `None`
    /// while there are none.
    /// # Errors
    /// Where they can't be encoded.
    pub fn take(&mut self) -> Result<Option<(Vec<u8>, u64)>, rmp_serde::encode::Error> {
        if self.events.is_empty() {
            return Ok(None);
        }
        self.bytes = 0;
        let events = std::mem::take(&mut self.events);
        Ok(Some((rmp_serde::to_vec(&events)?, events.len() as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_event::{
        EntryId, Field, FieldType, Schema,
        decode::{self, TimeLimits},
    };

    #[test]
    fn a_source_decodes_what_was_batched() {
        let fields = ["id", "user"].map(|name| Field::new(name, FieldType::String)).to_vec();
        let schema = Schema { fields, id: Some(0), ..Schema::default() };
        let mut batch = Batch::default();
        let mut full = Vec::new();
        for number in 0..150 {
            let fields =
                vec![("user".into(), "ü".into()), ("id".into(), number.to_string().into())];
            if batch.push(fields) {
                full.push(number);
            }
            if number == 99 {
                let (bytes, events) = batch.take().unwrap().unwrap();
                let entry = [(decode::BATCH_FIELD.as_bytes().to_vec(), bytes)];
                let decoded = decode::decode(&schema, TimeLimits::NONE, EntryId::ZERO, &entry);
                assert_eq!((decoded.events.len(), decoded.rejects.len(), events), (100, 0, 100));
                assert_eq!(decoded.events[99].id(&schema), "99");
            }
        }
        assert_eq!(full, [99]);
        assert_eq!(batch.take().unwrap().unwrap().1, 50);
        assert!(batch.take().unwrap().is_none());
    }

    #[test]
    fn long_events_fill_an_entry_early() {
        let long = vec![("id".into(), "x".repeat(BYTES).into())];
        assert!(Batch::default().push(long));
    }
}
