//! The driver on a topology of a dedup bolt, a leaderboard and a sink.

use super::*;
use tallyd_bolt::Key;

const FILE: &str = r#"
name = "t"
[source.answers]
id = "id"
key = "user"
[source.answers.fields]
id = "string"
user = "string"
points = { type = "int", min = 0 }
[bolt.unique]
type = "dedup"
from = "answers"
window = "1h"
[bolt.points]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(points)"
ties = "shared"
[sink.passed]
from = "unique"
"#;

fn topology() -> Arc<Topology> {
    Arc::new(tallyd_topology::parse("t.toml", FILE, &|_| None).unwrap())
}

fn entry(ms: u64, fields: &[(&str, &str)]) -> (usize, Entry) {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let fields = fields.iter().map(|(name, text)| (bytes(name), bytes(text))).collect();
    (0, Entry { id: EntryId { ms, seq: 1 }, fields })
}

fn answer(ms: u64, id: &str, user: &str, points: &str) -> (usize, Entry) {
    entry(ms, &[("id", id), ("user", user), ("points", points)])
}

#[test]
fn entries_pass_through_all_nodes() {
    let topology = topology();
    let entries = vec![
        answer(1000, "a", "u1", "4"),
        answer(2000, "a", "u1", "4"),
        answer(3000, "b", "u2", "-1"),
        answer(3000, "c", "u2", "7"),
        entry(4000, &[("batch", r#"[{"id":"d","user":"u1","points":1},{"id":"e"}]"#)]),
    ];
    let mut entries = entries;
    entries[3].1.id.seq = 2;
    let runs = run(&topology, entries).unwrap();
    let place = |name: &str| topology.node(name).unwrap().0;
    let (answers, unique) = (&runs[place("answers")], &runs[place("unique")]);
    assert_eq!((answers.counts.events, answers.counts.dead), (4, 2));
    let reasons: Vec<&str> = answers.dead.iter().map(|d| d.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["field \"points\": -1 is below the minimum 0", "field \"user\" is missing"]
    );
    assert_eq!((unique.counts.duplicates, unique.counts.emitted), (1, 3));
    assert_eq!(unique.memory.duplicates, 1);
    assert_eq!(unique.published.len(), 3);
    let board =
        &runs[place("points")].memory.scores[&Key::new(&["board", "all", "all", "everyone"])];
    assert_eq!(
        board.iter().map(|(m, s)| (m.as_str(), *s)).collect::<Vec<_>>(),
        [("u1", 5.0), ("u2", 7.0)]
    );
}

#[test]
fn an_entry_at_or_below_the_cursor_is_skipped() {
    let entries = [answer(1000, "a", "u1", "4"), answer(1000, "b", "u1", "4")];
    assert_eq!(run(&topology(), entries).unwrap()[0].counts.events, 1);
}

#[test]
fn fused_bolts_do_what_they_do_apart() {
    let apart =
        tallyd_topology::parse("t.toml", &format!("{FILE}[run]\nfuse = false\n"), &|_| None);
    let entries = [
        answer(1000, "a", "u", "3"),
        answer(2000, "a", "u", "3"),
        answer(3000, "b", "v", "-1"),
        answer(4000, "c", "v", "9007199254740993"),
        answer(5000, "d", "v", "5"),
    ];
    let fused = topology();
    let runs = run(&fused, entries.clone()).unwrap();
    let runs_apart = run(&Arc::new(apart.unwrap()), entries).unwrap();
    assert_eq!(runs, runs_apart);
    let did = |name: &str| runs[fused.node(name).unwrap().0].counts;
    assert_eq!((did("unique").emitted, did("unique").duplicates), (3, 1));
    assert_eq!((did("points").events, did("points").dead), (3, 1));
    assert_eq!(fused.fused(fused.node("unique").unwrap().0).len(), 2);
}
