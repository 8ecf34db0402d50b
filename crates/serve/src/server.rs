//! Listening: connections, their limits, and a quick end.

use crate::{
    app::App,
    http,
    open::Opened,
    problem::{Code, Problem},
    stream::{self, Asked, Handover, Lent},
};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit},
    http::{HeaderValue, Request, StatusCode, header, request, uri::Authority},
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tallyd_event::decode::MAX_BATCH_BYTES;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, util::BoxCloneSyncService};
use tower_http::{
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, NotForContentType, Predicate as _},
    },
    cors::{AllowOrigin, CorsLayer},
    decompression::RequestDecompressionLayer,
};

/// How many connections may be open; others wait to be accepted.
const CONNECTIONS: usize = 20_000;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);
/// How long a body may take.
const BODY: Duration = Duration::from_secs(20);
/// The longest head, in bytes.
const HEAD_BYTES: usize = 64 << 10;
/// How long open requests have, once the server is to end.
const END: Duration = Duration::from_secs(1);
/// How long it waits after the system refused a connection, as it does where files run out.
const REFUSED: Duration = Duration::from_millis(100);

/// Serves until `app.stop` is cancelled; then open requests have a second to end.
pub async fn serve(opened: Opened, listener: TcpListener) {
    let Opened { app, is_local } = opened;
    let routes = layered(http::routes(Arc::clone(&app)), &app.origins);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    let tidy = tokio::spawn(tidy(Arc::clone(&app)));
    let following = Arc::clone(&app);
    let following = tokio::spawn(async move { following.readers.follow().await });
    loop {
        let accepted = tokio::select! {
            () = app.stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
            Some(_) = open.join_next() => continue,
        };
        let Some((socket, from, place)) = accepted else { continue };
        let (routes, stop) = (routes.clone(), app.stop.clone());
        open.spawn(async move {
            // A WebSocket leaves the connection's task, and takes its place along.
            let place = Arc::new(place);
            let handover = Arc::new(Handover::default());
            converse((routes, is_local), socket, (from, &place), &handover, &stop).await;
            if let Some((socket, response)) = handover.take() {
                // A client that hangs up is no error of ours.
                let _ = stream::carry(socket, response).await;
            }
        });
    }
    drop(listener);
    tidy.abort();
    following.abort();
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let ended = async {
        while open.join_next().await.is_some() {}
        // Sockets too: each has its place until it has said that it ends.
        let _ = places.acquire_many(all).await;
    };
    // Whoever does not read to the end is cut off.
    let _ = timeout(END, ended).await;
}

/// Reads requests and answers them, until the client or the server ends that, or an answer is a
/// stream of events, which is handed over.
async fn converse(
    (routes, is_local): (Routes, bool),
    socket: TcpStream,
    (from, place): (SocketAddr, &Arc<OwnedSemaphorePermit>),
    handover: &Arc<Handover>,
    stop: &CancellationToken,
) {
    let (diverted, place) = (Arc::clone(handover), Arc::clone(place));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(from));
        request.extensions_mut().insert(Arc::clone(&place));
        let (parts, body) = request.into_parts();
        let (asked, diverted) = (Asked::of(&parts), Arc::clone(&diverted));
        let refused = if is_local { of_this_machine(&parts).err() } else { None };
        let has_body = parts.method == hyper::Method::POST;
        let answering = routes.clone().oneshot(Request::from_parts(parts, Body::new(body)));
        async move {
            let response = match refused {
                Some(problem) => problem.into_response(),
                None => bound(has_body, answering).await,
            };
            Ok::<_, Infallible>(diverted.divert(&asked, response).await)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    let socket = TokioIo::new(Lent::new(socket, Arc::clone(handover)));
    // In a box: a stream of events goes on in the same task, without it.
    let mut connection = Box::pin(http.serve_connection(socket, service).with_upgrades());
    tokio::select! {
        // A client that hangs up is no error of ours.
        _ = connection.as_mut() => return,
        () = handover.given() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = connection.as_mut() => {}
        () = handover.given() => {}
    }
}

type Accepted = (TcpStream, SocketAddr, OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, from)) => {
            let _ = socket.set_nodelay(true);
            Some((socket, from, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection can't be accepted");
            sleep(REFUSED).await;
            None
        }
    }
}

async fn tidy(app: Arc<App>) {
    loop {
        sleep(Duration::from_secs(60)).await;
        if let Some(limit) = &app.limit {
            limit.tidy();
        }
    }
}

/// All routes, and what is around them all.
type Routes = BoxCloneSyncService<Request<Body>, Response, Infallible>;

/// The layers are around the router, and not around each of its routes: there each would be cloned
/// and boxed for each request.
fn layered(routes: Router, origins: &[String]) -> Routes {
    let streams = NotForContentType::const_new("text/event-stream");
    let compression = CompressionLayer::new().compress_when(DefaultPredicate::new().and(streams));
    let layers = ServiceBuilder::new()
        .map_response(|response: hyper::Response<_>| response.map(Body::new))
        .layer(compression)
        .layer(RequestDecompressionLayer::new())
        // Counted after a compressed body is unpacked: no small body becomes a large one.
        .layer(DefaultBodyLimit::max(MAX_BATCH_BYTES));
    let layered = layers.service(routes);
    match cors(origins) {
        Some(cors) => BoxCloneSyncService::new(cors.layer(layered)),
        None => BoxCloneSyncService::new(layered),
    }
}

fn cors(origins: &[String]) -> Option<CorsLayer> {
    let allowed = match origins {
        [] => return None,
        all if all.iter().any(|one| one == "*") => AllowOrigin::any(),
        all => AllowOrigin::list(all.iter().filter_map(|one| HeaderValue::from_str(one).ok())),
    };
    let headers = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_NONE_MATCH,
        header::HeaderName::from_static("last-event-id"),
    ];
    let methods = [hyper::Method::GET, hyper::Method::POST];
    let shown = [header::ETAG, header::RETRY_AFTER];
    let cors = CorsLayer::new().allow_origin(allowed).allow_headers(headers);
    Some(cors.allow_methods(methods).expose_headers(shown))
}

/// Whether the request names this machine as its host.
///
/// # Errors
/// Where it does not.
fn of_this_machine(request: &request::Parts) -> Result<(), Problem> {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host: Option<Authority> = host.and_then(|host| host.parse().ok());
    let is_this = host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        let ip: Option<IpAddr> = name.parse().ok();
        name.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback())
    });
    match is_this {
        true => Ok(()),
        false => {
            let detail = "without [serve] in the topology only this machine is answered: ask for \
                          localhost or 127.0.0.1";
            Err(Problem::new(Code::Forbidden, detail))
        }
    }
}

/// Bounds how long the answer to a request may take to begin, and writes what axum refuses by
/// itself as problems.
async fn bound(
    has_body: bool,
    answering: impl Future<Output = Result<Response, Infallible>>,
) -> Response {
    let Ok(Ok(response)) = timeout(BODY, answering).await else {
        return match has_body {
            true => Problem::new(Code::BadRequest, "the body took too long"),
            false => Problem::new(Code::Unavailable, "there was no answer in time").after(END),
        }
        .into_response();
    };
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("at most {MAX_BATCH_BYTES} bytes, unpacked");
            Problem::new(Code::TooLarge, detail).into_response()
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(Code::MethodNotAllowed, "not with this method").into_response()
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE if !is_problem(&response) => {
            let detail = "send the body plain, or by gzip or zstd";
            Problem::new(Code::UnsupportedMedia, detail).into_response()
        }
        StatusCode::BAD_REQUEST if !is_problem(&response) => {
            Problem::new(Code::BadRequest, "the body can't be read").into_response()
        }
        _ => response,
    }
}

fn is_problem(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind == "application/problem+json")
}
