//! Taking events back out of columns, and counting what is left, so that a figure of nothing is none.

use super::{Cell, Column, Content, Rule, figure};
use crate::{Figure, tally::Counted};
use smol_str::{SmolStr, format_smolstr};
use tallyd_bolt::ExactSum;
use tallyd_event::Event;

/// The field that says how many events are left. It is no measure's: those come and go, and a group
/// that has events must not look empty by one that was added later.
const LEFT: &str = "events.left";

/// Adds the columns that say what is left: of each sum how many values, and of a group how many
/// events.
pub(crate) fn count_what_is_left(columns: &mut Vec<Column>) {
    let mut more: Vec<Column> = Vec::new();
    for column in columns.iter_mut() {
        let (Rule::Sum { place } | Rule::ExactSum { place }) = column.rule else { continue };
        let base = column.name.strip_suffix(".sum").unwrap_or(&column.name);
        let name = format_smolstr!("{base}.count");
        column.left = Some(name.clone());
        more.push(counting(name, Rule::TallyPresent { place }));
    }
    more.push(counting(SmolStr::new_static(LEFT), Rule::Tally));
    for column in more {
        if columns.iter().all(|known| known.name != column.name) {
            columns.push(column);
        }
    }
}

fn counting(name: SmolStr, rule: Rule) -> Column {
    Column { name, beside: None, places: None, left: None, rule }
}

/// The place of a column that says how many events are left.
pub(crate) fn left(columns: &[Column]) -> Option<usize> {
    columns.iter().position(|column| column.name == LEFT)
}

/// Empties the cells of which nothing is left; all of them, where no event is.
pub(crate) fn clear_what_is_empty(counted: &Counted, cells: &mut [Cell]) {
    let is_empty = |cell: Option<&Cell>| {
        let figure = cell.and_then(Cell::figure);
        !matches!(figure, Some(Figure::Int(number)) if number > 0)
    };
    let no_event = is_empty(counted.left.and_then(|place| cells.get(place)));
    let named = |name: &SmolStr| {
        let place = counted.columns.iter().position(|column| column.name == *name);
        place.and_then(|place| cells.get(place))
    };
    let no_value = |column: &Column| column.left.as_ref().is_some_and(|name| is_empty(named(name)));
    let empty: Vec<bool> =
        counted.columns.iter().map(|column| no_event || no_value(column)).collect();
    for (cell, empty) in cells.iter_mut().zip(empty) {
        if empty && cell.content.take().is_some() {
            cell.changed = true;
        }
    }
}

/// What is left of a group out of which events were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// All that was there.
    Same,
    /// No event.
    Nothing,
    /// Others, or it is not known.
    Some,
}

/// Empties the cells that count the values of a field and have none left, with the sums of means that
/// go with them, and says what is left of the group. Nothing but these is known to be empty: a sum
/// does not say of how many values it is.
pub(crate) fn settle(columns: &[Column], cells: &mut [Cell]) -> Left {
    if cells.iter().all(|cell| !cell.changed) {
        return Left::Same;
    }
    let is_zero = |cell: &Cell| matches!(cell.figure(), Some(Figure::Int(number)) if number <= 0);
    let pairs = || columns.iter().zip(&*cells);
    if pairs().any(|(column, cell)| matches!(column.rule, Rule::Tally) && is_zero(cell)) {
        return Left::Nothing;
    }
    let counts = |column: &Column| matches!(column.rule, Rule::TallyPresent { .. });
    let empty = pairs().filter(|(column, cell)| counts(column) && is_zero(cell));
    let empty: Vec<SmolStr> = empty.map(|(column, _)| column.name.clone()).collect();
    for (column, cell) in columns.iter().zip(cells) {
        let of_mean = column.name.strip_suffix(".sum").map(|base| format_smolstr!("{base}.count"));
        let is_empty =
            empty.contains(&column.name) || of_mean.is_some_and(|of| empty.contains(&of));
        if is_empty && cell.content.take().is_some() {
            cell.changed = true;
        }
    }
    Left::Some
}

impl Column {
    /// Takes an event back out of a cell.
    pub(crate) fn take_back(&self, cell: &mut Cell, event: &Event) {
        match &self.rule {
            Rule::ExactSum { place } => {
                if let Some(value) = event.value(*place).as_number() {
                    let sum = cell.exact_sum().plus(&ExactSum::of(-value));
                    cell.set(Content::ExactSum(sum));
                }
            }
            Rule::Sum { place } => {
                let (sum, value) = (cell.figure(), figure(event.value(*place)));
                cell.replace(sum.zip(value).and_then(|(sum, value)| less_by(sum, value)));
            }
            Rule::Tally => cell.tally_back(true),
            Rule::TallyPresent { place } => cell.tally_back(!event.value(*place).is_null()),
            Rule::TallyTrue { place } => {
                cell.tally_back(event.value(*place).as_bool() == Some(true));
            }
            // The version that replaces it is a later one, in the same group and window: else the
            // topology is refused, as it is with the others.
            Rule::Last { .. } | Rule::LastArrived { .. } => {}
            Rule::Greatest { .. } | Rule::Least { .. } | Rule::Sketch { .. } => {}
        }
    }
}

impl Cell {
    fn tally_back(&mut self, one: bool) {
        if let (true, Some(old)) = (one, self.figure()) {
            self.replace(less_by(old, Figure::Int(1)));
        }
    }
}

fn less_by(sum: Figure, value: Figure) -> Option<Figure> {
    match (sum, value) {
        (Figure::Int(sum), Figure::Int(value)) => sum.checked_sub(value).map(Figure::Int),
        (Figure::Decimal(sum, places), Figure::Decimal(value, _)) => {
            sum.checked_sub(value).map(|sum| Figure::Decimal(sum, places))
        }
        _ => None,
    }
}
