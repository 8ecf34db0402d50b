//! Keys, orders, and what is drawn.

use super::*;
use crate::top::screen;
use ratatui::{Terminal, backend::TestBackend};
use tallyd_runtime::store::{Announcement, NodeLoad, Owner, ProbeSeen};
use tallyd_topology::parse;

const FILE: &str = r#"
name = "t"
partitions = 2

[source.answers]
key = "user"
id = "id"
fields = { id = "string", user = "string", points = "int" }

[bolt.unique]
type = "dedup"
from = "answers"
window = "1h"

[bolt.points]
type = "leaderboard"
from = "unique"
member = "user"
score = "sum(points)"

[bolt.totals]
type = "aggregate"
from = "answers"
windows = ["all"]
measures = { n = "count" }
"#;

fn top() -> Top {
    Top::new(parse("t.toml", FILE, &|_| None).unwrap_or_else(|faults| panic!("{faults}")))
}

fn status(top: &Top, now: i64, events: &[u64]) -> Status {
    let node = |(node, events): (&tallyd_topology::Node, &u64)| {
        let mut status = NodeStatus { name: node.name.to_string(), ..NodeStatus::default() };
        status.owners = vec![Owner::Worker("w1".into()); 2];
        status.counts.events = *events;
        status
    };
    let nodes = top.topology.nodes.iter().zip(events).map(node).collect();
    let worker = Announcement { id: "w1".into(), version: "0.1.0".into(), ..Default::default() };
    Status { now, workers: vec![(worker, now)], nodes, ..Status::default() }
}

fn names(top: &Top) -> Vec<String> {
    top.rows().iter().map(|row| format!("{}{}", "-".repeat(row.depth), row.node.name)).collect()
}

fn key(code: KeyCode) -> Option<KeyEvent> {
    Some(KeyEvent::new(code, KeyModifiers::NONE))
}

fn drawn(top: &mut Top, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(frame, top)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn nodes_stand_below_what_they_read_or_by_what_was_asked_for() {
    let mut top = top();
    let first = status(&top, 1000, &[0, 0, 0, 0]);
    top.read(Ok(first));
    assert_eq!(names(&top), ["answers", "-unique", "--points", "-totals"]);
    let places: Vec<&str> = top.topology.nodes.iter().map(|node| node.name.as_str()).collect();
    let events = |name: &str| if name == "totals" { 500 } else { 100 };
    let events: Vec<u64> = places.iter().map(|name| events(name)).collect();
    let mut second = status(&top, 2000, &events);
    let points = places.iter().position(|name| *name == "points").unwrap();
    second.nodes[points].lag.entries = 7;
    second.nodes[points].lag.oldest = Some(500);
    second.nodes[points].counts.dead = 3;
    top.read(Ok(second));
    top.press(key(KeyCode::Char('s')));
    assert_eq!((names(&top)[0].as_str(), top.rows()[0].rate), ("totals", 500.0));
    for _ in 0..2 {
        top.press(key(KeyCode::Char('s')));
        assert_eq!(names(&top)[0], "points", "{:?}", top.sort);
    }
    top.press(key(KeyCode::Char('s')));
    assert_eq!(top.sort, Sort::Graph);
}

#[test]
fn it_says_how_busy_workers_are_and_how_long_probes_took() {
    let mut top = top();
    let mut read = status(&top, 1_000_000, &[1, 2, 3, 4]);
    read.nodes[2].fused_with = Some("unique".into());
    let names: Vec<String> = read.nodes.iter().map(|node| node.name.clone()).collect();
    let worker = &mut read.workers[0].0;
    for (busy, name) in (91..).zip(&names) {
        let probe = Some(ProbeSeen { sent: 999_000, took: 2_300 });
        worker.load.insert(name.as_str().into(), NodeLoad { busy, bolt: 7, probe });
    }
    top.read(Ok(read));
    let screen = drawn(&mut top, 120, 24);
    let line = |name: &str| screen.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(line("answers").contains("91 %") && line("answers").contains("2.3 s"), "{screen}");
    assert!(line("in unique").contains(" 7 %"), "of a fused one its own share: {screen}");
    assert!(screen.contains("delay 2.3 s"), "{screen}");
    top.press(key(KeyCode::Enter));
    let inside = drawn(&mut top, 120, 24);
    assert!(inside.contains("91 % of its busiest task, 7 % in the bolt"), "{inside}");
    assert!(inside.contains("took 2.3 s, sent 1.0 s ago"), "{inside}");
}

#[test]
fn a_node_stays_chosen_and_is_looked_into() {
    let mut top = top();
    let first = status(&top, 1000, &[1, 2, 3, 4]);
    top.read(Ok(first));
    for _ in 0..2 {
        assert!(!top.press(key(KeyCode::Down)));
    }
    assert_eq!(top.chosen, "points");
    top.press(key(KeyCode::Char('s')));
    assert_eq!(top.chosen, "points", "in another order too");
    top.press(key(KeyCode::End));
    top.press(key(KeyCode::Home));
    top.press(key(KeyCode::Up));
    assert_eq!(top.chosen, names(&top)[0], "no further than the first");
    top.press(key(KeyCode::Enter));
    assert!(drawn(&mut top, 80, 24).contains("events/s now"));
    assert!(!top.press(key(KeyCode::Esc)), "back, and not the end");
    assert!(top.press(key(KeyCode::Esc)));
    assert!(top.press(key(KeyCode::Char('q'))));
    assert!(top.press(Some(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL))));
    assert!(!top.press(key(KeyCode::Char('c'))) && !top.press(None));
}

#[test]
fn paused_it_stays_as_it_is_and_then_tells_what_happened_meanwhile() {
    let mut top = top();
    let (one, mut other) = (status(&top, 1000, &[1; 4]), status(&top, 9000, &[9; 4]));
    other.workers.clear();
    top.read(Ok(one));
    top.press(key(KeyCode::Char('p')));
    top.read(Ok(other.clone()));
    assert_eq!(top.now.as_ref().unwrap().now, 1000);
    assert!(drawn(&mut top, 80, 24).contains("PAUSED"));
    top.press(key(KeyCode::Char('p')));
    top.read(Ok(other));
    assert_eq!(top.changes.back().unwrap().what, "worker w1 left");
    assert_eq!(top.rows()[0].rate, 1.0, "over the whole time");
}

#[test]
fn what_goes_on_is_one_line_that_counts() {
    let mut top = top();
    for (now, dead) in [(1000, 0), (2000, 3), (3000, 7)] {
        let mut read = status(&top, now, &[1; 4]);
        read.nodes[0].dead.insert("malformed".into(), dead);
        top.read(Ok(read));
    }
    assert_eq!(top.changes.len(), 1);
    let change = top.changes.back().unwrap();
    assert_eq!((change.count, change.since, change.at), (Some(7), 2000, 3000));
}

#[test]
fn trouble_is_said_and_what_was_read_stays() {
    let mut top = top();
    assert!(drawn(&mut top, 80, 24).contains("reading the state"));
    top.read(Err("refused".into()));
    assert!(drawn(&mut top, 80, 24).contains("REDIS: refused"));
    let mut read = status(&top, 1000, &[1, 2, 3, 4]);
    read.halted.insert("points:1".into(), "WRONGTYPE".into());
    read.nodes[0].owners[0] = Owner::Nobody;
    top.read(Ok(read));
    top.read(Err("refused".into()));
    for (width, height) in [(80, 24), (160, 50), (40, 12), (20, 5), (1, 1)] {
        let screen = drawn(&mut top, width, height);
        if width >= 80 {
            for words in
                ["REDIS: refused", "HALTED points:1", "OWNED BY NOBODY", "    points", "w1"]
            {
                assert!(screen.contains(words), "{words} is not on\n{screen}");
            }
        }
    }
    assert!(drawn(&mut top, 160, 50).contains("duplicates"), "a wide terminal shows more");
}
