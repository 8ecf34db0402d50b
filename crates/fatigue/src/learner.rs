//! What is kept of a learner, and the bytes that hold it.

use crate::{Parameters, met::Met};
use tallyd_bolt::bytes;

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

/// Stored bytes that are no state of a learner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} bytes stored are no state of a learner; delete the field to begin again")]
pub struct Unreadable(usize);

/// What a learner's field tells a reader.
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
    /// Reads the bytes of a learner's field.
    ///
    /// # Errors
    /// Where they are something else.
    pub fn of(field: &[u8]) -> Result<Self, Unreadable> {
        let (learner, _) = decode(field)?;
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

    fn counts(&self) -> [u32; 3] {
        [self.answers, self.in_session, self.known]
    }

    fn numbers(&self) -> [f32; 8] {
        let Self { ability, pace, variance, accuracy, speed, rapid, load, score, .. } = *self;
        [score, ability, pace, variance, accuracy, speed, rapid, load]
    }
}

/// What is kept of a learner, as bytes: the answers in all, in the session and in the baseline, and
/// then the time of the last one times two, 1 more while an alert stands, each as LEB128; eight
/// 32-bit floats, lowest byte first, the score first; and the items met.
pub(crate) fn encode(learner: &Learner, met: &Met) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(120);
    for count in learner.counts() {
        bytes::put_count(&mut bytes, count.into());
    }
    // The time begins at 0, and only grows.
    bytes::put_count(&mut bytes, learner.at.max(0).unsigned_abs() << 1 | u64::from(learner.tired));
    for number in learner.numbers() {
        bytes.extend(number.to_le_bytes());
    }
    met.put(&mut bytes);
    bytes
}

/// What these bytes hold.
///
/// # Errors
/// Where they are something else.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Learner, Met), Unreadable> {
    let mut rest = bytes;
    let learner = fields(&mut rest);
    let met = Met::decode(rest);
    learner.zip(met).ok_or(Unreadable(bytes.len()))
}

fn fields(rest: &mut &[u8]) -> Option<Learner> {
    let mut count = || bytes::count(rest).and_then(|count| u32::try_from(count).ok());
    let (answers, in_session, known) = (count()?, count()?, count()?);
    let at = bytes::count(rest)?;
    let mut number = || bytes::take(rest).map(f32::from_le_bytes).filter(|x| x.is_finite());
    let score = number()?;
    Some(Learner {
        at: i64::try_from(at >> 1).ok()?,
        answers,
        in_session,
        known,
        tired: at & 1 == 1,
        ability: number()?,
        pace: number()?,
        variance: number()?,
        accuracy: number()?,
        speed: number()?,
        rapid: number()?,
        load: number()?,
        score,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn learner() -> impl Strategy<Value = Learner> {
        let numbers = prop::array::uniform8(-1e6f32..1e6);
        ((0i64..=i64::MAX, any::<(u32, u32, u32, bool)>()), numbers).prop_map(|(counts, n)| {
            let (at, (answers, in_session, known, tired)) = counts;
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

    fn met() -> impl Strategy<Value = Met> {
        prop::collection::vec("[a-z]{1,3}", 0..200).prop_map(|items| {
            let mut met = Met::default();
            for item in &items {
                met.note(item);
            }
            met
        })
    }

    proptest! {
        #[test]
        fn a_state_is_what_its_bytes_say(learner in learner(), met in met()) {
            let bytes = encode(&learner, &met);
            prop_assert_eq!(decode(&bytes), Ok((learner, met)));
            for cut in 0..bytes.len() {
                let (older, whole) = (cut + 32 == bytes.len(), Met { older: [0; 32], ..met });
                match decode(&bytes[..cut]) {
                    // Where the older filter is cut off, the rest reads as if it were empty.
                    Ok(found) => prop_assert!(older && found == (learner, whole)),
                    Err(error) => prop_assert_eq!(error, Unreadable(cut)),
                }
            }
            prop_assert!(decode(&[&bytes[..], &[0]].concat()).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((learner, met)) = decode(&bytes) {
                prop_assert_eq!(encode(&learner, &met), bytes);
            }
        }
    }

    #[test]
    fn a_state_takes_few_bytes() {
        let mut learner = Learner::new(&Parameters::default());
        learner.at = 1_767_225_600_000;
        (learner.answers, learner.in_session, learner.known) = (60, 60, 60);
        let mut met = Met::default();
        met.note("q1");
        assert_eq!(encode(&learner, &met).len(), 73);
        met.older = met.newer;
        assert_eq!(encode(&learner, &met).len(), 105);
    }

    #[test]
    fn bytes_of_something_else_say_so() {
        let reason = decode(b"what").map_err(|e| e.to_string());
        let expected =
            "the 4 bytes stored are no state of a learner; delete the field to begin again";
        assert_eq!(reason, Err(expected.to_owned()));
        let mut nan = Learner::new(&Parameters::default());
        nan.load = f32::NAN;
        assert!(decode(&encode(&nan, &Met::default())).is_err());
    }
}
