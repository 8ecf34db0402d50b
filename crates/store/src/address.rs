//! From an address to an open connection, or to what is wrong with the address and its fix.

use crate::{
    connection::{Way, classify},
    plain,
    wire::Entries,
};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, Pipeline,
    RedisError, TlsCertificates,
    aio::{ConnectionLike, MultiplexedConnection, PubSub},
    io::tcp::TcpSettings,
};
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use std::{collections::HashMap, error::Error, io, path::Path, sync::Arc, time::Duration};
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_topology::RedisAddress;
use tokio::time::timeout;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);

/// Connects to the server of this address over the client's own connection, and has heard from it.
///
/// # Errors
/// Where the address is wrong, its files can't be used or the server can't be reached.
pub async fn connect(address: &RedisAddress) -> Result<MultiplexedConnection, StoreError> {
    let client = client(address).await?;
    let mut connection = through_client(&client, address).await?;
    // No right is needed for HELLO, and any reply will do.
    let hello = redis::cmd("HELLO");
    heard(&client, address, connection.req_packed_command(&hello)).await?;
    Ok(connection)
}

/// As [`connect`], but over a socket of our own where the address is plain.
pub(crate) async fn open(address: &RedisAddress) -> Result<Way, StoreError> {
    let client = client(address).await?;
    let info = client.get_connection_info();
    let mut way = if plain::is_plain(info) {
        let opened = timeout(CONNECT, plain::open(info)).await;
        let opened =
            opened.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        match opened {
            Ok(socket) => Way::Plain(socket),
            Err(error) => return Err(unopened(&client, &error, address).await),
        }
    } else {
        Way::Client(through_client(&client, address).await?)
    };
    let mut hello = Pipeline::new();
    hello.cmd("HELLO");
    heard(&client, address, way.exchange(&hello, Entries::Plain)).await?;
    Ok(way)
}

/// A subscription to these channels, on a connection of its own.
///
/// # Errors
/// Where the address is wrong, the server can't be reached, or the user may not subscribe.
pub(crate) async fn subscribe(
    address: &RedisAddress,
    channels: &[String],
) -> Result<PubSub, StoreError> {
    let client = client(address).await?;
    let subscribed = timeout(CONNECT, async {
        let mut subscription = client.get_async_pubsub().await?;
        subscription.subscribe(channels).await?;
        Ok(subscription)
    });
    let subscribed =
        subscribed.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
    subscribed.map_err(|e| failed(&e, client.get_connection_info().addr(), address))
}

async fn through_client(
    client: &Client,
    address: &RedisAddress,
) -> Result<MultiplexedConnection, StoreError> {
    // Timeouts are for those who send: the client's own would cut a blocking read short.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(None);
    match client.get_multiplexed_async_connection_with_config(&config).await {
        Ok(connection) => Ok(connection),
        Err(error) => Err(unopened(client, &error, address).await),
    }
}

/// Why no connection could be made. Where the server has no such database: how many it has.
async fn unopened(client: &Client, error: &RedisError, address: &RedisAddress) -> StoreError {
    let info = client.get_connection_info();
    let place = info.addr();
    // Both ways to connect say it in these words.
    if !error.to_string().contains("refused to switch database") {
        return failed(error, place, address);
    }
    let database = info.redis_settings().db();
    let why = error.detail().unwrap_or("no reason given");
    let has = match timeout(CONNECT, databases(address)).await.ok().flatten() {
        Some(count) => format!("the server has {count} databases, 0 to {}", count.max(1) - 1),
        None => "how many the server has is not known".to_owned(),
    };
    setup(format!(
        "{place}: SELECT {database} was refused: {why} ({has}; end the URL with one that there is, \
         such as /0)"
    ))
}

/// How many databases the server has, where this user may ask.
async fn databases(address: &RedisAddress) -> Option<u64> {
    let client = client_of(address, Some(0)).await.ok()?;
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    let ask = redis::cmd("CONFIG").arg("GET").arg("databases").to_owned();
    let told: HashMap<String, u64> = ask.query_async(&mut connection).await.ok()?;
    told.get("databases").copied()
}

/// Waits for the first answer. A server that wants a certificate of its clients says so only after
/// the handshake, and who speaks something else than Redis says so here.
async fn heard<T>(
    client: &Client,
    address: &RedisAddress,
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<(), StoreError> {
    let place = client.get_connection_info().addr();
    match timeout(CONNECT, answer).await {
        Ok(Err(error))
            if error.is_connection_dropped()
                || error.is_io_error()
                || error.kind() == redis::ErrorKind::Parse =>
        {
            Err(failed(&error, place, address))
        }
        Ok(_) => Ok(()),
        Err(_) => {
            let limit = CONNECT.as_millis();
            let message = format!("{place}: connected, but no answer within {limit} ms");
            Err(StoreError::new(ErrorKind::Timeout, message))
        }
    }
}

fn failed(error: &RedisError, place: &ConnectionAddr, address: &RedisAddress) -> StoreError {
    let StoreError { kind, message, .. } = classify(error);
    let guess = guess(error, place, address).unwrap_or_default();
    StoreError::new(kind, format!("{place}: {message}{guess}"))
}

/// What may be wrong where the server refused the user, hung up without a word, or was silent.
fn guess(
    error: &RedisError,
    place: &ConnectionAddr,
    address: &RedisAddress,
) -> Option<&'static str> {
    if error.kind() == redis::ErrorKind::AuthenticationFailed {
        return Some(
            " (it knows no such user and password: look at those of the URL, or at [redis] password_file)",
        );
    }
    let tls = matches!(place, ConnectionAddr::TcpTls { .. });
    if tls && error.is_timeout() {
        return Some(
            " (if the server does not speak TLS on this port, use its TLS port, or redis://)",
        );
    }
    if error.kind() == redis::ErrorKind::Parse && matches!(place, ConnectionAddr::Tcp(..)) {
        return Some(
            " (it does not answer as Redis does: if it speaks TLS, begin the URL with rediss://)",
        );
    }
    // Who refuses a connection has heard nothing that could be wrong.
    let refused = error.is_connection_refusal();
    if !error.is_connection_dropped() || refused || matches!(place, ConnectionAddr::Unix(_)) {
        return None;
    }
    Some(match (tls, &address.cert) {
        (true, None) => {
            " (the server hung up: if it wants a certificate of its clients, name one by [redis] cert and key)"
        }
        (true, Some(_)) => " (the server hung up: look at [redis] cert and key, and at its log)",
        (false, _) => " (the server hung up: if it speaks TLS, begin the URL with rediss://)",
    })
}

/// A client for this address. Nothing is connected yet.
async fn client(address: &RedisAddress) -> Result<Client, StoreError> {
    client_of(address, None).await
}

/// The same, with another database than the address says.
async fn client_of(address: &RedisAddress, db: Option<i64>) -> Result<Client, StoreError> {
    let refused = |e: &RedisError| {
        let fix = "write redis://host:port, rediss://host:port or unix:///path; special characters of a user or password are percent-encoded";
        setup(format!("the address of Redis can't be used: {e} ({fix})"))
    };
    let info = address.url.as_str().into_connection_info().map_err(|e| refused(&e))?;
    // The library's name is told to the server otherwise, which a user of few rights may not do.
    let mut login = info.redis_settings().clone().set_skip_set_lib_name();
    if let Some(db) = db {
        login = login.set_db(db);
    }
    if let Some(file) = &address.password_file {
        if login.password().is_some() {
            let message = "both the URL and [redis] password_file give a password (leave one out)";
            return Err(setup(message.to_owned()));
        }
        let text = read("password_file", file).await?;
        let text = String::from_utf8(text)
            .map_err(|_| setup(format!("password_file {} is not UTF-8", file.display())))?;
        login = login.set_password(text.trim_end_matches(['\r', '\n']));
    } else if login.username().is_some() && login.password().is_none() {
        // Without a password nothing would be sent, and the user be "default".
        login = login.set_password("");
    }
    let info =
        info.set_redis_settings(login).set_tcp_settings(TcpSettings::default().set_nodelay(true));
    if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        if matches!(info.addr(), ConnectionAddr::Tcp(..))
            && (address.ca.is_some() || address.cert.is_some())
        {
            let message = "[redis] ca, cert and key are for TLS, but the URL is not (begin it with rediss://, or leave them out)";
            return Err(setup(message.to_owned()));
        }
        return Client::open(info).map_err(|e| refused(&e));
    }
    let certificates = certificates(address).await?;
    Client::build_with_tls(info, certificates)
        .map_err(|e| setup(format!("the certificates can't be used: {e}")))
}

async fn certificates(address: &RedisAddress) -> Result<TlsCertificates, StoreError> {
    let root_cert = match &address.ca {
        Some(file) => Some(read_pem("ca", file, "CERTIFICATE").await?),
        None => None,
    };
    let client_tls = match (&address.cert, &address.key) {
        (Some(cert), Some(key)) => Some(ClientTlsConfig {
            client_cert: read_pem("cert", cert, "CERTIFICATE").await?,
            client_key: read_pem("key", key, "PRIVATE KEY").await?,
        }),
        _ => None,
    };
    Ok(TlsCertificates { client_tls, root_cert })
}

async fn read(what: &str, file: &Path) -> Result<Vec<u8>, StoreError> {
    let bytes = tokio::fs::read(file).await;
    bytes.map_err(|e| setup(format!("can't read {what} {}: {e}", file.display())))
}

/// A file that holds something of this kind: without it, TLS would just trust nobody.
async fn read_pem(what: &str, file: &Path, kind: &str) -> Result<Vec<u8>, StoreError> {
    let bytes = read(what, file).await?;
    let text = String::from_utf8_lossy(&bytes);
    if text.lines().any(|line| line.starts_with("-----BEGIN") && line.contains(kind)) {
        return Ok(bytes);
    }
    let file = file.display();
    Err(setup(format!("{what} {file} has no \"{kind}\" in it (it must be PEM)")))
}

fn setup(message: String) -> StoreError {
    StoreError::new(ErrorKind::Setup, message)
}

/// What to do about an error that TLS gave; `None` for any other.
pub(crate) fn fix(error: &RedisError) -> Option<&'static str> {
    // The client shares the error of the connection, so what it gives as source is an `Arc`.
    let shared = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    let broken = shared.downcast_ref::<std::io::Error>()?;
    fix_of_tls(broken.get_ref()?.downcast_ref::<TlsError>()?)
}

fn fix_of_tls(error: &TlsError) -> Option<&'static str> {
    Some(match error {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "nobody that is trusted signed the server's certificate: name its CA by [redis] ca"
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the server's certificate is for another host: use a name that it lists",
        TlsError::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the server's certificate has expired: renew it",
        TlsError::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the server's certificate is not valid yet: look at the clocks",
        TlsError::InvalidCertificate(_) => "the server's certificate can't be used",
        TlsError::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a certificate of its clients: name one by [redis] cert and key"
        }
        TlsError::AlertReceived(_) => {
            "the server refused the handshake: look at [redis] cert and key, and at its log"
        }
        TlsError::InvalidMessage(_) => {
            "the server does not speak TLS on this port: use its TLS port, or redis://"
        }
        _ => return None,
    })
}
