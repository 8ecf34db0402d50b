//! A plain connection: it never reconnects by itself, and after an error it is thrown away.

use crate::{
    address::{connect, fix, open},
    socket::Socket,
    wire::Entries,
};
use redis::{
    Pipeline, RedisError, ServerErrorKind, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use std::{sync::Arc, time::Duration};
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_topology::RedisAddress;

/// How long a reply may take, beside what a command is asked to wait.
const ANSWER: Duration = Duration::from_secs(5);

/// One connection, used by one task.
pub struct Connection {
    way: Way,
    address: Arc<RedisAddress>,
}

/// One connection, used by many tasks at once: their commands go out together, in the order in which
/// they were given. Not for what makes a connection wait or gives it a state, such as `WATCH`.
pub struct SharedConnection {
    client: MultiplexedConnection,
    address: Arc<RedisAddress>,
}

impl SharedConnection {
    /// Connects to the server of this address.
    ///
    /// # Errors
    /// Where the address is wrong or the server can't be reached.
    pub async fn open(address: &RedisAddress) -> Result<Self, StoreError> {
        Ok(Self { client: connect(address).await?, address: Arc::new(address.clone()) })
    }

    /// A share in it, for one task.
    #[must_use]
    pub fn connection(&self) -> Connection {
        let (way, address) = (Way::Client(self.client.clone()), Arc::clone(&self.address));
        Connection { way, address }
    }
}

/// How a server is spoken to.
pub(crate) enum Way {
    /// Over a socket that the task drives itself.
    Plain(Socket),
    /// Over the client's own, which a task of its own drives: it speaks TLS, and can be shared.
    Client(MultiplexedConnection),
}

impl Way {
    /// Sends commands and returns the reply to each. Entries are told as they are wanted, or plainly:
    /// whoever reads entries takes them in either way.
    pub(crate) async fn exchange(
        &mut self,
        commands: &Pipeline,
        entries: Entries,
    ) -> Result<Vec<Value>, RedisError> {
        match self {
            Way::Plain(socket) => socket.exchange(commands, entries).await,
            Way::Client(client) => client.req_packed_commands(commands, 0, commands.len()).await,
        }
    }
}

impl Connection {
    /// Connects to the server of this URL.
    ///
    /// # Errors
    /// As [`Connection::open_at`].
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_at(&url.into()).await
    }

    /// Connects to the server of this address.
    ///
    /// # Errors
    /// Where the address is wrong or the server can't be reached.
    pub async fn open_at(address: &RedisAddress) -> Result<Self, StoreError> {
        Ok(Self { way: open(address).await?, address: Arc::new(address.clone()) })
    }

    /// Takes a new connection to the same server in place of this one, which broke. Only for
    /// those who look at a server: what a connection watched, and what a task knows by it, is gone.
    ///
    /// # Errors
    /// As [`Connection::open_at`].
    pub async fn open_again(&mut self) -> Result<(), StoreError> {
        self.way = open(&self.address).await?;
        Ok(())
    }

    /// Sends commands in one round trip and returns the reply to each, errors in their places.
    ///
    /// # Errors
    /// Where the connection broke or gave no answer in time: whether the commands happened is
    /// then unknown, and the connection must not be used again.
    pub async fn send(&mut self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        self.exchange(commands, Duration::ZERO, Entries::Plain).await
    }

    /// As [`Connection::send`], for commands that block the connection for up to `wait`.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn send_waiting(
        &mut self,
        commands: &Pipeline,
        wait: Duration,
    ) -> Result<Vec<Value>, StoreError> {
        self.exchange(commands, wait, Entries::Plain).await
    }

    /// As [`Connection::send_waiting`], and entries may be told packed: [`reply::entries`] reads
    /// them. No reply to these commands may have something else that looks like one.
    ///
    /// [`reply::entries`]: crate::reply::entries
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub(crate) async fn send_reading(
        &mut self,
        commands: &Pipeline,
        wait: Duration,
    ) -> Result<Vec<Value>, StoreError> {
        self.exchange(commands, wait, Entries::Packed).await
    }

    async fn exchange(
        &mut self,
        commands: &Pipeline,
        wait: Duration,
        entries: Entries,
    ) -> Result<Vec<Value>, StoreError> {
        let count = commands.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let answer = self.way.exchange(commands, entries);
        let replies = tokio::time::timeout(ANSWER + wait, answer).await.map_err(|_| {
            let limit = (ANSWER + wait).as_millis();
            StoreError::new(ErrorKind::Timeout, format!("no answer within {limit} ms"))
        })?;
        let replies = replies.map_err(|e| classify(&e))?;
        if replies.len() == count {
            return Ok(replies);
        }
        let message = format!("{} replies to {count} commands", replies.len());
        Err(StoreError::new(ErrorKind::Reply, message))
    }

    /// Sends commands of which none may fail.
    ///
    /// # Errors
    /// As [`Connection::send`], and the first error among the replies.
    pub async fn all(&mut self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        self.send(commands).await?.into_iter().map(checked).collect()
    }
}

/// The reply, or the error that it is.
///
/// # Errors
/// Where the server answered with an error.
pub fn checked(reply: Value) -> Result<Value, StoreError> {
    match reply {
        Value::ServerError(error) => {
            let details = error.details().unwrap_or_default();
            // An EXEC that the server refuses says why: `EXECABORT … because of: OOM …`.
            let cause = details.strip_prefix("Transaction discarded because of: ");
            let code = cause.and_then(|cause| cause.split(' ').next()).unwrap_or(error.code());
            Err(StoreError::new(kind_of(code), format!("{} {details}", error.code())))
        }
        reply => Ok(reply),
    }
}

/// The reply, or `None` where the server says that there is no such stream or group. No other error
/// is taken for that: a key of another type holds what someone else wrote.
///
/// # Errors
/// Where the server answered with another error.
pub(crate) fn present(reply: Value) -> Result<Option<Value>, StoreError> {
    match checked(reply) {
        Err(error) if is_absent(&error.message) => Ok(None),
        other => other.map(Some),
    }
}

/// `NOGROUP No such …`, and `ERR no such key`: all that Redis and Valkey say of a stream or group
/// that is not there.
fn is_absent(message: &str) -> bool {
    message.starts_with("NOGROUP ") || message.trim_end().eq_ignore_ascii_case("ERR no such key")
}

pub(crate) fn classify(error: &redis::RedisError) -> StoreError {
    if let Some(fix) = fix(error) {
        return StoreError::new(ErrorKind::Setup, format!("{error} ({fix})"));
    }
    if error.kind() == redis::ErrorKind::Parse {
        let why = error.detail().unwrap_or_default();
        return StoreError::new(ErrorKind::Reply, format!("the reply can't be read: {why}"));
    }
    let kind = match error.kind() {
        redis::ErrorKind::AuthenticationFailed => ErrorKind::Auth,
        redis::ErrorKind::InvalidClientConfig => ErrorKind::Setup,
        redis::ErrorKind::Io => ErrorKind::Connection,
        redis::ErrorKind::Server(ServerErrorKind::BusyLoading) => ErrorKind::Loading,
        _ if error.is_timeout() => ErrorKind::Timeout,
        _ if error.is_connection_dropped() || error.is_io_error() => ErrorKind::Connection,
        // Said in place of any answer, with no code of its own: it passes.
        _ if error.to_string().contains("max number of clients reached") => ErrorKind::Busy,
        _ => error.code().map_or(ErrorKind::Other, kind_of),
    };
    StoreError::new(kind, error.to_string())
}

/// The kind of an error by its code, as `OOM` in `-OOM command not allowed …`.
fn kind_of(code: &str) -> ErrorKind {
    match code {
        "NOAUTH" | "NOPERM" | "WRONGPASS" => ErrorKind::Auth,
        "BUSY" | "TRYAGAIN" => ErrorKind::Busy,
        "MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT" => ErrorKind::Cluster,
        "LOADING" => ErrorKind::Loading,
        "MISCONF" => ErrorKind::Persistence,
        "OOM" => ErrorKind::OutOfMemory,
        "NOREPLICAS" => ErrorKind::NoReplicas,
        "READONLY" | "MASTERDOWN" => ErrorKind::Replica,
        "WRONGTYPE" => ErrorKind::WrongType,
        _ => ErrorKind::Other,
    }
}
