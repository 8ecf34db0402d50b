//! The keys of a dedup bolt.

use super::{BoltOptions, BoltType};
use crate::{
    fault::Fault,
    input::{Input, Output},
    key_spec::{Default, KeySpec, Kind},
    section::Section,
    units::{DAY_MS, SECOND_MS},
};
use tallyd_dedup::Options;

/// How the stored logs are cut and called, for those who look at how much is stored.
pub use tallyd_dedup::{Buckets, log_key};

pub(crate) const TYPE: BoltType = BoltType {
    name: "dedup",
    doc: "The first event of an id passes; later ones within the window are dropped and counted.",
    results: None,
    keys: || KEYS.to_vec(),
    read,
    output: |node, input, _| {
        input.map_or(Output::Unknown, |input| Output::Events(input.passed_on_by(node)))
    },
};

/// The keys.
pub const KEYS: &[KeySpec] = &[KeySpec {
    name: "window",
    kind: Kind::Duration,
    default: Default::Required,
    doc: "For how long an id is remembered at least, from its arrival; `\"1s\"` to `\"365d\"`. \
          Each id takes 16 bytes of Redis so long.",
}];

fn read(section: &Section<'_>, input: Option<&Input>) -> Option<BoltOptions> {
    let window_ms = section.duration_within("window", SECOND_MS..=365 * DAY_MS);
    let has_identity = input.is_none_or(|input| input.schema.id.is_some());
    if let (false, Some(input)) = (has_identity, input) {
        let message = format!("the events of \"{}\" have no id to know them again by", input.node);
        let help = "name the field that is the identity in the source: id = \"…\"";
        section.sheet.fault(Fault::new(message, section.span("from")).help(help));
        return None;
    }
    Some(BoltOptions::Dedup(Options { window_ms: window_ms? }))
}
