//! From one entry to its events, and to the dead letters of what is none.

use super::{ARRIVED_FIELD, FRAME_FIELD};
use crate::{
    context::Stage,
    store::{DeadLetter, Entry, Rejected},
};
use tallyd_event::{
    EntryId, Event,
    decode::{self, Arrival, TimeLimits},
    frame,
};

/// The longest reason of a dead letter.
const MAX_REASON_CHARS: usize = 300;
/// The most bytes of an entry's fields that a dead letter keeps: the whole is in the source, for as
/// long as that retains it.
pub(super) const MAX_LETTER_BYTES: usize = 64 << 10;

/// When an entry of a source came, which was read at this time, and when it arrived first.
#[must_use]
pub fn arrival(entry: &Entry, read_at: i64) -> Arrival {
    let first = field(entry, ARRIVED_FIELD).and_then(|text| std::str::from_utf8(text).ok());
    let first = first.and_then(|text| text.parse::<i64>().ok()).filter(|first| *first >= 0);
    Arrival::of(entry.id, first, read_at)
}

pub(super) fn decode_source(
    of: &Stage,
    limits: TimeLimits,
    entry: &Entry,
    arrival: Arrival,
) -> (Vec<Event>, Vec<DeadLetter>) {
    let sent = entry.fields.iter().filter(|(name, _)| *name != ARRIVED_FIELD.as_bytes());
    let decoded = decode::decode_pairs(&of.input, limits, arrival, sent);
    let bury = |reject: decode::Reject| {
        let kind = Rejected::from(&reject.reason);
        let (fields, cut) = beginning(reject.fields);
        let from = (entry.id, arrival.arrived);
        DeadLetter { cut, ..dead_letter(kind, reject.reason.to_string(), from, fields) }
    };
    (decoded.events, decoded.rejects.into_iter().map(bury).collect())
}

/// The fields as far as a dead letter keeps them, and how long they were, where that is not all.
pub(super) fn beginning(fields: decode::Fields) -> (decode::Fields, Option<u64>) {
    let whole: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if whole <= MAX_LETTER_BYTES {
        return (fields, None);
    }
    let (mut kept, mut left) = (Vec::new(), MAX_LETTER_BYTES);
    for (name, mut value) in fields {
        let Some(rest) = left.checked_sub(name.len()).filter(|rest| *rest > 0) else { break };
        value.truncate(rest);
        left = rest - value.len();
        kept.push((name, value));
    }
    (kept, Some(whole as u64))
}

/// A dead letter with a reason that can be shown: a parser's message may quote all of what came.
pub(super) fn dead_letter(
    kind: Rejected,
    reason: String,
    (entry, arrived): (EntryId, i64),
    fields: decode::Fields,
) -> DeadLetter {
    let shown = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut cut: String = shown.take(MAX_REASON_CHARS).collect();
    if reason.chars().nth(MAX_REASON_CHARS).is_some() {
        cut.push('…');
    }
    DeadLetter { kind, reason: cut, entry, arrived, fields, cut: None }
}

/// When events came, in runs: those of an entry came at one time, and entries that came together
/// often did.
pub(super) fn arrivals(events: &[Event]) -> Vec<(i64, u64)> {
    let runs = events.chunk_by(|one, next| one.entered == next.entered);
    runs.filter_map(|run| Some((run.first()?.entered, run.len() as u64))).collect()
}

pub(super) fn field<'a>(entry: &'a Entry, name: &str) -> Option<&'a [u8]> {
    entry.fields.get(name)
}

pub(super) fn decode_frame(of: &Stage, entry: &Entry) -> (Vec<Event>, Vec<DeadLetter>) {
    let outcome = match field(entry, FRAME_FIELD) {
        Some(bytes) => frame::decode(&of.input, bytes).map_err(|e| e.to_string()),
        None => Err(format!("the entry has no field \"{FRAME_FIELD}\"")),
    };
    match outcome {
        Ok(events) => (events, Vec::new()),
        Err(reason) => {
            let fields = entry.fields.to_fields();
            let from = (entry.id, entry.id.time());
            (Vec::new(), vec![dead_letter(Rejected::Frame, reason, from, fields)])
        }
    }
}
