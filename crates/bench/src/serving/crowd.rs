//! Many clients of streams of events, on one thread: what they get, and how old it is by then.

use super::{
    histogram::Histogram,
    parse::{self, Chunks, Lines},
};
use crate::{BenchError, cpu, load::Schedule};
use std::{
    cell::RefCell,
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    runtime::Builder,
    sync::{Semaphore, oneshot},
    time::sleep,
};

/// How many clients connect at the same time.
const AT_ONCE: usize = 64;
/// How long it may take until all are connected.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether all have what they wait for.
const LOOK: Duration = Duration::from_millis(20);

thread_local! {
    /// What is read: into the same place for all clients, so that they have no buffers.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

/// Who is followed, and by how many.
pub struct CrowdOptions {
    /// The server.
    pub address: SocketAddr,
    /// The path of each view. Clients are dealt out to them in turn.
    pub views: Vec<String>,
    /// The member of each view by whose score delays are seen; none: they are not.
    pub members: Vec<String>,
    /// How many clients.
    pub clients: usize,
}

/// What a crowd got since it was last asked.
pub struct Tally {
    /// Events of streams, all clients together.
    pub messages: u64,
    /// From due to received, of the probes that were due since.
    pub delays: Histogram,
    /// What the first client of each view got.
    pub taps: Vec<Tap>,
    /// Since when this counts.
    pub since: Instant,
}

/// An event of a stream.
#[derive(Clone, Debug)]
pub struct Tap {
    /// When it was received.
    pub at: Instant,
    /// Of which view.
    pub view: usize,
    /// Its data.
    pub data: Vec<u8>,
}

/// Clients that follow. They are gone when this is dropped.
pub struct Crowd {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<f64, BenchError>>>,
}

struct Shared {
    options: CrowdOptions,
    schedule: OnceLock<Schedule>,
    tally: Mutex<Tally>,
    /// The score that each client saw last.
    scores: Vec<AtomicI64>,
    connected: AtomicUsize,
    lost: AtomicUsize,
    /// Why the first client was lost.
    failed: OnceLock<String>,
}

impl Crowd {
    /// Begins to connect, and waits until all are.
    ///
    /// # Errors
    /// Where they are not in time.
    pub async fn start(options: CrowdOptions) -> Result<Self, BenchError> {
        let shared = Arc::new(Shared {
            schedule: OnceLock::new(),
            tally: Mutex::new(Tally::new()),
            scores: (0..options.clients).map(|_| AtomicI64::new(0)).collect(),
            connected: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            failed: OnceLock::new(),
            options,
        });
        let (stop, stopped) = oneshot::channel();
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(BenchError::io("start the clients"))?;
            runtime.block_on(async {
                let gate = Arc::new(Semaphore::new(AT_ONCE));
                for client in 0..of_thread.options.clients {
                    let (shared, gate) = (Arc::clone(&of_thread), Arc::clone(&gate));
                    tokio::spawn(follow(shared, client, gate));
                }
                // An end is an end, said or dropped.
                let _ = stopped.await;
            });
            cpu::thread()
        });
        let mut crowd = Self { shared, stop: Some(stop), thread: Some(thread) };
        let connected = || crowd.shared.connected.load(Ordering::Relaxed);
        let began = Instant::now();
        while connected() < crowd.shared.options.clients {
            if began.elapsed() > PATIENCE || crowd.lost() > 0 {
                let (had, lost) = (connected(), crowd.lost());
                let why = crowd.shared.failed.get().cloned().unwrap_or_default();
                crowd.end()?;
                let what = format!("{had} clients were connected and {lost} lost: {why}");
                return Err(BenchError::Refused(what));
            }
            sleep(LOOK).await;
        }
        Ok(crowd)
    }

    /// Says when probes are due.
    pub fn expect(&self, schedule: Schedule) {
        // It is said once for each crowd.
        let _ = self.shared.schedule.set(schedule);
    }

    /// What was got since the last time, and counts from zero.
    #[must_use]
    pub fn take(&self) -> Tally {
        std::mem::replace(&mut *self.shared.tally(), Tally::new())
    }

    /// How many clients were cut off.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Waits, not for ever, until all clients saw the last probe of so many events. Gives how many
    /// did not.
    pub async fn behind(&self, sent: u64) -> usize {
        let Some(schedule) = self.shared.schedule.get() else { return 0 };
        let views = self.shared.options.views.len();
        let last: Vec<i64> = (0..views).map(|view| schedule.score(view as u64, sent)).collect();
        let behind = || {
            let scores = self.shared.scores.iter().zip(last.iter().cycle());
            scores.filter(|(score, last)| score.load(Ordering::Relaxed) < **last).count()
        };
        let began = Instant::now();
        while behind() > 0 && began.elapsed() < Duration::from_secs(10) {
            sleep(LOOK).await;
        }
        behind()
    }

    /// Waits, not for ever, until so many messages were got since [`Crowd::take`].
    pub async fn until(&self, messages: u64) {
        let began = Instant::now();
        while self.shared.tally().messages < messages && began.elapsed() < Duration::from_secs(10) {
            sleep(LOOK).await;
        }
    }

    /// Hangs up. Gives the processor time that all clients took, in µs.
    ///
    /// # Errors
    /// Where their thread failed.
    pub fn end(&mut self) -> Result<f64, BenchError> {
        drop(self.stop.take());
        match self.thread.take() {
            Some(thread) => thread.join().map_err(|_| BenchError::Thread("clients"))?,
            None => Ok(0.0),
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // What failed was said by whoever saw it first.
        let _ = self.end();
    }
}

impl Tally {
    fn new() -> Self {
        let (delays, since) = (Histogram::default(), Instant::now());
        Self { messages: 0, delays, taps: Vec::new(), since }
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, why: &str) {
        // The first one is told.
        let _ = self.failed.set(why.to_owned());
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the data of an event.
    fn got(&self, client: usize, data: &[u8]) {
        let now = Instant::now();
        let views = self.options.views.len().max(1);
        let view = client % views;
        let mut tally = self.tally();
        let Tally { since, .. } = *tally;
        tally.messages += 1;
        if client < views {
            tally.taps.push(Tap { at: now, view, data: data.to_vec() });
        }
        let Some(schedule) = self.schedule.get() else { return };
        let member = self.options.members.get(view);
        let Some(score) = member.and_then(|member| parse::score(data, member)) else { return };
        let Some(last) = self.scores.get(client) else { return };
        let had = last.fetch_max(score, Ordering::Relaxed);
        for due in schedule.due(view as u64, had, score).filter(|due| *due >= since) {
            tally.delays.record(now.saturating_duration_since(due));
        }
    }
}

async fn follow(shared: Arc<Shared>, client: usize, gate: Arc<Semaphore>) {
    let Ok(permit) = gate.acquire().await else { return };
    let opened = open(&shared, client).await;
    drop(permit);
    let (socket, mut chunks, mut lines) = match opened {
        Ok(opened) => opened,
        Err(error) => return shared.lose(&error.to_string()),
    };
    shared.connected.fetch_add(1, Ordering::Relaxed);
    while socket.readable().await.is_ok() {
        let is_open = READ.with_borrow_mut(|buffer| match socket.try_read(buffer) {
            Ok(0) => false,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                take(&shared, client, (&mut chunks, &mut lines), bytes)
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        if !is_open {
            break;
        }
    }
    shared.lose("the connection was closed");
}

/// Gives whether there is more to come.
fn take(
    shared: &Shared,
    client: usize,
    (chunks, lines): (&mut Option<Chunks>, &mut Lines),
    bytes: &[u8],
) -> bool {
    let mut payload = |payload: &[u8]| {
        lines.feed(payload, |line| {
            if let Some(data) = line.strip_prefix(b"data: ") {
                shared.got(client, data);
            }
        });
    };
    match chunks {
        Some(chunks) => chunks.feed(bytes, payload),
        None => {
            payload(bytes);
            true
        }
    }
}

async fn open(
    shared: &Shared,
    client: usize,
) -> Result<(TcpStream, Option<Chunks>, Lines), BenchError> {
    let CrowdOptions { address, views, .. } = &shared.options;
    let path = views.get(client % views.len().max(1)).map(String::as_str).unwrap_or_default();
    let connected = TcpStream::connect(address).await;
    let mut socket = connected.map_err(BenchError::io("connect a client"))?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    socket.write_all(request.as_bytes()).await.map_err(BenchError::io("send a request"))?;
    let mut begun = Vec::new();
    loop {
        socket.readable().await.map_err(BenchError::io("wait for an answer"))?;
        match socket.try_read_buf(&mut begun) {
            Ok(0) => return Err(BenchError::Refused("the connection was closed".to_owned())),
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                return Err(BenchError::io("read an answer")(error));
            }
            _ => {}
        }
        match parse::head(&begun)? {
            None => {}
            Some(head) if head.status == 200 => {
                let is_chunked = head.body == parse::Body::Chunked;
                let (mut chunks, mut lines) = (is_chunked.then(Chunks::default), Lines::default());
                let body = begun.get(head.length..).unwrap_or_default();
                take(shared, client, (&mut chunks, &mut lines), body);
                return Ok((socket, chunks, lines));
            }
            Some(head) => return Err(BenchError::Refused(format!("status {}", head.status))),
        }
    }
}
