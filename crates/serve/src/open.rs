//! A server made from a topology: what its `[serve]` says, or what holds without one.

use crate::{
    app::App,
    limit::Limit,
    token::{TokenError, Tokens},
};
use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};
use tallyd_query::{Client, ReadFrom, Readers};
use tallyd_topology::{ANY, Grant, RedisAddress, Topology};
use tokio_util::sync::CancellationToken;

/// How many readings there are at once of each Redis.
const MOST: usize = 64;
/// How long a reading may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The topology does not say who may see what, and others than this machine could ask.
    #[error(
        "{0} can be reached from other machines, and the topology does not say who may see what \
         (add [serve] with public, keys or jwt; or listen on 127.0.0.1; or --public: then everybody \
         may read boards and figures)"
    )]
    Exposed(SocketAddr),
    /// A file of keys can't be read.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// What a server needs.
pub struct Opened {
    /// What its requests share.
    pub app: Arc<App>,
    /// Whether it answers only to names of this machine. Without tokens that is what keeps pages
    /// of other sites out, whose names a browser can be made to look up as this machine.
    pub is_local: bool,
}

/// A server of a topology. Without `[serve]` everybody on this machine may see and do everything,
/// and nobody else may ask, unless `is_public`: then everybody may read boards and figures.
///
/// # Errors
/// Where the topology does not say who may see what on an address like this, or a file that it
/// names can't be read.
pub async fn open(
    topology: Topology,
    (redis, from): (RedisAddress, ReadFrom),
    address: SocketAddr,
    is_public: bool,
    stop: CancellationToken,
) -> Result<Opened, OpenError> {
    let writers = Client::new(redis.clone(), MOST, PATIENCE);
    let readers = Readers::new(redis.clone(), from, MOST, PATIENCE);
    let is_loopback = is_loopback(address.ip());
    let is_local = topology.serve.is_none() && !is_public;
    if is_local && !is_loopback {
        return Err(OpenError::Exposed(address));
    }
    let (tokens, limit, origins) = match &topology.serve {
        Some(serve) => {
            let mut public = Grant { read: serve.public.clone(), ..Grant::default() };
            if is_public {
                public.read = vec![ANY.into()];
            }
            let tokens = Tokens::new(&serve.keys, serve.jwt.as_ref(), public).await?;
            let origins = serve.cors.iter().map(ToString::to_string).collect();
            (tokens, NonZeroU32::new(serve.rate).map(Limit::new), origins)
        }
        None => {
            let grant = match is_public {
                true => Grant { read: vec![ANY.into()], ..Grant::default() },
                false => Grant::everything(),
            };
            (Tokens::new(&[], None, grant).await?, None, Vec::new())
        }
    };
    let app = Arc::new(App::new(topology, redis, (readers, writers), tokens, limit, origins, stop));
    Ok(Opened { app, is_local })
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
