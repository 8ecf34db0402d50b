//! Connections without TLS, with a server of the test's own that answers badly, slowly or never.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use redis::{Pipeline, Value};
use std::time::Duration;
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_store::Connection;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixListener, UnixStream},
    time::{sleep, timeout},
};

/// A connection and the server's end of it, which has greeted.
async fn connected() -> (Connection, UnixStream, TempDir) {
    let (connection, server, folder) = logged_in("", "", "").await;
    (connection.unwrap(), server, folder)
}

/// The same, with this query in the URL: the server must be told this first, and answers this.
async fn logged_in(
    query: &str,
    told: &str,
    answer: &str,
) -> (Result<Connection, StoreError>, UnixStream, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let url = format!("redis+unix://{}{query}", path.display());
    let server = async {
        let (mut server, _) = listener.accept().await.unwrap();
        expect(&mut server, told).await;
        server.write_all(answer.as_bytes()).await.unwrap();
        if !answer.starts_with('-') {
            expect(&mut server, "*1\r\n$5\r\nHELLO\r\n").await;
            server.write_all(b"-NOPERM no\r\n").await.unwrap();
        }
        server
    };
    let (connection, server) = tokio::join!(Connection::open(&url), server);
    (connection, server, folder)
}

async fn expect(server: &mut (impl AsyncRead + Unpin), bytes: &str) {
    let mut came = vec![0; bytes.len()];
    server.read_exact(&mut came).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&came), bytes);
}

fn pings(count: usize) -> Pipeline {
    let mut commands = Pipeline::new();
    for _ in 0..count {
        commands.cmd("PING");
    }
    commands
}

const PING: &str = "*1\r\n$4\r\nPING\r\n";

#[tokio::test]
async fn a_reply_in_many_pieces_is_one_and_errors_stay_in_their_places() {
    let (mut connection, mut server, _folder) = connected().await;
    let reply = "+OK\r\n-OOM no room\r\n*3\r\n$3\r\na\r\n\r\n*-1\r\n-WRONGTYPE not a list\r\n";
    let answer = async {
        expect(&mut server, &PING.repeat(3)).await;
        for byte in reply.as_bytes() {
            server.write_all(&[*byte]).await.unwrap();
            sleep(Duration::from_micros(200)).await;
        }
        // The next round trip goes over the same connection.
        expect(&mut server, PING).await;
        server.write_all(b":7\r\n").await.unwrap();
    };
    let ask = async {
        let replies = connection.send(&pings(3)).await.unwrap();
        (replies, connection.all(&pings(1)).await.unwrap())
    };
    let ((first, second), ()) = tokio::join!(ask, answer);
    let error = |line: &str| redis::parse_redis_value(line.as_bytes()).unwrap();
    let items =
        vec![Value::BulkString(b"a\r\n".to_vec()), Value::Nil, error("-WRONGTYPE not a list\r\n")];
    assert_eq!(first, [Value::Okay, error("-OOM no room\r\n"), Value::Array(items)]);
    assert_eq!(second, [Value::Int(7)]);
}

#[tokio::test]
async fn a_server_that_hangs_up_midway_breaks_the_connection() {
    let (mut connection, mut server, _folder) = connected().await;
    let answer = async {
        expect(&mut server, &PING.repeat(2)).await;
        server.write_all(b"+PONG\r\n$10\r\nabc").await.unwrap();
        drop(server);
    };
    let commands = pings(2);
    let (replies, ()) = tokio::join!(connection.send(&commands), answer);
    assert_eq!(replies.unwrap_err().kind, ErrorKind::Connection);
    assert_eq!(connection.send(&pings(1)).await.unwrap_err().kind, ErrorKind::Connection);
}

#[tokio::test]
async fn what_is_no_reply_breaks_the_connection() {
    for (answer, why) in [
        ("HTTP/1.1 400 Bad Request\r\n", "no reply begins with byte 0x48"),
        ("+PONG\r\n+PONG\r\n", "more replies than commands"),
    ] {
        let (mut connection, mut server, _folder) = connected().await;
        server.write_all(answer.as_bytes()).await.unwrap();
        let error = connection.send(&pings(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Reply);
        assert!(error.message.contains(why), "{error}");
        let error = connection.send(&pings(1)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connection, "{error}");
    }
}

/// The late reply must not be taken for that of another command.
#[tokio::test]
async fn a_connection_whose_answer_was_not_waited_for_is_not_used_again() {
    let (mut connection, mut server, _folder) = connected().await;
    let commands = pings(1);
    let dropped = timeout(Duration::from_millis(50), connection.send(&commands)).await;
    assert!(dropped.is_err());
    expect(&mut server, PING).await;
    server.write_all(b"+LATE\r\n").await.unwrap();
    let error = connection.send(&pings(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connection, "{error}");
}

/// A server that reads no more before its answers are taken, as Redis does at its limit: whoever
/// wrote everything first would wait for it, and it for them.
#[tokio::test]
async fn much_goes_both_ways_at_a_time() {
    const MEGABYTE: usize = 1 << 20;
    let (mut connection, mut server, _folder) = connected().await;
    let commands = 24;
    let mut ask = Pipeline::new();
    for _ in 0..commands {
        ask.cmd("ECHO").arg(vec![b'x'; MEGABYTE]);
    }
    let answer = async {
        let mut command = vec![0; ask.get_packed_pipeline().len() / commands];
        let reply = [b"$1048576\r\n", vec![b'y'; MEGABYTE].as_slice(), b"\r\n"].concat();
        for _ in 0..commands {
            server.read_exact(&mut command).await.unwrap();
            server.write_all(&reply).await.unwrap();
        }
    };
    let both = async { tokio::join!(connection.all(&ask), answer) };
    let (replies, ()) = timeout(Duration::from_secs(30), both).await.unwrap();
    let replies = replies.unwrap();
    assert_eq!(replies.len(), commands);
    assert!(replies.iter().all(|reply| *reply == Value::BulkString(vec![b'y'; MEGABYTE])));
}

#[tokio::test]
async fn who_speaks_something_else_is_no_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let server = async {
        let (mut server, _) = listener.accept().await.unwrap();
        expect(&mut server, "*1\r\n$5\r\nHELLO\r\n").await;
        server.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
        server
    };
    let (connection, _server) = tokio::join!(Connection::open(&url), server);
    let error = connection.map(drop).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Reply);
    assert!(error.message.contains("it does not answer as Redis does"), "{error}");
}

#[tokio::test]
async fn user_password_and_database_are_said_first() {
    let auth = "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$2\r\np@\r\n";
    let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
    let both = format!("{auth}{select}");
    let cases = [
        ("?user=u&pass=p%40&db=3", both.as_str(), "+OK\r\n+OK\r\n", None),
        ("?pass=p", "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n", "+OK\r\n", None),
        ("?user=u", "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$0\r\n\r\n", "+OK\r\n", None),
        ("?db=3", select, "+OK\r\n", None),
        (
            "?user=u&pass=p%40",
            auth,
            "-WRONGPASS invalid\r\n",
            Some((ErrorKind::Auth, "it knows no such user and password")),
        ),
        (
            "?user=u&pass=p%40",
            auth,
            "-ERR max number of clients reached\r\n",
            Some((ErrorKind::Busy, "max number of clients reached")),
        ),
        (
            "?db=3",
            select,
            "-ERR DB index is out of range\r\n",
            Some((ErrorKind::Setup, "DB index is out of range")),
        ),
    ];
    for (query, told, answer, refused) in cases {
        let (connection, _server, _folder) = logged_in(query, told, answer).await;
        match (connection.map(drop), refused) {
            (Ok(()), None) => {}
            (Err(error), Some((kind, why))) => {
                assert!(
                    error.kind == kind && error.message.contains(why),
                    "{:?} {error}",
                    error.kind
                );
            }
            (outcome, _) => panic!("{query}: {outcome:?}"),
        }
    }
}
