//! The one connection that readers share, where what is at its other end goes silent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use tallyd_query::{Client, QueryError};
use tallyd_store::Connection;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::sleep,
};

/// A server that answers every command alike: TIME with a time. Its first connection goes silent
/// when it is told to, and is never closed, as one behind a network that drops everything.
async fn server(is_silent: Arc<AtomicBool>, connections: Arc<AtomicU32>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let is_first = connections.fetch_add(1, Ordering::SeqCst) == 0;
            let is_silent = Arc::clone(&is_silent);
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                    if is_first && is_silent.load(Ordering::SeqCst) {
                        continue;
                    }
                    let commands = bytes.iter().take(read).filter(|b| **b == b'*').count();
                    let answer = "*2\r\n$10\r\n1700000000\r\n$1\r\n0\r\n".repeat(commands);
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    format!("redis://{address}")
}

/// Silent while it was in use, and while nobody used it.
#[tokio::test]
async fn a_silent_connection_is_left_for_a_new_one() {
    for idle in [Duration::ZERO, Duration::from_millis(1100)] {
        let (is_silent, connections) = (Arc::default(), Arc::default());
        let url = server(Arc::clone(&is_silent), Arc::clone(&connections)).await;
        let client = Client::new(url.as_str().into(), 4, Duration::from_millis(200));
        let time =
            async |c: &mut Connection| tallyd_store::server_ms(c).await.map_err(QueryError::from);
        client.ask(time).await.unwrap();
        client.ask(time).await.unwrap();
        assert_eq!(connections.load(Ordering::SeqCst), 1, "it is shared");
        is_silent.store(true, Ordering::SeqCst);
        sleep(idle).await;
        client.ask(time).await.unwrap_err();
        client.ask(time).await.unwrap();
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    }
}
