//! What a correction changes: each member's score and rank, on each board.

use super::retained::{Found, Wanted};
use redis::{Pipeline, Value as Reply};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tallyd_bolt::Key;
use tallyd_event::{Event, Schema, Value, decimal};
use tallyd_leaderboard::{EVERYONE, Options, Score, Ties, board_key, state_key};
use tallyd_query::catalog::as_leaderboard;
use tallyd_store::{Connection, keys::Keys, reply};
use tallyd_topology::{NodeKind, bolts::latest};

/// How many members are asked for at once.
const ASKED: usize = 1000;

/// How one member's score changes on one board.
#[derive(Debug, serde::Serialize)]
pub struct Change {
    bolt: String,
    period: String,
    label: String,
    group: String,
    /// The member.
    pub member: String,
    /// The score now; `None`: not on the board.
    pub before: Option<String>,
    /// The score once it is corrected.
    pub after: Option<String>,
    /// The rank now; `None` on boards with dense ranks, which are not counted here.
    pub rank_before: Option<u64>,
    /// The rank once all are corrected.
    pub rank_after: Option<u64>,
}

impl Change {
    /// The board's name.
    pub fn board(&self) -> String {
        let Self { bolt, period, label, group, .. } = self;
        let label = if label == period { String::new() } else { format!(" {label}") };
        format!("{bolt} {period}{label} {group}")
    }
}

/// One board, by its names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Board {
    place: usize,
    period: usize,
    label: SmolStr,
    group: SmolStr,
}

/// By how much a member's score changes, and by how many events.
#[derive(Clone, Copy, Default)]
struct Delta {
    score: f64,
    events: i64,
}

/// What is stored of a member, and what will be.
struct Stands {
    member: SmolStr,
    before: Option<f64>,
    after: Option<f64>,
}

/// The scores that change, board by board, of the boards by sum or count.
pub async fn changes(
    (c, keys): (&mut Connection, &Keys),
    wanted: &Wanted<'_>,
    found: &Found,
    now: i64,
) -> anyhow::Result<Vec<Change>> {
    let mut changes = Vec::new();
    for (board, deltas) in deltas(wanted, found, now) {
        changes.extend(of_board((&mut *c, keys), wanted, &board, &deltas).await?);
    }
    Ok(changes)
}

/// The bolts behind that change too, and are not previewed.
pub fn others<'a>(wanted: &Wanted<'a>) -> Vec<&'a str> {
    let behind = |node: &&tallyd_topology::Node| {
        let NodeKind::Bolt(bolt) = &node.kind else { return false };
        let is_shown = as_leaderboard(&*bolt.options).is_some_and(is_added_up);
        wanted.guards.iter().any(|guard| guard.place == bolt.from) && !is_shown
    };
    wanted.topology.nodes.iter().filter(behind).map(|node| node.name.as_str()).collect()
}

fn is_added_up(options: &Options) -> bool {
    matches!(options.score, Score::Count | Score::Sum(_))
}

fn deltas(
    wanted: &Wanted<'_>,
    found: &Found,
    now: i64,
) -> BTreeMap<Board, BTreeMap<SmolStr, Delta>> {
    let mut deltas: BTreeMap<Board, BTreeMap<SmolStr, Delta>> = BTreeMap::new();
    for (guard, corrected) in wanted.guards.iter().zip(&found.corrected) {
        let Some(of) = wanted.topology.nodes.get(guard.place) else { continue };
        let passed = guard.options.passed_on(wanted.schema);
        for (place, node) in wanted.topology.nodes.iter().enumerate() {
            let NodeKind::Bolt(bolt) = &node.kind else { continue };
            let options = as_leaderboard(&*bolt.options).filter(|options| is_added_up(options));
            let Some(options) = options.filter(|_| bolt.from == guard.place) else { continue };
            for (old, new) in corrected {
                for (event, sign) in [(old, -1), (new, 1)] {
                    if is_out(guard.options, event) {
                        continue;
                    }
                    let event = latest::project(&passed, event);
                    let boards = boards(wanted, (place, options), (&of.schema, &event), now);
                    let Some((member, points)) = entry(options, &event) else { continue };
                    for board in boards {
                        let of_board = deltas.entry(board).or_default();
                        let delta = of_board.entry(member.clone()).or_default();
                        delta.score += points * sign as f64;
                        delta.events += sign;
                    }
                }
            }
        }
    }
    deltas
}

fn is_out(options: &latest::Options, event: &Event) -> bool {
    let retract = options.retract.as_ref();
    retract.is_some_and(|field| event.value(field.index).as_bool() == Some(true))
}

/// Who an event scores for, and what; in units of the last place, where the score is a decimal.
fn entry(options: &Options, event: &Event) -> Option<(SmolStr, f64)> {
    let points = match &options.score {
        Score::Sum(field) => match event.value(field.index) {
            Value::Decimal(decimal) => decimal.units as f64,
            value => value.as_number()?,
        },
        _ => 1.0,
    };
    Some((options.member.text(event)?, points))
}

/// The boards that an event is on, and that its version can still change.
fn boards(
    wanted: &Wanted<'_>,
    (place, options): (usize, &Options),
    (schema, event): (&Schema, &Event),
    now: i64,
) -> Vec<Board> {
    let mut boards = Vec::new();
    for (period, of) in options.periods.iter().enumerate() {
        let window = wanted.topology.calendar.window(of.length, event.time(schema));
        let is_late = of.lasting.closes(&window).is_some_and(|closes| event.arrived >= closes);
        if is_late || of.lasting.expiry(&window).is_some_and(|expiry| expiry <= now) {
            continue;
        }
        for fields in &options.boards {
            let texts: Option<Vec<SmolStr>> =
                fields.iter().map(|field| field.text(event)).collect();
            let Some(texts) = texts else { continue };
            let pairs = fields.iter().zip(&texts);
            let group = match fields.is_empty() {
                true => SmolStr::new_static(EVERYONE),
                false => Key::group(pairs.map(|(f, text)| (f.name.as_str(), Some(text.as_str())))),
            };
            boards.push(Board { place, period, label: window.label.clone(), group });
        }
    }
    boards
}

async fn of_board(
    (c, keys): (&mut Connection, &Keys),
    wanted: &Wanted<'_>,
    board: &Board,
    deltas: &BTreeMap<SmolStr, Delta>,
) -> anyhow::Result<Vec<Change>> {
    let Some(node) = wanted.topology.nodes.get(board.place) else { return Ok(Vec::new()) };
    let NodeKind::Bolt(bolt) = &node.kind else { return Ok(Vec::new()) };
    let Some(options) = as_leaderboard(&*bolt.options) else { return Ok(Vec::new()) };
    let Some(period) = options.periods.get(board.period) else { return Ok(Vec::new()) };
    let key = keys.bolt(&node.name, &board_key(period, &board.label, &board.group));
    let state = keys.bolt(&node.name, &state_key(period, &board.label, &board.group));
    let mut replies = Vec::with_capacity(deltas.len() * 2);
    let members: Vec<&SmolStr> = deltas.keys().collect();
    for some in members.chunks(ASKED) {
        let mut ask = Pipeline::new();
        for member in some {
            ask.cmd("ZSCORE").arg(&key).arg(member.as_str());
            ask.cmd("HGET").arg(&state).arg(member.as_str());
        }
        replies.extend(c.all(&ask).await?);
    }
    let mut replies = replies.into_iter();
    let mut all = Vec::new();
    for (member, delta) in deltas {
        let before = reply::number(replies.next().unwrap_or(Reply::Nil))?;
        let state = reply::text(replies.next().unwrap_or(Reply::Nil))?;
        let events = state.as_deref().and_then(|text| text.split(' ').next()?.parse().ok());
        if before.is_none() && events.is_some() {
            // A hidden member stands on no board.
            continue;
        }
        let events: i64 = events.unwrap_or_else(|| before.unwrap_or_default() as i64);
        let after = (events + delta.events > 0).then(|| before.unwrap_or_default() + delta.score);
        all.push(Stands { member: member.clone(), before, after });
    }
    all.retain(|stands| stands.before != stands.after);
    let ranks = ranks(c, &key, &all, options.ties).await?;
    let shown = |score: Option<f64>| score.map(|score| text(options, score));
    let changes = all.iter().zip(ranks).map(|(stands, (rank_before, rank_after))| Change {
        bolt: node.name.to_string(),
        period: period.name.to_string(),
        label: board.label.to_string(),
        group: board.group.to_string(),
        member: stands.member.to_string(),
        before: shown(stands.before),
        after: shown(stands.after),
        rank_before,
        rank_after,
    });
    Ok(changes.collect())
}

/// The ranks before and after: 1 and how many have a better score.
async fn ranks(
    c: &mut Connection,
    key: &str,
    all: &[Stands],
    ties: Ties,
) -> anyhow::Result<Vec<(Option<u64>, Option<u64>)>> {
    if all.is_empty() || ties == Ties::Dense {
        return Ok(vec![(None, None); all.len()]);
    }
    let mut counts = Vec::with_capacity(all.len());
    for some in all.chunks(ASKED) {
        let mut ask = Pipeline::new();
        for score in some.iter().flat_map(|stands| [stands.before, stands.after]) {
            let above = score.map_or_else(|| "+inf".to_owned(), |score| format!("({score}"));
            ask.cmd("ZCOUNT").arg(key).arg(above).arg("+inf");
        }
        for reply in c.all(&ask).await? {
            counts.push(reply::count(&reply)?);
        }
    }
    let (before, after) = (sorted(all, |of| of.before), sorted(all, |of| of.after));
    let better = |scores: &[f64], than: f64| {
        (scores.len() - scores.partition_point(|score| *score <= than)) as u64
    };
    let ranks = all.iter().zip(counts.chunks(2)).map(|(stands, counts)| {
        let &[above_before, above_after] = counts else { return (None, None) };
        // Those that change are counted as they will be.
        let rank_after = |score| {
            let now = above_after + better(&after, score);
            now.saturating_sub(better(&before, score)) + 1
        };
        (stands.before.map(|_| above_before + 1), stands.after.map(rank_after))
    });
    Ok(ranks.collect())
}

/// The scores of those that have one, the lowest first.
fn sorted(all: &[Stands], of: fn(&Stands) -> Option<f64>) -> Vec<f64> {
    let mut scores: Vec<f64> = all.iter().filter_map(of).collect();
    scores.sort_by(f64::total_cmp);
    scores
}

fn text(options: &Options, score: f64) -> String {
    match options.places {
        Some(places) => decimal::text(score as i128, places),
        None => score.to_string(),
    }
}
