//! `[[test]]` blocks: events, and the results that they must give. The evaluator is not here.

use smol_str::SmolStr;
use std::ops::Range;
use tallyd_event::Value;

/// The arrival of a test's first event that has no time of its own: 2026-01-01T00:00:00Z, in ms.
pub const DEFAULT_ARRIVAL: i64 = 1_767_225_600_000;

/// One test.
#[derive(Clone, Debug, PartialEq)]
pub struct TestCase {
    /// What it shows.
    pub name: SmolStr,
    /// Its place in the file.
    pub place: Place,
    /// The events, in the order in which they arrive.
    pub events: Vec<TestEvent>,
    /// What must come out.
    pub expectations: Vec<Expectation>,
}

/// A place in the file, to say where a test failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The bytes of the file.
    pub span: Range<usize>,
}

/// One event of a test, as a producer would send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestEvent {
    /// The place of its source in [`Topology::nodes`](crate::Topology::nodes).
    pub source: usize,
    /// When it reaches the source, in ms since the epoch; never before the event above it.
    pub arrival: i64,
    /// Its fields, in the order of the file.
    pub fields: Vec<(SmolStr, String)>,
    /// Its place in the file.
    pub place: Place,
}

/// One result that must come out.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// What.
    pub expect: Expect,
    /// Its place in the file.
    pub place: Place,
}

/// What must come out. Only the values that are stated are compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Expect {
    /// A place on a board of a leaderboard bolt.
    Board {
        /// The place of the bolt among the nodes.
        bolt: usize,
        /// The place of the board among those of the bolt's options.
        board: usize,
        /// The values of the board's fields, in their order.
        by: Vec<(SmolStr, SmolStr)>,
        /// The period's name.
        period: SmolStr,
        /// A time in the period, in ms; the time of the last event where it is left out.
        at: Option<i64>,
        /// Who.
        member: Option<SmolStr>,
        /// The member's score.
        score: Option<Value>,
        /// The member's rank, from 1.
        rank: Option<u64>,
        /// How many members the board has.
        size: Option<u64>,
    },
    /// Dead letters of a source or bolt.
    Dead {
        /// The place of the node.
        node: usize,
        /// How many.
        count: Option<u64>,
        /// A part of the reason of one of them.
        reason: Option<String>,
    },
    /// What a dedup bolt did.
    Dedup {
        /// The place of the bolt among the nodes.
        bolt: usize,
        /// How many events it dropped.
        duplicates: Option<u64>,
        /// How many events it passed on.
        passed: Option<u64>,
    },
    /// A learner of a fatigue bolt.
    Fatigue {
        /// The place of the bolt among the nodes.
        bolt: usize,
        /// Who.
        learner: SmolStr,
        /// How many answers were counted.
        answers: Option<u64>,
        /// The score is this or more.
        score_min: Option<f64>,
        /// The score is this or less.
        score_max: Option<f64>,
        /// Whether an alert is on.
        tired: Option<bool>,
    },
    /// A learner's concept of a mastery bolt.
    Mastery {
        /// The place of the bolt among the nodes.
        bolt: usize,
        /// Who.
        learner: SmolStr,
        /// What.
        concept: SmolStr,
        /// How many answers were counted.
        answers: Option<u64>,
        /// The mastery is this or more.
        mastery_min: Option<f64>,
        /// The mastery is this or less.
        mastery_max: Option<f64>,
        /// Whether it is shown as known.
        known: Option<bool>,
    },
    /// What was written to a sink.
    Sink {
        /// The place of the node that the sink writes.
        node: usize,
        /// The sink's name.
        sink: SmolStr,
        /// How many entries.
        count: Option<u64>,
        /// Fields of the last entry.
        fields: Vec<(SmolStr, Value)>,
    },
    /// Figures of an aggregate bolt.
    Stats {
        /// The place of the bolt among the nodes.
        bolt: usize,
        /// The values of the group's fields, in their order; `None` for one that was left out.
        by: Vec<(SmolStr, Option<SmolStr>)>,
        /// The window's name.
        window: SmolStr,
        /// A time in the window, in ms; the time of the last event where it is left out.
        at: Option<i64>,
        /// The figures by measure: ints or floats.
        measures: Vec<(SmolStr, Value)>,
    },
}
