//! What the bolt emits.

use crate::learner::{Learner, decimal};
use smol_str::{SmolStr, format_smolstr};
use tallyd_event::{Event, Field, FieldType, Schema, Value};

/// The schema of the alerts.
///
/// `id` is the identity of the answer that caused the alert, `:` and the state. `state` is
/// `tired` or `recovered`. `at` is the time of that answer. `answers` counts those of the session.
/// `score` and the parts `accuracy`, `speed`, `load` (minutes) and `rapid` are as they stand in
/// the learner's `state`.
#[must_use]
pub fn output_schema() -> Schema {
    let fields = [
        ("id", FieldType::String),
        ("learner", FieldType::String),
        ("state", FieldType::String),
        ("score", FieldType::Float),
        ("at", FieldType::Time),
        ("answers", FieldType::Int),
        ("accuracy", FieldType::Float),
        ("speed", FieldType::Float),
        ("load", FieldType::Float),
        ("rapid", FieldType::Float),
    ];
    let fields = fields.iter().map(|(name, kind)| Field::new(name, *kind)).collect();
    Schema { fields, id: Some(0), key: Some(1), time: Some(4) }
}

/// The alert that a change of `learner.tired` is.
pub(crate) fn alert(
    input: &Schema,
    cause: &Event,
    name: &SmolStr,
    learner: &Learner,
    at: i64,
) -> Event {
    let state = if learner.tired { "tired" } else { "recovered" };
    let values = vec![
        Value::Str(format_smolstr!("{}:{state}", cause.id(input))),
        Value::Str(name.clone()),
        Value::Str(state.into()),
        number(learner.score),
        Value::Int(at),
        Value::Int(i64::from(learner.in_session)),
        number(learner.accuracy),
        number(learner.speed),
        number(learner.load),
        number(learner.rapid),
    ];
    Event { values, ..*cause }
}

fn number(number: f32) -> Value {
    Value::Float(decimal(number))
}
