//! Tables of views.

use super::{Head, Table};
use tallyd_kind::{
    row::{Cell, Row},
    view::{How, Shown, View},
};

impl Table {
    /// The rows of a view, as it says that people are shown them. `bolt` is the bolt's name;
    /// columns that are `left_out` have no room in the table.
    pub fn of_rows(view: &View, bolt: &str, rows: &[Row], left_out: &[&str]) -> Self {
        let shown = || view.shown.iter().filter(|shown| !left_out.contains(&shown.column));
        let mut table = Table::new(shown().flat_map(|shown| heads(shown, bolt, rows.first())));
        for row in rows {
            let mut is_first_share = true;
            let mut cells = Vec::new();
            for Shown { column, how, .. } in shown() {
                let cell = row.get(column);
                match how {
                    How::Percent => {
                        cells.push(share(cell, row.get("known"), is_first_share));
                        is_first_share = false;
                    }
                    How::SpreadNames | How::SpreadFigures => {
                        cells.extend(spread(cell).map(|(_, cell)| text(cell, short)));
                    }
                    How::Figure(places) => {
                        cells.push(text(cell, |float| format!("{float:.places$}")));
                    }
                    How::Exact | How::Name | How::Text => {
                        cells.push(text(cell, |float| format!("{float:?}")));
                    }
                }
            }
            table.add(cells);
        }
        table
    }
}

/// What stands above a column: for each value of a map what it is called.
fn heads(shown: &Shown, bolt: &str, first: Option<&Row>) -> Vec<Head> {
    let name = shown.head.unwrap_or(bolt);
    let values = first.into_iter().flat_map(|row| spread(row.get(shown.column)));
    match shown.how {
        How::Exact | How::Figure(_) | How::Percent => vec![Head::figure(name)],
        How::Name => vec![Head::name(name)],
        How::SpreadFigures => values.map(|(name, _)| Head::figure(name)).collect(),
        How::SpreadNames => values.map(|(name, _)| Head::name(name)).collect(),
        How::Text => vec![Head::text(name)],
    }
}

/// The values of a map.
fn spread(cell: &Cell) -> impl Iterator<Item = (&str, &Cell)> {
    let values = match cell {
        Cell::Map(values) => values.as_slice(),
        _ => &[],
    };
    values.iter().map(|(name, cell)| (name.as_str(), cell))
}

/// A share in percent, where it is known.
fn share(cell: &Cell, known: &Cell, is_first: bool) -> String {
    match (known, cell) {
        (Cell::Bool(false), _) if is_first => "not yet known".to_owned(),
        (Cell::Bool(false), _) => "-".to_owned(),
        (_, Cell::Float(share)) => format!("{:.0} %", share * 100.0),
        (_, cell) => cell.to_string(),
    }
}

fn text(cell: &Cell, float: impl Fn(f64) -> String) -> String {
    match cell {
        Cell::Bool(true) => "yes".to_owned(),
        Cell::Bool(false) => "no".to_owned(),
        Cell::Float(number) => float(*number),
        cell => cell.to_string(),
    }
}

/// A float with three places, or with an exponent where that says nothing or too much.
fn short(float: f64) -> String {
    let size = float.abs();
    match float == 0.0 || (0.0005..1e15).contains(&size) {
        true => format!("{float:.3}"),
        false => {
            let whole = format!("{float:e}");
            if whole.len() <= 10 { whole } else { format!("{float:.3e}") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_float_is_shown_in_a_few_characters() {
        let cases = [
            (0.0, "0.000"),
            (30.0, "30.000"),
            (-0.5, "-0.500"),
            (123_456_789.25, "123456789.250"),
            (1e308, "1e308"),
            (-1.234_567_890_123e200, "-1.235e200"),
            (5e-324, "5e-324"),
            (0.000_1, "1e-4"),
        ];
        for (float, expected) in cases {
            assert_eq!(short(float), expected);
        }
    }
}
