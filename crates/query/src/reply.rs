//! Reading replies, in either version of the protocol. Each function says what was wrong.

use crate::QueryError;
use redis::Value;
use smol_str::SmolStr;

fn unexpected(wanted: &str, reply: &Value) -> QueryError {
    let came: String = format!("{reply:?}").chars().take(120).collect();
    QueryError::Unreadable(format!("expected {wanted} from Redis, got {came}"))
}

pub fn array(reply: Value) -> Result<Vec<Value>, QueryError> {
    match reply {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(k, v)| [k, v]).collect()),
        Value::Nil => Ok(Vec::new()),
        other => Err(unexpected("an array", &other)),
    }
}

pub fn bytes(reply: Value) -> Result<Option<Vec<u8>>, QueryError> {
    match reply {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        other => Err(unexpected("a string", &other)),
    }
}

pub fn text(reply: Value) -> Result<SmolStr, QueryError> {
    let bytes = bytes(reply)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into())
}

pub fn count(reply: &Value) -> Result<u64, QueryError> {
    place(reply)?.ok_or_else(|| unexpected("a count", reply))
}

/// A whole number, or nil.
pub fn place(reply: &Value) -> Result<Option<u64>, QueryError> {
    match reply {
        Value::Nil => Ok(None),
        Value::Int(number) => {
            u64::try_from(*number).map(Some).map_err(|_| unexpected("a count", reply))
        }
        other => Err(unexpected("a whole number", other)),
    }
}

pub fn score(reply: Value) -> Result<Option<f64>, QueryError> {
    if let Value::Double(number) = reply {
        return Ok(Some(number));
    }
    let parse = |bytes: &Vec<u8>| std::str::from_utf8(bytes).ok().and_then(|t| t.parse().ok());
    match bytes(reply.clone())? {
        None => Ok(None),
        Some(bytes) => parse(&bytes).map(Some).ok_or_else(|| unexpected("a score", &reply)),
    }
}

/// Members with scores: flat in the older protocol, pairs in the newer one.
pub fn scored(reply: Value) -> Result<Vec<(SmolStr, f64)>, QueryError> {
    let mut flat = Vec::new();
    for item in array(reply)? {
        match item {
            Value::Array(pair) => flat.extend(pair),
            item => flat.push(item),
        }
    }
    let mut flat = flat.into_iter();
    let mut scored = Vec::with_capacity(flat.len() / 2);
    while let (Some(member), Some(stored)) = (flat.next(), flat.next()) {
        scored.push((text(member)?, score(stored)?.unwrap_or_default()));
    }
    Ok(scored)
}
