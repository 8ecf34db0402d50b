//! What the log says of a worker's own upkeep, and of the plan that it waits for.

use super::redis_error;
use crate::{
    repeated::{Failed, Repeated},
    store::StoreError,
};
use metrics::gauge;
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use tokio::time::Instant;
use tracing::{info, warn};

/// What of the worker's own upkeep fails now, by its name.
static UPKEEP: Mutex<BTreeMap<&'static str, Repeated>> = Mutex::new(BTreeMap::new());

/// A part of the worker's own upkeep (`heartbeat`, `trimming`) failed, and is tried again.
pub fn upkeep_failed(what: &'static str, error: &StoreError) {
    redis_error(error.kind);
    let mut upkeep = UPKEEP.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = upkeep.entry(what).or_default().failed(error.kind, Instant::now());
    if let Some(Failed { times, lasted }) = failed {
        warn!(what, kind = error.kind.label(), %error, advice = error.kind.advice(), times, seconds = lasted.as_secs(), "can't reach or use Redis for upkeep; trying again, see --redis and [redis] url");
    }
}

/// A part of the worker's own upkeep worked: whatever failed before is over.
pub fn upkeep_worked(what: &'static str) {
    let mut upkeep = UPKEEP.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Failed { times, lasted }) =
        upkeep.get_mut(what).and_then(|r| r.worked(Instant::now()))
    {
        info!(what, times, seconds = lasted.as_secs(), "upkeep works again");
    }
}

/// For whom the worker waits before its plan can be in force, as it was said last.
static WAITS_FOR: Mutex<Vec<SmolStr>> = Mutex::new(Vec::new());

/// The worker's file is another than that of these live workers, which it waits for; or it waits
/// for none.
pub fn plan_waits_for(workers: &[SmolStr]) {
    let waits = f64::from(u8::from(!workers.is_empty()));
    gauge!("tallyd_plan_waiting").set(waits);
    let mut said = WAITS_FOR.lock().unwrap_or_else(PoisonError::into_inner);
    if *said != workers {
        said.clone_from(&workers.to_vec());
        if workers.is_empty() {
            info!("takes part: this worker's file is the plan in force");
        } else {
            warn!(
                ?workers,
                "waits for other workers: they run another file, and events would be lost if both worked at once; it takes part once they are stopped, see: tallyd status"
            );
        }
    }
}

/// The worker has put its plan in force.
pub fn plan_switched(plan: &str) {
    info!(plan, "this worker's file is the plan in force now");
}
