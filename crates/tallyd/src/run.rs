//! `tallyd run`: a worker.

use crate::{
    connect, health,
    load::{self, Named},
    logging, probe, risks, serve,
    wrong_use::WrongUse,
};
use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use smol_str::SmolStr;
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tallyd_runtime::{Ended, RESTS_FROM, SPREADS_FROM, Worker, WorkerOptions};
use tallyd_serve::ReadFrom;
use tallyd_store::{RedisStore, doctor::Danger};
use tallyd_topology::Topology;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// The arguments of `tallyd run`.
#[derive(clap::Args)]
pub struct Args {
    /// The topology file, if it is not named by --topology
    file: Option<PathBuf>,
    #[command(flatten)]
    topology: Named,
    /// Serve only these sources and bolts
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    bolts: Option<Vec<SmolStr>>,
    /// The Redis to use instead of the file's
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Serve /metrics, /healthz and /readyz on this address
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Serve the results over HTTP on this address too, as tallyd serve does
    #[arg(long, value_name = "ADDR")]
    serve: Option<SocketAddr>,
    /// How often to send a probe through the topology, which is counted in no figure; or off
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    probe: probe::Every,
    /// Start on a server that would break the promise in these ways
    #[arg(long, value_name = "DANGERS", value_delimiter = ',', value_parser = dangers())]
    allow: Vec<Danger>,
}

fn dangers() -> impl TypedValueParser<Value = Danger> {
    let names = Danger::ALL.map(Danger::name);
    PossibleValuesParser::new(names).try_map(|name| {
        let named = Danger::ALL.into_iter().find(|danger| danger.name() == name);
        named.ok_or_else(|| format!("no danger \"{name}\""))
    })
}

/// Works until SIGTERM or SIGINT, then hands its partitions over.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stop = stop_signal()?;
    let topology = Arc::new(load::topology(&args.topology.find(args.file.as_deref())?)?);
    let nodes = args.bolts.map(|names| served(&topology, names)).transpose()?;
    let _logs = logging::start().context("can't start the log's thread")?;
    let handle = health::record()?;
    probe::begin();
    let listener = match args.metrics {
        Some(address) => Some(health::bind(address).await?),
        None => None,
    };
    let address = connect::address(&topology, args.redis);
    let stop_serving = CancellationToken::new();
    let serving = match args.serve {
        Some(listen) => {
            let topology = Topology::clone(&topology);
            let end = stop_serving.clone();
            let begun =
                serve::begin(topology, (address.clone(), ReadFrom::Primary), listen, false, end);
            let (address, serving) = begun.await?;
            tracing::info!(%address, "serving");
            Some(serving)
        }
        None => None,
    };
    // Streams end at the signal, and not after the hand-over: clients come back to another server.
    let mut signalled = stop.clone();
    let end = stop_serving.clone();
    tokio::spawn(async move {
        let _ = signalled.wait_for(|stopped| *stopped).await;
        end.cancel();
    });
    let now = now_ms();
    let options = WorkerOptions {
        id: worker_id(now),
        nodes,
        metrics: args.metrics.map(|address| address.to_string()),
        host: host(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        since: i64::try_from(now).unwrap_or(i64::MAX),
        bolts: Topology::bolt,
        rests_from: RESTS_FROM,
        spreads_from: SPREADS_FROM,
    };
    tracing::info!(worker = %options.id, topology = %topology.name, "worker starting");
    let patience = Duration::from_millis(topology.settings.session_timeout_ms);
    let store = RedisStore::at(Arc::clone(&topology), address.clone()).allowing(args.allow);
    let (probed, id) = (Arc::clone(&topology), options.id.to_string());
    let worker = Worker::new(store, topology, options);
    if let Some(listener) = listener {
        let status = worker.status();
        tokio::spawn(async move {
            if let Err(error) = health::serve_worker(listener, handle, status, patience).await {
                tracing::error!("{error:#}");
            }
        });
    }
    tokio::spawn(probe::send(args.probe, address.clone(), probed, id));
    tokio::spawn(risks::watch(address));
    let ended = worker.run(stop).await?;
    stop_serving.cancel();
    if let Some(serving) = serving {
        serving.await.context("the server ended")?;
    }
    match ended {
        Ended::HandedOver => tracing::info!("worker stopped, its partitions are handed over"),
        Ended::Kept { partitions } => tracing::warn!(
            partitions,
            "worker stopped, but could not give all of its partitions back; others take them over"
        ),
    }
    Ok(ExitCode::SUCCESS)
}

fn served(topology: &Topology, names: Vec<SmolStr>) -> anyhow::Result<BTreeSet<SmolStr>> {
    for name in &names {
        let place = topology.node(name).map(|(place, _)| place);
        let head = place.and_then(|place| topology.nodes.get(topology.head(place)));
        if let Some(head) = head.filter(|head| head.name != *name) {
            let message = format!(
                "--bolts: \"{name}\" is fused with \"{0}\" (write --bolts {0}, or fuse = false in [run])",
                head.name
            );
            return Err(WrongUse(message).into());
        }
        if place.is_none() {
            let known: Vec<&str> = topology.nodes.iter().map(|node| node.name.as_str()).collect();
            let known = known.join(", ");
            let message =
                format!("--bolts: no source or bolt \"{name}\" (expected some of: {known})");
            return Err(WrongUse(message).into());
        }
    }
    Ok(names.into_iter().collect())
}

/// Unique to this run: a restarted worker is another worker.
fn worker_id(now: u128) -> SmolStr {
    smol_str::format_smolstr!("{}-{}-{now:x}", host(), std::process::id())
}

/// This machine's clock, in ms since the epoch.
fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Becomes true at SIGTERM or SIGINT.
///
/// # Errors
/// Where the system does not tell of signals.
pub fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).context("can't wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can't wait for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.send_replace(true);
    });
    Ok(stopped)
}
