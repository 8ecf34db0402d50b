//! Rows of answers, as the command line's `--json` and HTTP both give them.

use crate::{Figure, board::Standing, figures::Figures};
use serde::Serialize;
use serde_json::{Map, Value, json};
use smol_str::SmolStr;
use tallyd_aggregate::{Function, Options};
use utoipa::ToSchema;

/// A member's place on a board.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BoardRow {
    /// Who.
    #[schema(value_type = String)]
    pub member: SmolStr,
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
    /// The rank among the members that were asked for; left out where none were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank_within: Option<u64>,
}

impl BoardRow {
    /// The row of a standing on a board of this size.
    #[must_use]
    pub fn new(standing: &Standing, size: u64, rank_within: Option<u64>) -> Self {
        let (exact, range) = match standing.reached {
            Some((from, to)) if from == to => (Some(from), None),
            other => (None, other),
        };
        Self {
            member: standing.member.clone(),
            rank: standing.rank,
            score: standing.score,
            percentile: standing.percentile(size),
            reached: exact,
            reached_between: range,
            rank_within,
        }
    }
}

/// The figures of a group in a window.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatsRow {
    /// Which window: `2026-11-28`, `2026-11-28T0900Z`, `all`.
    #[schema(value_type = String)]
    pub label: SmolStr,
    /// Its first millisecond, since the epoch.
    pub start: i64,
    /// The first one after it; `null` for all time.
    pub end: Option<i64>,
    /// Whether nothing will change it any more; `null` where the server's user may not know.
    #[serde(rename = "final")]
    pub is_final: Option<bool>,
    /// The values of the aggregate's fields; `null` for one that the events leave out.
    #[schema(value_type = Object)]
    pub group: Map<String, Value>,
    /// The figures by measure; `null` where there is none, as of the mean of nothing.
    #[schema(value_type = Object)]
    pub measures: Map<String, Value>,
    /// For each distinct count whether it is exact, or an estimate.
    #[schema(value_type = Object)]
    pub exact: Map<String, Value>,
    /// The ratio that rows are ordered by, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

impl StatsRow {
    /// The row of these figures.
    #[must_use]
    pub fn new(options: &Options, figures: &Figures, is_final: Option<bool>) -> Self {
        let distinct = options.measures.iter().zip(&figures.measures);
        let distinct = distinct.filter(|(of, _)| matches!(of.function, Function::Distinct(_)));
        let exact = distinct.map(|(of, (_, figure))| {
            (of.name.to_string(), json!(!matches!(figure, Some(Figure::Estimate(_)))))
        });
        let group = figures.group.iter().map(|(name, value)| (name.to_string(), json!(value)));
        let measures = figures.measures.iter().map(|(name, of)| (name.to_string(), json!(of)));
        Self {
            label: figures.window.label.clone(),
            start: figures.window.start,
            end: Some(figures.window.end).filter(|end| *end < i64::MAX),
            is_final,
            group: group.collect(),
            measures: measures.collect(),
            exact: exact.collect(),
            ratio: None,
        }
    }
}
