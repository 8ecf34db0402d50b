//! What edits left: the scores of members who are hidden, and the dead letters of those who were
//! forgotten.

use super::{Findings, ask};
use crate::{Deployment, HarnessError};
use redis::from_redis_value;
use std::collections::BTreeMap;
use tallyd_bolt::Key;
use tallyd_learners::{Ledger, Ranking};
use tallyd_store::edits;

/// Compares how many dead letters are stored with how many there were, less those that edits swept.
pub(super) async fn swept(
    open: &mut Deployment,
    all: u64,
    stored: u64,
    findings: &mut Findings,
) -> Result<(), HarnessError> {
    let Deployment { topology, keys, connection, .. } = open;
    let edits = edits::list(connection, topology, keys, usize::MAX).await?;
    let letters = edits.iter().filter_map(|edit| Some(edit.swept.as_ref()?.letters));
    let swept: u64 = letters.sum();
    findings.compare(|| format!("dead letters stored, and {swept} swept"), &all, &(stored + swept));
    let refused = edits.iter().filter(|edit| edit.refused.is_some() && !had_to_wait(edit, &edits));
    let refused: Vec<_> = refused.filter_map(|edit| edit.refused.as_ref()).collect();
    findings.compare(|| "edits that were refused".into(), &Vec::new(), &refused);
    let is_left = |edit: &&edits::Record| !edit.is_over();
    findings.compare(
        || "edits that are not over".into(),
        &0,
        &edits.iter().filter(is_left).count(),
    );
    Ok(())
}

/// Whether an edit was refused because another one was on its way: one of both renames a member.
#[must_use]
pub fn had_to_wait(edit: &edits::Record, all: &[edits::Record]) -> bool {
    let refused = edit.refused.as_deref().unwrap_or_default();
    let met = refused.strip_prefix("edit \"").and_then(|rest| rest.split_once("\" is not done"));
    let met = met.and_then(|(id, _)| all.iter().find(|other| other.id == id));
    met.is_some_and(|other| [edit, other].iter().any(|of| of.kind == "rename"))
}

/// The scores of the hidden members of a board, with the key that they stand in.
pub(super) async fn hidden(
    open: &mut Deployment,
    (period, label, group): (&str, &str, &str),
) -> Result<(String, BTreeMap<String, f64>), HarnessError> {
    let key = open.keys.bolt("points", &Key::new(&["hidden", period, label, group]));
    let scores = from_redis_value(ask(open, |p| p.cmd("HGETALL").arg(&key)).await?)?;
    Ok((key, scores))
}

/// Compares the scores of the hidden members of a board.
pub(super) fn scores_of_hidden(
    findings: &mut Findings,
    (key, ledger, ranking): (&String, &Ledger, &Ranking),
    hidden: &BTreeMap<String, f64>,
) {
    let expected = ranking.members.iter().filter(|(user, _)| ledger.is_hidden(user));
    let expected: BTreeMap<&str, i64> =
        expected.map(|(user, standing)| (&**user, standing.score)).collect();
    let found = hidden.iter().map(|(user, score)| (user.as_str(), score.floor() as i64)).collect();
    findings.compare(|| format!("{key}: hidden members"), &expected, &found);
}
