//! Periods that are closed and boards that start over, while events flow and workers die: nothing is
//! waited for, because the place of an edit among the events says what counts.

use super::{School, USERS};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Scores = BTreeMap<String, i64>;

fn class_of(user: &str) -> usize {
    user[1..].parse::<usize>().unwrap() % 3
}

impl School {
    fn plays(&self) -> Scores {
        self.ledger.iter().map(|(user, counts)| (user.clone(), counts.1)).collect()
    }

    fn points(&self) -> Scores {
        self.ledger.iter().map(|(user, counts)| (user.clone(), counts.0)).collect()
    }

    async fn kill_one(&mut self) {
        let mut killed = self.running.workers.remove(0);
        killed.kill().await.unwrap();
        self.running.join();
    }
}

#[tokio::test]
async fn what_counts_is_told_by_the_place_of_an_edit_while_workers_die() {
    let mut school = School::start(3).await;
    school.send(600).await;
    // Workers know the topology by then.
    school.running.wait();
    school.send(300).await;
    // Each partition of this board gets the edit by each of those before, in four copies.
    school.running.done(&["close", "played", "--period", "all", "--user", "anna"]);
    let closed = school.plays();
    school.send(300).await;
    school.kill_one().await;
    school.send(200).await;
    school.running.done(&["reset", "points", "--by", "class=c1", "--period", "all"]);
    let before_class = school.points();
    school.send(300).await;
    school.kill_one().await;
    school.running.done(&["reset", "played", "--id", "again"]);
    let before_plays = school.plays();
    school.send(300).await;
    school.kill_one().await;
    school.running.wait();
    let since = |before: &Scores, now: Scores| -> Scores {
        now.into_iter().map(|(user, score)| (user.clone(), score - before[&user])).collect()
    };
    // A reset opens what was closed.
    let plays = since(&before_plays, school.plays());
    assert_eq!(school.board("played:board:all:all:everyone").await, plays);
    assert_ne!(closed, before_plays);
    let all = school.points();
    assert_eq!(school.board("points:board:all:all:everyone").await, all);
    for class in 0..3 {
        let of = |scores: Scores| -> Scores {
            scores.into_iter().filter(|(user, _)| class_of(user) == class).collect()
        };
        let expected = match class {
            1 => of(since(&before_class, all.clone())),
            _ => of(all.clone()),
        };
        let found = school.board(&format!("points:board:all:all:class=c{class}")).await;
        assert_eq!(found, expected, "{class}");
    }
    // The same id once more changes nothing.
    let again = school.running.done(&["reset", "played", "--id", "again"]);
    assert!(again.contains("edit again was accepted before: reset played"), "{again}");
    assert_eq!(school.board("played:board:all:all:everyone").await, plays);
    let listed: Value = serde_json::from_str(&school.running.done(&["edits", "--json"])).unwrap();
    assert_eq!(listed[2]["by"], json!("anna"));
    assert_eq!(listed[1]["group"], json!("class=c1"), "{listed}");
    let changed = |edit: &Value, bolt: &str| {
        let bolts = edit["bolts"].as_array().unwrap();
        bolts.iter().find(|of| of["bolt"] == *bolt).unwrap()["changed"].clone()
    };
    assert_eq!(
        (changed(&listed[1], "points"), changed(&listed[2], "played")),
        (json!(1), json!(1))
    );
}

#[tokio::test]
async fn a_snapshot_of_a_closed_period_is_what_was_sent_before() {
    let mut school = School::start(2).await;
    school.send(120).await;
    school.running.wait();
    school.hidden.insert("u4".to_owned());
    school.running.done(&["hide", "u4"]);
    school.send(300).await;
    let file = school.running.folder.path().join("season.jsonl");
    let name = file.to_str().unwrap().to_owned();
    let close = ["close", "points", "--period", "all", "--id", "c1", "--snapshot", &name];
    let (sent, points) = (school.running.done(&close), school.points());
    assert!(sent.contains("is done: close points all all"), "{sent}");
    school.send(300).await;
    school.running.wait();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (head, rows) = lines.split_first().unwrap();
    // Of everyone and of three classes.
    assert_eq!((&head["parts"], &head["rows"]), (&json!(4), &json!(2 * (USERS - 1))), "{head}");
    assert!(head["moment"].as_str().unwrap().starts_with("final"), "{head}");
    let mut shown = points.clone();
    shown.remove("u4");
    let of = |class: Option<usize>| -> Scores {
        let group = class.map_or(json!({}), |class| json!({ "class": format!("c{class}") }));
        let rows = rows.iter().filter(|row| row["group"] == group);
        let pair = |row: &Value| {
            (row["member"].as_str().unwrap().to_owned(), row["score"].as_i64().unwrap())
        };
        rows.map(pair).collect()
    };
    assert_eq!(of(None), shown);
    let of_class: Scores = shown
        .iter()
        .filter(|(user, _)| class_of(user) == 2)
        .map(|(u, s)| (u.clone(), *s))
        .collect();
    assert_eq!(of(Some(2)), of_class);
    // The board stays as it was, says that it is final, and its events are late.
    assert_eq!(school.board("points:board:all:all:everyone").await, shown);
    let board: Value = serde_json::from_str(
        &school.running.done(&["board", "points", "--period", "all", "--json"]),
    )
    .unwrap();
    assert_eq!(board["final"], json!(true));
    // One who comes back has what was sent before, too.
    school.running.done(&["unhide", "u4"]);
    school.running.wait();
    assert_eq!(school.board("points:board:all:all:everyone").await, points);
    // A reset writes its snapshot first.
    let file = school.running.folder.path().join("before.jsonl");
    school.running.done(&["reset", "played", "--snapshot", file.to_str().unwrap()]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 1 + USERS, "{text}");
    assert!(text.lines().next().unwrap().contains("before the edit was sent"), "{text}");
    // What started over is no snapshot of what was closed, and another edit is none at all.
    school.running.done(&["reset", "points", "--id", "r1"]);
    school.running.wait();
    let late = school.running.folder.path().join("late.jsonl");
    let late = late.to_str().unwrap();
    let of = |id| ["close", "points", "--period", "all", "--id", id, "--snapshot", late];
    for (id, code, why) in
        [("c1", 1, "it is not closed any more"), ("r1", 2, "is that of another edit: reset points")]
    {
        let refused = school.running.tallyd(&of(id));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(code) && said.contains(why), "{id}: {said}");
    }
    let left = std::fs::read_dir(school.running.folder.path()).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.starts_with("late")));
}

#[tokio::test]
async fn an_edit_of_no_part_that_there_is_is_refused_before_it_is_stored() {
    let mut school = School::start(1).await;
    school.send(60).await;
    school.running.wait();
    let there = school.running.folder.path().join("there");
    std::fs::write(&there, "mine").unwrap();
    let there = there.to_str().unwrap();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["close", "pints"], 2, "\"pints\" is no leaderboard"),
        (&["close", "unique"], 2, "(there are: points or played)"),
        (&["close", "points"], 2, "say which period is meant: day or all"),
        (&["close", "points", "--period", "week"], 2, "the bolt has no period \"week\""),
        (&["close", "points", "--period", "day", "--label", "2099-01-01"], 2, "has not begun"),
        (&["reset", "points", "--by", "user=u1"], 2, "the bolt has no group \"user=u1\""),
        (&["reset", "points", "--by", "class=nobody's"], 2, "\"points\" has counted nothing there"),
        (&["close", "points", "--period", "all", "--snapshot", there], 1, "is there already"),
    ];
    for (words, code, expected) in cases {
        let output = school.running.tallyd(words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {error}");
        assert!(error.contains(expected), "{words:?}: {error}");
    }
    let dry = school.running.done(&["reset", "played", "--dry-run"]);
    assert_eq!(dry, "reset played would change 1 boards\n");
    assert_eq!(school.running.done(&["edits", "--json"]), "[]\n");
    // What is closed can't be closed again, once all know of it.
    school.running.done(&["close", "played"]);
    school.running.wait();
    let output = school.running.tallyd(&["close", "played"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("all all of \"played\" is closed already"), "{error}");
}
