//! A board that is written often leaves the packed form of Redis, and nobody sees how.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use redis::{Pipeline, Value};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;
use tallyd_bolt::{Key, Write};
use tallyd_harness::{Server, ServerOptions};
use tallyd_query::{Look, Ranked, Stored};
use tallyd_store::{Connection, commands::add_writes, keys::Keys};

fn key() -> Key {
    Key::new(&["board", "all", "all", "class=10B"])
}

async fn encoding(connection: &mut Connection, keys: &Keys) -> String {
    let mut ask = Pipeline::new();
    ask.cmd("OBJECT").arg("ENCODING").arg(keys.bolt("b", &key()));
    redis::from_redis_value(connection.all(&ask).await.unwrap().remove(0)).unwrap()
}

/// Commits a score, as a worker does.
async fn commit(connection: &mut Connection, keys: &Keys, member: &SmolStr, score: f64) {
    let mut transaction = Pipeline::new();
    transaction.cmd("MULTI");
    let write = Write::Score { key: key(), member: member.clone(), score };
    add_writes(&mut transaction, keys, "b", &[write]);
    transaction.cmd("EXEC");
    let replies = connection.all(&transaction).await.unwrap().pop().unwrap();
    let Value::Array(replies) = replies else { unreachable!("{replies:?}") };
    assert!(replies.iter().all(|reply| matches!(reply, Value::Int(_))), "{replies:?}");
}

#[tokio::test]
async fn a_board_that_is_written_often_is_unpacked_and_holds_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), ServerOptions::default()).await.unwrap();
    let mut connection = Connection::open(&server.url).await.unwrap();
    let keys = Keys::new("t", 0);
    let mut plain: BTreeMap<SmolStr, f64> = BTreeMap::new();
    let mut forms = Vec::new();
    for step in 0..400u32 {
        let (member, score) = (format_smolstr!("u{}", step % 40), f64::from(step / 7) + 0.37);
        commit(&mut connection, &keys, &member, score).await;
        plain.insert(member, score);
        forms.push(encoding(&mut connection, &keys).await);
        let look = Look { places: 0..100, ..Look::default() };
        let seen = Stored::new(&mut connection, &keys, "b").look(&key(), &look).await.unwrap();
        let rows: BTreeMap<SmolStr, f64> = seen.rows.iter().cloned().collect();
        assert_eq!((&rows, seen.size), (&plain, plain.len() as u64), "step {step}");
    }
    let packed = forms.iter().take_while(|form| *form == "listpack").count();
    assert!((1..200).contains(&packed), "unpacked after {packed} writes");
    assert!(forms.iter().skip(packed).all(|form| form == "skiplist"));
}
