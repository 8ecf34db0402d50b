//! The aggregate bolt: counts, sums, extremes, distincts and quantiles in tumbling windows.
//!
//! For each group and window there is one hash of plain numbers ([`window_key`]), for each distinct
//! measure a log of its values ([`values_key`]) or, above [`EXACT_DISTINCT`] of them, a
//! `HyperLogLog` ([`distinct_key`]), for each window a set of its groups ([`groups_key`]), and a set of
//! the windows that there are ([`tallyd_bolt::labels`]). An event counts in the windows that hold its time, unless such a window was
//! already final when the event arrived: then it is late there, and counts in the others.
//!
//! Sums are exact. Those of ints are so beyond the range of an event's ints too: up to 2^127; those
//! of floats are rounded once, to be shown. So neither the order of events nor their batches change
//! a figure, except for `last_arrived`, and for which of two events with one time is the last. An
//! event that would take a sum beyond its range is rejected, and counts nowhere. The bolt emits
//! nothing.
//!
//! Behind a bolt that corrects, events are taken back: counts, sums, means and rates of what is left
//! are as if they had never been counted. A last value is that of the version which replaces them. A
//! group of which nothing is left is gone. The same is done with those of a member who is forgotten.

mod column;
mod distinct;
mod figure;
mod forget;
mod keys;
mod kind;
mod options;
mod sites;
mod sketch;
mod subtract;
mod tally;
mod view;

pub use distinct::EXACT_DISTINCT;
pub use figure::{Figure, Unreadable, value};
pub use keys::{TOTAL, distinct_key, fields, group, groups_key, values_key, window_key};
pub use kind::{AggregateKind, FUNCTIONS};
pub use options::{DEFAULT_ACCURACY, Function, Measure, Options, WindowOptions};
pub use view::STATS;

use crate::{
    distinct::Distinct,
    sites::Sites,
    tally::{Counted, NewGroups, Tally},
};
use tallyd_bolt::{
    Batch, Bolt, EditAt, EditStep, Effects, Reads, State, calendar::Calendar, labels::labels_key,
};
use tallyd_event::{Edit, Schema};

/// The aggregate bolt. Its input must be partitioned by the fields that it groups by.
pub struct Aggregate {
    options: Options,
    calendar: Calendar,
    input: Schema,
    counted: Counted,
}

impl Aggregate {
    /// An aggregate bolt over events of a schema, in which the options' fields are resolved.
    #[must_use]
    pub fn new(options: Options, input: Schema, calendar: Calendar) -> Self {
        let distinct = |measure: &Measure| match &measure.function {
            Function::Distinct(field) => {
                Some(Distinct { measure: measure.name.clone(), field: field.clone() })
            }
            _ => None,
        };
        let distincts = options.measures.iter().filter_map(distinct).collect();
        let columns = column::columns(&options, &input);
        let left = options.corrected.then(|| column::back::left(&columns)).flatten();
        let counted = Counted { columns, distincts, left };
        Self { options, calendar, input, counted }
    }
}

impl Bolt for Aggregate {
    fn output(&self) -> Option<&Schema> {
        None
    }

    fn reads(&self, batch: &Batch<'_>, reads: &mut Reads<'_>) {
        let mut sites = Sites::new(&self.options, &self.calendar, batch.now);
        let (mut places, mut late) = (Vec::new(), Vec::new());
        for event in batch.events.iter().enumerate() {
            sites.find(batch.schema, event, &mut places, &mut late);
        }
        self.options.windows.iter().for_each(|window| reads.names(&labels_key(&window.name)));
        for site in sites.all() {
            self.counted.reads(site, reads);
        }
    }

    fn process(&self, batch: &Batch<'_>, state: &State) -> Effects {
        let mut effects = Effects::default();
        let mut sites = Sites::new(&self.options, &self.calendar, batch.now);
        let mut tallies: Vec<Tally> = Vec::new();
        let (mut places, mut late) = (Vec::new(), Vec::new());
        for (index, event) in batch.events.iter().enumerate() {
            sites.find(batch.schema, (index, event), &mut places, &mut late);
            let new = sites.all().iter().skip(tallies.len());
            tallies.extend(new.map(|site| Tally::load(&self.counted, state, &site.key)));
            let mut here = places.iter().filter_map(|&place| tallies.get(place));
            if let Some(reason) = here.find_map(|tally| tally.refusal(&self.counted, event)) {
                effects.reject(index, reason);
                continue;
            }
            effects.late.append(&mut late);
            let time = event.time(batch.schema);
            for &place in &places {
                if let Some(tally) = tallies.get_mut(place) {
                    tally.count(&self.counted, event, time);
                }
            }
        }
        let mut groups = NewGroups::default();
        for (tally, site) in tallies.into_iter().zip(sites.all()) {
            tally.write(&self.counted, site, state, &mut groups, &mut effects);
        }
        groups.write((state, batch.now), &mut effects);
        effects
    }

    fn edit_reads(&self, edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
        match &edit.handed {
            Some(_) => self.ask_to_subtract(edit, at, reads),
            None => self.ask_to_forget(edit, at, reads),
        }
    }

    fn edit(&self, edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
        match &edit.handed {
            Some(_) => self.step_to_subtract(edit, at, state),
            None => self.steps_to_forget(edit, at, state),
        }
    }
}

#[cfg(test)]
mod tests;
