//! What becomes of counts when a member is forgotten: why nothing can be taken out of them, and what
//! was.

use super::{
    SUBTRACT,
    sweep::guarded::{kept, subtracted_field},
    words::short,
};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;
use tallyd_topology::Topology;

/// Why an edit is refused that says what becomes of counts, with what helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CountsRefusal {
    /// It says something else than can be done.
    #[error("counts can be kept or subtracted, and not \"{0}\" (say keep or subtract)")]
    Unknown(SmolStr),
    /// Nothing adds up events.
    #[error(
        "no bolt of this topology adds up events of others too, so nothing can be subtracted (leave \
         \"counts\" out, or say keep)"
    )]
    NoCounts,
    /// Nothing of it can be taken out.
    #[error("nothing can be subtracted (leave \"counts\" out, or say keep): {0}")]
    Nothing(String),
}

/// Whether counts are to be subtracted, of members whom a field of the sources names.
pub(super) fn subtracts(
    topology: &Topology,
    counts: &SmolStr,
    field: &str,
) -> Result<bool, CountsRefusal> {
    match counts.as_str() {
        "" | "keep" => return Ok(false),
        SUBTRACT => {}
        other => {
            let given = format_smolstr!("{}", other.escape_debug());
            return Err(CountsRefusal::Unknown(short(&given)));
        }
    }
    let asked = topology.subtractions(field);
    if asked.is_empty() {
        return Err(CountsRefusal::NoCounts);
    }
    if asked.iter().any(|(_, can)| can.is_ok()) {
        return Ok(true);
    }
    let why = asked.into_iter().filter_map(|(place, can)| {
        let name = &topology.nodes.get(place)?.name;
        Some(format!("\"{name}\": {}", can.err()?))
    });
    Err(CountsRefusal::Nothing(why.collect::<Vec<_>>().join("; ")))
}

/// What was taken out of a bolt of the counts to which a member's events added who is forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Subtracted {
    /// The bolt.
    pub bolt: SmolStr,
    /// How many events were.
    pub events: u64,
    /// How many stay counted, if they are, because that is not known: by the reason. `gap`: they came when
    /// the bolt, or a part of it, was not in the file; `dead`: the bolt could not process some events;
    /// `clock`: when they came is not known.
    pub left: BTreeMap<String, u64>,
}

/// What the fields of an edit say of that, for each bolt from which something can be taken out.
pub(super) fn subtracted(
    topology: &Topology,
    field: &str,
    fields: &BTreeMap<String, String>,
) -> Vec<Subtracted> {
    let number = |text: &String| text.parse::<u64>().unwrap_or_default();
    let of_bolt = |(place, can): (usize, Result<_, String>)| {
        can.ok()?;
        let bolt = &topology.nodes.get(place)?.name;
        let left = fields.iter().filter_map(|(name, count)| {
            let (reason, of) = kept(name)?;
            (of == bolt).then(|| (reason.to_owned(), number(count)))
        });
        let events = fields.get(&subtracted_field(bolt)).map(number).unwrap_or_default();
        Some(Subtracted { bolt: bolt.clone(), events, left: left.collect() })
    };
    topology.subtractions(field).into_iter().filter_map(of_bolt).collect()
}
