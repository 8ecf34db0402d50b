//! Events over HTTP: each is held against the schema, and answered for after Redis has it.

use crate::{
    access::Caller,
    app::App,
    enter::expect_kind,
    problem::{Code, Problem},
};
use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use redis::{Pipeline, Value};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tallyd_event::{
    Event, Schema,
    decode::{self, BATCH_FIELD},
};
use tallyd_ingest::{Batch, fields, now};
use tallyd_query::QueryError;
use tallyd_store::{Connection, connection::checked};
use tallyd_topology::{Node, NodeKind};
use utoipa::ToSchema;

/// The kinds of bodies that are read. None of them can be sent by the form of a foreign page.
pub(crate) const KINDS: [&str; 5] = [
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
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may_send(&name)?;
    expect_kind(&headers, &KINDS)?;
    take(&app, &name, &body).await
}

/// Holds events against the source's schema, and sends those that fit.
async fn take<'a>(app: &'a App, name: &str, body: &[u8]) -> Result<Response, Problem> {
    let source = |node: &'a Node| match &node.kind {
        NodeKind::Source(source) if node.name == name => Some((node, source)),
        _ => None,
    };
    let found = app.topology.nodes.iter().find_map(source);
    let unknown = || Problem::new(Code::BoltUnknown, format!("no source \"{name}\""));
    let (node, source) = found.ok_or_else(unknown)?;
    let entry = [(BATCH_FIELD.as_bytes().to_vec(), body.to_vec())];
    let decoded = decode::decode(&node.schema, source.limits, now(), &entry);
    let refused = decoded.rejects.iter();
    let refused =
        refused.map(|reject| Refused { index: reject.index, reason: reject.reason.to_string() });
    let accepted = Accepted { accepted: decoded.events.len(), refused: refused.collect() };
    if accepted.accepted == 0 {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, axum::Json(accepted)).into_response());
    }
    send(app, &source.stream, &node.schema, &decoded.events).await?;
    Ok(axum::Json(accepted).into_response())
}

/// Sends events, in one transaction: all of them, or none.
async fn send(app: &App, stream: &str, schema: &Schema, events: &[Event]) -> Result<(), Problem> {
    let mut add = Pipeline::new();
    add.cmd("MULTI");
    for batch in batches(schema, events)? {
        add.cmd("XADD").arg(stream).arg("*").arg(BATCH_FIELD).arg(batch);
    }
    add.cmd("EXEC");
    let ask = async |c: &mut Connection| match c.all(&add).await?.pop() {
        Some(Value::Array(replies)) => {
            // What fails inside EXEC is told by the reply of that command alone.
            let checked = replies.into_iter().try_for_each(|reply| checked(reply).map(drop));
            checked.map_err(QueryError::from)
        }
        other => Err(QueryError::Unreadable(format!("EXEC answered {other:?}"))),
    };
    match app.writers.ask(ask).await {
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

/// The `batch` fields of the entries that carry events to their source.
///
/// # Errors
/// Where events can't be written: a fault of tallyd.
pub fn batches(schema: &Schema, events: &[Event]) -> Result<Vec<Vec<u8>>, Problem> {
    let (mut batches, mut batch) = (Vec::new(), Batch::default());
    let mut close = |batch: &mut Batch| {
        let bytes = batch.take().map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
        batches.extend(bytes.map(|(bytes, _)| bytes));
        Ok::<_, Problem>(())
    };
    for event in events {
        if batch.push(fields(schema, event)) {
            close(&mut batch)?;
        }
    }
    close(&mut batch)?;
    Ok(batches)
}
