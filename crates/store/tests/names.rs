//! Names from events, however hostile, stay in their part of a key: no other key, slot or topology
//! can be reached by them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tallyd_bolt::{Key, memory::Memory};
use tallyd_event::{EntryId, FieldType};
use tallyd_runtime::{store::Entry, test_driver};
use tallyd_store::keys::Keys;
use tallyd_topology::{Topology, parse};

const FILE: &str = include_str!("../../../topologies/testprep.toml");
const TAG: &str = "testprep/0";
/// Names that look like keys, groups, labels, encoded names or commands.
const TRAPS: &[&str] = &[
    "everyone",
    "total",
    "all",
    "items",
    "class",
    "class=10B",
    "a:b",
    "a%3Ab",
    "{testprep/0}",
    "}{",
    "tallyd:{testprep/0}:dead",
    "../..",
    "%",
    "%25",
    "*",
    "$(id)",
    "' or 1",
    "learner:u7",
    " ",
];

fn topology() -> Arc<Topology> {
    Arc::new(parse("testprep.toml", FILE, &|_| None).unwrap())
}

/// A name that a source takes.
fn name() -> impl Strategy<Value = String> {
    let trap = prop::sample::select(TRAPS).prop_map(str::to_owned);
    let name = prop_oneof![trap, "[{}:%=/*?\\[\\]\\\\ '\"a-cü张]{0,8}", any::<String>()];
    name.prop_filter("a source refuses it", |name| {
        // An empty one is none in most bolts.
        !name.is_empty()
            && tallyd_event::Value::from_text(name.as_bytes(), FieldType::String).is_ok()
    })
}

/// An answer: the user, class, concept and question.
type Answer = [String; 4];

fn entry((number, [user, class, concept, question]): (usize, &Answer)) -> (usize, Entry) {
    let id = format!("a{number}");
    let fields = [
        ("id", id.as_str()),
        ("user", user),
        ("class", class),
        ("concept", concept),
        ("question", question),
        ("correct", "1"),
        ("ms", "5300"),
        ("points", "4"),
        ("at", "1767225600000"),
    ];
    let id = EntryId { ms: 1_767_225_600_000, seq: number as u64 + 1 };
    (0, Entry { id, fields: fields.into_iter().collect() })
}

/// What Redis hashes to find the slot: what is between the first `{` and the next `}`.
fn hash_tag(key: &str) -> Option<&str> {
    Some(key.split_once('{')?.1.split_once('}')?.0)
}

fn stored(memory: &Memory) -> BTreeSet<&Key> {
    let Memory { hashes, counters, scores, logs, distinct, members, expiries, .. } = memory;
    let keys = hashes.keys().chain(counters.keys()).chain(scores.keys()).chain(logs.keys());
    keys.chain(distinct.keys()).chain(members.keys()).chain(expiries.keys()).collect()
}

/// How many parts a key of this kind has in `testprep`.
fn parts(kind: &str) -> usize {
    match kind {
        "head" | "items" => 1,
        "buckets" | "concept" | "item" | "labels" | "learners" | "names" | "numbers" => 2,
        "seen" | "groups" => 3,
        "board" | "state" | "window" => 4,
        "distinct" | "values" => 5,
        other => panic!("\"{other}\" is a new kind of key: say here how many parts it has"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_name_reaches_no_other_key(answers in prop::collection::vec([name(), name(), name(), name()], 1..6)) {
        let topology = topology();
        let runs = test_driver::run(&topology, answers.iter().enumerate().map(entry)).unwrap();
        prop_assert!(runs.iter().all(|run| run.dead.is_empty()));
        let keys = Keys::new(&topology.name, 0);
        // The names in keys, by the bolt, the kind of key and the field of the group.
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (node, run) in topology.nodes.iter().zip(&runs) {
            for key in stored(&run.memory) {
                let whole = keys.bolt(&node.name, key);
                let start = format!("tallyd:{{{TAG}}}:bolt:{}:", node.name);
                let rest = whole.strip_prefix(&start).unwrap_or("no prefix");
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()%:=".contains(&b);
                prop_assert!(rest.bytes().all(plain), "{whole}");
                prop_assert_eq!(hash_tag(&whole), Some(TAG));
                let split: Vec<&str> = rest.split(':').collect();
                prop_assert_eq!(split.len(), parts(split[0]), "{}", whole);
                let last = split[split.len() - 1];
                let (field, name) = last.split_once('=').unwrap_or(("", last));
                let kind = format!("{} {} {field}", node.name, split[0]);
                found.entry(kind).or_default().insert(Key::decode(name));
            }
        }
        let of = [
            ("points board class", 1),
            ("concepts window concept", 2),
            ("concepts values concept", 2),
            ("fatigue item ", 3),
            ("mastery item ", 3),
            ("mastery concept ", 2),
        ];
        for (kind, place) in of {
            // A key for each name, which tells its name: so no two names share one.
            let sent: BTreeSet<String> = answers.iter().map(|answer| answer[place].clone()).collect();
            prop_assert_eq!(found.get(kind), Some(&sent), "{}", kind);
        }
    }

    #[test]
    fn a_group_tells_its_fields(
        fields in prop::collection::vec(
            (name(), prop::option::of(prop_oneof![name(), Just(String::new())])),
            1..4,
        )
    ) {
        let group = Key::group(fields.iter().map(|(name, value)| (name.as_str(), value.as_deref())));
        let read = |part: &str| match part.split_once('=') {
            Some((name, value)) => (Key::decode(name), Some(Key::decode(value))),
            None => (Key::decode(part), None),
        };
        prop_assert_eq!(group.split(':').map(read).collect::<Vec<_>>(), fields);
    }
}

#[test]
fn the_keys_of_the_machinery_differ_and_share_the_slot() {
    let topology = topology();
    let keys = Keys::new(&topology.name, 0);
    let mut all =
        vec![keys.halted(), keys.workers(), keys.announcements(), keys.topology(), keys.dead()];
    for node in &topology.nodes {
        all.push(keys.cursors(&node.name));
        all.extend((0..node.partitions).map(|partition| keys.fence(&node.name, partition)));
        for edge in &node.edges {
            all.extend((0..topology.partitions).map(|p| keys.edge(&node.name, edge, p)));
        }
    }
    for key in &all {
        assert_eq!(hash_tag(key), Some(TAG), "{key}");
        assert!(!key.contains("}:bolt:"), "{key}");
    }
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}
