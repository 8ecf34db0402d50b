//! A test bolt: another one that panics on some events.

use smol_str::SmolStr;
use std::sync::Arc;
use tallyd_bolt::{Batch, Bolt, EditAt, EditStep, Effects, Reads, State};
use tallyd_event::{Edit, Schema};
use tallyd_topology::{Node, Topology};

/// The bolt that panics.
pub const PANICKING: &str = "points";
/// What the ids of events begin with on which it panics.
pub const POISON: &str = "poison";
/// What it says.
pub const MESSAGE: &str = "poisoned";

struct Panicking(Arc<dyn Bolt>);

impl Bolt for Panicking {
    fn output(&self) -> Option<&Schema> {
        self.0.output()
    }

    fn reads(&self, batch: &Batch<'_>, reads: &mut Reads<'_>) {
        self.0.reads(batch, reads);
    }

    fn process(&self, batch: &Batch<'_>, state: &State) -> Effects {
        let poisoned = |id: &SmolStr| id.starts_with(POISON);
        assert!(!batch.events.iter().any(|event| poisoned(&event.id(batch.schema))), "{MESSAGE}");
        self.0.process(batch, state)
    }

    fn edit_reads(&self, edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
        self.0.edit_reads(edit, at, reads);
    }

    fn edit(&self, edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
        self.0.edit(edit, at, state)
    }
}

/// The bolts of a topology, the one of them that panics included.
#[must_use]
pub fn bolt(topology: &Topology, node: &Node, seed: [u8; 16]) -> Option<Arc<dyn Bolt>> {
    let bolt = topology.bolt(node, seed)?;
    Some(if node.name == PANICKING { Arc::new(Panicking(bolt)) } else { bolt })
}

/// Keeps the panics of the test bolt off standard error; all others are shown as ever.
pub fn quiet_panics() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some(MESSAGE) {
            shown(panic);
        }
    }));
}
