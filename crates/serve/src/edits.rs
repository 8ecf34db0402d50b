//! Edits over HTTP: asked for, listed, and looked at.

use crate::{
    access::Caller,
    app::App,
    enter::expect_kind,
    params::{Params, bad},
    problem::{Code, Problem},
};
use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tallyd_event::EditKind;
use tallyd_query::{QueryError, preview};
use tallyd_store::{
    Connection,
    edits::{self, Record, Request},
    server_ms,
};
use tokio::time::timeout;
use utoipa::ToSchema;

/// How long it may take to accept an edit.
const PATIENCE: Duration = Duration::from_secs(5);
/// When a full server is asked again.
const LATER: Duration = Duration::from_secs(5);
/// Who asked, in the list of edits, where a member erases itself: its name must not stay there.
const OWN_RIGHT: &str = "the member itself";
/// Among how many of the last edits one is looked for that is under way.
const UNDER_WAY: usize = 50;
/// The most edits of one answer.
const MOST: u64 = 1000;
const LISTED: u64 = 20;

/// What is asked for: the fields of an entry of the stream of edits.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditBody {
    /// What to do, such as `hide`.
    #[serde(rename = "do")]
    #[schema(value_type = String)]
    kind: SmolStr,
    /// The member, as events write it.
    #[serde(default)]
    #[schema(value_type = String)]
    member: SmolStr,
    /// The field that names members; may be left out where there is one only.
    #[serde(default)]
    #[schema(value_type = String)]
    field: SmolStr,
    /// Of `forget`, what becomes of counts of many: `keep` (or left out), or `subtract`.
    #[serde(default)]
    #[schema(value_type = String)]
    counts: SmolStr,
    /// The same id takes effect once, however often it is sent. Left out: one of its own.
    #[serde(default)]
    #[schema(value_type = String)]
    id: SmolStr,
    /// Of `move`: the group that the member leaves, as it stands in keys, such as `class=10A`.
    #[serde(default)]
    #[schema(value_type = String)]
    from: SmolStr,
    /// The one that it joins, such as `class=10B`; of `rename` the new name.
    #[serde(default)]
    #[schema(value_type = String)]
    to: SmolStr,
    /// What becomes of its points: `keep` (they go with it) or `leave` (they are gone).
    #[serde(default)]
    #[schema(value_type = String)]
    points: SmolStr,
    /// Of an edit of no member, the bolt.
    #[serde(default)]
    #[schema(value_type = String)]
    bolt: SmolStr,
    /// The kind of period or window, such as `week`.
    #[serde(default)]
    #[schema(value_type = String)]
    period: SmolStr,
    /// Which one, such as `2026-W05`; the one that is now where it is left out.
    #[serde(default)]
    #[schema(value_type = String)]
    label: SmolStr,
    /// The group, as it stands in keys, such as `class=10B`; all of them where it is left out.
    #[serde(default)]
    #[schema(value_type = String)]
    group: SmolStr,
    /// Who asks, for the list of edits; the caller where it is left out.
    #[serde(default)]
    #[schema(value_type = String)]
    by: SmolStr,
}

/// An edit, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct EditAnswer {
    /// Its id.
    id: String,
    /// When it was accepted or refused, in ms since the epoch.
    at: i64,
    /// Who asked for it; empty where that was not said.
    by: String,
    /// What it does.
    #[serde(rename = "do")]
    kind: String,
    /// The field that names the member; empty of an edit of no member.
    field: String,
    /// The member; empty of one that is forgotten.
    member: String,
    /// Of a move, the group that the member leaves; else empty.
    from: String,
    /// The one that it joins; of a rename the new name; else empty.
    to: String,
    /// What becomes of its points: `keep` or `leave`; of other edits empty.
    points: String,
    /// Of an edit of no member, the bolt.
    bolt: String,
    /// The kind of period or window; empty: all of them.
    period: String,
    /// Which one; empty: all of them.
    label: String,
    /// The group, as it stands in keys; empty: all of them.
    group: String,
    /// Of `forget`, `subtract` where what its events added to counts is taken out; else empty.
    counts: String,
    /// From which bolts it is.
    subtracted: Vec<EditOfCounts>,
    /// Of the sources that do not retain all that came, from when on they do, in ms since the epoch: what
    /// earlier events added stays.
    #[schema(value_type = std::collections::HashMap<String, i64>)]
    retained_since: BTreeMap<String, i64>,
    /// Of sources of which entries were deleted that had events of others too, when the last of these
    /// came, in ms since the epoch: what the member's events in them added stays.
    #[schema(value_type = std::collections::HashMap<String, i64>)]
    shared: BTreeMap<String, i64>,
    /// Why it was refused, if it was.
    refused: Option<String>,
    /// Whether nothing is left to do.
    done: bool,
    /// The bolts that do it.
    bolts: Vec<EditOfBolt>,
}

/// How far an edit is in a bolt.
#[derive(Debug, Serialize, ToSchema)]
pub struct EditOfBolt {
    /// The bolt.
    bolt: String,
    /// How many partitions are done with it.
    done: u64,
    /// How many there are.
    of: u64,
    /// How many results it changed.
    changed: u64,
}

/// What an edit took out of the counts of a bolt.
#[derive(Debug, Serialize, ToSchema)]
pub struct EditOfCounts {
    /// The bolt.
    bolt: String,
    /// How many events were taken out.
    events: u64,
    /// How many stay counted, if they are, because that is not known: by the reason, `gap`, `dead` or
    /// `clock`.
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    left: BTreeMap<String, u64>,
}

/// The last edits.
#[derive(Debug, Serialize, ToSchema)]
pub struct EditsAnswer {
    /// The edits, newest first.
    rows: Vec<EditAnswer>,
}

impl From<EditBody> for Request {
    fn from(body: EditBody) -> Self {
        let EditBody { kind, member, field, counts, id, from, to, points, by, .. } = body;
        let EditBody { bolt, period, label, group, .. } = body;
        Self { id, kind, member, field, counts, from, to, points, bolt, period, label, group, by }
    }
}

impl From<Record> for EditAnswer {
    fn from(record: Record) -> Self {
        let done = record.is_over();
        let Record { id, at, by, kind, field, member, .. } = record;
        let Record { from, to, points, bolt, period, label, group, refused, bolts, .. } = record;
        let Record { counts, subtracted, retained_since, shared, .. } = record;
        let subtracted = subtracted.into_iter().map(|of| EditOfCounts {
            bolt: of.bolt.to_string(),
            events: of.events,
            left: of.left,
        });
        let subtracted = subtracted.collect();
        let bolts = bolts.into_iter().map(|of| EditOfBolt {
            bolt: of.bolt.to_string(),
            done: of.done.min(of.of),
            of: of.of,
            changed: of.changed,
        });
        let bolts = bolts.collect();
        Self {
            id,
            at,
            by,
            kind,
            field,
            member,
            from,
            to,
            points,
            bolt,
            period,
            label,
            group,
            counts,
            subtracted,
            retained_since,
            shared,
            refused,
            done,
            bolts,
        }
    }
}

/// Accepts an edit, or says why not. It answers when the edit has its place among the events.
pub(crate) async fn post(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    if !caller.grant.erase {
        caller.may_operate()?;
    }
    Params::parse(uri.query())?.end("none")?;
    expect_kind(&headers, &["application/json"])?;
    let body: EditBody = serde_json::from_slice(&body)
        .map_err(|error| bad(format!("the body can't be read: {error}")))?;
    let mut request = Request::from(body);
    let is_own = !caller.grant.operator;
    if is_own {
        may_erase_itself(&caller, &request)?;
        request.by = OWN_RIGHT.into();
    }
    if request.by.is_empty() {
        request.by = caller.subject.clone();
    }
    if request.id.is_empty() {
        request.id = edits::new_id()?;
    }
    // It watches, and so it can't share a connection.
    let sending = async {
        let mut c = Connection::open_at(&app.address).await.map_err(QueryError::from)?;
        if is_own && let Some(record) = under_way(&app, &mut c, &request).await? {
            return Ok(record);
        }
        accepted(&app, &mut c, &request).await
    };
    let record = match timeout(PATIENCE, sending).await {
        Ok(Err(problem)) if problem.code == Code::Unavailable => return Err(unsure(&request)),
        Ok(record) => record?,
        Err(_) => return Err(unsure(&request)),
    };
    Ok(unkept(&EditAnswer::from(record)))
}

/// Whether one without the operator's right may ask for this: to be forgotten, and nothing else. An
/// id would show an edit of somebody else, and a name in `by` would stay in the list.
fn may_erase_itself(caller: &Caller, request: &Request) -> Result<(), Problem> {
    let is_erasure = request.kind == EditKind::Forget.name() && caller.may_erase(&request.member);
    if !is_erasure {
        return caller.may_operate();
    }
    let keeps = matches!(request.counts.as_str(), "" | "keep");
    match request.id.is_empty() && request.by.is_empty() && keeps {
        true => Ok(()),
        false => {
            Err(bad("leave out \"id\", \"by\" and \"counts\": they are the operator's to choose"))
        }
    }
}

/// The edit that forgets this member already: asking again and again costs no more than asking once.
async fn under_way(
    app: &App,
    c: &mut Connection,
    request: &Request,
) -> Result<Option<Record>, Problem> {
    let records = edits::list(c, &app.topology, &app.keys, UNDER_WAY).await?;
    let forgets = EditKind::Forget.name();
    let is_same = |record: &Record| record.kind == forgets && record.member == request.member;
    Ok(records.into_iter().find(|record| record.refused.is_none() && is_same(record)))
}

async fn accepted(app: &App, c: &mut Connection, request: &Request) -> Result<Record, Problem> {
    let (topology, keys) = (&app.topology, &app.keys);
    let before = edits::one(c, topology, keys, &request.id).await?;
    if let Some(before) = before.filter(|record| record.refused.is_none()) {
        return Ok(before);
    }
    let refuse = |why: String| Problem::new(Code::EditRefused, why);
    let now = server_ms(c).await?;
    let edit =
        edits::check(topology, request, now).map_err(|refusal| refuse(refusal.to_string()))?;
    // Nothing keeps somebody from being forgotten, so there is nothing to look for.
    if edit.kind != EditKind::Forget {
        preview(c, topology, keys, &edit).await?.map_err(|why| refuse(why.to_string()))?;
    }
    let may = edits::may_be_now(c, topology, keys, &edit).await?;
    may.map_err(|refusal| refuse(refusal.to_string()))?;
    // A period that is now may be over when it is accepted.
    let (id, by) = (request.id.clone(), request.by.clone());
    let request = &Request { id, by, ..Request::of(&edit) };
    let sent = edits::send(c, topology, keys, request).await;
    let record = sent.map_err(|error| {
        tracing::warn!(%error, "an edit can't be sent");
        unsure(request)
    })?;
    let record = record.ok_or_else(|| unsure(request))?;
    match record.refused {
        Some(why) => Err(refuse(why)),
        None => Ok(record),
    }
}

/// It is not known whether Redis has it.
fn unsure(request: &Request) -> Problem {
    let detail = "Redis did not take the edit, or did not say so in time: send it again with this \
                  id (it takes effect once)";
    Problem::new(Code::Unavailable, detail).with("id", request.id.as_str()).after(LATER)
}

/// The last edits, newest first.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.may_operate()?;
    let mut params = Params::parse(uri.query())?;
    let limit = params.number("limit", 1..=MOST)?.unwrap_or(LISTED);
    params.end("limit")?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let ask = async |c: &mut Connection| {
        edits::list(c, &app.topology, &app.keys, limit).await.map_err(QueryError::from)
    };
    let records = app.readers.primary().ask(ask).await?;
    Ok(unkept(&EditsAnswer { rows: records.into_iter().map(EditAnswer::from).collect() }))
}

/// One edit.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    caller.may_operate()?;
    Params::parse(uri.query())?.end("none")?;
    let ask = async |c: &mut Connection| {
        edits::one(c, &app.topology, &app.keys, &id).await.map_err(QueryError::from)
    };
    let record = app.readers.primary().ask(ask).await?;
    let unknown = || Problem::new(Code::EditUnknown, format!("no edit has the id \"{id}\""));
    Ok(unkept(&EditAnswer::from(record.ok_or_else(unknown)?)))
}

fn unkept(answer: &impl Serialize) -> Response {
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (no_store, axum::Json(answer)).into_response()
}
