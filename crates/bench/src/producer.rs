//! The producer: writes encoded commands to a socket of its own, as fast as the consumers let it.

use crate::{BenchError, cpu, wire::Chunk};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How many events it may be ahead of the consumers: enough that no batch is ever short, and a
/// bound for the memory at the peak.
pub const AHEAD: u64 = 100_000;
/// How long it rests where it is too far ahead.
const REST: Duration = Duration::from_micros(500);
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the producer did.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// When the first event was sent.
    pub began: Instant,
    /// Its processor time, in µs.
    pub cpu: f64,
}

/// A connection that takes bytes and counts replies.
pub struct Producer {
    socket: TcpStream,
    replies: Vec<u8>,
}

impl Producer {
    /// Connects.
    ///
    /// # Errors
    /// Where the server can't be reached.
    pub fn connect(address: SocketAddr) -> Result<Self, BenchError> {
        let connected = TcpStream::connect(address).and_then(|socket| {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        });
        let socket = connected.map_err(BenchError::io("connect the producer"))?;
        Ok(Self { socket, replies: vec![0; 1 << 16] })
    }

    /// Sends commands of which each is answered by one bulk string, and waits for the answers.
    ///
    /// # Errors
    /// Where Redis refuses one, or does not answer.
    pub fn send(&mut self, bytes: &[u8], commands: usize) -> Result<(), BenchError> {
        self.socket.write_all(bytes).map_err(BenchError::io("write events"))?;
        // `$15`, line end, the id, line end.
        let mut lines = commands * 2;
        while lines > 0 {
            let count =
                self.socket.read(&mut self.replies).map_err(BenchError::io("read replies"))?;
            let read = self.replies.get(..count).unwrap_or_default();
            // No id holds a `-` behind the line's start but between its digits.
            let refused = read.split(|b| *b == b'\n').find(|line| line.first() == Some(&b'-'));
            if let Some(line) = refused.filter(|line| !line.get(1).is_some_and(u8::is_ascii_digit))
            {
                return Err(BenchError::Refused(String::from_utf8_lossy(line).into_owned()));
            }
            if count == 0 {
                return Err(BenchError::Refused("the connection was closed".to_owned()));
            }
            lines = lines.saturating_sub(read.iter().filter(|b| **b == b'\n').count());
        }
        Ok(())
    }
}

/// Sends all chunks. `progress`: how many events the consumers have processed.
///
/// # Errors
/// As [`Producer::send`].
pub fn flood(
    address: SocketAddr,
    chunks: &[Chunk],
    progress: &AtomicU64,
) -> Result<Sent, BenchError> {
    let mut producer = Producer::connect(address)?;
    let (began, cpu_before) = (Instant::now(), cpu::thread()?);
    let mut sent = 0;
    for chunk in chunks {
        while sent > progress.load(Ordering::Relaxed) + AHEAD {
            std::thread::sleep(REST);
        }
        producer.send(&chunk.bytes, chunk.commands)?;
        sent += chunk.events as u64;
    }
    Ok(Sent { began, cpu: cpu::thread()? - cpu_before })
}
