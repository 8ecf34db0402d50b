//! Matches between learners, on boards that nothing corrects: two accounts of one person become one,
//! and a player goes to another class with the points.

use super::{Load, MATCHES, School, Scores};
use redis::Pipeline;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
};

/// What the topology has for them.
pub(super) const BOLTS: &str = r#"
[source.matches]
id = "id"
key = "player"
time = "at"
retain = "180d"
[source.matches.fields]
id = "string"
player = "string"
class = "string"
won = "int"
at = "time"
[bolt.once]
type = "dedup"
from = "matches"
window = "24h"
[bolt.wins]
type = "leaderboard"
from = "once"
member = "player"
score = "sum(won)"
boards = [[], ["class"]]
periods = ["week", "all"]
"#;
const PLAYERS: usize = 90;
/// Two accounts of one person, both of whom play.
const OLD: &str = "p4";
const NEW: &str = "p10";
const MOVED: &str = "p5";
const FROM: &str = "class=c2";
const TO: &str = "class=c0";

/// What events say by now.
#[derive(Default)]
pub(super) struct Now {
    /// What was sent under the old name comes under the new one.
    has_new_name: AtomicBool,
    is_moved: AtomicBool,
}

impl Now {
    /// Adds the matches of a round; some are sent twice.
    pub(super) fn add(&self, add: &mut Pipeline, round: usize, at: i64) {
        let has_new_name = self.has_new_name.load(Ordering::Relaxed);
        let is_moved = self.is_moved.load(Ordering::Relaxed);
        for number in round * MATCHES..(round + 1) * MATCHES {
            let player = format!("p{}", number % PLAYERS);
            let class = match number % PLAYERS % 3 {
                2 if player == MOVED && is_moved => "c0".to_owned(),
                class => format!("c{class}"),
            };
            let player = if player == OLD && has_new_name { NEW } else { &player };
            for _ in 0..=usize::from(number.is_multiple_of(40)) {
                let add =
                    add.cmd("XADD").arg("matches").arg("*").arg("id").arg(format!("m{number}"));
                add.arg("player").arg(player).arg("class").arg(&class);
                add.arg("won").arg(number * 7 % 11).arg("at").arg(at + number as i64);
            }
        }
    }
}

/// Events say the new name first, and the new class; then who has the old ones is renamed and moved.
pub(super) async fn merge_and_move(school: &mut School, load: &Load) {
    load.round(140).await;
    load.matches.has_new_name.store(true, Ordering::Relaxed);
    load.rounds(2).await;
    school.done(&["rename", OLD, NEW, "--field", "player", "--id", "merge"]);
    school.kill_one().await;
    load.round(200).await;
    load.matches.is_moved.store(true, Ordering::Relaxed);
    // The player plays for the new class meanwhile: the two scores become one.
    load.rounds(2 + PLAYERS / MATCHES).await;
    let ways = ["--from", FROM, "--to", TO, "--points", "keep", "--id", "move"];
    school.done(&[&["move", MOVED, "--field", "player"], ways.as_slice()].concat());
    school.kill_one().await;
    // Nothing may be closed while a rename is on its way.
    school.edited("merge").await;
}

/// Holds every board of matches to a recount of their source.
pub(super) async fn audit(school: &mut School, week: &str) {
    let (mut boards, mut known) = (BTreeMap::<String, Scores>::new(), BTreeSet::new());
    let mut edits = Vec::new();
    for of in school.entries("matches").await {
        if let Some(edit) = of.get("tallyd:edit") {
            let edit: Value = serde_json::from_str(edit).unwrap();
            match edit["id"].as_str().unwrap() {
                "merge" => {
                    for group in ["everyone", "class=c1"] {
                        let board = boards.get_mut(group).unwrap();
                        let won = board.remove(OLD).unwrap();
                        *board.get_mut(NEW).unwrap() += won;
                    }
                }
                "move" => {
                    let won = boards.get_mut(FROM).unwrap().remove(MOVED).unwrap();
                    *boards.get_mut(TO).unwrap().entry(MOVED.to_owned()).or_default() += won;
                }
                _ => continue,
            }
            edits.push(edit["id"].clone());
        }
        // A retry of another one, or of a worker to see that the stream is written.
        let is_new = of.get("id").is_some_and(|id| known.insert(id.clone()));
        if is_new {
            for group in ["everyone".to_owned(), format!("class={}", of["class"])] {
                let board = boards.entry(group).or_default();
                *board.entry(of["player"].clone()).or_default() +=
                    of["won"].parse::<i64>().unwrap();
            }
        }
    }
    assert_eq!(edits, ["merge", "move"]);
    assert!(!boards["everyone"].contains_key(OLD) && !boards[FROM].contains_key(MOVED));
    assert_eq!(boards.len(), 4);
    for (group, expected) in boards {
        for period in [("all", "all"), ("week", week)] {
            let found = school.board("wins", period, &group).await;
            assert_eq!(found, expected, "{period:?} {group}");
        }
    }
}
