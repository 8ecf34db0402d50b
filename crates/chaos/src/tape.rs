//! What the producers meant to send, and what the source stream came to hold.
//!
//! A producer whose reply was lost sends again, and can't know whether the stream now holds one
//! copy or two. So the ledger is not fed by producers but from the stream: the tape reads every
//! entry of it in order, looks up by its content what it was meant to be, and writes that into the
//! ledger. A consumer group of its own holds the stream's trimming back until it has. Afterwards
//! both sides are compared: what was meant is there, what was acknowledged is there under the id
//! that the producer was told, and nothing else is.

use crate::{ChaosError, client::Client, edit::Entered};
use redis::{Pipeline, Value, from_redis_value};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tallyd_event::EntryId;
use tallyd_learners::{Ledger, Sending};
use tallyd_runtime::{EDIT_FIELD, PROBE_FIELD};
use tokio::time::sleep;
use xxhash_rust::xxh3::Xxh3;

/// The source stream of the topology under test.
pub const STREAM: &str = "answers";
/// The tape's consumer group on it.
const GROUP: &str = "tape";
/// How many entries are read at once.
const CHUNK: usize = 500;
/// How long it waits where there was nothing new, or no answer.
const PAUSE: Duration = Duration::from_millis(50);

/// What makes two entries the same: their fields and values.
type Digest = u128;

/// What the producers know.
#[derive(Default)]
struct Producers {
    /// How many entries that was.
    intended: usize,
    /// Everything that was meant to be sent, without its fields.
    meant: HashMap<Digest, Sending>,
    /// The ids that were told for it.
    acknowledged: BTreeMap<EntryId, Digest>,
    /// The ids of the edits that were asked for, and whether the server has said that it took each.
    edits: BTreeMap<String, bool>,
}

/// The producers' own book, which all of them write.
#[derive(Default)]
pub struct Book(Mutex<Producers>);

impl Book {
    /// Notes an entry before it is sent for the first time.
    pub fn intend(&self, sending: &Sending) -> u128 {
        let fields = sending.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
        let digest = digest(fields);
        let meaning = Sending { fields: Vec::new(), items: sending.items.clone() };
        let mut book = self.open();
        book.intended += 1;
        book.meant.insert(digest, meaning);
        digest
    }

    /// Notes the id that Redis gave an entry.
    pub fn acknowledge(&self, digest: u128, id: EntryId) {
        self.open().acknowledged.insert(id, digest);
    }

    /// Notes an edit before it is sent.
    pub fn ask(&self, edit: &str) {
        self.open().edits.insert(edit.to_owned(), false);
    }

    /// Notes that the server took an edit.
    pub fn take(&self, edit: &str) {
        self.open().edits.insert(edit.to_owned(), true);
    }

    /// Notes that an edit was refused: it never comes to the source.
    pub fn refuse(&self, edit: &str) {
        self.open().edits.insert(edit.to_owned(), false);
    }

    fn open(&self) -> MutexGuard<'_, Producers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the stream held.
pub struct Tape {
    client: Client,
    book: Arc<Book>,
    /// The ledger of every entry, in order.
    pub ledger: Ledger,
    last: EntryId,
    entries: BTreeMap<EntryId, Digest>,
    /// The ids of the edits that stood in it.
    edits: HashSet<String>,
    /// One line for each thing that must not be.
    pub faults: Vec<String>,
}

impl Tape {
    /// A tape at the stream's beginning, with its group made.
    ///
    /// # Errors
    /// Where the server can't be reached.
    pub async fn begin(
        mut client: Client,
        book: Arc<Book>,
        ledger: Ledger,
    ) -> Result<Self, ChaosError> {
        let mut make = Pipeline::new();
        make.cmd("XGROUP").arg("CREATE").arg(STREAM).arg(GROUP).arg("0").arg("MKSTREAM");
        client.all(&make).await?;
        let (last, entries, edits) = (EntryId::ZERO, BTreeMap::new(), HashSet::new());
        Ok(Self { client, book, ledger, last, entries, edits, faults: Vec::new() })
    }

    /// Reads until told to stop, and then to the end.
    ///
    /// # Errors
    /// Where an entry can't be read.
    pub async fn run(mut self, stop: Arc<AtomicBool>) -> Result<Self, ChaosError> {
        loop {
            let last_round = stop.load(Ordering::Relaxed);
            // Whatever failed is tried again: reading changes nothing, and setting the group twice
            // is as good as once.
            let read = match self.read().await {
                Ok(replies) => self.record(replies)?,
                Err(_) => {
                    sleep(PAUSE).await;
                    continue;
                }
            };
            if read == 0 && last_round {
                self.compare();
                return Ok(self);
            }
            if read < CHUNK {
                sleep(PAUSE).await;
            }
        }
    }

    /// Lets go of what is recorded, and reads on.
    async fn read(&mut self) -> Result<Value, tallyd_runtime::StoreError> {
        let mut ask = Pipeline::new();
        ask.cmd("XGROUP").arg("SETID").arg(STREAM).arg(GROUP).arg(self.last.to_string());
        let from = format!("({}", self.last);
        ask.cmd("XRANGE").arg(STREAM).arg(from).arg("+").arg("COUNT").arg(CHUNK);
        Ok(self.client.all(&ask).await?.pop().unwrap_or(Value::Nil))
    }

    fn record(&mut self, range: Value) -> Result<usize, ChaosError> {
        let entries: Vec<(String, Vec<Vec<u8>>)> = from_redis_value(range)?;
        let count = entries.len();
        for (id, fields) in entries {
            let id: EntryId = id.parse().map_err(tallyd_harness::HarnessError::from)?;
            let (pairs, _) = fields.as_chunks::<2>();
            self.last = id;
            if matches!(pairs, [[name, _]] if name == PROBE_FIELD.as_bytes()) {
                // Workers send these, and they count nowhere.
                continue;
            }
            if let [[name, text]] = pairs
                && name == EDIT_FIELD.as_bytes()
            {
                self.edit(id, text);
                continue;
            }
            let digest =
                digest(pairs.iter().map(|[name, value]| (name.as_slice(), value.as_slice())));
            match self.book.open().meant.get(&digest) {
                Some(sending) => self.ledger.record(sending, id.time()),
                None => self.faults.push(format!("entry {id}: nobody sent it")),
            }
            self.entries.insert(id, digest);
        }
        Ok(count)
    }

    /// Does an edit to the ledger, in its place among the entries.
    fn edit(&mut self, entry: EntryId, text: &[u8]) {
        let edit = serde_json::from_slice::<Entered>(text).ok();
        let asked = edit.filter(|edit| self.book.open().edits.contains_key(&edit.id));
        let Some(edit) = asked else {
            self.faults.push(format!("entry {entry}: an edit that nobody asked for"));
            return;
        };
        let id = edit.id.clone();
        if !self.edits.insert(id.clone()) {
            self.faults.push(format!("entry {entry}: edit {id} once more"));
        }
        if !edit.apply(&mut self.ledger) {
            self.faults.push(format!("entry {entry}: edit {id} is none that was asked for"));
        }
    }

    /// The stream against the producers' book.
    fn compare(&mut self) {
        let book = self.book.open();
        for (id, digest) in &book.acknowledged {
            if self.entries.get(id) != Some(digest) {
                self.faults
                    .push(format!("entry {id}: acknowledged to its producer, and not there"));
            }
        }
        for (edit, _) in
            book.edits.iter().filter(|(id, taken)| **taken && !self.edits.contains(*id))
        {
            self.faults.push(format!("edit {edit}: taken by the server, and not in the source"));
        }
        let there: HashSet<&Digest> = self.entries.values().collect();
        let missing = book.meant.keys().filter(|digest| !there.contains(digest)).count();
        if missing > 0 {
            self.faults.push(format!("{missing} entries were never sent"));
        }
    }

    /// How many entries the stream held.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// How many edits it held.
    #[must_use]
    pub fn edits(&self) -> usize {
        self.edits.len()
    }

    /// How many of them stand there once more, sent again by a producer that had no answer.
    #[must_use]
    pub fn copies(&self) -> usize {
        self.entries.len().saturating_sub(self.book.open().intended)
    }
}

fn digest<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Digest {
    let mut hasher = Xxh3::new();
    for (name, value) in fields {
        for part in [name, value] {
            hasher.update(&part.len().to_be_bytes());
            hasher.update(part);
        }
    }
    hasher.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallyd_harness::producer;
    use tallyd_learners::{Faults, Simulation, SimulationOptions};

    fn tape(book: &Arc<Book>) -> Tape {
        let topology = crate::topology::topology().unwrap();
        Tape {
            client: Client::new("", "", Duration::ZERO),
            book: Arc::clone(book),
            ledger: producer::ledger(&topology).unwrap(),
            last: EntryId::ZERO,
            entries: BTreeMap::new(),
            edits: HashSet::new(),
            faults: Vec::new(),
        }
    }

    fn range(sendings: &[(&str, &Sending)]) -> Value {
        let text = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let entry = |(id, sending): &(&str, &Sending)| {
            let fields = sending.fields.iter();
            let fields = fields.flat_map(|(name, value)| [text(name.as_bytes()), text(value)]);
            Value::Array(vec![text(id.as_bytes()), Value::Array(fields.collect())])
        };
        Value::Array(sendings.iter().map(entry).collect())
    }

    #[test]
    fn an_edit_is_done_to_the_ledger_in_its_place_and_must_be_there_once() {
        let book = Arc::new(Book::default());
        for id in ["e1", "e2", "e3"] {
            book.ask(id);
        }
        book.take("e1");
        book.take("e2");
        let edit = |id: &str, what: &str| {
            let text = format!(r#"{{"id":"{id}","do":"{what}","field":"user","member":"u1"}}"#);
            Sending { fields: vec![(EDIT_FIELD, text.into_bytes())], items: Vec::new() }
        };
        let (hide, unhide) = (edit("e1", "hide"), edit("e2", "unhide"));
        let mut whole = tape(&book);
        whole.record(range(&[("5-0", &hide)])).unwrap();
        assert!(whole.ledger.is_hidden("u1"));
        whole.record(range(&[("6-0", &unhide)])).unwrap();
        whole.compare();
        assert!(!whole.ledger.is_hidden("u1"));
        assert_eq!((whole.faults.as_slice(), whole.edits(), whole.entries()), (&[][..], 2, 0));

        let mut torn = tape(&book);
        torn.record(range(&[
            ("5-0", &hide),
            ("5-1", &hide),
            ("6-0", &edit("x", "hide")),
            ("7-0", &edit("e3", "burn")),
        ]))
        .unwrap();
        torn.compare();
        let faults = [
            "entry 5-1: edit e1 once more",
            "entry 6-0: an edit that nobody asked for",
            "entry 7-0: edit e3 is none that was asked for",
            "edit e2: taken by the server, and not in the source",
        ];
        assert_eq!(torn.faults, faults);
    }

    #[test]
    fn a_copy_counts_as_a_duplicate_and_a_stranger_or_a_loss_is_a_fault() {
        // Without answers that are sent again on purpose.
        let faults = Faults { retry: 0.0, ..Faults::default() };
        let options = SimulationOptions { faults, ..SimulationOptions::default() };
        let mut simulation = Simulation::new(options).unwrap();
        let mut next = || loop {
            let sending = simulation.send(1_767_225_600_000);
            if matches!(sending.items.as_slice(), [tallyd_learners::Item::Answer(_)]) {
                return sending;
            }
        };
        let (first, second, stranger) = (next(), next(), next());
        let book = Arc::new(Book::default());
        let of_first = book.intend(&first);
        book.intend(&second);
        book.acknowledge(of_first, EntryId { ms: 5, seq: 1 });

        let probe = Sending { fields: vec![(PROBE_FIELD, "w".into())], items: Vec::new() };
        let mut whole = tape(&book);
        whole
            .record(range(&[("5-0", &first), ("5-1", &first), ("5-2", &probe), ("6-0", &second)]))
            .unwrap();
        whole.compare();
        assert_eq!(whole.faults, [""; 0]);
        assert_eq!((whole.entries(), whole.copies()), (3, 1));
        assert_eq!((whole.ledger.distinct, whole.ledger.duplicates), (2, 1));

        let mut torn = tape(&book);
        torn.record(range(&[("5-0", &first), ("6-0", &stranger)])).unwrap();
        torn.compare();
        assert_eq!(
            torn.faults,
            [
                "entry 6-0: nobody sent it",
                "entry 5-1: acknowledged to its producer, and not there",
                "1 entries were never sent",
            ]
        );
    }
}
