//! The keys of expectations.

use tallyd_kind::{
    BoltKind, Kinds,
    key_spec::{Default, KeySpec, Kind},
    view::{Column, Expected, Form, Type},
};

/// The keys of expectations, by the kind of node that they are about, where bolts are of these types.
pub(crate) fn expectation_keys(kinds: Kinds) -> Vec<(&'static str, Vec<KeySpec>)> {
    let of_kind = |kind: &&'static dyn BoltKind| (kind.name(), bolt_keys(*kind));
    let mut all: Vec<(&str, Vec<KeySpec>)> = kinds.iter().map(of_kind).collect();
    all.extend([("dead", DEAD_KEYS.to_vec()), ("sink", SINK_KEYS.to_vec())]);
    all.sort_by_key(|(name, _)| *name);
    all
}

/// The keys of an expectation of a bolt of this type: those of its view, or what any bolt counts.
pub(super) fn bolt_keys(kind: &dyn BoltKind) -> Vec<KeySpec> {
    match kind.views().first().map(|view| (view, view.form)) {
        None => COUNTS_KEYS.to_vec(),
        Some((_, Form::Board)) => BOARD_KEYS.to_vec(),
        Some((_, Form::Stats)) => STATS_KEYS.to_vec(),
        Some((view, Form::Record(list))) => {
            let row = list.and(view.columns.first());
            let row = row.map(|of| key(of.name, Kind::Identifier, Default::Required, of.doc));
            let columns = view.columns.iter().flat_map(column_keys);
            [BOLT, LEARNER].into_iter().chain(row).chain(columns).collect()
        }
    }
}

/// What an expectation may state of a column.
fn column_keys(column: &'static Column) -> Vec<KeySpec> {
    let kind = match column.kind {
        Type::Bool => Kind::Bool,
        Type::Share => Kind::Number(0.0, 1.0),
        Type::Number => Kind::Number(f64::NEG_INFINITY, f64::INFINITY),
        _ => COUNT,
    };
    match column.expected {
        Expected::Nothing => Vec::new(),
        Expected::Value => vec![key(column.name, kind, NOT_COMPARED, column.doc)],
        Expected::Bounds(least, greatest) => vec![
            key(least, kind.clone(), Default::Absent("no bound"), "It is this or more."),
            key(greatest, kind, Default::Absent("no bound"), "It is this or less."),
        ],
    }
}

const NOT_COMPARED: Default = Default::Absent("not compared");
const COUNT: Kind = Kind::Int(0, i64::MAX);

const fn key(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> KeySpec {
    KeySpec { name, kind, default, doc }
}

pub(super) const BOLT: KeySpec = key("bolt", Kind::Node, Default::Required, "The bolt.");
const LEARNER: KeySpec = key("learner", Kind::Identifier, Default::Required, "Who.");
const AT: KeySpec = key(
    "at",
    Kind::Time,
    Default::Absent("the time of the last event"),
    "A time in the window or period.",
);
const ONLY_ONE: Default = Default::Absent("the bolt's only one");

const STATS_KEYS: &[KeySpec] = &[
    BOLT,
    key("by", Kind::Table, Default::Absent("the only group"), "The values of the group's fields."),
    key("window", Kind::Text, ONLY_ONE, "The window."),
    AT,
    key("measures", Kind::Table, Default::Required, "The figures, by measure."),
];
pub(super) const DEAD_KEYS: &[KeySpec] = &[
    key("dead", Kind::Node, Default::Required, "The source or bolt that could not use an event."),
    key("count", COUNT, NOT_COMPARED, "How many dead letters it has."),
    key("reason", Kind::Text, NOT_COMPARED, "A part of the reason of one of them."),
];
const COUNTS_KEYS: &[KeySpec] = &[
    BOLT,
    key("duplicates", COUNT, NOT_COMPARED, "How many events it dropped."),
    key("passed", COUNT, NOT_COMPARED, "How many events it passed on."),
];
const BOARD_KEYS: &[KeySpec] = &[
    BOLT,
    key("by", Kind::Table, Default::Absent("everyone"), "The values of the board's fields."),
    key("period", Kind::Text, ONLY_ONE, "The period."),
    AT,
    key("member", Kind::Identifier, Default::Absent("none"), "Who."),
    key(
        "score",
        Kind::Number(f64::NEG_INFINITY, f64::INFINITY),
        NOT_COMPARED,
        "The member's score.",
    ),
    key("rank", Kind::Int(1, i64::MAX), NOT_COMPARED, "The member's rank, from 1."),
    key("size", COUNT, NOT_COMPARED, "How many members the board has."),
];
pub(super) const SINK_KEYS: &[KeySpec] = &[
    key("sink", Kind::Node, Default::Required, "The sink."),
    key("count", COUNT, NOT_COMPARED, "How many entries were written to it."),
    key("fields", Kind::Table, NOT_COMPARED, "Fields of its last entry."),
];
