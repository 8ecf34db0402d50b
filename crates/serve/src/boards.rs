//! Boards as answers.

use crate::{
    answer::Answer,
    app::App,
    cursor::After,
    problem::{Code, Problem},
    question::{BoardQuestion, From, Part},
};
use serde::Serialize;
use serde_json::Value;
use smol_str::SmolStr;
use tallyd_kind::row::Row;
use tallyd_query::{
    Head, QueryError, Stored,
    board::{Board, Members, Page, Standing},
    catalog, finals,
    rows::board_row,
};
use tallyd_store::Connection;
use utoipa::ToSchema;

/// A part of a board.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BoardAnswer {
    /// The leaderboard.
    #[schema(value_type = String)]
    pub bolt: SmolStr,
    /// The name of the kind of period.
    #[schema(value_type = String)]
    pub period: SmolStr,
    /// Which one: `2026-W48`, `2026-11-28`, `all`.
    #[schema(value_type = String)]
    pub label: SmolStr,
    /// Its first millisecond, since the epoch.
    pub start: i64,
    /// The first one after it; `null` for all time.
    pub end: Option<i64>,
    /// How many members the board has.
    pub size: u64,
    /// Whether nothing will change it any more.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// The time of the last entry whose effects are in, in ms since the epoch.
    pub as_of: i64,
    /// Events that the bolt did not take, because no plan in force had it.
    pub gaps: Value,
    /// The rows, best first.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<Row>,
    /// What to pass as `cursor` for the next page; left out on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Members that were asked for, and are not on the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub not_found: Option<Vec<SmolStr>>,
}

/// Reads a part of a board.
pub(crate) async fn read(app: &App, question: &BoardQuestion) -> Result<Answer, Problem> {
    let options = catalog::leaderboard(&app.topology, &question.bolt)?;
    let head = app.head(&question.bolt).await?;
    let gaps = app.gaps(&head.generation, &question.bolt).await?;
    let calendar = &app.topology.calendar;
    let at = question.at.first(head.now, calendar);
    let board = Board::new(options, calendar, &question.by, question.period.as_deref(), at)?;
    check_period(&board, head.now)?;
    let ask = async |c: &mut Connection| rows(app, c, &board, question, &head).await;
    let Rows { size, rows, is_final, next, not_found } = app.readers.read(ask).await??;
    let end = Some(board.window.end).filter(|end| *end < i64::MAX);
    let answer = BoardAnswer {
        bolt: question.bolt.clone(),
        period: board.period.clone(),
        label: board.window.label.clone(),
        start: board.window.start,
        end,
        size,
        is_final,
        as_of: head.as_of,
        gaps,
        rows,
        next,
        not_found,
    };
    Answer::new(&answer, &["member"], is_final)
}

fn check_period(board: &Board, now: i64) -> Result<(), Problem> {
    let label = &board.window.label;
    if board.window.start > now {
        let detail = format!("{label} has not begun");
        return Err(Problem::new(Code::PeriodNotBegun, detail).with("start", board.window.start));
    }
    match board.gone {
        Some(gone) if gone <= now => {
            let detail = format!("{label} is kept no longer (see retain in the topology)");
            Err(Problem::new(Code::PeriodGone, detail).with("gone", gone))
        }
        _ => Ok(()),
    }
}

struct Rows {
    size: u64,
    rows: Vec<Row>,
    is_final: bool,
    next: Option<String>,
    not_found: Option<Vec<SmolStr>>,
}

async fn rows(
    app: &App,
    connection: &mut Connection,
    board: &Board,
    question: &BoardQuestion,
    head: &Head,
) -> Result<Result<Rows, Problem>, QueryError> {
    let is_final = is_final(app, connection, board, &question.bolt, head).await?;
    let mut results = Stored::new(connection, &app.keys, &question.bolt);
    let mut in_set = Vec::new();
    let (size, standings, next, not_found) = match &question.part {
        Part::Page { limit, from } => {
            // One more than asked for tells whether there is another page.
            let Page { size, standings: mut page } = match from {
                From::Rank(rank) => board.page(&mut results, rank - 1, limit + 1).await?,
                From::After(after) => {
                    if let Err(problem) = check_label(board, after) {
                        return Ok(Err(problem));
                    }
                    let seen = (f64::from_bits(after.score), after.member.as_str());
                    board.after(&mut results, seen, limit + 1).await?
                }
            };
            let has_more = page.len() as u64 > *limit;
            page.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
            let next = page.last().filter(|_| has_more).map(|last| after(board, last));
            (size, page, next, None)
        }
        Part::Around(member, rows) => {
            let found = board.around(&mut results, member, *rows).await?;
            if found.standings.is_empty() {
                return Ok(Err(absent(board, member, found.size)));
            }
            (found.size, found.standings, None, None)
        }
        Part::Member(member) => match board.of(&mut results, member).await? {
            Some((standing, size)) => (size, vec![standing], None, None),
            None => {
                let size = board.size(&mut results).await?;
                return Ok(Err(absent(board, member, size)));
            }
        },
        Part::Members(members) => {
            let Members { size, found, missing } = board.of_members(&mut results, members).await?;
            in_set = found.iter().map(|within| within.rank).collect();
            let standings = found.into_iter().map(|within| within.standing).collect();
            (size, standings, None, Some(missing))
        }
    };
    let row = |(place, standing): (usize, &Standing)| {
        board_row(standing, size, in_set.get(place).copied())
    };
    let rows = standings.iter().enumerate().map(row).collect();
    Ok(Ok(Rows { size, rows, is_final, next, not_found }))
}

async fn is_final(
    app: &App,
    connection: &mut Connection,
    board: &Board,
    bolt: &str,
    head: &Head,
) -> Result<bool, QueryError> {
    let closes = [board.closes.unwrap_or(i64::MAX)];
    let finals = finals(connection, (&app.topology, &app.keys), bolt, &closes, head.now).await?;
    Ok(finals == [true] || head.is_closed(&board.period, &board.window.label))
}

fn check_label(board: &Board, after: &After) -> Result<(), Problem> {
    if board.window.label == after.label {
        return Ok(());
    }
    let (of, now) = (&after.label, &board.window.label);
    let detail = format!(
        "the cursor is of {of}, and this is {now} (begin again without one, or ask for at=a time in {of})"
    );
    Err(Problem::new(Code::PeriodGone, detail))
}

fn after(board: &Board, last: &Standing) -> String {
    let (label, member) = (board.window.label.clone(), last.member.clone());
    After { label, score: last.stored.to_bits(), member }.text()
}

fn absent(board: &Board, member: &str, size: u64) -> Problem {
    let label = &board.window.label;
    Problem::new(Code::MemberAbsent, format!("\"{member}\" is not on this board ({label})"))
        .with("size", size)
}
