//! Distinct measures: exact up to [`EXACT_DISTINCT`] different values, an estimate above.
//!
//! While the number is exact, a log holds a fingerprint of each value. When it would hold more, all
//! of them are counted in a `HyperLogLog`, the log is deleted, and from then on only the
//! `HyperLogLog` grows: so a small group takes few bytes, and a large one no more than 12 KB.

use crate::{distinct_key, keys::values_key, sites::Site, tally::expire};
use siphasher::sip128::{Hasher128, SipHasher13};
use smol_str::{SmolStr, format_smolstr};
use std::{collections::BTreeSet, hash::Hasher};
use tallyd_bolt::{Effects, FieldRef, State, Write};
use tallyd_event::Event;

/// Up to how many different values the number of them is exact.
pub const EXACT_DISTINCT: u64 = 1024;

/// A measure of different values.
#[derive(Debug)]
pub(crate) struct Distinct {
    pub(crate) measure: SmolStr,
    pub(crate) field: FieldRef,
}

/// The different values that a batch brings for one measure at one site.
#[derive(Default)]
pub(crate) struct Values(BTreeSet<u128>);

impl Distinct {
    /// Takes in the value of an event, if it has one.
    pub(crate) fn count(&self, values: &mut Values, event: &Event) {
        if let Some(text) = self.field.text(event) {
            values.0.insert(fingerprint(&text));
        }
    }

    /// Writes what is new at a site. Returns whether anything was.
    pub(crate) fn write(
        &self,
        values: Values,
        site: &Site<'_>,
        state: &State,
        effects: &mut Effects,
    ) -> bool {
        if values.0.is_empty() {
            return false;
        }
        let log = values_key(site.window, &site.label, &self.measure, &site.group);
        let estimate = distinct_key(site.window, &site.label, &self.measure, &site.group);
        let items = |values: BTreeSet<u128>| -> Vec<SmolStr> {
            values.into_iter().map(|value| format_smolstr!("{:016x}", value as u64)).collect()
        };
        if is_estimate(state.field(&site.key, &self.measure)) {
            expire(&estimate, site.expiry, effects);
            effects.writes.push(Write::Distinct { key: estimate, items: items(values.0) });
            return true;
        }
        let known: BTreeSet<u128> = state.log(&log).collect();
        let new: Vec<u128> = values.0.difference(&known).copied().collect();
        let number = (known.len() + new.len()) as u64;
        if new.is_empty() {
            return false;
        }
        if number <= EXACT_DISTINCT {
            effects.set_field(&site.key, &self.measure, number.to_string());
            expire(&log, site.expiry, effects);
            effects.writes.push(Write::Append { key: log, fingerprints: new });
            return true;
        }
        effects.set_field(&site.key, &self.measure, (EXACT_DISTINCT + 1).to_string());
        expire(&estimate, site.expiry, effects);
        let all = known.union(&values.0).copied().collect();
        effects.writes.push(Write::Distinct { key: estimate, items: items(all) });
        effects.writes.push(Write::DropLog { key: log });
        true
    }
}

/// Whether the number of different values is no longer exact, by the field of the window's hash.
pub(crate) fn is_estimate(stored: Option<&[u8]>) -> bool {
    let number = stored.and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse::<u64>().ok());
    number.is_some_and(|number| number > EXACT_DISTINCT)
}

/// `SipHash` 1-3 of 128 bits. Stored data depends on it, so it may never change.
fn fingerprint(value: &str) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(value.as_bytes());
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_never_changes() {
        assert_eq!(fingerprint("u7"), 295_530_652_399_508_870_948_630_037_145_921_218_544);
    }
}
