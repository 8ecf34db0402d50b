//! What a topology says of a bolt that corrects.

use std::sync::Arc;
use tallyd_bolt::FieldRef;
use tallyd_event::Schema;

/// The options of a bolt that corrects. The topology checks that every event has the key's fields,
/// and that `retract` is a bool and no part of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What has the same values here is one event, in several versions.
    pub key: Vec<FieldRef>,
    /// The fields that are passed on, beside the key's and the time; `None`: all.
    pub fields: Option<Vec<FieldRef>>,
    /// Where this is true, the event is taken out altogether.
    pub retract: Option<FieldRef>,
    /// For how long the latest version is remembered at least, in ms.
    pub window_ms: i64,
    /// Whether the key of the source is one of `key`: then it says which partition a version is in,
    /// else all fields of `key` do.
    pub by_source_key: bool,
    /// What is stored of a version, as [`Options::describe`] says it.
    pub stored_as: String,
}

impl Options {
    /// What the stored data depends on: data that was written under another shape can't be used.
    #[must_use]
    pub fn shape(&self) -> Vec<(String, String)> {
        let names = |fields: &[FieldRef]| {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            names.join(",")
        };
        vec![
            ("type".to_owned(), "latest".to_owned()),
            ("key".to_owned(), names(&self.key)),
            ("stored".to_owned(), self.stored_as.clone()),
            (
                "retract".to_owned(),
                self.retract.as_ref().map_or("", |field| &field.name).to_owned(),
            ),
            ("window".to_owned(), self.window_ms.to_string()),
        ]
    }

    /// The places in the input of the fields that are passed on, in order.
    #[must_use]
    pub fn passed_on(&self, input: &Schema) -> Vec<usize> {
        let is_passed = |place: &usize| match &self.fields {
            None => true,
            Some(fields) => {
                let mut named = self.key.iter().chain(fields);
                named.any(|field| field.index == *place) || input.time == Some(*place)
            }
        };
        (0..input.fields.len()).filter(is_passed).collect()
    }

    /// What the events that are passed on look like.
    #[must_use]
    pub fn output(&self, input: &Arc<Schema>) -> Arc<Schema> {
        if self.fields.is_none() {
            return Arc::clone(input);
        }
        let passed = self.passed_on(input);
        let role = |place: Option<usize>| passed.iter().position(|of| Some(*of) == place);
        Arc::new(Schema {
            fields: passed.iter().filter_map(|place| input.fields.get(*place)).cloned().collect(),
            id: role(input.id),
            key: role(input.key),
            time: role(input.time),
        })
    }

    /// The places in the input of the fields that are stored of a version: what is passed on, and
    /// not known by the next version or by when it was. In the order of their names, so that nothing
    /// stored depends on where a file has them.
    #[must_use]
    pub fn stored(&self, input: &Schema) -> Vec<usize> {
        let is_known = |place: &usize| {
            input.time == Some(*place) || self.key.iter().any(|field| field.index == *place)
        };
        let mut places = self.passed_on(input);
        places.retain(|place| !is_known(place));
        places.sort_by_key(|place| input.fields.get(*place).map(|field| &field.name));
        places
    }

    /// What is stored of a version, with what decides which one is later: names and types.
    #[must_use]
    pub fn describe(&self, input: &Schema) -> String {
        let places = self.stored(input).into_iter().chain(input.time);
        let fields = places.filter_map(|place| input.fields.get(place));
        let fields = fields.map(|field| format!("{} {:?}", field.name, field.kind));
        fields.collect::<Vec<String>>().join(",")
    }
}
