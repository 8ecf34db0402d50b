//! One ability: the overall one of a learner, or the one in a concept, and the bytes that hold it.
//!
//! Whole numbers, of no more bits than they need. `docs/keys.md` says how to read them in any
//! language.

use crate::{
    items::Items,
    pair::{pair, unpair},
    variance::Variance,
};
use tallyd_bolt::bytes::{count, put_count, take};

/// Levels and difficulties are held in whole picologits: 10¹² of them are one logit.
pub const PICOLOGITS: f64 = 1e12;

/// A level is a whole number of these, in picologits: a nanologit.
///
/// An answer rounds a level by at most half of one: 1.3·10⁻¹⁰ in a probability, and later answers
/// draw it back. Difficulties, which have many more answers, are held in whole picologits: one of a
/// million answers is off by at most 5·10⁻⁷ logits even if every rounding went the same way.
const LEVEL_UNIT: i64 = 1_000;

/// No level or difficulty counts as further from 0 than this: 30 logits, in picologits, where the
/// odds are 10¹³ to 1.
pub const LIMIT: i64 = 30_000_000_000_000;

/// Answers are counted up to this.
pub const MOST_ANSWERS: u64 = u32::MAX as u64;

/// Times of answers are held in steps of so many seconds.
pub const TIME_STEP: u32 = 8;

/// A share of 1 in units of a moving average.
const WHOLE: f64 = u16::MAX as f64;
/// The unit of a stored moving average in a concept: one 255th.
const SHARE_STEP: u16 = 257;
/// Wrong answers in a row are counted up to this.
const MOST_WRONG: u8 = 15;

/// The bytes of a level with its variance.
const LEVEL_BYTES: usize = 6;
/// Where in the bits of an ability in a concept its parts begin.
const VARIANCE_AT: u32 = 36;
const RECENT_AT: u32 = 48;
const WRONG_AT: u32 = 56;
const ITEMS_AT: u32 = 60;
/// The bytes of an ability in a concept before those that depend on how many items are kept; the
/// last of them says how many.
const FIXED: usize = 8;

/// One ability of a learner.
///
/// Nothing in it is finer than what is stored of it, so that what is cached and what is read back
/// are the same to the last digit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ability {
    /// How many answers it rests on, up to [`MOST_ANSWERS`].
    pub answers: u64,
    /// How many of them were right.
    pub correct: u64,
    /// The estimate, in [`PICOLOGITS`], between plus and minus [`LIMIT`].
    pub level: i64,
    /// The variance of its error at the last answer.
    pub variance: Variance,
    /// The latest time of an answer, in seconds since the epoch, in steps of [`TIME_STEP`].
    pub last: u32,
    /// The moving average of right answers, in 65,535ths.
    pub(crate) recent: u16,
    /// How many of the latest answers in a concept were wrong, without a right one between them.
    pub(crate) wrong: u8,
    /// The items of the concept that were answered last; of the overall ability none.
    pub(crate) items: Items,
}

impl Ability {
    /// An ability of which nothing is known but how it spreads among learners: the deviation in
    /// logits.
    #[must_use]
    pub fn unknown(deviation: f64) -> Self {
        Self { variance: Variance::nearest(deviation * deviation), ..Self::default() }
    }

    /// The moving average of right answers; `none` before the first.
    pub(crate) fn recent_share(&self, none: f64) -> f64 {
        if self.answers == 0 { none } else { f64::from(self.recent) / WHOLE }
    }

    /// Counts an answer.
    pub(crate) fn count(&mut self, correct: bool, at: u32) {
        self.answers = self.answers.saturating_add(1).min(MOST_ANSWERS);
        self.correct = self.correct.saturating_add(u64::from(correct)).min(self.answers);
        self.last = self.last.max(at - at % TIME_STEP);
    }

    /// Moves the estimate by so many logits.
    pub(crate) fn move_level(&mut self, logits: f64) {
        let units = (logits * PICOLOGITS / LEVEL_UNIT as f64).round() as i64;
        let moved = self.level.saturating_add(units.saturating_mul(LEVEL_UNIT));
        self.level = moved.clamp(-LIMIT, LIMIT);
    }

    /// Moves the average of an overall ability towards an answer by a share of the distance. `none`
    /// is the average before the first.
    pub(crate) fn move_share(&mut self, none: f64, correct: bool, by: f64) {
        self.recent = (self.moved_share(none, correct, by) * WHOLE).round() as u16;
    }

    /// The same of an ability in a concept, whose wrong answers in a row are counted too.
    pub(crate) fn move_share_in_concept(&mut self, none: f64, correct: bool, by: f64) {
        let steps = WHOLE / f64::from(SHARE_STEP);
        let moved = (self.moved_share(none, correct, by) * steps).round() as u16;
        self.recent = moved.saturating_mul(SHARE_STEP);
        self.wrong = if correct { 0 } else { (self.wrong + 1).min(MOST_WRONG) };
    }

    fn moved_share(&self, none: f64, correct: bool, by: f64) -> f64 {
        let before = self.recent_share(none);
        before + by * (f64::from(u8::from(correct)) - before)
    }

    /// Puts an overall ability behind other bytes: `answers` and `correct` as LEB128, then, lowest
    /// byte first, the level and its variance in 6 bytes, the moving average in 2, and `last` in 4,
    /// in steps.
    pub(crate) fn put_overall(&self, bytes: &mut Vec<u8>) {
        put_count(bytes, self.answers);
        put_count(bytes, self.correct);
        let [level @ .., _, _] = self.level_bits().to_le_bytes();
        bytes.extend::<[u8; LEVEL_BYTES]>(level);
        bytes.extend(self.recent.to_le_bytes());
        bytes.extend((self.last / TIME_STEP).to_le_bytes());
    }

    /// Takes off what [`Ability::put_overall`] put there; `None` where that is something else.
    pub(crate) fn take_overall(rest: &mut &[u8]) -> Option<Self> {
        let (answers, correct) = (count(rest)?, count(rest)?);
        let [a, b, c, d, e, f] = take(rest)?;
        let recent = u16::from_le_bytes(take(rest)?);
        let last = u32::from_le_bytes(take(rest)?).checked_mul(TIME_STEP)?;
        let bits = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        Self { answers, correct, last, recent, ..Self::of_level_bits(bits) }.sound()
    }

    /// Puts an ability in a concept, but for its time, behind other bytes: the answers and right
    /// ones paired to one number as LEB128, and then, lowest byte first, its bits.
    pub(crate) fn put_in_concept(&self, bytes: &mut Vec<u8>) {
        put_count(bytes, pair(self.answers, self.correct));
        let (items, length) = self.items.bits();
        let bits = u128::from(self.level_bits())
            | u128::from(self.recent / SHARE_STEP) << RECENT_AT
            | u128::from(self.wrong) << WRONG_AT
            | u128::from(items) << ITEMS_AT;
        let length = (ITEMS_AT + length).div_ceil(u8::BITS) as usize;
        bytes.extend(bits.to_le_bytes().iter().take(length));
    }

    /// Splits off the bytes that [`Ability::put_in_concept`] put there, unread; `None` where they are
    /// too few.
    pub(crate) fn split_in_concept<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        let all = *rest;
        count(rest)?;
        let head = take::<FIXED>(rest)?;
        let more = (ITEMS_AT + Items::length(head.last()? >> 4)?).div_ceil(u8::BITS) as usize;
        *rest = rest.get(more.checked_sub(FIXED)?..)?;
        all.get(..all.len() - rest.len())
    }

    /// Reads such bytes, all of them; `None` where they are something else.
    pub(crate) fn in_concept(mut bytes: &[u8], last: u32) -> Option<Self> {
        let (answers, correct) = unpair(count(&mut bytes)?);
        let mut all = [0; size_of::<u128>()];
        all.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let bits = u128::from_le_bytes(all);
        let ability = Self {
            answers,
            correct,
            last,
            recent: (bits >> RECENT_AT & 0xff) as u16 * SHARE_STEP,
            wrong: (bits >> WRONG_AT & 0xf) as u8,
            items: Items::of_bits((bits >> ITEMS_AT) as u64)?,
            ..Self::of_level_bits(bits as u64)
        };
        ability.sound()
    }

    /// The level in its unit in 36 bits, signed, and the variance in 12.
    fn level_bits(&self) -> u64 {
        let level = (self.level / LEVEL_UNIT) as u64 & ((1 << VARIANCE_AT) - 1);
        level | u64::from(self.variance.code()) << VARIANCE_AT
    }

    fn of_level_bits(bits: u64) -> Self {
        let unused = u64::BITS - VARIANCE_AT;
        let level = ((bits << unused) as i64 >> unused) * LEVEL_UNIT;
        Self { level, variance: Variance::of_code((bits >> VARIANCE_AT) as u16), ..Self::default() }
    }

    fn sound(self) -> Option<Self> {
        let counts = self.correct <= self.answers && self.answers <= MOST_ANSWERS;
        (counts && (-LIMIT..=LIMIT).contains(&self.level)).then_some(self)
    }
}

#[cfg(test)]
mod tests;
