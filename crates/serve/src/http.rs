//! Routes, and what is said in headers.

use crate::{
    access::Caller,
    answer::Answer,
    app::App,
    edits,
    enter::{SOCKET, enter, expect_kind},
    events, live, metrics, openapi, operate, pages,
    params::{Params, bad},
    problem::{Code, Problem},
    question::{LearnersBody, MembersBody, Question},
    socket, stats,
};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{Path, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// All routes.
pub fn routes(app: Arc<App>) -> Router {
    let entered = middleware::from_fn_with_state(Arc::clone(&app), enter);
    let api = Router::new()
        .route("/v1/events/{source}", post(events::post))
        .route("/v1/boards/{bolt}/members", post(members))
        .route(SOCKET, any(socket))
        .route("/v1/learners", post(learners))
        .route("/v1/metrics", get(current))
        .route("/v1/topology", get(topology))
        .route("/v1/status", get(status))
        .route("/v1/dead", get(dead))
        .route("/v1/edits", get(edits::list).post(edits::post))
        .route("/v1/edits/{id}", get(edits::one))
        .route("/v1/{*path}", get(view))
        .layer(entered);
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/openapi.json", get(openapi))
        .route("/", get(pages::index))
        .route("/{*path}", get(pages::page))
        .merge(api)
        .fallback(|| async { Problem::new(Code::NotFound, "nothing is at this path") })
        .with_state(app)
}

/// The description of it all. It says nothing of what is stored, and is made once: whoever reaches
/// the server may ask for it.
async fn openapi(State(app): State<Arc<App>>) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let describe = || openapi::document(app.topology.kinds).to_string().into();
    (kind, app.description.get_or_init(describe).clone()).into_response()
}

/// Many live views over one socket, which keeps its connection's place.
async fn socket(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Arc<OwnedSemaphorePermit>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    check_origin(&app, &headers)?;
    let upgrade = upgrade.map_err(|error| bad(format!("this path is a WebSocket: {error}")))?;
    let upgrade = upgrade.max_message_size(socket::LONGEST).max_frame_size(socket::LONGEST);
    Ok(upgrade.on_upgrade(|open| async move {
        let _place = place;
        socket::serve(app, caller, open).await;
    }))
}

/// A browser lets any page open a socket to any server, and names the page's origin: it must be this
/// server's own, or one that may ask.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own = origin.split_once("://").is_some_and(|(_, authority)| authority == host);
    match is_own || app.origins.iter().any(|known| known == origin || known == "*") {
        true => Ok(()),
        false => Err(Problem::new(Code::Forbidden, "pages of this origin may not ask (see cors)")),
    }
}

/// Any view, once or live.
async fn view(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // The path as it was sent: names in it may hold an encoded slash.
    let path = uri.path().strip_prefix("/v1/").unwrap_or_default();
    let mut params = Params::parse(uri.query())?;
    let Some(path) = live_path(path) else {
        let question = question(&app, path, params, &caller)?;
        return Ok(respond(&*app.answer(&question).await?, question.is_fixed(), &headers));
    };
    let wanted = live::Wanted::take(&mut params, &headers)?;
    let question = question(&app, path, params, &caller)?;
    match app.answer(&question).await {
        // What can come to be is waited for, and so is Redis.
        Err(problem) if !problem.code.may_pass() => Err(problem),
        _ => live::events(&app, question, wanted, &caller),
    }
}

/// The path of the view that is asked for live, if it is. A view has an even number of names: so one
/// that is called `live` can be asked for too.
fn live_path(path: &str) -> Option<&str> {
    path.strip_suffix("/live").filter(|path| path.split('/').count() % 2 == 0)
}

/// Reads a question, and holds it to what the caller may ask.
///
/// # Errors
/// Where it can't be read, or may not be asked.
pub fn question(
    app: &App,
    path: &str,
    params: Params,
    caller: &Caller,
) -> Result<Question, Problem> {
    let question = Question::read(path, params)?;
    allowed(app, question, caller)
}

/// A question held to what the caller may ask. What nobody needs a token for, all may ask.
///
/// # Errors
/// Where it may not be asked.
pub fn allowed(app: &App, question: Question, caller: &Caller) -> Result<Question, Problem> {
    let held = |caller: &Caller| {
        let caller = &caller.held_to_itself(&app.member_fields);
        question.allow(caller)?;
        match &question {
            Question::Stats(question) => {
                stats::settle(&app.topology, question.clone(), caller).map(Question::Stats)
            }
            other => Ok(other.clone()),
        }
    };
    match held(caller) {
        Err(problem) if problem.code == Code::Forbidden => {
            held(&app.tokens.nobody(caller.subject.clone())).map_err(|_| problem)
        }
        other => other,
    }
}

/// Some members of a board.
async fn members(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(bolt): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let params = Params::parse(uri.query())?;
    let question = |body: MembersBody| Question::members(&bolt, params, body.members);
    asked_by_body(&app, &caller, &headers, &body, question).await
}

/// Some learners.
async fn learners(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    Params::parse(uri.query())?.end("none")?;
    let question = |body: LearnersBody| Question::learners(body.learners);
    asked_by_body(&app, &caller, &headers, &body, question).await
}

/// The answer to a question that stands in a body, as JSON.
async fn asked_by_body<T: DeserializeOwned>(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
    question: impl FnOnce(T) -> Result<Question, Problem>,
) -> Result<Response, Problem> {
    expect_kind(headers, &["application/json"])?;
    let body = serde_json::from_slice(body)
        .map_err(|error| bad(format!("the body can't be read: {error}")))?;
    let question = allowed(app, question(body)?, caller)?;
    Ok(respond(&*app.answer(&question).await?, false, headers))
}

/// The topology: all of it for operators, and for others the part that is theirs.
async fn topology(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::parse(uri.query())?.end("none")?;
    Ok(unkept(operate::topology(&app, &caller)))
}

/// The current figures, for Prometheus.
async fn current(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Problem> {
    Params::parse(uri.query())?.end("none")?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, metrics::text(&app, &caller).await?).into_response())
}

async fn status(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.may_operate()?;
    Params::parse(uri.query())?.end("none")?;
    operate::status(&app).await.map(unkept)
}

async fn dead(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.may_operate()?;
    operate::dead(&app, Params::parse(uri.query())?).await.map(unkept)
}

fn unkept(json: serde_json::Value) -> Response {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (no_store, axum::Json(json)).into_response()
}

/// An answer, or that the one that is held still holds. Where the question names a fixed time, what
/// is final stays the answer to it.
fn respond(answer: &Answer, is_fixed: bool, headers: &HeaderMap) -> Response {
    let tag = format!("W/\"{:016x}\"", answer.tag);
    let caching = match is_fixed && answer.is_final {
        true => "private, max-age=86400, immutable",
        false => "private, max-age=0, must-revalidate",
    };
    let held = headers.get(header::IF_NONE_MATCH).and_then(|held| held.to_str().ok());
    let is_held = held.is_some_and(|held| {
        held.split(',').map(str::trim).any(|one| one == "*" || weak(one) == weak(&tag))
    });
    let shared: [(HeaderName, HeaderValue); 2] = [
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        // An answer depends on who asks.
        (header::VARY, HeaderValue::from_static("authorization, cookie")),
    ];
    let mut response = match is_held {
        true => (StatusCode::NOT_MODIFIED, shared).into_response(),
        false => {
            let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (shared, kind, answer.body.clone()).into_response()
        }
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}
