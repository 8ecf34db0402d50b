//! The table of malformed entries of a source: what is sent, and what must be said of it.

use crate::wire::{array, batch, json, packed, twice, with, without};
use tallyd_event::decode::Fields;

/// One malformed entry.
pub struct Malformed {
    /// What a producer sends.
    pub entry: Fields,
    /// What becomes of it: for each dead letter the reason and the fields that are kept.
    pub letters: Vec<(String, Fields)>,
    /// How many sound events it holds beside.
    pub sound: u64,
}

/// An entry that is a dead letter as it is.
fn whole(entry: Fields, reason: impl Into<String>) -> Malformed {
    let letters = vec![(reason.into(), entry.clone())];
    Malformed { entry, letters, sound: 0 }
}

fn value(name: &str, value: impl AsRef<[u8]>, reason: &str) -> Malformed {
    whole(with(name, value), format!("field \"{name}\": {reason}"))
}

/// The whole table.
pub fn table() -> Vec<Malformed> {
    let mut table = presence();
    table.extend(numbers());
    table.extend(bools_and_times());
    table.extend(texts());
    table.extend(broken_batches());
    table.extend(cut_batches());
    table.extend(json_members());
    table.extend(packed_members());
    table.push(a_thousand());
    table
}

/// Each field missing, empty and doubled.
fn presence() -> Vec<Malformed> {
    let required = ["id", "user", "question", "concept", "correct", "ms", "points", "at"];
    let mut table = Vec::new();
    for name in required {
        table.push(whole(without(name), format!("field \"{name}\" is missing")));
        if name != "correct" {
            table.push(whole(with(name, ""), format!("field \"{name}\" is missing")));
        }
        table.push(whole(twice(name), format!("field \"{name}\" is given twice")));
    }
    for name in ["class", "weight"] {
        table.push(whole(twice(name), format!("field \"{name}\" is given twice")));
    }
    let stranger = vec![(b"event".to_vec(), b"{}".to_vec())];
    table.push(whole(stranger, "field \"id\" is missing"));
    table
}

fn numbers() -> Vec<Malformed> {
    let huge = "9".repeat(1 << 20);
    vec![
        value("ms", "fast", "\"fast\" is not an int"),
        value("ms", "5.5", &format!("\"5.5\" {FRACTION}")),
        value("ms", "1e-3", &format!("\"1e-3\" {FRACTION}")),
        value("points", "9007199254740992.0", &format!("\"9007199254740992.0\" {IMPRECISE}")),
        value("ms", "0x10", "\"0x10\" is not an int"),
        value("ms", "1 000", "\"1 000\" is not an int"),
        value("ms", " 5", "\" 5\" is not an int"),
        value("ms", "٣", "\"٣\" is not an int"),
        value("ms", "NaN", "\"NaN\" is not an int"),
        value("ms", "-1", "-1 is below the minimum 0"),
        value("ms", "3600001", "3600001 is above the maximum 3600000"),
        value("ms", "-9223372036854775808", "-9223372036854775808 is below the minimum 0"),
        value("ms", "9223372036854775807", "9223372036854775807 is above the maximum 3600000"),
        value("points", "9223372036854775808", "\"9223372036854775808\" is not an int of 64 bits"),
        value(
            "points",
            "-9223372036854775809",
            "\"-9223372036854775809\" is not an int of 64 bits",
        ),
        value("points", huge.as_str(), "1048576 bytes long (at most 4096)"),
        value("weight", "NaN", "NaN is not finite"),
        value("weight", "-nan", "NaN is not finite"),
        value("weight", "inf", "inf is not finite"),
        value("weight", "-Infinity", "-inf is not finite"),
        value("weight", "1e999", "\"1e999\" is beyond what a float can hold (1.8e308)"),
        value("weight", "1,5", "\"1,5\" is not a float"),
        value("weight", "0.5kg", "\"0.5kg\" is not a float"),
    ]
}

fn bools_and_times() -> Vec<Malformed> {
    let no_bool = |given: &str| {
        value("correct", given, &format!("\"{given}\" is not a bool (1, 0, true or false)"))
    };
    let no_time = |given: &str| {
        value("at", given, &format!("\"{given}\" is not a time (ms since the epoch, or RFC 3339)"))
    };
    let range = "is out of range (1970 to 9999)";
    vec![
        no_bool("yes"),
        no_bool("2"),
        no_bool("TRU"),
        value("correct", "", EMPTY_BOOL),
        no_bool("true "),
        no_time("yesterday"),
        no_time("2026-13-01T00:00:00Z"),
        no_time("1,5"),
        value("at", "2026-01-01T09:00:00", &format!("\"2026-01-01T09:00:00\" {NO_OFFSET}")),
        value("at", "2026-01-01", &format!("\"2026-01-01\" {NO_OFFSET}")),
        value(
            "at",
            "1767225600000000",
            "1767225600000000 looks like microseconds (send ms: divide it by 1000, or say unit = \"us\" at the field)",
        ),
        value(
            "at",
            "1767225600",
            "1767225600 looks like seconds (send ms: multiply it by 1000, or say unit = \"s\" at the field)",
        ),
        value("at", "-1", &format!("time -1 {range}")),
        value("at", "1969-12-31T23:59:59Z", &format!("time 1969-12-31T23:59:59Z {range}")),
        value("at", "253402300800000", &format!("time 253402300800000 {range}")),
        value("at", "9223372036854775807", &format!("time 9223372036854775807 {range}")),
    ]
}

fn texts() -> Vec<Malformed> {
    let control = |name: &str, text: &str, code: &str| {
        value(name, text, &format!("control character U+{code}"))
    };
    vec![
        control("user", "u\0", "0000"),
        control("user", "two\nlines", "000A"),
        control("concept", "a\tb", "0009"),
        control("concept", "\u{1b}[2J", "001B"),
        control("question", "q\u{7f}", "007F"),
        control("question", "q\u{85}", "0085"),
        control("id", "a\rb", "000D"),
        control("user", "abc\u{202e}def", "202E"),
        control("user", "\u{2066}x\u{2069}", "2066"),
        control("class", "\u{200f}10B", "200F"),
        control("class", "\u{61c}10B", "061C"),
        value("user", b"u\xff\xfe", "not UTF-8"),
        value("user", b"\x80", "not UTF-8"),
        value("concept", b"\xc0\xaf", "not UTF-8"),
        value("concept", b"\xed\xa0\x80", "not UTF-8"),
        value("user", "u".repeat(4097), "4097 bytes long (at most 4096)"),
        value("user", "u".repeat(1 << 20), "1048576 bytes long (at most 4096)"),
    ]
}

/// Batches that can't be read as a whole.
fn broken_batches() -> Vec<Malformed> {
    let event = json("lost", &[]);
    let map = packed("lost", "", &[]);
    let two = array(&[&map, &map]);
    let deep = |nest: &[u8]| [b"\x91".to_vec(), nest.repeat(100_000), b"\xc0".to_vec()].concat();
    let broken = |bytes: &[u8], reason: &str| whole(batch(bytes), format!("batch: {reason}"));
    let double = [batch(&event), batch(&event)].concat();
    vec![
        broken(b"", "it is empty"),
        broken(b" \r\n\t", "it is empty"),
        broken(b"[]", "it holds no event"),
        broken(b"\x90", "it holds no event"),
        broken(format!("[{event}]]").as_bytes(), "text follows the end of the array"),
        broken(&array(&[&map])[..2], "it is cut short behind byte 2"),
        broken(&[two.clone(), two.clone()].concat(), &format!("{} bytes after its end", two.len())),
        broken(b"\xdd\xff\xff\xff\xff\x80", "4294967295 events (at most 10000)"),
        broken(b"\x91\xdf\xff\xff\xff\xff", "it is cut short behind byte 6"),
        broken(b"\x91\xdb\xff\xff\xff\xffx", "it is cut short behind byte 7"),
        broken(b"\x91\xc1", "byte 2 is no MessagePack"),
        broken(&deep(b"\x91"), TOO_DEEP),
        broken(&deep(b"\x81\xa1a"), TOO_DEEP),
        broken(&deep(b"\xdd\0\0\0\x01"), TOO_DEEP),
        broken(
            b"\xef\xbb{}",
            "it begins with byte 0xef (expected a MessagePack map or array, or JSON)",
        ),
        broken(b"\x92\xd4r@\x91\xa2id\xa1a\x40\xa1b", RECORDS),
        broken(b"146,131,162,105,100", AS_NUMBERS),
        broken("[]".repeat(2 << 20).as_bytes(), "text follows the end of the array"),
        broken(&[b'['; (4 << 20) + 1], "4194305 bytes long (at most 4194304)"),
        broken("{}\n".repeat(10_001).as_bytes(), "10001 events (at most 10000)"),
        broken(format!("[{}0]", "0,".repeat(10_000)).as_bytes(), "10001 events (at most 10000)"),
        broken("[".repeat(100_000).as_bytes(), CUT_ARRAY),
        whole(double, "field \"batch\" is given twice"),
    ]
}

const FRACTION: &str = "is not an int: it has a fraction (round it, or make the field a float)";
const IMPRECISE: &str = "is not an int: it was a float beyond 2^53, which loses digits \
                         (send it as text or as an integer)";
const NO_OFFSET: &str = "has no offset (end it with Z for UTC, or with one such as +02:00)";
const EMPTY_BOOL: &str = "an empty text is no bool (PHP writes false so: write 0, and leave the \
                          field out where it is unknown)";
const RECORDS: &str = "it holds msgpackr's records, which only msgpackr reads (pack with \
                       `new Packr({ useRecords: false })`, or the module's own `pack`)";
const AS_NUMBERS: &str = "the bytes of a Uint8Array or Buffer were written as numbers (give the \
                          client the bytes: `Buffer.from(bytes)`)";
const CUT_ARRAY: &str = "it is cut short: the array has no end";
const TOO_DEEP: &str = "lists and maps stand more than 32 deep in each other";

/// Batches that are cut short: what is whole counts.
fn cut_batches() -> Vec<Malformed> {
    let (first, second) = (json("cut-1", &[]), json("spoilt", &[]));
    let begun = &second[..second.len() - 9];
    let (one, two) = (packed("cut-2", "", &[]), packed("spoilt", "", &[]));
    let pair = array(&[&one, &two]);
    let cut = &pair[..pair.len() - 1];
    let reason = format!("batch: event 2: it is cut short behind byte {}", cut.len());
    let rest = [b"\x91".as_slice(), &two[..two.len() - 1]].concat();
    let third = json("cut-3", &[]);
    vec![
        Malformed {
            entry: batch(format!("[{first},{begun}")),
            letters: vec![(format!("batch: event 2: {CUT_ARRAY}"), batch(format!("[{begun}")))],
            sound: 1,
        },
        Malformed { entry: batch(cut), letters: vec![(reason, batch(rest))], sound: 1 },
        Malformed {
            entry: batch(format!("[{third}")),
            letters: vec![(format!("batch: event 2: {CUT_ARRAY}"), batch("["))],
            sound: 1,
        },
    ]
}

/// A reason of the member that stands so many-th in its batch: one that was not read says which.
fn numbered(number: usize, reason: &str) -> String {
    match reason.strip_prefix("batch: ") {
        Some(why) => format!("batch: event {number}: {why}"),
        None => reason.to_owned(),
    }
}

/// A batch of JSON with sound events around bad ones, as lines and as an array.
fn json_members() -> Vec<Malformed> {
    let bad = |members: &[(&str, &str)], reason: &str| (json("spoilt", members), reason.to_owned());
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let doubled = json("spoilt", &[]).replace("{\"id\"", "{\"ms\":1,\"id\"");
    let members = vec![
        bad(&[("id", "null")], "field \"id\" is missing"),
        bad(&[("id", "\"\"")], "field \"id\" is missing"),
        bad(&[("ms", "[5]")], "field \"ms\": a list is not an int"),
        bad(&[("ms", "{\"ms\":5}")], "field \"ms\": a map is not an int"),
        bad(&[("ms", &deep)], "field \"ms\": a list is not an int"),
        bad(&[("ms", "5.5")], &format!("field \"ms\": \"5.5\" {FRACTION}")),
        bad(&[("ms", "NaN")], "batch: NaN is not JSON: write null, or leave the field out"),
        bad(&[("ms", "true")], "field \"ms\": \"true\" is not an int"),
        bad(
            &[("points", "9223372036854775808")],
            "field \"points\": \"9223372036854775808\" is not an int of 64 bits",
        ),
        bad(&[("points", "1e20")], &format!("field \"points\": \"1e20\" {IMPRECISE}")),
        bad(&[("user", "false")], "field \"user\": \"false\" is not a string"),
        bad(
            &[("user", "1.5")],
            "field \"user\": \"1.5\" is not a string: it has a fraction (send it as text)",
        ),
        bad(&[("correct", "\"\"")], &format!("field \"correct\": {EMPTY_BOOL}")),
        bad(&[("user", "\"a\\u0000b\"")], "field \"user\": control character U+0000"),
        bad(&[("correct", "2")], "field \"correct\": \"2\" is not a bool (1, 0, true or false)"),
        bad(&[("at", "-1")], "field \"at\": time -1 is out of range (1970 to 9999)"),
        bad(
            &[("at", "1767225600000000000")],
            "field \"at\": 1767225600000000000 looks like nanoseconds (send ms: divide it by 1000000, or say unit = \"ns\" at the field)",
        ),
        (doubled, "field \"ms\" is given twice".to_owned()),
        ("7".to_owned(), "batch: a number is not an event (a map of fields)".to_owned()),
        ("null".to_owned(), "batch: nothing is not an event (a map of fields)".to_owned()),
        ("\"text\"".to_owned(), "batch: a string is not an event (a map of fields)".to_owned()),
        (
            format!("[{}]", json("lost", &[])),
            "batch: a list is not an event (a map of fields)".to_owned(),
        ),
    ];
    let letters: Vec<(String, Fields)> = (2..)
        .zip(&members)
        .map(|(number, (text, reason))| {
            let kept = if text.starts_with('{') { text.clone() } else { format!("[{text}]") };
            (numbered(number, reason), batch(kept))
        })
        .collect();
    // What the schema does not name is not looked at, however deep it is.
    let first = |id: &str| json(id, &[("more", &deep)]);
    let join = |ids: [&str; 2], separator: &str| {
        let texts = members.iter().map(|(text, _)| text.clone());
        let all = std::iter::once(first(ids[0])).chain(texts).chain([json(ids[1], &[])]);
        all.collect::<Vec<_>>().join(separator)
    };
    let mut lines = join(["lines-1", "lines-2"], "\n").into_bytes();
    let mut of_lines = letters.clone();
    // Of lines, each is read by itself: these spoil no other.
    for (line, reason) in [
        (b"nonsense".as_slice(), "batch: it is not JSON at column 2: expected ident"),
        (b"{\"id\":\"a\"", "batch: it is cut short at column 9 (EOF while parsing an object)"),
        (b"{\"id\":\"\\ud800\"}", "field \"id\": not UTF-8"),
        (b"{\"id\":\"\xff\"}", "batch: it is not JSON at column 8: invalid unicode code point"),
    ] {
        lines.extend([b"\r\n", line].concat());
        // Behind the last sound one.
        of_lines.push((numbered(of_lines.len() + 3, reason), batch(line)));
    }
    let array = format!("[{}]", join(["array-1", "array-2"], ", "));
    vec![
        Malformed { entry: batch(lines), letters: of_lines, sound: 2 },
        Malformed { entry: batch(array), letters, sound: 2 },
    ]
}

/// A batch of MessagePack with sound events around bad ones.
fn packed_members() -> Vec<Malformed> {
    let bad = |name: &str, value: &[u8], reason: &str| {
        (packed("spoilt", name, value), format!("field \"{name}\": {reason}"))
    };
    let nan = [b"\xcb".as_slice(), &f64::NAN.to_be_bytes()].concat();
    let infinite = [b"\xca".as_slice(), &f32::INFINITY.to_be_bytes()].concat();
    let members = vec![
        bad("ms", b"\x92\x01\x02", "a list is not an int"),
        bad("ms", b"\x81\x01\x02", "a map is not an int"),
        bad("ms", b"\xd6\x01abcd", "an extension type is not an int"),
        bad(
            "ms",
            b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
            "\"18446744073709551615\" is not an int of 64 bits",
        ),
        bad("ms", b"\xd3\x80\0\0\0\0\0\0\0", "-9223372036854775808 is below the minimum 0"),
        bad("ms", &nan, "\"NaN\" is not an int"),
        bad("weight", &nan, "NaN is not finite"),
        bad("weight", &infinite, "inf is not finite"),
        bad("user", b"\xa2\xff\xfe", "not UTF-8"),
        bad("user", b"\xc4\x01\xff", "not UTF-8"),
        bad("user", b"\xc3", "\"true\" is not a string"),
        (packed("spoilt", "id", b"\xc0"), "field \"id\" is missing".to_owned()),
        (
            b"\x82\x01\x02\xc3\xc2".to_vec(),
            "field \"id\" is missing (a key of the map is no text: field names are text)"
                .to_owned(),
        ),
        (b"\xc0".to_vec(), "batch: nothing is not an event (a map of fields)".to_owned()),
        (b"\xc4\x02hi".to_vec(), "batch: a string is not an event (a map of fields)".to_owned()),
        (
            b"\xd4\x01x".to_vec(),
            "batch: an extension type is not an event (a map of fields)".to_owned(),
        ),
    ];
    let letter = |(number, (bytes, reason)): (usize, &(Vec<u8>, String))| {
        (numbered(number, reason), batch([b"\x91", bytes.as_slice()].concat()))
    };
    let letters = (2..).zip(&members).map(letter).collect();
    let (first, last) = (packed("packed-1", "", &[]), packed("packed-2", "", &[]));
    let mut all = vec![first.as_slice()];
    all.extend(members.iter().map(|(bytes, _)| bytes.as_slice()));
    all.push(&last);
    vec![Malformed { entry: batch(array(&all)), letters, sound: 2 }]
}

/// A thousand bad events in one entry.
fn a_thousand() -> Malformed {
    let bad = json("spoilt", &[("ms", "-1")]);
    let letter = ("field \"ms\": -1 is below the minimum 0".to_owned(), batch(&bad));
    let lines = [bad.as_str()].repeat(1000).join("\n");
    Malformed { entry: batch(lines), letters: vec![letter; 1000], sound: 0 }
}
