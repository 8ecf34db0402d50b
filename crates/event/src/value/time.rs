//! Times as producers write them: ms since the epoch, perhaps with a fraction, or RFC 3339.

use super::{MAX_TIME, Value, ValueError, number, wrong};
use crate::FieldType;

/// The years in which a time is likely, in ms since the epoch: 2000 to 2100. Only to find out in
/// which unit a number may be that is no time in ms.
const LIKELY: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

/// The extension type of a MessagePack timestamp.
pub(crate) const EXTENSION: i8 = -1;

pub(super) fn from_text(text: &str) -> Result<Value, ValueError> {
    match number::cut(text) {
        Ok(ms) => from_ms(ms),
        Err(number::NotWhole::NoNumber) => from_rfc3339(text),
        Err(_) => Err(wrong(text, FieldType::Time, "")),
    }
}

pub(super) fn from_ms(ms: i64) -> Result<Value, ValueError> {
    if (0..=MAX_TIME).contains(&ms) {
        return Ok(Value::Int(ms));
    }
    for (unit, one_ms) in [("microseconds", 1_000), ("nanoseconds", 1_000_000)] {
        if LIKELY.contains(&(ms / one_ms)) {
            return Err(ValueError::TimeTooFine { given: ms, unit, one_ms });
        }
    }
    Err(ValueError::TimeOutOfRange(ms))
}

/// A float of ms; what is finer is cut off.
pub(super) fn from_float(ms: f64) -> Result<Value, ValueError> {
    if ms.is_finite() {
        // Beyond 64 bits it stops at the border, which is out of range too.
        from_ms(ms.trunc() as i64)
    } else {
        Err(wrong(&ms.to_string(), FieldType::Time, ""))
    }
}

/// The data of a MessagePack timestamp: 32 bits of seconds; 30 of nanoseconds and 34 of seconds;
/// or 32 of nanoseconds and 64 of seconds. What is finer than ms is cut off.
pub(crate) fn from_extension(data: &[u8]) -> Option<i64> {
    let (seconds, nanos) = match data.len() {
        4 => (i64::from(u32::from_be_bytes(data.try_into().ok()?)), 0),
        8 => {
            let both = u64::from_be_bytes(data.try_into().ok()?);
            (i64::try_from(both & ((1 << 34) - 1)).ok()?, both >> 34)
        }
        12 => {
            let (nanos, seconds) = data.split_at(4);
            let nanos = u32::from_be_bytes(nanos.try_into().ok()?);
            (i64::from_be_bytes(seconds.try_into().ok()?), u64::from(nanos))
        }
        _ => return None,
    };
    let ms = i64::try_from(nanos / 1_000_000).ok().filter(|_| nanos < 1_000_000_000)?;
    seconds.checked_mul(1000)?.checked_add(ms)
}

fn from_rfc3339(text: &str) -> Result<Value, ValueError> {
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => from_ms(at.as_millisecond()),
        Err(_) if text.parse::<jiff::civil::DateTime>().is_ok() => {
            Err(ValueError::NoOffset(super::quoted(text)))
        }
        Err(_) => Err(wrong(text, FieldType::Time, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        from_text(text).map_err(|e| e.to_string())
    }

    #[test]
    fn times_as_producers_write_them() {
        let newyear = Ok(Value::Int(1_767_225_600_000));
        for text in [
            "1767225600000",
            "1767225600000.0",
            "1767225600000.9",
            "1.7672256E+12",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.000000Z",
            "2026-01-01 00:00:00+00",
            "2026-01-01 00:00:00+00:00",
            "2026-01-01T00:00:00.000000+0000",
            "2026-01-01T05:30:00+05:30",
            "2026-01-01t00:00:00z",
        ] {
            assert_eq!(read(text), newyear, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_says_what_to_write() {
        let no_offset = |text: &str| {
            format!("\"{text}\" has no offset (end it with Z for UTC, or with one such as +02:00)")
        };
        for text in
            ["2026-01-01T09:00:00", "2026-01-01 00:00:00", "2026-01-01", "2026-01-01T00:00:00.000"]
        {
            assert_eq!(read(text), Err(no_offset(text)));
        }
        let cases = [
            (
                "1767225600000000",
                "1767225600000000 looks like microseconds (send ms: divide it by 1000)",
            ),
            (
                "1767225600000000.5",
                "1767225600000000 looks like microseconds (send ms: divide it by 1000)",
            ),
            (
                "1767225600000000000",
                "1767225600000000000 looks like nanoseconds (send ms: divide it by 1000000)",
            ),
            ("-1", "time -1 is out of range (0 to 253402300799999 ms)"),
            ("253402300800000", "time 253402300800000 is out of range (0 to 253402300799999 ms)"),
            ("yesterday", "\"yesterday\" is not a time (ms since the epoch, or RFC 3339)"),
            (
                "2026-13-01T00:00:00Z",
                "\"2026-13-01T00:00:00Z\" is not a time (ms since the epoch, or RFC 3339)",
            ),
        ];
        for (text, reason) in cases {
            assert_eq!(read(text), Err(reason.to_owned()));
        }
    }

    #[test]
    fn a_messagepack_timestamp_has_three_lengths() {
        let both = (999_999_999_u64 << 34) | 1_767_225_600;
        let cases: [(&[u8], Option<i64>); 6] = [
            (&1_767_225_600_u32.to_be_bytes(), Some(1_767_225_600_000)),
            (&both.to_be_bytes(), Some(1_767_225_600_999)),
            (&[0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255], Some(-1000)),
            (&[255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0], None),
            (&[0, 0, 0, 0, 127, 255, 255, 255, 255, 255, 255, 255], None),
            (&[1, 2, 3], None),
        ];
        for (data, ms) in cases {
            assert_eq!(from_extension(data), ms, "{data:?}");
        }
    }
}
