//! What the demo shows while it runs: a live screen on a terminal, plain lines elsewhere.

use super::Args;
use ratatui::{
    DefaultTerminal, Frame,
    layout::{Constraint, Layout, Rect},
    style::{Style, Stylize},
    text::Line,
    widgets::{Block, Paragraph},
};
use redis::{Pipeline, Value, from_redis_value};
use std::{io::IsTerminal, sync::atomic::Ordering, time::Duration};
use tallyd_bolt::Key;
use tallyd_harness::{Deployment, Server, probe::Probe, producer::Sent};
use tallyd_runtime::store::Owner;
use tallyd_store::inspect;

/// How many answers a concept needs before its share of right ones says something.
const ENOUGH_ANSWERS: u64 = 30;
/// How many rows each list has.
const ROWS: usize = 8;

/// What is known at one moment.
#[derive(Debug, Default)]
struct Snapshot {
    elapsed: Duration,
    sent: u64,
    rate: f64,
    processed: u64,
    lag_entries: u64,
    lag_seconds: f64,
    p50: Option<f64>,
    p99: Option<f64>,
    top: Vec<(String, i64)>,
    hardest: Vec<(String, f64, u64)>,
    tired: Vec<(String, String, String)>,
    alerts: u64,
    owners: Vec<(String, usize)>,
}

/// The view.
pub struct View {
    terminal: Option<DefaultTerminal>,
    header: String,
    said: Vec<String>,
    last: (Duration, u64),
}

impl View {
    /// Opens it: a screen if standard output is a terminal.
    pub fn new(args: &Args, server: &Server) -> anyhow::Result<Self> {
        let header = format!(
            "tallyd demo · topologies/testprep.toml · {} workers · a private {} · {} events/s asked for",
            args.workers,
            server.program.display(),
            args.rate
        );
        let terminal =
            if std::io::stdout().is_terminal() { Some(ratatui::try_init()?) } else { None };
        if terminal.is_none() {
            println!("{header}");
        }
        Ok(Self { terminal, header, said: Vec::new(), last: (Duration::ZERO, 0) })
    }

    /// Says something that should stay.
    pub fn say(&mut self, text: String) {
        if self.terminal.is_none() {
            println!("{text}");
        }
        self.said.push(text);
    }

    /// Shows the present state.
    pub async fn draw(
        &mut self,
        open: &mut Deployment,
        elapsed: Duration,
        sent: &Sent,
        probe: &Probe,
    ) -> anyhow::Result<()> {
        let mut now = snapshot(open, elapsed, sent, probe).await?;
        let since = (elapsed - self.last.0).as_secs_f64();
        if since > 0.0 {
            now.rate = now.processed.saturating_sub(self.last.1) as f64 / since;
        }
        match &mut self.terminal {
            Some(terminal) => {
                self.last = (elapsed, now.processed);
                terminal.draw(|frame| screen(frame, &self.header, &self.said, &now))?;
            }
            None if elapsed.is_zero() || elapsed.as_secs() > self.last.0.as_secs() => {
                self.last = (elapsed, now.processed);
                println!("{}", line(&now));
            }
            None => {}
        }
        Ok(())
    }

    /// Gives the terminal back, and repeats what should stay.
    pub fn close(&mut self) {
        if self.terminal.take().is_some() {
            ratatui::restore();
            println!("{}", self.header);
            for said in &self.said {
                println!("{said}");
            }
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.close();
    }
}

fn milliseconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".into(), |s| format!("{:.1} ms", s * 1000.0))
}

fn line(now: &Snapshot) -> String {
    let best =
        now.top.first().map_or_else(|| "-".into(), |(member, score)| format!("{member} {score}"));
    let hardest = now
        .hardest
        .first()
        .map_or_else(|| "-".into(), |(name, share, _)| format!("{name} {:.0} %", share * 100.0));
    format!(
        "{:>5.1} s  sent {:>8}  {:>6.0} events/s  lag {:>5} entries {:>4.1} s  visible p50 {} p99 {}  first {best}  hardest {hardest}  alerts {}",
        now.elapsed.as_secs_f64(),
        now.sent,
        now.rate,
        now.lag_entries,
        now.lag_seconds,
        milliseconds(now.p50),
        milliseconds(now.p99),
        now.alerts,
    )
}

async fn snapshot(
    open: &mut Deployment,
    elapsed: Duration,
    sent: &Sent,
    probe: &Probe,
) -> anyhow::Result<Snapshot> {
    let status = inspect::status(&mut open.connection, &open.topology, &open.keys).await?;
    let mut now = Snapshot {
        elapsed,
        sent: sent.events.load(Ordering::Relaxed),
        p50: probe.quantile(0.5),
        p99: probe.quantile(0.99),
        ..Snapshot::default()
    };
    for node in &status.nodes {
        if node.name == "points" {
            now.processed = node.counts.events;
        }
        if node.fused_with.is_some() {
            // Its lag and its owners are those of the other.
            continue;
        }
        now.lag_entries += node.lag.entries;
        let age = node.lag.oldest.map_or(0, |oldest| (status.now - oldest).max(0));
        now.lag_seconds = now.lag_seconds.max(age as f64 / 1000.0);
        for owner in &node.owners {
            let name = if let Owner::Worker(id) = owner { id.as_str() } else { "nobody" };
            match now.owners.iter_mut().find(|(known, _)| known == name) {
                Some((_, count)) => *count += 1,
                None => now.owners.push((name.to_owned(), 1)),
            }
        }
    }
    now.owners.sort();
    results(open, &mut now).await?;
    Ok(now)
}

async fn results(open: &mut Deployment, now: &mut Snapshot) -> anyhow::Result<()> {
    let groups = open.keys.bolt("concepts", &Key::new(&["groups", "all", "all"]));
    let board = open.keys.bolt("points", &Key::new(&["board", "all", "all", "everyone"]));
    let mut ask = Pipeline::new();
    ask.cmd("SMEMBERS").arg(groups);
    ask.cmd("ZREVRANGE").arg(board).arg(0).arg(ROWS - 1).arg("WITHSCORES");
    ask.cmd("XREVRANGE").arg("fatigue-alerts").arg("+").arg("-").arg("COUNT").arg(ROWS);
    ask.cmd("XLEN").arg("fatigue-alerts");
    let mut replies = open.connection.all(&ask).await?.into_iter();
    let mut next = || replies.next().unwrap_or(Value::Nil);
    let groups: Vec<String> = from_redis_value(next())?;
    let top: Vec<(String, f64)> = from_redis_value(next())?;
    now.top = top.into_iter().map(|(member, score)| (member, score.floor() as i64)).collect();
    let alerts: redis::streams::StreamRangeReply = from_redis_value(next())?;
    for alert in alerts.ids {
        let field = |name: &str| alert.get::<String>(name).unwrap_or_default();
        now.tired.push((field("learner"), field("state"), field("score")));
    }
    now.alerts = from_redis_value(next())?;
    now.hardest = hardest(open, groups).await?;
    Ok(())
}

async fn hardest(
    open: &mut Deployment,
    groups: Vec<String>,
) -> anyhow::Result<Vec<(String, f64, u64)>> {
    let mut ask = Pipeline::new();
    for group in &groups {
        let key = open.keys.bolt("concepts", &Key::new(&["window", "all", "all", group]));
        ask.cmd("HMGET").arg(key).arg("answers").arg("right");
    }
    let mut concepts = Vec::new();
    for (group, counts) in groups.iter().zip(open.connection.all(&ask).await?) {
        let (answers, right): (Option<u64>, Option<u64>) = from_redis_value(counts)?;
        let (answers, right) = (answers.unwrap_or(0), right.unwrap_or(0));
        if answers >= ENOUGH_ANSWERS {
            let name = group.strip_prefix("concept=").unwrap_or(group);
            concepts.push((Key::decode(name), right as f64 / answers as f64, answers));
        }
    }
    concepts.sort_by(|a, b| a.1.total_cmp(&b.1));
    concepts.truncate(ROWS);
    Ok(concepts)
}

fn screen(frame: &mut Frame<'_>, header: &str, said: &[String], now: &Snapshot) {
    let heights = [Constraint::Length(6), Constraint::Min(ROWS as u16 + 2), Constraint::Length(6)];
    let [top, middle, bottom] = Layout::vertical(heights).areas(frame.area());
    let figures = vec![
        Line::from(header.to_owned()).bold(),
        Line::from(format!(
            "{:.1} s   sent {}   counted {}   {:.0} events/s",
            now.elapsed.as_secs_f64(),
            now.sent,
            now.processed,
            now.rate
        )),
        Line::from(format!("lag {} entries, {:.1} s", now.lag_entries, now.lag_seconds)),
        Line::from(format!(
            "XADD to visible   p50 {}   p99 {}",
            milliseconds(now.p50),
            milliseconds(now.p99)
        )),
    ];
    frame.render_widget(Paragraph::new(figures).block(Block::bordered()), top);
    let [board, concepts, learners] =
        Layout::horizontal([Constraint::Ratio(1, 3); 3]).areas(middle);
    let rows = now
        .top
        .iter()
        .enumerate()
        .map(|(i, (member, score))| format!("{:>2}  {member:<12} {score:>7}", i + 1));
    list(frame, board, "leaderboard, all time", rows);
    let rows = now
        .hardest
        .iter()
        .map(|(name, share, answers)| format!("{name:<18} {:>3.0} % of {answers}", share * 100.0));
    list(frame, concepts, "hardest concepts (share right)", rows);
    let rows = now
        .tired
        .iter()
        .map(|(learner, state, score)| format!("{learner:<12} {state:<10} {score}"));
    list(frame, learners, &format!("fatigue alerts ({})", now.alerts), rows);
    let owners = now.owners.iter().map(|(id, count)| format!("{id}: {count} partitions"));
    list(frame, bottom, "workers", said.iter().cloned().chain(owners));
}

fn list(frame: &mut Frame<'_>, area: Rect, title: &str, rows: impl Iterator<Item = String>) {
    let lines: Vec<Line<'_>> = rows.map(Line::from).collect();
    let block = Block::bordered().title(title.to_owned()).title_style(Style::new().bold());
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
