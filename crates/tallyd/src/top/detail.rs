//! One source or bolt, with all that is known of it.

use super::{
    screen::{bars, span, time},
    state::Top,
};
use crate::terminal::safe;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Stylize,
    text::Line,
    widgets::{Block, Paragraph, Wrap},
};
use tallyd_query::status::{lag_seconds, load, owners};
use tallyd_topology::{Node, NodeKind};

/// Draws the chosen node.
pub fn draw(frame: &mut Frame<'_>, area: Rect, top: &Top) {
    let rows = top.rows();
    let row = rows.iter().find(|row| row.node.name == top.chosen);
    let node = top.topology.nodes.iter().find(|node| node.name == top.chosen.as_str());
    let (Some(row), Some(node), Some(now)) = (row, node, &top.now) else { return };
    let block = Block::bordered().title(safe(&top.chosen).bold());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [line, words] = Layout::vertical([Constraint::Length(2), Constraint::Fill(1)]).areas(inner);
    let rates = top.rates.get(&row.node.name);
    let most = rates.and_then(|rates| rates.iter().max()).copied().unwrap_or(0);
    let trend = vec![
        bars(rates, line.width).cyan(),
        Line::from(format!("{:.0} events/s now, {most} at most here", row.rate)).dim(),
    ];
    frame.render_widget(Paragraph::new(trend), line);

    let status = row.node;
    let counts = &status.counts;
    let mut lines = vec![Line::from(about(top, node))];
    let mut say = |label: &str, what: String| {
        lines.push(Line::from(vec![format!("{label:<12}").dim(), what.into()]));
    };
    match &status.fused_with {
        Some(other) => say("partitions", format!("{} with {}", status.owners.len(), safe(other))),
        None => {
            for (who, count) in owners(status) {
                say("partitions", format!("{count} of {}", safe(&who)));
            }
        }
    }
    let waits = match status.lag.entries {
        0 => "nothing".to_owned(),
        entries => format!("{entries} entries, the oldest for {}", span(lag_seconds(now, status))),
    };
    say("waiting", waits);
    if let Some(load) = load(now, status, &top.topology.settings) {
        let busy = match &status.fused_with {
            Some(other) => format!("the task of {}; {} % in this bolt", safe(other), load.bolt),
            None => format!("{} % of its busiest task, {} % in the bolt", load.busy, load.bolt),
        };
        say("busy", busy);
        if let Some(probe) = load.probe {
            let [took, ago] =
                [probe.took as i64, now.now - probe.sent].map(|ms| span(ms.max(0) as f64 / 1000.0));
            say("probe", format!("took {took}, sent {ago} ago"));
        }
    }
    say("events", counts.events.to_string());
    say("emitted", counts.emitted.to_string());
    say("duplicates", counts.duplicates.to_string());
    say("lost", counts.lost.to_string());
    if let Some((entry, by_ms)) = status.ahead {
        say("ahead", format!("entry {entry}, {}", span(by_ms as f64 / 1000.0)));
    }
    if status.restarts > 0 {
        say("began again", format!("its stream, {} times", status.restarts));
    }
    for (place, why) in now.halted.iter().filter(|(place, _)| of(place, &status.name)) {
        say("halted", format!("{}: {}", safe(place), safe(why)));
    }
    for (kind, count) in &status.dead {
        say("rejected", format!("{count} {}", safe(kind)));
    }
    for (window, count) in &status.late.counts {
        say("too late", format!("{count} for {}", safe(window)));
    }
    for late in &status.late.examples {
        let behind = span((late.arrival - late.time).max(0) as f64 / 1000.0);
        let (id, label) = (safe(&late.id), safe(&late.label));
        let came = time(late.arrival, top);
        say("late event", format!("{id} came at {came}, {behind} after it happened, for {label}"));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), words);
}

/// Whether a place, as `points:3`, is of this node.
fn of(place: &str, node: &str) -> bool {
    place.rsplit_once(':').is_some_and(|(name, _)| name == node)
}

fn about(top: &Top, node: &Node) -> String {
    match &node.kind {
        NodeKind::Source(source) => format!("a source: the stream {}", safe(&source.stream)),
        NodeKind::Bolt(bolt) => {
            let from = top.topology.nodes.get(bolt.from).map_or("", |from| from.name.as_str());
            format!("{} of the events from {}", bolt.options.type_name(), safe(from))
        }
    }
}
