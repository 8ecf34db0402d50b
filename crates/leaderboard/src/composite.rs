//! Composite scores: a whole score and when it was reached, in one `f64`, so that the plain
//! commands of a sorted set put who reached a score first before the others.
//!
//! The score is the floor of what is stored. The fraction says when it was reached, in parts of
//! the period: the earlier the greater, and on ascending boards the later the greater. It is
//! rounded down to the bits that an `f64` has left beside the score, so it never reaches the next
//! score. Two members are told apart to the millisecond while the score is small, and more
//! coarsely above:
//!
//! | period | to 1 ms, below | to 1 s, below | to 1 min, below |
//! | --- | --- | --- | --- |
//! | hour | 2^31 (2,147,483,648) | 2^41 (2.2e12) | 2^47 (1.4e14) |
//! | day | 2^26 (67,108,864) | 2^36 (6.9e10) | 2^42 (4.4e12) |
//! | week | 2^23 (8,388,608) | 2^33 (8.6e9) | 2^39 (5.5e11) |
//! | month | 2^21 (2,097,152) | 2^31 (2.1e9) | 2^37 (1.4e11) |
//! | all | 2^11 (2,048) | 2^20 (1,048,576) | 2^26 (67,108,864) |
//!
//! Members who are not told apart stand as Redis puts equal scores: by the bytes of their names.
//! The table stands in `docs/topology.md` too, for those who choose between the ties.

use std::ops::RangeInclusive;
use tallyd_bolt::calendar::Window;

/// The greatest magnitude of a whole score: an `f64` holds all whole numbers up to it.
pub const GREATEST: i64 = 1 << 53;

/// All time, for ties: from 1970 on, 2^42 ms (until 2109). A later time counts as its last ms.
const ALL_TIME: Span = Span { start: 0, length: 1 << 42 };

/// The time in which scores of a board are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: i64,
    length: i64,
}

impl Span {
    /// The span of a period.
    #[must_use]
    pub fn of(window: &Window) -> Self {
        match window.end {
            i64::MAX => ALL_TIME,
            end => Self { start: window.start, length: end.saturating_sub(window.start).max(1) },
        }
    }
}

/// A score, at most [`GREATEST`] in magnitude, and when it was reached, in ms since the epoch, as
/// a member's stored score.
#[must_use]
pub fn encode(score: i64, reached: i64, span: Span, ascending: bool) -> f64 {
    let last = span.length - 1;
    let elapsed = reached.saturating_sub(span.start).clamp(0, last);
    let precedence = if ascending { elapsed } else { last - elapsed };
    let bits = bits(score);
    let fraction = (precedence.unsigned_abs() as u128) << bits;
    let fraction = fraction / span.length.unsigned_abs() as u128;
    // Exact: with this many bits after the point, all numbers up to the next score are floats.
    score as f64 + fraction as f64 / (1u64 << bits) as f64
}

/// Within which times (ms since the epoch, both included) the score was reached, from what
/// [`encode`] gave: as exactly as what is stored says it. `None` where it says nothing.
#[must_use]
pub fn reached(stored: f64, span: Span, ascending: bool) -> Option<RangeInclusive<i64>> {
    let alike = alike(stored, span, ascending);
    let end = span.start.saturating_add(span.length - 1);
    let says_nothing = *alike.start() == span.start && *alike.end() == end && span.length > 1;
    // The last ms of all time stands for whatever comes after it too.
    let is_open = span == ALL_TIME && *alike.end() == end;
    (!says_nothing && !is_open).then_some(alike)
}

/// All times that encode alike beside this score.
pub(crate) fn alike(stored: f64, span: Span, ascending: bool) -> RangeInclusive<i64> {
    let floor = stored.floor();
    let bits = bits(floor as i64);
    let steps = 1u64 << bits;
    let fraction = ((stored - floor) * steps as f64) as u128;
    let last = span.length - 1;
    // The least precedence that gives at least this fraction.
    let least = |fraction: u128| {
        let precedence = fraction * span.length.unsigned_abs() as u128;
        i64::try_from((precedence + u128::from(steps - 1)) >> bits).unwrap_or(last)
    };
    let (least, next) = (least(fraction).min(last), least(fraction + 1));
    // A fraction that no time gives was written by somebody else: it is taken for the next one.
    let most = (next - 1).min(last).max(least);
    let (from, to) = if ascending { (least, most) } else { (last - most, last - least) };
    span.start.saturating_add(from)..=span.start.saturating_add(to)
}

/// How many bits an `f64` has for the fraction beside this score.
fn bits(score: i64) -> u32 {
    52u32.saturating_sub(score.unsigned_abs().checked_ilog2().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Span = Span { start: 1_767_225_600_000, length: 3_600_000 };

    /// The score and when it was reached. Of all times that encode alike it is the latest, on
    /// ascending boards the earliest.
    fn decode(stored: f64, span: Span, ascending: bool) -> (i64, i64) {
        let alike = alike(stored, span, ascending);
        let reached = if ascending { *alike.start() } else { *alike.end() };
        (stored.floor() as i64, reached)
    }

    #[test]
    fn a_score_is_the_floor_of_what_is_stored() {
        let cases = [
            (0, HOUR.start, false, 1.0 - 1.0 / 3_600_000.0),
            (0, HOUR.start + 3_599_999, false, 0.0),
            (7, HOUR.start + 1_800_000 - 1, false, 7.5),
            (7, HOUR.start + 1_800_000, true, 7.5),
            (-7, HOUR.start + 1_800_000 - 1, false, -6.5),
            (7, HOUR.start, true, 7.0),
            // Outside of the period: its nearest end.
            (7, HOUR.start - 1, true, 7.0),
            (7, i64::MAX, false, 7.0),
            // Half a point is all that is left, and then nothing.
            ((1 << 52) - 1, HOUR.start, false, 4_503_599_627_370_495.5),
            (1 << 52, HOUR.start, false, 4_503_599_627_370_496.0),
            (GREATEST, HOUR.start, false, 9_007_199_254_740_992.0),
            (-GREATEST, HOUR.start, false, -9_007_199_254_740_992.0),
        ];
        for (score, reached, ascending, stored) in cases {
            let encoded = encode(score, reached, HOUR, ascending);
            assert!((encoded - stored).abs() <= f64::EPSILON, "{encoded} for {score} {reached}");
            assert_eq!(decode(encoded, HOUR, ascending).0, score);
        }
    }

    /// The table above: neighbouring milliseconds, seconds and minutes differ below the bound, and
    /// at the bound some do not.
    #[test]
    fn ties_are_as_fine_as_the_table_says() {
        let day = 86_400_000;
        let spans = [
            (3_600_000, [31, 41, 47]),
            (day, [26, 36, 42]),
            (7 * day, [23, 33, 39]),
            (31 * day, [21, 31, 37]),
            (1 << 42, [11, 20, 26]),
        ];
        for (length, bits) in spans {
            let span = Span { start: 0, length };
            for (apart, bits) in [1, 1000, 60_000].into_iter().zip(bits) {
                let resolves = |score| (1u128 << super::bits(score)) * apart >= length as u128;
                assert!(resolves((1 << bits) - 1) && !resolves(1 << bits), "{length} {apart}");
                let apart = apart as i64;
                for time in [0, 12_345, length / 3, length - 1 - apart] {
                    let [earlier, later] = [time, time + apart]
                        .map(|reached| encode((1 << bits) - 1, reached, span, false));
                    assert!(earlier > later, "{length} {apart} {time}");
                }
            }
        }
    }

    #[test]
    fn when_a_score_was_reached_is_said_as_exactly_as_it_is_known() {
        let old = 1_388_534_400_000; // 2014-01-01
        let new = 1_852_714_706_943; // 2028-09-16
        let beyond = 5_000_000_000_000; // 2128
        let cases = [
            (ALL_TIME, 5, old, Some(old..=old)),
            (ALL_TIME, 5_000_000, new, Some(new - new % 4096..=new - new % 4096 + 4095)),
            (ALL_TIME, 1 << 52, new, None),
            (ALL_TIME, GREATEST, old, None),
            // Later than what is told apart: not said.
            (ALL_TIME, 5, beyond, None),
            (HOUR, 100_000_000, HOUR.start + 7, Some(HOUR.start + 7..=HOUR.start + 7)),
            (HOUR, 1 << 51, HOUR.start, Some(HOUR.start..=HOUR.start + 1_799_999)),
            (HOUR, 1 << 52, HOUR.start, None),
        ];
        for (span, score, time, expected) in cases {
            for ascending in [false, true] {
                for score in [score, -score] {
                    let stored = encode(score, time, span, ascending);
                    assert_eq!(reached(stored, span, ascending), expected, "{score} {time}");
                }
            }
        }
        let [earlier, later] = [old, old + 1].map(|time| encode(5, time, ALL_TIME, false));
        assert!(earlier > later);
    }

    fn score() -> impl Strategy<Value = i64> {
        let near = |exponent: u32, by: i64| (1i64 << exponent) - by;
        let magnitude = prop_oneof![
            0i64..1000,
            (0u32..53, 0i64..3).prop_map(move |(e, by)| near(e, by).max(0)),
            0i64..=GREATEST,
        ];
        (magnitude, any::<bool>()).prop_map(|(m, minus)| if minus { -m } else { m })
    }

    fn span() -> impl Strategy<Value = Span> {
        prop_oneof![
            Just(HOUR),
            Just(ALL_TIME),
            (0i64..1 << 41, 1i64..1 << 32).prop_map(|(start, length)| Span { start, length }),
        ]
    }

    fn within(span: Span, time: u32) -> i64 {
        span.start + ((i128::from(span.length) * i128::from(time)) >> 32) as i64
    }

    proptest! {
        #[test]
        fn the_order_is_by_score_and_then_by_time(
            a in score(), b in score(), times in any::<(u32, u32)>(), span in span(), ascending: bool,
        ) {
            let (s, t) = (within(span, times.0), within(span, times.1));
            let (x, y) = (encode(a, s, span, ascending), encode(b, t, span, ascending));
            prop_assert_eq!(x.floor(), a as f64);
            if a != b {
                prop_assert_eq!(x < y, a < b);
            }
            let (first, second) = (encode(a, s.min(t), span, ascending), encode(a, s.max(t), span, ascending));
            let [low, high] = if ascending { [first, second] } else { [second, first] };
            prop_assert!(low <= high);
        }

        #[test]
        fn what_is_decoded_encodes_alike(
            score in score(), time in any::<u32>(), span in span(), ascending: bool,
        ) {
            let reached = within(span, time);
            let stored = encode(score, reached, span, ascending);
            let (again, rounded) = decode(stored, span, ascending);
            prop_assert_eq!(again, score);
            prop_assert_eq!(encode(again, rounded, span, ascending), stored);
            let [early, late] = if ascending { [rounded, reached] } else { [reached, rounded] };
            prop_assert!(early <= late);
            if 1 << bits(score) >= span.length {
                prop_assert_eq!(rounded, reached);
            }
            let alike = alike(stored, span, ascending);
            prop_assert!(alike.contains(&reached) && alike.contains(&rounded));
            for time in [*alike.start(), *alike.end()] {
                prop_assert_eq!(encode(score, time, span, ascending), stored);
            }
            for time in [alike.start() - 1, alike.end() + 1] {
                let is_within = (span.start..span.start + span.length).contains(&time);
                prop_assert!(!is_within || encode(score, time, span, ascending) != stored);
            }
        }

        #[test]
        fn no_foreign_score_is_too_strange(stored in any::<f64>(), span in span(), ascending: bool) {
            let (_, time) = decode(stored, span, ascending);
            prop_assert!((span.start..span.start + span.length).contains(&time));
            prop_assert!(reached(stored, span, ascending).is_none_or(|range| range.contains(&time)));
        }
    }
}
