//! Questions answered: from the topology and what is stored to JSON.

use crate::{
    app::App,
    boards, learners,
    problem::{Code, Problem},
    question::Question,
    stats,
};
use axum::body::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use std::pin::Pin;
use xxhash_rust::xxh3::xxh3_64;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As JSON.
    pub body: Bytes,
    /// The same as long as the answer is.
    pub tag: u64,
    /// What it says of the whole.
    pub head: Map<String, Value>,
    /// Its rows, each with what tells it from the others; `None` where it has none.
    pub rows: Option<Vec<(String, Map<String, Value>)>>,
    /// Nothing will change it any more.
    pub is_final: bool,
}

impl Answer {
    /// An answer, of which the array `rows` has rows that these members tell apart.
    ///
    /// # Errors
    /// Where it is no JSON: a fault of tallyd.
    pub fn new(answer: &impl Serialize, row_key: &[&str], is_final: bool) -> Result<Self, Problem> {
        let broken = |why: String| Problem::new(Code::Internal, why);
        let body = serde_json::to_vec(answer).map_err(|error| broken(error.to_string()))?.into();
        let value = serde_json::to_value(answer).map_err(|error| broken(error.to_string()))?;
        let Value::Object(mut head) = value else {
            return Err(broken("an answer is no object".to_owned()));
        };
        let rows = match head.remove("rows") {
            Some(Value::Array(rows)) => {
                let keyed = |row| match row {
                    Value::Object(row) => {
                        let key = row_key.iter().map(|name| row.get(*name));
                        let key: Vec<String> = key.flatten().map(ToString::to_string).collect();
                        Some((key.join(" "), row))
                    }
                    _ => None,
                };
                Some(rows.into_iter().filter_map(keyed).collect())
            }
            _ => None,
        };
        // What changes with each commit, and is no part of the figures.
        let mut lasting = head.clone();
        lasting.remove("as_of");
        let text = serde_json::to_vec(&(&lasting, &rows)).map_err(|e| broken(e.to_string()))?;
        Ok(Self { body, tag: xxh3_64(&text), head, rows, is_final })
    }
}

/// How often a question is answered again because another server was turned to meanwhile.
const AGAIN: usize = 3;

/// Answers a question from what is stored now. All of the answer is of one server: of two, one
/// may be behind.
///
/// # Errors
/// Where there is no answer.
pub async fn read(app: &App, question: &Question) -> Result<Answer, Problem> {
    for _ in 0..AGAIN {
        let turn = app.readers.turn();
        // In a box, and by no name: its type is as deep as all that is read.
        let answer: Reading<'_> = Box::pin(read_once(app, question));
        let answer = answer.await;
        if app.readers.turn() == turn {
            return answer;
        }
    }
    let detail = "Redis is turned to another server again and again";
    Err(Problem::new(Code::Unavailable, detail))
}

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send + 'a>>;

async fn read_once(app: &App, question: &Question) -> Result<Answer, Problem> {
    match question {
        Question::Board(question) => boards::read(app, question).await,
        Question::Stats(question) => stats::read(app, question).await,
        Question::Learner(learner, by) => learners::read(app, learner, by).await,
        Question::Learners(learners) => learners::read_some(app, learners).await,
    }
}
