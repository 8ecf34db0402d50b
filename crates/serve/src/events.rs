//! Events over HTTP: each is held against the schema, and answered for after Redis has it.

use crate::{
    app::App,
    http::enter,
    problem::{Code, Problem},
};
use axum::{
    body::Bytes,
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use redis::Pipeline;
use serde::Serialize;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tallyd_event::{
    EntryId, Event, Schema,
    decode::{self, BATCH_FIELD},
};
use tallyd_ingest::Batch;
use tallyd_query::QueryError;
use tallyd_store::Connection;
use tallyd_topology::NodeKind;
use utoipa::ToSchema;

/// The kinds of bodies that are read. None of them can be sent by the form of a foreign page.
const KINDS: [&str; 5] = [
    "application/json",
    "application/jsonl",
    "application/msgpack",
    "application/vnd.msgpack",
    "application/x-ndjson",
];
/// When a full server is asked again.
const LATER: Duration = Duration::from_secs(5);

/// What became of the events of a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// How many Redis has now.
    pub accepted: usize,
    /// Those that were not sent.
    pub refused: Vec<Refused>,
}

/// An event that was not sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refused {
    /// Its place among the events of the request, from 0.
    pub index: u32,
    /// Why.
    pub reason: String,
}

/// Takes events.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    // No cookies: another site's page must not send in a learner's name.
    let (caller, left) = enter(&app, &headers, from, false).await?;
    caller.may_send(&name)?;
    expect_kind(&headers)?;
    let (node, source) = app
        .topology
        .nodes
        .iter()
        .find_map(|node| match &node.kind {
            NodeKind::Source(source) if node.name == name => Some((node, source)),
            _ => None,
        })
        .ok_or_else(|| Problem::new(Code::BoltUnknown, format!("no source \"{name}\"")))?;
    let entry = [(BATCH_FIELD.as_bytes().to_vec(), body.to_vec())];
    let decoded = decode::decode(&node.schema, source.limits, now(), &entry);
    let refused: Vec<Refused> = decoded
        .rejects
        .iter()
        .map(|reject| Refused { index: reject.index, reason: reject.reason.to_string() })
        .collect();
    if !decoded.events.is_empty() {
        send(&app, &source.stream, &node.schema, &decoded.events).await?;
    }
    let accepted = Accepted { accepted: decoded.events.len(), refused };
    let status = match accepted.accepted {
        0 => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    let mut response = (status, axum::Json(accepted)).into_response();
    if let Some(left) = left {
        left.tell(response.headers_mut());
    }
    Ok(response)
}

fn expect_kind(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    match KINDS.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        true => Ok(()),
        false => {
            let detail = format!("send one of these as Content-Type: {}", KINDS.join(", "));
            Err(Problem::new(Code::UnsupportedMedia, detail))
        }
    }
}

/// Sends events, in one transaction: all of them, or none.
async fn send(app: &App, stream: &str, schema: &Schema, events: &[Event]) -> Result<(), Problem> {
    let mut add = Pipeline::new();
    add.cmd("MULTI");
    let mut batch = Batch::default();
    for event in events {
        let named = schema.fields.iter().zip(&event.values);
        let given = named.filter(|(_, value)| !value.is_null());
        if batch.push(given.map(|(field, value)| (field.name.clone(), value.to_text())).collect()) {
            close(&mut add, stream, &mut batch)?;
        }
    }
    close(&mut add, stream, &mut batch)?;
    add.cmd("EXEC");
    let ask = async |c: &mut Connection| c.all(&add).await.map_err(QueryError::from);
    match app.pool.read(ask).await {
        Ok(_) => Ok(()),
        Err(QueryError::Store(error)) => {
            tracing::warn!(%error, "events can't be sent");
            let detail = "Redis did not take the events, or did not say so in time: send all of \
                          them again (a dedup bolt counts each once)";
            Err(Problem::new(Code::Unavailable, detail).after(LATER))
        }
        Err(error) => Err(error.into()),
    }
}

fn close(add: &mut Pipeline, stream: &str, batch: &mut Batch) -> Result<(), Problem> {
    let bytes = batch.take().map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    if let Some((bytes, _)) = bytes {
        add.cmd("XADD").arg(stream).arg("*").arg(BATCH_FIELD).arg(bytes);
    }
    Ok(())
}

fn now() -> EntryId {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EntryId { ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), seq: 0 }
}
