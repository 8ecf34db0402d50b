//! Windows of a length up to a day, as the clock of a time zone cuts them.
//!
//! A window is a stretch of the local clock between two multiples of its length, such as 00:00 to
//! 06:00. Time that the clocks skip makes it shorter: if it skips the window's beginning, the
//! window begins where the clock jumps. Time that they show twice makes it longer; only a window
//! that is no longer than what is shown twice comes twice. So windows never overlap, leave no hole,
//! and begin when the clock shows a multiple of their length or has skipped one.

use jiff::{Timestamp, tz::TimeZone};

/// The first ms of the window that holds a time, and the first ms after it, both since the epoch.
pub(super) fn bounds(zone: &TimeZone, length: i64, time: i64) -> (i64, i64) {
    let clock = Clock { zone, length };
    let start = clock.start(time);
    (start, clock.end(start, time))
}

struct Clock<'a> {
    zone: &'a TimeZone,
    /// The length of a window in ms; it divides a day.
    length: i64,
}

/// A change of the clocks.
#[derive(Clone, Copy)]
struct Change {
    /// The first ms at which the clocks are changed.
    at: i64,
    /// The distance from UTC before, in ms.
    before: i64,
}

impl Clock<'_> {
    fn start(&self, time: i64) -> i64 {
        let offset = self.offset(time);
        let aligned = time - (time + offset).rem_euclid(self.length);
        let Some(change) = self.last_change(time) else { return aligned };
        let stretch = (time + offset).div_euclid(self.length);
        let stretch_before = (change.at - 1 + change.before).div_euclid(self.length);
        let set_back = change.before - offset;
        // Which window is going on when the clocks change, and whether it still is at this time.
        let goes_on = if set_back >= self.length {
            aligned < change.at
        } else if set_back > 0 {
            stretch <= stretch_before
        } else {
            stretch == stretch_before
        };
        // The recursion ends: each step goes back over one change, and only within one window.
        if goes_on { self.start(change.at - 1) } else { aligned.max(change.at) }
    }

    fn end(&self, start: i64, time: i64) -> i64 {
        let mut at = time;
        loop {
            let next = at + self.length - (at + self.offset(at)).rem_euclid(self.length);
            at = self.next_change(at).map_or(next, |change| change.min(next));
            if self.start(at) != start {
                return at;
            }
        }
    }

    fn offset(&self, time: i64) -> i64 {
        i64::from(self.zone.to_offset(timestamp(time)).seconds()) * 1000
    }

    /// The last change of the clocks at or before a time.
    fn last_change(&self, time: i64) -> Option<Change> {
        let change = self.zone.preceding(timestamp(time.saturating_add(1))).next()?;
        let at = change.timestamp().as_millisecond();
        Some(Change { at, before: self.offset(at - 1) })
    }

    fn next_change(&self, time: i64) -> Option<i64> {
        Some(self.zone.following(timestamp(time)).next()?.timestamp().as_millisecond())
    }
}

/// A time of the calendar; one outside of its years is their nearest end.
pub(super) fn timestamp(ms: i64) -> Timestamp {
    let end = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(ms).unwrap_or(end)
}
