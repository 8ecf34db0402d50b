//! What producers send: an entry of flat fields, or one whose `batch` field holds many events.

mod batch;
mod given;
pub mod json;
mod messagepack;
mod packed;

pub use given::Given;
pub use packed::{Packed, PackedIter};

use crate::{EntryId, Event, Field, Schema, Value, ValueError, value::time::rfc3339};
use smol_str::SmolStr;

/// The field that an event which is taken back has where it is written with its fields: when that
/// was found out, in ms since the epoch. No field of an event has such a name.
pub const TAKEN_BACK_FIELD: &str = "tallyd:taken_back";
/// The field whose value holds many events.
pub const BATCH_FIELD: &str = "batch";
/// The most events that one `batch` may hold.
pub const MAX_BATCH_EVENTS: usize = 10_000;
/// The most bytes that one `batch` may be long.
pub const MAX_BATCH_BYTES: usize = 4 << 20;

/// What one entry became: events, and what is no event with the reason.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The events that fit the schema, in the entry's order.
    pub events: Vec<Event>,
    /// What does not fit.
    pub rejects: Vec<Reject>,
}

/// Something that a producer sent and that is no event of the source.
#[derive(Debug, PartialEq)]
pub struct Reject {
    /// Its place among the events of its entry.
    pub index: u32,
    /// Why it does not fit.
    pub reason: Reason,
    /// The fields as they came, for the dead letter.
    pub fields: Fields,
}

/// Why something is no event of the source.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Reason {
    /// A field that the schema requires is missing or empty.
    #[error("field \"{0}\" is missing")]
    Missing(SmolStr),
    /// A field that the schema requires is missing in a map with a key that is no text.
    #[error("field \"{0}\" is missing (a key of the map is no text: field names are text)")]
    Nameless(SmolStr),
    /// A field stands twice in one entry.
    #[error("field \"{0}\" is given twice")]
    Twice(SmolStr),
    /// A value is not of the field's type.
    #[error("field \"{0}\": {1}")]
    Value(SmolStr, ValueError),
    /// A number is outside its bounds.
    #[error("field \"{field}\": {given} is {side} {bound}")]
    OutOfRange {
        /// The field.
        field: SmolStr,
        /// The number.
        given: SmolStr,
        /// `below the minimum` or `above the maximum`.
        side: &'static str,
        /// The bound that it breaks.
        bound: f64,
    },
    /// The event's time is too far after its arrival.
    #[error(
        "its time, {}, is {} after its arrival (max_ahead is {}): look at the producer's clock",
        rfc3339(*time), about(time.abs_diff(*arrival)), about(max_ahead_ms.unsigned_abs())
    )]
    Ahead {
        /// When it happened, by its producer, in ms since the epoch.
        time: i64,
        /// When it arrived, in ms since the epoch.
        arrival: i64,
        /// How far ahead it may be, in ms.
        max_ahead_ms: i64,
    },
    /// The event's time is too far before its arrival.
    #[error(
        "its time, {}, is {} before its arrival (max_behind is {})",
        rfc3339(*time), about(time.abs_diff(*arrival)), about(max_behind_ms.unsigned_abs())
    )]
    Behind {
        /// When it happened, by its producer, in ms since the epoch.
        time: i64,
        /// When it arrived, in ms since the epoch.
        arrival: i64,
        /// How far behind it may be, in ms.
        max_behind_ms: i64,
    },
    /// The batch is not readable as a whole.
    #[error("batch: {0}")]
    Batch(String),
}

/// How far an event's time may lie from its arrival, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// How far after it.
    pub max_ahead_ms: i64,
    /// How far before it; `None` for as far as it likes.
    pub max_behind_ms: Option<i64>,
}

impl TimeLimits {
    /// Any time goes.
    pub const NONE: Self = Self { max_ahead_ms: i64::MAX, max_behind_ms: None };

    fn check(self, time: i64, arrival: i64) -> Result<(), Reason> {
        let Self { max_ahead_ms, max_behind_ms } = self;
        let ahead = time.saturating_sub(arrival);
        match max_behind_ms {
            _ if ahead > max_ahead_ms => Err(Reason::Ahead { time, arrival, max_ahead_ms }),
            Some(max_behind_ms) if ahead < -max_behind_ms => {
                Err(Reason::Behind { time, arrival, max_behind_ms })
            }
            _ => Ok(()),
        }
    }
}

/// A length of time in the largest unit of which it has a two, or exactly one; cut.
fn about(ms: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let fits = |&(_, length): &(&str, u64)| ms >= 2 * length || ms == length;
    let (name, length) = UNITS.into_iter().find(fits).unwrap_or(("ms", 1));
    format!("{}{name}", ms / length)
}

/// Where an entry comes from, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its id.
    pub origin: EntryId,
    /// [`Event::arrived`] of its events.
    pub arrived: i64,
    /// [`Event::entered`] of its events.
    pub entered: i64,
}

impl Arrival {
    /// When what an entry holds came, and when it arrived first, for whoever reads it at `now` (the
    /// server's clock, in ms since the epoch). It came when its id says, but no later than now; where
    /// no clock made the id, it came now. `first` is what the entry says of its first arrival, which
    /// can't be later than it came.
    #[must_use]
    pub fn of(origin: EntryId, first: Option<i64>, now: i64) -> Self {
        let entered = origin.clock_time().map_or(now, |by_id| by_id.min(now));
        let arrived = first.map_or(entered, |first| first.min(entered));
        Self { origin, arrived, entered }
    }
}

impl From<EntryId> for Arrival {
    /// As the id says.
    fn from(origin: EntryId) -> Self {
        Self { origin, arrived: origin.time(), entered: origin.time() }
    }
}

/// Decodes one entry of a source stream that arrived when its id says. As [`decode_at`].
#[must_use]
pub fn decode(
    schema: &Schema,
    limits: TimeLimits,
    origin: EntryId,
    entry: &[(Vec<u8>, Vec<u8>)],
) -> Decoded {
    decode_at(schema, limits, origin.into(), entry)
}

/// Decodes one entry of a source stream. As [`decode_pairs`].
#[must_use]
pub fn decode_at(
    schema: &Schema,
    limits: TimeLimits,
    arrival: Arrival,
    entry: &[(Vec<u8>, Vec<u8>)],
) -> Decoded {
    let pairs = entry.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    decode_pairs(schema, limits, arrival, pairs)
}

/// Decodes one entry of a source stream.
///
/// A field that the schema does not name is ignored. An empty text is a missing value, except of
/// a bool: there it is refused.
#[must_use]
pub fn decode_pairs<'a>(
    schema: &Schema,
    limits: TimeLimits,
    arrival: Arrival,
    entry: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
) -> Decoded {
    let whole = || entry.clone().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    let source = Source { schema, limits, arrival };
    let mut batches = entry.clone().filter(|(name, _)| *name == BATCH_FIELD.as_bytes());
    let batch = batches.next().filter(|_| schema.index(BATCH_FIELD).is_none());
    let mut decoded = Decoded::default();
    let Some((_, bytes)) = batch else {
        let given = entry.clone().filter_map(|(name, text)| {
            let place = schema.fields.iter().position(|f| f.name.as_bytes() == name)?;
            Some((place, Given::Text(text)))
        });
        decoded.take(0, source.event(0, fill(schema, given)), whole);
        return decoded;
    };
    let members = match batches.next() {
        Some(_) => Err(Reason::Twice(BATCH_FIELD.into())),
        None => batch::open(bytes).map_err(Reason::Batch),
    };
    match members {
        Err(reason) => decoded.take(0, Err(reason), whole),
        Ok(members) => {
            let is_one = members.len() == 1;
            // What is no event has no id either to be found by.
            let unread = |index: u32, why: String| match is_one {
                true => Reason::Batch(why),
                false => Reason::Batch(format!("event {}: {why}", index + 1)),
            };
            for (index, mut member) in (0u32..).zip(members) {
                let content = std::mem::replace(&mut member.content, Ok(Vec::new()));
                let content = content.map_err(|why| unread(index, why));
                let values = content.and_then(|map| typed(schema, map));
                decoded.take(index, source.event(index, values), || member.fields());
            }
        }
    }
    decoded
}

/// Reads one event whose values stand in a file: for each place of the schema what was given.
///
/// # Errors
/// Why it would be a dead letter, had it arrived as `origin`.
pub fn event<'a>(
    schema: &Schema,
    limits: TimeLimits,
    origin: EntryId,
    given: impl Iterator<Item = (usize, Given<'a>)>,
) -> Result<Event, Reason> {
    Source { schema, limits, arrival: origin.into() }.event(0, fill(schema, given))
}

/// Reads a text as a producer writes it, as the value of one field of an event.
///
/// # Errors
/// Why an event with it would be a dead letter; an empty text is none.
pub fn value(field: &Field, text: &[u8]) -> Result<Value, Reason> {
    let value = Given::Text(text).read(field)?;
    check_bounds(field, &value)?;
    if value.is_null() { Err(Reason::Missing(field.name.clone())) } else { Ok(value) }
}

fn too_many(count: usize) -> String {
    format!("{count} events (at most {MAX_BATCH_EVENTS})")
}

/// Names and values of an entry, as bytes, in their order.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

impl Decoded {
    fn take(
        &mut self,
        index: u32,
        outcome: Result<Event, Reason>,
        fields: impl FnOnce() -> Fields,
    ) {
        match outcome {
            Ok(event) => self.events.push(event),
            Err(reason) => self.rejects.push(Reject { index, reason, fields: fields() }),
        }
    }
}

/// What an event is held against, beside its own fields.
struct Source<'a> {
    schema: &'a Schema,
    limits: TimeLimits,
    arrival: Arrival,
}

impl Source<'_> {
    fn event(&self, index: u32, values: Result<Vec<Value>, Reason>) -> Result<Event, Reason> {
        let Arrival { origin, arrived, entered } = self.arrival;
        let event = Event { origin, index, arrived, entered, taken_back: false, values: values? };
        self.limits.check(event.time(self.schema), event.arrival())?;
        Ok(event)
    }
}

/// The fields of a typed event as a producer would send them. Of one that is taken back there is
/// [`TAKEN_BACK_FIELD`] too.
#[must_use]
pub fn to_fields(schema: &Schema, event: &Event) -> Fields {
    let named = schema.fields.iter().zip(&event.values);
    named
        .filter(|(_, value)| !value.is_null())
        .map(|(field, value)| {
            (field.name.as_bytes().to_vec(), field.written(value).as_bytes().to_vec())
        })
        .chain(taken_back(event))
        .collect()
}

/// The field that says of an event that it is taken back, and since when; none of any other.
#[must_use]
pub fn taken_back(event: &Event) -> Option<(Vec<u8>, Vec<u8>)> {
    let since = || event.arrival().to_string().into_bytes();
    event.taken_back.then(|| (TAKEN_BACK_FIELD.as_bytes().to_vec(), since()))
}

fn typed(schema: &Schema, map: json::Map<'_>) -> Result<Vec<Value>, Reason> {
    let is_bytes = batch::is_bytes(&map);
    let has_no_name = messagepack::has_no_name(&map);
    let given = map.into_iter().filter_map(|(name, value)| Some((schema.index(&name)?, value)));
    fill(schema, given).map_err(|reason| match reason {
        Reason::Missing(_) if is_bytes => batch::bytes_as_json(),
        Reason::Missing(name) if has_no_name => Reason::Nameless(name),
        reason => reason,
    })
}

/// The values of an event: what was given for each place of the schema.
fn fill<'a>(
    schema: &Schema,
    given: impl Iterator<Item = (usize, Given<'a>)>,
) -> Result<Vec<Value>, Reason> {
    let mut values = vec![Value::Null; schema.fields.len()];
    let mut seen = vec![false; schema.fields.len()];
    for (place, raw) in given {
        let (Some(field), Some(value), Some(seen)) =
            (schema.fields.get(place), values.get_mut(place), seen.get_mut(place))
        else {
            continue;
        };
        if std::mem::replace(seen, true) {
            return Err(Reason::Twice(field.name.clone()));
        }
        *value = raw.read(field)?;
        check_bounds(field, value)?;
    }
    for (field, value) in schema.fields.iter().zip(&values) {
        if value.is_null() && !field.optional {
            return Err(Reason::Missing(field.name.clone()));
        }
    }
    Ok(values)
}

fn check_bounds(field: &Field, value: &Value) -> Result<(), Reason> {
    let outside =
        |float: f64| (field.min.filter(|min| float < *min), field.max.filter(|max| float > *max));
    let (low, high) = match *value {
        // Not as a float, which an int beyond 2^53 may not be: that would round it to the bound.
        Value::Int(int) => (
            field.min.filter(|min| i128::from(int) < min.ceil() as i128),
            field.max.filter(|max| i128::from(int) > max.floor() as i128),
        ),
        Value::Float(float) => outside(float),
        // A decimal and a bound of the same digits are the same float.
        Value::Decimal(decimal) => outside(decimal.as_f64()),
        _ => return Ok(()),
    };
    let broken = |side, bound| Reason::OutOfRange {
        field: field.name.clone(),
        given: value.to_text(),
        side,
        bound,
    };
    match (low, high) {
        (Some(min), _) => Err(broken("below the minimum", min)),
        (None, Some(max)) => Err(broken("above the maximum", max)),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
