//! The keys of expectations.

use tallyd_kind::key_spec::{Default, KeySpec, Kind};

/// The keys of expectations, by the kind of node that they are about.
pub const EXPECTATION_KEYS: &[(&str, &[KeySpec])] = &[
    ("aggregate", STATS_KEYS),
    ("dead", DEAD_KEYS),
    ("dedup", DEDUP_KEYS),
    ("fatigue", FATIGUE_KEYS),
    ("leaderboard", BOARD_KEYS),
    ("mastery", MASTERY_KEYS),
    ("sink", SINK_KEYS),
];

const NOT_COMPARED: Default = Default::Absent("not compared");
const COUNT: Kind = Kind::Int(0, i64::MAX);
const SHARE: Kind = Kind::Number(0.0, 1.0);

const fn key(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> KeySpec {
    KeySpec { name, kind, default, doc }
}

pub(super) const BOLT: KeySpec = key("bolt", Kind::Node, Default::Required, "The bolt.");
const ANSWERS: KeySpec = key("answers", COUNT, NOT_COMPARED, "How many answers were counted.");
const LEARNER: KeySpec = key("learner", Kind::Identifier, Default::Required, "Who.");
const AT: KeySpec = key(
    "at",
    Kind::Time,
    Default::Absent("the time of the last event"),
    "A time in the window or period.",
);
const ONLY_ONE: Default = Default::Absent("the bolt's only one");

pub(super) const STATS_KEYS: &[KeySpec] = &[
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
pub(super) const DEDUP_KEYS: &[KeySpec] = &[
    BOLT,
    key("duplicates", COUNT, NOT_COMPARED, "How many events it dropped."),
    key("passed", COUNT, NOT_COMPARED, "How many events it passed on."),
];
pub(super) const FATIGUE_KEYS: &[KeySpec] = &[
    BOLT,
    LEARNER,
    ANSWERS,
    key("score_min", SHARE, NOT_COMPARED, "The score is this or more."),
    key("score_max", SHARE, NOT_COMPARED, "The score is this or less."),
    key("tired", Kind::Bool, NOT_COMPARED, "Whether an alert is on."),
];
pub(super) const BOARD_KEYS: &[KeySpec] = &[
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
pub(super) const MASTERY_KEYS: &[KeySpec] = &[
    BOLT,
    LEARNER,
    key("concept", Kind::Identifier, Default::Required, "What."),
    ANSWERS,
    key("mastery_min", SHARE, NOT_COMPARED, "The mastery is this or more."),
    key("mastery_max", SHARE, NOT_COMPARED, "The mastery is this or less."),
    key(
        "known",
        Kind::Bool,
        NOT_COMPARED,
        "Whether there are answers enough for the mastery to be shown as known.",
    ),
];
pub(super) const SINK_KEYS: &[KeySpec] = &[
    key("sink", Kind::Node, Default::Required, "The sink."),
    key("count", COUNT, NOT_COMPARED, "How many entries were written to it."),
    key("fields", Kind::Table, NOT_COMPARED, "Fields of its last entry."),
];
