//! What operators see: the topology, how it runs, and its dead letters.

use crate::{access::Caller, app::App, params::Params, problem::Problem};
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::time::Duration;
use tallyd_query::{
    QueryError,
    catalog::{as_aggregate, as_leaderboard},
    status::status_now,
};
use tallyd_store::{Connection, dead, inspect};
use tallyd_topology::{BoltOptions, Grant, Node, NodeKind};
use tokio::time::Instant;

/// How long a state is good for all who ask: rates are measured from one reading to the next.
const FRESH: Duration = Duration::from_secs(1);
/// The most dead letters of one answer.
const LETTERS: u64 = 100;

/// The last state that was read.
#[derive(Default)]
pub struct LastStatus {
    at: Option<Instant>,
    status: inspect::Status,
    json: Value,
}

/// How the topology runs.
pub(crate) async fn status(app: &App) -> Result<Value, Problem> {
    let mut last = app.status.lock().await;
    if last.at.is_some_and(|at| at.elapsed() < FRESH) {
        return Ok(last.json.clone());
    }
    let ask = async |c: &mut Connection| {
        inspect::status(c, &app.topology, &app.keys).await.map_err(QueryError::from)
    };
    let now = app.readers.primary().ask(ask).await?;
    let before = last.at.map_or(&now, |_| &last.status);
    let json = json!(status_now(before, &now, &app.topology.settings));
    *last = LastStatus { at: Some(Instant::now()), status: now, json: json.clone() };
    Ok(json)
}

/// The newest dead letters.
pub(crate) async fn dead(app: &App, mut params: Params) -> Result<Value, Problem> {
    let limit = params.number("limit", 1..=LETTERS)?.unwrap_or(10);
    params.end("limit")?;
    let count = usize::try_from(limit).unwrap_or(10);
    let ask =
        async |c: &mut Connection| dead::last(c, &app.keys, count).await.map_err(QueryError::from);
    let letters = app.readers.primary().ask(ask).await?;
    Ok(json!({ "rows": letters }))
}

/// The topology: all of it for operators, and for others the bolts that they may read. `member` is
/// the member that the caller is, or null.
pub(crate) fn topology(app: &App, caller: &Caller) -> Value {
    let topology = &app.topology;
    let may_see = |node: &&Node| match &node.kind {
        NodeKind::Source(_) => caller.grant.operator,
        NodeKind::Bolt(bolt) => {
            caller.grant.operator
                || may_read(caller, app.tokens.public(), &node.name, &*bolt.options)
        }
    };
    json!({
        "name": topology.name,
        "time_zone": topology.time_zone,
        "partitions": topology.partitions,
        "member": caller.grant.member,
        "nodes": topology.nodes.iter().filter(may_see).map(|node| describe(app, node)).collect::<Vec<_>>(),
    })
}

/// Whether some of a bolt's results may be read: by what the caller may, or by what everybody may.
fn may_read(caller: &Caller, public: &Grant, name: &str, options: &dyn BoltOptions) -> bool {
    if options.kind().is_by_time() {
        let of_bolt = |given: &SmolStr| {
            given == tallyd_topology::ANY || given.split(':').next() == Some(name)
        };
        return caller.grant.read.iter().chain(&public.read).any(of_bolt);
    }
    options.about().is_some() && (caller.grant.member.is_some() || caller.grant.learners)
}

fn describe(app: &App, node: &Node) -> Value {
    let names = |fields: &[tallyd_bolt::FieldRef]| -> Value {
        fields.iter().map(|field| json!(field.name)).collect()
    };
    let mut described = match &node.kind {
        NodeKind::Source(source) => json!({ "type": "source", "stream": source.stream }),
        NodeKind::Bolt(bolt) => {
            let from = app.topology.nodes.get(bolt.from).map(|node| node.name.as_str());
            let mut json = json!({ "type": bolt.options.type_name(), "from": from });
            let mut more = |name: &str, value: Value| {
                if let Value::Object(json) = &mut json {
                    json.insert(name.to_owned(), value);
                }
            };
            if let Some(options) = as_aggregate(&*bolt.options) {
                more("by", names(&options.by));
                more("windows", options.windows.iter().map(|w| json!(w.name)).collect());
                more("measures", options.measures.iter().map(|m| json!(m.name)).collect());
            }
            if let Some(options) = as_leaderboard(&*bolt.options) {
                more("member", json!(options.member.name));
                more("boards", options.boards.iter().map(|b| names(b)).collect());
                more("periods", options.periods.iter().map(|p| json!(p.name)).collect());
            }
            json
        }
    };
    if let Value::Object(described) = &mut described {
        described.insert("name".to_owned(), json!(node.name));
        let sinks = node.sinks.iter().map(|sink| &sink.name);
        described.insert("sinks".to_owned(), json!(sinks.collect::<Vec<_>>()));
    }
    described
}
