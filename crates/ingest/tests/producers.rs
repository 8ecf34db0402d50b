//! What real clients and encoders write, and what becomes of it: the recorded bytes of
//! `tests/producers/recorded.jsonl` are read as they would be in use, and `docs/producers.md` says
//! the same. With `TALLYD_WRITE_DOCS=1` the page is written again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde::Deserialize;
use std::{fmt::Write, fs, io::Cursor, path::Path, sync::Arc};
use tallyd_event::{
    EntryId, Field, FieldType, Schema,
    decode::{self, Decoded, TimeLimits},
};
use tallyd_ingest::{Format, Mapping, Rows, Source};

/// One value or text that was recorded.
#[derive(Deserialize)]
struct Recorded {
    /// The client or encoder, with its version.
    by: String,
    /// What was given to it.
    code: String,
    /// What was recorded: a value (`messagepack`, `json`, `field`), a `batch`, or a file.
    form: String,
    /// The type of the field that it is for.
    r#type: String,
    text: Option<String>,
    hex: Option<String>,
}

impl Recorded {
    fn bytes(&self) -> Vec<u8> {
        match (&self.text, &self.hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(hex)) => (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap())
                .collect(),
            _ => panic!("{}: expected text or hex", self.by),
        }
    }

    fn schema(&self) -> Schema {
        let kinds =
            [FieldType::Bool, FieldType::Float, FieldType::Int, FieldType::String, FieldType::Time];
        let kind = kinds.into_iter().find(|kind| kind.name() == self.r#type).unwrap();
        let value = Field { optional: true, ..Field::new("v", kind) };
        Schema {
            fields: vec![Field::new("id", FieldType::String), value],
            id: Some(0),
            ..Schema::default()
        }
    }

    /// For each event the value, or the reason why it is refused.
    fn outcome(&self) -> Vec<String> {
        let bytes = self.bytes();
        let id = (b"id".to_vec(), b"a".to_vec());
        match self.form.as_str() {
            "field" => self.decoded(&[id, (b"v".to_vec(), bytes)]),
            "json" => {
                self.decoded(&batch([b"{\"id\":\"a\",\"v\":", bytes.as_slice(), b"}"].concat()))
            }
            "messagepack" => {
                self.decoded(&batch([b"\x82\xa2id\xa1a\xa1v", bytes.as_slice()].concat()))
            }
            "batch" => self.decoded(&batch(bytes)),
            "csv" => self.rows(bytes, Format::Csv { delimiter: b',' }),
            "csv;" => self.rows(bytes, Format::Csv { delimiter: b';' }),
            "jsonl" => self.rows(bytes, Format::Json),
            form => panic!("{form} is no form"),
        }
    }

    fn decoded(&self, entry: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
        let schema = self.schema();
        let now = EntryId { ms: 1_800_000_000_000, seq: 0 };
        let Decoded { events, rejects } = decode::decode(&schema, TimeLimits::NONE, now, entry);
        let value = |event: &tallyd_event::Event| shown(event.value(1).to_text().as_str());
        let values = events.iter().map(value);
        values.chain(rejects.iter().map(|reject| format!("refused: {}", reject.reason))).collect()
    }

    fn rows(&self, bytes: Vec<u8>, format: Format) -> Vec<String> {
        let schema = Arc::new(self.schema());
        let mapping = Mapping::new(&schema, &[], &[]).unwrap();
        let source = Source { schema, limits: TimeLimits::NONE };
        let row = |row: Result<tallyd_ingest::Fields, _>| match row {
            Ok(fields) => {
                shown(fields.iter().find(|(name, _)| name == "v").map_or("", |(_, value)| value))
            }
            Err(error) => format!("refused: {error}"),
        };
        Rows::new(Box::new(Cursor::new(bytes)), format, source, mapping).unwrap().map(row).collect()
    }

    /// What was written, as text or as hex.
    fn written(&self) -> String {
        let text = self.text.as_ref().map(|text| text.replace('\n', "␤").replace('\t', "␉"));
        let text = text.or_else(|| self.hex.clone()).unwrap_or_default();
        let cut: String = text.chars().take(72).collect();
        match (cut.len() < text.len(), text.is_empty()) {
            (true, _) => format!("`{cut}…`"),
            (_, true) => "nothing".to_owned(),
            _ => format!("`{cut}`"),
        }
    }
}

fn batch(bytes: Vec<u8>) -> Vec<(Vec<u8>, Vec<u8>)> {
    vec![(b"batch".to_vec(), bytes)]
}

fn shown(value: &str) -> String {
    if value.is_empty() { "left out".to_owned() } else { format!("`{value}`") }
}

const HEAD: &str = "# What producers write

What real clients and encoders write, and what tallyd makes of it. Each row is a recording: \
`tests/producers/record.sh` installs the packages at these versions and records their bytes, \
and a test reads them and compares with this page.

- **From** is what the client or encoder was given, and **writes** what came out: text, or \
MessagePack in hex. `␤` is the end of a line.
- **As** is the type of the field that the value is for.
- **Becomes** is the value that tallyd counts. *Left out* is a missing value; a refused value is a \
dead letter, or a row that `tallyd send` does not send.

A text is taken as it stands: where an encoder writes an id as `7.0` into a CSV file, the id is \
`7.0`. In JSON and MessagePack, where numbers can be told from texts, it is `7`.
";

fn page(recorded: &[Recorded]) -> String {
    let mut page = HEAD.to_owned();
    let mut by = "";
    for record in recorded {
        if record.by != by {
            by = &record.by;
            let head = "| from | writes | as | becomes |\n| --- | --- | --- | --- |";
            write!(page, "\n## {by}\n\n{head}\n").unwrap();
        }
        let outcome = record.outcome().join("; ");
        let cells =
            [format!("`{}`", record.code), record.written(), record.r#type.clone(), outcome];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        writeln!(page, "| {} |", cells.join(" | ")).unwrap();
    }
    page
}

#[test]
fn the_page_says_what_becomes_of_what_was_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("tests/producers/recorded.jsonl")).unwrap();
    let mut recorded: Vec<Recorded> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(recorded.len() > 150, "{} recordings", recorded.len());
    recorded.sort_by(|a, b| a.by.cmp(&b.by));
    let (page, path) = (page(&recorded), root.join("docs/producers.md"));
    if std::env::var_os("TALLYD_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    for (now, said) in page.lines().zip(written.lines()) {
        assert_eq!(now, said, "docs/producers.md");
    }
    assert_eq!(page.lines().count(), written.lines().count());
}
