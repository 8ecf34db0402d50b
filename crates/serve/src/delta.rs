//! How one answer differs from another.

use crate::answer::Answer;
use axum::body::Bytes;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The change as JSON. Of an answer with rows: `set`, the rows that are new or not the same, each
/// with what its rank and score `was`; `gone`, what told the rows apart that are not there any
/// more; `order`, all that tell rows apart, where it has changed and does not follow from ranks; and `head`, what else is not the same. Of an answer without rows: `head` alone.
#[must_use]
pub fn between(before: &Answer, now: &Answer) -> Bytes {
    let mut change = Map::new();
    let changed = now.head.iter().filter(|(name, value)| before.head.get(*name) != Some(value));
    let mut head: Map<String, Value> =
        changed.map(|(name, value)| (name.clone(), value.clone())).collect();
    for name in before.head.keys().filter(|name| !now.head.contains_key(*name)) {
        head.insert(name.clone(), Value::Null);
    }
    change.insert("head".to_owned(), Value::Object(head));
    if let (Some(before), Some(now)) = (&before.rows, &now.rows) {
        let mut old: HashMap<&str, &Map<String, Value>> =
            before.iter().map(|(key, row)| (key.as_str(), row)).collect();
        let mut set = Vec::new();
        for (key, row) in now {
            match old.remove(key.as_str()) {
                Some(was) if was == row => {}
                was => set.push(with_was(row, was)),
            }
        }
        let gone = before.iter().filter(|(key, _)| old.contains_key(key.as_str()));
        let gone: Vec<Value> = gone.map(|(_, row)| identity(row)).collect();
        change.insert("set".to_owned(), Value::Array(set));
        change.insert("gone".to_owned(), Value::Array(gone));
        let keys = |rows: &[(String, Map<String, Value>)]| -> Vec<String> {
            rows.iter().map(|(key, _)| key.clone()).collect()
        };
        if !is_told_by_ranks(now) && keys(before) != keys(now) {
            let order = now.iter().map(|(_, row)| identity(row));
            change.insert("order".to_owned(), order.collect());
        }
    }
    Value::Object(change).to_string().into()
}

/// Whether the order of rows follows from their ranks: each has one, and no two the same.
fn is_told_by_ranks(rows: &[(String, Map<String, Value>)]) -> bool {
    let rank = |(_, row): &(String, Map<String, Value>)| row.get("rank").cloned();
    let differ = |two: &[(String, Map<String, Value>)]| match two {
        [one, other] => rank(one) != rank(other),
        _ => true,
    };
    rows.iter().all(|row| rank(row).is_some()) && rows.windows(2).all(differ)
}

fn with_was(row: &Map<String, Value>, was: Option<&Map<String, Value>>) -> Value {
    let mut row = row.clone();
    if row.contains_key("member") {
        let was = was.map(|was| json!({ "rank": was.get("rank"), "score": was.get("score") }));
        row.insert("was".to_owned(), was.unwrap_or(Value::Null));
    }
    Value::Object(row)
}

/// What tells a row from the others.
fn identity(row: &Map<String, Value>) -> Value {
    match row.get("member") {
        Some(member) => member.clone(),
        None => json!({ "start": row.get("start"), "group": row.get("group") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &Value) -> Answer {
        Answer::new(body, &["member"], false).unwrap()
    }

    #[test]
    fn a_change_is_what_is_new_what_is_gone_and_what_it_was() {
        let row =
            |member: &str, rank, score| json!({"member": member, "rank": rank, "score": score});
        let before = answer(&json!({
            "size": 3, "label": "x", "rows": [row("a", 1, 9), row("b", 2, 8), row("c", 3, 7)],
        }));
        let now = answer(&json!({
            "size": 4, "label": "x", "rows": [row("b", 1, 10), row("a", 2, 9), row("d", 3, 8)],
        }));
        let change: Value = serde_json::from_slice(&between(&before, &now)).unwrap();
        assert_eq!(change["head"], json!({"size": 4}));
        assert_eq!(change["gone"], json!(["c"]));
        assert_eq!(
            change["set"][0],
            json!({"member": "b", "rank": 1, "score": 10, "was": {"rank": 2, "score": 8}})
        );
        assert_eq!(change["set"][2]["was"], Value::Null);
        assert_eq!(change["set"].as_array().unwrap().len(), 3);
        let same: Value = serde_json::from_slice(&between(&now, &now)).unwrap();
        assert_eq!(same, json!({"head": {}, "set": [], "gone": []}));
    }

    #[test]
    fn rows_of_one_rank_come_with_their_order() {
        let row = |member: &str, rank| json!({"member": member, "rank": rank, "score": 1});
        let before = answer(&json!({"rows": [row("a", 1)]}));
        let now = answer(&json!({"rows": [row("b", 1), row("a", 1), row("c", 3)]}));
        let change: Value = serde_json::from_slice(&between(&before, &now)).unwrap();
        assert_eq!(change["order"], json!(["b", "a", "c"]));
    }

    #[test]
    fn how_far_the_bolt_is_changes_no_tag() {
        let one = answer(&json!({"as_of": 1, "rows": []}));
        let other = answer(&json!({"as_of": 2, "rows": []}));
        assert_eq!(one.tag, other.tag);
        assert_ne!(one.tag, answer(&json!({"size": 1, "rows": []})).tag);
    }
}
