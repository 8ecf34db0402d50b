//! Forgetting who a group is of: the groups whose field has the member's name are deleted, in every
//! window that can be read.

use crate::{Aggregate, WindowOptions, distinct_key, groups_key, keys::values_key, window_key};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use tallyd_bolt::{
    EditAt, EditStep, Key, Reads, State, Write,
    labels::{labels_key, live},
};
use tallyd_event::{Edit, EditKind};

/// How many groups are deleted in one step at most.
const GROUPS: usize = if cfg!(test) { 2 } else { 200 };

impl Aggregate {
    /// Asks for what [`Aggregate::steps_to_forget`] looks at. Where it groups by that field alone, the
    /// member has one group, which is known; else the groups of each window are gone through.
    pub(crate) fn ask_to_forget(&self, edit: &Edit, at: EditAt, reads: &mut Reads<'_>) {
        let Some(place) = self.groups_by(edit) else { return };
        let only = self.only_group(edit);
        if only.is_some() && !at.owns([edit.member.as_str()]) {
            return;
        }
        for window in &self.options.windows {
            for (label, _) in live(reads.look_names(&labels_key(&window.name)), at.now) {
                let groups: Vec<&SmolStr> = match &only {
                    Some(group) => vec![group],
                    None => reads.look_names(&groups_key(window, &label)).collect(),
                };
                for group in groups.into_iter().filter(|of| self.is_of(of, place, edit, at)) {
                    let key = window_key(window, &label, group);
                    self.counted.fields().for_each(|field| reads.field(&key, field));
                }
            }
        }
    }

    /// What forgetting a member changes.
    pub(crate) fn steps_to_forget(&self, edit: &Edit, at: EditAt, state: &State) -> Vec<EditStep> {
        let Some(place) = self.groups_by(edit) else { return Vec::new() };
        let only = self.only_group(edit);
        if only.is_some() && !at.owns([edit.member.as_str()]) {
            return Vec::new();
        }
        let (mut steps, mut step, mut dropped) = (Vec::new(), EditStep::default(), 0);
        for window in &self.options.windows {
            for (label, _) in live(state.names(&labels_key(&window.name)), at.now) {
                let groups: BTreeSet<&SmolStr> = match &only {
                    Some(group) => BTreeSet::from([group]),
                    None => state.names(&groups_key(window, &label)).collect(),
                };
                for group in groups.into_iter().filter(|of| self.is_of(of, place, edit, at)) {
                    if dropped >= GROUPS {
                        steps.push(std::mem::take(&mut step));
                        dropped = 0;
                    }
                    dropped += 1;
                    self.drop_group(window, &label, group, state, &mut step);
                }
            }
        }
        if step != EditStep::default() {
            steps.push(step);
        }
        steps
    }

    /// Deletes a group in a window, with what measures keep beside it: also where nothing of today's
    /// measures is there, because others were in the file before.
    pub(crate) fn drop_group(
        &self,
        window: &WindowOptions,
        label: &str,
        group: &SmolStr,
        state: &State,
        step: &mut EditStep,
    ) {
        let key = window_key(window, label, group);
        let is_there = self.counted.fields().any(|field| state.field(&key, field).is_some());
        step.changed += u64::from(is_there);
        step.effects.drop_key(&key);
        for distinct in &self.counted.distincts {
            for of in [values_key, distinct_key] {
                step.effects.drop_key(&of(window, label, &distinct.measure, group));
            }
        }
        let (key, members) = (groups_key(window, label), vec![group.clone()]);
        step.effects.writes.push(Write::RemoveMember { key, members });
    }

    /// The place among the fields of a group that the member's name stands in.
    fn groups_by(&self, edit: &Edit) -> Option<usize> {
        let is_forget = edit.kind == EditKind::Forget;
        self.options.by.iter().position(|field| is_forget && field.name == edit.field)
    }

    /// The one group of a member, where it is the only field.
    fn only_group(&self, edit: &Edit) -> Option<SmolStr> {
        let [field] = self.options.by.as_slice() else { return None };
        Some(Key::group([(field.name.as_str(), Some(edit.member.as_str()))]))
    }

    /// Whether a group is the member's, by the field at this place, and this partition's.
    fn is_of(&self, group: &str, place: usize, edit: &Edit, at: EditAt) -> bool {
        let value = |part: &str| Key::decode(part.split_once('=').map_or("", |(_, value)| value));
        let values: Vec<String> = group.split(':').map(value).collect();
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        texts.get(place) == Some(&edit.member.as_str()) && at.owns(texts)
    }
}
