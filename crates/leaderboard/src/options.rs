//! What a topology says of a leaderboard bolt.

use smol_str::SmolStr;
use tallyd_bolt::{FieldRef, Lasting, calendar::Length};

/// The options of a leaderboard bolt. The topology checks that fields have the type that their use
/// needs, that names are unique, and that [`Ties::First`] has a score of whole numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Who is ranked.
    pub member: FieldRef,
    /// What is ranked by.
    pub score: Score,
    /// One board for each group of these fields; no fields: one board for everyone. An event that
    /// leaves one of the fields out is not on that board.
    pub boards: Vec<Vec<FieldRef>>,
    /// The periods that each board is kept for.
    pub periods: Vec<PeriodOptions>,
    /// Who of two members with one score stands higher.
    pub ties: Ties,
    /// Of a decimal field, how many places it has: what is stored and ranked is a whole number of
    /// units of the last place.
    pub places: Option<u8>,
    /// Whether events may be taken back: then it is stored how many make up a sum.
    pub corrected: bool,
}

/// A member's score: of its events in the period, those that have the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Score {
    /// How many events.
    Count,
    /// The value of the event with the latest time; of two with one time, of the one that arrived
    /// later.
    Last(FieldRef),
    /// The value of the event that arrived last.
    LastArrived(FieldRef),
    /// The greatest value.
    Max(FieldRef),
    /// The least value. Rank 1 is the lowest score, as of the fastest runner; everywhere else it
    /// is the highest.
    Min(FieldRef),
    /// The sum of the values. It is exact: that of floats is rounded once, to be shown.
    Sum(FieldRef),
}

/// One period of a leaderboard bolt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodOptions {
    /// Its name in keys: `hour`, `day`, `week`, `month` or `all`.
    pub name: SmolStr,
    /// How long it is.
    pub length: Length,
    /// How long it can be read after its end, and is changed by late events.
    pub lasting: Lasting,
}

/// Who of two members with one score stands higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// Neither: both have the rank 1 + the number of different better scores, and no rank is left
    /// out (1, 2, 2, 3).
    Dense,
    /// Who reached the score first: ranks are positions, and no two are equal.
    First,
    /// Neither: both have the rank 1 + the number of members with a better score, and the next
    /// rank is left out (1, 2, 2, 4).
    Shared,
}

impl Options {
    /// What the stored data depends on: data that was written under another shape can't be used,
    /// but a shape may gain boards and periods.
    #[must_use]
    pub fn shape(&self) -> Vec<(String, String)> {
        // Ranks are worked out by who reads: what is stored is the same for the other two.
        let ties = match self.ties {
            Ties::First => "first",
            Ties::Dense | Ties::Shared => "shared",
        };
        let mut score = self.score.shape();
        if let Some(places) = self.places {
            score.push_str(&format!(" in {places} places"));
        }
        let mut shape = vec![
            ("type".to_owned(), "leaderboard".to_owned()),
            ("member".to_owned(), self.member.name.to_string()),
            ("score".to_owned(), score),
            ("ties".to_owned(), ties.to_owned()),
        ];
        shape.extend(self.boards.iter().map(|board| {
            let names: Vec<&str> = board.iter().map(|field| field.name.as_str()).collect();
            (format!("board.{}", names.join(",")), "yes".to_owned())
        }));
        shape.extend(self.periods.iter().map(|period| {
            (format!("period.{}", period.name), format!("{:?}", period.length).to_lowercase())
        }));
        shape
    }

    /// Whether rank 1 is the lowest score (`ZRANGE`, `ZRANK`) and not the highest (`ZREVRANGE`,
    /// `ZREVRANK`).
    #[must_use]
    pub fn ascending(&self) -> bool {
        matches!(self.score, Score::Min(_))
    }

    /// The score of a member from what its sorted set holds; of a decimal its units.
    #[must_use]
    pub fn score(&self, stored: f64) -> f64 {
        match self.ties {
            Ties::First => stored.floor(),
            Ties::Dense | Ties::Shared => stored,
        }
    }
}

impl Score {
    fn shape(&self) -> String {
        match self {
            Score::Count => "count".to_owned(),
            Score::Last(field) => format!("last({})", field.name),
            Score::LastArrived(field) => format!("last_arrived({})", field.name),
            Score::Max(field) => format!("max({})", field.name),
            Score::Min(field) => format!("min({})", field.name),
            Score::Sum(field) => format!("sum({})", field.name),
        }
    }
}
