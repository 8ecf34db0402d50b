//! The reader of replies, in any pieces, against the client's own parser and bytes that are no reply.

use super::*;
use crate::reply;
use proptest::{collection::vec, prelude::*, sample::Index};
use tallyd_event::decode::Packed;

/// Gives the parser bytes in pieces that end at these places, as a socket would.
fn parsed(bytes: &[u8], ends: Vec<usize>) -> Result<Option<Value>, WireError> {
    told(Entries::Plain, bytes, ends)
}

fn told(entries: Entries, bytes: &[u8], mut ends: Vec<usize>) -> Result<Option<Value>, WireError> {
    ends.push(bytes.len());
    ends.sort_unstable();
    let (mut parser, mut start) = (Parser::default(), 0);
    parser.tell(entries);
    for end in ends {
        let (used, value) = parser.parse(&bytes[start..end])?;
        start += used;
        if value.is_some() {
            return Ok(value);
        }
    }
    Ok(None)
}

fn whole(bytes: &[u8]) -> Result<Option<Value>, WireError> {
    parsed(bytes, Vec::new())
}

/// Replies as a server writes them, arrays in arrays and errors among them.
fn reply() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(b"$-1\r\n".to_vec()),
        Just(b"*-1\r\n".to_vec()),
        Just(b"+OK\r\n".to_vec()),
        Just(b"+QUEUED\r\n".to_vec()),
        "[^\r\n]{0,20}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
        "(ERR|OOM|NOGROUP|EXECABORT|MOVED|NOPERM|)( [^\r\n]{0,20})?"
            .prop_map(|text| format!("-{text}\r\n").into_bytes()),
        any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        vec(any::<u8>(), 0..80)
            .prop_map(|text| { [format!("${}\r\n", text.len()).as_bytes(), &text, END].concat() }),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        vec(inner, 0..8).prop_map(|items| {
            [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat()
        })
    })
}

fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [format!("${}\r\n", text.len()).as_bytes(), text, END].concat()
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat()
}

/// Streams with their entries, as a read gives them: those of one field too, and one that was
/// deleted while it was pending.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let text = || vec(any::<u8>(), 0..30);
    let fields = vec((text(), text()), 1..5).prop_map(|fields| {
        array(&fields.iter().flat_map(|(n, v)| [string(n), string(v)]).collect::<Vec<_>>())
    });
    let entry = (any::<u64>(), any::<u64>(), fields)
        .prop_map(|(ms, seq, fields)| array(&[string(format!("{ms}-{seq}")), fields]));
    let entry = prop_oneof![9 => entry, 1 => Just(b"*-1\r\n".to_vec())];
    let key = prop_oneof![text(), Just(b"1-1".to_vec())];
    let stream =
        (key, vec(entry, 0..6)).prop_map(|(key, entries)| array(&[string(key), array(&entries)]));
    vec(stream, 0..4).prop_map(|streams| array(&streams))
}

/// Bytes that are hardly ever a reply, but look like one.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => prop::sample::select(vec![
            "+", "-", ":", "$", "*", "\r\n", "\r", "\n", "0", "1", "2", "3", "-1", "OK", "a", " ",
            "*2\r\n", "$1\r\n", "$0\r\n", ":1\r\n", "9223372036854775808", "%1\r\n", "_\r\n",
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(word, 0..30).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn reads_what_the_client_reads_in_any_pieces(bytes in reply(), ends in vec(any::<Index>(), 0..9)) {
        let ends = ends.iter().map(|end| end.index(bytes.len() + 1)).collect();
        prop_assert_eq!(parsed(&bytes, ends).unwrap(), redis::parse_redis_value(&bytes).ok());
    }

    #[test]
    fn entries_are_the_same_in_either_way(bytes in streams(), ends in vec(any::<Index>(), 0..9)) {
        let ends: Vec<usize> = ends.iter().map(|end| end.index(bytes.len() + 1)).collect();
        let packed = told(Entries::Packed, &bytes, ends).unwrap().unwrap();
        let plain = whole(&bytes).unwrap().unwrap();
        prop_assert_eq!(reply::streams(packed).unwrap(), reply::streams(plain).unwrap());
    }

    #[test]
    fn what_is_no_entry_is_told_as_it_comes(bytes in reply(), ends in vec(any::<Index>(), 0..9)) {
        let ends = ends.iter().map(|end| end.index(bytes.len() + 1)).collect();
        prop_assert_eq!(told(Entries::Packed, &bytes, ends).unwrap(), whole(&bytes).unwrap());
    }

    #[test]
    fn uses_up_what_it_read_and_no_more(bytes in vec(reply(), 1..5)) {
        let all = bytes.concat();
        let (mut parser, mut rest) = (Parser::default(), all.as_slice());
        for bytes in bytes {
            let (used, value) = parser.parse(rest).unwrap();
            prop_assert_eq!((used, value), (bytes.len(), redis::parse_redis_value(&bytes).ok()));
            rest = &rest[used..];
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_bytes_give_a_value_or_an_error(
        bytes in prop_oneof![nearly(), vec(any::<u8>(), 0..60)],
        ends in vec(any::<Index>(), 0..9),
    ) {
        let ends = ends.iter().map(|end| end.index(bytes.len() + 1)).collect();
        let value = parsed(&bytes, ends);
        prop_assert_eq!(&value, &whole(&bytes));
        if let Ok(Some(value)) = value {
            prop_assert_eq!(Some(value), redis::parse_redis_value(&bytes).ok());
        }
    }
}

#[test]
fn what_no_server_sends_is_refused() {
    let deep = "*1\r\n".repeat(MAX_DEPTH + 1);
    let long = "+".repeat(MAX_LINE + 1);
    let cases = [
        ("$-2\r\n", "a length of -2"),
        ("*-9223372036854775808\r\n", "a length of -9223372036854775808"),
        ("$536870913\r\n", "a length of 536870913"),
        ("*2147483648\r\n", "a length of 2147483648"),
        ("$99999999999999999999\r\n", "\"99999999999999999999\" is not a whole number"),
        ("$\r\n", "\"\" is not a whole number"),
        (":-\r\n", "\"-\" is not a whole number"),
        (":1 \r\n", "\"1 \" is not a whole number"),
        ("$1\r\nabc", "a string is longer than it says"),
        ("%1\r\n", "no reply begins with byte 0x25"),
        ("\x15\x03\x03", "no reply begins with byte 0x15"),
        (&deep, "more than 32 arrays in each other"),
        (&long, "a line is longer than 65536 bytes"),
    ];
    for (bytes, why) in cases {
        assert_eq!(whole(bytes.as_bytes()).unwrap_err().to_string(), why);
    }
    for bytes in [&b"+\xff\r\n"[..], b"-ERR \xff\r\n"] {
        assert_eq!(whole(bytes).unwrap_err().to_string(), "a line is not UTF-8");
    }
    // As deep as it may be, and as long as it may say it is.
    let deep = format!("{}:1\r\n", "*1\r\n".repeat(MAX_DEPTH));
    assert!(whole(deep.as_bytes()).unwrap().is_some());
    assert_eq!(whole("*2147483647\r\n".repeat(MAX_DEPTH).as_bytes()), Ok(None));
    assert_eq!(whole(b"$536870912\r\nabc"), Ok(None));
}

#[test]
fn an_entry_is_packed_and_what_only_looks_like_one_is_not() {
    let of = |id: &str, items: &[&str]| {
        let items: Vec<Vec<u8>> = items.iter().map(string).collect();
        let bytes = array(&[array(&[string(id), array(&items)])]);
        told(Entries::Packed, &bytes, Vec::new()).unwrap().unwrap()
    };
    let fields: Packed = [("user", "u7")].into_iter().collect();
    let ids = [Value::Int(5), Value::Int(-1)];
    let packed = [&ids[..], &[Value::BulkString(fields.into_bytes())]].concat();
    assert_eq!(of("5-18446744073709551615", &["user", "u7"]), Value::Array(packed));
    for (id, items) in [
        // A page of a set's names, behind its cursor.
        ("5", vec!["a", "b"]),
        ("5-18446744073709551616", vec!["a", "b"]),
        ("+5-1", vec!["a", "b"]),
        ("5-1", vec!["a", "b", "c"]),
        ("5-1", vec![]),
    ] {
        let Value::Array(told) = of(id, &items) else { panic!("{id}") };
        assert!(matches!(told.as_slice(), [Value::Array(_)]), "{id} {items:?}: {told:?}");
    }
}

/// Each byte comes alone. Were any of it read again each time, this would take hours.
#[test]
fn a_long_reply_in_small_pieces_is_read_once() {
    let length = 4_000_000;
    let string = format!("${length}\r\n{}\r\n", "a".repeat(length)).into_bytes();
    let items = 500_000;
    let array = format!("*{items}\r\n{}", ":7\r\n".repeat(items)).into_bytes();
    let line = format!("+{}\r\n", "a".repeat(MAX_LINE - 10)).into_bytes();
    let batch = [b"*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$5\r\nbatch\r\n", string.as_slice()].concat();
    assert!(told(Entries::Packed, &batch, (0..batch.len()).collect()).unwrap().is_some());
    for bytes in [string, array, line] {
        assert!(parsed(&bytes, (0..bytes.len()).collect()).unwrap().is_some());
    }
}
