//! Files of each form, sound and broken.

use super::*;
use std::sync::Arc;
use tallyd_event::{Field, FieldType, Schema, decode::TimeLimits};

const LIMITS: TimeLimits = TimeLimits { max_ahead_ms: 1000, max_behind_ms: None };

fn schema() -> Schema {
    let optional = |name: &str, kind| Field { optional: true, ..Field::new(name, kind) };
    let fields = vec![
        Field::new("id", FieldType::String),
        optional("user", FieldType::String),
        optional("n", FieldType::Int),
        optional("right", FieldType::Bool),
        optional("at", FieldType::Time),
    ];
    Schema { fields, id: Some(0), key: None, time: Some(4) }
}

fn open(text: &[u8], format: Format) -> Result<Rows, OpenError> {
    let mapping = Mapping::new(&schema(), &[("user".into(), "uid".into())], &[]).unwrap();
    let source = Source { schema: Arc::new(schema()), limits: LIMITS };
    let input = crate::decompressed(io::Cursor::new(text.to_vec())).unwrap();
    Rows::new(input, format, source, mapping)
}

fn rows(text: impl AsRef<[u8]>, format: Format) -> Vec<String> {
    let shown = |row: Result<Fields, LineError>| match row {
        Ok(fields) => {
            let pairs: Vec<String> = fields.iter().map(|(f, v)| format!("{f}={v}")).collect();
            pairs.join(" ")
        }
        Err(error) => error.to_string(),
    };
    open(text.as_ref(), format).unwrap().map(shown).collect()
}

const CSV: Format = Format::Csv { delimiter: b',' };

#[test]
fn csv_records_become_fields() {
    let text =
        b"\xef\xbb\xbfid,x,uid\na1,\"1,\n2\",u1\na2,,\n,z,\na3,b\na\xff,1,u\n\"a\"\"4\",1,u4\n";
    let expected = [
        "id=a1 user=u1",
        "id=a2",
        "line 5: field \"id\" is missing",
        "line 6: 2 columns (expected 3)",
        "line 7: not UTF-8",
        "id=a\"4 user=u4",
    ];
    assert_eq!(rows(text, CSV), expected);
}

#[test]
fn cells_are_held_against_the_schema() {
    let text = "id,uid,n,right,at\na,u,4.0,True,2026-01-01 00:00:00+00\nb,,,,\nc,u,4.5,,\nd,u,,yes,\ne,u,,,2026-01-01 00:00:00\nf,u,,,1767225600\ng,u,,,4102444800000\n";
    let rows = rows(text, CSV);
    assert_eq!(rows[..2], ["id=a user=u n=4 right=1 at=1767225600000", "id=b"]);
    let reasons = [
        "line 4: field \"n\": \"4.5\" is not an int: it has a fraction",
        "line 5: field \"right\": \"yes\" is not a bool",
        "line 6: field \"at\": \"2026-01-01 00:00:00\" has no offset",
        "line 7: field \"at\": 1767225600 looks like seconds",
        "line 8: its time, 2100-01-01T00:00:00Z, is ",
    ];
    for (row, reason) in rows[2..].iter().zip(reasons) {
        assert!(row.starts_with(reason), "{row}");
    }
    assert_eq!(rows.len(), 7);
}

#[test]
fn other_delimiters_are_read_and_named() {
    for (delimiter, name, option) in
        [(";", "\";\"", "';'"), ("\t", "tabs", "tab"), ("|", "\"|\"", "'|'")]
    {
        let text = ["id,uid\na,u".replace(',', delimiter), "\n".to_owned()].concat();
        let format = Format::Csv { delimiter: delimiter.as_bytes()[0] };
        assert_eq!(rows(&text, format), ["id=a user=u"]);
        let error = open(text.as_bytes(), CSV).map(|_| ()).unwrap_err().to_string();
        let header = format!("\"id{delimiter}uid\"");
        assert_eq!(
            error,
            format!(
                "the header is one column, {header}: its columns are separated by {name}; add --delimiter {option}"
            )
        );
    }
    let utf16: Vec<u8> = "\u{feff}id".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(open(&utf16, CSV).map(|_| ()).unwrap_err().to_string().starts_with("it is UTF-16"));
}

#[test]
fn json_lines_become_fields() {
    let text = "{\"id\":\"a1\",\"uid\":7,\"x\":[]}\n\n{\"id\":null,\"uid\":true}\n{\"id\":\"\"}\n[]\n{\"id\":{\"a\":1}}\r\n{\"id\":7.0}\n{\"id\":\"a\",\"uid\":\"u\",\"uid\":\"v\"}\n{\"id\":170141183460469231731687303715884105001}\n{\"id\":1.0";
    let expected = [
        "id=a1 user=7",
        "line 3: field \"user\": \"true\" is not a string",
        "line 4: field \"id\" is missing",
        "line 5: a list is not an event (a map of fields)",
        "line 6: field \"id\": a map is not a string",
        "id=7",
        "line 8: field \"user\" is given twice",
        "id=170141183460469231731687303715884105001",
        "line 10: it is cut short at column 9 (EOF while parsing an object)",
    ];
    assert_eq!(rows(text, Format::Json), expected);
}

#[test]
fn json_may_be_an_array_or_stand_on_several_lines() {
    let pretty = "{\n  \"id\": \"a\",\n  \"x\": [\n    {}\n  ]\n}";
    let line = "{\"id\":\"b\"}";
    let bad = "{\"id\":NaN}";
    let reason = "NaN is not JSON: write null, or leave the field out";
    let cases = [
        (
            format!("\u{feff} [{pretty},\n{bad}, {line}]\n"),
            vec!["id=a".to_owned(), format!("line 7: {reason}"), "id=b".to_owned()],
        ),
        (
            format!("{pretty}\n{line}\n{bad}\n\n{pretty}"),
            vec![
                "id=a".to_owned(),
                "id=b".to_owned(),
                format!("line 8: {reason}"),
                "id=a".to_owned(),
            ],
        ),
        (format!("\n[\n{line}"), vec!["line 3: it is cut short: the array has no end".to_owned()]),
        (
            format!("[{line},\n{line}] {line}"),
            vec![
                "id=b".to_owned(),
                "id=b".to_owned(),
                "line 2: text follows the end of the array".to_owned(),
            ],
        ),
        (
            format!("{{\n\"id\":\n{line}\n"),
            vec![
                "line 1: it is cut short at line 2 of it, column 5 (EOF while parsing a value)"
                    .to_owned(),
                "id=b".to_owned(),
            ],
        ),
        ("[]".to_owned(), vec![]),
        (" \n ".to_owned(), vec![]),
    ];
    for (text, expected) in cases {
        assert_eq!(rows(&text, Format::Json), expected, "{text}");
    }
}

#[test]
fn a_member_that_is_too_long_is_named_and_passed_over() {
    let long = format!("{{\"id\":\"{}\"}}", "x".repeat(5 << 20));
    let reason = format!("line 2: {} bytes long (at most 4194304)", long.len());
    let line = "{\"id\":\"b\"}";
    assert_eq!(rows(format!("[{line},\n{long},{line}]"), Format::Json), ["id=b", &reason, "id=b"]);
    let rows = rows(format!("{line}\n{long}\n{line}"), Format::Json);
    assert_eq!((rows.len(), rows[0].as_str(), rows[2].as_str()), (3, "id=b", "id=b"));
    assert!(rows[1].starts_with("line 2: "), "{}", rows[1]);
}

#[test]
fn a_file_that_is_cut_short_says_so() {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let lines: String = (0..1000).map(|n| format!("{n},{}\n", n * 7919)).collect();
    io::Write::write_all(&mut gz, format!("id,uid\n{lines}").as_bytes()).unwrap();
    let bytes = gz.finish().unwrap();
    let rows = rows(&bytes[..bytes.len() / 2], CSV);
    assert!(rows.last().unwrap().contains("can't read on"), "{:?}", rows.last());
    assert_eq!(rows.iter().filter(|row| row.starts_with("line")).count(), 1);
}

/// A file and a `batch` with the same text give the same events and the same reasons.
#[test]
fn send_and_batch_agree() {
    let members = [
        r#"{"id":7.0}"#,
        r#"{"id":{"x":1}}"#,
        r#"{"id":[1]}"#,
        r#"{"id":"a","id":"b"}"#,
        r#"{"id":"a","n":1E+3,"right":"TRUE","at":1767225600000.9}"#,
        r#"{"id":"a","right":""}"#,
        r#"{"id":"a","at":1767225600000000}"#,
        r#"{"id":true}"#,
        r#"{"id":"\ud800"}"#,
        r#"{"id":"a","n":Infinity}"#,
        "7",
    ];
    let source = Source { schema: Arc::new(schema()), limits: LIMITS };
    for text in [members.join("\n"), format!("[{}]", members.join(","))] {
        let mapping = Mapping::new(&schema(), &[], &[]).unwrap();
        let input = crate::decompressed(io::Cursor::new(text.clone().into_bytes())).unwrap();
        let mut sent: Vec<String> = Vec::new();
        let mut refused = Vec::new();
        for row in Rows::new(input, Format::Json, source.clone(), mapping).unwrap() {
            match row {
                Ok(fields) => sent.push(format!("{fields:?}")),
                Err(error) => refused.push(error.reason),
            }
        }
        let entry = [(b"batch".to_vec(), text.into_bytes())];
        let now = tallyd_event::EntryId { ms: 1_767_225_600_000, seq: 0 };
        let decoded = decode::decode(&schema(), LIMITS, now, &entry);
        let reasons: Vec<String> = decoded
            .rejects
            .iter()
            .map(|reject| {
                // A batch says which of its events it was, a file which line.
                let place = format!("event {}: ", reject.index + 1);
                let reason = reject.reason.to_string();
                let reason = reason.trim_start_matches("batch: ");
                reason.trim_start_matches(&place).to_owned()
            })
            .collect();
        assert_eq!(refused, reasons);
        let named = |event: &tallyd_event::Event| {
            let fields = decode::to_fields(&schema(), event).into_iter();
            let text = |bytes: Vec<u8>| SmolStr::new(String::from_utf8(bytes).unwrap());
            let fields: Fields = fields.map(|(name, value)| (text(name), text(value))).collect();
            format!("{fields:?}")
        };
        assert_eq!(sent, decoded.events.iter().map(named).collect::<Vec<_>>());
        assert_eq!(sent.len(), 2);
    }
}
