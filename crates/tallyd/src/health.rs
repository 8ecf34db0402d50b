//! `/metrics`, `/healthz` and `/readyz`.

use anyhow::Context;
use axum::{Router, http::StatusCode, routing::get};
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tallyd_bolt::time_zone_data;
use tallyd_runtime::{WorkerStatus, telemetry};
use tokio::{net::TcpListener, time::Instant};

/// Bounds of the histograms of seconds: 50 µs to 5 minutes.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];
/// Bounds of the histograms of events.
const EVENTS: &[f64] =
    &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 16384.0];
/// What a program was built of.
const BUILD_INFO: &str = "tallyd_build_info";
/// The commit that the program was built of, where whoever built it set `TALLYD_COMMIT`.
const COMMIT: &str = match option_env!("TALLYD_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
/// How often the exporter tidies its histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts collecting metrics.
pub fn record() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_events".into()), EVENTS)?
        .install_recorder()?;
    telemetry::describe();
    telemetry::begin_process();
    describe_gauge!(BUILD_INFO, "1, with what this program was built of in the labels");
    let labels =
        [("version", env!("CARGO_PKG_VERSION")), ("commit", COMMIT), ("tzdata", time_zone_data())];
    gauge!(BUILD_INFO, &labels).set(1.0);
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// Opens the metrics address.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))
}

/// Serves until the process ends. Healthy means that the process answers.
pub async fn serve(listener: TcpListener, handle: PrometheusHandle) -> anyhow::Result<()> {
    axum::serve(listener, routes(handle)).await.context("the metrics server failed")
}

/// As [`serve`], for a worker: it is ready once it has joined, while it has heard from Redis within
/// `patience`.
pub async fn serve_worker(
    listener: TcpListener,
    handle: PrometheusHandle,
    (status, clock): (Arc<WorkerStatus>, Instant),
    patience: Duration,
) -> anyhow::Result<()> {
    let ready = move || async move {
        if status.ready(clock, patience) {
            (StatusCode::OK, "ready\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready: no word from Redis\n")
        }
    };
    let routes = routes(handle).route("/readyz", get(ready));
    axum::serve(listener, routes).await.context("the metrics server failed")
}

fn routes(handle: PrometheusHandle) -> Router {
    let process = Collector::default();
    process.describe();
    let metrics = move || async move {
        process.collect();
        handle.render() + &telemetry::render_delays()
    };
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(|| async { "ok\n" }))
}
