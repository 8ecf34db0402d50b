//! What is stored of a learner, as an answer.

use crate::{
    answer::Answer,
    app::App,
    problem::{Code, Problem},
};
use serde::Serialize;
use serde_json::{Map, Value};
use smol_str::SmolStr;
use tallyd_bolt::FieldRef;
use tallyd_query::{
    Head, QueryError, Stored,
    board::Board,
    catalog, figure_json,
    learner::{fatigue, mastery},
};
use tallyd_store::Connection;
use tallyd_topology::BoltOptions;
use utoipa::ToSchema;

/// What is stored of a learner.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LearnerAnswer {
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
    pub concepts: Vec<ConceptOf>,
}

/// A learner's grasp of a concept.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConceptOf {
    /// The concept.
    #[schema(value_type = String)]
    pub concept: SmolStr,
    /// The probability of solving an item of average difficulty, 0 to 1.
    pub mastery: f64,
    /// How far off that may be (one standard error).
    pub uncertainty: f64,
    /// Whether there are answers enough to show it as known.
    pub known: bool,
    /// How many answers it rests on.
    pub answers: u64,
    /// How many of them were right.
    pub correct: u64,
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
    /// The score.
    pub score: Value,
    /// How many of the others, in percent, do not stand above.
    pub percentile: f64,
}

/// What is stored of some learners.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LearnersAnswer {
    /// A row for each, in the order in which they were asked for.
    pub rows: Vec<LearnerAnswer>,
}

/// Reads what is stored of some learners. One of whom nothing is stored has a row with nothing.
pub(crate) async fn read_some(app: &App, learners: &[SmolStr]) -> Result<Answer, Problem> {
    let head = now(app).await?;
    let ask = async |c: &mut Connection| {
        let mut rows = Vec::with_capacity(learners.len());
        for learner in learners {
            rows.push(all(app, c, (learner, &[]), &head).await?);
        }
        Ok::<_, QueryError>(rows)
    };
    let rows = app.pool.read(ask).await?;
    Answer::new(&LearnersAnswer { rows }, &["learner"], false)
}

async fn now(app: &App) -> Result<Head, Problem> {
    let last = app.topology.nodes.last().map(|node| node.name.clone()).unwrap_or_default();
    app.head(&last).await
}

/// Reads what is stored of a learner.
pub(crate) async fn read(
    app: &App,
    learner: &SmolStr,
    by: &[(SmolStr, SmolStr)],
) -> Result<Answer, Problem> {
    let head = now(app).await?;
    let ask = async |c: &mut Connection| all(app, c, (learner, by), &head).await;
    let answer = app.pool.read(ask).await?;
    if answer.fatigue.is_empty() && answer.mastery.is_empty() && answer.boards.is_empty() {
        let detail = format!("nothing is stored of \"{learner}\"");
        return Err(Problem::new(Code::LearnerAbsent, detail));
    }
    Answer::new(&answer, &[], false)
}

async fn all(
    app: &App,
    c: &mut Connection,
    (learner, by): (&SmolStr, &[(SmolStr, SmolStr)]),
    head: &Head,
) -> Result<LearnerAnswer, QueryError> {
    let mut answer = LearnerAnswer {
        learner: learner.clone(),
        fatigue: Vec::new(),
        mastery: Vec::new(),
        boards: Vec::new(),
    };
    for (name, options) in catalog::bolts(&app.topology, Some) {
        let bolt = SmolStr::from(name);
        let mut results = Stored::new(c, &app.keys, name);
        match options {
            BoltOptions::Fatigue(_) => {
                let found = fatigue(&mut results, learner).await?;
                answer.fatigue.extend(found.map(|f| FatigueOf {
                    bolt,
                    score: f.score,
                    tired: f.tired,
                    answers: f.answers,
                    at: f.at,
                }));
            }
            BoltOptions::Mastery(options) => {
                let found = mastery(&mut results, options, learner).await?;
                if !found.is_empty() {
                    let concept = |c: tallyd_query::learner::Concept| ConceptOf {
                        concept: c.concept,
                        mastery: c.mastery,
                        uncertainty: c.uncertainty,
                        known: c.known,
                        answers: c.answers,
                        correct: c.correct,
                    };
                    let concepts = found.into_iter().map(concept).collect();
                    answer.mastery.push(MasteryOf { bolt, concepts });
                }
            }
            BoltOptions::Leaderboard(options) => {
                let given = |field: &FieldRef| by.iter().find(|(name, _)| *name == field.name);
                let groups = options.boards.iter().filter_map(|board| {
                    let group = board.iter().map(|field| given(field).cloned());
                    group.collect::<Option<Vec<(SmolStr, SmolStr)>>>()
                });
                for group in groups {
                    let ranks = ranks(app, &mut results, (name, options), &group, learner, head);
                    answer.boards.extend(ranks.await?);
                }
            }
            BoltOptions::Aggregate(_) | BoltOptions::Dedup(_) => {}
        }
    }
    Ok(answer)
}

/// A learner's places on the boards of a group, one for each period.
async fn ranks(
    app: &App,
    results: &mut Stored<'_>,
    (bolt, options): (&str, &tallyd_leaderboard::Options),
    group: &[(SmolStr, SmolStr)],
    learner: &SmolStr,
    head: &Head,
) -> Result<Vec<RankOf>, QueryError> {
    let mut ranks = Vec::new();
    for period in &options.periods {
        let calendar = &app.topology.calendar;
        let board = Board::new(options, calendar, group, Some(&period.name), head.now)?;
        let Some((standing, size)) = board.of(results, learner).await? else { continue };
        ranks.push(RankOf {
            bolt: bolt.into(),
            by: group
                .iter()
                .map(|(field, value)| (field.to_string(), value.as_str().into()))
                .collect(),
            period: board.period.clone(),
            label: board.window.label.clone(),
            size,
            rank: standing.rank,
            score: figure_json(standing.score),
            percentile: standing.percentile(size),
        });
    }
    Ok(ranks)
}
