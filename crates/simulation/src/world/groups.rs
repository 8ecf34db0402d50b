//! Consumer groups: what they deliver, what is pending of whom.

use super::{Group, Slot, Stream, World};
use crate::Mutation;
use smol_str::SmolStr;
use tallyd_event::{EntryId, decode::Fields};
use tallyd_runtime::store::{Entry, Next, Read};

impl World {
    /// Makes a group, if it is missing, that has delivered all up to an id.
    pub(super) fn make_group(&mut self, slot: Slot, last: EntryId) {
        if let Some(input) = self.input(slot) {
            let group = self.group_of(slot);
            let fresh = Group { delivered: last, ..Group::default() };
            self.streams.entry(input).or_default().groups.entry(group).or_insert(fresh);
        }
    }

    /// What the last command of a commit reads.
    pub fn read(&mut self, place: usize, worker: &SmolStr, next: &Next) -> Read {
        let mut read = Read::default();
        match next {
            Next::Nothing => {}
            Next::New { partitions, count } => {
                // One missing group fails the whole command.
                if partitions.iter().any(|&p| self.group((place, p)).is_none()) {
                    read.group_missing = true;
                    return read;
                }
                for &partition in partitions {
                    self.deliver((place, partition), worker, *count, &mut read);
                }
            }
            Next::Pending { partition, from, count } => {
                self.claim((place, *partition), worker, (*from, *count), &mut read);
            }
        }
        read
    }

    fn deliver(&mut self, slot: Slot, worker: &SmolStr, count: usize, read: &mut Read) {
        let Some(stream) = self.input(slot).and_then(|input| self.streams.get(&input)) else {
            return;
        };
        let group = self.group_of(slot);
        let Some(delivered) = stream.groups.get(&group).map(|group| group.delivered) else {
            return;
        };
        let new: Vec<(EntryId, Fields)> = stream
            .entries
            .range(delivered.next()..)
            .take(count)
            .map(|(id, fields)| (*id, fields.clone()))
            .collect();
        if let Some(group) = self.group(slot) {
            group.consumers.insert(worker.clone());
            for (id, _) in &new {
                group.delivered = *id;
                group.pending.insert(*id, worker.clone());
            }
        }
        let entry = |(id, fields): (EntryId, Fields)| {
            (slot.1, Entry { id, fields: fields.into_iter().collect() })
        };
        read.entries.extend(new.into_iter().map(entry));
    }

    fn claim(
        &mut self,
        slot: Slot,
        worker: &SmolStr,
        (from, count): (EntryId, usize),
        read: &mut Read,
    ) {
        if self.mutation == Some(Mutation::NewBeforePending) {
            self.deliver(slot, worker, count, read);
        }
        let stream = self.input(slot).and_then(|input| self.streams.get(&input)).cloned();
        let name = self.group_of(slot);
        let Some(group) = self.group(slot) else {
            read.group_missing = true;
            return;
        };
        group.consumers.insert(worker.clone());
        let mut ids: Vec<EntryId> =
            group.pending.range(from..).map(|(id, _)| *id).take(count + 1).collect();
        read.pending_from = if ids.len() > count { ids.pop() } else { None };
        let entries = stream.filter(|s| s.groups.contains_key(&name)).unwrap_or_default().entries;
        for id in ids {
            match entries.get(&id) {
                Some(fields) => {
                    group.pending.insert(id, worker.clone());
                    read.entries.push((
                        slot.1,
                        Entry { id, fields: fields.iter().map(|(n, v)| (n, v)).collect() },
                    ));
                }
                // Redis 7 takes entries that are deleted off the list.
                None => drop(group.pending.remove(&id)),
            }
        }
    }

    /// The group of a partition.
    pub fn group(&mut self, slot: Slot) -> Option<&mut Group> {
        let (input, name) = (self.input(slot)?, self.group_of(slot));
        self.streams.get_mut(&input)?.groups.get_mut(&name)
    }

    /// The consumers of a group, each with how many entries are pending of it.
    pub fn consumers(&mut self, slot: Slot) -> Vec<(SmolStr, u64)> {
        let Some(Group { consumers, pending, .. }) = self.group(slot).cloned() else {
            return Vec::new();
        };
        let count = |name: &SmolStr| pending.values().filter(|owner| *owner == name).count() as u64;
        consumers.into_iter().map(|name| (name.clone(), count(&name))).collect()
    }

    /// The names of all groups, with their streams.
    #[must_use]
    pub fn groups(&self) -> Vec<(String, String)> {
        let of = |(name, stream): (&String, &Stream)| {
            stream.groups.keys().map(|group| (name.clone(), group.clone())).collect::<Vec<_>>()
        };
        self.streams.iter().flat_map(of).collect()
    }
}

/// How many bytes of entries a reply holds.
pub(super) fn weight(read: &Read) -> usize {
    let fields = read.entries.iter().flat_map(|(_, entry)| &entry.fields);
    fields.map(|(name, value)| name.len() + value.len()).sum()
}
