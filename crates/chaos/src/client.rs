//! A client of the Redis under test, for everybody here: it gives up soon, and connects again after
//! an error. Whether what failed has happened is for its user to find out.

use redis::{Pipeline, Value};
use std::time::Duration;
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_store::{Connection, connection::checked};
use tokio::time::timeout;

/// A client that reconnects.
pub struct Client {
    url: String,
    name: String,
    patience: Duration,
    connection: Option<Connection>,
}

impl Client {
    /// A client that is not yet connected. `name` is what `CLIENT LIST` calls it, `patience` how
    /// long it waits for an answer.
    #[must_use]
    pub fn new(url: &str, name: &str, patience: Duration) -> Self {
        Self { url: url.to_owned(), name: name.to_owned(), patience, connection: None }
    }

    /// Sends commands and returns the reply to each, errors in their places.
    ///
    /// # Errors
    /// Where there was no answer in time: whether the commands happened is then unknown.
    pub async fn send(&mut self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        // Put back only after an answer.
        let connection = self.connection.take();
        let limit = self.patience.as_millis();
        let outcome = timeout(self.patience, self.on(connection, commands)).await;
        let late = |_| StoreError::new(ErrorKind::Timeout, format!("no answer within {limit} ms"));
        let (connection, replies) = outcome.map_err(late)??;
        self.connection = Some(connection);
        Ok(replies)
    }

    /// Sends commands of which none may fail.
    ///
    /// # Errors
    /// As [`Client::send`], and the first error among the replies.
    pub async fn all(&mut self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        self.send(commands).await?.into_iter().map(checked).collect()
    }

    async fn on(
        &self,
        connection: Option<Connection>,
        commands: &Pipeline,
    ) -> Result<(Connection, Vec<Value>), StoreError> {
        let mut connection = match connection {
            Some(connection) => connection,
            None => {
                let mut connection = Connection::open(&self.url).await?;
                let mut name = Pipeline::new();
                name.cmd("CLIENT").arg("SETNAME").arg(&self.name);
                connection.all(&name).await?;
                connection
            }
        };
        let replies = connection.send(commands).await?;
        Ok((connection, replies))
    }
}
