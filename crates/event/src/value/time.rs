//! Times as producers write them: a number since the epoch in the unit of the field, perhaps with a
//! fraction, or RFC 3339. They are held as ms; what is finer is cut off.

use super::{
    MAX_TIME, Value, ValueError,
    number::{self, NotWhole},
    wrong,
};
use crate::{FieldType, TimeUnit};
use jiff::{
    SignedDuration, Timestamp,
    civil::{self, DateTime},
    fmt::temporal::Pieces,
};
use smol_str::{SmolStr, format_smolstr};

/// The years in which a time is likely, in ms since the epoch: 2000 to 2100. Only to find out in
/// which unit a number is meant that gives no likely time in the field's own.
const LIKELY: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

/// The extension type of a MessagePack timestamp.
pub(crate) const EXTENSION: i8 = -1;

/// How much of a number is told.
const TOLD_CHARS: usize = 40;

pub(crate) fn from_text(text: &str, unit: TimeUnit) -> Result<Value, ValueError> {
    match number::cut(text, unit.places()) {
        Err(NotWhole::NoNumber) => from_rfc3339(text, unit),
        ms => from_number(ms, text, unit),
    }
}

pub(crate) fn from_int(int: i64, unit: TimeUnit) -> Result<Value, ValueError> {
    match unit {
        TimeUnit::Millis if LIKELY.contains(&int) => Ok(Value::Int(int)),
        _ => from_text(&int.to_string(), unit),
    }
}

/// Through its shortest text, because a float of seconds times 1000 may be a little too small.
pub(crate) fn from_float(float: f64, unit: TimeUnit) -> Result<Value, ValueError> {
    match unit {
        _ if !float.is_finite() => Err(wrong(&float.to_string(), FieldType::Time, "")),
        TimeUnit::Millis if LIKELY.contains(&(float as i64)) => Ok(Value::Int(float as i64)),
        _ => from_text(&format!("{float:?}"), unit),
    }
}

/// A time that is in ms for certain; `given` is how it was written.
pub(crate) fn in_range(ms: i64, given: impl FnOnce() -> SmolStr) -> Result<Value, ValueError> {
    match ms {
        0..=MAX_TIME => Ok(Value::Int(ms)),
        _ => Err(ValueError::TimeOutOfRange(given())),
    }
}

/// A number that is so many ms in the unit of its field. Where that is no likely time, and it is
/// one in another unit, that one is meant.
fn from_number(
    ms: Result<i64, NotWhole>,
    given: &str,
    unit: TimeUnit,
) -> Result<Value, ValueError> {
    if let Ok(ms) = ms
        && LIKELY.contains(&ms)
    {
        return Ok(Value::Int(ms));
    }
    let told = || given.chars().take(TOLD_CHARS).collect::<SmolStr>();
    let is_likely =
        |unit: &TimeUnit| number::cut(given, unit.places()).is_ok_and(|ms| LIKELY.contains(&ms));
    if let Some(meant) = TimeUnit::ALL.into_iter().find(is_likely) {
        return Err(ValueError::OtherTimeUnit { given: told(), meant, unit });
    }
    // What is cut off of a number just below 0 leaves 0.
    let is_below = given.starts_with('-') && given.bytes().any(|b| (b'1'..=b'9').contains(&b));
    match ms {
        Ok(ms) if !is_below => in_range(ms, told),
        _ => Err(ValueError::TimeOutOfRange(told())),
    }
}

/// What a producer does with its numbers to send those of the field, such as `divide it by 1000`.
pub(super) fn conversion(from: TimeUnit, to: TimeUnit) -> String {
    let places = i32::from(from.places()) - i32::from(to.places());
    let factor = 10_u64.pow(places.unsigned_abs());
    if places > 0 { format!("multiply it by {factor}") } else { format!("divide it by {factor}") }
}

/// What a producer writes in a field of this unit: a number, or a date where the number looks like
/// one of another unit.
pub(crate) fn to_text(ms: i64, unit: TimeUnit) -> SmolStr {
    let number = to_number(ms, unit);
    if LIKELY.contains(&ms) || from_text(&number, unit) == Ok(Value::Int(ms)) {
        return number;
    }
    rfc3339(ms).into()
}

fn to_number(ms: i64, unit: TimeUnit) -> SmolStr {
    match unit {
        TimeUnit::Seconds if ms % 1000 == 0 => format_smolstr!("{}", ms / 1000),
        TimeUnit::Seconds => format_smolstr!("{}.{:03}", ms / 1000, ms % 1000),
        TimeUnit::Millis => format_smolstr!("{ms}"),
        TimeUnit::Micros => format_smolstr!("{ms}000"),
        TimeUnit::Nanos => format_smolstr!("{ms}000000"),
    }
}

/// A time as RFC 3339 in UTC, in all of the years that a field may hold.
pub(crate) fn rfc3339(ms: i64) -> String {
    let since = SignedDuration::from_millis(ms);
    EPOCH.checked_add(since).map_or_else(|_| format!("{ms} ms"), |at| format!("{at}Z"))
}

const EPOCH: DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

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

fn from_rfc3339(text: &str, unit: TimeUnit) -> Result<Value, ValueError> {
    let ms = match text.parse::<Timestamp>() {
        Ok(at) => Some(at.as_millisecond()),
        Err(_) => last_day(text),
    };
    match ms {
        Some(ms) => in_range(ms, || text.chars().take(TOLD_CHARS).collect()),
        None if text.parse::<DateTime>().is_ok() => Err(ValueError::NoOffset(super::quoted(text))),
        None => Err(ValueError::WrongType {
            given: super::quoted(text),
            wanted: wanted(unit),
            hint: "",
        }),
    }
}

/// The ms of a time at the end of the year 9999, which a [`Timestamp`] can't hold, whatever its
/// offset. `9999-12-31T23:59:59Z` is what many write for "never".
fn last_day(text: &str) -> Option<i64> {
    let pieces = Pieces::parse(text).ok()?;
    let offset = pieces.to_numeric_offset()?;
    let local = pieces.date().to_datetime(pieces.time()?);
    let since = local.duration_since(EPOCH).as_millis() - i128::from(offset.seconds()) * 1000;
    i64::try_from(since).ok()
}

/// What a field of this unit may hold.
fn wanted(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Seconds => "a time (seconds since the epoch, or RFC 3339)",
        TimeUnit::Millis => FieldType::Time.with_article(),
        TimeUnit::Micros => "a time (microseconds since the epoch, or RFC 3339)",
        TimeUnit::Nanos => "a time (nanoseconds since the epoch, or RFC 3339)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimeUnit::{Micros, Millis, Nanos, Seconds};
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Value, String> {
        from_text(text, Millis).map_err(|e| e.to_string())
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
    fn a_number_is_of_the_unit_of_its_field() {
        for (unit, text, ms) in [
            (Seconds, "1767225600", 1_767_225_600_000),
            (Seconds, "1767225600.123456", 1_767_225_600_123),
            (Seconds, "1.7672256001239E9", 1_767_225_600_123),
            (Seconds, "0", 0),
            (Seconds, "2026-01-01T00:00:00Z", 1_767_225_600_000),
            (Micros, "1767225600123456", 1_767_225_600_123),
            (Micros, "1767225600123456.9", 1_767_225_600_123),
            (Nanos, "1767225600123456789", 1_767_225_600_123),
        ] {
            assert_eq!(from_text(text, unit), Ok(Value::Int(ms)), "{text} {unit:?}");
            if let Ok(int) = text.parse() {
                assert_eq!(from_int(int, unit), Ok(Value::Int(ms)), "{text} {unit:?}");
            }
        }
        // As a float times 1000 it would be 1767225600122.9998.
        for float in [1_767_225_600.123_f64, 1_767_225_600.123_4] {
            assert_eq!(from_float(float, Seconds), Ok(Value::Int(1_767_225_600_123)), "{float}");
        }
        assert_eq!(from_float(1_767_225_600_123.9, Millis), Ok(Value::Int(1_767_225_600_123)));
    }

    #[test]
    fn a_number_of_another_unit_says_which_and_what_to_do() {
        for (unit, given, reason) in [
            (
                Millis,
                "1767225600",
                "1767225600 looks like seconds (send ms: multiply it by 1000, or say unit = \"s\" at the field)",
            ),
            (
                Millis,
                "1767225600.5",
                "1767225600.5 looks like seconds (send ms: multiply it by 1000, or say unit = \"s\" at the field)",
            ),
            (
                Millis,
                "1767225600000000",
                "1767225600000000 looks like microseconds (send ms: divide it by 1000, or say unit = \"us\" at the field)",
            ),
            (
                Millis,
                "1767225600000000000",
                "1767225600000000000 looks like nanoseconds (send ms: divide it by 1000000, or say unit = \"ns\" at the field)",
            ),
            (
                Seconds,
                "1767225600000",
                "1767225600000 looks like milliseconds (send s: divide it by 1000, or say unit = \"ms\" at the field)",
            ),
            (
                Nanos,
                "1767225600",
                "1767225600 looks like seconds (send ns: multiply it by 1000000000, or say unit = \"s\" at the field)",
            ),
        ] {
            let said = |read: Result<Value, ValueError>| read.map_err(|error| error.to_string());
            assert_eq!(said(from_text(given, unit)), Err(reason.to_owned()), "{given} {unit:?}");
            if let Ok(int) = given.parse() {
                assert_eq!(said(from_int(int, unit)), Err(reason.to_owned()), "{given} {unit:?}");
            }
        }
        let float = from_float(1_767_225_600.5, Millis).unwrap_err().to_string();
        assert!(float.starts_with("1767225600.5 looks like seconds"), "{float}");
        // A date says its unit itself.
        assert_eq!(read("1970-01-21T10:53:45.600Z"), Ok(Value::Int(1_767_225_600)));
        assert_eq!(in_range(1_767_225_600, SmolStr::default), Ok(Value::Int(1_767_225_600)));
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
        for text in ["yesterday", "2026-13-01T00:00:00Z"] {
            let reason = format!("\"{text}\" is not a time (ms since the epoch, or RFC 3339)");
            assert_eq!(read(text), Err(reason));
        }
        assert_eq!(
            from_text("yesterday", Seconds).unwrap_err().to_string(),
            "\"yesterday\" is not a time (seconds since the epoch, or RFC 3339)"
        );
    }

    #[test]
    fn the_ends_are_told_and_nothing_overflows() {
        let end = Ok(Value::Int(MAX_TIME));
        for text in ["253402300799999", "9999-12-31T23:59:59.999Z", "9999-12-31T22:59:59.999-01:00"]
        {
            assert_eq!(read(text), end, "{text}");
        }
        assert_eq!(from_text("253402300799.999", Seconds), Ok(Value::Int(MAX_TIME)));
        let (long, cut) = ("9".repeat(60), "9".repeat(40));
        for (text, told) in [
            ("-1", "-1"),
            ("-0.5", "-0.5"),
            ("253402300800000", "253402300800000"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1e999999999", "1e999999999"),
            (&long, &cut),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
            ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59-01:00"),
            ("1970-01-01T00:00:00+00:01", "1970-01-01T00:00:00+00:01"),
        ] {
            let reason = format!("time {told} is out of range (1970 to 9999)");
            assert_eq!(read(text), Err(reason), "{text}");
        }
        for float in [1e300, -1e300, 253_402_300_800_000.0] {
            assert!(matches!(from_float(float, Millis), Err(ValueError::TimeOutOfRange(_))));
        }
        assert!(from_float(f64::NAN, Seconds).is_err());
        assert_eq!(rfc3339(MAX_TIME), "9999-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(i64::MAX), "9223372036854775807 ms");
    }

    proptest! {
        #[test]
        fn a_time_is_read_back_in_every_unit(
            ms in prop_oneof![LIKELY, 0..=MAX_TIME, 0..10_000_000_000i64],
            place in 0usize..4,
        ) {
            let unit = TimeUnit::ALL[place];
            prop_assert_eq!(from_text(&to_text(ms, unit), unit), Ok(Value::Int(ms)));
        }

        #[test]
        fn any_number_is_a_time_or_refused(text in "-?[0-9]{1,30}[.]?[0-9]{0,9}(e[0-9]{1,9})?", place in 0usize..4) {
            let ms = from_text(&text, TimeUnit::ALL[place]).ok().and_then(|time| time.as_int());
            prop_assert!(ms.is_none_or(|ms| (0..=MAX_TIME).contains(&ms)));
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
