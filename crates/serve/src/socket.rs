//! Many live views over one WebSocket, for those who can't open a stream for each.
//!
//! The client sends `{"watch": "NAME", "path": "/v1/boards/points?limit=10", "last": "ID"}` to
//! begin, and `{"drop": "NAME"}` to end; NAME is its own. Before that it may send
//! `{"token": "…"}`, because pages can't set headers here. It gets the events of a stream, each as
//! `{"watch": "NAME", "event": "delta", "id": "…", "data": …}`.

use crate::{
    access::Caller,
    app::App,
    http,
    live::{Event, Follower, Wanted},
    params::{Params, bad},
    problem::{Code, Problem},
};
use axum::extract::ws::{Message, WebSocket};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream, SelectAll},
};
use serde::Deserialize;
use smol_str::SmolStr;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// The most views of one socket.
pub const MOST_VIEWS: usize = 128;
/// The longest message of a client, in bytes.
pub const LONGEST: usize = 16 << 10;
/// How long a client may take to read what it was sent, or to ask for a view.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Wish {
    Token { token: String },
    Watch { watch: SmolStr, path: String, last: Option<String> },
    Drop { drop: SmolStr },
}

type Views = SelectAll<BoxStream<'static, (SmolStr, Event)>>;

/// One client.
struct Client {
    app: Arc<App>,
    caller: Caller,
    /// What ends each view.
    open: HashMap<SmolStr, CancellationToken>,
}

/// Serves a client until it goes, or the server ends.
pub(crate) async fn serve(app: Arc<App>, caller: Caller, mut socket: WebSocket) {
    let stop = app.stop.clone();
    let mut client = Client { app, caller, open: HashMap::new() };
    let mut views: Views = SelectAll::new();
    let mut idle_since = Instant::now();
    loop {
        client.open.retain(|_, view| !view.is_cancelled());
        if !client.open.is_empty() {
            idle_since = Instant::now();
        }
        let message = tokio::select! {
            () = stop.cancelled() => break,
            // A place is not held for nothing.
            () = sleep_until(idle_since + PATIENCE), if client.open.is_empty() => break,
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    client.wish(text.as_str(), &mut views).await
                }
                Some(Ok(Message::Binary(_))) => {
                    Some(refusal(None, &bad("send text")))
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            Some((name, event)) = views.next() => Some(told(&name, &event)),
        };
        if let Some(text) = message {
            let sent = timeout(PATIENCE, socket.send(Message::Text(text.into()))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
    let _ = timeout(PATIENCE, socket.send(Message::Close(None))).await;
}

impl Client {
    /// Does what a client wants; what there is to answer.
    async fn wish(&mut self, text: &str, views: &mut Views) -> Option<String> {
        if let Some(Err(problem)) =
            self.app.limit.as_ref().map(|limit| limit.take(&self.caller.subject))
        {
            return Some(refusal(None, &problem));
        }
        let wish = match serde_json::from_str(text) {
            Ok(wish) => wish,
            Err(error) => {
                let detail = format!("expected token, watch with path, or drop: {error}");
                return Some(refusal(None, &bad(detail)));
            }
        };
        match wish {
            Wish::Token { token } => match self.app.tokens.of_token(&token).await {
                Ok(caller) => {
                    self.caller = caller;
                    None
                }
                Err(problem) => Some(refusal(None, &problem)),
            },
            Wish::Drop { drop } => {
                if let Some(view) = self.open.remove(&drop) {
                    view.cancel();
                }
                None
            }
            Wish::Watch { watch, path, last } => {
                let view = self.view(&watch, &path, last);
                match view.await {
                    Ok(view) => {
                        views.push(view);
                        None
                    }
                    Err(problem) => Some(refusal(Some(&watch), &problem)),
                }
            }
        }
    }

    async fn view(
        &mut self,
        name: &SmolStr,
        path: &str,
        last: Option<String>,
    ) -> Result<BoxStream<'static, (SmolStr, Event)>, Problem> {
        if self.caller.until.is_some_and(|until| until <= Instant::now()) {
            let detail = "the token has expired (send another one)";
            return Err(Problem::new(Code::Unauthorized, detail));
        }
        if self.open.contains_key(name) {
            return Err(bad(format!("\"{name}\" is watched already (drop it first)")));
        }
        if self.open.len() == MOST_VIEWS {
            return Err(bad(format!("more than {MOST_VIEWS} views (drop one first)")));
        }
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let path = path
            .strip_prefix("/v1/")
            .ok_or_else(|| Problem::new(Code::NotFound, "a path begins with /v1/"))?;
        let mut params = Params::parse(query)?;
        let wanted = Wanted { last, ..Wanted::take(&mut params, &axum::http::HeaderMap::new())? };
        let question = http::question(&self.app, path, params, &self.caller)?;
        match self.app.answer(&question).await {
            Err(problem) if !problem.code.may_pass() => return Err(problem),
            _ => {}
        }
        let follower = Follower::new(&self.app, question, wanted, &self.caller)?;
        let end = CancellationToken::new();
        self.open.insert(name.clone(), end.clone());
        // A view that ends by itself, as with its token, makes its name and its place free.
        let of_view = end.clone().drop_guard();
        let events = stream::unfold((follower, of_view), |(mut follower, of_view)| async move {
            let event = follower.next().await?;
            Some((event, (follower, of_view)))
        });
        let name = name.clone();
        let events = events.map(move |event| (name.clone(), event));
        Ok(events.take_until(end.cancelled_owned()).boxed())
    }
}

fn told(name: &str, event: &Event) -> String {
    let name = serde_json::Value::from(name);
    let id = event.id.map_or_else(|| "null".to_owned(), |id| format!("\"{id:016x}\""));
    let data = String::from_utf8_lossy(&event.data);
    format!("{{\"watch\":{name},\"event\":\"{}\",\"id\":{id},\"data\":{data}}}", event.name)
}

fn refusal(name: Option<&str>, problem: &Problem) -> String {
    let json = serde_json::json!({ "watch": name, "event": "problem", "id": null, "data": problem.json() });
    json.to_string()
}
