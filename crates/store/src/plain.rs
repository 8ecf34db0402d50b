//! From the address of a server without TLS to a socket that is logged in.

use crate::{socket::Socket, wire::Entries};
use futures::future::select_ok;
use redis::{
    ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, RedisConnectionInfo, RedisError,
    ServerError, ServerErrorKind, Value,
};
use tokio::net::{TcpStream, UnixStream, lookup_host};

/// Whether an address is for a socket of our own. What speaks TLS, or the protocol's version 3,
/// goes through the client's connection.
pub(crate) fn is_plain(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_))
        && !info.redis_settings().protocol().supports_resp3()
}

/// Connects and logs in.
///
/// # Errors
/// Where the server can't be reached, or refuses the user or the database.
pub(crate) async fn open(info: &ConnectionInfo) -> Result<Socket, RedisError> {
    let mut socket = match info.addr() {
        ConnectionAddr::Tcp(host, port) => Socket::new(reach(host, *port).await?),
        ConnectionAddr::Unix(path) => Socket::new(UnixStream::connect(path).await?),
        _ => return Err((ErrorKind::InvalidClientConfig, "not an address without TLS").into()),
    };
    log_in(&mut socket, info.redis_settings()).await?;
    Ok(socket)
}

/// Whichever of the host's addresses answers first: one that is silent must not cost the time.
async fn reach(host: &str, port: u16) -> Result<TcpStream, RedisError> {
    let attempts: Vec<_> =
        lookup_host((host, port)).await?.map(|at| Box::pin(TcpStream::connect(at))).collect();
    if attempts.is_empty() {
        return Err((ErrorKind::InvalidClientConfig, "No address found for host").into());
    }
    let (stream, _) = select_ok(attempts).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn is_full(error: &ServerError) -> bool {
    error.details().is_some_and(|details| details.starts_with("max number of clients"))
}

/// The password and the database, where there are such. The errors are those of the client.
async fn log_in(socket: &mut Socket, login: &RedisConnectionInfo) -> Result<(), RedisError> {
    let mut ask = Pipeline::new();
    if let Some(password) = login.password() {
        ask.cmd("AUTH").arg(login.username()).arg(password);
    }
    if login.db() != 0 {
        ask.cmd("SELECT").arg(login.db());
    }
    if ask.is_empty() {
        return Ok(());
    }
    let mut replies = socket.exchange(&ask, Entries::Plain).await?.into_iter();
    if login.password().is_some() {
        match replies.next() {
            Some(Value::Okay) => {}
            // Said in place of any answer, and no word about the password: it passes.
            Some(Value::ServerError(error)) if is_full(&error) => {
                let details = error.details().unwrap_or_default().to_owned();
                let refused = "Redis server refused the connection";
                return Err((ServerErrorKind::ResponseError.into(), refused, details).into());
            }
            _ => {
                let refused = "Password authentication failed";
                return Err((ErrorKind::AuthenticationFailed, refused).into());
            }
        }
    }
    if let Some(Value::ServerError(error)) = replies.next() {
        let details = error.details().unwrap_or_default().to_owned();
        if is_full(&error) {
            let refused = "Redis server refused the connection";
            return Err((ServerErrorKind::ResponseError.into(), refused, details).into());
        }
        let refused = "Redis server refused to switch database";
        return Err((ErrorKind::InvalidClientConfig, refused, details).into());
    }
    Ok(())
}
