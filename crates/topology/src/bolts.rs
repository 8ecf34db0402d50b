//! The bolt types: the one place that lists them.

pub mod aggregate;
pub mod dedup;
pub mod fatigue;
pub mod leaderboard;
pub mod mastery;

use crate::{
    input::{Input, Output},
    key_spec::{Default, KeySpec, Kind},
    section::Section,
};
use std::{collections::BTreeMap, sync::Arc};
use tallyd_bolt::{Bolt, FieldRef, Parameter, calendar::Calendar};
use tallyd_event::{FieldType, Schema};

/// All bolt types, by name.
pub const BOLT_TYPES: &[BoltType] =
    &[aggregate::TYPE, dedup::TYPE, fatigue::TYPE, leaderboard::TYPE, mastery::TYPE];

/// What learners, items, members and the like may be: names.
pub(crate) const NAMES: &[FieldType] = &[FieldType::String, FieldType::Int];
/// What can be added up.
pub(crate) const NUMBERS: &[FieldType] = &[FieldType::Int, FieldType::Decimal(0), FieldType::Float];

/// The keys that every bolt has.
pub const COMMON_KEYS: &[KeySpec] = &[
    KeySpec {
        name: "type",
        kind: Kind::BoltType,
        default: Default::Required,
        doc: "What it does.",
    },
    KeySpec {
        name: "from",
        kind: Kind::Node,
        default: Default::Required,
        doc: "The source or bolt whose events it reads.",
    },
];

/// A type of bolt, as the topology file knows it.
#[derive(Clone, Copy)]
pub struct BoltType {
    /// What the file calls it.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// What it stores for applications, if anything: the kinds of Redis values.
    pub results: Option<&'static str>,
    /// The keys of its table, those that every bolt has left out.
    pub keys: fn() -> Vec<KeySpec>,
    pub(crate) read: fn(&Section<'_>, Option<&Input>) -> Option<BoltOptions>,
    /// What the bolt of this name emits, whose options may be faulty.
    pub(crate) output: fn(&str, Option<&Input>, Option<&BoltOptions>) -> Output,
}

impl BoltType {
    /// The type of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static BoltType> {
        BOLT_TYPES.iter().find(|bolt| bolt.name == name)
    }

    /// All keys of its table.
    #[must_use]
    pub fn all_keys(&self) -> Vec<KeySpec> {
        [COMMON_KEYS.to_vec(), (self.keys)()].concat()
    }
}

/// A bolt type with its options, every field resolved.
#[derive(Clone, Debug)]
pub enum BoltOptions {
    /// Counts, sums and other figures in windows.
    Aggregate(tallyd_aggregate::Options),
    /// Drops what came before.
    Dedup(tallyd_dedup::Options),
    /// How tired learners are.
    Fatigue(Box<tallyd_fatigue::Options>),
    /// Ranked scores.
    Leaderboard(tallyd_leaderboard::Options),
    /// What learners have grasped.
    Mastery(Box<tallyd_mastery::Options>),
}

/// What a bolt wants its input to be partitioned by.
pub(crate) enum Wanted<'a> {
    /// The event's key.
    Key,
    Fields(&'a [FieldRef]),
}

impl BoltOptions {
    /// Makes the bolt. `input` is the schema of the events it reads; `seed` keys the fingerprints
    /// of a dedup bolt.
    #[must_use]
    pub fn build(
        &self,
        input: &Schema,
        calendar: &Calendar,
        partitions: u16,
        seed: [u8; 16],
    ) -> Arc<dyn Bolt> {
        let (input, calendar) = (input.clone(), calendar.clone());
        match self {
            BoltOptions::Aggregate(options) => {
                Arc::new(tallyd_aggregate::Aggregate::new(options.clone(), input, calendar))
            }
            BoltOptions::Dedup(options) => {
                Arc::new(tallyd_dedup::Dedup::new(options.clone(), input, partitions, seed))
            }
            BoltOptions::Fatigue(options) => {
                Arc::new(tallyd_fatigue::Fatigue::new((**options).clone(), input))
            }
            BoltOptions::Leaderboard(options) => {
                Arc::new(tallyd_leaderboard::Leaderboard::new(options.clone(), input, calendar))
            }
            BoltOptions::Mastery(options) => {
                Arc::new(tallyd_mastery::Mastery::new((**options).clone(), input))
            }
        }
    }

    /// What its stored state depends on, by name.
    #[must_use]
    pub fn shape(&self) -> BTreeMap<String, String> {
        let shape = match self {
            BoltOptions::Aggregate(options) => options.shape(),
            BoltOptions::Dedup(options) => options.shape(),
            BoltOptions::Fatigue(options) => options.shape(),
            BoltOptions::Leaderboard(options) => options.shape(),
            BoltOptions::Mastery(options) => options.shape(),
        };
        shape.into_iter().collect()
    }

    /// The names of the windows or periods that events can be late for.
    pub fn windows(&self) -> impl Iterator<Item = &str> {
        let (windows, periods) = match self {
            BoltOptions::Aggregate(options) => (Some(&options.windows), None),
            BoltOptions::Leaderboard(options) => (None, Some(&options.periods)),
            BoltOptions::Dedup(_) | BoltOptions::Fatigue(_) | BoltOptions::Mastery(_) => {
                (None, None)
            }
        };
        let windows = windows.into_iter().flatten().map(|window| window.name.as_str());
        windows.chain(periods.into_iter().flatten().map(|period| period.name.as_str()))
    }

    /// Whether it emits nothing but events that it read, as they came.
    pub(crate) fn passes_events_on(&self) -> bool {
        matches!(self, BoltOptions::Dedup(_))
    }

    /// The type's name in a topology file.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.bolt_type().name
    }

    /// The type.
    #[must_use]
    pub fn bolt_type(&self) -> &'static BoltType {
        match self {
            BoltOptions::Aggregate(_) => &aggregate::TYPE,
            BoltOptions::Dedup(_) => &dedup::TYPE,
            BoltOptions::Fatigue(_) => &fatigue::TYPE,
            BoltOptions::Leaderboard(_) => &leaderboard::TYPE,
            BoltOptions::Mastery(_) => &mastery::TYPE,
        }
    }

    pub(crate) fn partitioned_by(&self) -> Wanted<'_> {
        match self {
            BoltOptions::Aggregate(options) => Wanted::Fields(&options.by),
            BoltOptions::Dedup(_) => Wanted::Key,
            BoltOptions::Fatigue(options) => Wanted::Fields(std::slice::from_ref(&options.learner)),
            BoltOptions::Leaderboard(options) => {
                Wanted::Fields(std::slice::from_ref(&options.member))
            }
            BoltOptions::Mastery(options) => Wanted::Fields(std::slice::from_ref(&options.learner)),
        }
    }

    /// Whether what it stores depends on where days begin.
    pub(crate) fn is_in_zone(&self) -> bool {
        match self {
            BoltOptions::Aggregate(_) | BoltOptions::Leaderboard(_) => true,
            BoltOptions::Dedup(_) | BoltOptions::Fatigue(_) | BoltOptions::Mastery(_) => false,
        }
    }
}

/// The constants of a bolt's formulas, as keys of its table.
pub(crate) fn parameter_keys<T: std::default::Default>(table: &[Parameter<T>]) -> Vec<KeySpec> {
    let mut defaults = T::default();
    let key = |parameter: &Parameter<T>| KeySpec {
        name: parameter.name,
        kind: Kind::Number(parameter.min, parameter.max),
        default: Default::Value((parameter.place)(&mut defaults).to_string().into()),
        doc: parameter.doc,
    };
    table.iter().map(key).collect()
}

/// Reads the constants of a bolt's formulas.
pub(crate) fn parameters<T: std::default::Default>(
    section: &Section<'_>,
    table: &[Parameter<T>],
) -> Option<T> {
    let mut parameters = T::default();
    let mut whole = true;
    for parameter in table {
        match section.number(parameter.name) {
            Some(number) => *(parameter.place)(&mut parameters) = number,
            None => whole = false,
        }
    }
    whole.then_some(parameters)
}
