//! The picture of `docs/mastery.md`: what is shown of one invented learner, answer by answer.

use std::fmt::Write;
use tallyd_mastery::{Abilities, Difficulty, Parameters, Taken, grasp};

/// When, in days, and whether it was right. Nobody gave these answers.
const ANSWERS: [(f64, bool); 26] = [
    (0.0, false),
    (0.1, true),
    (0.2, false),
    (0.3, true),
    (0.4, false),
    (3.0, true),
    (3.1, true),
    (3.2, false),
    (3.3, true),
    (3.4, true),
    (8.0, true),
    (8.1, true),
    (8.2, true),
    (8.3, false),
    (8.4, true),
    (14.0, true),
    (14.1, true),
    (14.2, true),
    (14.3, true),
    (14.4, true),
    (380.0, false),
    (380.1, true),
    (380.2, false),
    (380.3, true),
    (380.4, true),
    (380.5, true),
];
const KNOWN_AFTER: usize = 5;
const DAY: f64 = 86_400.0;
/// How many steps wide the year without an answer is drawn, and after how many answers it comes.
const YEAR: (usize, usize) = (8, 20);

/// What is shown, and whether an answer led to it: right, wrong, or none.
struct Point {
    mastery: f64,
    uncertainty: f64,
    answer: Option<bool>,
    answers: usize,
}

fn points() -> Vec<Point> {
    let parameters = Parameters::default();
    let mut abilities = Abilities::unknown(&parameters);
    let mut points = Vec::new();
    let mut point = |abilities: &Abilities, days: f64, answer, answers| {
        let shown = grasp(abilities, &parameters, (days * DAY * 1e3) as i64);
        let (mastery, uncertainty) = (shown.mastery, shown.uncertainty);
        points.push(Point { mastery, uncertainty, answer, answers });
    };
    let item = Difficulty::default();
    let mut before = 0.0;
    for (place, &(days, correct)) in ANSWERS.iter().enumerate() {
        if place == YEAR.1 {
            for step in 1..YEAR.0 {
                let passed = (days - before) * step as f64 / YEAR.0 as f64;
                point(&abilities, before + passed, None, place);
            }
        }
        let at = (days * DAY) as u32;
        let taken = Taken { item: "item", correct, at, everyone: 0.5 };
        abilities = abilities.learn(abilities.expect(&item), taken, &parameters);
        point(&abilities, days, Some(correct), place + 1);
        before = days;
    }
    points
}

/// The picture, as SVG.
pub fn draw() -> String {
    let points = points();
    let x = |place: usize| 60.0 + place as f64 * 19.0;
    let y = |share: f64| 20.0 + (1.0 - share) * 200.0;
    let (wide, zero) = (x(points.len()) + 20.0, y(0.0));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.0} 290\" \
         font-family=\"sans-serif\" font-size=\"11\" role=\"img\">\n\
         <title>What is shown of one invented learner's grasp of a concept</title>\n\
         <rect width=\"{wide:.0}\" height=\"290\" fill=\"#fff\"/>\n"
    );
    for percent in [0, 25, 50, 75, 100] {
        let y = y(f64::from(percent) / 100.0);
        let end = wide - 20.0;
        let _ = writeln!(
            svg,
            "<line x1=\"52\" y1=\"{y:.1}\" x2=\"{end:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/><text x=\"46\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{percent} %</text>",
            y + 4.0
        );
    }
    let known = |point: &Point| point.answers >= KNOWN_AFTER;
    let shown: Vec<(usize, &Point)> =
        points.iter().enumerate().filter(|(_, point)| known(point)).collect();
    let edge = |sign: f64| {
        move |&(place, point): &(usize, &Point)| {
            format!(
                "{:.1},{:.1}",
                x(place),
                y((point.mastery + sign * point.uncertainty).clamp(0.0, 1.0))
            )
        }
    };
    let upper: Vec<String> = shown.iter().map(edge(1.0)).collect();
    let lower: Vec<String> = shown.iter().rev().map(edge(-1.0)).collect();
    let line: Vec<String> = shown.iter().map(edge(0.0)).collect();
    let _ = writeln!(
        svg,
        "<polygon points=\"{} {}\" fill=\"#cfe0f5\"/>",
        upper.join(" "),
        lower.join(" ")
    );
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"2\"/>",
        line.join(" ")
    );
    let unknown = points.iter().filter(|point| !known(point)).count();
    let _ = writeln!(
        svg,
        "<rect x=\"52\" y=\"20\" width=\"{:.1}\" height=\"200\" fill=\"#eee\"/><text x=\"{:.1}\" y=\"124\" text-anchor=\"middle\" fill=\"#555\">not known yet</text>",
        x(unknown) - 62.0,
        47.0 + (x(unknown) - 52.0) / 2.0
    );
    for (place, point) in points.iter().enumerate() {
        let Some(right) = point.answer else { continue };
        let (mark, color) = if right { ("✓", "#2a7a2a") } else { ("✗", "#b03030") };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{color}\">{mark}</text>",
            x(place),
            zero + 18.0
        );
    }
    let idle = (x(YEAR.1 - 1), x(YEAR.1 + YEAR.0 - 1));
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">a year without an answer</text>",
        (idle.0 + idle.1) / 2.0,
        zero + 18.0
    );
    let _ = writeln!(
        svg,
        "<text x=\"60\" y=\"{:.1}\" fill=\"#555\">Line: the grasp that is shown. Band: how far off it may be. ✓ right answer, ✗ wrong answer. The learner is invented.</text>",
        zero + 48.0
    );
    svg + "</svg>\n"
}
