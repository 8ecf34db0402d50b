//! Tables that fit the terminal. Figures are never cut: where there is no room for all columns,
//! those that say nothing are left out, and where that does not help each row is shown as a list.

use super::{Paint, paints, safe};
use comfy_table::{
    Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, TableStyle,
    Width,
};
use std::fmt;

/// What stands between two columns, in characters.
const GAP: u16 = 2;
/// A name that is longer may be broken, to this width at least.
const SHORTEST: u16 = 12;
/// A rule below the header is enough: rows have room for twice as many without.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// A column.
#[derive(Clone, Debug)]
pub struct Head {
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Figure,
    Name,
    Text,
}

impl Head {
    /// A column of figures: to the right, never broken, left out where they are all 0.
    pub fn figure(name: &str) -> Self {
        Self { name: safe(name), kind: Kind::Figure }
    }

    /// A column of names, which may be long and are broken anywhere.
    pub fn name(name: &str) -> Self {
        Self { name: safe(name), kind: Kind::Name }
    }

    /// A column of words, times and labels, broken between words.
    pub fn text(name: &str) -> Self {
        Self { name: safe(name), kind: Kind::Text }
    }
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    paint: Option<Paint>,
}

impl Cell {
    /// A cell of several lines.
    pub fn lines(lines: &[String]) -> Self {
        let lines: Vec<String> = lines.iter().map(|line| safe(line)).collect();
        Self { text: lines.join("\n"), paint: None }
    }

    /// The cell in a colour, where there are colours.
    pub fn paint(mut self, paint: Option<Paint>) -> Self {
        self.paint = paint;
        self
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: safe(text.as_ref()), paint: None }
    }
}

/// A table for people.
pub struct Table {
    heads: Vec<Head>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table of these columns and no rows.
    pub fn new(heads: impl IntoIterator<Item = Head>) -> Self {
        Self { heads: heads.into_iter().collect(), rows: Vec::new() }
    }

    /// Puts a row below the others.
    pub fn add(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The table for a terminal so many characters wide, or for a file.
    pub fn rendered(&self, width: Option<u16>, colors: bool) -> String {
        let all: Vec<usize> = (0..self.heads.len()).collect();
        let Some(width) = width else { return self.columns(&all, None, colors) };
        if let Some(widths) = self.fitted(&all, width) {
            return self.columns(&all, Some(&widths), colors);
        }
        let (silent, telling): (Vec<usize>, _) =
            all.into_iter().partition(|&column| self.says_nothing(column));
        match self.fitted(&telling, width).filter(|_| !self.rows.is_empty()) {
            Some(widths) => {
                let silent = silent.into_iter().filter_map(|column| self.heads.get(column));
                let names: Vec<&str> = silent.map(|head| head.name.as_str()).collect();
                let shown = self.columns(&telling, Some(&widths), colors);
                format!("{shown}\nno room for what is 0 or -: {}", names.join(", "))
            }
            None => self.lists(width, colors),
        }
    }

    fn says_nothing(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| matches!(cell.text.as_str(), "0" | "-" | ""))
    }

    /// The widths of these columns, if there is room for them: what each needs, and what is left
    /// for those that want little more first.
    fn fitted(&self, columns: &[usize], width: u16) -> Option<Vec<u16>> {
        let gaps = GAP * u16::try_from(columns.len()).ok()?.saturating_sub(1);
        let sizes = |broken| columns.iter().map(move |&column| self.width(column, broken));
        let (mut widths, wanted): (Vec<u16>, Vec<u16>) =
            (sizes(true).collect(), sizes(false).collect());
        let needed = widths.iter().fold(gaps, |sum, width| sum.saturating_add(*width));
        let mut left = width.checked_sub(needed)?;
        let mut order: Vec<usize> = (0..columns.len()).collect();
        let more = |place: usize| Some(wanted.get(place)?.saturating_sub(*widths.get(place)?));
        order.sort_by_key(|&place| more(place));
        let mut waiting = u16::try_from(columns.len()).ok()?;
        for place in order {
            let (Some(wanted), Some(width)) = (wanted.get(place), widths.get_mut(place)) else {
                continue;
            };
            let given = wanted.saturating_sub(*width).min(left / waiting.max(1));
            *width += given;
            left -= given;
            waiting -= 1;
        }
        Some(widths)
    }

    /// How wide a column is, whole or as narrow as it may be.
    fn width(&self, column: usize, broken: bool) -> u16 {
        let Some(Head { name, kind }) = self.heads.get(column) else { return 0 };
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let parts = |text: &str| match broken && *kind != Kind::Figure {
            true => text.replace(' ', "\n"),
            false => text.to_owned(),
        };
        let widest = widest(cells.map(|cell| parts(&cell.text)));
        let widest = if broken && *kind == Kind::Name { widest.min(SHORTEST) } else { widest };
        widest.max(self::widest([if broken { name.replace(' ', "\n") } else { name.clone() }]))
    }

    fn columns(&self, columns: &[usize], widths: Option<&[u16]>, colors: bool) -> String {
        let mut table = plain(colors);
        let heads: Vec<&Head> =
            columns.iter().filter_map(|&column| self.heads.get(column)).collect();
        table.set_header(heads.iter().map(|head| &head.name));
        for row in &self.rows {
            let cells = columns.iter().filter_map(|&column| row.get(column));
            table.add_row(cells.map(|cell| cell.shown()));
        }
        for (place, head) in heads.iter().enumerate() {
            let Some(column) = table.column_mut(place) else { continue };
            let gap = if place + 1 < heads.len() { GAP } else { 0 };
            column.set_padding((0, gap));
            if head.kind == Kind::Figure {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if let Some(width) = widths.and_then(|widths| widths.get(place)) {
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width + gap)));
            }
        }
        if widths.is_some() {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::MAX);
        }
        table.trim_fmt()
    }

    /// Each row as a list of names and values.
    fn lists(&self, width: u16, colors: bool) -> String {
        let lists = self.rows.iter().map(|row| {
            let mut list = plain(colors);
            for (head, cell) in self.heads.iter().zip(row) {
                list.add_row([comfy_table::Cell::new(&head.name), cell.shown()]);
            }
            if let Some(names) = list.column_mut(0) {
                names.set_padding((0, GAP)).set_constraint(ColumnConstraint::ContentWidth);
            }
            if let Some(values) = list.column_mut(1) {
                values.set_padding((0, 0));
            }
            list.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            list.trim_fmt()
        });
        lists.collect::<Vec<_>>().join("\n\n")
    }
}

impl Cell {
    fn shown(&self) -> comfy_table::Cell {
        let cell = comfy_table::Cell::new(&self.text);
        match self.paint {
            None => cell,
            Some(Paint::Alarm) => cell.fg(Color::Red).add_attribute(Attribute::Bold),
            Some(Paint::Notice) => cell.fg(Color::Yellow),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // None where it is not written to a terminal.
        let width = comfy_table::Table::new().width();
        f.write_str(&self.rendered(width, paints()))
    }
}

/// A table whose look does not depend on where this program runs.
fn plain(colors: bool) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.force_no_tty().load_style(STYLE);
    if colors {
        table.enforce_styling();
    }
    table
}

/// The columns that the widest line takes.
fn widest(texts: impl IntoIterator<Item = String>) -> u16 {
    let mut table = comfy_table::Table::new();
    table.add_rows(texts.into_iter().map(|text| [text]));
    table.column_max_content_widths().first().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
