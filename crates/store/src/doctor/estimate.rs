//! How much memory a topology may come to need beyond what it has now: what bounds and windows
//! allow, at the rates that show in what is stored. `docs/operations.md` says it for operators.
//!
//! Not in it: boards, windows, learners and items, which grow with users and not with a setting.

use super::facts::{Logs, Role, Stored, Stream};
use tallyd_topology::{NodeKind, Retain, Topology};

/// What a dead letter is taken to have, in bytes, while there is none to go by.
const DEAD_LETTER: u64 = 500;
/// What a field of an event is taken to have in a frame.
const FRAME_FIELD: u64 = 16;
/// What an entry of a sink is taken to have for each field, while there is none to go by.
const SINK_FIELD: u64 = 32;
/// A source's rate is not guessed from less than this, in ms.
const SHORTEST_SPAN: u64 = 60_000;

/// The estimate, in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The parts.
    pub parts: Vec<Part>,
}

/// What one kind of data may come to need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// How many bytes may come on top of what is stored.
    pub growth: u64,
}

impl Estimate {
    /// All parts together.
    #[must_use]
    pub fn growth(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.growth))
    }
}

/// Estimates what may come on top of what is stored.
#[must_use]
pub fn estimate(topology: &Topology, stored: &Stored) -> Estimate {
    let mut parts: Vec<Part> =
        stored.logs.iter().map(|logs| dedup(logs, stored.status.now)).collect();
    parts.push(dead_letters(topology, stored));
    parts.push(backlog(topology, stored));
    let now = stored.status.now.unsigned_abs();
    parts.extend(stored.streams.iter().filter_map(|stream| source(topology, stream, now)));
    parts.extend(stored.streams.iter().filter_map(|stream| sink(topology, stream)));
    Estimate { parts }
}

/// As many buckets as are kept, each as full as the fullest of now.
fn dedup(logs: &Logs, now: i64) -> Part {
    let (current, complete) = match logs.buckets.split_last() {
        Some((current, complete)) => (*current, complete),
        None => (0, [].as_slice()),
    };
    // The bucket that is being written is taken on to its end, once a tenth of it is over.
    let length = logs.bucket_ms.max(1).unsigned_abs();
    let elapsed = now.rem_euclid(logs.bucket_ms.max(1)).unsigned_abs();
    let whole = if elapsed * 10 >= length { scale(current, length, elapsed) } else { current };
    let fullest = complete.iter().copied().max().unwrap_or(0).max(whole);
    let all = fullest.saturating_mul(logs.kept);
    let stored = logs.buckets.iter().sum::<u64>();
    Part { name: logs.bolt.clone(), growth: all.saturating_sub(stored) }
}

/// Up to the bound, each as long as those of now.
fn dead_letters(topology: &Topology, stored: &Stored) -> Part {
    let count = stored.status.dead_letters;
    let each = match stored.dead_bytes {
        Some(bytes) if count > 0 => bytes / count + 1,
        _ => DEAD_LETTER,
    };
    let more = topology.settings.dead_letters.saturating_sub(count);
    let room = topology.settings.dead_letters_bytes;
    let room = room.saturating_sub(stored.dead_bytes.unwrap_or_default());
    Part { name: "dead letters".to_owned(), growth: more.saturating_mul(each).min(room) }
}

/// Every stream between nodes at `max_backlog` events.
fn backlog(topology: &Topology, stored: &Stored) -> Part {
    let mut growth = 0u64;
    let edges = stored.streams.iter().filter(|stream| matches!(stream.role, Role::Edge { .. }));
    for stream in edges {
        let Some(node) = topology.nodes.get(stream.node) else { continue };
        let event = FRAME_FIELD * (node.schema.fields.len() as u64 + 1);
        let full = topology.settings.max_backlog.saturating_mul(event);
        growth = growth.saturating_add(full.saturating_sub(stream.bytes.unwrap_or(0)));
    }
    Part { name: "backlog".to_owned(), growth }
}

/// What is to be retained, at the rate at which the stored entries came.
fn source(topology: &Topology, stream: &Stream, now: u64) -> Option<Part> {
    let NodeKind::Source(source) = &topology.nodes.get(stream.node)?.kind else { return None };
    let (Role::Source, Retain::For(retain)) = (stream.role, source.retain) else { return None };
    let span = now.saturating_sub(stream.first?.ms);
    let bytes = stream.bytes?;
    let growth = match span {
        span if span < SHORTEST_SPAN || span >= retain => 0,
        span => scale(bytes, retain, span).saturating_sub(bytes),
    };
    Some(Part { name: stream.key.clone(), growth })
}

/// Up to `max_len`.
fn sink(topology: &Topology, stream: &Stream) -> Option<Part> {
    let Role::Sink { sink } = stream.role else { return None };
    let node = topology.nodes.get(stream.node)?;
    let more = node.sinks.get(sink)?.max_len?.saturating_sub(stream.length);
    let each = match stream.bytes {
        Some(bytes) if stream.length > 0 => bytes / stream.length + 1,
        _ => SINK_FIELD * (node.schema.fields.len() as u64 + 1),
    };
    Some(Part { name: stream.key.clone(), growth: more.saturating_mul(each) })
}

/// `amount × to / from`.
fn scale(amount: u64, to: u64, from: u64) -> u64 {
    u64::try_from(u128::from(amount) * u128::from(to) / u128::from(from.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Status;
    use tallyd_event::EntryId;
    use tallyd_topology::parse;

    const FILE: &str = r#"
name = "t"
partitions = 2
[run]
dead_letters = 1000
max_backlog = 1000
[source.s]
id = "id"
retain = "10m"
[source.s.fields]
id = "string"
[bolt.unique]
type = "dedup"
from = "s"
window = "8h"
[sink.out]
from = "unique"
max_len = 100
"#;

    fn stream(role: Role, length: u64, bytes: u64) -> Stream {
        Stream { role, length, bytes: Some(bytes), ..Stream::default() }
    }

    #[test]
    fn each_part_goes_by_what_is_stored_and_its_bound() {
        let topology = parse("t.toml", FILE, &|_| None).unwrap();
        let hour = 3_600_000;
        let first = Some(EntryId { ms: 1_800_000 - 60_000, seq: 0 });
        let source = Stream { first, ..stream(Role::Source, 9, 700) };
        let logs =
            Logs { bolt: "unique".into(), bucket_ms: hour, kept: 10, buckets: vec![0, 1600, 800] };
        let stored = Stored {
            // Half of the bucket's hour is over: 800 bytes are on the way to 1,600.
            status: Status { now: hour / 2, dead_letters: 10, ..Status::default() },
            streams: vec![source, stream(Role::Edge { edge: 0, partition: 0 }, 1, 2_000)],
            logs: vec![logs],
            dead_bytes: Some(990),
            ..Stored::default()
        };
        let sink = Stream { node: 1, ..stream(Role::Sink { sink: 0 }, 50, 950) };
        let stored = Stored { streams: [stored.streams, vec![sink]].concat(), ..stored };
        let growth: Vec<(String, u64)> =
            estimate(&topology, &stored).parts.into_iter().map(|p| (p.name, p.growth)).collect();
        let expected = [
            ("unique", 16_000 - 2_400),
            ("dead letters", 990 * 100),
            ("backlog", 1000 * 32 - 2_000),
            ("", 7_000 - 700),
            ("", 50 * 20),
        ];
        assert_eq!(growth, expected.map(|(name, growth)| (name.to_owned(), growth)));
    }

    #[test]
    fn without_anything_stored_only_bounds_count() {
        let topology = parse("t.toml", FILE, &|_| None).unwrap();
        let estimate = estimate(&topology, &Stored::default());
        assert_eq!(estimate.growth(), 1000 * DEAD_LETTER);
    }
}
