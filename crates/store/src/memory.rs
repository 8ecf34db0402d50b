//! Whether a server has memory for what is written.

use crate::{connection::Connection, doctor::facts::parse_info, reply};
use redis::{Pipeline, Value};
use std::collections::BTreeMap;
use tallyd_runtime::StoreError;

/// What a server says of its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The bytes in use that count towards the limit: buffers of replicas and of the append-only
    /// file do not.
    pub used: u64,
    /// The most that may be in use; 0 where there is no limit.
    pub limit: u64,
    /// Whether the server deletes keys to make room, instead of refusing writes.
    pub evicts: bool,
    /// How many commands were refused for want of memory since the server was started.
    pub refused: u64,
}

impl Memory {
    /// Whether the server refuses writes, as far as two looks tell.
    #[must_use]
    pub fn is_full(&self, before: &Memory) -> bool {
        let over = self.limit > 0 && self.used >= self.limit && !self.evicts;
        over || self.refused > before.refused
    }

    /// What INFO says of it.
    pub(crate) fn of_info(info: &BTreeMap<String, String>) -> Self {
        let number = |name: &str| info.get(name).and_then(|text| text.parse::<u64>().ok());
        Self {
            used: number("used_memory")
                .unwrap_or(0)
                .saturating_sub(number("mem_not_counted_for_evict").unwrap_or(0)),
            limit: number("maxmemory").unwrap_or(0),
            evicts: info.get("maxmemory_policy").is_some_and(|policy| policy != "noeviction"),
            refused: refusals(info, "OOM"),
        }
    }
}

/// Asks for it.
///
/// # Errors
/// Where the connection fails, or the user may not use INFO.
pub async fn memory(c: &mut Connection) -> Result<Memory, StoreError> {
    Ok(Memory::of_info(&info(c, &["memory", "errorstats"]).await?))
}

/// These sections of INFO.
pub(crate) async fn info(
    c: &mut Connection,
    sections: &[&str],
) -> Result<BTreeMap<String, String>, StoreError> {
    let mut ask = Pipeline::new();
    for section in sections {
        ask.cmd("INFO").arg(section);
    }
    let mut info = BTreeMap::new();
    for answer in c.all(&ask).await? {
        let text = match answer {
            Value::VerbatimString { text, .. } => text,
            other => reply::text(other)?.unwrap_or_default(),
        };
        info.append(&mut parse_info(&text));
    }
    Ok(info)
}

/// How many commands were refused with an error of this code since the server was started.
pub(crate) fn refusals(info: &BTreeMap<String, String>, code: &str) -> u64 {
    let count = info.get(&format!("errorstat_{code}")).and_then(|text| text.strip_prefix("count="));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_full_that_is_over_its_limit_or_refuses() {
        let of = |text: &str| Memory::of_info(&parse_info(text));
        let full = of("used_memory:100\r\nmaxmemory:90\r\nmaxmemory_policy:noeviction\r\n");
        assert!(full.is_full(&full));
        for roomy in [
            "used_memory:100\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n",
            "used_memory:100\r\nmaxmemory:90\r\nmaxmemory_policy:allkeys-lru\r\n",
            "used_memory:100\r\nmem_not_counted_for_evict:20\r\nmaxmemory:90\r\n",
        ] {
            assert!(!of(roomy).is_full(&of(roomy)), "{roomy}");
        }
        let before = of("used_memory:80\r\nmaxmemory:90\r\nerrorstat_OOM:count=7\r\n");
        let after = of("used_memory:80\r\nmaxmemory:90\r\nerrorstat_OOM:count=8\r\n");
        assert!(after.is_full(&before) && !after.is_full(&after));
    }
}
