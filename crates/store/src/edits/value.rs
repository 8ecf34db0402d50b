//! Names and values that an edit gives: whether events can have them. Pure.

use smol_str::SmolStr;
use tallyd_event::{
    Field, TimeUnit,
    decode::{self, Reason},
};
use tallyd_topology::{NodeKind, Topology};

/// A name that stands in a field of the sources, as results have it: `7` for `007` in a field of ints. Of
/// several sources one has to take it.
///
/// # Errors
/// Why no event can have it.
pub(super) fn name(topology: &Topology, field: &str, given: &str) -> Result<SmolStr, Reason> {
    let sources = topology.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Source(_)));
    one_of(sources.filter_map(|node| node.schema.field(field)).cloned(), given)
}

/// A value as it stands in keys, of one of these fields: times are in ms there.
///
/// # Errors
/// Why no event can have it.
pub(super) fn in_keys<'a>(
    fields: impl Iterator<Item = &'a Field>,
    given: &str,
) -> Result<SmolStr, Reason> {
    one_of(fields.map(|field| Field { unit: TimeUnit::Millis, ..field.clone() }), given)
}

fn one_of(fields: impl Iterator<Item = Field>, given: &str) -> Result<SmolStr, Reason> {
    let mut refused = None;
    for field in fields {
        match decode::value(&field, given.as_bytes()) {
            Ok(value) => return Ok(value.to_text()),
            Err(why) => refused = Some(why),
        }
    }
    refused.map_or_else(|| Ok(given.into()), Err)
}
