//! Entries and batches, sound and broken.

use super::*;
use crate::FieldType;

mod written;

const NOW: EntryId = EntryId { ms: 1_767_225_600_000, seq: 3 };

fn schema() -> Schema {
    let mut ms = Field::new("ms", FieldType::Int);
    (ms.min, ms.max) = (Some(0.0), Some(1000.0));
    let mut class = Field::new("class", FieldType::String);
    class.optional = true;
    let fields = vec![
        Field::new("id", FieldType::String),
        ms,
        class,
        Field::new("right", FieldType::Bool),
        Field::new("at", FieldType::Time),
    ];
    Schema { fields, id: Some(0), key: None, time: Some(4) }
}

fn entry(text: &str) -> Fields {
    let words: Vec<&str> = text.split(' ').collect();
    words.chunks(2).map(|pair| (pair[0].into(), pair[1].into())).collect()
}

const LIMITS: TimeLimits =
    TimeLimits { max_ahead_ms: 1000, max_behind_ms: Some(2_000_000_000_000) };

fn decoded(entry: &[(Vec<u8>, Vec<u8>)]) -> Decoded {
    decode(&schema(), LIMITS, NOW, entry)
}

#[test]
fn a_flat_entry_is_one_event() {
    let decoded = decoded(&entry("id a1 ms 5 right 1.0 at 1767225600000 unknown x"));
    assert_eq!(decoded.rejects, []);
    let event = &decoded.events[0];
    let values = [
        Value::Str("a1".into()),
        Value::Int(5),
        Value::Null,
        Value::Bool(true),
        Value::Int(1_767_225_600_000),
    ];
    assert_eq!(event.values, values);
    assert_eq!((event.id(&schema()).as_str(), event.key(&schema()).as_str()), ("a1", "a1"));
}

#[test]
fn a_flat_entry_that_does_not_fit_says_why() {
    let cases = [
        ("ms 5 right 1 at 0", "field \"id\" is missing"),
        ("id  ms 5 right 1 at 0", "field \"id\" is missing"),
        ("id a id b ms 5 right 1 at 0", "field \"id\" is given twice"),
        ("id a ms x right 1 at 0", "field \"ms\": \"x\" is not an int"),
        ("id a ms -1 right 1 at 0", "field \"ms\": -1 is below the minimum 0"),
        ("id a ms 1001 right 1 at 0", "field \"ms\": 1001 is above the maximum 1000"),
        (
            "id a ms 5 right 1 at 1767225602000",
            "its time, 2026-01-01T00:00:02Z, is 2s after its arrival (max_ahead is 1s): look at the producer's clock",
        ),
        (
            "id a ms 5 right 1 at 9999-12-31T23:59:59Z",
            "its time, 9999-12-31T23:59:59Z, is 2912442d after its arrival (max_ahead is 1s): look at the producer's clock",
        ),
        (
            "id a ms 5 right 1 at 1767225600",
            "field \"at\": 1767225600 looks like seconds (send ms: multiply it by 1000, or say unit = \"s\" at the field)",
        ),
    ];
    for (text, reason) in cases {
        let decoded = decoded(&entry(text));
        assert_eq!(decoded.events, [], "{text}");
        assert_eq!(decoded.rejects[0].reason.to_string(), reason, "{text}");
        assert_eq!(decoded.rejects[0].fields, entry(text), "{text}");
    }
}

#[test]
fn a_batch_loses_only_its_bad_events() {
    let lines = "{\"id\":\"a\",\"ms\":5,\"right\":true,\"at\":0}\n\n{\"id\":\"b\",\"ms\":-5,\"right\":1,\"at\":0}\nnonsense\n{\"id\":7,\"ms\":\"5\",\"right\":2,\"at\":0}";
    let decoded = decoded(&[(b"batch".to_vec(), lines.into())]);
    assert_eq!(decoded.events.len(), 1);
    let reasons: Vec<String> =
        decoded.rejects.iter().map(|r| format!("{} {}", r.index, r.reason)).collect();
    let expected = [
        "1 field \"ms\": -5 is below the minimum 0",
        "2 batch: event 3: it is not JSON at column 2: expected ident",
        "3 field \"right\": \"2\" is not a bool (1, 0, true or false)",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn a_batch_may_be_messagepack_or_a_json_array() {
    let event = [("id", "a"), ("ms", "5"), ("right", "0"), ("at", "0")];
    let map: std::collections::BTreeMap<_, _> = event.into();
    let packed = rmp_serde::to_vec(&[&map, &map]).unwrap();
    let json = serde_json::to_vec(&[&map, &map]).unwrap();
    for bytes in [packed.clone(), json] {
        let decoded = decoded(&[(b"batch".to_vec(), bytes)]);
        assert_eq!((decoded.events.len(), decoded.rejects.len()), (2, 0));
        assert_eq!(decoded.events[1].index, 1);
    }
}

/// Wherever a batch is cut, the events before the cut count, and the rest is one dead letter, which
/// sent again is one again.
#[test]
fn of_a_batch_that_is_cut_short_the_whole_events_count() {
    let event = [("id", "a"), ("ms", "5"), ("right", "0"), ("at", "0")];
    let map: std::collections::BTreeMap<_, _> = event.into();
    let lengths = [rmp_serde::to_vec(&map).unwrap().len(), serde_json::to_vec(&map).unwrap().len()];
    let (packed, json) = (rmp_serde::to_vec(&[&map, &map]), serde_json::to_vec(&[&map, &map]));
    for (bytes, length) in [packed.unwrap(), json.unwrap()].into_iter().zip(lengths) {
        for cut in 1..bytes.len() {
            let read = decoded(&[(b"batch".to_vec(), bytes[..cut].to_vec())]);
            // A bracket or marker before the first, and a comma between those of JSON.
            let second = bytes.len() - usize::from(bytes[0] == b'[');
            let whole = usize::from(cut > length) + usize::from(cut >= second);
            assert_eq!((read.events.len(), read.rejects.len()), (whole, 1), "{cut}");
            let reason = read.rejects[0].reason.to_string();
            assert!(reason.contains("it is cut short"), "{reason}");
            let again = decoded(&read.rejects[0].fields);
            assert_eq!((again.events.len(), again.rejects.len()), (0, 1), "{cut}");
            assert_eq!(again.rejects[0].fields, read.rejects[0].fields);
        }
    }
    let lines = b"{\"id\":\"a\",\"ms\":5,\"right\":1,\"at\":0}\n{\"id\":\"b\",\"ms\"";
    let expected = "1 batch: event 2: it is cut short at column 14 (EOF while parsing an object)";
    assert_eq!(reasons(lines), [expected]);
}

/// Lists in each other, names that are no text, what is no MessagePack: where the other members can
/// be read, only that one is refused.
#[test]
fn what_is_broken_in_messagepack_says_why() {
    let good = b"\x84\xa2id\xa1a\xa2ms\x05\xa5right\xc3\xa2at\x00".as_slice();
    let deep = [b"\x81\xa1x".as_slice(), &b"\x91".repeat(40), b"\x01"].concat();
    let cases: [(&[u8], &str, usize); 5] = [
        (&deep, "1 batch: event 2: lists and maps stand more than 32 deep in each other", 2),
        (
            b"\x81\x01\xa1a",
            "1 field \"id\" is missing (a key of the map is no text: field names are text)",
            2,
        ),
        (b"\x05", "1 batch: event 2: an int is not an event (a map of fields)", 2),
        (b"\x92\xa1a\x05", "1 batch: event 2: a list is not an event (a map of fields)", 2),
        (b"\xc1", "0 batch: byte 23 is no MessagePack", 0),
    ];
    for (bad, reason, events) in cases {
        let batch = [b"\x93".as_slice(), good, bad, good].concat();
        assert_eq!(reasons(&batch), [reason]);
        let whole = decoded(&[(b"batch".to_vec(), batch)]);
        assert_eq!(whole.events.len(), events);
    }
    let claim = [b"\xdd\0\0\x27\x10".as_slice(), good, b"\xdb\xff\xff\xff\xffx"].concat();
    assert_eq!(reasons(&claim), ["1 batch: event 2: it is cut short behind byte 32"]);
}

#[test]
fn a_batch_that_claims_too_much_is_refused() {
    let bomb = [b"\xdd\xff\xff\xff\xff".to_vec(), vec![0x80; 64]].concat();
    let many = "{}\n".repeat(MAX_BATCH_EVENTS + 1).into_bytes();
    for bytes in [bomb, many, Vec::new(), vec![b' '; MAX_BATCH_BYTES + 1], b"[]".to_vec()] {
        let decoded = decoded(&[(b"batch".to_vec(), bytes)]);
        assert_eq!((decoded.events.len(), decoded.rejects.len()), (0, 1));
    }
}

#[test]
fn what_is_rendered_for_a_dead_letter_can_be_sent_again() {
    let first = decoded(&entry("id a1 ms 5 right 1 at 1767225600000"));
    let again = decoded(&to_fields(&schema(), &first.events[0]));
    assert_eq!(again.events, first.events);
}

fn reasons(bytes: &[u8]) -> Vec<String> {
    let decoded = decoded(&[(b"batch".to_vec(), bytes.to_vec())]);
    decoded.rejects.iter().map(|r| format!("{} {}", r.index, r.reason)).collect()
}

#[test]
fn a_bad_member_of_an_array_spoils_only_itself() {
    let good = r#"{"id":"a","ms":5,"right":true,"at":0,"more":{"deep":[1,{"x":2}]}}"#;
    let members = [
        good,
        r#"{"id":"b","ms":[5],"right":true,"at":0}"#,
        r#"{"id":"c","ms":{"n":5},"right":true,"at":0}"#,
        r#"{"id":"d","ms":9223372036854775808,"right":true,"at":0}"#,
        r#"{"id":"e","ms":5.5,"right":true,"at":0}"#,
        r#"{"id":true,"ms":5,"right":true,"at":0}"#,
        "[]",
        "7",
        "null",
        r#"{"id":"f","ms":5,"ms":6,"right":true,"at":0}"#,
        good,
    ];
    let expected = [
        "1 field \"ms\": a list is not an int",
        "2 field \"ms\": a map is not an int",
        "3 field \"ms\": \"9223372036854775808\" is not an int of 64 bits",
        "4 field \"ms\": \"5.5\" is not an int: it has a fraction (round it, or make the field a float)",
        "5 field \"id\": \"true\" is not a string",
        "6 batch: event 7: a list is not an event (a map of fields)",
        "7 batch: event 8: a number is not an event (a map of fields)",
        "8 batch: event 9: nothing is not an event (a map of fields)",
        "9 field \"ms\" is given twice",
    ];
    for json in [format!("[{}]", members.join(",")), members.join("\n")] {
        assert_eq!(reasons(json.as_bytes()), expected, "{json}");
        let decoded = decoded(&[(b"batch".to_vec(), json.into_bytes())]);
        assert_eq!(decoded.events.len(), 2);
        let batch = (b"batch".to_vec(), members[1].as_bytes().to_vec());
        assert_eq!(decoded.rejects[0].fields, [batch]);
    }
}

/// `{"id": "m", "ms": VALUE, "right": true, "at": 0}` in MessagePack.
fn packed(ms: &[u8]) -> Vec<u8> {
    [b"\x84\xa2id\xa1m\xa2ms".as_slice(), ms, b"\xa5right\xc3\xa2at\x00"].concat()
}

#[test]
fn a_bad_member_of_messagepack_spoils_only_itself() {
    let members = [
        packed(b"\x05"),
        packed(b"\x92\x01\x81\x01\x02"),
        packed(b"\xd6\x01abcd"),
        packed(b"\xa2\xff\xfe"),
        packed(b"\xc4\x015"),
        packed(b"\xcb\x7f\xf8\0\0\0\0\0\0"),
        b"\xc0".to_vec(),
        b"\x82\x01\x02\xc3\xc2".to_vec(),
        packed(b"\x06"),
    ];
    let batch = [b"\x99".to_vec(), members.concat()].concat();
    let expected = [
        "1 field \"ms\": a list is not an int",
        "2 field \"ms\": an extension type is not an int",
        "3 field \"ms\": not UTF-8",
        "5 field \"ms\": \"NaN\" is not an int",
        "6 batch: event 7: nothing is not an event (a map of fields)",
        "7 field \"id\" is missing (a key of the map is no text: field names are text)",
    ];
    assert_eq!(reasons(&batch), expected);
    let whole = decoded(&[(b"batch".to_vec(), batch.clone())]);
    assert_eq!(whole.events.iter().map(|e| e.index).collect::<Vec<_>>(), [0, 4, 8]);
    // What is kept of each can be sent again, and is refused for the same reason.
    for reject in whole.rejects {
        let again = decoded(&reject.fields);
        // It is alone then, and has no number.
        let first = reject.reason.to_string().replace(&format!("event {}: ", reject.index + 1), "");
        assert_eq!(again.rejects[0].reason.to_string(), first);
        assert_eq!(again.rejects[0].fields, reject.fields);
    }
    let trailing = [batch, b"\x90".to_vec()].concat();
    assert_eq!(reasons(&trailing), ["0 batch: 1 bytes after its end"]);
}

#[test]
fn what_is_kept_of_a_member_is_never_read_as_more_than_it() {
    let event = r#"{"id":"a","ms":5,"right":1,"at":0}"#;
    let bad = r#"{"id":"b","ms":-1,"right":1,"at":0}"#.replace(',', ",\n");
    let cases = [
        (
            format!("{event}\n[{event}]").into_bytes(),
            "batch: event 2: a list is not an event (a map of fields)",
        ),
        (
            [event.as_bytes(), b"\n\x91\x84"].concat(),
            "batch: event 2: it is not JSON at column 1: expected value",
        ),
        (
            format!("{event}\n7,{event}").into_bytes(),
            "batch: event 2: it is not JSON at column 2: trailing characters",
        ),
        (
            format!("{event}\n[1],{event}").into_bytes(),
            "batch: event 2: it is not JSON at column 4: trailing characters",
        ),
        (
            format!("{event}\n[{event},1e999]").into_bytes(),
            "batch: event 2: a list is not an event (a map of fields)",
        ),
        (format!("[{event},{bad}]").into_bytes(), "field \"ms\": -1 is below the minimum 0"),
    ];
    for (batch, reason) in cases {
        let whole = decoded(&[(b"batch".to_vec(), batch)]);
        assert_eq!((whole.events.len(), whole.rejects.len()), (1, 1));
        assert_eq!(whole.rejects[0].reason.to_string(), reason);
        let again = decoded(&whole.rejects[0].fields);
        assert_eq!((again.events.len(), again.rejects.len()), (0, 1));
    }
}

#[test]
fn what_is_no_batch_says_why() {
    let cases: [(&[u8], &str); 12] = [
        (b"\xdd\xff\xff\xff\xff", "0 batch: 4294967295 events (at most 10000)"),
        (b"\xdd\xff\xff", "0 batch: it is cut short behind byte 3"),
        (
            b"\xc3",
            "0 batch: it begins with byte 0xc3 (expected a MessagePack map or array, or JSON)",
        ),
        (b"\x91\xd4\x72\x40", RECORDS),
        (b"\xd4\x72\x40\x91\xa2id\xa1a", RECORDS),
        (b"147,131,162,105,100,161,97", AS_NUMBERS),
        (br#"{"0":147,"1":131}"#, AS_NUMBERS),
        (br#"{"type":"Buffer","data":[147,131]}"#, AS_NUMBERS),
        (b"[{", "0 batch: it is cut short: the array has no end"),
        (b"\x90", "0 batch: it holds no event"),
        (b" \n", "0 batch: it is empty"),
        (b"hello", "0 batch: it is not JSON at column 1: expected value"),
    ];
    for (bytes, reason) in cases {
        assert_eq!(reasons(bytes), [reason]);
    }
    let twice = (b"batch".to_vec(), b"{}".to_vec());
    let decoded = decoded(&[twice.clone(), twice]);
    assert_eq!(decoded.rejects[0].reason, Reason::Twice("batch".into()));
    assert_eq!(decoded.rejects[0].fields.len(), 2);
}

const RECORDS: &str = "0 batch: it holds msgpackr's records, which only msgpackr reads (pack with \
                       `new Packr({ useRecords: false })`, or the module's own `pack`)";
const AS_NUMBERS: &str = "0 batch: the bytes of a Uint8Array or Buffer were written as numbers \
                          (give the client the bytes: `Buffer.from(bytes)`)";

#[test]
fn deep_nesting_overflows_no_stack() {
    let depth = 100_000;
    let json = format!(
        r#"{{"id":"a","ms":5,"right":1,"at":0,"more":{}{}}}"#,
        "[".repeat(depth),
        "]".repeat(depth)
    );
    for batch in [json.clone(), format!("[{json}]")] {
        assert_eq!(reasons(batch.as_bytes()), Vec::<String>::new());
    }
    let named = json.replace("\"more\"", "\"class\"");
    assert_eq!(reasons(named.as_bytes()), ["0 field \"class\": a list is not a string"]);
    assert_eq!(reasons("{\"a\":".repeat(depth).as_bytes()).len(), 1);
    for nest in [b"\x91".as_slice(), b"\x81\xa1a", b"\xdd\0\0\0\x01", b"\xdf\0\0\0\x01\xa1a"] {
        let bomb = [b"\x91".to_vec(), nest.repeat(depth), b"\xc0".to_vec()].concat();
        assert_eq!(
            reasons(&bomb),
            ["0 batch: lists and maps stand more than 32 deep in each other"]
        );
    }
}

#[test]
fn bounds_hold_to_the_last_digit() {
    let mut field = Field::new("n", FieldType::Int);
    (field.min, field.max) = (Some(-9_007_199_254_740_992.0), Some(9_007_199_254_740_992.0));
    let schema = Schema { fields: vec![field], ..Schema::default() };
    for (number, fits) in [(1_i64 << 53, true), ((1 << 53) + 1, false), (-(1 << 53) - 1, false)] {
        let entry = vec![(b"n".to_vec(), number.to_string().into_bytes())];
        assert_eq!(
            decode(&schema, LIMITS, NOW, &entry).events.len(),
            usize::from(fits),
            "{number}"
        );
    }
}
