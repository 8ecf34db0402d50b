//! Rows of the views of boards and figures, from what was read of them.

use crate::{Figure, board::Standing, figures::Figures};
use smol_str::format_smolstr;
use tallyd_aggregate::{Function, Options, STATS};
use tallyd_kind::row::{Cell, Row};
use tallyd_leaderboard::BOARD;

/// The row of a standing on a board of this size; with its rank among the members that were asked
/// for, where some were.
#[must_use]
pub fn board_row(standing: &Standing, size: u64, rank_within: Option<u64>) -> Row {
    let (reached, between) = match standing.reached {
        Some((from, to)) if from == to => (from.into(), Cell::LeftOut),
        Some((from, to)) => (Cell::LeftOut, Cell::Times(from, to)),
        None => (Cell::LeftOut, Cell::LeftOut),
    };
    let cells = [
        standing.member.as_str().into(),
        standing.rank.into(),
        figure(standing.score),
        standing.percentile(size).into(),
        reached,
        between,
        rank_within.map_or(Cell::LeftOut, Cell::from),
    ];
    Row::new(&BOARD, cells)
}

/// The row of these figures; whether they are final is null where that is not known.
#[must_use]
pub fn stats_row(options: &Options, figures: &Figures, is_final: Option<bool>) -> Row {
    let distinct = options.measures.iter().zip(&figures.measures);
    let distinct = distinct.filter(|(of, _)| matches!(of.function, Function::Distinct(_)));
    let exact = distinct.map(|(of, (_, figure))| {
        (of.name.clone(), (!matches!(figure, Some(Figure::Estimate(_)))).into())
    });
    let group = figures.group.iter().map(|(name, value)| (name.clone(), value.as_deref().into()));
    let measures = figures.measures.iter();
    let measures = measures.map(|(name, of)| (name.clone(), of.map_or(Cell::Null, figure)));
    let cells = [
        figures.window.label.as_str().into(),
        figures.window.start.into(),
        Some(figures.window.end).filter(|end| *end < i64::MAX).into(),
        is_final.into(),
        Cell::Map(group.collect()),
        Cell::Map(measures.collect()),
        Cell::Map(exact.collect()),
        Cell::LeftOut,
    ];
    Row::new(&STATS, cells)
}

/// A decimal is text with all of its places, because readers of JSON take numbers for floats.
fn figure(of: Figure) -> Cell {
    match of {
        Figure::Decimal(..) => Cell::Text(format_smolstr!("{of}")),
        Figure::Estimate(number) => Cell::Estimate(number),
        Figure::Float(float) => Cell::Float(float),
        Figure::Int(int) => Cell::Int(int),
    }
}
