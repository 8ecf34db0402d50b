//! Members who get other names while events flow and workers die.

use super::School;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Scores = BTreeMap<String, i64>;

impl School {
    /// Renames a member, as the ledger has it: events of the old name count for it from then on.
    fn rename(&mut self, old: &str, new: &str, id: &str) {
        self.running.done(&["rename", old, new, "--id", id]);
        let counts = self.ledger.remove(old).unwrap();
        let of_both = self.ledger.entry(new.to_owned()).or_default();
        (of_both.0, of_both.1) = (of_both.0 + counts.0, of_both.1 + counts.1);
        if self.hidden.remove(old) {
            self.hidden.insert(new.to_owned());
        }
    }

    /// Holds every board to the recount.
    async fn audit_renamed(&mut self) {
        self.running.wait();
        let shown = self.ledger.iter().filter(|(name, _)| !self.hidden.contains(*name));
        let points: Scores = shown.clone().map(|(name, of)| (name.clone(), of.0)).collect();
        let plays: Scores = shown.map(|(name, of)| (name.clone(), of.1)).collect();
        for class in [None, Some(0), Some(1), Some(2)] {
            let group = class.map_or("everyone".to_owned(), |class| format!("class=c{class}"));
            let is_of = |name: &str| {
                let number: usize = name[1..].parse().unwrap();
                class.is_none_or(|class| number % 3 == class)
            };
            let mut expected = points.clone();
            expected.retain(|name, _| is_of(name));
            let found = self.board(&format!("points:board:all:all:{group}")).await;
            assert_eq!(found, expected, "{group}");
        }
        // Of events that come by several partitions, those around the edit may be of either name.
        let of_people = |scores: Scores| {
            let mut all = Scores::new();
            for (name, score) in scores {
                let person = match name.as_str() {
                    "u4" | "v4" => "4".to_owned(),
                    "u7" | "u10" => "7".to_owned(),
                    _ => name,
                };
                *all.entry(person).or_default() += score;
            }
            all
        };
        let found = self.board("played:board:all:all:everyone").await;
        if self.hidden.is_empty() {
            assert_eq!(of_people(found), of_people(plays));
        }
    }
}

#[tokio::test]
async fn who_is_renamed_has_all_that_both_names_had_while_workers_die() {
    let mut school = School::start(3).await;
    school.send(600).await;
    school.running.wait();
    school.send(300).await;
    // To a name that nobody has, and while the first is on its way, another one.
    school.rename("u4", "v4", "r4");
    school.send(300).await;
    school.replace_a_worker().await;
    school.send(200).await;
    school.audit_renamed().await;
    // Two who become one, of whom one is hidden.
    school.edit("hide", "u7");
    school.send(200).await;
    // A rename waits for other edits of its names.
    school.running.wait();
    school.send(100).await;
    school.rename("u7", "u10", "r7");
    school.replace_a_worker().await;
    school.send(300).await;
    school.audit_renamed().await;
    assert!(school.hidden.contains("u10"));
    school.edit("unhide", "u10");
    school.send(100).await;
    school.audit_renamed().await;
    // The same id once more changes nothing.
    let again = school.running.done(&["rename", "u5", "u6", "--id", "r4"]);
    assert!(again.contains("edit r4 was accepted before: rename user u4 to v4"), "{again}");
    school.audit_renamed().await;
    let listed: Value = serde_json::from_str(&school.running.done(&["edits", "--json"])).unwrap();
    let first = listed.as_array().unwrap().last().unwrap();
    assert_eq!((&first["id"], &first["to"]), (&json!("r4"), &json!("v4")), "{listed}");
    for bolt in first["bolts"].as_array().unwrap() {
        // Four partitions, and one more where something was handed over.
        let handed = u64::from(bolt["changed"] != json!(0));
        assert_eq!(
            (&bolt["done"], &bolt["of"]),
            (&json!(4 + handed), &json!(4 + handed)),
            "{bolt}"
        );
    }
    let one = school.running.done(&["edits", "r4"]);
    assert!(one.contains("a retry of an old event has to say the old name"), "{one}");
    // A name that is forgotten stands in no edit.
    school.running.done(&["forget", "v4"]);
    school.running.wait();
    assert!(!school.running.done(&["edits", "--json"]).contains("v4"));
}

#[tokio::test]
async fn a_rename_that_can_not_be_is_refused_before_it_is_stored() {
    let mut school = School::start(1).await;
    school.send(60).await;
    school.running.wait();
    let cases: [(&[&str], &str); 5] = [
        (&["ann", "u1"], "no result has a user \"ann\""),
        (&["u1", "u1"], "\"u1\" is its name already (say another one by \"to\")"),
        (&["u1", ""], "it says no new name (give the field \"to\")"),
        (&["u1", &"x".repeat(5000)], "its new name has 5000 bytes (a value has at most 4096)"),
        (&["u1", "u2", "--field", "city"], "no source has a field \"city\""),
    ];
    for (words, expected) in cases {
        let output = school.running.tallyd(&[&["rename"], words].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains(expected), "{words:?}: {error}");
    }
    let dry = school.running.done(&["rename", "u1", "ann", "--dry-run"]);
    assert!(dry.contains("rename u1 ann would change 10 results"), "{dry}");
    assert!(dry.contains("ann has no results yet"), "{dry}");
    assert!(dry.contains("stays in unique: the ids of events"), "{dry}");
    let dry = school.running.done(&["rename", "u1", "u2", "--dry-run"]);
    assert!(dry.contains("u2 has results already, on "), "{dry}");
    assert_eq!(school.running.done(&["edits", "--json"]), "[]\n");
    // While nobody works, the rename is on its way, and what meets it has to wait.
    for mut worker in school.running.workers.drain(..) {
        worker.kill().await.unwrap();
    }
    school.running.done(&["rename", "u1", "ann", "--id", "r1"]);
    let cases: [&[&str]; 4] =
        [&["hide", "u1"], &["rename", "u2", "ann"], &["forget", "ann"], &["reset", "points"]];
    for words in cases {
        let output = school.running.tallyd(words);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("edit \"r1\" is not done"), "{words:?}: {error}");
    }
    school.running.done(&["hide", "u2", "--id", "h2"]);
    let met = school.running.tallyd(&["rename", "u2", "u3"]);
    assert!(String::from_utf8(met.stderr).unwrap().contains("edit \"h2\" is not done"));
    school.running.join();
    school.running.wait();
    school.running.done(&["rename", "u2", "u3"]);
}
