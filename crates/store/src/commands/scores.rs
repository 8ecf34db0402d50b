//! Scores to commands: one `ZADD` a board, and now and then what unpacks the board.
//!
//! Redis keeps a sorted set of up to 128 members as one packed list. Scores are text there where
//! they have a fraction, and each write prints, parses and compares them. Measured on Redis 7.0.15,
//! a write of a fractional score takes 5 µs at 5 members, 6 at 20 and 15 at 100; in the large form,
//! a skip list, it takes 1. In exchange that form takes about 100 bytes a member instead of 30.
//!
//! So a board that is written often is unpacked, and one that is seldom written stays small. A set
//! leaves its packed form for good when it is given a member that is too long for it, so such a
//! member comes and goes within the commit: nobody ever sees it. A restart of Redis packs
//! small boards again.

use super::Keys;
use hashbrown::HashMap;
use redis::Pipeline;
use tallyd_bolt::Key;

/// A member that no packed list holds: those end at 64 bytes (`zset-max-listpack-value`). No event
/// has such a name, because it is not UTF-8.
const TOO_LONG: [u8; 65] = [0xff; 65];
/// One in so many scores unpacks its board.
const ONE_IN: u64 = 32;

/// The scores of a commit by board.
#[derive(Default)]
pub(super) struct Scores<'a> {
    boards: HashMap<&'a Key, Vec<(f64, &'a str)>>,
}

impl<'a> Scores<'a> {
    /// Adds a member's new score.
    pub(super) fn put(&mut self, key: &'a Key, score: f64, member: &'a str) {
        self.boards.entry(key).or_default().push((score, member));
    }

    /// Puts the commands behind those of a transaction.
    pub(super) fn add_to(self, pipeline: &mut Pipeline, keys: &Keys, bolt: &str) {
        for (key, mut members) in self.boards {
            // Neighbours one behind the other: the server finds the place of the next in memory
            // that it has just touched. Measured, about a fifth of what ZADD costs.
            members.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
            let unpacking = members.iter().find(|(score, member)| unpacks(*score, member));
            let unpacking = unpacking.map(|(score, _)| *score);
            let full = keys.bolt(bolt, key);
            let command = pipeline.cmd("ZADD").arg(&full);
            // First, so that the others find the board unpacked.
            if let Some(score) = unpacking {
                command.arg(score).arg(&TOO_LONG[..]);
            }
            for (score, member) in members {
                command.arg(score).arg(member);
            }
            if unpacking.is_some() {
                pipeline.cmd("ZREM").arg(&full).arg(&TOO_LONG[..]);
            }
        }
    }
}

/// Whether a score is the one in [`ONE_IN`] that unpacks its board.
fn unpacks(score: f64, member: &str) -> bool {
    let end = member.as_bytes().last_chunk::<8>().map_or(0, |end| u64::from_le_bytes(*end));
    let last = member.as_bytes().last().map_or(0, |byte| u64::from(*byte));
    let all = score.to_bits() ^ end ^ (last << 8) ^ member.len() as u64;
    let mixed = (all ^ (all >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // The highest bits depend on all others.
    (mixed >> 32).wrapping_mul(ONE_IN) >> 32 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_in_so_many_scores_unpacks_its_board() {
        let of = |score: fn(u32, u32) -> f64| {
            let all = (0..40).flat_map(|member| (0..100).map(move |step| (member, step)));
            let hits = all.filter(|&(member, step)| {
                unpacks(score(member, step), &format!("u{}", 1000 + member * 37))
            });
            hits.count()
        };
        for hits in [
            of(|_, step| f64::from(step)),
            of(|member, step| f64::from(step * 4) + f64::from(member * 100 + step) / 86_400.0),
            of(|_, step| f64::from(step) * 1e9),
        ] {
            assert!((60..250).contains(&hits), "{hits} of 4,000");
        }
    }

    #[test]
    fn the_member_that_unpacks_is_no_name_and_too_long() {
        assert!(std::str::from_utf8(&TOO_LONG).is_err());
        assert!(TOO_LONG.len() > 64);
    }
}
