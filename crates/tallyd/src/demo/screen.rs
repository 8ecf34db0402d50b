//! The demo's screen: as many columns and rows as the terminal has room for.

use super::snapshot::Snapshot;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style, Stylize},
    text::{Line, Span},
    widgets::{Block, Gauge, Paragraph, Sparkline},
};
use std::collections::VecDeque;

/// The narrowest column of a list, borders included.
const COLUMN: u16 = 26;
/// Below this width the long lines stand in two.
const NARROW: u16 = 78;
/// How many moments the sparkline remembers.
const MOMENTS: usize = 240;

/// Counted events a second, at the moments drawn so far.
#[derive(Debug, Default)]
pub struct History(VecDeque<u64>);

impl History {
    /// Remembers a moment.
    pub fn add(&mut self, now: &Snapshot) {
        if self.0.len() == MOMENTS {
            self.0.pop_front();
        }
        self.0.push_back(now.rate as u64);
    }
}

/// One moment as one line, where there is no screen.
pub fn line(now: &Snapshot) -> String {
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

/// Draws it.
pub fn draw(
    frame: &mut Frame<'_>,
    header: &str,
    said: &[String],
    now: &Snapshot,
    history: &History,
) {
    let is_narrow = frame.area().width < NARROW;
    let width = usize::from(frame.area().width.saturating_sub(2));
    let said: Vec<String> = said.iter().flat_map(|said| wrapped(said, width)).collect();
    let workers = said.len() + now.workers.len() + 2;
    let heights = [
        Constraint::Length(if is_narrow { 7 } else { 6 }),
        Constraint::Length(1),
        Constraint::Min(4),
        Constraint::Length(u16::try_from(workers).unwrap_or(u16::MAX)),
        Constraint::Length(1),
    ];
    let [top, time, middle, bottom, keys] = Layout::vertical(heights).areas(frame.area());
    figures(frame, top, header, now, history);
    passed(frame, time, now);
    lists(frame, middle, now);
    let lines = said.into_iter().map(|said| Line::from(said).yellow());
    let lines = lines.chain(now.workers.iter().map(|worker| match worker.contains("killed") {
        true => Line::from(worker.clone()).red(),
        false => Line::from(worker.clone()),
    }));
    let block = Block::bordered().title("workers".bold());
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), bottom);
    let help = match is_narrow {
        true => "Ctrl-C or q: end, audit; once more: leave",
        false => "Ctrl-C or q: end the load and audit; once more: leave at once",
    };
    frame.render_widget(Line::from(help).dim(), keys);
}

fn figures(frame: &mut Frame<'_>, area: Rect, header: &str, now: &Snapshot, history: &History) {
    let block = Block::bordered().title(header.bold());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [words, line] = match inner.width {
        100.. => Layout::horizontal([Constraint::Fill(2), Constraint::Fill(1)]).areas(inner),
        _ => [inner, Rect::ZERO],
    };
    let waiting = now.sent.saturating_sub(now.counted + now.repeats + now.refused);
    let mut first = vec![
        Span::from(format!("sent {} = ", now.sent)),
        Span::from(format!("counted {}", now.counted)).green(),
    ];
    let rest =
        format!(" + repeats {} + refused {} + on the way {waiting}", now.repeats, now.refused);
    let mut lines = if area.width < NARROW {
        vec![Line::from(first), Line::from(rest)]
    } else {
        first.push(Span::from(rest));
        vec![Line::from(first)]
    };
    lines.extend([
        Line::from(format!("{:.0} events/s counted", now.rate)),
        Line::from(format!("lag {} entries, {:.1} s", now.lag_entries, now.lag_seconds)),
        Line::from(vec![
            Span::from("XADD to visible: "),
            Span::from(format!("p50 {}  p99 {}", milliseconds(now.p50), milliseconds(now.p99)))
                .bold(),
        ]),
    ]);
    frame.render_widget(Paragraph::new(lines), words);
    let room = usize::from(line.width);
    let latest: Vec<u64> =
        history.0.iter().skip(history.0.len().saturating_sub(room)).copied().collect();
    frame.render_widget(Sparkline::default().data(latest).cyan(), line);
}

/// How much of the time is over.
fn passed(frame: &mut Frame<'_>, area: Rect, now: &Snapshot) {
    let seconds = now.elapsed.as_secs_f64();
    let (share, label) = match now.length {
        Some(length) => {
            let length = length.as_secs_f64();
            ((seconds / length).clamp(0.0, 1.0), format!("{seconds:.0} of {length:.0} s"))
        }
        None => (0.0, format!("{seconds:.0} s")),
    };
    let gauge =
        Gauge::default().ratio(share).label(label).gauge_style(Style::new().fg(Color::Blue));
    frame.render_widget(gauge, area);
}

/// The lists, beside each other as far as the width goes, and then in rows.
fn lists(frame: &mut Frame<'_>, area: Rect, now: &Snapshot) {
    let columns = usize::from((area.width / COLUMN).clamp(1, 3));
    let rows = 3_usize.div_ceil(columns);
    let heights = vec![Constraint::Fill(1); rows];
    let areas = Layout::vertical(heights).split(area);
    let widths = vec![Constraint::Fill(1); columns];
    let mut areas = areas.iter().flat_map(|row| Layout::horizontal(&widths).split(*row).to_vec());
    let mut list = |title: String, rows: &dyn Fn(usize) -> Vec<Line<'static>>| {
        let Some(area) = areas.next() else { return };
        let block = Block::bordered().title(title.bold());
        let inner = block.inner(area);
        let mut lines = rows(usize::from(inner.width));
        lines.truncate(usize::from(inner.height));
        frame.render_widget(Paragraph::new(lines).block(block), area);
    };
    list("points, all time".into(), &|width| {
        let row = |(rank, (member, score)): (usize, &(String, i64))| {
            Line::from(ends(&format!("{:>3} {member}", rank + 1), &score.to_string(), width))
        };
        now.top.iter().enumerate().map(row).collect()
    });
    list("hardest concepts, right".into(), &|width| {
        let row = |(name, share, answers): &(String, f64, u64)| {
            let of = if width > 36 { format!(" of {answers:>6}") } else { String::new() };
            let line = ends(name, &format!("{:.0} %{of}", share * 100.0), width);
            if *share < 0.5 { Line::from(line).red() } else { Line::from(line) }
        };
        now.hardest.iter().map(row).collect()
    });
    list(format!("tired learners ({} alerts)", now.alerts), &|width| {
        let row = |(learner, state, score): &(String, String, String)| {
            let end = if width > 32 { format!("{state} {score:>6.6}") } else { state.clone() };
            Line::from(ends(learner, &end, width))
        };
        now.tired.iter().map(row).collect()
    });
}

/// A text in lines of at most this width, broken between words where there are such.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let used = lines.last().map_or(0, |line| line.chars().count());
        match lines.last_mut() {
            Some(line) if used > 0 && used + 1 + word.len() <= width => line.push(' '),
            _ if used > 0 => lines.push(String::new()),
            _ => {}
        }
        while word.len() > width.max(1) {
            let rest = word.split_off(width.max(1));
            if let Some(line) = lines.last_mut() {
                line.extend(word);
            }
            lines.push(String::new());
            word = rest;
        }
        if let Some(line) = lines.last_mut() {
            line.extend(word);
        }
    }
    lines
}

/// A text at each end of a line of this width. The left one is cut where there is no room.
fn ends(left: &str, right: &str, width: usize) -> String {
    let room = width.saturating_sub(right.chars().count() + 1);
    let left: String = match left.chars().count() > room {
        true => left.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        false => left.to_owned(),
    };
    format!("{left:<room$} {right}")
}

fn milliseconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".into(), |s| format!("{:.1} ms", s * 1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::{Terminal, backend::TestBackend};

    fn moment() -> Snapshot {
        let many = |n: usize| (0..n).map(|i| (format!("learner-{i}"), 1000 - i as i64)).collect();
        Snapshot {
            sent: 1000,
            counted: 900,
            repeats: 60,
            refused: 30,
            p50: Some(0.0031),
            top: many(100),
            hardest: vec![("a concept with a long name".into(), 0.431, 12_345)],
            tired: vec![("learner-7".into(), "exhausted".into(), "0.91234567".into())],
            workers: vec!["worker 1  killed".into(), "worker 2  works on 16 partitions".into()],
            ..Snapshot::default()
        }
    }

    fn drawn(width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let said = ["10.0 s: killed worker 1".to_owned()];
        let draw = |frame: &mut Frame<'_>| {
            super::draw(frame, "header", &said, &moment(), &History::default());
        };
        terminal.draw(draw).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_small_terminal_cuts_no_figure() {
        let screen = drawn(80, 24);
        for whole in ["43 %", "exhausted", "learner-0        1000", "p50 3.1 ms", "on the way 10"] {
            assert!(screen.contains(whole), "{whole} is not on\n{screen}");
        }
    }

    #[test]
    fn a_narrow_terminal_cuts_no_sentence() {
        let screen = drawn(50, 24);
        for whole in ["+ on the way 10", "once more: leave", "worker 2  works on 16 partitions"] {
            assert!(screen.contains(whole), "{whole} is not on\n{screen}");
        }
        assert_eq!(wrapped("ab cd efghijkl m", 5), ["ab cd", "efghi", "jkl m"]);
        assert_eq!(wrapped("10.0 s: killed worker 1", 80), ["10.0 s: killed worker 1"]);
    }

    #[test]
    fn a_large_terminal_shows_more() {
        let screen = drawn(160, 50);
        assert!(screen.contains("learner-20"), "{screen}");
        assert!(screen.contains("a concept with a long name"), "{screen}");
        assert!(screen.contains("43 % of  12345"), "{screen}");
    }
}
