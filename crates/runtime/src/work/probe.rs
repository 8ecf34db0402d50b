//! Probes: entries that go through the whole topology as an event does, and are counted in no figure.
//!
//! An entry of a source is a probe if it has the one field [`PROBE_FIELD`], and no other: no entry
//! that holds an event can be one. It goes on along every edge, in one partition of each, as an
//! entry without events. No bolt is given anything, so no state can change; only cursors do, by the
//! same commits as ever.
//!
//! Of several in one batch only the oldest goes on: however many somebody sends, there is at most
//! one entry on each edge for each commit.

use super::{
    FRAME_FIELD, PROBE_FIELD,
    entry::{arrival, field},
};
use crate::{
    context::Context,
    store::{Entry, Frame},
};
use tallyd_event::{frame, partition_of};
use tallyd_topology::{Node, NodeKind};

/// Whether an entry of a source is a probe.
#[must_use]
pub fn is_probe(entry: &Entry) -> bool {
    entry.fields.only().is_some_and(|(name, _)| name == PROBE_FIELD.as_bytes())
}

/// When a probe came into its source, in ms since the epoch; `None` for any other entry.
pub(super) fn sent(context: &Context, entry: &Entry, read_at: i64) -> Option<i64> {
    match context.topology.nodes.get(context.place).map(|node| &node.kind)? {
        NodeKind::Source(_) => is_probe(entry).then(|| arrival(entry, read_at).entered),
        NodeKind::Bolt(_) => frame::probe(field(entry, FRAME_FIELD)?),
    }
}

/// What a node passes on of a probe: an entry for one partition of each of its edges. Which one
/// goes by when it was sent, so that one after the other all are tried.
pub(super) fn frames(
    node: &Node,
    partitions: u16,
    sent: Option<i64>,
) -> Result<Vec<Frame>, frame::EncodeError> {
    let Some(sent) = sent else { return Ok(Vec::new()) };
    let (bytes, text) = (frame::encode_probe(sent)?, sent.to_string());
    let partition = partition_of([text.as_str()], partitions);
    let edges = 0..node.edges.len();
    Ok(edges.map(|edge| Frame { edge, partition, bytes: bytes.clone() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::{Commit, Cursors, Next},
        test_driver,
        work::{Queue, take},
    };
    use std::sync::Arc;
    use tallyd_event::EntryId;
    use tallyd_topology::{Topology, parse};

    /// When the entries came.
    const CAME: i64 = 1_767_225_600_000;

    fn shipped() -> Arc<Topology> {
        let file = include_str!("../../../../topologies/testprep.toml");
        Arc::new(parse("testprep.toml", file, &|_| None).unwrap())
    }

    fn entry(seq: u64, fields: &[(&str, &str)]) -> Entry {
        let fields = fields.iter().copied().collect();
        Entry { id: EntryId { ms: CAME as u64, seq }, fields }
    }

    fn commit(topology: &Arc<Topology>, node: &str, entries: Vec<Entry>) -> (Commit, Option<i64>) {
        let (place, _) = topology.node(node).unwrap();
        let context = Context::new(topology, place, |node| topology.bolt(node, [0; 16]));
        let context = context.unwrap().unwrap();
        let mut queue: Queue = entries.into_iter().map(|entry| (0, entry)).collect();
        let mut work = take(&context, &mut queue, &Cursors::new(), 1000, CAME + 1_000);
        assert!(queue.is_empty());
        assert_eq!((work.entries, work.events()), (0, 0), "{node}");
        let probe = work.probe;
        for stage in 0..context.stages.len() {
            let id = crate::context::StageId(stage);
            assert!(work.batch(id, context.stage(id).unwrap(), 0).unwrap().is_none());
            work.finish(&context, id, tallyd_bolt::Effects::default()).unwrap();
        }
        (work.commit(&context, &Cursors::new(), Next::Nothing).unwrap(), probe)
    }

    #[test]
    fn it_goes_along_every_edge_and_changes_cursors_alone() {
        let topology = shipped();
        let probe = |seq| entry(seq, &[(PROBE_FIELD, "worker")]);
        let mut came = vec![probe(1), probe(2), probe(3)];
        for node in ["answers", "unique", "concepts"] {
            let entries = came.len() as u64;
            let (commit, sent) = commit(&topology, node, std::mem::take(&mut came));
            assert_eq!(sent, Some(CAME), "{node}");
            assert_eq!(commit.acks[0].1.len() as u64, entries);
            for part in &commit.parts {
                let node = &topology.nodes[part.node];
                assert!(part.writes.is_empty() && part.expiries.is_empty(), "{}", node.name);
                assert!(part.dead.is_empty() && part.published.is_empty(), "{}", node.name);
                assert_eq!(part.frames.len(), node.edges.len(), "{}: one an edge", node.name);
                let [(0, cursor)] = part.cursors[..] else { panic!("{:?}", part.cursors) };
                assert_eq!(cursor.counts, Default::default(), "{}", node.name);
                // What was read is accounted for, or it would count as lost.
                let reads = part.node == commit.parts[0].node;
                assert_eq!(cursor.accounted, if reads { entries } else { 0 }, "{}", node.name);
                for frame in &part.frames {
                    let field = (FRAME_FIELD, &frame.bytes);
                    let id = EntryId { ms: CAME as u64 + 500, seq: 1 };
                    came = vec![Entry { id, fields: [field].into_iter().collect() }];
                }
            }
        }
    }

    #[test]
    fn an_entry_that_says_more_is_none() {
        let topology = shipped();
        let (place, _) = topology.node("answers").unwrap();
        let context = Context::new(&topology, place, |_| None).unwrap().unwrap();
        for fields in [&[(PROBE_FIELD, "w"), ("id", "a")][..], &[("id", "a")], &[]] {
            assert_eq!(sent(&context, &entry(1, fields), CAME), None, "{fields:?}");
        }
        // An id ahead of the clock is no time.
        assert_eq!(sent(&context, &entry(1, &[(PROBE_FIELD, "")]), CAME - 9), Some(CAME - 9));
    }

    #[test]
    fn no_figure_is_another_with_probes_among_the_events() {
        let topology = shipped();
        for test in &topology.tests {
            let events = test_driver::entries(test);
            let with_probes = events.iter().flat_map(|(source, event)| {
                let seq = event.id.seq * 2;
                let probe = Entry {
                    id: EntryId { seq: seq + 1, ..event.id },
                    ..entry(0, &[(PROBE_FIELD, "w")])
                };
                let event = Entry { id: EntryId { seq, ..event.id }, ..event.clone() };
                [(*source, event), (*source, probe)]
            });
            let apart = events.iter().map(|(source, event)| {
                let id = EntryId { seq: event.id.seq * 2, ..event.id };
                (*source, Entry { id, ..event.clone() })
            });
            let without = test_driver::run(&topology, apart).unwrap();
            assert!(without.iter().any(|run| run.counts.events > 0));
            assert_eq!(test_driver::run(&topology, with_probes).unwrap(), without);
        }
    }
}
