//! A search through all that a Redis holds and all that workers said.

use redis::{Pipeline, Value};
use std::path::Path;
use tallyd_bolt::Key;
use tallyd_store::Connection;

/// Where one of these names stands, in any way of writing it: in a key or a value of Redis, or in a
/// log of the folder.
pub async fn found(c: &mut Connection, folder: &Path, names: &[&str]) -> Vec<String> {
    let forms: Vec<Vec<u8>> = names.iter().flat_map(|name| forms(name)).collect();
    let has = |bytes: &[u8]| {
        forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
    };
    let mut found = Vec::new();
    for key in keys(c).await {
        if has(&key) {
            found.push(format!("the key {}", String::from_utf8_lossy(&key)));
        }
        let mut bytes = Vec::new();
        flat(&held(c, &key).await, &mut bytes);
        if bytes.iter().any(|value| has(value)) {
            let shown = bytes.iter().find(|value| has(value)).map(|v| String::from_utf8_lossy(v));
            found.push(format!("in {}: {shown:?}", String::from_utf8_lossy(&key)));
        }
    }
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|of| of == "log") && has(&std::fs::read(&path).unwrap()) {
            found.push(format!("in {}", path.display()));
        }
    }
    found
}

/// A name as it is, as it stands in keys, and as it stands in JSON of ASCII alone.
fn forms(name: &str) -> Vec<Vec<u8>> {
    let escaped = |unit: u16| match u8::try_from(unit).ok().filter(u8::is_ascii) {
        Some(ascii) => char::from(ascii).to_string(),
        None => format!("\\u{unit:04x}"),
    };
    let json: String = name.encode_utf16().map(escaped).collect();
    vec![name.into(), Key::encode(name).as_bytes().into(), json.into_bytes()]
}

async fn keys(c: &mut Connection) -> Vec<Vec<u8>> {
    let mut ask = Pipeline::new();
    ask.cmd("KEYS").arg("*");
    let keys = c.all(&ask).await.unwrap().pop().unwrap();
    redis::from_redis_value(keys).unwrap()
}

/// All that a key holds.
async fn held(c: &mut Connection, key: &[u8]) -> Value {
    let mut ask = Pipeline::new();
    ask.cmd("TYPE").arg(key);
    let kind: String = redis::from_redis_value(c.all(&ask).await.unwrap().pop().unwrap()).unwrap();
    let mut ask = Pipeline::new();
    match kind.as_str() {
        "string" => ask.cmd("GET").arg(key),
        "list" => ask.cmd("LRANGE").arg(key).arg(0).arg(-1),
        "set" => ask.cmd("SMEMBERS").arg(key),
        "zset" => ask.cmd("ZRANGE").arg(key).arg(0).arg(-1),
        "hash" => ask.cmd("HGETALL").arg(key),
        "stream" => ask.cmd("XRANGE").arg(key).arg("-").arg("+"),
        // Gone meanwhile.
        _ => return Value::Nil,
    };
    c.all(&ask).await.unwrap().pop().unwrap()
}

fn flat(value: &Value, into: &mut Vec<Vec<u8>>) {
    match value {
        Value::BulkString(bytes) => into.push(bytes.clone()),
        Value::SimpleString(text) => into.push(text.clone().into_bytes()),
        Value::Array(values) => values.iter().for_each(|value| flat(value, into)),
        _ => {}
    }
}
