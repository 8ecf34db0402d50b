//! What the audit asks of Redis.

use crate::{Deployment, HarnessError};
use redis::{Pipeline, Value, from_redis_value};
use tallyd_bolt::Key;

/// The answer to one command.
pub(super) async fn ask(
    open: &mut Deployment,
    command: impl FnOnce(&mut Pipeline) -> &mut Pipeline,
) -> Result<Value, HarnessError> {
    let mut pipeline = Pipeline::new();
    command(&mut pipeline);
    Ok(open.connection.all(&pipeline).await?.pop().unwrap_or(Value::Nil))
}

/// The keys of the topology that are like this.
pub(super) async fn scan(
    open: &mut Deployment,
    pattern: &str,
) -> Result<Vec<String>, HarnessError> {
    let prefix = open.keys.bolt("", &Key::new(&[""]));
    // Brackets and the like in a prefix would be a pattern: the topology's name has none.
    let prefix = prefix.strip_suffix("bolt::").unwrap_or_default();
    let mut cursor = "0".to_owned();
    let mut keys: Vec<String> = Vec::new();
    loop {
        let page = ask(open, |p| {
            p.cmd("SCAN")
                .arg(&cursor)
                .arg("MATCH")
                .arg(format!("{prefix}{pattern}"))
                .arg("COUNT")
                .arg(1000)
        })
        .await?;
        let (next, found): (String, Vec<String>) = from_redis_value(page)?;
        keys.extend(found);
        cursor = next;
        if cursor == "0" {
            keys.sort();
            keys.dedup();
            return Ok(keys);
        }
    }
}
