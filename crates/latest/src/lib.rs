//! The bolt that corrects: of each key the latest version of an event counts, and what an earlier one
//! did is undone.
//!
//! What has the same values in the key's fields is one event, in versions: by their time, and of equal
//! times by their ids ([`revision`]). A version that is later than the one before is passed on, and
//! behind it the one before as taken back ([`tallyd_event::Event::taken_back`]): with its own values
//! and times, so that a bolt behind undoes it where it counted it. One that is not later is dropped and
//! counted. Where `retract` is true, the one before is taken back and nothing is passed on; whatever
//! is older than that version is dropped from then on.
//!
//! So what was passed on and not taken back is the latest version of each key at any time, however the
//! events came: in whatever order, batches, or more than once. That holds for as long as a version is
//! remembered ([`Options::window_ms`]).
//!
//! For each key there is one field of a hash: its name is a fingerprint of the key, and its value says
//! which version it is, when it arrived, and what else is passed on.

mod generations;
mod kind;
mod options;
mod version;

pub use kind::LatestKind;
pub use options::Options;
pub use version::{Version, revision};

use crate::{
    generations::{Generations, versions_key},
    version::Kept,
};
use hashbrown::HashMap;
use siphasher::sip128::{Hasher128, SipHasher13};
use smol_str::{SmolStr, SmolStrBuilder};
use std::{hash::Hasher, sync::Arc};
use tallyd_bolt::{Batch, Bolt, Effects, FieldRef, Reads, State, Write};
use tallyd_event::{Event, Field, Schema, Value, packed, partition_of};

/// How long the name of a key's field is: 6 bits for each character.
const NAME_CHARS: u32 = 14;

/// The bolt that corrects. Its input must be partitioned as its options say.
pub struct Latest {
    options: Options,
    input: Schema,
    output: Arc<Schema>,
    /// The places in the input of what is passed on.
    passed: Vec<usize>,
    /// The places in the input of what is stored, and their fields.
    stored: Vec<(usize, Field)>,
    partitions: u16,
    seed: [u8; 16],
}

/// The versions that a batch brings, by partition, the serial of their generation, and the name of
/// their key: each with when the server may collect it.
type Fresh = HashMap<(u16, u64, SmolStr), (Kept, i64)>;

/// What of a batch decides where a version stands.
struct Place {
    partition: u16,
    number: i64,
    name: SmolStr,
}

impl Latest {
    /// A bolt that corrects the events of a schema, whose input is split into `partitions`; `seed`
    /// keys its fingerprints. What is stored depends on all of them.
    #[must_use]
    pub fn new(options: Options, input: Schema, partitions: u16, seed: [u8; 16]) -> Self {
        let stored = options.stored(&input).into_iter();
        let stored =
            stored.filter_map(|place| Some((place, input.fields.get(place)?.clone()))).collect();
        let passed = options.passed_on(&input);
        let output = options.output(&Arc::new(input.clone()));
        Self { options, input, output, passed, stored, partitions, seed }
    }

    fn place(&self, event: &Event, generations: &Generations) -> Place {
        let texts: Vec<SmolStr> = self.options.key.iter().map(|of| text(of, event)).collect();
        let partition = match self.options.by_source_key {
            true => partition_of([event.key(&self.input).as_str()], self.partitions),
            false => partition_of(texts.iter().map(SmolStr::as_str), self.partitions),
        };
        let number = generations.number(event.entered);
        Place { partition, number, name: name(&self.seed, &texts) }
    }

    /// The version that an event is, and what is stored of it.
    fn kept(&self, event: &Event) -> Result<Kept, String> {
        let retract = self.options.retract.as_ref().map(|field| event.value(field.index));
        let retracted = retract.and_then(Value::as_bool) == Some(true);
        let mut values = Vec::new();
        let stored = self.stored.iter().filter(|_| !retracted);
        packed::pack(stored.map(|(place, _)| event.value(*place)), &mut values)
            .map_err(|error| error.to_string())?;
        let time = self.input.time.map(|place| event.value(place));
        let without_time = time.is_some_and(Value::is_null);
        let version = Version::of(event, &self.input);
        Ok(Kept { version, arrived: event.arrived, without_time, retracted, values })
    }

    /// The version before as it is taken back for a later one.
    fn taken_back(&self, kept: &Kept, by: &Event) -> Result<Event, String> {
        let fields = self.stored.iter().map(|(_, field)| field);
        let stored = packed::unpack(fields, &kept.values).map_err(|error| error.to_string())?;
        let value = |place: &usize| {
            let of = self.stored.iter().position(|(stored, _)| stored == place);
            match of.and_then(|of| stored.get(of)) {
                Some(value) => value.clone(),
                None if self.input.time == Some(*place) && kept.without_time => Value::Null,
                None if self.input.time == Some(*place) => Value::Int(kept.version.time),
                // All versions of a key have its fields alike.
                None => by.value(*place).clone(),
            }
        };
        let values = self.passed.iter().map(value).collect();
        let (arrived, entered) = (kept.arrived, by.arrived.max(kept.arrived));
        Ok(Event { arrived, entered, taken_back: true, values, ..*by })
    }

    /// Passes on what an event changes.
    fn take(
        &self,
        event: &Event,
        (state, now): (&State, i64),
        generations: &mut Generations,
        fresh: &mut Fresh,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let Place { partition, number, name } = self.place(event, generations);
        let (own, met) = generations.go_to(state, partition, number)?;
        let mut before: Option<Kept> = None;
        for serial in met {
            let kept = match fresh.get(&(partition, serial, name.clone())) {
                Some((kept, _)) => Some(kept.clone()),
                None => stored(state, partition, serial, &name)?,
            };
            let is_later = |kept: &Kept| before.as_ref().is_none_or(|b| b.version < kept.version);
            before = kept.filter(is_later).or(before);
        }
        let kept = self.kept(event)?;
        if before.as_ref().is_some_and(|before| kept.version <= before.version) {
            effects.duplicates += 1;
            return Ok(());
        }
        let taken = before.filter(|before| !before.retracted);
        let taken = taken.map(|before| self.taken_back(&before, event)).transpose()?;
        // First what is new: so nothing behind is empty in between.
        effects.emits.extend((!kept.retracted).then(|| project(&self.passed, event)));
        effects.emits.extend(taken);
        fresh.insert((partition, own, name), (kept, generations.expiry(number, now)));
        Ok(())
    }
}

impl Bolt for Latest {
    fn output(&self) -> Option<&Schema> {
        Some(&self.output)
    }

    fn reads(&self, batch: &Batch<'_>, reads: &mut Reads<'_>) {
        let generations = Generations::new(self.options.window_ms);
        let mut lists = HashMap::new();
        for event in batch.events {
            let Place { partition, number, name } = self.place(event, &generations);
            let list = lists.entry(partition).or_insert_with(|| Generations::ask(partition, reads));
            for one in list.all.iter().filter(|one| one.meets(number)) {
                reads.field(&versions_key(partition, one.serial), &name);
            }
        }
    }

    fn process(&self, batch: &Batch<'_>, state: &State) -> Effects {
        let mut effects = Effects::default();
        let mut generations = Generations::new(self.options.window_ms);
        let mut fresh = Fresh::new();
        for (index, event) in batch.events.iter().enumerate() {
            let at = (state, batch.now);
            let taken = self.take(event, at, &mut generations, &mut fresh, &mut effects);
            if let Err(reason) = taken {
                effects.reject(index, reason);
            }
        }
        let dropped = generations.write(batch.now, &mut effects);
        let mut fresh: Vec<_> = fresh.into_iter().collect();
        fresh.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut last = None;
        for ((partition, serial, name), (kept, expiry)) in fresh {
            let key = versions_key(partition, serial);
            // What this batch dropped has no versions any more.
            if dropped.contains(&key) {
                continue;
            }
            effects.set_field(&key, &name, kept.encode());
            if last.replace((partition, serial)) != Some((partition, serial)) {
                effects.expiries.push((key, expiry));
            }
        }
        effects.writes.extend(dropped.into_iter().map(|key| Write::DropLog { key }));
        effects
    }
}

/// An event with the values of these places alone ([`Options::passed_on`]): as it is passed on.
#[must_use]
pub fn project(places: &[usize], event: &Event) -> Event {
    let values = places.iter().map(|place| event.value(*place).clone()).collect();
    Event { values, ..*event }
}

fn stored(state: &State, partition: u16, serial: u64, name: &str) -> Result<Option<Kept>, String> {
    let key = versions_key(partition, serial);
    let Some(bytes) = state.field(&key, name) else { return Ok(None) };
    let unreadable = || format!("{key:?} {name}: what is stored can't be read; restore it");
    Kept::decode(bytes).map(Some).ok_or_else(unreadable)
}

fn text(field: &FieldRef, event: &Event) -> SmolStr {
    field.text(event).unwrap_or_default()
}

/// The name of a key's field: `SipHash` 1-3 of 128 bits over its values, each after its length, as
/// far as 14 characters of base 64 hold it (84 bits). The seed is secret, so that nobody can make two
/// keys collide; by chance two of ten million do with a probability of about 10^-12.
fn name(seed: &[u8; 16], texts: &[SmolStr]) -> SmolStr {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut hasher = SipHasher13::new_with_key(seed);
    for text in texts {
        hasher.write(&(text.len() as u64).to_le_bytes());
        hasher.write(text.as_bytes());
    }
    let hash = hasher.finish128().as_u128();
    let mut name = SmolStrBuilder::new();
    for place in 0..NAME_CHARS {
        let digit = (hash >> (6 * place) & 63) as usize;
        name.push(DIGITS.get(digit).copied().map_or('A', char::from));
    }
    name.finish()
}

#[cfg(test)]
mod tests;
