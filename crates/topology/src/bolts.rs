//! The bolt types: the one place that lists them.

pub use {
    tallyd_aggregate as aggregate, tallyd_dedup as dedup, tallyd_fatigue as fatigue,
    tallyd_latest as latest, tallyd_leaderboard as leaderboard, tallyd_mastery as mastery,
};

use tallyd_kind::{
    BoltKind, Kinds,
    key_spec::{Default, KeySpec, Kind},
};

/// All bolt types, by name.
pub const KINDS: Kinds = &[
    &aggregate::AggregateKind,
    &dedup::DedupKind,
    &fatigue::FatigueKind,
    &latest::LatestKind,
    &leaderboard::LeaderboardKind,
    &mastery::MasteryKind,
];

/// The type of this name.
pub(crate) fn named(kinds: Kinds, name: &str) -> Option<&'static dyn BoltKind> {
    kinds.iter().copied().find(|kind| kind.name() == name)
}

/// The names of the types that are picked, for a person: `aggregate or leaderboard`.
pub(crate) fn names(kinds: Kinds, pick: fn(&dyn BoltKind) -> bool) -> String {
    let picked = kinds.iter().filter(|kind| pick(**kind)).map(|kind| kind.name());
    picked.collect::<Vec<_>>().join(" or ")
}

/// The keys that every bolt has.
pub(crate) fn common_keys(kinds: Kinds) -> Vec<KeySpec> {
    let names = kinds.iter().map(|kind| kind.name()).collect();
    vec![
        KeySpec {
            name: "type",
            kind: Kind::BoltType(names),
            default: Default::Required,
            doc: "What it does.",
        },
        KeySpec {
            name: "from",
            kind: Kind::Node,
            default: Default::Required,
            doc: "The source or bolt whose events it reads.",
        },
    ]
}

/// All keys of the table of a bolt of this type.
pub(crate) fn all_keys(kinds: Kinds, kind: &dyn BoltKind) -> Vec<KeySpec> {
    [common_keys(kinds), kind.keys()].concat()
}
