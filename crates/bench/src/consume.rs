//! The consumers other than tallyd, each in a process of its own, so that processor time is told
//! apart in the same way for all.
//!
//! Such a process says `ready`, and then `done N` after each batch: N events so far. `direct` has
//! no stream and begins when its standard input says `go`. The others go on until they are killed.

mod direct;
mod floor;
mod sea_streamer;
mod stream_loop;

use crate::{
    BenchError,
    wire::STREAM,
    workload::{Workload, WorkloadOptions},
};
use redis::{
    Connection, IntoConnectionInfo,
    io::tcp::TcpSettings,
    streams::{StreamId, StreamReadReply},
};
use std::io::Write;

/// How many events are taken at once.
pub const BATCH: usize = 500;
/// The consumer group.
pub const GROUP: &str = "statistics";
/// The consumer.
pub const CONSUMER: &str = "only";
/// How long a read waits, in ms.
const BLOCK_MS: u32 = 1_000;

/// Who consumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Consumer {
    /// Writes results without a stream.
    Direct,
    /// Reads and acknowledges, and nothing else.
    Floor,
    /// The usual consumer, on redis-rs.
    Loop,
    /// The same on sea-streamer.
    SeaStreamer,
}

/// Consumes until it is done or killed. `first_at`: the time of the first event.
///
/// # Errors
/// Where Redis can't be used, or a result is refused.
pub fn run(
    consumer: Consumer,
    url: &str,
    workload: &WorkloadOptions,
    first_at: i64,
) -> Result<(), BenchError> {
    match consumer {
        Consumer::Direct => direct::run(url, &Workload::new(workload), first_at),
        Consumer::Floor => floor::run(url),
        Consumer::Loop => stream_loop::run(url),
        Consumer::SeaStreamer => sea_streamer::run(url),
    }
}

fn connect(url: &str) -> Result<Connection, BenchError> {
    let info = url.into_connection_info()?;
    let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    Ok(redis::Client::open(info)?.get_connection()?)
}

/// Waits for entries and reads them; none where none came in time.
fn read(connection: &mut Connection) -> Result<Vec<StreamId>, BenchError> {
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg(GROUP).arg(CONSUMER).arg("COUNT").arg(BATCH);
    read.arg("BLOCK").arg(BLOCK_MS).arg("STREAMS").arg(STREAM).arg(">");
    let reply: Option<StreamReadReply> = read.query(connection)?;
    Ok(reply.and_then(|reply| reply.keys.into_iter().next()).map_or(Vec::new(), |key| key.ids))
}

/// Says a word to the process that measures.
fn say(words: &str) -> Result<(), BenchError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{words}").and_then(|()| out.flush()).map_err(BenchError::io("report"))
}
