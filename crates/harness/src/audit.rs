//! The audit: the ledger of what was sent, against what Redis holds, figure by figure.
//!
//! The ledger shares no counting code with the engine. Both ways are compared: what should be
//! there is there and right, and nothing else is there.

mod abilities;
mod digits;
mod edits;
mod learners;
mod stored;
mod streams;

pub use edits::had_to_wait;

use crate::{Deployment, HarnessError, probe};
use digits::group;
use redis::from_redis_value;
use std::collections::{BTreeMap, HashMap};
use stored::{ask, scan};
use tallyd_bolt::{
    Key,
    calendar::{Length, Window},
};
use tallyd_learners::{Board, ConceptCount, ConceptWindow, Ledger, Ranking};
use tallyd_runtime::store::Counts;
use tallyd_store::inspect;
use tallyd_topology::{
    BoltOptions, NodeKind,
    bolts::{aggregate, dedup, leaderboard},
};

/// A window that ends its retention within this time may be gone at any moment.
const SOON_MS: i64 = 60_000;
/// A dedup window so long that it forgets nothing of a run.
const WHOLE_RUN_MS: i64 = 86_400_000;

/// What was compared, and what differs.
#[derive(Debug, Default)]
pub struct Findings {
    /// How many figures were compared.
    pub figures: u64,
    /// One line for each figure that differs.
    pub differences: Vec<String>,
    /// What was sent, counted, lost and doubled, in a line.
    pub summary: String,
}

impl Findings {
    fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: impl FnOnce() -> String,
        expected: &T,
        found: &T,
    ) {
        self.figures += 1;
        if expected != found {
            self.differences.push(format!("{}: expected {expected:?}, found {found:?}", what()));
        }
    }
}

/// Compares the ledger with what Redis holds. `probes`: how many answers the probe sent.
///
/// # Errors
/// Where Redis can't be read.
pub async fn run(
    open: &mut Deployment,
    ledger: &Ledger,
    probes: u64,
) -> Result<Findings, HarnessError> {
    let mut findings = Findings::default();
    let status = inspect::status(&mut open.connection, &open.topology, &open.keys).await?;
    let counts = |name: &str| {
        status.nodes.iter().find(|n| n.name == name).map(|n| n.counts).unwrap_or_default()
    };
    nodes(&mut findings, ledger, probes, &counts);
    edits::swept(open, ledger.dead_letters(), status.dead_letters, &mut findings).await?;
    concepts(open, ledger, probes, status.now, &mut findings).await?;
    boards(open, ledger, probes, status.now, &mut findings).await?;
    abilities::compare(open, ledger, &mut findings).await?;
    seen(open, ledger.distinct + probes, &mut findings).await?;
    let kept = streams::kept(open).await?;
    findings.compare(|| "processed entries that streams keep".into(), &0, &kept);

    let distinct = ledger.distinct + probes;
    let emitted = counts("unique").emitted;
    findings.summary = format!(
        "{} sent · {} distinct · {} counted · {} lost · {} doubled · {} dead letters, {} expected",
        group(ledger.sent + probes),
        group(distinct),
        group(counts("points").events),
        group(distinct.saturating_sub(emitted)),
        group(emitted.saturating_sub(distinct)),
        group(status.dead_letters),
        group(ledger.dead_letters()),
    );
    Ok(findings)
}

fn nodes(findings: &mut Findings, ledger: &Ledger, probes: u64, counts: &impl Fn(&str) -> Counts) {
    let (distinct, events) = (ledger.distinct + probes, ledger.events() + probes);
    let expected = [
        ("answers", events, events, 0, ledger.dead_letters()),
        ("unique", events, distinct, ledger.duplicates, 0),
        ("concepts", distinct, 0, 0, 0),
        ("points", distinct, 0, 0, 0),
        ("mastery", distinct, 0, 0, 0),
    ];
    for (name, events, emitted, duplicates, dead) in expected {
        let found = counts(name);
        findings.compare(|| format!("{name}: events"), &events, &found.events);
        findings.compare(|| format!("{name}: emitted"), &emitted, &found.emitted);
        findings.compare(|| format!("{name}: duplicates"), &duplicates, &found.duplicates);
        findings.compare(|| format!("{name}: dead letters"), &dead, &found.dead);
    }
    findings.compare(|| "fatigue: events".into(), &distinct, &counts("fatigue").events);
    // A window or period that was deleted while an answer waited for its turn takes it no more.
    let late = [
        ("concepts", &ledger.late_windows, ledger.perhaps_late),
        ("points", &ledger.late_periods, ledger.perhaps_late_periods),
    ];
    for (name, by_span, perhaps) in late {
        let (certain, found) = (by_span.values().sum::<u64>(), counts(name).late);
        let late = found.clamp(certain, certain + perhaps);
        findings.compare(|| format!("{name}: late"), &late, &found);
    }
}

async fn concepts(
    open: &mut Deployment,
    ledger: &Ledger,
    probes: u64,
    now: i64,
    findings: &mut Findings,
) -> Result<(), HarnessError> {
    let Some(options) = options::<aggregate::Options>(open, "concepts") else { return Ok(()) };
    let mut found: BTreeMap<String, HashMap<String, String>> = BTreeMap::new();
    for key in scan(open, "bolt:concepts:window:*").await? {
        let hash = ask(open, |p| p.cmd("HGETALL").arg(&key)).await?;
        found.insert(key, from_redis_value(hash)?);
    }
    found.retain(|key, _| !key.ends_with(&format!("concept={}", probe::CONCEPT)));
    let mut expected = 0;
    for (ConceptWindow { concept, window, start }, count) in &ledger.concepts {
        let Some(of_window) = options.windows.iter().find(|w| *w.name == **window) else {
            continue;
        };
        let label = open.topology.calendar.window(of_window.length, *start).label;
        let group = Key::group([("concept", Some(&**concept))]);
        let key = open.keys.bolt("concepts", &Key::new(&["window", window, &label, &group]));
        if ends_soon(count.end, of_window.lasting.retain_ms, now) {
            found.remove(&key);
            continue;
        }
        expected += 1;
        let hash = found.remove(&key).unwrap_or_default();
        figures(findings, &key, count, &hash);
        learners::compare(
            open,
            findings,
            (&key, &hash),
            (window, &label, &group),
            count.learners.len(),
        )
        .await?;
    }
    let left: Vec<&String> = found.keys().collect();
    findings.compare(|| "windows that nobody sent".into(), &Vec::new(), &left);
    let probing = open.keys.bolt(
        "concepts",
        &Key::new(&["window", "all", "all", &format!("concept={}", probe::CONCEPT)]),
    );
    let answers: Option<u64> =
        from_redis_value(ask(open, |p| p.cmd("HGET").arg(&probing).arg("answers")).await?)?;
    findings.compare(|| format!("{probing} ({expected} others)"), &probes, &answers.unwrap_or(0));
    Ok(())
}

fn figures(
    findings: &mut Findings,
    key: &str,
    count: &ConceptCount,
    hash: &HashMap<String, String>,
) {
    let figures = [
        ("answers", i128::from(count.answers)),
        ("right", i128::from(count.right)),
        ("time.sum", count.ms_sum),
        ("time.count", i128::from(count.answers)),
        ("slowest", i128::from(count.ms_max)),
    ];
    for (field, expected) in figures {
        let found = hash.get(field).cloned().unwrap_or_default();
        findings.compare(|| format!("{key} {field}"), &expected.to_string(), &found);
    }
}

async fn boards(
    open: &mut Deployment,
    ledger: &Ledger,
    probes: u64,
    now: i64,
    findings: &mut Findings,
) -> Result<(), HarnessError> {
    let Some(options) = options::<leaderboard::Options>(open, "points") else { return Ok(()) };
    let mut found = scan(open, "bolt:points:board:*").await?;
    let mut kept = scan(open, "bolt:points:hidden:*").await?;
    for (Board { class, period, start }, ranking) in &ledger.boards {
        let Some(of_period) = options.periods.iter().find(|p| *p.name == **period) else {
            continue;
        };
        let window = open.topology.calendar.window(of_period.length, *start);
        let group = class
            .as_ref()
            .map_or("everyone".into(), |class| Key::group([("class", Some(&**class))]));
        let key = open.keys.bolt("points", &Key::new(&["board", period, &window.label, &group]));
        found.retain(|other| *other != key);
        if ends_soon(ranking.end, of_period.lasting.retain_ms, now) {
            continue;
        }
        let stored =
            ask(open, |p| p.cmd("ZREVRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES")).await?;
        let mut stored: Vec<(String, f64)> = from_redis_value(stored)?;
        if let Some(place) = stored.iter().position(|(member, _)| member == probe::LEARNER) {
            let (_, score) = stored.remove(place);
            if of_period.length == Length::All {
                findings.compare(
                    || format!("{key} {}", probe::LEARNER),
                    &(probes as i64),
                    &(score.floor() as i64),
                );
            }
        }
        let (of_hidden, hidden) = edits::hidden(open, (period, &window.label, &group)).await?;
        kept.retain(|other| *other != of_hidden);
        let of_board = (&key, ledger, ranking);
        edits::scores_of_hidden(findings, of_board, &hidden);
        board(findings, of_board, of_period.length, &window, &stored);
    }
    findings.compare(|| "hidden scores of no board".into(), &Vec::new(), &kept);
    // The probe, which is in no class, may have opened a period of its own, just after midnight; or
    // all of them, where the load ended before it began.
    let is_probes = found.iter().all(|key| key.ends_with(":everyone"));
    let few = found.len() <= 2 || ledger.boards.is_empty();
    findings.compare(|| format!("boards that nobody sent {found:?}"), &true, &(is_probes && few));
    Ok(())
}

/// Every member with its score, and every place: ties by who reached the score first.
fn board(
    findings: &mut Findings,
    (key, ledger, ranking): (&String, &Ledger, &Ranking),
    length: Length,
    window: &Window,
    stored: &[(String, f64)],
) {
    let shown = ranking.members.keys().filter(|user| !ledger.is_hidden(user)).count();
    findings.compare(|| format!("{key}: members"), &shown, &stored.len());
    let mut above: Option<(i64, i64)> = None;
    for (member, composite) in stored {
        let score = composite.floor() as i64;
        let expected = ranking.members.get(member.as_str());
        findings.compare(
            || format!("{key} {member}"),
            &expected.map(|standing| standing.score),
            &Some(score),
        );
        let Some(reached) = expected.and_then(|standing| standing.reached) else {
            above = None;
            continue;
        };
        if let Some((score_above, reached_above)) = above {
            let step = resolution(score, length, window);
            let in_order =
                score_above > score || (score_above == score && reached_above <= reached + step);
            findings.compare(|| format!("{key}: {member} stands in its place"), &true, &in_order);
        }
        above = Some((score, reached));
    }
}

/// To how many ms ties can be told apart: what 53 bits leave beside the score.
fn resolution(score: i64, length: Length, window: &Window) -> i64 {
    let span = if length == Length::All { 1_i64 << 42 } else { window.end - window.start };
    let score_bits = 64 - score.unsigned_abs().leading_zeros();
    let steps = 1_i64 << 53_u32.saturating_sub(score_bits + 1);
    span / steps + 1
}

async fn seen(
    open: &mut Deployment,
    distinct: u64,
    findings: &mut Findings,
) -> Result<(), HarnessError> {
    let mut bytes = 0;
    for key in scan(open, "bolt:unique:seen:*").await? {
        let log = ask(open, |p| p.cmd("LRANGE").arg(&key).arg(0).arg(-1)).await?;
        bytes += from_redis_value::<Vec<Vec<u8>>>(log)?.iter().map(Vec::len).sum::<usize>();
    }
    let remembered = bytes as u64 / 16;
    let what = || "identities that dedup remembers".into();
    match options::<dedup::Options>(open, "unique") {
        // Those of a shorter window are forgotten one by one while the run goes on.
        Some(dedup) if dedup.window_ms < WHOLE_RUN_MS => {
            findings.compare(what, &distinct.min(remembered), &remembered);
        }
        _ => findings.compare(what, &distinct, &remembered),
    }
    Ok(())
}

fn options<T: BoltOptions + Clone>(open: &Deployment, name: &str) -> Option<T> {
    match &open.topology.node(name)?.1.kind {
        NodeKind::Bolt(bolt) => bolt.options.of::<T>().cloned(),
        NodeKind::Source(_) => None,
    }
}

fn ends_soon(end: i64, retain_ms: Option<i64>, now: i64) -> bool {
    retain_ms.is_some_and(|retain| end.saturating_add(retain) <= now + SOON_MS)
}
