//! `/v1/metrics`: the figures of the current windows, and the sizes of the current boards, for
//! Prometheus. What a caller may not read is left out.

use crate::{
    access::Caller,
    app::App,
    http::allowed,
    problem::Problem,
    question::{BoardQuestion, From, MOST_ROWS, Part, Question, StatsQuestion},
};
use serde_json::{Map, Value};
use smol_str::SmolStr;
use std::fmt::Write as _;
use tallyd_query::{catalog, when::When};

/// What is said of each metric: its name, and what it means.
const METRICS: [(&str, &str); 4] = [
    ("tallyd_board_size", "Members of the current board of everyone"),
    ("tallyd_stat", "A measure of a group in the current window"),
    ("tallyd_stat_groups_left_out", "Groups of the current window that are not shown here"),
    ("tallyd_as_of_seconds", "Time of the last entry whose effects are in, since the epoch"),
];

/// The series of each metric, in the order of [`METRICS`].
type Series = [String; 4];

/// All that the caller may read, as Prometheus reads it.
///
/// # Errors
/// Where the caller may read nothing of it, or Redis can't be read.
pub(crate) async fn text(app: &App, caller: &Caller) -> Result<String, Problem> {
    let mut series = Series::default();
    let mut refused = None;
    for question in questions(app) {
        let question = match allowed(app, question, caller) {
            Ok(question) => question,
            Err(problem) => {
                refused = Some(problem);
                continue;
            }
        };
        let answer = app.answer(&question).await?;
        match &question {
            Question::Board(_) => board(&mut series, &answer.head),
            Question::Stats(_) => {
                let rows = answer.rows.iter().flatten().map(|(_, row)| row);
                stats(&mut series, &answer.head, rows);
            }
            Question::Learner(..) | Question::Learners(_) => {}
        }
    }
    match refused {
        Some(problem) if series.iter().all(String::is_empty) => return Err(problem),
        _ => {}
    }
    let mut text = String::new();
    for ((name, meaning), of_metric) in METRICS.iter().zip(series) {
        if !of_metric.is_empty() {
            let head = format!("# HELP {name} {meaning}\n# TYPE {name} gauge\n");
            text.extend([head, of_metric]);
        }
    }
    Ok(text)
}

/// What is asked for it: every kind of window and period, as it is now.
fn questions(app: &App) -> Vec<Question> {
    let mut all = Vec::new();
    for (name, options) in catalog::bolts(&app.topology, Some) {
        let bolt = SmolStr::from(name);
        let board = catalog::as_leaderboard(options);
        if let Some(options) = board.filter(|of| of.boards.iter().any(Vec::is_empty)) {
            all.extend(options.periods.iter().map(|period| {
                let part = Part::Page { limit: 1, from: From::Rank(1) };
                let period = Some(period.name.clone());
                let (bolt, by) = (bolt.clone(), Vec::new());
                Question::Board(BoardQuestion { bolt, by, period, at: When::now(), part })
            }));
        }
        if let Some(options) = catalog::as_aggregate(options) {
            all.extend(options.windows.iter().map(|window| {
                Question::Stats(StatsQuestion {
                    bolt: bolt.clone(),
                    by: Vec::new(),
                    window: Some(window.name.clone()),
                    from: None,
                    to: When::now(),
                    order: None,
                    limit: MOST_ROWS,
                })
            }));
        }
    }
    all
}

fn board([sizes, _, _, as_of]: &mut Series, head: &Map<String, Value>) {
    let of = labels(head, &["bolt", "period"]);
    add(sizes, "tallyd_board_size", &of, head.get("size"));
    time(as_of, head);
}

fn stats<'a>(
    [_, measures, left_out, as_of]: &mut Series,
    head: &Map<String, Value>,
    rows: impl Iterator<Item = &'a Map<String, Value>>,
) {
    let of = labels(head, &["bolt", "window"]);
    let mut shown = 0_u64;
    for row in rows {
        shown += 1;
        let mut of_row = of.clone();
        for (field, value) in row.get("group").and_then(Value::as_object).into_iter().flatten() {
            let name = of_field(&of_row, field);
            label(&mut of_row, &name, value.as_str().unwrap_or_default());
        }
        for (name, value) in row.get("measures").and_then(Value::as_object).into_iter().flatten() {
            let mut of_measure = of_row.clone();
            label(&mut of_measure, "measure", name);
            add(measures, "tallyd_stat", &of_measure, Some(value));
        }
    }
    let groups = head.get("groups").and_then(Value::as_u64).unwrap_or(shown);
    let more = Value::from(groups.saturating_sub(shown));
    add(left_out, "tallyd_stat_groups_left_out", &of, Some(&more));
    time(as_of, head);
}

/// How far a bolt is; once, however many of its windows there are.
fn time(series: &mut String, head: &Map<String, Value>) {
    let of = labels(head, &["bolt"]);
    let ms = head.get("as_of").and_then(Value::as_i64).unwrap_or_default();
    if !series.contains(&format!("{{{of}}}")) {
        add(series, "tallyd_as_of_seconds", &of, Some(&Value::from(ms as f64 / 1000.0)));
    }
}

fn labels(head: &Map<String, Value>, names: &[&str]) -> String {
    let mut all = String::new();
    for name in names {
        label(&mut all, name, head.get(*name).and_then(Value::as_str).unwrap_or_default());
    }
    all
}

/// The name of a field's label: `by_` before it, since a field may be called as one of the labels
/// that all have, and `_` for what no label's name may hold. No label has it yet.
fn of_field(all: &str, field: &str) -> String {
    let plain = field.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    let mut name: String = "by_".chars().chain(plain).collect();
    while all.contains(&format!(",{name}=\"")) {
        name.push('_');
    }
    name
}

/// Adds a label.
fn label(all: &mut String, name: &str, value: &str) {
    let separator = if all.is_empty() { "" } else { "," };
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    // A text takes what is written.
    let _ = write!(all, "{separator}{name}=\"{value}\"");
}

/// Adds a figure: a number, or a decimal, whose text is one. What has none, such as the mean of
/// nothing, has no series.
fn add(series: &mut String, name: &str, labels: &str, value: Option<&Value>) {
    let value = match value {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(decimal)) => decimal.clone(),
        _ => return,
    };
    let _ = writeln!(series, "{name}{{{labels}}} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn figures_are_series_with_what_tells_them_apart() {
        let mut series = Series::default();
        let head = map(json!({"bolt": "c", "window": "1h", "groups": 3, "as_of": 1500}));
        let rows = [
            map(json!({"group": {"concept": "a\"b\n\\"}, "measures": {"n": 2, "money": "1.50"}})),
            map(json!({"group": {"concept": null}, "measures": {"n": 1, "money": null}})),
        ];
        stats(&mut series, &head, rows.iter());
        stats(&mut series, &head, [].iter());
        board(&mut series, &map(json!({"bolt": "p", "period": "week", "size": 7, "as_of": 9})));
        assert_eq!(of_field("bolt=\"c\",by_a_b=\"1\"", "a-b"), "by_a_b_");
        let [sizes, measures, left_out, as_of] = series;
        assert_eq!(sizes, "tallyd_board_size{bolt=\"p\",period=\"week\"} 7\n");
        let expected = [
            r#"tallyd_stat{bolt="c",window="1h",by_concept="a\"b\n\\",measure="money"} 1.50"#,
            r#"tallyd_stat{bolt="c",window="1h",by_concept="a\"b\n\\",measure="n"} 2"#,
            r#"tallyd_stat{bolt="c",window="1h",by_concept="",measure="n"} 1"#,
        ];
        let mut lines: Vec<&str> = measures.lines().collect();
        lines.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(lines, expected);
        assert!(left_out.starts_with("tallyd_stat_groups_left_out{bolt=\"c\",window=\"1h\"} 1\n"));
        let times: Vec<&str> = as_of.lines().collect();
        assert_eq!(
            times,
            ["tallyd_as_of_seconds{bolt=\"c\"} 1.5", "tallyd_as_of_seconds{bolt=\"p\"} 0.009"]
        );
    }
}
