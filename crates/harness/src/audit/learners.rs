//! Numbers of different learners: exact up to a bound, estimated above.

use super::{Findings, ask};
use crate::{Deployment, HarnessError};
use redis::from_redis_value;
use std::collections::HashMap;
use tallyd_bolt::Key;

/// Up to how many the number is exact.
const EXACT: usize = 1024;
/// Three standard errors of a `HyperLogLog` of 16,384 registers.
const ERROR: f64 = 3.0 * 0.0081;

/// Compares a number of different learners: exact up to a bound, estimated above.
pub(super) async fn compare(
    open: &mut Deployment,
    findings: &mut Findings,
    (key, hash): (&str, &HashMap<String, String>),
    (window, label, group): (&str, &str, &str),
    sent: usize,
) -> Result<(), HarnessError> {
    if sent <= EXACT {
        let counted = hash.get("learners").cloned();
        findings.compare(|| format!("{key}: learners"), &Some(sent.to_string()), &counted);
        return Ok(());
    }
    let estimated =
        open.keys.bolt("concepts", &Key::new(&["distinct", window, label, "learners", group]));
    let estimate: u64 = from_redis_value(ask(open, |p| p.cmd("PFCOUNT").arg(&estimated)).await?)?;
    let near = (estimate as f64 - sent as f64).abs() <= sent as f64 * ERROR + 1.0;
    let what = || format!("{estimated}: {sent} learners, estimated {estimate}: near");
    findings.compare(what, &true, &near);
    Ok(())
}
