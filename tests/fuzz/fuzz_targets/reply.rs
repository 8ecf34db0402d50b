//! Whatever a server answers, reading the reply gives a value or an error, never a panic: for
//! trees of values made at random, and for bytes as they would come over the wire.

#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use redis::Value;
use tallyd_store::reply;

/// How deep the trees are. The client refuses much deeper ones itself.
const MAX_DEPTH: usize = 6;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = redis::parse_redis_value(bytes) {
        read(&value);
    }
    if let Ok(value) = tree(&mut Unstructured::new(bytes), MAX_DEPTH) {
        read(&value);
    }
});

fn read(value: &Value) {
    let _ = reply::array(value.clone());
    let _ = reply::bytes(value.clone());
    let _ = reply::cursor(value.clone()).map(|cursor| {
        let stored = Value::BulkString(reply::cursor_text(&cursor).into_bytes());
        assert_eq!(reply::cursor(stored).ok(), Some(cursor));
    });
    let _ = reply::entries(value.clone());
    let _ = reply::entry_id(value.clone());
    let _ = reply::facts(value.clone());
    let _ = reply::fence(value.clone()).map(|fence| {
        let stored = Value::BulkString(reply::fence_text(&fence).into_bytes());
        assert_eq!(reply::fence(stored).ok(), Some(fence));
    });
    let _ = reply::integer(value);
    let _ = reply::number(value.clone());
    let _ = reply::streams(value.clone());
    let _ = reply::text(value.clone());
    read_results(value);
    let _ = tallyd_store::connection::checked(value.clone());
}

/// What those who only read results make of it.
fn read_results(value: &Value) {
    use tallyd_query::reply;

    let _ = reply::array(value.clone());
    let _ = reply::bytes(value.clone());
    let _ = reply::count(value);
    let _ = reply::place(value);
    let _ = reply::score(value.clone());
    let _ = reply::scored(value.clone());
    let _ = reply::text(value.clone());
}

fn tree(u: &mut Unstructured<'_>, depth: usize) -> arbitrary::Result<Value> {
    let kinds = if depth == 0 { 7 } else { 10 };
    Ok(match u.int_in_range(0..=kinds)? {
        0 => Value::Nil,
        1 => Value::Okay,
        2 => Value::Int(i64::arbitrary(u)?),
        3 => Value::Double(f64::arbitrary(u)?),
        4 => Value::Boolean(bool::arbitrary(u)?),
        5 => Value::SimpleString(String::arbitrary(u)?),
        6 | 7 => Value::BulkString(text(u)?),
        8 => Value::Array(items(u, depth)?),
        9 => Value::Set(items(u, depth)?),
        _ => {
            let mut items = items(u, depth)?.into_iter();
            let mut pairs = Vec::new();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                pairs.push((key, value));
            }
            Value::Map(pairs)
        }
    })
}

fn items(u: &mut Unstructured<'_>, depth: usize) -> arbitrary::Result<Vec<Value>> {
    let count = u.int_in_range(0..=5)?;
    (0..count).map(|_| tree(u, depth - 1)).collect()
}

/// Bytes, or a text near to what fences, cursors and ids look like.
fn text(u: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let alphabet = b"0123456789-# !halted";
    if bool::arbitrary(u)? {
        return Vec::<u8>::arbitrary(u);
    }
    let length = u.int_in_range(0..=40)?;
    (0..length).map(|_| u.choose(alphabet).copied()).collect()
}
