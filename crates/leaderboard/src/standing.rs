//! How an event changes a member's score. The stored `f64` is the whole state: it is decoded and
//! encoded for every event, so no split of events into batches can change it.

use crate::{
    Options, Score, Ties,
    composite::{GREATEST, Span, decode, encode},
};
use tallyd_event::{Event, FieldType, Schema};

/// How a bolt scores.
#[derive(Debug)]
pub(crate) struct Scoring {
    rule: Rule,
    /// The place of the field that is scored; `None`: each event is one point.
    place: Option<usize>,
    float: bool,
    ties: Ties,
    ascending: bool,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Greatest,
    Last,
    Least,
    Sum,
}

/// A score, or what an event adds to one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Points {
    Float(f64),
    Int(i64),
}

/// Why an event can't be scored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Beyond {
    #[error("score {0} is beyond {GREATEST} (2^53), the greatest whole score that a board holds")]
    Int(i128),
    #[error("score {0:?} + {1:?} is beyond what a board can hold")]
    Float(f64, f64),
}

impl Scoring {
    pub(crate) fn new(options: &Options, input: &Schema) -> Self {
        let (rule, field) = match &options.score {
            Score::Count => (Rule::Sum, None),
            Score::Last(field) => (Rule::Last, Some(field)),
            Score::Max(field) => (Rule::Greatest, Some(field)),
            Score::Min(field) => (Rule::Least, Some(field)),
            Score::Sum(field) => (Rule::Sum, Some(field)),
        };
        let place = field.map(|field| field.index);
        let kind = place.and_then(|place| input.fields.get(place)).map(|field| field.kind);
        let float = kind == Some(FieldType::Float);
        Self { rule, place, float, ties: options.ties, ascending: options.ascending() }
    }

    /// What an event is scored by; `None` where it leaves the field out.
    pub(crate) fn points(&self, event: &Event) -> Option<Points> {
        match self.place.map(|place| event.value(place)) {
            None => Some(Points::Int(1)),
            Some(value) if self.float => value.as_number().map(Points::Float),
            Some(value) => value.as_int().map(Points::Int),
        }
    }

    /// The member's score after an event at a time, from the one before.
    pub(crate) fn next(
        &self,
        stored: Option<f64>,
        points: Points,
        time: i64,
        span: Span,
    ) -> Result<f64, Beyond> {
        let Some(stored) = stored else { return self.close(points, time, span) };
        let (old, reached) = self.open(stored, span);
        match self.change(old, reached, points, time)? {
            Some((points, reached)) => self.close(points, reached, span),
            None => Ok(stored),
        }
    }

    /// The score that an event makes of another, and when it counts as reached; `None`: it stays.
    fn change(
        &self,
        old: Points,
        reached: i64,
        points: Points,
        time: i64,
    ) -> Result<Option<(Points, i64)>, Beyond> {
        Ok(match self.rule {
            Rule::Greatest if points > old => Some((points, time)),
            Rule::Least if points < old => Some((points, time)),
            Rule::Greatest | Rule::Least if points == old => Some((old, reached.min(time))),
            Rule::Last if points != old => Some((points, time)),
            Rule::Sum if !points.is_zero() => Some((old.plus(points)?, reached.max(time))),
            _ => None,
        })
    }

    fn open(&self, stored: f64, span: Span) -> (Points, i64) {
        match self.ties {
            Ties::First => {
                let (score, reached) = decode(stored, span, self.ascending);
                (Points::Int(score), reached)
            }
            Ties::Shared if self.float => (Points::Float(stored), 0),
            Ties::Shared => (Points::Int(stored as i64), 0),
        }
    }

    fn close(&self, points: Points, reached: i64, span: Span) -> Result<f64, Beyond> {
        match points {
            // Adding 0 makes -0 to 0, which Redis and readers take for one score.
            Points::Float(score) => Ok(score + 0.0),
            Points::Int(score) if score.unsigned_abs() > GREATEST.unsigned_abs() => {
                Err(Beyond::Int(i128::from(score)))
            }
            Points::Int(score) => Ok(match self.ties {
                Ties::First => encode(score, reached, span, self.ascending),
                Ties::Shared => score as f64,
            }),
        }
    }
}

impl Points {
    fn is_zero(self) -> bool {
        matches!(self, Points::Int(0)) || self == Points::Float(0.0)
    }

    /// Ints add up exactly; floats one after the other in the order of the events.
    fn plus(self, other: Self) -> Result<Self, Beyond> {
        match (self, other) {
            (Points::Int(a), Points::Int(b)) => a
                .checked_add(b)
                .map(Points::Int)
                .ok_or_else(|| Beyond::Int(i128::from(a) + i128::from(b))),
            _ => {
                let (a, b) = (self.as_f64(), other.as_f64());
                let sum = a + b;
                if sum.is_finite() { Ok(Points::Float(sum)) } else { Err(Beyond::Float(a, b)) }
            }
        }
    }

    fn as_f64(self) -> f64 {
        match self {
            Points::Float(float) => float,
            Points::Int(int) => int as f64,
        }
    }
}
