//! A closed-loop load: so many connections that stay open, on each of which a request waits for the
//! answer to the one before. The same for every server, so that the client costs the same.

use super::{histogram::Histogram, parse};
use crate::{BenchError, cpu};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    task::JoinSet,
};

/// Finds the end of an answer.
pub type End = fn(&[u8]) -> Result<Option<usize>, BenchError>;

/// What is asked, and of whom.
#[derive(Clone)]
pub struct Flood {
    /// The server.
    pub address: SocketAddr,
    /// The requests, taken in turn by whichever connection is free.
    pub requests: Arc<Vec<Vec<u8>>>,
    /// Where an answer ends.
    pub end: End,
    /// How many connections.
    pub connections: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Flooded {
    /// Requests that were answered.
    pub answered: u64,
    /// From the first request to the last answer.
    pub took: Duration,
    /// From a request to its answer.
    pub delays: Histogram,
    /// The client's processor time, in µs.
    pub cpu: f64,
}

impl Flood {
    /// Asks for so long, on a thread of its own.
    ///
    /// # Errors
    /// Where a server does not answer, or answers with an error.
    pub async fn run(self, time: Duration) -> Result<Flooded, BenchError> {
        let all = tokio::task::spawn_blocking(move || self.here(time)).await;
        all.map_err(|_| BenchError::Thread("load generator"))?
    }

    /// The answer to the first of the requests.
    ///
    /// # Errors
    /// As [`Flood::run`].
    pub async fn one(&self) -> Result<Vec<u8>, BenchError> {
        let mut asking = Asking::connect(self).await?;
        let request = self.requests.first().map(Vec::as_slice).unwrap_or_default();
        let length = asking.ask(request).await?;
        asking.bytes.truncate(length);
        Ok(asking.bytes)
    }

    fn here(self, time: Duration) -> Result<Flooded, BenchError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(BenchError::io("start the load generator"))?;
        runtime.block_on(async {
            let mut open = Vec::new();
            for _ in 0..self.connections {
                open.push(Asking::connect(&self).await?);
            }
            let (cpu, began) = (cpu::thread()?, Instant::now());
            let next = Arc::new(AtomicUsize::new(0));
            let mut all = JoinSet::new();
            for asking in open {
                let (requests, next) = (Arc::clone(&self.requests), Arc::clone(&next));
                all.spawn(asking.until(began + time, requests, next));
            }
            let mut flooded = Flooded::default();
            while let Some(one) = all.join_next().await {
                let delays = one.map_err(|_| BenchError::Thread("load generator"))??;
                flooded.delays.add(&delays);
            }
            flooded.answered = flooded.delays.count();
            flooded.took = began.elapsed();
            flooded.cpu = cpu::thread()? - cpu;
            Ok(flooded)
        })
    }
}

/// One connection.
struct Asking {
    socket: TcpStream,
    end: End,
    bytes: Vec<u8>,
}

impl Asking {
    async fn connect(flood: &Flood) -> Result<Self, BenchError> {
        let socket = TcpStream::connect(flood.address).await;
        let socket = socket.map_err(BenchError::io("connect the load generator"))?;
        socket.set_nodelay(true).map_err(BenchError::io("set up a connection"))?;
        Ok(Self { socket, end: flood.end, bytes: Vec::with_capacity(8 << 10) })
    }

    async fn until(
        mut self,
        over: Instant,
        requests: Arc<Vec<Vec<u8>>>,
        next: Arc<AtomicUsize>,
    ) -> Result<Histogram, BenchError> {
        let mut delays = Histogram::default();
        loop {
            let now = Instant::now();
            if now >= over {
                return Ok(delays);
            }
            let place = next.fetch_add(1, Ordering::Relaxed) % requests.len().max(1);
            let request = requests.get(place).map(Vec::as_slice).unwrap_or_default();
            self.ask(request).await?;
            delays.record(now.elapsed());
        }
    }

    /// Gives how long the answer is, which `bytes` begins with.
    async fn ask(&mut self, request: &[u8]) -> Result<usize, BenchError> {
        self.socket.write_all(request).await.map_err(BenchError::io("send a request"))?;
        self.bytes.clear();
        loop {
            let read = self.socket.read_buf(&mut self.bytes).await;
            if read.map_err(BenchError::io("read an answer"))? == 0 {
                return Err(BenchError::Refused("the connection was closed".to_owned()));
            }
            if let Some(length) = (self.end)(&self.bytes)? {
                return Ok(length);
            }
        }
    }
}

/// A request by HTTP.
#[must_use]
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// The ends of answers by HTTP.
pub const HTTP: End = parse::http;
/// The ends of Redis's replies.
pub const RESP: End = parse::resp;
