//! What a check found, in words for people: what, why it matters, and what fixes it.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Fine,
    /// It costs something, or may become worse, or could not be checked.
    Warning,
    /// With this, what tallyd promises does not hold, or its work stands still.
    BrokenPromise,
}

/// A question that is asked of the facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is about: findings of one area stand together.
    pub area: &'static str,
    /// Its name, which programs may go by.
    pub name: &'static str,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub area: &'static str,
    /// The name of the check.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// Why it matters. Empty where all is fine.
    pub why: String,
    /// What fixes it: lines for a shell. What is no command begins with `#`.
    pub fix: Vec<String>,
}

impl Check {
    pub(super) const fn new(area: &'static str, name: &'static str) -> Self {
        Self { area, name }
    }

    /// All is well.
    pub(super) fn fine(self, what: impl Into<String>) -> Finding {
        self.finding(Level::Fine, what, "", Vec::new())
    }

    pub(super) fn warning(
        self,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: Vec<String>,
    ) -> Finding {
        self.finding(Level::Warning, what, why, fix)
    }

    pub(super) fn broken(
        self,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: Vec<String>,
    ) -> Finding {
        self.finding(Level::BrokenPromise, what, why, fix)
    }

    fn finding(
        self,
        level: Level,
        what: impl Into<String>,
        why: impl Into<String>,
        fix: Vec<String>,
    ) -> Finding {
        let Self { area, name: check } = self;
        Finding { area, check, level, what: what.into(), why: why.into(), fix }
    }
}

/// A line of a fix that is no command.
pub(super) fn note(text: impl std::fmt::Display) -> String {
    format!("# {text}")
}

/// A number of bytes, for people.
#[must_use]
pub fn bytes(number: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.iter().find(|(_, shift)| number >= 1 << shift);
    unit.map_or_else(
        || format!("{number} B"),
        |(name, shift)| format!("{:.1} {name}", number as f64 / (1u64 << shift) as f64),
    )
}
