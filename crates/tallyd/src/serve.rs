//! `tallyd serve`: the results over HTTP.

use crate::{
    connect, health,
    load::{self, Named},
    logging,
    run::stop_signal,
};
use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};
use tallyd_serve::{ReadFrom, open, serve};
use tallyd_topology::{RedisAddress, Topology};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// The arguments of `tallyd serve`.
#[derive(clap::Args)]
pub struct Args {
    /// The topology file, if it is not named by --topology
    file: Option<PathBuf>,
    #[command(flatten)]
    topology: Named,
    /// The address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Serve /metrics and /healthz on this address
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// The Redis to use instead of the file's
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Read results from a replica of Redis while one keeps up: "replica" (those that the primary
    /// names), or the replicas' URLs, separated by commas
    #[arg(long, value_name = "replica|URL,…", value_parser = read_from)]
    read_from: Option<ReadFrom>,
    /// Let everybody who reaches the address read boards and figures
    #[arg(long)]
    public: bool,
}

/// What `--read-from` says.
fn read_from(text: &str) -> Result<ReadFrom, String> {
    if text == "replica" {
        return Ok(ReadFrom::Replica);
    }
    let urls: Vec<String> = text.split(',').map(|url| url.trim().to_owned()).collect();
    match urls.iter().all(|url| url.contains("://")) {
        true => Ok(ReadFrom::These(urls)),
        false => {
            Err("write replica, or URLs such as redis://host:port, separated by commas".into())
        }
    }
}

/// Begins to serve, until `stop` is cancelled. Returns the address, and what ends when it has
/// stopped.
///
/// # Errors
/// Where the address can't be listened on, or the topology does not say who may ask there.
pub async fn begin(
    topology: Topology,
    redis: (RedisAddress, ReadFrom),
    listen: SocketAddr,
    is_public: bool,
    stop: CancellationToken,
) -> anyhow::Result<(SocketAddr, JoinHandle<()>)> {
    take_files();
    let opened = open(topology, redis, listen, is_public, stop).await?;
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| format!("can't listen on {listen}"))?;
    let address = listener.local_addr().context("can't tell the address")?;
    Ok((address, tokio::spawn(serve(opened, listener))))
}

/// Takes as many open files as the system lets it have, because each client is one: a shell gives
/// a program less than that.
fn take_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where the system refuses, fewer clients have to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Serves until SIGTERM or SIGINT.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut stopped = stop_signal()?;
    let topology = load::topology(&args.topology.find(args.file.as_deref())?)?;
    let _logs = logging::start().context("can't start the log's thread")?;
    let handle = health::record()?;
    if let Some(address) = args.metrics {
        let listener = health::bind(address).await?;
        tokio::spawn(async move {
            if let Err(error) = health::serve(listener, handle).await {
                tracing::error!("{error:#}");
            }
        });
    }
    let redis = connect::address(&topology, args.redis);
    let redis = (redis, args.read_from.unwrap_or(ReadFrom::Primary));
    let stop = CancellationToken::new();
    let begun = begin(topology, redis, args.listen, args.public, stop.clone()).await?;
    let (address, serving) = begun;
    tracing::info!(%address, "serving");
    outln!("http://{address}/")?;
    tokio::spawn(async move {
        // Only an end is ever said; where nobody is left to say it, it ends too.
        let _ = stopped.wait_for(|stopped| *stopped).await;
        stop.cancel();
    });
    serving.await.context("the server ended")?;
    Ok(ExitCode::SUCCESS)
}
