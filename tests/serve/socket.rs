//! Many live views over one WebSocket, spoken by hand.

use crate::{FILE, lab::Lab, server::Serve};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

const AT: &str = "2026-01-05T10:00:00Z";

struct Socket(TcpStream);

impl Socket {
    fn open(serve: &Serve) -> Self {
        let mut stream = serve.connect();
        let head = "GET /v1/live HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n\
                    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self(stream)
    }

    /// Sends a text; a client's frames are masked, here with zeros.
    fn send(&mut self, text: &str) {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        let head = [&[0x81, 0x80 | 126][..], &length, &[0; 4]].concat();
        self.0.write_all(&[&head, text.as_bytes()].concat()).unwrap();
    }

    /// The next text; `None` where the server closes.
    fn read(&mut self) -> Option<Value> {
        let mut head = [0; 2];
        // The server may end before its last words are sent.
        self.0.read_exact(&mut head).ok()?;
        let [kind, length] = head;
        let length = match length {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                usize::from(u16::from_be_bytes(length))
            }
            length => usize::from(length),
        };
        let mut text = vec![0; length];
        self.0.read_exact(&mut text).unwrap();
        (kind == 0x81).then(|| serde_json::from_slice(&text).unwrap())
    }

    fn until(&mut self, watch: &str, event: &str) -> Value {
        loop {
            let message = self.read().unwrap();
            if message["watch"] == watch && message["event"] == event {
                return message;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_may_not_open_one() {
    let lab = Lab::start(FILE).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    let upgrade = [
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("origin", "http://evil.example"),
    ];
    assert_eq!(serve.get("/v1/live", &upgrade).json()["code"], "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_watched_and_dropped_by_name() {
    let mut lab = Lab::start(FILE).await;
    lab.send(&[("u1", AT, &[("pts", "5"), ("class", "10B")])]).await;
    let mut serve = Serve::start(&lab.file, &lab.server.url);
    let mut socket = Socket::open(&serve);
    let watch = |name: &str, path: &str| json!({"watch": name, "path": path}).to_string();
    socket.send(&watch("all", "/v1/boards/board?rate=20"));
    assert_eq!(socket.until("all", "snapshot")["data"]["size"], 1);
    socket.send(&watch("class", "/v1/boards/board?rate=20&by.class=10B"));
    socket.until("class", "snapshot");
    lab.send(&[("u2", AT, &[("pts", "9")])]).await;
    let delta = socket.until("all", "delta");
    assert_eq!(delta["data"]["set"][0]["member"], "u2");
    assert!(delta["id"].is_string());
    socket.send(&json!({"drop": "all"}).to_string());
    for (name, path, code) in [
        ("class", "/v1/boards/board", "bad-request"),
        ("x", "/v1/boards/nix", "bolt-unknown"),
        ("x", "/v2/boards/board", "not-found"),
        ("x", "/v1/boards/board?limit=x", "bad-request"),
    ] {
        socket.send(&watch(name, path));
        assert_eq!(socket.until(name, "problem")["data"]["code"], code, "{path}");
    }
    socket.send("{\"wish\": 1}");
    assert_eq!(socket.read().unwrap()["data"]["code"], "bad-request");
    // A name that was dropped is free again.
    socket.send(&watch("all", "/v1/boards/board?limit=1"));
    socket.until("all", "snapshot");
    for number in 2..128 {
        socket.send(&watch(&number.to_string(), "/v1/boards/board?limit=1"));
    }
    socket.send(&watch("one more", "/v1/boards/board"));
    let refused = socket.until("one more", "problem");
    assert!(refused["data"]["detail"].as_str().unwrap().contains("128"), "{refused}");
    serve.terminate();
    while socket.read().is_some() {}
    assert!(serve.child.wait().unwrap().success());
}
