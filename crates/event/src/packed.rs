//! Some values of an event as bytes, for a bolt that keeps them: MessagePack, one after the other.

use crate::{
    Field, Value,
    frame::{EncodeError, FrameError},
};
use serde::Deserialize;
use std::io::Cursor;

/// Writes values behind what `bytes` holds.
///
/// # Errors
/// Never; the encoder's error type is passed on all the same.
pub fn pack<'a>(
    values: impl IntoIterator<Item = &'a Value>,
    bytes: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    values.into_iter().try_for_each(|value| rmp_serde::encode::write(bytes, value))
}

/// The values that were written of these fields.
///
/// # Errors
/// Where the bytes hold something else, or more.
pub fn unpack<'a>(
    fields: impl IntoIterator<Item = &'a Field>,
    bytes: &[u8],
) -> Result<Vec<Value>, FrameError> {
    let mut decoder = rmp_serde::Deserializer::new(Cursor::new(bytes));
    let mut value = |field: &Field| {
        let wrong = |error| {
            let message = format!("field \"{}\": {error}", field.name);
            <rmp_serde::decode::Error as serde::de::Error>::custom(message)
        };
        Value::deserialize(&mut decoder)?.conform(field.kind).map_err(wrong)
    };
    let values = fields.into_iter().map(&mut value).collect::<Result<Vec<Value>, _>>()?;
    let length = bytes.len() as u64;
    let rest = length - decoder.position().min(length);
    if rest > 0 { Err(FrameError::Trailing(rest)) } else { Ok(values) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decimal, FieldType};

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let kinds = [FieldType::Bool, FieldType::Decimal(2), FieldType::Int, FieldType::String];
        let fields = kinds.map(|kind| Field::new("f", kind));
        let decimal = Value::Decimal(Decimal { units: -1250, places: 2 });
        let values = [Value::Bool(true), decimal, Value::Null, Value::Str("10B".into())];
        let mut bytes = Vec::new();
        pack(&values, &mut bytes).unwrap();
        assert_eq!(unpack(&fields, &bytes).unwrap(), values);
        for end in 0..bytes.len() {
            assert!(unpack(&fields, &bytes[..end]).is_err(), "{end}");
        }
        assert!(unpack(&fields[..3], &bytes).is_err());
        let wrong = [Field::new("g", FieldType::Int)];
        let error = unpack(&wrong, &bytes[..1]).unwrap_err().to_string();
        assert!(error.contains("field \"g\": a bool is not an int"), "{error}");
    }
}
