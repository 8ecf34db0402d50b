//! Bytes of any kind are a frame or an error, never a panic; and what is written is what is read.

#![no_main]

mod schema;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use schema::schema;
use tallyd_event::{Decimal, EntryId, Event, FieldType, MAX_TIME, Schema, Value, frame};

fuzz_target!(|bytes: &[u8]| {
    let schema = schema();
    if let Ok(events) = frame::decode(&schema, bytes) {
        check(&schema, &events);
    }
    if let Some(sent) = frame::probe(bytes) {
        assert_eq!(frame::probe(&frame::encode_probe(sent).expect("a probe")), Some(sent));
    }
    if let Ok(events) = events(&schema, &mut Unstructured::new(bytes)) {
        check(&schema, &events);
    }
});

fn check(schema: &Schema, events: &[Event]) {
    let bytes = frame::encode(schema, events).expect("a frame");
    assert_eq!(frame::decode(schema, &bytes).expect("the same events"), events);
}

fn events(schema: &Schema, u: &mut Unstructured<'_>) -> arbitrary::Result<Vec<Event>> {
    let count = u.int_in_range(0..=4)?;
    (0..count).map(|_| event(schema, u)).collect()
}

fn event(schema: &Schema, u: &mut Unstructured<'_>) -> arbitrary::Result<Event> {
    let origin = EntryId { ms: u.arbitrary()?, seq: u.arbitrary()? };
    let index = u.arbitrary()?;
    let values = schema.fields.iter().map(|field| value(field.kind, u));
    let event = Event::new(origin, index, values.collect::<Result<_, _>>()?);
    let entered = event.entered.saturating_sub(i64::from(u.arbitrary::<u32>()?));
    let arrived = entered.saturating_sub(i64::from(u.arbitrary::<u32>()?));
    Ok(Event { entered, arrived, ..event })
}

fn value(kind: FieldType, u: &mut Unstructured<'_>) -> arbitrary::Result<Value> {
    if u.ratio(1, 5)? {
        return Ok(Value::Null);
    }
    Ok(match kind {
        FieldType::Bool => Value::Bool(u.arbitrary()?),
        FieldType::Decimal(places) => Value::Decimal(Decimal { units: u.arbitrary()?, places }),
        FieldType::Float => {
            let float: f64 = u.arbitrary()?;
            Value::Float(if float.is_finite() { float } else { 0.5 })
        }
        FieldType::Int => Value::Int(u.arbitrary()?),
        FieldType::String => Value::Str(u.arbitrary::<String>()?.into()),
        FieldType::Time => Value::Int(u.int_in_range(0..=MAX_TIME)?),
    })
}
