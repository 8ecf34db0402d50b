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

/// What is stated of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stated {
    /// It is this or more.
    AtLeast(f64),
    /// It is this or less.
    AtMost(f64),
    /// It is this.
    Bool(bool),
    /// It is this number.
    Count(u64),
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
    /// What any bolt counts.
    Counts {
        /// The place of the bolt among the nodes.
        bolt: usize,
        /// How many events it dropped as duplicates.
        duplicates: Option<u64>,
        /// How many events it passed on.
        passed: Option<u64>,
    },
    /// What a bolt says of a learner.
    Record {
        /// The place of the bolt among the nodes.
        bolt: usize,
        /// Who.
        learner: SmolStr,
        /// Which row of several: the column that tells them apart, and its value.
        row: Option<(&'static str, SmolStr)>,
        /// What is stated of columns.
        stated: Vec<(&'static str, Stated)>,
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
