//! The JSON Schema (draft 2020-12) of topology files, for editors: made of the same keys that the
//! reader uses.

use crate::{
    bolts::all_keys,
    serve::{ACCESS_KEYS, JWT_KEYS, SERVE_KEYS},
    settings::{REDIS_KEYS, RUN_KEYS, SINK_KEYS, TOP_KEYS},
    source::{FIELD_KEYS, SOURCE_KEYS},
    test_read::{EVENT_KEYS, TEST_KEYS, expectation_keys},
};
use serde_json::{Map, Value, json};
use tallyd_kind::key_spec::{Default, KeySpec, Kind};
use tallyd_kind::{BoltKind, Kinds};
use toml::de::DeValue;

const NAME: &str = "^[A-Za-z0-9_-]{1,64}$";

/// The JSON Schema of a topology file whose bolts are of these types.
#[must_use]
pub fn json_schema(kinds: Kinds) -> Value {
    let mut schema = table(TOP_KEYS);
    let bolts: Vec<Value> = kinds.iter().map(|kind| bolt(kinds, *kind)).collect();
    let parts = [
        ("name", json!({ "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" })),
        ("redis", table(REDIS_KEYS)),
        ("run", table(RUN_KEYS)),
        ("serve", serve()),
        ("source", named(&table(SOURCE_KEYS))),
        ("bolt", named(&json!({ "oneOf": bolts }))),
        ("sink", named(&table(SINK_KEYS))),
        ("test", json!({ "type": "array", "items": test(kinds) })),
    ];
    for (key, part) in parts {
        refine(&mut schema, key, part);
    }
    require(&mut schema, "source");
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tallyd topology",
    });
    merged(head, schema)
}

fn test(kinds: Kinds) -> Value {
    let mut test = table(TEST_KEYS);
    let of_kinds: Vec<Value> =
        expectation_keys(kinds).iter().map(|(_, keys)| table(keys)).collect();
    refine(&mut test, "expect", json!({ "items": { "anyOf": of_kinds } }));
    test
}

fn serve() -> Value {
    let mut serve = table(SERVE_KEYS);
    refine(&mut serve, "key", named(&table(ACCESS_KEYS)));
    refine(&mut serve, "jwt", table(JWT_KEYS));
    serve
}

/// A table of named tables.
fn named(each: &Value) -> Value {
    json!({
        "type": "object",
        "propertyNames": { "pattern": NAME },
        "additionalProperties": each,
    })
}

fn bolt(kinds: Kinds, kind: &dyn BoltKind) -> Value {
    let mut schema = table(&all_keys(kinds, kind));
    refine(&mut schema, "type", json!({ "const": kind.name() }));
    merged(json!({ "title": kind.name(), "description": kind.doc() }), schema)
}

/// A table with these keys and no others.
fn table(keys: &[KeySpec]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = keys
        .iter()
        .filter(|key| matches!(key.default, Default::Required))
        .map(|key| key.name)
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(key: &KeySpec) -> Value {
    let mut schema = merged(kind(&key.kind), json!({ "description": key.doc }));
    if let (Default::Value(text), Value::Object(map)) = (&key.default, &mut schema)
        && let Ok(value) = DeValue::parse(text)
    {
        map.insert("default".to_owned(), plain(value.get_ref()));
    }
    schema
}

fn kind(kind: &Kind) -> Value {
    let text = || json!({ "type": "string" });
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    match kind {
        Kind::Boards => json!({ "type": "array", "items": texts(), "minItems": 1 }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Duration => json!({ "type": "string", "examples": ["500ms", "30s", "24h", "7d"] }),
        Kind::Events => json!({ "type": "array", "items": event() }),
        Kind::Expectations => json!({ "type": "array" }),
        Kind::BoltType(_) | Kind::Field(_) | Kind::Node | Kind::Score | Kind::Text => text(),
        Kind::Fields | Kind::Texts => texts(),
        Kind::FieldTypes => json!({
            "type": "object",
            "minProperties": 1,
            "additionalProperties": { "anyOf": [field_type(), table(FIELD_KEYS)] },
        }),
        Kind::Grace => json!({ "anyOf": [
            { "type": "string", "examples": ["1d", "forever"] },
            { "const": 0 },
        ] }),
        Kind::Identifier => json!({ "type": ["string", "integer"] }),
        Kind::Int(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Measures => json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": NAME },
            "additionalProperties": { "type": "string" },
        }),
        Kind::Number(min, max) if min.is_finite() && max.is_finite() => {
            json!({ "type": "number", "minimum": min, "maximum": max })
        }
        Kind::Number(..) => json!({ "type": "number" }),
        Kind::Retain(words) => json!({ "type": "string", "examples": words }),
        Kind::Spans(spans) => list_of_spans(spans.keys, spans.name),
        Kind::Size => json!({ "type": "string", "examples": ["256MiB"] }),
        Kind::Table => json!({ "type": "object" }),
        // A date and time of TOML is text to a validator of JSON.
        Kind::Time => json!({ "type": ["string", "integer"] }),
    }
}

fn field_type() -> Value {
    let types = FIELD_KEYS.iter().find(|key| key.name == "type");
    let Some(Kind::Choice(names)) = types.map(|key| &key.kind) else { return json!(true) };
    // A decimal has to say its places, so it is always a table.
    json!({ "enum": names.iter().filter(|name| **name != "decimal").collect::<Vec<_>>() })
}

/// Windows or periods: names, or tables of `keys`, of which `name` is the name.
fn list_of_spans(keys: &[KeySpec], name: &str) -> Value {
    let plain = keys.iter().find(|key| key.name == name).map_or(json!(true), |key| kind(&key.kind));
    json!({ "type": "array", "minItems": 1, "items": { "anyOf": [plain, table(keys)] } })
}

fn event() -> Value {
    let mut event = table(EVENT_KEYS);
    if let Value::Object(map) = &mut event {
        let value = json!({ "type": ["string", "number", "boolean"] });
        map.insert("additionalProperties".to_owned(), value);
    }
    event
}

/// Adds to what is said of a key.
fn refine(schema: &mut Value, key: &str, more: Value) {
    if let Some(property) = schema.pointer_mut(&format!("/properties/{key}")) {
        *property = merged(property.take(), more);
    }
}

fn require(schema: &mut Value, key: &str) {
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.push(json!(key));
    }
}

fn merged(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut first), Value::Object(second)) => {
            first.extend(second);
            Value::Object(first)
        }
        (_, second) => second,
    }
}

/// A default as JSON.
fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Boolean(truth) => json!(truth),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, |n| json!(n))
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, |n| json!(n)),
        DeValue::Array(items) => items.iter().map(|item| plain(item.get_ref())).collect(),
        DeValue::String(text) => json!(text),
        DeValue::Datetime(time) => json!(time.to_string()),
        DeValue::Table(table) => table
            .iter()
            .map(|(key, item)| (key.get_ref().to_string(), plain(item.get_ref())))
            .collect(),
    }
}
