//! Events that may be taken back: what the types of bolts that read them have to know, and how what
//! can't be undone is refused.

use crate::{fault::Fault, input::Input, section::Section};
use smol_str::SmolStr;
use std::ops::Range;
use tallyd_bolt::FieldRef;

/// By what events are corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// The bolt that does.
    pub by: SmolStr,
    /// The node that it reads from: whose events are not corrected.
    pub before: SmolStr,
    /// The fields that all versions of an event have alike.
    pub key: Vec<SmolStr>,
    /// Whether an event can be taken out altogether, with none in its place.
    pub retracts: bool,
}

impl Corrected {
    /// Whether all versions of an event have these fields alike.
    #[must_use]
    pub fn keeps<'a>(&self, fields: impl IntoIterator<Item = &'a FieldRef>) -> bool {
        fields.into_iter().all(|field| self.key.contains(&field.name))
    }

    /// The fault of something that can't be undone, with a way around.
    #[must_use]
    pub fn fault(&self, what: &str, span: Range<usize>, way: Option<&str>) -> Fault {
        let message = format!("{what} can't take back what \"{}\" corrects", self.by);
        let before = format!(
            "let a bolt of its own read from \"{}\": it counts every version as an event",
            self.before
        );
        Fault::new(message, span).help(match way {
            Some(way) => format!("{way}; or {before}"),
            None => before,
        })
    }
}

impl Section<'_> {
    /// Faults something of this table that can't be undone, where its input is corrected.
    pub fn refuse_corrected(
        &self,
        input: Option<&Input>,
        what: &str,
        key: &str,
        way: impl FnOnce(&Corrected) -> Option<String>,
    ) {
        if let Some(corrected) = input.and_then(|input| input.corrected.as_deref()) {
            let way = way(corrected);
            self.sheet.fault(corrected.fault(what, self.span(key), way.as_deref()));
        }
    }
}
