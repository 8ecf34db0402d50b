//! Answers that go on.

use crate::{
    FILE,
    lab::Lab,
    server::{Events, Serve},
};
use std::time::{Duration, Instant};

const AT: &str = "2026-01-05T10:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn a_board_is_followed_and_gone_on_with() {
    let mut lab = Lab::start(FILE).await;
    lab.send(&[("u1", AT, &[("pts", "5")]), ("u2", AT, &[("pts", "4")])]).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    let path = "/v1/boards/board/live?rate=20";
    let mut events = Events::open(&serve, path, &[]);
    let snapshot = events.next().unwrap();
    assert_eq!(snapshot.name, "snapshot");
    assert_eq!(snapshot.data["rows"][0]["member"], "u1");

    lab.send(&[("u2", AT, &[("pts", "3")])]).await;
    let delta = events.next().unwrap();
    assert_eq!((delta.name.as_str(), delta.id == snapshot.id), ("delta", false));
    let changed = delta.data["set"].as_array().unwrap();
    let second = changed.iter().find(|row| row["member"] == "u2").unwrap();
    assert_eq!((&second["rank"], &second["score"]), (&1.into(), &7.into()));
    assert_eq!((&second["was"]["rank"], &second["was"]["score"]), (&2.into(), &4.into()));

    // One who was away goes on from what it has; one who has nothing known is told so.
    let mut back = Events::open(&serve, path, &[("last-event-id", &snapshot.id)]);
    assert_eq!(back.next().unwrap().name, "resumed");
    let missed = back.next().unwrap();
    assert_eq!((missed.name.as_str(), &missed.id), ("delta", &delta.id));
    let mut lost = Events::open(&serve, &format!("{path}&last_event_id=5"), &[]);
    assert_eq!(lost.next().unwrap().name, "reset");
    assert_eq!(lost.next().unwrap().name, "snapshot");
    let mut current = Events::open(&serve, path, &[("last-event-id", &delta.id)]);
    assert_eq!(current.next().unwrap().name, "resumed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_yet_is_waited_for() {
    let mut lab = Lab::start(FILE).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    let mut events = Events::open(&serve, "/v1/boards/board/members/u9/live?rate=20", &[]);
    let problem = events.next().unwrap();
    assert_eq!(
        (problem.name.as_str(), &problem.data["code"]),
        ("problem", &"member-absent".into())
    );
    lab.send(&[("u9", AT, &[("pts", "5")])]).await;
    assert_eq!(events.until("snapshot").data["rows"][0]["rank"], 1);
    let never = serve.get("/v1/boards/nix/live", &[]);
    assert_eq!((never.status, &never.json()["code"]), (404, &"bolt-unknown".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_soon_after_sigterm() {
    let lab = Lab::start(FILE).await;
    let mut serve = Serve::start(&lab.file, &lab.server.url);
    let mut events = Events::open(&serve, "/v1/boards/board/live", &[]);
    assert_eq!(events.next().unwrap().name, "snapshot");
    let began = Instant::now();
    serve.terminate();
    assert!(events.next().is_none());
    let code = serve.child.wait().unwrap();
    assert!(code.success());
    // No timing decides but this promise of the documentation, with room for a slow machine.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
