//! The kinds of reasons for a dead letter.

use tallyd_event::{ValueError, decode::Reason};

/// Why something is a dead letter, in few kinds: the label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The producer left out a field.
    MissingField,
    /// A value is not of its field's type.
    BadValue,
    /// A number is outside its bounds.
    OutOfRange,
    /// A time is too far after the arrival.
    TimeAhead,
    /// A time is too far before the arrival.
    TimeBehind,
    /// A time is a number of another unit than its field's.
    TimeUnit,
    /// A batch can't be read.
    Batch,
    /// A frame can't be read.
    Frame,
    /// The bolt can't use the event.
    Bolt,
    /// The bolt panicked.
    Panic,
    /// A key that the bolt needs for the event holds another type of value.
    WrongType,
}

impl Rejected {
    /// All of them, in the order of their numbers.
    pub const ALL: [Rejected; 11] = [
        Rejected::MissingField,
        Rejected::BadValue,
        Rejected::OutOfRange,
        Rejected::TimeAhead,
        Rejected::TimeBehind,
        Rejected::TimeUnit,
        Rejected::Batch,
        Rejected::Frame,
        Rejected::Bolt,
        Rejected::Panic,
        Rejected::WrongType,
    ];

    /// The label of metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Rejected::MissingField => "missing_field",
            Rejected::BadValue => "bad_value",
            Rejected::OutOfRange => "out_of_range",
            Rejected::TimeAhead => "time_ahead",
            Rejected::TimeBehind => "time_behind",
            Rejected::TimeUnit => "time_unit",
            Rejected::Batch => "batch",
            Rejected::Frame => "frame",
            Rejected::Bolt => "bolt",
            Rejected::Panic => "panic",
            Rejected::WrongType => "wrong_type",
        }
    }
}

impl From<&Reason> for Rejected {
    fn from(reason: &Reason) -> Self {
        match reason {
            Reason::Missing(_) | Reason::Nameless(_) => Rejected::MissingField,
            Reason::Value(_, ValueError::OtherTimeUnit { .. }) => Rejected::TimeUnit,
            Reason::Twice(_) | Reason::Value(..) => Rejected::BadValue,
            Reason::OutOfRange { .. } => Rejected::OutOfRange,
            Reason::Ahead { .. } => Rejected::TimeAhead,
            Reason::Behind { .. } => Rejected::TimeBehind,
            Reason::Batch(_) => Rejected::Batch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn their_order_is_that_of_their_numbers() {
        for (number, reason) in Rejected::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number, "{reason:?}");
        }
    }
}
