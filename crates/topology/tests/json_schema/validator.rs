//! A validator of the part of JSON Schema that is in use, and TOML as JSON.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

/// A TOML file as JSON; a date becomes a string.
pub fn to_json(text: &str) -> Value {
    table(DeTable::parse(text).unwrap().get_ref())
}

fn table(table: &DeTable<'_>) -> Value {
    let entries =
        table.iter().map(|(key, item)| (key.get_ref().to_string(), value(item.get_ref())));
    Value::Object(entries.collect::<Map<String, Value>>())
}

fn value(toml: &DeValue<'_>) -> Value {
    match toml {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => {
            json!(i64::from_str_radix(number.as_str(), number.radix()).unwrap())
        }
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(truth) => json!(truth),
        DeValue::Datetime(time) => json!(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| value(item.get_ref())).collect(),
        DeValue::Table(entries) => table(entries),
    }
}

/// What a JSON Schema says against a value. A keyword that it does not know is a panic, so that
/// none is overlooked.
pub fn validate(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let Value::Object(keywords) = schema else {
        return if schema == &json!(true) { vec![] } else { vec![format!("{path}: refused")] };
    };
    let mut errors = Vec::new();
    for (keyword, wanted) in keywords {
        errors.extend(keyword_errors(keywords, keyword, wanted, value, path));
    }
    errors
}

fn keyword_errors(
    schema: &Map<String, Value>,
    keyword: &str,
    wanted: &Value,
    value: &Value,
    path: &str,
) -> Vec<String> {
    let refuse_if = |refused: bool| match refused {
        true => vec![format!("{path}: {value} breaks {keyword} {wanted}")],
        false => vec![],
    };
    let matching = |schemas: &Value| {
        let schemas = schemas.as_array().unwrap();
        schemas.iter().filter(|schema| validate(schema, value, path).is_empty()).count()
    };
    let names = || value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or(vec![]);
    match keyword {
        "$schema" | "title" | "description" | "default" | "examples" => vec![],
        "type" => match wanted {
            Value::Array(types) => refuse_if(!types.iter().any(|kind| is(kind, value))),
            kind => refuse_if(!is(kind, value)),
        },
        "const" => refuse_if(wanted != value),
        "enum" => refuse_if(!wanted.as_array().unwrap().contains(value)),
        "minimum" => refuse_if(value.as_f64().is_some_and(|v| v < wanted.as_f64().unwrap())),
        "maximum" => refuse_if(value.as_f64().is_some_and(|v| v > wanted.as_f64().unwrap())),
        "minItems" => {
            refuse_if(value.as_array().is_some_and(|v| v.len() < wanted.as_u64().unwrap() as usize))
        }
        "minProperties" => refuse_if(value.is_object() && names().is_empty()),
        "oneOf" => refuse_if(matching(wanted) != 1),
        "anyOf" => refuse_if(matching(wanted) == 0),
        "required" => {
            let required = wanted.as_array().unwrap();
            refuse_if(
                value.is_object()
                    && required.iter().any(|key| value.get(key.as_str().unwrap()).is_none()),
            )
        }
        "pattern" => refuse_if(value.as_str().is_some_and(|text| !is_name(text, wanted))),
        "propertyNames" => {
            names().iter().flat_map(|name| validate(wanted, &json!(name), path)).collect()
        }
        "items" => {
            let items = value.as_array().into_iter().flatten();
            items
                .enumerate()
                .flat_map(|(i, v)| validate(wanted, v, &format!("{path}/{i}")))
                .collect()
        }
        "properties" => {
            let parts = wanted.as_object().unwrap().iter();
            parts
                .filter_map(|(key, part)| Some((key, part, value.get(key)?)))
                .flat_map(|(key, part, v)| validate(part, v, &format!("{path}/{key}")))
                .collect()
        }
        "additionalProperties" => names()
            .iter()
            .filter(|name| schema.get("properties").is_none_or(|p| p.get(name.as_str()).is_none()))
            .flat_map(|name| validate(wanted, &value[name.as_str()], &format!("{path}/{name}")))
            .collect(),
        other => panic!("the schema uses a keyword that this validator does not know: {other}"),
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        other => panic!("unknown type {other}"),
    }
}

/// The schema has two patterns, both of names.
fn is_name(text: &str, pattern: &Value) -> bool {
    let has_upper = match pattern.as_str().unwrap() {
        "^[a-z0-9_-]{1,64}$" => false,
        "^[A-Za-z0-9_-]{1,64}$" => true,
        other => panic!("unknown pattern {other}"),
    };
    (1..=64).contains(&text.len())
        && text.chars().all(|c| {
            c.is_ascii_digit()
                || c.is_ascii_lowercase()
                || "_-".contains(c)
                || (has_upper && c.is_ascii_uppercase())
        })
}
