//! The description for programs, and the pages.

use crate::{FILE, lab::Lab, server::Serve};
use serde_json::Value;

/// The kind of text that Prometheus reads.
const PLAIN: &str = "text/plain; version=0.0.4";
const AT: &str = "2026-01-05T10:00:00Z";

/// Whether a value is of a schema, as far as types, members and lists go.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return check(document, &document["components"]["schemas"][name], value, place);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let is = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{place}: {other}"),
    };
    assert!(types.iter().any(is), "{place}: {value} is not {types:?}");
    if let (Some(members), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
        for (name, member) in members {
            let described = known.get(name).unwrap_or_else(|| panic!("{place}.{name} is unknown"));
            check(document, described, member, &format!("{place}.{name}"));
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(members.contains_key(name.as_str().unwrap()), "{place} lacks {name}");
        }
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{place}[{number}]"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_is_described_and_answers_as_it_says() {
    let mut lab = Lab::start(FILE).await;
    let fields = [("pts", "5"), ("class", "10B"), ("concept", "algebra"), ("right", "true")];
    lab.send(&[("u7", AT, &fields)]).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    let document = serve.get("/openapi.json", &[]).json();
    let body = |path: &str| match path {
        "/v1/learners" => r#"{"learners": ["u7", "nobody"]}"#,
        "/v1/events/{source}" => r#"[{"id": 1}]"#,
        "/v1/edits" => r#"{"do": "hide", "member": "u7", "id": "e1"}"#,
        _ => r#"{"members": ["u7", "nobody"]}"#,
    };
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 20, "{:?}", paths.keys().collect::<Vec<_>>());
    for (path, methods) in paths {
        let bolt = if path.starts_with("/v1/stats") { "agg" } else { "board" };
        let asked = path.replace("{bolt}", bolt).replace("{source}", "ev");
        let asked = asked.replace("{member}", "u7").replace("{learner}", "u7");
        let asked = asked.replace("{id}", "e1");
        for (method, operation) in methods.as_object().unwrap() {
            let responses = &operation["responses"];
            let content = &responses["200"]["content"];
            if content.get("text/event-stream").is_some() {
                let mut events = crate::server::Events::open(&serve, &asked, &[]);
                assert_eq!(events.next().unwrap().name, "snapshot", "{path}");
                continue;
            }
            if asked == "/v1/live" {
                assert_eq!(serve.get(&asked, &[]).json()["code"], "bad-request");
                continue;
            }
            if asked == "/v1/metrics" {
                assert_eq!(serve.get(&asked, &[]).header("content-type").unwrap(), PLAIN);
                continue;
            }
            let kind = [("content-type", "application/json")];
            let answer = match method.as_str() {
                "get" => serve.get(&asked, &[]),
                _ => serve.post(&asked, &kind, body(path).as_bytes()),
            };
            let described = &responses[answer.status.to_string()]["content"]["application/json"];
            assert!(described.is_object() || answer.status == 200, "{method} {path}: {responses}");
            check(&document, &described["schema"], &answer.json(), path);
        }
    }
    let problem = serve.get("/v1/boards/nix", &[]).json();
    check(&document, &document["components"]["schemas"]["Problem"], &problem, "problem");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_given_with_a_strict_policy() {
    let lab = Lab::start(FILE).await;
    let serve = Serve::start(&lab.file, &lab.server.url);
    for path in ["/", "/learner/u7", "/teacher?class=10B", "/operator", "/docs"] {
        let page = serve.get(path, &[]);
        let text = String::from_utf8(page.body.clone()).unwrap();
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(!text.contains("http://") && !text.contains("https://"), "{path} asks elsewhere");
        // What a page names is there.
        let names = text.split(&['"', '\''][..]).filter(|name| name.starts_with('/'));
        for name in names.filter(|name| name.contains('.')) {
            assert_eq!(serve.get(name, &[]).status, 200, "{path}: {name}");
        }
    }
    assert_eq!(serve.get("/nix.js", &[]).status, 404);
    assert_eq!(serve.get("/../Cargo.toml", &[]).status, 404);
}
