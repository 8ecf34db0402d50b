//! An entry of a stream, read at once: its names and values are copied to where they stay, and
//! nowhere else.

use redis::Value;
use tallyd_event::{EntryId, decode::Packed};

/// The most names and values of an entry that is read at once. One that is not whole yet is looked
/// at again with each piece that comes.
const MAX_PARTS: usize = 1024;
/// No string of a reply is longer.
const MAX_STRING: usize = super::MAX_STRING;

/// What the bytes begin with.
pub(super) enum Scan<T> {
    /// That, whole.
    Is(T),
    /// That, as far as it goes, and it is not whole yet.
    Short,
    /// Something else, or what is no reply.
    Not,
}

/// The value of a scan, or what to return instead.
macro_rules! whole {
    ($scan:expr) => {
        match $scan {
            Scan::Is(value) => value,
            Scan::Short => return Scan::Short,
            Scan::Not => return Scan::Not,
        }
    };
}

/// What stands for an entry, and what follows it. The head of its array is read already.
pub(super) fn entry(bytes: &[u8]) -> Scan<([Value; 3], &[u8])> {
    let (id, rest) = whole!(string(bytes));
    let Some(id) = id_of(id) else { return Scan::Not };
    let (parts, rest) = whole!(head(b'*', rest));
    if parts == 0 || !parts.is_multiple_of(2) || parts > MAX_PARTS {
        return Scan::Not;
    }
    let (mut end, mut all) = (rest, 0);
    for _ in 0..parts {
        let (part, after) = whole!(string(end));
        (end, all) = (after, all + part.len());
    }
    let mut packed = Packed::with_room(parts, all);
    let mut next = rest;
    for _ in 0..parts / 2 {
        let (name, after) = whole!(string(next));
        let (value, after) = whole!(string(after));
        packed.push(name, value);
        next = after;
    }
    let half = |half: u64| Value::Int(half.cast_signed());
    Scan::Is(([half(id.ms), half(id.seq), Value::BulkString(packed.into_bytes())], end))
}

/// The id, in the one form in which a server writes it.
fn id_of(text: &[u8]) -> Option<EntryId> {
    let text = std::str::from_utf8(text).ok()?;
    let (ms, seq) = text.split_once('-')?;
    let number = |digits: &str| {
        let digits = digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)?;
        digits.parse().ok()
    };
    Some(EntryId { ms: number(ms)?, seq: number(seq)? })
}

/// A string, and what follows it.
fn string(bytes: &[u8]) -> Scan<(&[u8], &[u8])> {
    let (length, rest) = whole!(head(b'$', bytes));
    match rest.split_at_checked(length) {
        None => Scan::Short,
        Some((_, [])) | Some((_, [b'\r'])) => Scan::Short,
        Some((string, [b'\r', b'\n', rest @ ..])) => Scan::Is((string, rest)),
        Some(_) => Scan::Not,
    }
}

/// The number that a string or an array begins with, and what follows its line.
fn head(kind: u8, bytes: &[u8]) -> Scan<(usize, &[u8])> {
    let mut rest = match bytes {
        [] => return Scan::Short,
        [first, rest @ ..] if *first == kind => rest,
        _ => return Scan::Not,
    };
    let (mut number, mut digits) = (0, 0);
    loop {
        match rest {
            [digit @ b'0'..=b'9', after @ ..] if number <= MAX_STRING => {
                number = number * 10 + usize::from(digit - b'0');
                (rest, digits) = (after, digits + 1);
            }
            [] | [b'\r'] if number <= MAX_STRING => return Scan::Short,
            [b'\r', b'\n', after @ ..] if digits > 0 && number <= MAX_STRING => {
                return Scan::Is((number, after));
            }
            _ => return Scan::Not,
        }
    }
}
