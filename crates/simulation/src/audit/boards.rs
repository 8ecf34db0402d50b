//! The boards by concept, between which users go.

use super::{Audit, hidden_scores};
use crate::{bolts::PANICKING, ledger::Ledger};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::Key;
use tallyd_topology::NodeKind;

impl Audit<'_> {
    /// Who stands on each board by concept, and whose scores are kept because they are hidden.
    pub(super) fn boards(&mut self, ledger: &Ledger) {
        let node = self.world.topology.node(PANICKING).map(|(_, node)| &node.kind);
        let Some(NodeKind::Bolt(bolt)) = node else { return };
        if !bolt.options.extent().is_some_and(|of| of.groups.contains(&vec!["concept"])) {
            return;
        }
        let memory = self.memory(PANICKING);
        let concepts: BTreeSet<&String> =
            ledger.users.values().flat_map(|user| user.by_concept.keys()).collect();
        for concept in concepts.into_iter().chain(ledger.concepts.keys()) {
            let group = format!("concept={concept}");
            let of_board = |hidden: bool| -> BTreeMap<SmolStr, i64> {
                let users = ledger.users.iter();
                let users = users.filter(|(name, _)| ledger.hidden.contains(*name) == hidden);
                let points = users
                    .filter_map(|(name, user)| Some((name.into(), *user.by_concept.get(concept)?)));
                points.collect()
            };
            let whole = |scores: BTreeMap<SmolStr, f64>| -> BTreeMap<SmolStr, i64> {
                scores.into_iter().map(|(name, score)| (name, score as i64)).collect()
            };
            let board = memory.scores.get(&Key::new(&["board", "all", "all", &group]));
            let shown = whole(board.cloned().unwrap_or_default());
            self.compare(&format!("board of {concept}"), &of_board(false), &shown);
            let hidden = whole(hidden_scores(&memory, &group));
            self.compare(&format!("hidden on the board of {concept}"), &of_board(true), &hidden);
        }
    }
}
