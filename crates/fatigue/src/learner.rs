//! What is kept of a learner, and the bytes that hold it.

use crate::Parameters;

/// The state of a learner. Numbers are 32-bit floats, rounded after every answer, so that what
/// is stored is exactly what is continued from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Learner {
    /// The latest time of an answer, in ms since the epoch.
    pub(crate) at: i64,
    /// Answers in all.
    pub(crate) answers: u32,
    /// Answers in the session.
    pub(crate) in_session: u32,
    /// Answers that the baseline rests on; fewer after a break, see `carried_answers`.
    pub(crate) known: u32,
    /// Whether an alert stands.
    pub(crate) tired: bool,
    /// θ, the Elo ability, in logits.
    pub(crate) ability: f32,
    /// τ, the usual log response time above that of the items.
    pub(crate) pace: f32,
    /// The variance of log response times around that.
    pub(crate) variance: f32,
    /// The CUSUM of wrong answers against expectation.
    pub(crate) accuracy: f32,
    /// The CUSUM of slowness.
    pub(crate) speed: f32,
    /// The moving share of rapid guesses, 0..1.
    pub(crate) rapid: f32,
    /// Decaying minutes of work.
    pub(crate) load: f32,
    /// The score, 0..1.
    pub(crate) score: f32,
}

/// The first byte: the format.
const FORMAT: u8 = 2;

/// Stored bytes that are no state of a learner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the stored state is no state of a learner ({0} bytes, format {1}); delete its key to begin again"
)]
pub struct Unreadable(usize, u8);

/// What a learner's stored `state` tells a reader.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The score, 0..1.
    pub score: f64,
    /// The part of accuracy: how far it fell behind what is usual (a CUSUM).
    pub accuracy: f64,
    /// The part of response time: how far it fell behind what is usual (a CUSUM).
    pub speed: f64,
    /// Minutes of work, decaying.
    pub load: f64,
    /// The share of rapid guesses, 0..1.
    pub rapid: f64,
    /// Whether an alert stands.
    pub tired: bool,
    /// Answers in all.
    pub answers: u64,
    /// The time of the last answer, in ms since the epoch.
    pub at: i64,
}

impl Reading {
    /// Reads the bytes of a learner's `state`.
    ///
    /// # Errors
    /// Where they are of another length or format.
    pub fn of(state: &[u8]) -> Result<Self, Unreadable> {
        let learner = Learner::decode(state)?;
        Ok(Self {
            score: decimal(learner.score),
            accuracy: decimal(learner.accuracy),
            speed: decimal(learner.speed),
            load: decimal(learner.load),
            rapid: decimal(learner.rapid),
            tired: learner.tired,
            answers: u64::from(learner.answers),
            at: learner.at,
        })
    }
}

/// A number to four decimals, which is more than it is good for.
pub(crate) fn decimal(number: f32) -> f64 {
    (f64::from(number) * 1e4).round() / 1e4
}

impl Learner {
    /// A learner of whom nothing is known.
    pub(crate) fn new(parameters: &Parameters) -> Self {
        Self {
            at: 0,
            answers: 0,
            in_session: 0,
            known: 0,
            tired: false,
            ability: 0.0,
            pace: 0.0,
            variance: (parameters.spread * parameters.spread) as f32,
            accuracy: 0.0,
            speed: 0.0,
            rapid: 0.0,
            load: 0.0,
            score: 0.0,
        }
    }

    /// The state as bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT, u8::from(self.tired)];
        bytes.extend(self.at.to_le_bytes());
        for count in [self.answers, self.in_session, self.known] {
            bytes.extend(count.to_le_bytes());
        }
        for number in [
            self.ability,
            self.pace,
            self.variance,
            self.accuracy,
            self.speed,
            self.rapid,
            self.load,
            self.score,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes
    }

    /// The state that these bytes hold.
    ///
    /// # Errors
    /// Where they are of another length or format.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let wrong = || Unreadable(bytes.len(), bytes.first().copied().unwrap_or_default());
        let mut rest = Some(bytes);
        if take::<1>(&mut rest).map(|[format]| format) != Some(FORMAT) {
            return Err(wrong());
        }
        let learner = Self::fields(&mut rest).ok_or_else(wrong)?;
        if rest.is_some_and(<[u8]>::is_empty) { Ok(learner) } else { Err(wrong()) }
    }

    fn fields(rest: &mut Option<&[u8]>) -> Option<Self> {
        let [tired] = take(rest)?;
        let at = i64::from_le_bytes(take(rest)?);
        let mut count = || take(rest).map(u32::from_le_bytes);
        let (answers, in_session, known) = (count()?, count()?, count()?);
        let mut number = || take(rest).map(f32::from_le_bytes).filter(|x| x.is_finite());
        Some(Self {
            at,
            answers,
            in_session,
            known,
            tired: tired != 0,
            ability: number()?,
            pace: number()?,
            variance: number()?,
            accuracy: number()?,
            speed: number()?,
            rapid: number()?,
            load: number()?,
            score: number()?,
        })
    }
}

/// The next `N` bytes, taken off; `None` from then on where there are fewer.
fn take<const N: usize>(rest: &mut Option<&[u8]>) -> Option<[u8; N]> {
    let (head, tail) = rest.take()?.split_first_chunk::<N>()?;
    *rest = Some(tail);
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn learner() -> impl Strategy<Value = Learner> {
        let numbers = prop::array::uniform8(-1e6f32..1e6);
        (any::<(i64, u32, u32, u32, bool)>(), numbers).prop_map(|(counts, n)| {
            let (at, answers, in_session, known, tired) = counts;
            let [ability, pace, variance, accuracy, speed, rapid, load, score] = n;
            Learner {
                at,
                answers,
                in_session,
                known,
                tired,
                ability,
                pace,
                variance,
                accuracy,
                speed,
                rapid,
                load,
                score,
            }
        })
    }

    proptest! {
        #[test]
        fn a_state_is_what_its_bytes_say(learner in learner(), cut in 0usize..54) {
            let bytes = learner.encode();
            prop_assert_eq!(bytes.len(), 54);
            prop_assert_eq!(Learner::decode(&bytes), Ok(learner));
            prop_assert!(Learner::decode(&bytes[..cut]).is_err());
            prop_assert!(Learner::decode(&[&bytes[..], &[0]].concat()).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Learner::decode(&bytes);
        }
    }

    #[test]
    fn bytes_of_another_format_say_so() {
        let mut bytes = Learner::new(&Parameters::default()).encode();
        bytes[0] = 1;
        let reason = Learner::decode(&bytes).map_err(|e| e.to_string());
        let expected = "the stored state is no state of a learner (54 bytes, format 1)";
        assert!(reason.is_err_and(|reason| reason.starts_with(expected)));
    }
}
