//! What fused stages are given, lose and commit.

use super::{
    entry::{MAX_LETTER_BYTES, beginning},
    *,
};
use tallyd_event::{
    decode::{Packed, TimeLimits},
    frame,
};
use tallyd_topology::{Topology, parse};

const FILE: &str = r#"
name = "t"
partitions = 1
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
[bolt.unique]
type = "dedup"
from = "s"
window = "1h"
[bolt.board]
type = "leaderboard"
from = "unique"
member = "user"
score = "count"
[bolt.other]
type = "leaderboard"
from = "unique"
member = "user"
score = "count"
"#;

/// The context of the dedup bolt, with those that are fused with it.
fn context() -> Context {
    let topology: Arc<Topology> = Arc::new(parse("t.toml", FILE, &|_| None).unwrap());
    let (place, _) = topology.node("unique").unwrap();
    Context::new(&topology, place, |node| topology.bolt(node, [0; 16])).unwrap().unwrap()
}

fn events(context: &Context, ids: &[&str]) -> Vec<Event> {
    let event = |id: &&str| {
        let fields = [("id", *id), ("user", "u")];
        let bytes = fields.map(|(name, text)| (name.as_bytes().to_vec(), text.as_bytes().to_vec()));
        decode::decode(
            &context.stages[0].input,
            TimeLimits::NONE,
            EntryId { ms: 1, seq: 0 },
            &bytes,
        )
        .events
    };
    ids.iter().flat_map(event).collect()
}

fn entry(context: &Context, seq: u64, ids: &[&str], only: Option<&str>) -> (u16, Entry) {
    let events = events(context, ids);
    let bytes = frame::encode(&context.stages[0].input, events.iter()).unwrap();
    let only = only.map(|name| (ONLY_FIELD.as_bytes().to_vec(), name.as_bytes().to_vec()));
    let frame = (FRAME_FIELD.as_bytes().to_vec(), bytes);
    let fields = std::iter::once(frame).chain(only).collect();
    (0, Entry { id: EntryId { ms: 2, seq }, fields })
}

fn ids(context: &Context, work: &Work, stage: usize) -> Vec<String> {
    let batch = work.batch(StageId(stage), &context.stages[stage], 0).unwrap();
    let id = |event: &Event| event.id(&context.stages[stage].input).to_string();
    batch.map_or_else(Vec::new, |batch| batch.events.iter().map(id).collect())
}

#[test]
fn each_stage_has_what_is_emitted_and_what_is_for_it_alone() {
    let context = context();
    let mut queue: Queue = [
        entry(&context, 1, &["a", "b"], None),
        entry(&context, 2, &["x"], Some("board")),
        entry(&context, 3, &["y"], Some("gone")),
    ]
    .into();
    let mut work = take(&context, &mut queue, &Cursors::new(), 100, i64::MAX);
    assert_eq!(ids(&context, &work, 0), ["a", "b"]);
    assert_eq!((ids(&context, &work, 1), work.events()), (vec!["x".to_owned()], 2));

    let emits = events(&context, &["a", "b"]);
    work.finish(&context, StageId(0), Effects { emits, ..Effects::default() }).unwrap();
    assert_eq!(ids(&context, &work, 1), ["x", "a", "b"]);
    assert_eq!(ids(&context, &work, 2), ["a", "b"]);
    // What one rejects is still the other's.
    work.reject(StageId(1), &context.stages[1], 1, Rejected::Panic, "no".to_owned()).unwrap();
    assert_eq!(ids(&context, &work, 1), ["x", "b"]);
    assert_eq!(ids(&context, &work, 2), ["a", "b"]);
    work.finish(&context, StageId(1), Effects::default()).unwrap();
    work.finish(&context, StageId(2), Effects::default()).unwrap();

    let commit = work.commit(&context, &Cursors::new(), Next::Nothing).unwrap();
    let told: Vec<(usize, u64, u64, u64)> = commit
        .parts
        .iter()
        .map(|part| {
            let (partition, cursor) = part.cursors[0];
            assert_eq!((partition, cursor.last), (0, EntryId { ms: 2, seq: 3 }));
            let Counts { events, emitted, dead, .. } = cursor.counts;
            (part.dead.len(), events, emitted, dead)
        })
        .collect();
    assert_eq!(told, [(0, 2, 2, 0), (1, 3, 0, 1), (0, 2, 0, 0)]);
    assert_eq!(commit.acks[0].1.len(), 3);
}

#[test]
fn what_is_below_the_cursor_is_acknowledged_and_not_done_again() {
    let context = context();
    let cursor = Cursor { last: EntryId { ms: 2, seq: 1 }, ..Cursor::default() };
    let cursors: Cursors = [(0, vec![cursor; 3])].into();
    let entries = [entry(&context, 1, &["a"], None), entry(&context, 2, &["b"], Some("board"))];
    let work = take(&context, &mut entries.into(), &cursors, 100, i64::MAX);
    assert_eq!((ids(&context, &work, 0).len(), ids(&context, &work, 1).len()), (0, 1));
    assert_eq!(work.acks[&0].len(), 2);
}

#[test]
fn what_must_not_be_screams() {
    use crate::store::ErrorKind;
    let context = context();
    let mut queue: Queue = [entry(&context, 1, &["a"], None)].into();
    let mut work = take(&context, &mut queue, &Cursors::new(), 100, i64::MAX);
    let of = &context.stages[0];
    let rejects = vec![tallyd_bolt::Rejection { event: 1, reason: "no".into() }];
    let strange = Effects { rejects, ..Effects::default() };
    let errors = [
        work.batch(StageId(3), of, 0).err(),
        work.reject(StageId(3), of, 0, Rejected::Panic, String::new()).err(),
        work.reject(StageId(0), of, 1, Rejected::Panic, String::new()).err(),
        work.finish(&context, StageId(3), Effects::default()).err(),
        work.finish(&context, StageId(0), strange).err(),
        context.stage(StageId(3)).err(),
        context.stage_of(0).err(),
    ];
    for (number, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("{number} passed"));
        assert_eq!(error.kind, ErrorKind::Bug, "{number}");
        assert!(error.message.contains("please report"), "{number}: {}", error.message);
    }
}

#[test]
fn an_entry_arrives_no_later_than_it_is_read() {
    const T: u64 = 1_795_814_000_000;
    let context = context();
    let (place, _) = context.topology.node("s").unwrap();
    let source = Context::new(&context.topology, place, |_| None).unwrap().unwrap();
    let fields = [("id", "a"), ("user", "u")];
    let fields: Packed = fields.into_iter().collect();
    let entry = |ms, seq| (0, Entry { id: EntryId { ms, seq }, fields: fields.clone() });
    let far = 1_795_815_000_000_000;
    let mut queue: Queue = [entry(T - 1, 0), entry(far, 0), entry(far, 1)].into();
    let mut work = take(&source, &mut queue, &Cursors::new(), 100, T as i64);
    let first = EntryId { ms: far, seq: 0 };
    assert_eq!(work.ahead, Some(Ahead { entries: 2, first, by_ms: (far - T) as i64 }));
    assert_eq!(work.arrivals()[0], [(T as i64 - 1, 1), (T as i64, 2)]);
    work.finish(&source, StageId::READS, Effects::default()).unwrap();
    let commit = work.commit(&source, &Cursors::new(), Next::Nothing).unwrap();
    let frame = &commit.parts[0].frames[0].bytes;
    let events = frame::decode(&source.stages[0].input, frame).unwrap();
    let times = |event: &Event| (event.arrival(), event.time(&source.stages[0].input));
    assert_eq!(
        events.iter().map(times).collect::<Vec<_>>(),
        [(T as i64 - 1, T as i64 - 1), (T as i64, T as i64), (T as i64, T as i64)]
    );
    // They are three events all the same: an identity is that of the entry.
    assert_eq!(events[1].origin, first);
}

/// Of a source without a time field: an event's time is that of its arrival.
#[test]
fn what_is_replayed_arrived_when_it_came_first() {
    const T: i64 = 1_795_814_000_000;
    let context = context();
    let (place, _) = context.topology.node("s").unwrap();
    let source = Context::new(&context.topology, place, |_| None).unwrap().unwrap();
    for (said, arrived) in [
        ("1795800000000", 1_795_800_000_000),
        ("0", 0),
        // Not after it came, and not what is no time.
        ("1795900000000", T),
        ("-5", T),
        ("9999999999999999999999", T),
        ("\u{e4}", T),
        ("", T),
    ] {
        let fields = [("id", "a"), (ARRIVED_FIELD, said), ("user", "u")];
        let bytes = fields.map(|(name, text)| (name.as_bytes().to_vec(), text.into()));
        let entry = |fields: &[(Vec<u8>, Vec<u8>)]| Entry {
            id: EntryId { ms: T as u64, seq: 0 },
            fields: fields.iter().map(|(name, value)| (name, value)).collect(),
        };
        let mut queue: Queue = [(0, entry(&bytes))].into();
        let mut work = take(&source, &mut queue, &Cursors::new(), 100, T + 5);
        assert_eq!(work.arrivals()[0], [(T, 1)]);
        work.finish(&source, StageId::READS, Effects::default()).unwrap();
        let commit = work.commit(&source, &Cursors::new(), Next::Nothing).unwrap();
        let frame = &commit.parts[0].frames[0].bytes;
        let event = frame::decode(&source.stages[0].input, frame).unwrap().remove(0);
        let time = event.time(&source.stages[0].input);
        assert_eq!((event.arrived, event.entered, time), (arrived, T, arrived), "{said}");

        // One that is refused again keeps its arrival, and only what was sent.
        let mut queue: Queue = [(0, entry(&bytes[..2]))].into();
        let work = take(&source, &mut queue, &Cursors::new(), 100, T + 5);
        let letter = &work.stages[0].dead[0];
        assert_eq!((letter.arrived, letter.fields.as_slice()), (arrived, &bytes[..1]));
    }
}

#[test]
fn a_dead_letter_keeps_the_beginning_of_what_is_too_long() {
    let field = |name: &str, length| (name.as_bytes().to_vec(), vec![b'x'; length]);
    let small = vec![field("a", 10), field("b", MAX_LETTER_BYTES - 12)];
    assert_eq!(beginning(small.clone()), (small, None));
    let long = vec![field("a", 10), field("b", 1 << 20), field("c", 5)];
    let kept = vec![field("a", 10), field("b", MAX_LETTER_BYTES - 12)];
    assert_eq!(beginning(long), (kept, Some((1 << 20) + 18)));
}
