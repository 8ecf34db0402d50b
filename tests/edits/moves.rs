//! Members who go from a class to another one while events flow and workers die.

use super::School;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Scores = BTreeMap<String, i64>;

impl School {
    fn points_of(&self, user: &str) -> i64 {
        self.ledger.get(user).unwrap().0
    }

    pub(super) async fn replace_a_worker(&mut self) {
        let mut killed = self.running.workers.remove(0);
        killed.kill().await.unwrap();
        self.running.join();
    }
}

#[tokio::test]
async fn a_member_takes_its_points_along_or_leaves_them_while_workers_die() {
    let mut school = School::start(3).await;
    school.send(600).await;
    // What a board does not have yet can't be moved.
    school.running.wait();
    school.send(300).await;
    // All three are of c1, and their events go on to say so.
    school.running.done(&["move", "u4", "--from", "class=c1", "--to", "class=c2", "--id", "m4"]);
    let of_u4 = school.points_of("u4");
    school.send(300).await;
    school.replace_a_worker().await;
    let away = ["--from", "class=c1", "--to", "class=c0", "--points", "leave", "--by", "anna"];
    school.running.done(&[&["move", "u7"], away.as_slice()].concat());
    let of_u7 = school.points_of("u7");
    school.send(300).await;
    // One who is hidden moves too.
    school.running.done(&["hide", "u10"]);
    school.running.done(&["move", "u10", "--from", "class=c1", "--to", "class=c0"]);
    let of_u10 = school.points_of("u10");
    school.send(300).await;
    school.replace_a_worker().await;
    school.running.wait();
    school.running.done(&["unhide", "u10"]);
    school.send(300).await;
    school.running.wait();
    let all: Scores = school.ledger.iter().map(|(user, of)| (user.clone(), of.0)).collect();
    assert_eq!(school.board("points:board:all:all:everyone").await, all);
    let left = BTreeMap::from([("u4", of_u4), ("u7", of_u7), ("u10", of_u10)]);
    for class in 0..3 {
        let is_of = |user: &str| user[1..].parse::<usize>().unwrap() % 3 == class;
        let mut expected: Scores =
            all.clone().into_iter().filter(|(user, _)| is_of(user)).collect();
        for (user, points) in &mut expected {
            *points -= left.get(user.as_str()).copied().unwrap_or_default();
        }
        match class {
            0 => drop(expected.insert("u10".to_owned(), of_u10)),
            1 => assert!(expected.contains_key("u7")),
            _ => drop(expected.insert("u4".to_owned(), of_u4)),
        }
        let found = school.board(&format!("points:board:all:all:class=c{class}")).await;
        assert_eq!(found, expected, "{class}");
    }
    // The same id once more changes nothing.
    let again = ["move", "u5", "--from", "class=c2", "--to", "class=c0", "--id", "m4"];
    let said = school.running.done(&again);
    let was = "edit m4 was accepted before: move user u4 class=c1 to class=c2";
    assert!(said.contains(was), "{said}");
    let listed: Value = serde_json::from_str(&school.running.done(&["edits", "--json"])).unwrap();
    let leave = &listed[3];
    assert_eq!((&leave["points"], &leave["by"]), (&json!("leave"), &json!("anna")), "{listed}");
    let bolts = listed[4]["bolts"].as_array().unwrap();
    let points = bolts.iter().find(|of| of["bolt"] == "points").unwrap();
    // Today's board and that of all time (and yesterday's, around midnight), each left and joined.
    assert!([json!(4), json!(6)].contains(&points["changed"]), "{listed}");
    assert!(
        school
            .running
            .done(&["edits"])
            .contains("move user u7 class=c1 to class=c0 without points")
    );
}

#[tokio::test]
async fn a_move_that_can_not_be_is_refused_before_it_is_stored() {
    let mut school = School::start(1).await;
    school.send(60).await;
    school.running.wait();
    let cases = [
        (["u1", "class=c2", "class=c0"], "no board of class=c2 has a user \"u1\""),
        (["u1", "class=c1", "class=c1"], "leaves and joins the same group \"class=c1\""),
        (["u1", "city=Goa", "city=Pune"], "has boards by city (there are boards by: class"),
        (
            ["u1", "class=c1", "city=Goa"],
            "\"class=c1\" and \"city=Goa\" are not of the same fields",
        ),
        (["u1", "c1", "class=c2"], "expected FIELD=VALUE, such as class=10B"),
    ];
    for ([user, from, to], expected) in cases {
        let output = school.running.tallyd(&["move", user, "--from", from, "--to", to]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{from} {to}: {error}");
        assert!(error.contains(expected), "{from} {to}: {error}");
    }
    let dry =
        school.running.done(&["move", "u1", "--from", "class=c1", "--to", "class=c2", "--dry-run"]);
    let ways = "it leaves those of class=c1, and joins those of class=c2 with its points\n";
    let boards = ["4", "6"].map(|boards| format!("move u1 would change {boards} boards\n{ways}"));
    assert!(boards.contains(&dry), "{dry}");
    let leave = ["--to", "class=c2", "--points", "leave", "--dry-run"];
    let dry =
        school.running.done(&[&["move", "u1", "--from", "class=c1"], leave.as_slice()].concat());
    assert!(
        dry.contains("it leaves those of class=c1, and begins at nothing in class=c2"),
        "{dry}"
    );
    assert_eq!(school.running.done(&["edits", "--json"]), "[]\n");
}
