//! Scores of which events may be taken back.

use super::{GREATEST, Points, Refusal, Rest, Rule, Scoring, Span, Stored};
use tallyd_bolt::ExactSum;

impl Scoring {
    /// Whether it is stored how many events make up a sum. A count says it by itself.
    pub(super) fn is_counted(&self) -> bool {
        self.corrected && self.place.is_some() && matches!(self.rule, Rule::Sum)
    }

    /// What is stored of the member after an event, which may be one that is taken back; `None` where
    /// none of its events is left.
    pub(crate) fn corrected(
        &self,
        stored: Option<&Stored>,
        (points, taken_back): (Points, bool),
        time: i64,
        span: Span,
    ) -> Result<Option<Stored>, Refusal> {
        if !matches!(self.rule, Rule::Sum) {
            // The version that replaces it is a later one, on the same board: else the topology is
            // refused.
            return match taken_back {
                true => Ok(stored.cloned()),
                false => self.next(stored, points, time, span).map(Some),
            };
        }
        // What a board could never count, it can't take back.
        if let Points::Int(units) = points
            && units.unsigned_abs() > GREATEST.unsigned_abs()
        {
            return if taken_back { Ok(stored.cloned()) } else { Err(self.beyond(units.into())) };
        }
        let before = stored.map_or(0, |stored| self.events(stored));
        let events = match taken_back {
            true => before.saturating_sub(1),
            false => before.saturating_add(1),
        };
        if events == 0 {
            return Ok(None);
        }
        let (score, sum) = self.sum(stored, points, taken_back, span)?;
        let rest = if self.is_counted() { Rest::Counted(events, sum) } else { Rest::Nothing };
        Ok(Some(Stored { score, rest }))
    }

    /// How many events make up what is stored.
    fn events(&self, stored: &Stored) -> u64 {
        match stored.rest {
            Rest::Counted(events, _) => events,
            _ => stored.score as u64,
        }
    }

    fn sum(
        &self,
        stored: Option<&Stored>,
        points: Points,
        taken_back: bool,
        span: Span,
    ) -> Result<(f64, Option<ExactSum>), Refusal> {
        let (before, exact) = match stored {
            None => (0.0, ExactSum::default()),
            Some(Stored { score, rest: Rest::Counted(_, Some(sum)) }) => (*score, sum.clone()),
            Some(stored) => (stored.score, ExactSum::default()),
        };
        match points {
            Points::Float(float) => {
                let sum = exact.plus(&ExactSum::of(if taken_back { -float } else { float }));
                let score = sum.value();
                let is_beyond = !score.is_finite();
                if is_beyond { Err(Refusal::Float(before, float)) } else { Ok((score, Some(sum))) }
            }
            Points::Int(units) => {
                // Exact: both are at most 2^53 in magnitude.
                let sum = before as i64 + if taken_back { -units } else { units };
                Ok((self.close(Points::Int(sum), 0, span)?, None))
            }
        }
    }
}

/// What stands beside a sum of which events may be taken back; `None` for what is something else.
pub(super) fn counted(rest: Option<&[u8]>, score: f64, float: bool) -> Option<Rest> {
    // Nothing stands beside a score where the board expires between the two reads.
    let Some(rest) = rest else {
        return Some(Rest::Counted(1, float.then(|| ExactSum::of(score))));
    };
    let text = std::str::from_utf8(rest).ok()?;
    if !float {
        return Some(Rest::Counted(text.parse().ok()?, None));
    }
    let (events, sum) = text.split_once(' ')?;
    Some(Rest::Counted(events.parse().ok()?, Some(ExactSum::parse(sum.as_bytes())?)))
}
