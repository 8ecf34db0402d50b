//! The description of it all for programs: OpenAPI 3.1.

use crate::{boards, edits, events, learners, problem::Code, question, shapes, stats};
use serde_json::{Map, Value, json};
use tallyd_aggregate::STATS;
use tallyd_kind::{Kinds, view::View};
use tallyd_leaderboard::BOARD;
use utoipa::OpenApi;

/// The shapes of answers, with what their members mean. Those of rows come from the views: see
/// `shapes`.
#[derive(OpenApi)]
#[openapi(components(schemas(
    boards::BoardAnswer,
    edits::EditAnswer,
    edits::EditBody,
    edits::EditsAnswer,
    events::Accepted,
    tallyd_query::status::StatusNow,
    learners::LearnersAnswer,
    question::LearnersBody,
    question::MembersBody,
    stats::StatsAnswer,
)))]
struct Shapes;

/// A parameter of a query: its name, its type, and what it means.
type Parameter = (&'static str, &'static str, &'static str);

/// One operation.
struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    /// The view whose arguments can be said.
    view: Option<&'static View>,
    /// What else can be.
    parameters: &'static [Parameter],
    body: Body,
    /// The shape of the answer; `None` for one that is not described.
    answer: Option<&'static str>,
    /// Whether `/live` follows it.
    is_live: bool,
}

/// What a request has as its body.
enum Body {
    None,
    /// JSON of this shape.
    Of(&'static str),
    /// Events, in one of several kinds.
    Events,
}

const BY: Parameter = ("by", "object", "The group: `by.class=10B`, once for each field");
const OPERATIONS: &[Operation] = &[
    Operation {
        method: "get",
        path: "/v1/boards/{bolt}",
        summary: "Rows of a leaderboard, best first",
        view: Some(&BOARD),
        parameters: &[
            ("limit", "integer", "How many rows, 1 to 1000; 10 by default"),
            ("rank", "integer", "The place of the first row, from 1"),
            ("cursor", "string", "What the answer before gave as `next`"),
        ],
        body: Body::None,
        answer: Some("BoardAnswer"),
        is_live: true,
    },
    Operation {
        method: "get",
        path: "/v1/boards/{bolt}/around/{member}",
        summary: "A member among its neighbours",
        view: Some(&BOARD),
        parameters: &[("rows", "integer", "How many rows, 1 to 1000; 11 by default")],
        body: Body::None,
        answer: Some("BoardAnswer"),
        is_live: true,
    },
    Operation {
        method: "get",
        path: "/v1/boards/{bolt}/members/{member}",
        summary: "One member",
        view: Some(&BOARD),
        parameters: &[],
        body: Body::None,
        answer: Some("BoardAnswer"),
        is_live: true,
    },
    Operation {
        method: "post",
        path: "/v1/boards/{bolt}/members",
        summary: "Some members, with their ranks among each other: a board of friends",
        view: Some(&BOARD),
        parameters: &[],
        body: Body::Of("MembersBody"),
        answer: Some("BoardAnswer"),
        is_live: false,
    },
    Operation {
        method: "get",
        path: "/v1/stats/{bolt}",
        summary: "Figures of an aggregate, a row for each window and group",
        view: Some(&STATS),
        parameters: &[
            ("order_by", "string", "A measure or a ratio of two: `answers`, `-right/answers`"),
            ("limit", "integer", "How many groups, 1 to 1000; 100 by default"),
        ],
        body: Body::None,
        answer: Some("StatsAnswer"),
        is_live: true,
    },
    Operation {
        method: "get",
        path: "/v1/learners/{learner}",
        summary: "What is stored of a learner",
        view: None,
        parameters: &[BY],
        body: Body::None,
        answer: Some("Learner"),
        is_live: true,
    },
    Operation {
        method: "post",
        path: "/v1/learners",
        summary: "What is stored of some learners",
        view: None,
        parameters: &[],
        body: Body::Of("LearnersBody"),
        answer: Some("LearnersAnswer"),
        is_live: false,
    },
    Operation {
        method: "post",
        path: "/v1/events/{source}",
        summary: "Takes one event, an array, JSON lines or MessagePack",
        view: None,
        parameters: &[],
        body: Body::Events,
        answer: Some("Accepted"),
        is_live: false,
    },
    Operation {
        method: "get",
        path: "/v1/live",
        summary: "A WebSocket of up to 128 live views",
        view: None,
        parameters: &[],
        body: Body::None,
        answer: None,
        is_live: false,
    },
    Operation {
        method: "get",
        path: "/v1/topology",
        summary: "Sources, bolts, boards, windows and measures that the caller may read",
        view: None,
        parameters: &[],
        body: Body::None,
        answer: None,
        is_live: false,
    },
    Operation {
        method: "get",
        path: "/v1/metrics",
        summary: "The figures of current windows and the sizes of boards, for Prometheus",
        view: None,
        parameters: &[],
        body: Body::None,
        answer: None,
        is_live: false,
    },
    Operation {
        method: "get",
        path: "/v1/status",
        summary: "How the topology runs, for operators",
        view: None,
        parameters: &[],
        body: Body::None,
        answer: Some("StatusNow"),
        is_live: false,
    },
    Operation {
        method: "get",
        path: "/v1/dead",
        summary: "The newest dead letters, for operators",
        view: None,
        parameters: &[("limit", "integer", "How many, 1 to 100; 10 by default")],
        body: Body::None,
        answer: None,
        is_live: false,
    },
    Operation {
        method: "post",
        path: "/v1/edits",
        summary: "Takes an edit of what is counted, from operators; or from one who may erase itself",
        view: None,
        parameters: &[],
        body: Body::Of("EditBody"),
        answer: Some("EditAnswer"),
        is_live: false,
    },
    Operation {
        method: "get",
        path: "/v1/edits",
        summary: "The last edits, newest first, for operators",
        view: None,
        parameters: &[("limit", "integer", "How many, 1 to 1000; 20 by default")],
        body: Body::None,
        answer: Some("EditsAnswer"),
        is_live: false,
    },
    Operation {
        method: "get",
        path: "/v1/edits/{id}",
        summary: "One edit, and how far it is, for operators",
        view: None,
        parameters: &[],
        body: Body::None,
        answer: Some("EditAnswer"),
        is_live: false,
    },
];

/// The description, for a topology that may have bolts of these types.
#[must_use]
pub fn document(kinds: Kinds) -> Value {
    let mut document = serde_json::to_value(Shapes::openapi()).unwrap_or_default();
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let described = describe(operation, false);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(operation.method.to_owned(), described);
        }
        if operation.is_live {
            let live = json!({ operation.method: describe(operation, true) });
            paths.insert(format!("{}/live", operation.path), live);
        }
    }
    if let Value::Object(document) = &mut document {
        let info = json!({
            "title": "tallyd", "version": env!("CARGO_PKG_VERSION"),
            "description": "Real-time statistics: every event counted once and only once. \
                            All times are in ms since the epoch.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        });
        document.insert("info".to_owned(), info);
        document.insert("paths".to_owned(), Value::Object(paths));
        document.insert("security".to_owned(), json!([{}, { "bearer": [] }]));
        document.insert("x-problems".to_owned(), problems());
        if let Some(Value::Object(components)) = document.get_mut("components") {
            let bearer = json!({ "type": "http", "scheme": "bearer" });
            components.insert("securitySchemes".to_owned(), json!({ "bearer": bearer }));
            if let Some(Value::Object(schemas)) = components.get_mut("schemas") {
                schemas.insert("Problem".to_owned(), problem());
                shapes::add(kinds, schemas);
            }
        }
    }
    document
}

fn describe(operation: &Operation, is_live: bool) -> Value {
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{'));
    let in_path = in_path.map(|part| {
        let name = part.trim_end_matches('}');
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let live: &[Parameter] = match is_live {
        true => &[
            ("rate", "integer", "Updates a second at most, 1 to 20; 4 by default"),
            ("last_event_id", "string", "The id of the last event that came"),
        ],
        false => &[],
    };
    let arguments = operation.view.map(|view| view.arguments).unwrap_or_default();
    let arguments = arguments.iter().map(|of| (of.name, of.kind, of.doc));
    let others = operation.parameters.iter().chain(live).copied();
    let in_query = arguments.chain(others).map(|(name, kind, meaning)| {
        let mut parameter = json!({
            "name": name, "in": "query", "description": meaning, "schema": { "type": kind },
        });
        if name == "by" {
            let values = json!({ "type": "object", "additionalProperties": { "type": "string" } });
            parameter = json!({
                "name": "by", "in": "query", "description": meaning, "schema": values,
                "x-written-as": "by.FIELD=VALUE",
            });
        }
        parameter
    });
    let shape = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let good = match (operation.answer, is_live) {
        (_, true) => json!({
            "description": "snapshot, then delta, heartbeat, problem, resumed, reset",
            "content": { "text/event-stream": { "schema": { "type": "string" } } },
        }),
        (Some(name), false) => json!({
            "description": operation.summary,
            "content": { "application/json": { "schema": shape(name) } },
        }),
        (None, false) => json!({ "description": operation.summary }),
    };
    let bad = json!({
        "description": "There is no answer: `code` says why",
        "content": { "application/problem+json": { "schema": shape("Problem") } },
    });
    let mut responses = Map::from_iter([("200".to_owned(), good), ("default".to_owned(), bad)]);
    let body = match operation.body {
        Body::None => None,
        Body::Of(name) => Some(json!({ "application/json": { "schema": shape(name) } })),
        Body::Events => {
            let none = json!({
                "description": "No event was accepted: `refused` says why",
                "content": { "application/json": { "schema": shape("Accepted") } },
            });
            responses.insert("422".to_owned(), none);
            // An event has the fields of its source, which differ from topology to topology.
            let kinds = events::KINDS.map(|kind| (kind.to_owned(), json!({ "schema": {} })));
            Some(Value::Object(kinds.into_iter().collect()))
        }
    };
    let mut described = json!({
        "summary": operation.summary,
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": responses,
    });
    if let (Some(content), Value::Object(described)) = (body, &mut described) {
        described.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    described
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "enum": Code::ALL.map(Code::name) },
            "detail": { "type": "string", "description": "The values, and what to do about it" },
        },
    })
}

fn problems() -> Value {
    let one = |code: Code| json!({ "code": code.name(), "status": code.status().as_u16(), "title": code.title() });
    Code::ALL.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_that_is_named_is_described() {
        let document = document(tallyd_topology::KINDS);
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let text = document.to_string();
        let named = text.split("#/components/schemas/").skip(1);
        for name in named.map(|rest| rest.split('"').next().unwrap()) {
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
        let board = &document["components"]["schemas"]["BoardAnswer"];
        assert!(board["properties"]["final"].is_object(), "{board}");
        assert!(document["paths"]["/v1/boards/{bolt}/live"]["get"].is_object());
    }
}
