//! What a row is held against: the source, as it would judge an event that arrives now.

use smol_str::SmolStr;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tallyd_event::{
    EntryId, Event, Schema,
    decode::{self, Given, Reason, TimeLimits},
};

/// The fields of an event, in the order of the source's schema, as text.
pub type Fields = Vec<(SmolStr, SmolStr)>;

/// The source that rows are for.
#[derive(Clone, Debug)]
pub struct Source {
    /// What its events look like.
    pub schema: Arc<Schema>,
    /// How far an event's time may lie from its arrival.
    pub limits: TimeLimits,
}

/// Now, by our own clock: a producer has no right to ask for the server's.
#[must_use]
pub fn now() -> EntryId {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EntryId { ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), seq: 0 }
}

impl Source {
    /// The fields to send of an event, or why the source would refuse it. `given` are places of
    /// the schema and their values.
    ///
    /// # Errors
    /// Why it would be a dead letter.
    pub(crate) fn fields<'a>(
        &self,
        given: impl Iterator<Item = (usize, Given<'a>)>,
    ) -> Result<Fields, Reason> {
        let event = decode::event(&self.schema, self.limits, now(), given)?;
        Ok(fields(&self.schema, &event))
    }
}

/// The fields of an event as a producer would send them: each in its own unit, those that are left
/// out not at all.
#[must_use]
pub fn fields(schema: &Schema, event: &Event) -> Fields {
    let named = schema.fields.iter().zip(&event.values);
    let given = named.filter(|(_, value)| !value.is_null());
    given.map(|(field, value)| (field.name.clone(), field.written(value))).collect()
}
