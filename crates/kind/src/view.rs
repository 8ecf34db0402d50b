//! What a bolt's results can be asked for, said once: each [`View`] is a table with its arguments and
//! its columns. JSON on the command line and over HTTP, the tables of the command line, OpenAPI, the
//! expectations of tests and `docs/views.md` are all made of it.

use crate::Kinds;

/// A table of a bolt's results.
#[derive(Debug)]
pub struct View {
    /// Its name: that of the list which holds it where several views are shown together.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub doc: &'static str,
    /// How its rows are found.
    pub form: Form,
    /// What can be said to choose rows.
    pub arguments: &'static [Argument],
    /// What OpenAPI calls a row.
    pub row: &'static str,
    /// What a row is.
    pub row_doc: &'static str,
    /// The columns, in the order of JSON.
    pub columns: &'static [Column],
    /// What tables for people show of them, in their order.
    pub shown: &'static [Shown],
    /// Which Redis values it is read from, and how.
    pub read: &'static str,
    /// What orders its rows.
    pub order: &'static str,
    /// What changes it.
    pub changes: &'static str,
}

/// How the rows of a view are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Members of sorted sets, as a leaderboard stores them.
    Board,
    /// The groups of windows, as an aggregate stores them.
    Stats,
    /// What is stored of one learner: see [`crate::record`]. With a name, it is a list of rows, which JSON
    /// calls so; else one row.
    Record(Option<&'static str>),
}

/// What can be said to choose the rows of a view.
#[derive(Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Its type in JSON.
    pub kind: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// A column of a view.
#[derive(Debug)]
pub struct Column {
    /// Its name: a member of the row in JSON.
    pub name: &'static str,
    /// What its values are.
    pub kind: Type,
    /// Whether every row has a value.
    pub presence: Presence,
    /// What an expectation of a test may state of it.
    pub expected: Expected,
    /// What it means, with the unit.
    pub doc: &'static str,
}

impl Column {
    /// A column in which every row has a value.
    #[must_use]
    pub const fn new(name: &'static str, kind: Type, doc: &'static str) -> Self {
        Self { name, kind, presence: Presence::Always, expected: Expected::Nothing, doc }
    }

    /// The same, of which a test may state the value.
    #[must_use]
    pub const fn expected(self) -> Self {
        Self { expected: Expected::Value, ..self }
    }

    /// The same, of which a test may state the least and the greatest value, by these keys.
    #[must_use]
    pub const fn between(self, least: &'static str, greatest: &'static str) -> Self {
        Self { expected: Expected::Bounds(least, greatest), ..self }
    }

    /// The same, in which it may be `null`.
    #[must_use]
    pub const fn or_null(self) -> Self {
        Self { presence: Presence::OrNull, ..self }
    }

    /// The same, which a row may leave out.
    #[must_use]
    pub const fn or_left_out(self) -> Self {
        Self { presence: Presence::OrLeftOut, ..self }
    }
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A whole number from 0 on.
    Count,
    /// A number, or the text of a decimal with its places.
    Figure,
    /// Values by name.
    Map,
    /// Text.
    Name,
    /// A number.
    Number,
    /// A number from 0 to 1.
    Share,
    /// A time, in ms since the epoch.
    Time,
    /// The first and the last time that it may have been.
    Times,
}

impl Type {
    /// What it is, for a person.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Type::Bool => "`true` or `false`",
            Type::Count => "whole number",
            Type::Figure => "number, or a decimal as text",
            Type::Map => "object",
            Type::Name => "text",
            Type::Number => "number",
            Type::Share => "number, 0 to 1",
            Type::Time => "time in ms",
            Type::Times => "two times in ms",
        }
    }
}

/// What an expectation of a test may state of a column of a learner's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Its least and its greatest value, by these keys.
    Bounds(&'static str, &'static str),
    /// Nothing.
    Nothing,
    /// Its value: a whole number, or true or false.
    Value,
}

/// Whether every row has a value in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It has.
    Always,
    /// Or `null`.
    OrNull,
    /// Or the row leaves it out.
    OrLeftOut,
}

/// A column as a table for people shows it.
#[derive(Debug)]
pub struct Shown {
    /// The column.
    pub column: &'static str,
    /// What stands above it; `None`: the bolt's name.
    pub head: Option<&'static str>,
    /// How.
    pub how: How,
}

/// How a table for people shows a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A figure as it is.
    Exact,
    /// A figure with so many places; whole ones and decimals as they are.
    Figure(usize),
    /// A name, broken anywhere.
    Name,
    /// A share in percent. Where the column `known` is false it is not known yet.
    Percent,
    /// Each value of the map in a column of its own: names.
    SpreadNames,
    /// The same: figures.
    SpreadFigures,
    /// Words, broken between them.
    Text,
}

/// A view as a section of a Markdown page: what stands in `docs/views.md`.
#[must_use]
pub fn markdown(view: &View) -> String {
    let View { name, row_doc, read, order, changes, .. } = view;
    let mut text = format!("## `{name}`\n\n{row_doc}\n\n");
    for (what, said) in [("Read from", read), ("Ordered by", order), ("Changed by", changes)] {
        text.push_str(&format!("- {what}: {said}.\n"));
    }
    text.push_str("\n| argument | meaning |\n| --- | --- |\n");
    for Argument { name, doc, .. } in view.arguments {
        text.push_str(&format!("| `{name}` | {doc}. |\n"));
    }
    text.push_str("\n| column | type | meaning |\n| --- | --- | --- |\n");
    for Column { name, kind, presence, doc, .. } in view.columns {
        let or = match presence {
            Presence::Always => "",
            Presence::OrNull => ", or `null`",
            Presence::OrLeftOut => "; may be left out",
        };
        text.push_str(&format!("| `{name}` | {}{or} | {doc} |\n", kind.describe()));
    }
    text
}

/// The views of some types of bolts, in their order.
pub fn views(kinds: Kinds) -> impl Iterator<Item = &'static View> {
    kinds.iter().flat_map(|kind| kind.views()).copied()
}

/// The views of one learner that some types of bolts have, each with what JSON calls its list of
/// rows.
pub fn records(kinds: Kinds) -> impl Iterator<Item = (&'static View, Option<&'static str>)> {
    views(kinds).filter_map(|view| match view.form {
        Form::Record(list) => Some((view, list)),
        Form::Board | Form::Stats => None,
    })
}
