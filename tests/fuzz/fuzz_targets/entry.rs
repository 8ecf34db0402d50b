//! An entry of any flat fields is one event or one dead letter that keeps every byte of it; never
//! a panic.

#![no_main]

mod schema;
mod sent;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use schema::schema;
use sent::{ARRIVAL, LIMITS, check_events};
use tallyd_event::{
    Schema,
    decode::{Fields, decode},
};

fuzz_target!(|bytes: &[u8]| {
    let schema = schema();
    let Ok(fields) = fields(&schema, &mut Unstructured::new(bytes)) else { return };
    let decoded = decode(&schema, LIMITS, ARRIVAL, &fields);
    assert_eq!(decoded.events.len() + decoded.rejects.len(), 1);
    check_events(&schema, &decoded.events);
    for reject in decoded.rejects {
        assert_eq!(reject.fields, fields);
        assert!(!reject.reason.to_string().is_empty());
    }
});

/// Mostly fields that the schema names, in its order: each left out, once or twice.
fn fields(schema: &Schema, u: &mut Unstructured<'_>) -> arbitrary::Result<Fields> {
    let mut fields = Fields::new();
    for field in &schema.fields {
        for _ in 0..*u.choose(&[1, 1, 1, 1, 1, 0, 2])? {
            fields.push((field.name.as_bytes().to_vec(), value(u)?));
        }
    }
    if u.ratio(1, 8)? {
        let name: Vec<u8> = u.arbitrary()?;
        if name != b"batch" {
            fields.push((name, value(u)?));
        }
    }
    Ok(fields)
}

fn value(u: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let known: [&[u8]; 10] = [
        b"1",
        b"0",
        b"true",
        b"-0",
        b"NaN",
        b"1e308",
        b"1767225600000",
        b"2026-01-01T00:00:00Z",
        b"9223372036854775807",
        b"",
    ];
    Ok(match u.int_in_range(0..=4)? {
        0 => u.choose(&known)?.to_vec(),
        1 => u.arbitrary::<i64>()?.to_string().into_bytes(),
        2 => u.arbitrary::<f64>()?.to_string().into_bytes(),
        3 => u.arbitrary::<String>()?.into_bytes(),
        _ => u.arbitrary()?,
    })
}
