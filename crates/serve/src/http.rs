//! Requests and responses: routes, who asks, and what is said in headers.

use crate::{
    access::Caller,
    answer::Answer,
    app::App,
    events,
    limit::Left,
    live, openapi, operate as operator, pages,
    params::{Params, bad},
    problem::{Code, Problem},
    question::{LearnersBody, MembersBody, Question},
    socket, stats,
};
use axum::{
    Router,
    body::Bytes,
    extract::{
        ConnectInfo, Path, State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection,
    },
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use smol_str::SmolStr;
use std::{net::SocketAddr, sync::Arc};

/// All routes.
pub fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/openapi.json", get(openapi))
        .route("/v1/events/{source}", post(events::post))
        .route("/v1/boards/{bolt}/members", post(members))
        .route("/v1/live", any(socket))
        .route("/v1/learners", post(learners))
        .route("/v1/topology", get(operate))
        .route("/v1/status", get(operate))
        .route("/v1/dead", get(operate))
        .route("/v1/{*path}", any(view))
        .route("/", get(pages::index))
        .route("/{*path}", get(pages::page))
        .fallback(|| async { Problem::new(Code::NotFound, "nothing is at this path") })
        .with_state(app)
}

/// The description of it all. It says nothing of what is stored.
async fn openapi() -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kind, openapi::document().to_string()).into_response()
}

/// Many live views over one socket. A page of another site may not open one in a learner's name:
/// no cookie counts, and tokens come in messages.
async fn socket(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let (caller, _) = enter(&app, &headers, from, false).await?;
    check_origin(&app, &headers)?;
    let upgrade = upgrade.map_err(|error| bad(format!("this path is a WebSocket: {error}")))?;
    let upgrade = upgrade.max_message_size(socket::LONGEST).max_frame_size(socket::LONGEST);
    Ok(upgrade.on_upgrade(|open| socket::serve(app, caller, open)))
}

/// Who asks, counted against its limit. One whose token can't be believed is counted by its address.
///
/// # Errors
/// Where the token can't be believed, or there were too many requests.
pub(crate) async fn enter(
    app: &App,
    headers: &HeaderMap,
    from: SocketAddr,
    cookies: bool,
) -> Result<(Caller, Option<Left>), Problem> {
    let take = |subject: &SmolStr| app.limit.as_ref().map(|limit| limit.take(subject)).transpose();
    match app.tokens.caller(headers, from.ip(), cookies).await {
        Ok(caller) => {
            let left = take(&caller.subject)?;
            Ok((caller, left))
        }
        Err(problem) => {
            take(&smol_str::format_smolstr!("@{}", from.ip()))?;
            Err(problem)
        }
    }
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
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if method != Method::GET && method != Method::HEAD {
        return Err(Problem::new(Code::MethodNotAllowed, "this path is read by GET"));
    }
    let (caller, left) = enter(&app, &headers, from, true).await?;
    // The path as it was sent: names in it may hold an encoded slash.
    let path = uri.path().strip_prefix("/v1/").unwrap_or_default();
    let (path, is_live) = match path.strip_suffix("/live") {
        Some(path) => (path, true),
        None => (path, false),
    };
    let mut params = Params::parse(uri.query())?;
    let mut response = match is_live {
        true => {
            let wanted = live::Wanted::take(&mut params, &headers)?;
            let question = question(&app, path, params, &caller)?;
            match app.answer(&question).await {
                // What can come to be is waited for, and so is Redis.
                Ok(_) => {}
                Err(problem) if problem.code.may_pass() => {}
                Err(problem) => return Err(problem),
            }
            live::events(&app, question, wanted, caller.until)?
        }
        false => {
            let question = question(&app, path, params, &caller)?;
            let answer = app.answer(&question).await?;
            respond(&answer, &headers)
        }
    };
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    Ok(response)
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
    let question = Question::read(path, params, app.topology.calendar.zone())?;
    allowed(app, question, caller)
}

/// A question held to what the caller may ask. What nobody needs a token for, all may ask. It only
/// reads, so a cookie is believed: another site's page can't send JSON without being allowed to.
fn allowed(app: &App, question: Question, caller: &Caller) -> Result<Question, Problem> {
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
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(bolt): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let (caller, left) = enter(&app, &headers, from, true).await?;
    expect_json(&headers)?;
    let body: MembersBody = serde_json::from_slice(&body)
        .map_err(|error| bad(format!("the body can't be read: {error}")))?;
    let params = Params::parse(uri.query())?;
    let question = Question::members(&bolt, params, app.topology.calendar.zone(), body.members)?;
    let question = allowed(&app, question, &caller)?;
    let answer = app.answer(&question).await?;
    let mut response = respond(&answer, &headers);
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    Ok(response)
}

/// Some learners.
async fn learners(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let (caller, left) = enter(&app, &headers, from, true).await?;
    expect_json(&headers)?;
    let body: LearnersBody = serde_json::from_slice(&body)
        .map_err(|error| bad(format!("the body can't be read: {error}")))?;
    let question = Question::learners(body.learners)?;
    let question = allowed(&app, question, &caller)?;
    let answer = app.answer(&question).await?;
    let mut response = respond(&answer, &headers);
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    Ok(response)
}

/// What operators see; of the topology, others see the part that is theirs.
async fn operate(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (caller, left) = enter(&app, &headers, from, true).await?;
    let params = Params::parse(uri.query())?;
    let json = match uri.path() {
        "/v1/topology" => {
            params.end("none")?;
            operator::topology(&app, &caller)
        }
        "/v1/dead" => {
            caller.may_operate()?;
            operator::dead(&app, params).await?
        }
        _ => {
            caller.may_operate()?;
            params.end("none")?;
            operator::status(&app).await?
        }
    };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let mut response = (no_store, axum::Json(json)).into_response();
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    Ok(response)
}

fn expect_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    match kind.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => {
            let detail = "send Content-Type: application/json";
            Err(Problem::new(Code::UnsupportedMedia, detail))
        }
    }
}

/// An answer, or that the one that is held still holds.
fn respond(answer: &Answer, headers: &HeaderMap) -> Response {
    let tag = format!("W/\"{:016x}\"", answer.tag);
    let caching = match answer.is_final {
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
