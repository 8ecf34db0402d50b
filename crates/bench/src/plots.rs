//! Plots of the figures, as SVG.

use crate::{BenchError, contender::ALL, figures::Spread, results::Results};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use std::path::Path;

const SIZE: (u32, u32) = (800, 400);
/// The font of everything except titles.
const LABELS: (&str, i32) = ("sans-serif", 16);
const BAR: RGBColor = RGBColor(70, 120, 180);
const LINES: [RGBColor; 3] =
    [RGBColor(70, 120, 180), RGBColor(200, 120, 40), RGBColor(170, 50, 60)];

/// The pictures with bars: what they are of, their titles and their figures.
const BARS: [(&str, &str, &str); 2] = [
    ("redis-cpu", "Redis CPU, µs an event (lower is better)", "redis_cpu_us"),
    ("rate", "events a second (higher is better)", "events_per_second"),
];
const DELAY: (&str, &str) = ("delay, ms (lower is better)", "% of the highest rate");
const SCALE: (&str, &str) = ("Redis CPU, µs an event (lower is better)", "how many");

/// Draws what was measured into a folder.
///
/// # Errors
/// Where a file can't be written.
pub fn draw(results: &Results, folder: &Path) -> Result<(), BenchError> {
    if !results.contenders.is_empty() {
        for (what, title, figure) in BARS {
            let file = format!("performance-{what}.svg");
            drawn(&file, bars(&folder.join(&file), title, &spreads(results, figure)))?;
        }
    }
    if !results.latency.is_empty() {
        let file = "performance-delay.svg";
        let line = |name, of: fn(&crate::results::LatencyPoint) -> f64| {
            (name, results.latency.iter().map(|p| (p.share * 100.0, of(p))).collect())
        };
        let series =
            [line("p50", |p| p.p50_ms), line("p99", |p| p.p99_ms), line("p99.9", |p| p.p999_ms)];
        drawn(file, lines(&folder.join(file), DELAY, &series, false))?;
    }
    if !results.scale.is_empty() {
        let file = "performance-scale.svg";
        let line = |what| {
            let of = results.scale.iter().filter(|point| point.what == what);
            let place = |p: &crate::results::ScalePoint| {
                Some((p.amount as f64, p.figures.get("redis_cpu_us")?))
            };
            (what, of.filter_map(place).collect())
        };
        let series = [line("learners"), line("board members")];
        drawn(file, lines(&folder.join(file), SCALE, &series, true))?;
    }
    Ok(())
}

type Drawing = Result<(), Box<dyn std::error::Error>>;
/// A name, and places.
type Line = (&'static str, Vec<(f64, f64)>);

fn drawn(file: &str, drawing: Drawing) -> Result<(), BenchError> {
    drawing.map_err(|error| BenchError::Plot(file.to_owned(), error.to_string()))
}

fn spreads(results: &Results, figure: &str) -> Vec<(&'static str, Spread)> {
    let of = |name: &'static str| Some((name, *results.contenders.get(name)?.get(figure)?));
    ALL.iter().filter_map(|contender| of(contender.name())).collect()
}

/// Bars at the medians, with a line from the lowest to the highest.
fn bars(path: &Path, title: &str, bars: &[(&str, Spread)]) -> Drawing {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let highest = bars.iter().map(|(_, spread)| spread.max).fold(0.0, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(70)
        // A segmented range holds its end.
        .build_cartesian_2d((0..bars.len().saturating_sub(1)).into_segmented(), 0.0..highest)?;
    let name = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => {
            bars.get(*place).map_or_else(String::new, |(name, _)| (*name).to_owned())
        }
        _ => String::new(),
    };
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh().light_line_style(TRANSPARENT).label_style(LABELS);
    mesh.x_label_formatter(&name).y_label_formatter(&|y| grouped(*y)).draw()?;
    for (place, (_, spread)) in bars.iter().enumerate() {
        let (left, right) = (SegmentValue::Exact(place), SegmentValue::Exact(place + 1));
        let mut bar = Rectangle::new([(left, 0.0), (right, spread.median)], BAR.filled());
        bar.set_margin(0, 0, 20, 20);
        chart.draw_series([bar])?;
        let center = SegmentValue::CenterOf(place);
        let reach = vec![(center.clone(), spread.min), (center.clone(), spread.max)];
        chart.draw_series([PathElement::new(reach, BLACK.stroke_width(2))])?;
        let above = LABELS.into_text_style(&root).pos(Pos::new(HPos::Center, VPos::Bottom));
        let figure = if spread.median < 1000.0 {
            format!("{:.1}", spread.median)
        } else {
            grouped((spread.median / 100.0).round() * 100.0)
        };
        chart.draw_series([Text::new(figure, (center, spread.max + highest / 100.0), above)])?;
    }
    root.present()?;
    Ok(())
}

/// A whole number with commas between its thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", &*digits), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Lines through places. With `log` the axis below is that of powers of ten.
fn lines(path: &Path, (title, below): (&str, &str), series: &[Line], log: bool) -> Drawing {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let scaled = |x: f64| if log { x.log10() } else { x };
    let places = || series.iter().flat_map(|(_, places)| places);
    let from =
        if log { places().map(|(x, _)| scaled(*x)).fold(f64::INFINITY, f64::min) } else { 0.0 };
    let to = places().map(|(x, _)| scaled(*x)).fold(from, f64::max);
    let highest = places().map(|(_, y)| *y).fold(0.0, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(from..to, 0.0..highest)?;
    let amount = |x: &f64| grouped(if log { 10f64.powf(*x) } else { *x });
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).label_style(LABELS).axis_desc_style(LABELS);
    mesh.x_desc(below).x_label_formatter(&amount).draw()?;
    for ((name, places), color) in series.iter().zip(LINES) {
        let places = || places.iter().map(|(x, y)| (scaled(*x), *y));
        chart
            .draw_series(LineSeries::new(places(), color.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color));
        chart.draw_series(places().map(|place| Circle::new(place, 3, color.filled())))?;
    }
    let mut names = chart.configure_series_labels();
    names.position(SeriesLabelPosition::UpperLeft).background_style(WHITE).label_font(LABELS);
    names.draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_are_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let spread = |median| Spread { median, min: median - 1.0, max: median + 2.0 };
        let bars_file = folder.path().join("bars.svg");
        bars(&bars_file, "title", &[("floor", spread(5.0)), ("tallyd", spread(20.0))]).unwrap();
        let text = std::fs::read_to_string(bars_file).unwrap();
        assert!(text.contains("tallyd") && text.ends_with("</svg>\n"), "{text}");
        let lines_file = folder.path().join("lines.svg");
        let series = [("learners", vec![(10_000.0, 5.0), (1_000_000.0, 7.0)])];
        lines(&lines_file, ("title", "below"), &series, true).unwrap();
        assert!(std::fs::read_to_string(lines_file).unwrap().contains("1,000,000"));
    }

    /// The pictures of the pages are those of the figures that stand beside them.
    #[test]
    fn the_pictures_of_the_pages_are_of_their_figures() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/internals");
        let figures = std::fs::read_to_string(folder.join("performance.json")).unwrap();
        let figures: serde_json::Value = serde_json::from_str(&figures).unwrap();
        let number = |value: &serde_json::Value, name: &str| value[name].as_f64().unwrap();
        let spread = |name: &'static str, figure: &str| {
            let of = &figures["contenders"][name][figure];
            let [median, min, max] = ["median", "min", "max"].map(|part| number(of, part));
            (name, Spread { median, min, max })
        };
        let drawn = tempfile::tempdir().unwrap();
        let path = |what: &str| drawn.path().join(format!("performance-{what}.svg"));
        for (what, title, figure) in BARS {
            let all: Vec<_> = ALL.iter().map(|c| spread(c.name(), figure)).collect();
            bars(&path(what), title, &all).unwrap();
        }
        let points = |name: &str| figures[name].as_array().unwrap().iter();
        let delay = |name, figure: &str| {
            let place = |p| (number(p, "share") * 100.0, number(p, figure));
            (name, points("latency").map(place).collect())
        };
        let series = [delay("p50", "p50_ms"), delay("p99", "p99_ms"), delay("p99.9", "p999_ms")];
        lines(&path("delay"), DELAY, &series, false).unwrap();
        let scale = |what: &'static str| {
            let of = points("scale").filter(|point| point["what"] == what);
            let place = |p: &serde_json::Value| {
                (number(p, "amount"), number(&p["figures"], "redis_cpu_us"))
            };
            (what, of.map(place).collect())
        };
        lines(&path("scale"), SCALE, &[scale("learners"), scale("board members")], true).unwrap();
        for what in ["redis-cpu", "rate", "delay", "scale"] {
            let now = std::fs::read(path(what)).unwrap();
            let page = folder.join(path(what).file_name().unwrap());
            if std::env::var_os("TALLYD_WRITE_DOCS").is_some() {
                std::fs::write(&page, &now).unwrap();
            }
            assert!(std::fs::read(&page).unwrap() == now, "{}", page.display());
        }
    }
}
