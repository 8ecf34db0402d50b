//! Broken requests, and a Redis that is away.

use crate::{
    FILE,
    lab::Lab,
    server::{Events, Serve, read, until},
};
use std::{io::Write, time::Instant};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test(flavor = "multi_thread")]
async fn broken_requests_are_refused() {
    let lab = Lab::start(FILE).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    let long = vec![b' '; 5 << 20];
    let code = |answer: crate::server::Answer| answer.json()["code"].as_str().unwrap().to_owned();
    assert_eq!(code(serve.post("/v1/events/ev", &JSON, &long)), "too-large");
    assert_eq!(code(serve.post("/v1/boards/board/members", &JSON, &long)), "too-large");
    let packed = gzip(&vec![b' '; 64 << 20]);
    assert!(packed.len() < 1 << 20);
    let headers = [JSON[0], ("content-encoding", "gzip")];
    assert_eq!(code(serve.post("/v1/events/ev", &headers, &packed)), "too-large");
    let torn = [JSON[0], ("content-encoding", "zstd")];
    assert_eq!(code(serve.post("/v1/events/ev", &torn, b"no zstd")), "bad-request");
    let other = [JSON[0], ("content-encoding", "br")];
    assert_eq!(code(serve.post("/v1/events/ev", &other, b"x")), "unsupported-media");
    let deep = "[".repeat(100_000);
    let refused = serve.post("/v1/events/ev", &JSON, deep.as_bytes());
    assert_eq!((refused.status, &refused.json()["accepted"]), (422, &0.into()));
    assert_eq!(serve.post("/v1/boards/board/members", &JSON, deep.as_bytes()).status, 400);
    let name = "x".repeat(1 << 20);
    assert!(serve.get("/v1/boards/board", &[("x-long", &name)]).status >= 400);
    // Half a request, and then the end.
    let mut half = serve.connect();
    half.write_all(b"GET /v1/boards/board HTTP/1.1\r\nhost: loc").unwrap();
    drop(half);
    let mut nonsense = serve.connect();
    nonsense.write_all(b"\x16\x03\x01\x00\r\n\r\n").unwrap();
    assert_eq!(read(nonsense).status, 400);
    assert_eq!(serve.get("/v1/boards/board", &[]).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_is_said_and_comes_back() {
    let lab = Lab::start(FILE).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    let mut events = Events::open(&serve, "/v1/boards/board/live?rate=20", &[]);
    assert_eq!(events.next().unwrap().name, "snapshot");
    lab.server.pause().unwrap();
    let began = Instant::now();
    // What was read a moment ago still holds.
    let mut read = serve.get("/v1/boards/board", &[]);
    until("what was read is too old", || {
        read = serve.get("/v1/boards/board", &[]);
        read.status != 200
    });
    assert_eq!((read.status, &read.json()["code"]), (503, &"unavailable".into()));
    assert!(read.header("retry-after").is_some());
    assert!(began.elapsed().as_secs() < 10, "no request hangs: {:?}", began.elapsed());
    let sent = br#"{"id": "1", "user": "u1", "pts": 7, "at": "2026-01-05T10:00:00Z"}"#;
    assert_eq!(serve.post("/v1/events/ev", &JSON, sent).status, 503);
    assert_eq!(events.until("problem").data["code"], "unavailable");
    lab.server.go_on().unwrap();
    until("events are taken again", || serve.post("/v1/events/ev", &JSON, sent).status == 200);
    loop {
        let event = events.next().unwrap();
        let rows = event.data["rows"].as_array().or(event.data["set"].as_array());
        if rows.is_some_and(|rows| rows.iter().any(|row| row["score"] == 7)) {
            break;
        }
    }
    lab.tallyd(&["wait", "--timeout", "60s"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_of_trouble_is_told_when_it_is_over() {
    let lab = Lab::start(FILE).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    let mut events = Events::open(&serve, "/v1/boards/board/live?rate=20", &[]);
    let snapshot = events.next().unwrap();
    lab.server.pause().unwrap();
    events.until("problem");
    lab.server.go_on().unwrap();
    let over = events.until("resumed");
    assert_eq!(over.id, snapshot.id);
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
