//! Whose an entry is: whether it has anything of a member who is forgotten. Pure.

use smol_str::SmolStr;
use tallyd_bolt::Key;
use tallyd_event::{
    Edit, Event, Schema,
    decode::{self, Arrival, BATCH_FIELD, Fields, TimeLimits},
    frame,
};
use tallyd_runtime::{ARRIVED_FIELD, EDIT_FIELD, FRAME_FIELD, arrival, store::Entry};
use tallyd_topology::{NodeKind, Topology};

/// Who is forgotten.
pub(super) struct Person<'a> {
    topology: &'a Topology,
    member: &'a str,
    /// By node: by what name the events that it takes have the field.
    known: Vec<Option<SmolStr>>,
    /// Ways to write the name in a text.
    forms: Vec<Vec<u8>>,
}

impl<'a> Person<'a> {
    /// The member whom a field of the sources names.
    pub(super) fn new(topology: &'a Topology, field: &str, member: &'a str) -> Self {
        let json = |text: String| text.trim_matches('"').as_bytes().to_vec();
        let ascii = |upper| member.encode_utf16().map(|unit| escaped(unit, upper)).collect();
        let [lower, upper]: [String; 2] = [ascii(false), ascii(true)];
        let mut forms = vec![
            member.as_bytes().to_vec(),
            Key::encode(member).as_bytes().to_vec(),
            json(serde_json::to_string(member).unwrap_or_default()),
            lower.into_bytes(),
            upper.into_bytes(),
        ];
        forms.retain(|form| !form.is_empty());
        Self { topology, member, known: topology.known_as(field), forms }
    }

    /// Whether an entry of the source at a place has an event of the member, or is an edit of it.
    pub(super) fn is_in_source(&self, place: usize, entry: &Entry) -> bool {
        if let Some((name, text)) = entry.fields.only()
            && name == EDIT_FIELD.as_bytes()
        {
            return Edit::from_text(text)
                .is_some_and(|edit| edit.member == self.member || edit.to == self.member);
        }
        self.is_in_fields(place, entry.fields.iter())
    }

    /// The events of entries of the source at a place, each with whether it is the member's, as they came
    /// when they were read.
    pub(super) fn events(&self, place: usize, entries: &[&Entry], now: i64) -> Vec<(Event, bool)> {
        let Some(node) = self.topology.nodes.get(place) else { return Vec::new() };
        let NodeKind::Source(source) = &node.kind else { return Vec::new() };
        let of_entry = |entry: &&Entry| {
            let is_sent = |(name, _): &(&[u8], &[u8])| *name != ARRIVED_FIELD.as_bytes();
            let sent = entry.fields.iter().filter(is_sent);
            let is_none = sent.clone().all(|(name, _)| name.starts_with(b"tallyd:"));
            let (limits, arrival) = (source.limits, arrival(entry, now));
            let decoded = decode::decode_pairs(&node.schema, limits, arrival, sent);
            if is_none { Vec::new() } else { decoded.events }
        };
        let events = entries.iter().flat_map(of_entry);
        let own = |event: Event| (self.is_of(place, &node.schema, &event), event);
        events.map(own).map(|(own, event)| (event, own)).collect()
    }

    /// Whether an entry of the dead letters is one of the member.
    pub(super) fn is_in_letter(&self, entry: &Entry) -> bool {
        let about = |name: &str| entry.fields.get(name);
        let original = |(name, value): (&[u8], &[u8])| {
            Some((name.strip_prefix(b"field:")?.to_vec(), value.to_vec()))
        };
        let fields: Fields = entry.fields.iter().filter_map(original).collect();
        let quoted = [b"\"", self.member.as_bytes(), b"\""].concat();
        if about("reason").is_some_and(|reason| contains(reason, &quoted)) {
            return true;
        }
        if about("cut").is_some() {
            return fields.iter().any(|(_, value)| self.mentions(value));
        }
        let node = about("node").and_then(|name| std::str::from_utf8(name).ok());
        let Some((place, node)) = node.and_then(|name| self.topology.node(name)) else {
            return fields.iter().any(|(_, value)| value == self.member.as_bytes());
        };
        let NodeKind::Bolt(bolt) = &node.kind else {
            let fields = fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
            return self.is_in_fields(place, fields);
        };
        let Some(from) = self.topology.nodes.get(bolt.from) else { return false };
        let frame = fields.iter().find(|(name, _)| name == FRAME_FIELD.as_bytes());
        match frame.filter(|_| from.schema.index(FRAME_FIELD).is_none()) {
            Some((_, bytes)) => match frame::decode(&from.schema, bytes) {
                Ok(events) => events.iter().any(|event| self.is_of(place, &from.schema, event)),
                Err(_) => self.mentions(bytes),
            },
            None => self.is_named(place, &from.schema, &fields),
        }
    }

    /// Whether an entry of a sink of the node at a place is about the member.
    pub(super) fn is_in_sink(&self, place: usize, late: bool, entry: &Entry) -> bool {
        let taken = self.known.get(place).cloned().flatten();
        let name = match late {
            true => taken,
            false => taken.and_then(|name| self.topology.emits_as(place, &name)),
        };
        let is = |(of, value): (&[u8], &[u8])| {
            name.as_ref().is_some_and(|name| of == name.as_bytes())
                && value == self.member.as_bytes()
        };
        entry.fields.iter().any(is)
    }

    /// Whether an example of a late event has the name, in its id.
    pub(super) fn is_in_example(&self, entry: &Entry) -> bool {
        entry.fields.iter().any(|(_, value)| self.mentions(value))
    }

    /// Whether what a producer sent has an event of the member.
    fn is_in_fields<'f>(
        &self,
        place: usize,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone,
    ) -> bool {
        let Some(node) = self.topology.nodes.get(place) else { return false };
        let sent = fields.filter(|(name, _)| *name != ARRIVED_FIELD.as_bytes());
        let arrival = Arrival { origin: tallyd_event::EntryId::ZERO, arrived: 0, entered: 0 };
        let decoded = decode::decode_pairs(&node.schema, TimeLimits::NONE, arrival, sent);
        let mut rejects = decoded.rejects.iter();
        decoded.events.iter().any(|event| self.is_of(place, &node.schema, event))
            || rejects.any(|reject| self.is_named(place, &node.schema, &reject.fields))
    }

    fn is_of(&self, place: usize, schema: &Schema, event: &Event) -> bool {
        let name = self.known.get(place).cloned().flatten();
        let index = name.and_then(|name| schema.index(&name));
        let value = index.map(|index| event.value(index)).filter(|value| !value.is_null());
        value.is_some_and(|value| value.to_text() == self.member)
    }

    /// Whether fields that are no event name the member: in its field, in one that the schema does not
    /// have, or in a batch that can't be read.
    fn is_named(&self, place: usize, schema: &Schema, fields: &Fields) -> bool {
        let known = self.known.get(place).cloned().flatten();
        fields.iter().any(|(name, value)| {
            let name = String::from_utf8_lossy(name);
            if name == BATCH_FIELD && schema.index(BATCH_FIELD).is_none() {
                return self.mentions(value);
            }
            let may = known.as_deref() == Some(&*name) || schema.index(&name).is_none();
            may && value == self.member.as_bytes()
        })
    }

    /// Whether the name stands anywhere in a text.
    fn mentions(&self, text: &[u8]) -> bool {
        self.forms.iter().any(|form| contains(text, form))
    }
}

fn contains(text: &[u8], form: &[u8]) -> bool {
    text.windows(form.len().max(1)).any(|window| window == form)
}

/// A unit of a text as writers of JSON escape it that write ASCII alone.
fn escaped(unit: u16, upper: bool) -> String {
    match char::from_u32(unit.into()).filter(|c| c.is_ascii_graphic() || *c == ' ') {
        Some(c) => c.to_string(),
        None if upper => format!("\\u{unit:04X}"),
        None => format!("\\u{unit:04x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_event::EntryId;

    const FILE: &str = r#"
name = "t"
[source.s]
id = "id"
key = "user"
[source.s.fields]
id = "string"
user = "string"
points = "int"
[bolt.points]
type = "leaderboard"
from = "s"
member = "user"
score = "sum(points)"
"#;

    fn entry(fields: &[(&str, &str)]) -> Entry {
        Entry { id: EntryId::ZERO, fields: fields.iter().copied().collect() }
    }

    #[test]
    fn an_entry_is_the_members_by_its_field_and_not_by_a_part_of_a_name() {
        let topology = tallyd_topology::parse("t.toml", FILE, &|_| None).unwrap();
        let person = Person::new(&topology, "user", "Zoë 7");
        let is = |fields: &[(&str, &str)]| person.is_in_source(0, &entry(fields));
        assert!(is(&[("id", "e1"), ("user", "Zoë 7"), ("points", "5")]));
        assert!(!is(&[("id", "e1"), ("user", "Zoë 78"), ("points", "5")]));
        // A field that is misspelled, a batch of others too, one that can't be read.
        assert!(is(&[("id", "e1"), ("usr", "Zoë 7"), ("points", "5")]));
        let batch = "{\"id\":\"a\",\"user\":\"u\",\"points\":1}\n{\"id\":\"b\",\"user\":\"Zo\\u00eb 7\",\"points\":1}";
        assert!(is(&[("batch", batch)]));
        assert!(!is(&[("batch", &batch[..30])]));
        assert!(is(&[("batch", "{\"user\":\"Zo\\u00EB 7\"")]));
        let edit = Edit::new("e", tallyd_event::EditKind::Hide, "user", "Zoë 7").to_text();
        assert!(is(&[(EDIT_FIELD, &edit)]));
        let letter = |fields: &[(&str, &str)]| person.is_in_letter(&entry(fields));
        let head = [("node", "points"), ("reason", "why"), ("entry", "1-1")];
        assert!(letter(&[&head[..], &[("field:user", "Zoë 7")]].concat()));
        assert!(!letter(&[&head[..], &[("field:user", "u"), ("field:id", "Zoë 7")]].concat()));
        assert!(letter(&[("node", "s"), ("reason", "field \"points\": \"Zoë 7\" is no int")]));
        let cut = [("node", "s"), ("reason", "why"), ("cut", "99"), ("field:batch", "…Zoë 7…")];
        assert!(letter(&cut) && !letter(&cut[..3]));
        assert!(person.is_in_example(&entry(&[("id", "Zoë 7-1")])));
        assert!(!person.is_in_sink(1, false, &entry(&[("user", "Zoë 7")])));
        assert!(person.is_in_sink(1, true, &entry(&[("user", "Zoë 7")])));
    }
}
