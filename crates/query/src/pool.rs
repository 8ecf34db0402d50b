//! Connections for those who read: several at once, each used by one reader at a time.

use crate::QueryError;
use deadpool::managed::{self, Metrics, Object, PoolError, RecycleResult, Timeouts};
use std::time::Duration;
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_store::{Connection, server_ms};
use tallyd_topology::RedisAddress;
use tokio::time::timeout;

/// How long a reader waits for a connection.
const WAIT: Duration = Duration::from_secs(1);

/// After how long unused a connection is tried before it is used.
const IDLE: Duration = Duration::from_secs(1);

/// Up to so many connections to one server.
pub struct Pool {
    pool: managed::Pool<Opener>,
    patience: Duration,
}

struct Opener(RedisAddress);

impl managed::Manager for Opener {
    type Type = Connection;
    type Error = StoreError;

    async fn create(&self) -> Result<Connection, StoreError> {
        // In a box: it is long, seldom needed, and would be a part of whoever reads.
        Box::pin(Connection::open_at(&self.0)).await
    }

    async fn recycle(&self, c: &mut Connection, metrics: &Metrics) -> RecycleResult<StoreError> {
        // A server hangs up on what was idle for long, or was restarted meanwhile.
        if metrics.last_used() > IDLE {
            Box::pin(server_ms(c)).await?;
        }
        Ok(())
    }
}

impl Pool {
    /// None is open yet. A reading may take `patience`.
    #[must_use]
    pub fn new(address: RedisAddress, most: usize, patience: Duration) -> Self {
        let pool = managed::Pool::builder(Opener(address)).max_size(most);
        let timeouts = Timeouts { wait: Some(WAIT), create: Some(WAIT), recycle: Some(WAIT) };
        // Fails only for timeouts without a runtime, and one is named.
        let pool = pool.runtime(deadpool::Runtime::Tokio1).timeouts(timeouts).build();
        let pool = pool.unwrap_or_else(|error| unreachable!("{error}"));
        Self { pool, patience }
    }

    /// Reads over a connection. One on which Redis failed, or whose reading was not awaited to its
    /// end, is not used again: replies may still be on their way.
    ///
    /// # Errors
    /// Where no connection is to be had, the reading failed, or it took too long.
    pub async fn read<T>(
        &self,
        reading: impl AsyncFnOnce(&mut Connection) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        self.read_within(self.patience, reading).await
    }

    /// The same, with another patience.
    ///
    /// # Errors
    /// As [`Pool::read`].
    pub async fn read_within<T>(
        &self,
        patience: Duration,
        reading: impl AsyncFnOnce(&mut Connection) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let mut guard = Guard(Some(self.pool.get().await.map_err(failed)?));
        let Some(connection) = guard.0.as_mut() else { unreachable!("just put in") };
        let read = timeout(patience, reading(connection)).await;
        match read {
            Ok(Err(error @ QueryError::Store(_))) => Err(error),
            Ok(answer) => {
                // Back to the pool.
                drop(guard.0.take());
                answer
            }
            Err(_) => {
                let limit = patience.as_millis();
                let message = format!("no answer within {limit} ms");
                Err(StoreError::new(ErrorKind::Timeout, message).into())
            }
        }
    }
}

/// A connection that is thrown away unless it is taken out.
struct Guard(Option<Object<Opener>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

fn failed(error: PoolError<StoreError>) -> QueryError {
    match error {
        PoolError::Backend(error) => error.into(),
        other => StoreError::new(ErrorKind::Timeout, other.to_string()).into(),
    }
}
