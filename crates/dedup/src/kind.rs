//! The keys of a dedup bolt.

use crate::{Buckets, Dedup, Options, fingerprint::fingerprint};
use std::sync::Arc;
use tallyd_bolt::{Bolt, calendar::Calendar};
use tallyd_event::{Event, Schema};
use tallyd_kind::{
    BoltKind, BoltOptions, Identity, Wanted,
    fault::Fault,
    input::{Input, Output},
    key_spec::{Default, KeySpec, Kind},
    section::Section,
    units::{DAY_MS, SECOND_MS, duration_text},
};

/// The type.
pub struct DedupKind;

impl BoltKind for DedupKind {
    fn name(&self) -> &'static str {
        "dedup"
    }

    fn also_called(&self) -> &'static [&'static str] {
        &["deduplication", "distinct", "unique"]
    }

    fn doc(&self) -> &'static str {
        "The first event of an id passes; later ones within the window are dropped and counted."
    }

    fn results(&self) -> Option<&'static str> {
        None
    }

    fn keys(&self) -> Vec<KeySpec> {
        KEYS.to_vec()
    }

    fn read(&self, section: &Section<'_>, input: Option<&Input>) -> Option<Arc<dyn BoltOptions>> {
        Some(Arc::new(read(section, input)?))
    }

    fn output(&self, node: &str, input: Option<&Input>, _: Option<&dyn BoltOptions>) -> Output {
        input.map_or(Output::Unknown, |input| Output::Events(input.passed_on_by(node)))
    }
}

impl BoltOptions for Options {
    fn kind(&self) -> &'static dyn BoltKind {
        &DedupKind
    }

    fn build(
        &self,
        input: &Schema,
        _: &Calendar,
        partitions: u16,
        seed: [u8; 16],
    ) -> Arc<dyn Bolt> {
        Arc::new(Dedup::new(self.clone(), input.clone(), partitions, seed))
    }

    fn shape(&self) -> Vec<(String, String)> {
        Options::shape(self)
    }

    fn partitioned_by(&self) -> Wanted<'_> {
        Wanted::Key
    }

    fn passes_events_on(&self) -> bool {
        true
    }

    fn drops_only_repeated(&self) -> bool {
        true
    }

    fn identity(&self, event: &Event, schema: &Schema, seed: [u8; 16]) -> Option<Identity> {
        let buckets = Buckets::new(self);
        Some(Identity {
            fingerprint: fingerprint(&seed, &event.key(schema), &event.id(schema)),
            bucket: buckets.number(event.entered),
            reach: buckets.live.unsigned_abs(),
            bucket_ms: buckets.length_ms,
        })
    }

    fn renamed(&self, _: &str) -> Result<Option<String>, String> {
        let window = duration_text(self.window_ms);
        Ok(Some(format!(
            "the ids of events, each within the key that it was sent with, for at least {window}: where \
             that is the member, a retry of an old event has to say the old name"
        )))
    }

    fn stays(&self, _: Option<&str>) -> Option<String> {
        let window = duration_text(self.window_ms);
        Some(format!(
            "keyed fingerprints of event ids, and no names, for at least {window}: a retry of an old \
             event does not count again so long"
        ))
    }
}

/// The keys.
const KEYS: &[KeySpec] = &[KeySpec {
    name: "window",
    kind: Kind::Duration,
    default: Default::Required,
    doc: "For how long an id is remembered at least, from its arrival; `\"1s\"` to `\"365d\"`. \
          Each id takes 16 bytes of Redis so long.",
}];

fn read(section: &Section<'_>, input: Option<&Input>) -> Option<Options> {
    let window_ms = section.duration_within("window", SECOND_MS..=365 * DAY_MS);
    let has_identity = input.is_none_or(|input| input.schema.id.is_some());
    if let (false, Some(input)) = (has_identity, input) {
        let message = format!("the events of \"{}\" have no id to know them again by", input.node);
        let help = "name the field that is the identity in the source: id = \"…\"";
        section.sheet.fault(Fault::new(message, section.span("from")).help(help));
        return None;
    }
    Some(Options { window_ms: window_ms? })
}
