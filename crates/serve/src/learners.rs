//! What is stored of a learner, as an answer.

use crate::{
    answer::Answer,
    app::App,
    problem::{Code, Problem},
};
use serde::Serialize;
use smol_str::SmolStr;
use tallyd_query::{Head, QueryError, learner::Learner};
use tallyd_store::Connection;
use utoipa::ToSchema;

/// What is stored of some learners.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LearnersAnswer {
    /// A row for each, in the order in which they were asked for.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<Learner>,
}

/// Reads what is stored of some learners. One of whom nothing is stored has a row with nothing.
pub(crate) async fn read_some(app: &App, learners: &[SmolStr]) -> Result<Answer, Problem> {
    let head = now(app).await?;
    let ask = async |c: &mut Connection| {
        let mut rows = Vec::with_capacity(learners.len());
        for learner in learners {
            rows.push(Learner::read(c, (&app.topology, &app.keys), learner, &[], head.now).await?);
        }
        Ok::<_, QueryError>(rows)
    };
    let rows = app.readers.read(ask).await?;
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
    let ask = async |c: &mut Connection| {
        Learner::read(c, (&app.topology, &app.keys), learner, by, head.now).await
    };
    let answer = app.readers.read(ask).await?;
    if answer.is_empty() {
        let detail = format!("nothing is stored of \"{learner}\"");
        return Err(Problem::new(Code::LearnerAbsent, detail));
    }
    Answer::new(&answer, &[], false)
}
