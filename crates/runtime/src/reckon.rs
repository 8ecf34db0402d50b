//! What became of the entries of a stream: each that was ever added is processed, waits, or is
//! lost. Pure.
//!
//! A server says how many entries were ever added, and how many there are. A cursor says how many
//! are accounted for up to it. What is then missing was deleted before it was read: by MAXLEN of a
//! producer, by XTRIM or XDEL, whether it was pending or not.

use crate::store::{Cursor, StreamFacts};
use tallyd_event::EntryId;

/// How far a partition's task has come, its queue included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The last entry that it has read without a gap: that of its queue, or of its cursor.
    pub last: EntryId,
    /// How many entries between the cursor and that one it has in memory.
    pub held: u64,
}

/// What a look at a stream says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reckoning {
    /// Nothing is missing, or it can't be told at this moment.
    Sound,
    /// So many entries were added and are gone unread. A server that does not count what is added
    /// shows that some are, and not how many: then it is one.
    Lost(u64),
    /// The server counts fewer entries than are accounted for: the stream was deleted and made
    /// again since, and what it held unread then can't be told. So many of the new ones are
    /// accounted for.
    CountedAgain(u64),
    /// The stream began again: what it holds is unread.
    BeganAgain,
}

/// Whether a stream was deleted and made again, or its ids set back, so that what it holds at or
/// below the cursor was never read.
#[must_use]
pub fn began_again(cursor: &Cursor, facts: &StreamFacts) -> bool {
    if facts.generated < cursor.last {
        return true;
    }
    if let Some(mark) = facts.at.filter(|_| cursor.mark != 0) {
        // Another entry at the same id; or the same one, and then all before it are the same.
        return mark != cursor.mark;
    }
    // The entry at the cursor is gone, by itself or with the stream, which takes the groups with it.
    if !facts.ungrouped || facts.at.is_some() {
        return false;
    }
    match facts.ends {
        None => facts.added.is_some_and(|added| added < cursor.accounted),
        Some((first, _)) if first > cursor.last => {
            facts.added.is_some_and(|added| added.saturating_sub(facts.length) < cursor.accounted)
        }
        // What is done is trimmed from the start, and never from the middle.
        Some(_) => true,
    }
}

/// What the server's facts say of a stream with this cursor, as far as it was read.
#[must_use]
pub fn reckon(cursor: &Cursor, reach: Reach, facts: &StreamFacts) -> Reckoning {
    if began_again(cursor, facts) {
        return Reckoning::BeganAgain;
    }
    let waiting = match facts.ends {
        None => 0,
        Some((_, last)) if last <= reach.last => 0,
        Some((first, _)) if first > reach.last => facts.length,
        // Some of what is there was read, and the server does not say how much.
        Some(_) => return Reckoning::Sound,
    };
    let Some(added) = facts.added else {
        // Where nothing is lost, the last id that was given out is that of the last entry read.
        let passed = waiting == 0 && reach.held == 0 && facts.generated > cursor.last;
        return if passed { Reckoning::Lost(1) } else { Reckoning::Sound };
    };
    let gone = added.saturating_sub(waiting);
    match gone.checked_sub(cursor.accounted.saturating_add(reach.held)) {
        Some(0) => Reckoning::Sound,
        Some(lost) => Reckoning::Lost(lost),
        None => Reckoning::CountedAgain(gone.saturating_sub(reach.held)),
    }
}

/// The cursor that says so, where it says something else than before.
#[must_use]
pub fn corrected(cursor: &Cursor, found: Reckoning, facts: &StreamFacts) -> Option<Cursor> {
    let mut cursor = *cursor;
    match found {
        Reckoning::Sound | Reckoning::BeganAgain => return None,
        Reckoning::Lost(lost) => {
            cursor.counts.lost = cursor.counts.lost.saturating_add(lost);
            cursor.accounted = cursor.accounted.saturating_add(lost);
            if facts.added.is_none() {
                // Nothing is there: past its last id, the same loss does not show again.
                (cursor.last, cursor.mark) = (cursor.last.max(facts.generated), 0);
            }
        }
        Reckoning::CountedAgain(accounted) => {
            cursor.accounted = accounted;
            cursor.restarts = cursor.restarts.saturating_add(1);
        }
    }
    Some(cursor)
}

/// The cursor of a stream that began again: nothing that it holds is processed. What was added
/// and is not there any more is lost, but for what was accounted for before.
#[must_use]
pub fn restarted(cursor: &Cursor, facts: &StreamFacts) -> Cursor {
    let added = facts.added.unwrap_or_default();
    let gone = added.saturating_sub(facts.length);
    // A count that is as high as before goes on: then ids were set back, and nothing was deleted.
    let before = if added < cursor.accounted { 0 } else { cursor.accounted };
    let mut counts = cursor.counts;
    counts.lost = counts.lost.saturating_add(gone.saturating_sub(before));
    let restarts = cursor.restarts.saturating_add(1);
    Cursor { accounted: gone, restarts, counts, ..Cursor::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(ms: u64) -> EntryId {
        EntryId { ms, seq: 0 }
    }

    fn facts(added: u64, length: u64, generated: u64, ends: Option<(u64, u64)>) -> StreamFacts {
        let ends = ends.map(|(first, last)| (id(first), id(last)));
        StreamFacts {
            length,
            generated: id(generated),
            ends,
            added: Some(added),
            ..StreamFacts::default()
        }
    }

    fn cursor(last: u64, accounted: u64) -> Cursor {
        Cursor { last: id(last), accounted, ..Cursor::default() }
    }

    fn looked(cursor: &Cursor, held: u64, last: u64, facts: &StreamFacts) -> Reckoning {
        reckon(cursor, Reach { last: id(last), held }, facts)
    }

    #[test]
    fn what_was_added_and_is_not_there_is_lost() {
        let at_3 = cursor(3, 3);
        // Nothing more; two more; trimmed to five of twenty; all of them deleted.
        assert_eq!(looked(&at_3, 0, 3, &facts(3, 3, 3, Some((1, 3)))), Reckoning::Sound);
        assert_eq!(looked(&at_3, 0, 3, &facts(5, 2, 5, Some((4, 5)))), Reckoning::Sound);
        assert_eq!(looked(&at_3, 0, 3, &facts(23, 5, 23, Some((19, 23)))), Reckoning::Lost(15));
        assert_eq!(looked(&at_3, 0, 3, &facts(23, 0, 23, None)), Reckoning::Lost(20));
        // What the task holds is accounted for, whether it still is in the stream or not.
        assert_eq!(looked(&at_3, 2, 5, &facts(5, 2, 5, Some((4, 5)))), Reckoning::Sound);
        assert_eq!(looked(&at_3, 2, 5, &facts(5, 0, 5, None)), Reckoning::Sound);
        assert_eq!(looked(&at_3, 1, 5, &facts(5, 0, 5, None)), Reckoning::Lost(1));
    }

    #[test]
    fn nothing_is_told_while_the_cursor_is_in_the_middle_of_what_is_kept() {
        assert_eq!(looked(&cursor(3, 3), 0, 3, &facts(9, 5, 9, Some((2, 9)))), Reckoning::Sound);
        // It is, as soon as everything is read.
        assert_eq!(looked(&cursor(9, 7), 0, 9, &facts(9, 5, 9, Some((2, 9)))), Reckoning::Lost(2));
    }

    #[test]
    fn a_server_that_does_not_count_shows_what_it_can() {
        let old = |facts: StreamFacts| StreamFacts { added: None, ..facts };
        let at_3 = cursor(3, 3);
        assert_eq!(looked(&at_3, 0, 3, &old(facts(0, 1, 3, Some((3, 3))))), Reckoning::Sound);
        assert_eq!(looked(&at_3, 0, 3, &old(facts(0, 1, 9, Some((9, 9))))), Reckoning::Sound);
        assert_eq!(looked(&at_3, 0, 3, &old(facts(0, 0, 9, None))), Reckoning::Lost(1));
        assert_eq!(looked(&at_3, 1, 9, &old(facts(0, 0, 9, None))), Reckoning::Sound);
    }

    #[test]
    fn ids_below_the_cursor_are_a_stream_that_began_again() {
        let before = cursor(100, 7);
        let deleted = facts(2, 2, 2, Some((1, 2)));
        assert_eq!(looked(&before, 0, 100, &deleted), Reckoning::BeganAgain);
        assert_eq!(looked(&before, 0, 100, &StreamFacts::default()), Reckoning::BeganAgain);
        let now = restarted(&before, &deleted);
        assert_eq!((now.last, now.accounted, now.counts.lost, now.restarts), (id(0), 0, 0, 1));
        // Of what was added since, three were trimmed.
        let trimmed = facts(5, 2, 5, Some((4, 5)));
        let now = restarted(&before, &trimmed);
        assert_eq!((now.accounted, now.counts.lost), (3, 3));
        assert_eq!(looked(&now, 2, 5, &trimmed), Reckoning::Sound);
        // XSETID keeps the count: seven are done, one was deleted, two are there.
        let set_back = facts(10, 2, 50, Some((49, 50)));
        let now = restarted(&before, &set_back);
        assert_eq!((now.accounted, now.counts.lost), (8, 1));
        assert_eq!(looked(&now, 2, 50, &set_back), Reckoning::Sound);
    }

    #[test]
    fn another_entry_at_the_cursor_is_a_stream_that_began_again() {
        let before = Cursor { mark: 7, ..cursor(3, 3) };
        let again = |facts: StreamFacts, at, ungrouped| {
            let facts = StreamFacts { at, ungrouped, ..facts };
            let found = looked(&before, 0, 3, &facts);
            assert_eq!(began_again(&before, &facts), found == Reckoning::BeganAgain);
            began_again(&before, &facts)
        };
        // As many entries as before, with the same ids; the last of them tells, grouped or not.
        let same = facts(3, 3, 3, Some((1, 3)));
        for ungrouped in [false, true] {
            assert!(!again(same, Some(7), ungrouped));
            assert!(again(same, Some(8), ungrouped));
        }
        // They passed the cursor, which fell between two of them.
        let passed = facts(4, 4, 5, Some((1, 5)));
        assert!(again(passed, None, true) && !again(passed, None, false));
        // All are above the cursor: the server counts fewer than were read, or the group alone is gone.
        let above = |added| facts(added, 2, 9, Some((8, 9)));
        assert!(again(above(2), None, true) && !again(above(5), None, true));
        assert!(
            again(facts(0, 0, 3, None), None, true) && !again(facts(3, 0, 3, None), None, true)
        );
        // A cursor of which it is not known what stood there.
        let unknown = cursor(3, 3);
        let facts = StreamFacts { at: Some(8), ungrouped: true, ..same };
        assert!(!began_again(&unknown, &facts));
    }

    #[test]
    fn a_count_that_went_back_is_taken_up() {
        let at_100 = cursor(100, 70);
        let made_again = facts(2, 2, 102, Some((101, 102)));
        assert_eq!(looked(&at_100, 0, 100, &made_again), Reckoning::CountedAgain(0));
        assert_eq!(looked(&at_100, 1, 101, &facts(3, 0, 103, None)), Reckoning::CountedAgain(2));
    }
}
