//! How an event changes a member's score. What is stored is the whole state: the `f64` is decoded
//! and encoded for every event, so no split of events into batches can change it. Where it is not
//! enough, the rest ([`Rest`]) stands beside it.

mod back;
mod merge;

use crate::{
    Options, Score, Ties,
    composite::{GREATEST, Span, alike, encode},
};
use std::{fmt, ops::RangeInclusive};
use tallyd_bolt::ExactSum;
use tallyd_event::{Event, FieldType, Schema, Value, decimal};

/// How a bolt scores.
#[derive(Debug)]
pub(crate) struct Scoring {
    rule: Rule,
    /// The place of the field that is scored; `None`: each event is one point.
    place: Option<usize>,
    float: bool,
    places: Option<u8>,
    ties: Ties,
    ascending: bool,
    corrected: bool,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Greatest,
    Last,
    LastArrived,
    Least,
    Sum,
}

/// A score, or what an event adds to one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Points {
    Float(f64),
    Int(i64),
}

/// What is stored of a member on a board.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    /// What the sorted set holds.
    pub(crate) score: f64,
    /// What the score alone does not say.
    pub(crate) rest: Rest,
}

/// What a score alone does not say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rest {
    /// Of a sum from which events may be taken back, how many make it up, and of floats the sum.
    Counted(u64, Option<ExactSum>),
    /// Of a `last` score the time of its event, in ms since the epoch.
    Last(i64),
    /// Nothing: the score says all.
    Nothing,
    /// Of a sum of floats the sum itself.
    Sum(ExactSum),
}

/// Why an event can't be scored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("score {} is beyond {}, the greatest that a board holds (2^53 units of the last place)",
        decimal::text(*.units, *.places), decimal::text(GREATEST.into(), *.places))]
    Decimal { units: i128, places: u8 },
    #[error("score {0} is beyond {GREATEST} (2^53), the greatest whole score that a board holds")]
    Int(i128),
    #[error("score {0:?} + {1:?} is beyond what a board can hold")]
    Float(f64, f64),
    #[error("stored with the score is \"{}\", which is not {wanted}", .given.escape_ascii())]
    Unreadable { given: Vec<u8>, wanted: &'static str },
}

impl Scoring {
    pub(crate) fn new(options: &Options, input: &Schema) -> Self {
        let (rule, field) = match &options.score {
            Score::Count => (Rule::Sum, None),
            Score::Last(field) => (Rule::Last, Some(field)),
            Score::LastArrived(field) => (Rule::LastArrived, Some(field)),
            Score::Max(field) => (Rule::Greatest, Some(field)),
            Score::Min(field) => (Rule::Least, Some(field)),
            Score::Sum(field) => (Rule::Sum, Some(field)),
        };
        let place = field.map(|field| field.index);
        let kind = place.and_then(|place| input.fields.get(place)).map(|field| field.kind);
        let float = kind == Some(FieldType::Float);
        let (places, ascending) = (options.places, options.ascending());
        let (ties, corrected) = (options.ties, options.corrected);
        Self { rule, place, float, places, ties, ascending, corrected }
    }

    /// What an event is scored by; `None` where it leaves the field out.
    pub(crate) fn points(&self, event: &Event) -> Option<Points> {
        match self.place.map(|place| event.value(place)) {
            None => Some(Points::Int(1)),
            Some(Value::Decimal(decimal)) => Some(Points::Int(decimal.units)),
            Some(value) if self.float => value.as_number().map(Points::Float),
            Some(value) => value.as_int().map(Points::Int),
        }
    }

    /// Whether a score alone does not say all.
    pub(crate) fn has_rest(&self) -> bool {
        matches!((self.rule, self.float), (Rule::Last, _) | (Rule::Sum, true)) || self.is_counted()
    }

    /// What is stored of a member, from its score and the bytes beside it.
    pub(crate) fn load(&self, score: f64, rest: Option<&[u8]>) -> Result<Stored, Refusal> {
        let unreadable = |given: &[u8], wanted| {
            let given = given.iter().copied().take(40).collect();
            Refusal::Unreadable { given, wanted }
        };
        let time = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|t| t.parse().ok());
        // Nothing stands beside a score where the board expires between the two reads.
        let rest = match (self.rule, self.float, rest) {
            _ if self.is_counted() => {
                let counted = back::counted(rest, score, self.float);
                let wanted = "a number of events and their sum";
                counted.ok_or_else(|| unreadable(rest.unwrap_or_default(), wanted))?
            }
            (Rule::Last, _, None) => Rest::Last(i64::MIN),
            (Rule::Last, _, Some(bytes)) => {
                Rest::Last(time(bytes).ok_or_else(|| unreadable(bytes, "a time in ms"))?)
            }
            (Rule::Sum, true, None) => Rest::Sum(ExactSum::of(score)),
            (Rule::Sum, true, Some(bytes)) => {
                let sum = ExactSum::parse(bytes);
                Rest::Sum(sum.ok_or_else(|| unreadable(bytes, "an exact sum"))?)
            }
            _ => Rest::Nothing,
        };
        Ok(Stored { score, rest })
    }

    /// What is stored of the member after an event at a time, from what was before.
    pub(crate) fn next(
        &self,
        stored: Option<&Stored>,
        points: Points,
        time: i64,
        span: Span,
    ) -> Result<Stored, Refusal> {
        let Some(stored) = stored else {
            let rest = match (self.rule, points) {
                (Rule::Last, _) => Rest::Last(time),
                (Rule::Sum, Points::Float(float)) => Rest::Sum(ExactSum::of(float)),
                _ => Rest::Nothing,
            };
            return Ok(Stored { score: self.close(points, time, span)?, rest });
        };
        let (old, reached) = self.open(stored.score, span);
        match (&stored.rest, points) {
            (Rest::Last(last), _) if time < *last => return Ok(stored.clone()),
            (Rest::Sum(sum), Points::Float(float)) => {
                let sum = sum.plus(&ExactSum::of(float));
                let score = sum.value();
                return match score.is_finite() {
                    true => Ok(Stored { score, rest: Rest::Sum(sum) }),
                    false => Err(Refusal::Float(stored.score, float)),
                };
            }
            _ => {}
        }
        let rest = match &stored.rest {
            Rest::Last(_) => Rest::Last(time),
            rest => rest.clone(),
        };
        let score = match self.change(old, reached, points, time)? {
            Some((points, reached)) => self.close(points, reached, span)?,
            None => stored.score,
        };
        Ok(Stored { score, rest })
    }

    /// The score that an event makes of another, and when it counts as reached; `None`: it stays.
    fn change(
        &self,
        old: Points,
        reached: RangeInclusive<i64>,
        points: Points,
        time: i64,
    ) -> Result<Option<(Points, i64)>, Refusal> {
        Ok(match self.rule {
            Rule::Greatest if points > old => Some((points, time)),
            Rule::Least if points < old => Some((points, time)),
            Rule::Greatest | Rule::Least if points == old => Some((old, time.min(*reached.end()))),
            Rule::Last | Rule::LastArrived if points != old => Some((points, time)),
            Rule::Sum => match (old, points) {
                (Points::Int(_), Points::Int(0)) => None,
                (Points::Int(a), Points::Int(b)) => {
                    let sum = i128::from(a) + i128::from(b);
                    let sum = i64::try_from(sum).map_err(|_| self.beyond(sum))?;
                    // Of times that the score of before does not tell apart, this one is known:
                    // a score that is smaller now says it to the millisecond again.
                    let is_later = time >= *reached.start();
                    Some((Points::Int(sum), if is_later { time } else { *reached.end() }))
                }
                // A sum of floats is more than its score: see `next`.
                _ => None,
            },
            _ => None,
        })
    }

    /// A score, and the times at one of which it was reached, as far as they are told apart.
    fn open(&self, stored: f64, span: Span) -> (Points, RangeInclusive<i64>) {
        match self.ties {
            Ties::First => {
                (Points::Int(stored.floor() as i64), alike(stored, span, self.ascending))
            }
            _ if self.float => (Points::Float(stored), 0..=0),
            Ties::Dense | Ties::Shared => (Points::Int(stored as i64), 0..=0),
        }
    }

    fn beyond(&self, units: i128) -> Refusal {
        match self.places {
            Some(places) => Refusal::Decimal { units, places },
            None => Refusal::Int(units),
        }
    }

    fn close(&self, points: Points, reached: i64, span: Span) -> Result<f64, Refusal> {
        match points {
            // Adding 0 makes -0 to 0, which Redis and readers take for one score.
            Points::Float(score) => Ok(score + 0.0),
            Points::Int(score) if score.unsigned_abs() > GREATEST.unsigned_abs() => {
                Err(self.beyond(score.into()))
            }
            Points::Int(score) => Ok(match self.ties {
                Ties::First => encode(score, reached, span, self.ascending),
                Ties::Dense | Ties::Shared => score as f64,
            }),
        }
    }
}

/// The score of a hidden member, as its sorted set would hold it, from the bytes that stand for it.
pub(crate) fn hidden_score(bytes: &[u8]) -> Result<f64, Refusal> {
    let score = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok());
    let finite = score.filter(|score| score.is_finite());
    finite.ok_or_else(|| {
        let given = bytes.iter().copied().take(40).collect();
        Refusal::Unreadable { given, wanted: "a score" }
    })
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rest::Counted(events, None) => write!(f, "{events}"),
            Rest::Counted(events, Some(sum)) => write!(f, "{events} {sum}"),
            Rest::Last(time) => write!(f, "{time}"),
            Rest::Nothing => Ok(()),
            Rest::Sum(sum) => write!(f, "{sum}"),
        }
    }
}
