//! A bolt that panics costs one event, not the batch: the batch is bisected until it is found.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};
use tallyd_bolt::{Batch, Bolt, Effects, Reads, State};
use tallyd_event::Event;

/// A panic, traced to one event of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Poison {
    /// The event's place in the batch.
    pub event: usize,
    /// The reason for its dead letter.
    pub reason: String,
}

/// [`Bolt::reads`], or the first event that makes it panic.
///
/// # Errors
/// Where it panics.
pub fn reads<'a>(
    bolt: &dyn Bolt,
    batch: &Batch<'_>,
    reads: &Reads<'a>,
) -> Result<Reads<'a>, Poison> {
    guarded(batch, |batch| {
        let mut reads = reads.clone();
        bolt.reads(batch, &mut reads);
        reads
    })
}

/// [`Bolt::process`], or the first event that makes it panic.
///
/// # Errors
/// Where it panics.
pub fn process(bolt: &dyn Bolt, batch: &Batch<'_>, state: &State) -> Result<Effects, Poison> {
    guarded(batch, |batch| bolt.process(batch, state))
}

/// Runs a pure function that is of no batch.
///
/// # Errors
/// What it said where it panics.
pub fn whole<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| said(&*panic))
}

/// Runs a pure function of a batch. Where it panics, searches by halves for the shortest prefix
/// that panics: its last event is the one.
fn guarded<T>(batch: &Batch<'_>, run: impl Fn(&Batch<'_>) -> T) -> Result<T, Poison> {
    let attempt = |events: &[Event]| {
        // The bolt is pure: a panic leaves nothing half done behind.
        catch_unwind(AssertUnwindSafe(|| run(&Batch { events, ..*batch })))
    };
    let mut panic = match attempt(batch.events) {
        Ok(result) => return Ok(result),
        Err(panic) => panic,
    };
    let (mut passing, mut panicking) = (0, batch.events.len());
    while panicking - passing > 1 {
        let middle = passing + (panicking - passing) / 2;
        match attempt(batch.events.get(..middle).unwrap_or_default()) {
            Ok(_) => passing = middle,
            Err(earlier) => (panicking, panic) = (middle, earlier),
        }
    }
    Err(Poison { event: panicking.saturating_sub(1), reason: said(&*panic) })
}

fn said(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the bolt panicked: {}", message.unwrap_or_else(|| "no message".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tallyd_event::{EntryId, Schema};

    struct Fussy;

    impl Bolt for Fussy {
        fn output(&self) -> Option<&Schema> {
            None
        }

        fn reads(&self, _: &Batch<'_>, _: &mut Reads<'_>) {}

        fn process(&self, batch: &Batch<'_>, _: &State) -> Effects {
            assert!(batch.events.iter().all(|e| e.index != 13), "unlucky");
            Effects::default()
        }
    }

    proptest! {
        #[test]
        fn the_one_event_is_found(length in 1usize..200, place in 0usize..200) {
            let event = |i| Event::new(EntryId::ZERO, if i == place { 13 } else { 0 }, Vec::new());
            let events: Vec<Event> = (0..length).map(event).collect();
            let schema = Schema::default();
            let batch = Batch { schema: &schema, events: &events, now: 0 };
            let outcome = process(&Fussy, &batch, &State::default());
            if place < length {
                let poison = Poison { event: place, reason: "the bolt panicked: unlucky".into() };
                prop_assert_eq!(outcome, Err(poison));
            } else {
                prop_assert!(outcome.is_ok());
            }
        }
    }
}
