//! Writes events to a source stream, many commands in one round trip.
//!
//! Nothing is sent twice by itself: where an answer is lost, what became of the last commands is
//! not known, and the caller is told how many were acknowledged before them. Sending the whole
//! file again is safe where the topology drops duplicates.

use crate::{Fields, batch::Batch};
use redis::{Pipeline, Value, aio::MultiplexedConnection};
use std::time::Duration;
use tallyd_event::decode::BATCH_FIELD;

/// How many commands go in one round trip.
const CHUNK: usize = 500;
/// How long the answer to a chunk may take.
const ANSWER: Duration = Duration::from_secs(30);

/// How events become entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An entry for each event: plain fields.
    Entry,
    /// An entry for many events, in its field `batch`.
    Batch,
}

/// Why sending ended.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection broke.
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// The server refused a command.
    #[error("Redis refused an entry: {0}")]
    Refused(String),
    /// The events can't be encoded.
    #[error("can't encode a batch: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
}

/// Sends events to one stream.
pub struct Sender {
    connection: MultiplexedConnection,
    stream: String,
    form: Form,
    batch: Batch,
    pipeline: Pipeline,
    /// How many events each command of the pipeline holds.
    held: Vec<u64>,
    acknowledged: u64,
    entries: u64,
}

impl Sender {
    /// Sends over this connection, which nobody else uses.
    #[must_use]
    pub fn new(mut connection: MultiplexedConnection, stream: &str, form: Form) -> Self {
        connection.set_response_timeout(ANSWER);
        Self {
            connection,
            stream: stream.to_owned(),
            form,
            batch: Batch::default(),
            pipeline: Pipeline::new(),
            held: Vec::new(),
            acknowledged: 0,
            entries: 0,
        }
    }

    /// How many events the server has for certain.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many entries hold them.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Sends an event, at the latest with [`Sender::flush`].
    ///
    /// # Errors
    /// As [`Sender::flush`].
    pub async fn push(&mut self, fields: Fields) -> Result<(), SendError> {
        match self.form {
            Form::Entry => {
                let command = self.add();
                for (field, value) in &fields {
                    command.arg(field.as_str()).arg(value.as_str());
                }
                self.held.push(1);
            }
            Form::Batch => {
                if self.batch.push(fields) {
                    self.close_batch()?;
                }
            }
        }
        // A batch of 100 events counts as as many commands, so that a round trip stays small.
        let full = match self.form {
            Form::Entry => CHUNK,
            Form::Batch => CHUNK / 100,
        };
        if self.held.len() >= full { self.round_trip().await } else { Ok(()) }
    }

    /// Sends what is left, and waits until the server has it.
    ///
    /// # Errors
    /// Where the connection broke or the server refused an entry. Entries after the last that was
    /// acknowledged may have been written.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.close_batch()?;
        self.round_trip().await
    }

    fn add(&mut self) -> &mut Pipeline {
        self.pipeline.cmd("XADD").arg(&self.stream).arg("*")
    }

    fn close_batch(&mut self) -> Result<(), SendError> {
        if let Some((bytes, events)) = self.batch.take()? {
            self.add().arg(BATCH_FIELD).arg(bytes);
            self.held.push(events);
        }
        Ok(())
    }

    async fn round_trip(&mut self) -> Result<(), SendError> {
        if self.held.is_empty() {
            return Ok(());
        }
        let pipeline = std::mem::replace(&mut self.pipeline, Pipeline::new());
        let held = std::mem::take(&mut self.held);
        let replies = self.connection.send_packed_commands(&pipeline, 0, held.len()).await?;
        let mut refused = None;
        for (reply, events) in replies.into_iter().zip(held) {
            match reply {
                Value::ServerError(error) => {
                    let details = error.details().unwrap_or_default();
                    refused = refused.or_else(|| Some(format!("{} {details}", error.code())));
                }
                _ => {
                    self.acknowledged += events;
                    self.entries += 1;
                }
            }
        }
        refused.map_or(Ok(()), |reason| Err(SendError::Refused(reason)))
    }
}
