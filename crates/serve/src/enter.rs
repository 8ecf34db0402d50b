//! Before anything is read of a request but its head: who asks, and how often.

use crate::{
    app::App,
    problem::{Code, Problem},
};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::Response,
};
use smol_str::{SmolStr, format_smolstr};
use std::{net::SocketAddr, sync::Arc};

/// The path of the WebSocket.
pub(crate) const SOCKET: &str = "/v1/live";

/// Finds out who asks and counts it, and says in the answer what the caller has left. One whose token
/// can't be believed is counted by its address.
///
/// # Errors
/// Where the token can't be believed, or there were too many requests.
pub(crate) async fn enter(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let path = request.uri().path();
    // A cookie comes with whatever any page makes a browser ask. For what is read that does no harm:
    // another site's page does not get to see the answer. Sending events and edits, and what a socket
    // says, would be done in a learner's or operator's name.
    let edits = path.starts_with("/v1/edits") && request.method() != Method::GET;
    let cookies = !path.starts_with("/v1/events/") && path != SOCKET && !edits;
    let take = |subject: &SmolStr| app.limit.as_ref().map(|limit| limit.take(subject)).transpose();
    let caller = match app.tokens.caller(request.headers(), from.ip(), cookies).await {
        Ok(caller) => caller,
        Err(problem) => {
            take(&format_smolstr!("@{}", from.ip()))?;
            return Err(problem);
        }
    };
    let left = take(&caller.subject)?;
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    Ok(response)
}

/// The body must be of one of these kinds.
///
/// # Errors
/// Where it is of another.
pub(crate) fn expect_kind(headers: &HeaderMap, kinds: &[&str]) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    match kinds.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        true => Ok(()),
        false => {
            let detail = format!("send one of these as Content-Type: {}", kinds.join(", "));
            Err(Problem::new(Code::UnsupportedMedia, detail))
        }
    }
}
