//! Taking out what the events of a member added who is forgotten: counts, sums, means and rates of
//! the groups of many. They come in an edit of the partition that counted them, each with its own
//! arrival: so they go out of the windows in which they counted, final ones too.

use crate::{
    Aggregate, Function, Options,
    column::back::Left,
    sites::{Site, Sites},
    tally::Tally,
};
use smol_str::SmolStr;
use tallyd_bolt::{EditAt, EditStep, FieldRef, Reads, State};
use tallyd_event::{Edit, EditKind, Taken};
use tallyd_kind::Subtracts;

impl Aggregate {
    /// The events that an edit takes out here, if it does.
    ///
    /// # Errors
    /// Where they can't be read: they are of the fields that the topology had when they were taken
    /// out of the source. To pass over them would leave a figure wrong without a word.
    fn taken(&self, edit: &Edit) -> Result<Option<Taken>, String> {
        let handed = edit.handed.as_ref().filter(|_| edit.kind == EditKind::Forget);
        let Some(handed) = handed else { return Ok(None) };
        let unread = || {
            format!(
                "events of edit {} can't be taken out of the counts of {}: they are of other fields than \
                 the topology has now. Run the file that was in force when the edit was sent, and resume",
                edit.id, handed.bolt
            )
        };
        Taken::from_text(&self.input, &handed.state).map(Some).ok_or_else(unread)
    }

    /// Asks for what [`Aggregate::step_to_subtract`] looks at.
    pub(crate) fn ask_to_subtract(&self, edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
        // What can't be read is told with the step.
        let Ok(Some(taken)) = self.taken(edit) else { return };
        let mut sites = Sites::new(&self.options, &self.calendar, at.now);
        self.find(&mut sites, &taken);
        for site in sites.all() {
            self.counted.fields().for_each(|field| reads.field(&site.key, field));
        }
    }

    /// What taking out events changes: one step, so that it is done with its acknowledgement or not at
    /// all.
    pub(crate) fn step_to_subtract(&self, edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
        let taken = match self.taken(edit) {
            Ok(Some(taken)) => taken,
            Ok(None) => return Vec::new(),
            Err(why) => return vec![EditStep::broken(why)],
        };
        let mut sites = Sites::new(&self.options, &self.calendar, at.now);
        let places = self.find(&mut sites, &taken);
        let load = |site: &Site<'_>| Tally::load(&self.counted, state, &site.key);
        let mut tallies: Vec<Tally> = sites.all().iter().map(load).collect();
        if let Some(unreadable) = tallies.iter().find_map(Tally::unreadable) {
            // To pass over it would leave the figure wrong once it is mended.
            return vec![EditStep::broken(format!(
                "nothing can be taken out of {unreadable} (put back what stood there, or delete the field, \
                 and resume)"
            ))];
        }
        for (event, places) in taken.events.iter().zip(places) {
            for place in places {
                if let Some(tally) = tallies.get_mut(place) {
                    tally.subtract(&self.counted, event);
                }
            }
        }
        let mut step = EditStep::default();
        for (mut tally, site) in tallies.into_iter().zip(sites.all()) {
            match tally.settle(&self.counted) {
                Left::Same => {}
                Left::Nothing if taken.whole => {
                    self.drop_group(site.window, &site.label, &site.group, state, &mut step);
                }
                Left::Nothing | Left::Some => {
                    step.changed += 1;
                    tally.write_columns(&self.counted, &site.key, &mut step.effects);
                }
            }
        }
        vec![step]
    }

    /// The places of the sites of each event.
    fn find(&self, sites: &mut Sites<'_>, taken: &Taken) -> Vec<Vec<usize>> {
        let (mut places, mut late) = (Vec::new(), Vec::new());
        let events = taken.events.iter().enumerate();
        events
            .map(|event| {
                sites.find(&self.input, event, &mut places, &mut late);
                places.clone()
            })
            .collect()
    }
}

/// What can be taken out of an aggregate with these options.
pub(crate) fn subtracts(options: &Options) -> Subtracts<'_> {
    let (mut fields, mut stays, mut counts): (Vec<&FieldRef>, Vec<&SmolStr>, bool) =
        (options.by.iter().collect(), Vec::new(), false);
    for measure in &options.measures {
        match &measure.function {
            Function::Count | Function::Rate => counts = true,
            Function::CountPresent(field)
            | Function::CountTrue(field)
            | Function::Mean(field)
            | Function::Sum(field) => fields.push(field),
            Function::Distinct(_)
            | Function::Last(_)
            | Function::LastArrived(_)
            | Function::Max(_)
            | Function::Min(_)
            | Function::Quantile(..) => stays.push(&measure.name),
        }
    }
    let fields = (stays.len() < options.measures.len()).then_some(fields);
    let names: Vec<&str> = stays.iter().map(|name| name.as_str()).collect();
    let measures = (!names.is_empty()).then(|| {
        let of = "what the member's events did to";
        let why = "it can't be taken out of distincts, extremes, last values and quantiles";
        format!("{of} {}: {why}", names.join(", "))
    });
    let zeros = (!counts).then(|| {
        "groups of the member's events alone, with 0: no measure counts all events (\"count\")"
            .to_owned()
    });
    let words: Vec<String> = measures.into_iter().chain(zeros).collect();
    Subtracts { fields, stays: (!words.is_empty()).then(|| words.join("; ")) }
}
