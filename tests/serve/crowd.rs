//! Many clients at once, and slow ones: the others are answered, memory stays bounded, and who
//! sends nothing is let go.

use crate::{
    FILE,
    lab::Lab,
    server::{Serve, read, send},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// How many clients there are, where the system lets one process have so many files.
const CROWD: u64 = 2_000;
/// The most memory that one of them may cost the server, in bytes.
const EACH: u64 = 64 << 10;
/// After how long one is let go that sends nothing, or a byte a second: the time for a head, for a
/// body, and some for a machine that is busy.
const HEAD: Duration = Duration::from_secs(10 + 10);
const BODY: Duration = Duration::from_secs(20 + 10);

/// As many files as the system allows; the server that is started has them too.
fn more_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(CROWD * 2);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    most
}

/// The memory that a process has, in bytes.
fn memory(serve: &Serve) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serve.child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Reads until the server closes, and says how long that took.
fn until_closed(mut stream: TcpStream, within: Duration) -> Vec<u8> {
    let began = Instant::now();
    let mut said = Vec::new();
    stream.set_read_timeout(Some(within)).unwrap();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    assert!(began.elapsed() < within, "still open after {:?}", began.elapsed());
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_sends_nothing_is_cheap_and_let_go() {
    let crowd = CROWD.min(more_files().saturating_sub(500) / 2);
    let lab = Lab::start(FILE).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    assert_eq!(serve.get("/v1/boards/board", &[]).status, 200);
    let before = memory(&serve);
    let clients = (0..crowd).map(|number| {
        let mut client = serve.connect();
        let said: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /v1/boards/board HTTP/1.1\r\nhost: loc",
            // The answer is not read, and the connection is kept.
            _ => b"GET /v1/boards/board HTTP/1.1\r\nhost: localhost\r\n\r\n",
        };
        client.write_all(said).unwrap();
        client
    });
    let clients: Vec<TcpStream> = clients.collect();
    let began = Instant::now();
    assert_eq!(serve.get("/v1/boards/board", &[]).status, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let each = memory(&serve).saturating_sub(before) / crowd;
    assert!(each < EACH, "{each} bytes for each of {crowd} clients");
    let began = Instant::now();
    for (number, client) in clients.into_iter().enumerate() {
        let said = until_closed(client, HEAD.saturating_sub(began.elapsed()));
        let is_answered = said.starts_with(b"HTTP/1.1 200");
        assert_eq!(is_answered, number % 3 == 2, "{number}: {}", String::from_utf8_lossy(&said));
    }
    assert_eq!(serve.get("/v1/boards/board", &[]).status, 200);
}

/// A shell usually gives a process 1,024 files, and lets it have more where it asks for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_as_many_files_as_it_may() {
    let lab = Lab::start(FILE).await;
    let most = more_files();
    let serve = Serve::start_limited(&lab.file, &lab.server.url, 64);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serve.child.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some(most.to_string().as_str()), "{files}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_a_second_is_not_waited_for() {
    let lab = Lab::start(FILE).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    let slow = |head: &str, within: Duration| {
        let mut client = serve.connect();
        client.write_all(head.as_bytes()).unwrap();
        // A read that finds nothing takes the second between two bytes.
        client.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let within = Instant::now() + within;
        std::thread::spawn(move || {
            let mut said = Vec::new();
            loop {
                let mut some = [0; 1024];
                match client.read(&mut some) {
                    Ok(0) => return said,
                    Ok(count) => said.extend(some.iter().take(count)),
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => return said,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
                }
                assert!(Instant::now() < within, "still open: {}", String::from_utf8_lossy(&said));
                // What was closed meanwhile is read as such.
                let _ = client.write_all(b"x");
            }
        })
    };
    let head = slow("GET /v1/boards/board HTTP/1.1\r\nhost: localhost\r\nx: ", HEAD);
    let events = "POST /v1/events/ev HTTP/1.1\r\nhost: localhost\r\n\
                  content-type: application/json\r\ncontent-length: 1000\r\n\r\n";
    let body = slow(events, BODY);
    let chunked = events.replace("content-length: 1000", "transfer-encoding: chunked");
    let chunk = slow(&format!("{chunked}3e8\r\n"), BODY);
    assert_eq!(serve.get("/v1/boards/board", &[]).status, 200);
    let head = String::from_utf8(head.join().unwrap()).unwrap();
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 4"), "{head}");
    for body in [body, chunk] {
        let said = String::from_utf8(body.join().unwrap()).unwrap();
        assert!(said.starts_with("HTTP/1.1 400") && said.contains("took too long"), "{said}");
    }
    assert_eq!(serve.get("/v1/boards/board", &[]).status, 200);
}

/// A client that asks and asks, and reads nothing.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_are_not_made() {
    let lab = Lab::start(FILE).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    assert_eq!(serve.get("/openapi.json", &[]).status, 200);
    let before = memory(&serve);
    let ask = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1000);
    let deaf: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut client = serve.connect();
            client.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
            // The system keeps some megabytes of them.
            let sent = (0..1000).find_map(|_| client.write_all(&ask).err());
            assert_eq!(sent.unwrap().kind(), ErrorKind::WouldBlock, "it reads no further");
            client
        })
        .collect();
    let taken = memory(&serve).saturating_sub(before);
    assert!(taken < 8 << 20, "{taken} bytes for {} clients", deaf.len());
    assert_eq!(serve.get("/v1/boards/board", &[]).status, 200);
}

/// Bodies that become large when they are unpacked, many at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_bombs_at_once_take_bounded_memory() {
    let lab = Lab::start(FILE).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    assert_eq!(serve.get("/v1/boards/board", &[]).status, 200);
    let before = memory(&serve);
    let bomb = crate::faults::gzip(&vec![b' '; 64 << 20]);
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let clients: Vec<TcpStream> = (0..32)
        .map(|_| {
            let mut client = serve.connect();
            send(&mut client, "POST", "/v1/events/ev", &headers, &bomb);
            client
        })
        .collect();
    for client in clients {
        assert_eq!(read(client).json()["code"], "too-large");
    }
    let taken = memory(&serve).saturating_sub(before);
    assert!(taken < 256 << 20, "{taken} bytes");
}
