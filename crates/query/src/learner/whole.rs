//! All that is stored of a learner, over all bolts of a topology.

use super::{Concept, Fatigue, fatigue, mastery};
use crate::{Figure, QueryError, Stored, board::Board, catalog, rows::BoardRow};
use serde::Serialize;
use serde_json::{Map, Value};
use smol_str::SmolStr;
use tallyd_bolt::{FieldRef, calendar::Calendar};
use tallyd_leaderboard::Options;
use tallyd_store::{Connection, keys::Keys};
use tallyd_topology::Topology;
use utoipa::ToSchema;

/// The fields of a group, with their values.
type Group = Vec<(SmolStr, SmolStr)>;

/// What is stored of a learner.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Learner {
    /// Who.
    #[schema(value_type = String)]
    pub learner: SmolStr,
    /// How tired the learner seems, by each bolt that says so.
    pub fatigue: Vec<FatigueOf>,
    /// The learner's grasp of each concept, by each bolt that says so.
    pub mastery: Vec<MasteryOf>,
    /// The learner's places on boards in the periods that are now: of everyone, and of the groups
    /// that were asked for.
    pub boards: Vec<RankOf>,
}

/// How tired a learner seems: a signal, and no diagnosis.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FatigueOf {
    /// The bolt.
    #[schema(value_type = String)]
    pub bolt: SmolStr,
    /// From 0, fresh, to 1.
    pub score: f64,
    /// Whether that is above the threshold.
    pub tired: bool,
    /// The part of accuracy in the score.
    pub accuracy: f64,
    /// The part of speed.
    pub speed: f64,
    /// The part of how much was answered.
    pub load: f64,
    /// The part of rapid guesses.
    pub rapid: f64,
    /// How many answers it rests on.
    pub answers: u64,
    /// The time of the last one, in ms since the epoch.
    pub at: i64,
}

/// A learner's grasp of concepts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MasteryOf {
    /// The bolt.
    #[schema(value_type = String)]
    pub bolt: SmolStr,
    /// Each concept that was practised.
    pub concepts: Vec<Concept>,
}

/// A learner's place on a board.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RankOf {
    /// The leaderboard.
    #[schema(value_type = String)]
    pub bolt: SmolStr,
    /// The group; empty for everyone.
    #[schema(value_type = Object)]
    pub by: Map<String, Value>,
    /// The name of the kind of period.
    #[schema(value_type = String)]
    pub period: SmolStr,
    /// Which one.
    #[schema(value_type = String)]
    pub label: SmolStr,
    /// How many members the board has.
    pub size: u64,
    /// From 1.
    pub rank: u64,
    /// The score: a number, or the text of a decimal with its places.
    #[schema(value_type = Value)]
    pub score: Figure,
    /// How many of the others, in percent, do not stand above.
    pub percentile: f64,
    /// When the score was reached, in ms since the epoch; left out where that is not known exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<i64>,
    /// From when to when it may have been reached, where the board holds no more than that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached_between: Option<(i64, i64)>,
}

impl Learner {
    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fatigue.is_empty() && self.mastery.is_empty() && self.boards.is_empty()
    }

    /// Reads what is stored of a learner: by all bolts, with the boards of everyone and of the
    /// groups `by`, in the periods that hold `now`.
    ///
    /// # Errors
    /// Where the server can't be read, or holds what no bolt wrote.
    pub async fn read(
        c: &mut Connection,
        (topology, keys): (&Topology, &Keys),
        learner: &str,
        by: &[(SmolStr, SmolStr)],
        now: i64,
    ) -> Result<Self, QueryError> {
        let mut all = Self {
            learner: learner.into(),
            fatigue: Vec::new(),
            mastery: Vec::new(),
            boards: Vec::new(),
        };
        for (name, options) in catalog::bolts(topology, Some) {
            let mut results = Stored::new(c, keys, name);
            if options.of::<tallyd_fatigue::Options>().is_some() {
                let found = fatigue(&mut results, learner).await?;
                all.fatigue.extend(found.map(|found| FatigueOf::new(name, &found)));
            }
            if let Some(options) = options.of() {
                let concepts = mastery(&mut results, options, learner, now).await?;
                if !concepts.is_empty() {
                    all.mastery.push(MasteryOf { bolt: name.into(), concepts });
                }
            }
            if let Some(options) = catalog::as_leaderboard(options) {
                for (group, board) in boards(options, &topology.calendar, by, now)? {
                    let found = board.of(&mut results, learner).await?;
                    let found = found.map(|(standing, size)| {
                        RankOf::new(
                            name,
                            &group,
                            &board,
                            BoardRow::new(&standing, size, None),
                            size,
                        )
                    });
                    all.boards.extend(found);
                }
            }
        }
        Ok(all)
    }
}

/// The boards of a leaderboard that hold `now`: of everyone, and of the groups that were asked for.
fn boards(
    options: &Options,
    calendar: &Calendar,
    by: &[(SmolStr, SmolStr)],
    now: i64,
) -> Result<Vec<(Group, Board)>, QueryError> {
    let given = |field: &FieldRef| by.iter().find(|(name, _)| *name == field.name).cloned();
    let mut all = Vec::new();
    for fields in &options.boards {
        let group: Option<Group> = fields.iter().map(given).collect();
        let Some(group) = group else { continue };
        for period in &options.periods {
            let board = Board::new(options, calendar, &group, Some(&period.name), now)?;
            all.push((group.clone(), board));
        }
    }
    Ok(all)
}

impl FatigueOf {
    fn new(bolt: &str, of: &Fatigue) -> Self {
        Self {
            bolt: bolt.into(),
            score: of.score,
            tired: of.tired,
            accuracy: of.accuracy,
            speed: of.speed,
            load: of.load,
            rapid: of.rapid,
            answers: of.answers,
            at: of.at,
        }
    }
}

impl RankOf {
    fn new(
        bolt: &str,
        group: &[(SmolStr, SmolStr)],
        board: &Board,
        row: BoardRow,
        size: u64,
    ) -> Self {
        let by = group.iter().map(|(field, value)| (field.to_string(), value.as_str().into()));
        Self {
            bolt: bolt.into(),
            by: by.collect(),
            period: board.period.clone(),
            label: board.window.label.clone(),
            size,
            rank: row.rank,
            score: row.score,
            percentile: row.percentile,
            reached: row.reached,
            reached_between: row.reached_between,
        }
    }
}
