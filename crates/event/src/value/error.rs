//! Why something is no value of a field.

use super::{MAX_STRING_BYTES, decimal, time};
use crate::schema::TimeUnit;
use smol_str::SmolStr;

/// Why a text or a foreign value is no value of the wanted type.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// The text is longer than a field may be.
    #[error("{0} bytes long (at most {MAX_STRING_BYTES})")]
    TooLong(usize),
    /// A control or bidirectional formatting character, which could forge what a terminal shows.
    #[error("control character U+{0:04X}")]
    ControlCharacter(u32),
    /// An empty text where a bool is wanted: some encoders write false so, others nothing at all.
    #[error(
        "an empty text is no bool (PHP writes false so: write 0, and leave the field out where it is unknown)"
    )]
    EmptyBool,
    /// A date and time of no known place, quoted.
    #[error("{0} has no offset (end it with Z for UTC, or with one such as +02:00)")]
    NoOffset(String),
    /// A number of more units of its last place than 64 bits hold.
    #[error("{given} is beyond {}, the greatest decimal with {places} places",
        decimal::text(i64::MAX.into(), *.places))]
    DecimalBeyond {
        /// The number.
        given: String,
        /// How many places the field has.
        places: u8,
    },
    /// A number that was a float, and has more digits than a float certainly keeps.
    #[error(
        "{given} was a float of more than {digits} digits, which may have lost some (send it as text)"
    )]
    DecimalImprecise {
        /// The number, quoted.
        given: String,
        /// How many such a float keeps.
        digits: u8,
    },
    /// A number with more places after the point than its field has.
    #[error(
        "{given} has more than {places} places after the point (round it, or give the field more)"
    )]
    TooManyPlaces {
        /// The number, quoted.
        given: String,
        /// How many the field has.
        places: u8,
    },
    /// A number that is a likely time in another unit than the field's.
    #[error(
        "{given} looks like {} (send {}: {}, or say unit = \"{}\" at the field)",
        meant.plural(), unit.name(), time::conversion(*meant, *unit), meant.name()
    )]
    OtherTimeUnit {
        /// The number, cut to a readable length.
        given: SmolStr,
        /// The unit in which it is a likely time.
        meant: TimeUnit,
        /// The unit of the field.
        unit: TimeUnit,
    },
    /// Another type is wanted.
    #[error("{given} is not {wanted}{hint}")]
    WrongType {
        /// What was given, quoted and cut to a readable length.
        given: String,
        /// What the schema wants, with an article.
        wanted: &'static str,
        /// What is wrong with it and what to write instead, or nothing.
        hint: &'static str,
    },
    /// A float that is NaN or infinite.
    #[error("{0} is not finite")]
    NotFinite(String),
    /// A number that no float can hold, as it was given.
    #[error("{0} is beyond what a float can hold (1.8e308)")]
    BeyondFloat(String),
    /// A time before 1970 or after 9999, as it was given.
    #[error("time {0} is out of range (1970 to 9999)")]
    TimeOutOfRange(SmolStr),
}
