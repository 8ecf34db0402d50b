//! A server and its client, which speaks HTTP by hand where a library would be too polite.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// `tallyd serve` on a free port.
pub struct Serve {
    pub child: Child,
    pub address: String,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {} {}", self.headers, String::from_utf8_lossy(&self.body))
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| {
            line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        };
        self.headers.lines().find(named)?.split_once(':').map(|(_, value)| value.trim())
    }
}

impl Serve {
    pub fn start(file: &Path, redis: &str) -> Self {
        Self::start_with(file, redis, &[])
    }

    pub fn start_with(file: &Path, redis: &str, arguments: &[&str]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_tallyd")), file, redis, arguments)
    }

    /// As from a shell that lets it have so many files to begin with.
    pub fn start_limited(file: &Path, redis: &str, files: u32) -> Self {
        let mut shell = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_tallyd");
        shell.args(["-c", &format!("ulimit -Sn {files}; exec \"$0\" \"$@\""), program]);
        Self::run(shell, file, redis, &[])
    }

    fn run(mut command: Command, file: &Path, redis: &str, arguments: &[&str]) -> Self {
        let mut child = command
            .arg("serve")
            .arg(file)
            .args(["--listen", "127.0.0.1:0", "--redis", redis])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
        assert!(!address.is_empty(), "the server did not start");
        Self { child, address }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, b"")
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.ask("POST", path, headers, body)
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        send(&mut stream, method, path, headers, body);
        read(stream)
    }

    /// Tells it to end, as an operator would.
    pub fn terminate(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn send(
    stream: &mut TcpStream,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if method == "POST" {
        head += &format!("content-length: {}\r\n", body.len());
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    // A server that refuses a long body may hang up before its end.
    let _ = stream.write_all(body);
}

/// Asks until something holds, and fails where it does not in time.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "still not so: {what}");
        std::thread::yield_now();
    }
}

pub fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(&bytes)));
    let (headers, body) = bytes.split_at(end);
    let headers = String::from_utf8(headers.to_vec()).unwrap();
    let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, headers, body: body.get(4..).unwrap().to_vec() }
}

/// Server-Sent Events, one after the other.
pub struct Events {
    lines: BufReader<TcpStream>,
}

/// One of them.
#[derive(Debug)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: Value,
}

impl Events {
    pub fn open(serve: &Serve, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = serve.connect();
        send(&mut stream, "GET", path, headers, b"");
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.contains(" 200 "), "{line}");
        Self { lines }
    }

    /// The next event; `None` at the end of the stream.
    pub fn next(&mut self) -> Option<Event> {
        let mut event = Event { name: String::new(), id: String::new(), data: Value::Null };
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // What is no field is of the chunks that HTTP cuts a stream into, or of the headers.
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("data", data)) => {
                    event.data = serde_json::from_str(data).unwrap();
                    return Some(event);
                }
                Some(("retry", _)) if event.name.is_empty() => {}
                _ => {}
            }
        }
    }

    /// The next event of this name; others are passed over.
    pub fn until(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event.name == name {
                return event;
            }
        }
    }
}
