//! Two scores as one: what one member has on two boards, or two members on one.

use super::{Points, Refusal, Rest, Rule, Scoring, Stored};
use crate::composite::Span;

impl Scoring {
    /// What stands on a board where one thing stood and another comes to it, both reached in `span`:
    /// sums and counts add up, of maxima and minima the better one stays, of equal ones the earlier;
    /// of last values the one whose event is later. Where that is not known, what stood stays.
    ///
    /// # Errors
    /// Where the sum of both is beyond what a board can hold.
    pub(crate) fn merge(
        &self,
        stood: &Stored,
        comes: &Stored,
        span: Span,
    ) -> Result<Stored, Refusal> {
        let later = |stays: bool| if stays { stood.clone() } else { comes.clone() };
        let of_both = |score| Ok(Stored { score, rest: Rest::Nothing });
        match (self.rule, &stood.rest, &comes.rest) {
            // What is stored holds the time too: of equal scores the earlier is the greater, on
            // ascending boards the smaller.
            (Rule::Greatest, ..) => of_both(stood.score.max(comes.score)),
            (Rule::Least, ..) => of_both(stood.score.min(comes.score)),
            (Rule::Last, Rest::Last(a), Rest::Last(b)) => Ok(later(a >= b)),
            (Rule::Last | Rule::LastArrived, ..) => {
                let (_, a) = self.open(stood.score, span);
                let (_, b) = self.open(comes.score, span);
                Ok(later(a.end() >= b.end()))
            }
            (Rule::Sum, Rest::Sum(a), Rest::Sum(b)) => {
                let sum = a.plus(b);
                let score = sum.value() + 0.0;
                match score.is_finite() {
                    true => Ok(Stored { score, rest: Rest::Sum(sum) }),
                    false => Err(Refusal::Float(stood.score, comes.score)),
                }
            }
            (Rule::Sum, ..) => {
                let (a, at) = self.open(stood.score, span);
                let (b, then) = self.open(comes.score, span);
                let (Points::Int(a), Points::Int(b)) = (a, b) else { return Ok(stood.clone()) };
                let sum = i128::from(a) + i128::from(b);
                let sum = i64::try_from(sum).map_err(|_| self.beyond(sum))?;
                let reached = *at.end().max(then.end());
                of_both(self.close(Points::Int(sum), reached, span)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Score, Ties, composite};
    use tallyd_bolt::{ExactSum, FieldRef, calendar::Length};
    use tallyd_event::{Field, FieldType, Schema};

    fn scoring(score: fn(FieldRef) -> Score, kind: FieldType, ties: Ties) -> Scoring {
        let schema = Schema { fields: vec![Field::new("points", kind)], ..Schema::default() };
        let field = || FieldRef { index: 0, name: "points".into() };
        let (boards, periods) = (Vec::new(), Vec::new());
        let options = Options {
            member: field(),
            score: score(field()),
            boards,
            periods,
            ties,
            places: None,
            corrected: false,
        };
        Scoring::new(&options, &schema)
    }

    fn span() -> Span {
        let calendar = tallyd_bolt::calendar::Calendar::new("UTC").unwrap();
        Span::of(&calendar.window(Length::Millis(3_600_000), 0))
    }

    fn plain(score: f64) -> Stored {
        Stored { score, rest: Rest::Nothing }
    }

    fn at(score: i64, reached: i64, ascending: bool) -> Stored {
        plain(composite::encode(score, reached, span(), ascending))
    }

    #[test]
    fn the_earlier_of_equal_ones_and_the_later_of_sums() {
        let max = scoring(Score::Max, FieldType::Int, Ties::First);
        assert_eq!(max.merge(&at(5, 9, false), &at(5, 3, false), span()), Ok(at(5, 3, false)));
        assert_eq!(max.merge(&at(5, 3, false), &at(6, 9, false), span()), Ok(at(6, 9, false)));
        let min = scoring(Score::Min, FieldType::Int, Ties::First);
        assert_eq!(min.merge(&at(5, 9, true), &at(5, 3, true), span()), Ok(at(5, 3, true)));
        assert_eq!(min.merge(&at(5, 3, true), &at(6, 1, true), span()), Ok(at(5, 3, true)));
        let sum = scoring(Score::Sum, FieldType::Int, Ties::First);
        assert_eq!(sum.merge(&at(5, 3, false), &at(6, 9, false), span()), Ok(at(11, 9, false)));
        let most = plain(composite::GREATEST as f64);
        assert!(sum.merge(&most, &at(6, 9, false), span()).is_err());
    }

    #[test]
    fn sums_of_floats_are_exact_and_last_values_go_by_their_events() {
        let sum = scoring(Score::Sum, FieldType::Float, Ties::Shared);
        let of = |value: f64| Stored { score: value, rest: Rest::Sum(ExactSum::of(value)) };
        let whole = sum.merge(&of(1e16), &of(1.0), span()).unwrap();
        assert_eq!(sum.merge(&whole, &of(-1e16), span()).unwrap().score, 1.0);
        assert!(sum.merge(&of(f64::MAX), &of(f64::MAX), span()).is_err());
        let last = scoring(Score::Last, FieldType::Int, Ties::Shared);
        let at = |score, time| Stored { score, rest: Rest::Last(time) };
        assert_eq!(last.merge(&at(5.0, 9), &at(7.0, 3), span()), Ok(at(5.0, 9)));
        assert_eq!(last.merge(&at(5.0, 3), &at(7.0, 9), span()), Ok(at(7.0, 9)));
        assert_eq!(last.merge(&at(5.0, 9), &at(7.0, 9), span()), Ok(at(5.0, 9)));
        let arrived = scoring(Score::LastArrived, FieldType::Int, Ties::Shared);
        assert_eq!(arrived.merge(&plain(5.0), &plain(7.0), span()), Ok(plain(5.0)));
    }
}
