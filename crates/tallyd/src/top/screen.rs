//! The screen: alarms, nodes, workers, and what happened.

use super::{
    detail,
    state::{Row, Top},
};
use crate::terminal::safe;
use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Modifier, Style, Stylize},
    text::{Line, Text},
    widgets::{Block, Cell, Paragraph, Row as TableRow, Table},
};
use std::collections::VecDeque;
use tallyd_query::status::{lag_seconds, load, owners, runs_plan, slowest_probe};
use tallyd_runtime::{plan, store::Owner};
use tallyd_store::inspect::{NodeStatus, Status};

/// The narrowest line of rates that says something.
const TREND: u16 = 12;
/// From what share on, in percent, a task is nearly all busy.
const BUSY: u8 = 90;
/// How many lines of alarms there may be: what runs is to be seen too.
const ALARMS: usize = 4;

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, top: &mut Top) {
    let alarms = alarms(top);
    let workers = top.now.as_ref().map_or(0, |now| now.workers.len());
    let nodes = top.topology.nodes.len();
    let height = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX);
    let heights = [
        Constraint::Length(1),
        Constraint::Length(height(alarms.len())),
        // What there is no room for is scrolled to (nodes), or left out (workers, changes).
        Constraint::Max(height(nodes + 3)),
        Constraint::Max(height(workers + 3)),
        Constraint::Min(3),
        Constraint::Length(1),
    ];
    let [head, alarm, middle, below, rest, keys] = Layout::vertical(heights).areas(frame.area());
    frame.render_widget(header(top), head);
    frame.render_widget(Paragraph::new(alarms), alarm);
    match top.is_inside {
        true => {
            let whole = Rect { height: middle.height + below.height + rest.height, ..middle };
            detail::draw(frame, whole, top);
        }
        false => {
            draw_nodes(frame, middle, top);
            draw_workers(frame, below, top);
            draw_changes(frame, rest, top);
        }
    }
    let help = match top.is_inside {
        true => "Esc back   ↑↓ another node   p pause   q quit",
        false => "↑↓ choose   Enter look into   s sort   p pause   q quit",
    };
    frame.render_widget(Line::from(help).dim(), keys);
}

fn header(top: &Top) -> Line<'static> {
    let mut words = vec![format!("tallyd top · {}", safe(&top.topology.name)).bold()];
    if let Some(now) = &top.now {
        words.push(format!(" · {}", time(now.now, top)).into());
        if let Some((_, probe)) = slowest_probe(now, &top.topology.settings) {
            words.push(format!(" · delay {}", span(probe.took as f64 / 1000.0)).into());
        }
        words.push(format!(" · sorted by {}", top.sort.name()).into());
    }
    if top.is_paused {
        words.push(" · ".into());
        words.push("PAUSED".yellow().bold());
    }
    Line::from(words)
}

/// A time of day on the clocks of the topology's time zone.
pub fn time(ms: i64, top: &Top) -> String {
    let zone = top.topology.calendar.zone().clone();
    let time = jiff::Timestamp::from_millisecond(ms).map(|time| time.to_zoned(zone));
    time.map_or_else(|_| format!("{ms} ms"), |time| time.strftime("%H:%M:%S %Z").to_string())
}

/// What needs somebody at once.
fn alarms(top: &Top) -> Vec<Line<'static>> {
    let mut all = Vec::new();
    if let Some(why) = &top.trouble {
        let since =
            top.now.as_ref().map(|now| format!(" (the state below is of {})", time(now.now, top)));
        all.push(format!("REDIS: {}{}", safe(why), since.unwrap_or_default()));
    }
    let Some(now) = &top.now else {
        if all.is_empty() {
            return vec![Line::from("reading the state …").dim()];
        }
        return all.into_iter().map(|line| Line::from(line).red()).collect();
    };
    all.extend(now.halted.iter().map(|(place, why)| {
        format!("HALTED {}: {} (fix it, then: tallyd resume)", safe(place), safe(why))
    }));
    for node in &now.nodes {
        let nobody = node.owners.iter().filter(|owner| **owner == Owner::Nobody).count();
        if nobody > 0 && node.fused_with.is_none() {
            let (name, all_of) = (safe(&node.name), node.owners.len());
            all.push(format!("OWNED BY NOBODY {name}: {nobody} of {all_of} partitions"));
        }
        if node.counts.lost > 0 {
            let (name, lost) = (safe(&node.name), node.counts.lost);
            all.push(format!("LOST {name}: {lost} entries went before they were read"));
        }
        if node.lag.unreadable {
            all.push(format!("CAN'T READ {}: see tallyd doctor", safe(&node.name)));
        }
    }
    let limit = top.topology.settings.dead_letters;
    if now.dead_letters >= limit {
        all.push(format!("DEAD LETTERS FULL: {limit} are stored, each new one costs the oldest"));
    }
    let more = all.len().saturating_sub(ALARMS);
    let mut lines: Vec<Line<'static>> =
        all.into_iter().take(ALARMS).map(|line| Line::from(line).red().bold()).collect();
    if more > 0 {
        lines.push(Line::from(format!("and {more} more: tallyd status")).red());
    }
    lines
}

/// A column: its head, its width, and what stands in it.
type Column<'a> = (&'static str, u16, Box<dyn Fn(&Row<'_>) -> Cell<'static> + 'a>);

fn draw_nodes(frame: &mut Frame<'_>, area: Rect, top: &mut Top) {
    let block = Block::bordered().title("nodes".bold());
    let width = block.inner(area).width;
    let rows = top.rows();
    let name = |row: &Row<'_>| format!("{}{}", "  ".repeat(row.depth), safe(&row.node.name));
    let widest = rows.iter().map(|row| name(row).chars().count()).max().unwrap_or(0).max(4);
    let now = top.now.as_ref();
    let right = |text: String| Cell::from(Text::from(text).alignment(Alignment::Right));
    let when_some = move |count: u64, style: Style| {
        right(count.to_string()).style(if count > 0 { style } else { Style::new() })
    };
    let columns: Vec<Column<'_>> = vec![
        (
            "node",
            u16::try_from(widest).unwrap_or(40).min(40),
            Box::new(|row| Cell::from(name(row))),
        ),
        ("owners", 12, Box::new(|row| held(row.node))),
        ("events/s", 9, Box::new(move |row| right(format!("{:.0}", row.rate)))),
        ("waiting", 9, Box::new(move |row| right(row.node.lag.entries.to_string()))),
        ("for", 8, Box::new(move |row| waits(now, row.node))),
        ("busy", 5, Box::new(|row| busy(top, row.node))),
        ("probe", 8, Box::new(|row| probe(top, row.node))),
        ("dead", 7, Box::new(move |row| when_some(row.node.counts.dead, Style::new().yellow()))),
        ("events", 12, Box::new(move |row| right(row.node.counts.events.to_string()))),
        ("late", 8, Box::new(move |row| when_some(row.node.counts.late, Style::new().yellow()))),
        ("duplicates", 10, Box::new(move |row| right(row.node.counts.duplicates.to_string()))),
        ("lost", 6, Box::new(move |row| when_some(row.node.counts.lost, Style::new().red()))),
    ];
    // Those that come first are shown, as far as the width goes.
    let mut left = width;
    let fits = |column: &Column<'_>| {
        let fits = left >= column.1;
        left = left.saturating_sub(column.1 + 1);
        fits
    };
    let shown: Vec<Column<'_>> = columns.into_iter().take_while(fits).collect();
    let used: u16 = shown.iter().map(|(_, width, _)| width + 1).sum();
    let trend = width.saturating_sub(used).min(60);
    let mut widths: Vec<Constraint> =
        shown.iter().map(|(_, width, _)| Constraint::Length(*width)).collect();
    let mut heads: Vec<Cell<'_>> = shown
        .iter()
        .map(|(head, ..)| match *head {
            "node" | "owners" => Cell::from(*head),
            head => right(head.to_owned()),
        })
        .collect();
    if trend >= TREND {
        widths.push(Constraint::Length(trend));
        heads.push(Cell::from("the last minutes"));
    }
    let lines = rows.iter().map(|row| {
        let mut cells: Vec<Cell<'_>> = shown.iter().map(|(_, _, show)| show(row)).collect();
        if trend >= TREND {
            cells.push(Cell::from(bars(top.rates.get(&row.node.name), trend).cyan()));
        }
        TableRow::new(cells)
    });
    let table = Table::new(lines, widths)
        .header(TableRow::new(heads).style(Style::new().add_modifier(Modifier::DIM)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(block);
    let place = rows.iter().position(|row| row.node.name == top.chosen);
    let mut state = top.table;
    state.select(place);
    frame.render_stateful_widget(table, area, &mut state);
    drop(shown);
    top.table = state;
}

/// Who works on a node's partitions.
fn held(node: &NodeStatus) -> Cell<'static> {
    if let Some(other) = &node.fused_with {
        return Cell::from(format!("in {}", safe(other))).dim();
    }
    let owners = owners(node);
    let count = |who: &str| owners.get(who).copied().unwrap_or(0);
    let (nobody, halted) = (count("nobody"), count("HALTED"));
    match (halted, nobody) {
        (0, 0) if owners.len() == 1 => Cell::from("1 worker"),
        (0, 0) => Cell::from(format!("{} workers", owners.len())),
        (0, nobody) => Cell::from(format!("{nobody} nobody")).red(),
        (halted, _) => Cell::from(format!("{halted} HALTED")).red(),
    }
}

/// How busy the busiest task of a node is, or the bolt alone where it is fused.
fn busy(top: &Top, node: &NodeStatus) -> Cell<'static> {
    let load = top.now.as_ref().and_then(|now| load(now, node, &top.topology.settings));
    let percent = load.map(|load| if node.fused_with.is_some() { load.bolt } else { load.busy });
    let text = percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent} %"));
    let cell = Cell::from(Text::from(text).alignment(Alignment::Right));
    if percent >= Some(BUSY) { cell.yellow() } else { cell }
}

/// How long the last probe took to this node.
fn probe(top: &Top, node: &NodeStatus) -> Cell<'static> {
    let load = top.now.as_ref().and_then(|now| load(now, node, &top.topology.settings));
    let probe = load.and_then(|load| load.probe);
    let text = probe.map_or_else(|| "-".to_owned(), |probe| span(probe.took as f64 / 1000.0));
    Cell::from(Text::from(text).alignment(Alignment::Right))
}

/// For how long the oldest entry has waited.
fn waits(now: Option<&Status>, node: &NodeStatus) -> Cell<'static> {
    let seconds = now.map_or(0.0, |now| lag_seconds(now, node));
    let text = match node.lag.entries {
        0 => "-".to_owned(),
        _ => span(seconds),
    };
    let cell = Cell::from(Text::from(text).alignment(Alignment::Right));
    if seconds > 10.0 { cell.yellow() } else { cell }
}

/// A length of time in few characters.
pub fn span(seconds: f64) -> String {
    match seconds {
        ..0.1 => format!("{:.0} ms", seconds * 1000.0),
        ..60.0 => format!("{seconds:.1} s"),
        ..3600.0 => format!("{:.0} min", seconds / 60.0),
        ..86_400.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} d", seconds / 86_400.0),
    }
}

/// The last figures as bars, the newest at the right end.
pub fn bars(rates: Option<&VecDeque<u64>>, width: u16) -> Line<'static> {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let Some(rates) = rates else { return Line::default() };
    let width = usize::from(width);
    let last: Vec<u64> = rates.iter().skip(rates.len().saturating_sub(width)).copied().collect();
    let most = last.iter().copied().max().unwrap_or(0).max(1);
    let bar = |rate: &u64| {
        let eighths = rate.saturating_mul(8).div_ceil(most);
        BARS.get(usize::try_from(eighths).unwrap_or(8)).copied().unwrap_or('█')
    };
    let bars: String = last.iter().map(bar).collect();
    Line::from(format!("{bars:>width$}"))
}

fn draw_workers(frame: &mut Frame<'_>, area: Rect, top: &Top) {
    let Some(now) = &top.now else { return };
    let block = Block::bordered().title("workers".bold());
    let patience = i64::try_from(top.topology.settings.session_timeout_ms).unwrap_or(i64::MAX);
    let lines = now.workers.iter().map(|(worker, beat)| {
        let ago = now.now - beat;
        let beat = match ago > patience {
            true => Cell::from(format!("GONE {}", span(ago as f64 / 1000.0))).red(),
            false => Cell::from(span(ago as f64 / 1000.0)),
        };
        let file = plan::short(&worker.plan).to_owned();
        let file = match runs_plan(now, worker) {
            true => Cell::from(file),
            false => Cell::from(format!("{file} WAITS")).yellow(),
        };
        let holds = |node: &&NodeStatus| node.fused_with.is_none();
        let owned = now.nodes.iter().filter(holds).flat_map(|node| &node.owners);
        let owned = owned.filter(|owner| **owner == Owner::Worker(worker.id.clone())).count();
        TableRow::new([
            Cell::from(safe(&worker.id)),
            Cell::from(Text::from(owned.to_string()).alignment(Alignment::Right)),
            beat,
            Cell::from(span((now.now - worker.since).max(0) as f64 / 1000.0)),
            file,
            Cell::from(safe(&worker.version)),
            Cell::from(safe(worker.metrics.as_deref().unwrap_or("-"))),
        ])
    });
    let widest = now.workers.iter().map(|(worker, _)| worker.id.chars().count()).max();
    let widths = [
        Constraint::Length(u16::try_from(widest.unwrap_or(6).max(6)).unwrap_or(40)),
        Constraint::Length(10),
        Constraint::Length(11),
        Constraint::Length(8),
        Constraint::Length(14),
        Constraint::Length(8),
        Constraint::Fill(1),
    ];
    let heads = ["worker", "partitions", "heard of", "up", "file", "version", "metrics"];
    let table = Table::new(lines, widths)
        .header(TableRow::new(heads).style(Style::new().add_modifier(Modifier::DIM)))
        .block(block);
    frame.render_widget(table, area);
}

fn draw_changes(frame: &mut Frame<'_>, area: Rect, top: &Top) {
    let block = Block::bordered().title("what happened".bold());
    let room = usize::from(block.inner(area).height);
    let lines = top.changes.iter().rev().take(room).map(|change| {
        let (at, what) = (time(change.at, top), safe(&change.what));
        let line = match change.count {
            None => format!("{at}  {what}"),
            Some(count) if change.since == change.at => format!("{at}  {what}: {count}"),
            Some(count) => format!("{at}  {what}: {count} since {}", time(change.since, top)),
        };
        let line = Line::from(line);
        if change.is_alarm { line.yellow() } else { line }
    });
    let mut lines: Vec<Line<'_>> = lines.collect();
    if lines.is_empty() {
        lines.push(Line::from("nothing since this was opened").dim());
    }
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
