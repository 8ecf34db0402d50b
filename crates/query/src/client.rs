//! The way to one server for those who read: one connection, on which the commands of all who read
//! at a time go out together. A server reads and writes once for many of them, which is most of what
//! a small reading costs it.
//!
//! What blocks a connection, such as a write while a server pauses writes, holds up all that comes
//! after it on the same one: who writes has a client of its own.

use crate::QueryError;
use std::time::Duration;
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_store::{Connection, SharedConnection, server_ms};
use tallyd_topology::RedisAddress;
use tokio::{
    sync::{Mutex, Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};

/// How long a reader waits for its turn, and for a connection.
const WAIT: Duration = Duration::from_secs(1);

/// After how long unused a connection is tried before it is used.
const IDLE: Duration = Duration::from_secs(1);

/// Up to so many readings at once of one server.
pub struct Client {
    address: RedisAddress,
    turns: Semaphore,
    open: Mutex<Open>,
    patience: Duration,
}

#[derive(Default)]
struct Open {
    connection: Option<(SharedConnection, Instant)>,
    /// How many were opened.
    count: u64,
}

impl Client {
    /// Nothing is open yet. Up to `most` read at once, and a reading may take `patience`.
    #[must_use]
    pub fn new(address: RedisAddress, most: usize, patience: Duration) -> Self {
        Self { address, turns: Semaphore::new(most), open: Mutex::default(), patience }
    }

    /// Asks. A connection that broke, or on which there was no answer in time, is not used again.
    ///
    /// # Errors
    /// Where no connection is to be had, the reading failed, or it took too long.
    pub async fn ask<T>(
        &self,
        reading: impl AsyncFnOnce(&mut Connection) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        self.ask_within(self.patience, reading).await
    }

    /// The same, with another patience.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn ask_within<T>(
        &self,
        patience: Duration,
        reading: impl AsyncFnOnce(&mut Connection) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let began = timeout(WAIT, self.begin()).await;
        let (_turn, mut connection, number) = began.map_err(|_| late(WAIT))??;
        let read = match timeout(patience, reading(&mut connection)).await {
            Ok(read) => read,
            Err(_) => Err(late(patience).into()),
        };
        if let Err(QueryError::Store(error)) = &read
            && is_of_connection(error.kind)
        {
            let mut open = self.open.lock().await;
            // Others may have opened another one since.
            if open.count == number {
                open.connection = None;
            }
        }
        read
    }

    /// Waits for a turn, and opens a connection where there is none. With it comes its number.
    async fn begin(&self) -> Result<(SemaphorePermit<'_>, Connection, u64), StoreError> {
        let closed = |_| StoreError::new(ErrorKind::Bug, "the readers' turns are closed");
        let turn = self.turns.acquire().await.map_err(closed)?;
        let mut open = self.open.lock().await;
        // Taken out while it is tried: who gives up waiting for a silent one must not leave it there.
        if let Some((shared, used)) = open.connection.take() {
            let mut connection = shared.connection();
            // A server hangs up on what was idle for long, or was restarted meanwhile.
            let idle = used.elapsed() > IDLE;
            if !idle || Box::pin(server_ms(&mut connection)).await.is_ok() {
                open.connection = Some((shared, Instant::now()));
                return Ok((turn, connection, open.count));
            }
        }
        // In a box: it is long, seldom needed, and would be a part of whoever reads.
        let shared = Box::pin(SharedConnection::open(&self.address)).await?;
        let connection = shared.connection();
        open.connection = Some((shared, Instant::now()));
        open.count += 1;
        Ok((turn, connection, open.count))
    }
}

/// Whether an error is one of the connection, and not of what was asked on it.
fn is_of_connection(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::Reply)
}

fn late(limit: Duration) -> StoreError {
    StoreError::new(ErrorKind::Timeout, format!("no answer within {} ms", limit.as_millis()))
}
