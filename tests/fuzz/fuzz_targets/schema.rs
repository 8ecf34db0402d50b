//! The schema that the targets read by: a field of each type, with and without bounds.

use tallyd_event::{Field, FieldType, Schema};

/// An identity, a key, a time, and fields of the other types.
pub fn schema() -> Schema {
    let optional = |name, kind| Field { optional: true, ..Field::new(name, kind) };
    let fields = vec![
        Field::new("id", FieldType::String),
        Field::new("user", FieldType::String),
        Field { min: Some(0.0), max: Some(3_600_000.0), ..Field::new("ms", FieldType::Int) },
        Field::new("at", FieldType::Time),
        optional("class", FieldType::String),
        optional("correct", FieldType::Bool),
        Field { min: Some(-1.5), ..optional("weight", FieldType::Float) },
        optional("points", FieldType::Int),
        optional("price", FieldType::Decimal(2)),
    ];
    Schema { fields, id: Some(0), key: Some(1), time: Some(3) }
}
