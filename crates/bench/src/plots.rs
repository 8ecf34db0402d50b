//! Plots of the figures, as SVG.

use crate::{BenchError, contender::ALL, figures::Spread, results::Results};
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (800, 400);
const BAR: RGBColor = RGBColor(70, 120, 180);
const LINES: [RGBColor; 3] =
    [RGBColor(70, 120, 180), RGBColor(200, 120, 40), RGBColor(170, 50, 60)];

/// Draws what was measured into a folder.
///
/// # Errors
/// Where a file can't be written.
pub fn draw(results: &Results, folder: &Path) -> Result<(), BenchError> {
    if !results.contenders.is_empty() {
        let bars = |file: &str, title: &str, figure: &str| {
            drawn(file, bars(&folder.join(file), title, &spreads(results, figure)))
        };
        bars("performance-redis-cpu.svg", "Redis CPU, µs an event", "redis_cpu_us")?;
        bars("performance-rate.svg", "events a second", "events_per_second")?;
    }
    if !results.latency.is_empty() {
        let file = "performance-delay.svg";
        let line = |name, of: fn(&crate::results::LatencyPoint) -> f64| {
            (name, results.latency.iter().map(|p| (p.share * 100.0, of(p))).collect())
        };
        let series =
            [line("p50", |p| p.p50_ms), line("p99", |p| p.p99_ms), line("p99.9", |p| p.p999_ms)];
        let titles = ("delay, ms", "% of the highest rate");
        drawn(file, lines(&folder.join(file), titles, &series, false))?;
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
        let titles = ("Redis CPU, µs an event", "how many");
        drawn(file, lines(&folder.join(file), titles, &series, true))?;
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
    mesh.disable_x_mesh().light_line_style(TRANSPARENT).x_label_formatter(&name).draw()?;
    for (place, (_, spread)) in bars.iter().enumerate() {
        let (left, right) = (SegmentValue::Exact(place), SegmentValue::Exact(place + 1));
        let mut bar = Rectangle::new([(left, 0.0), (right, spread.median)], BAR.filled());
        bar.set_margin(0, 0, 20, 20);
        chart.draw_series([bar])?;
        let center = SegmentValue::CenterOf(place);
        let reach = vec![(center.clone(), spread.min), (center, spread.max)];
        chart.draw_series([PathElement::new(reach, BLACK.stroke_width(2))])?;
    }
    root.present()?;
    Ok(())
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
    let amount = |x: &f64| if log { format!("{:.0}", 10f64.powf(*x)) } else { format!("{x:.0}") };
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).x_desc(below).x_label_formatter(&amount).draw()?;
    for ((name, places), color) in series.iter().zip(LINES) {
        let places = || places.iter().map(|(x, y)| (scaled(*x), *y));
        chart
            .draw_series(LineSeries::new(places(), color.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color));
        chart.draw_series(places().map(|place| Circle::new(place, 3, color.filled())))?;
    }
    let mut names = chart.configure_series_labels();
    names.position(SeriesLabelPosition::UpperLeft).background_style(WHITE).draw()?;
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
        assert!(std::fs::read_to_string(lines_file).unwrap().contains("1000000"));
    }
}
