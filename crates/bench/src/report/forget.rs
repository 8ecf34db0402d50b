//! What forgetting one of many learners costs.

use super::{cell, place};
use crate::{
    figures::Spread,
    forget::{Forget, ForgetPoint},
};
use std::fmt::Write;

/// A row: its title, the figure, and how many places are shown.
type Row = (&'static str, fn(&ForgetPoint) -> f64, usize);

const ROWS: &[Row] = &[
    ("CPU of Redis, ms", |point| point.redis_cpu_ms, 1),
    ("commands of over 1 ms", |point| point.slow_commands as f64, 0),
    ("until `tallyd wait` ended, ms", |point| point.took_ms, 0),
];

/// The figures as Markdown: of each the median, and the lowest and highest.
pub(super) fn markdown(forget: &Forget) -> String {
    let Forget { machine, command, learners, keys, points } = forget;
    let mut text = format!(
        "`{command}` on {}: {} of {learners} learners, one after the other; {keys} keys. Median, and in brackets the lowest and highest.\n\n| | one learner |\n| --- | --- |\n",
        place(machine),
        points.len()
    );
    for (title, figure, places) in ROWS {
        let spread = Spread::of(points.iter().map(figure).collect());
        let shown = spread.map_or_else(|| "-".to_owned(), |spread| cell(&spread, 1.0, *places));
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {title} | {shown} |");
    }
    text
}
