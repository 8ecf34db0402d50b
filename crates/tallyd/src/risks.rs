//! What a running worker says of its server: risks that are there at the start, appear, or go, and
//! how full it is.

use std::{collections::BTreeMap, time::Duration};
use tallyd_store::doctor::{self, Finding, Level};
use tallyd_topology::RedisAddress;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(60);
/// 1 while the check of this name has something to say.
const METRIC: &str = "tallyd_redis_risk";

/// What the server's memory holds, in bytes.
const MEMORY_USED: &str = "tallyd_redis_memory_used_bytes";
/// The most that it may hold, in bytes.
const MEMORY_LIMIT: &str = "tallyd_redis_memory_limit_bytes";

/// Looks at the server again and again, for as long as the worker runs.
pub async fn watch(address: RedisAddress) {
    metrics::describe_gauge!(METRIC, "1 while this check of tallyd doctor finds a risk");
    metrics::describe_gauge!(MEMORY_USED, "Memory of Redis in use, as it counts towards maxmemory");
    metrics::describe_gauge!(MEMORY_LIMIT, "maxmemory of Redis; 0 where none is set");
    for name in [MEMORY_USED, MEMORY_LIMIT] {
        metrics::gauge!(name).set(0.0);
    }
    for check in doctor::RISKS {
        metrics::gauge!(METRIC, "check" => *check).set(0.0);
    }
    let mut known: BTreeMap<&'static str, String> = BTreeMap::new();
    loop {
        // While the server is away there is nothing to say that the worker does not say itself.
        if let Ok((found, memory)) = doctor::risks(&address).await {
            if let Some(memory) = memory {
                metrics::gauge!(MEMORY_USED).set(memory.used as f64);
                metrics::gauge!(MEMORY_LIMIT).set(memory.limit as f64);
            }
            let mut now = BTreeMap::new();
            for risk in found {
                if known.get(risk.check) != Some(&risk.what) {
                    say(&risk);
                }
                metrics::gauge!(METRIC, "check" => risk.check).set(1.0);
                now.insert(risk.check, risk.what);
            }
            for gone in known.keys().filter(|check| !now.contains_key(*check)) {
                metrics::gauge!(METRIC, "check" => *gone).set(0.0);
                tracing::info!(check = gone, "this risk is gone");
            }
            known = now;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn say(risk: &Finding) {
    let (check, fix) = (risk.check, risk.fix.join("; "));
    match risk.level {
        Level::BrokenPromise => tracing::error!(check, fix, "{}: {}", risk.what, risk.why),
        Level::Warning | Level::Fine => tracing::warn!(check, fix, "{}: {}", risk.what, risk.why),
    }
}
