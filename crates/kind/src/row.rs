//! A row of a view: a value for each of its columns.

use crate::view::{Column, Presence, Type, View};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeTuple},
};
use smol_str::SmolStr;
use std::fmt;

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    columns: &'static [Column],
    cells: Vec<Cell>,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// True or false.
    Bool(bool),
    /// About how many.
    Estimate(u64),
    /// A finite number.
    Float(f64),
    /// A whole number.
    Int(i128),
    /// The row leaves the column out.
    LeftOut,
    /// Values by name.
    Map(Vec<(SmolStr, Cell)>),
    /// There is none.
    Null,
    /// Text, or a decimal.
    Text(SmolStr),
    /// From when to when, in ms since the epoch.
    Times(i64, i64),
}

impl Row {
    /// A row of a view, with a value for each column in their order.
    #[must_use]
    pub fn new<const N: usize>(view: &'static View, cells: [Cell; N]) -> Self {
        Self { columns: view.columns, cells: cells.into() }
    }

    /// The value in a column; left out, where there is no such column.
    #[must_use]
    pub fn get(&self, name: &str) -> &Cell {
        let mut pairs = self.pairs();
        pairs.find_map(|(of, cell)| (of.name == name).then_some(cell)).unwrap_or(&Cell::LeftOut)
    }

    /// The same row with another value in a column.
    #[must_use]
    pub fn with(mut self, name: &str, value: Cell) -> Self {
        let place = self.columns.iter().position(|column| column.name == name);
        if let Some(cell) = place.and_then(|place| self.cells.get_mut(place)) {
            *cell = value;
        }
        self
    }

    /// Whether it is of this view.
    #[must_use]
    pub fn is_of(&self, view: &View) -> bool {
        std::ptr::eq(self.columns, view.columns)
    }

    /// The columns that the row does not leave out, with their values.
    pub fn told(&self) -> impl Iterator<Item = (&'static Column, &Cell)> {
        self.pairs().filter(|(_, cell)| **cell != Cell::LeftOut)
    }

    /// The columns with their values.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static Column, &Cell)> {
        self.columns.iter().zip(&self.cells)
    }

    /// The first column that has no value of its type, if there is one.
    #[must_use]
    pub fn misfit(&self) -> Option<&'static str> {
        if let Some(column) = self.columns.get(self.cells.len()) {
            return Some(column.name);
        }
        let fits = |column: &Column, cell: &Cell| match (cell, column.kind) {
            (Cell::Null, _) => column.presence == Presence::OrNull,
            (Cell::LeftOut, _) => column.presence == Presence::OrLeftOut,
            (Cell::Bool(_), Type::Bool)
            | (Cell::Map(_), Type::Map)
            | (Cell::Text(_), Type::Name | Type::Figure)
            | (Cell::Float(_) | Cell::Estimate(_), Type::Number | Type::Figure)
            | (Cell::Int(_), Type::Number | Type::Figure | Type::Time)
            | (Cell::Times(..), Type::Times) => true,
            (Cell::Float(number), Type::Share) => (0.0..=1.0).contains(number),
            (Cell::Int(number), Type::Count) => *number >= 0,
            _ => false,
        };
        let mut pairs = self.pairs();
        pairs.find_map(|(column, cell)| (!fits(column, cell)).then_some(column.name))
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.cells == other.cells
    }
}

/// An object with a member for each column that the row does not leave out.
impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, cell) in self.told() {
            map.serialize_entry(column.name, cell)?;
        }
        map.end()
    }
}

/// An int beyond what readers of JSON read exactly is written as a float.
impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Bool(truth) => serializer.serialize_bool(*truth),
            Cell::Estimate(number) => serializer.serialize_u64(*number),
            Cell::Float(float) => serializer.serialize_f64(*float),
            Cell::Int(int) => match i64::try_from(*int) {
                Ok(int) => serializer.serialize_i64(int),
                Err(_) => serializer.serialize_f64(*int as f64),
            },
            Cell::LeftOut | Cell::Null => serializer.serialize_unit(),
            Cell::Map(values) => {
                serializer.collect_map(values.iter().map(|(name, cell)| (name, cell)))
            }
            Cell::Text(text) => serializer.serialize_str(text),
            Cell::Times(from, to) => {
                let mut pair = serializer.serialize_tuple(2)?;
                pair.serialize_element(from)?;
                pair.serialize_element(to)?;
                pair.end()
            }
        }
    }
}

/// As it stands in a message.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Bool(truth) => write!(f, "{truth}"),
            Cell::Estimate(number) => write!(f, "~{number}"),
            // The debug form keeps the point: 5.0 is a float.
            Cell::Float(float) => write!(f, "{float:?}"),
            Cell::Int(int) => write!(f, "{int}"),
            Cell::LeftOut | Cell::Null => f.write_str("-"),
            Cell::Map(_) => f.write_str("…"),
            Cell::Text(text) => f.write_str(text),
            Cell::Times(from, to) => write!(f, "{from} to {to}"),
        }
    }
}

impl From<bool> for Cell {
    fn from(truth: bool) -> Self {
        Cell::Bool(truth)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Cell::Float(number)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Cell::Int(number.into())
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Cell::Int(number.into())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    /// `None` is null.
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Form;

    static VIEW: View = View {
        name: "v",
        doc: "",
        form: Form::Record(None),
        arguments: &[],
        row: "V",
        row_doc: "",
        columns: &[
            Column::new("who", Type::Name, ""),
            Column::new("count", Type::Count, ""),
            Column::new("share", Type::Share, "").or_null(),
            Column::new("between", Type::Times, "").or_left_out(),
        ],
        shown: &[],
        read: "",
        order: "",
        changes: "",
    };

    #[test]
    fn a_row_is_an_object_of_what_it_does_not_leave_out() {
        let row = Row::new(&VIEW, ["a".into(), 7_u64.into(), Cell::Null, Cell::LeftOut]);
        assert_eq!(row.misfit(), None);
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(json, r#"{"who":"a","count":7,"share":null}"#);
        let row = row.with("between", Cell::Times(1, 2)).with("count", Cell::Int(1 << 70));
        let json = serde_json::to_string(&row).unwrap();
        assert_eq!(
            json,
            r#"{"who":"a","count":1.1805916207174113e+21,"share":null,"between":[1,2]}"#
        );
    }

    #[test]
    fn what_does_not_fit_its_column_is_named() {
        let row = || Row::new(&VIEW, ["a".into(), 7_u64.into(), 0.5.into(), Cell::LeftOut]);
        assert_eq!(row().misfit(), None);
        for (column, cell) in [
            ("who", Cell::Null),
            ("count", Cell::Int(-1)),
            ("share", Cell::Float(1.5)),
            ("share", Cell::LeftOut),
            ("between", Cell::Null),
        ] {
            assert_eq!(row().with(column, cell.clone()).misfit(), Some(column), "{cell:?}");
        }
        assert_eq!(Row::new(&VIEW, ["a".into()]).misfit(), Some("count"));
    }
}
