//! Columns: the stored fields that measures need, and how an event changes one.

use crate::{
    Figure, Function, Measure, Options,
    figure::Unreadable,
    keys::{count_field, sketch_field, sum_field},
    sketch::Sketch,
};
use smol_str::SmolStr;
use tallyd_bolt::{Effects, FieldRef, Key};
use tallyd_event::{Event, FieldType, Schema, Value};

/// A field of a window's hash.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: SmolStr,
    rule: Rule,
}

/// How events change a column. Places are those of the schema.
#[derive(Debug)]
enum Rule {
    Greatest { place: usize },
    Least { place: usize },
    Sketch { place: usize, accuracy: f64, quantiles: Vec<(SmolStr, f64)> },
    Sum { place: usize, zero: Figure },
    Tally,
    TallyPresent { place: usize },
    TallyTrue { place: usize },
}

/// What a column holds for one group and window.
#[derive(Default)]
pub(crate) struct Cell {
    content: Option<Content>,
    changed: bool,
}

enum Content {
    Figure(Figure),
    Sketch(Box<Sketch>),
}

/// The columns of a bolt's measures over events of a schema. Quantiles of one field share a sketch.
pub(crate) fn columns(options: &Options, input: &Schema) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for column in options.measures.iter().flat_map(|measure| of_measure(measure, options, input)) {
        if columns.iter().all(|known| known.name != column.name) {
            columns.push(column);
        }
    }
    columns
}

fn of_measure(measure: &Measure, options: &Options, input: &Schema) -> Vec<Column> {
    let name = &measure.name;
    let column = |name: SmolStr, rule| Column { name, rule };
    let sum = |field: &FieldRef| {
        let float = input.fields.get(field.index).is_some_and(|f| f.kind == FieldType::Float);
        let zero = if float { Figure::Float(0.0) } else { Figure::Int(0) };
        Rule::Sum { place: field.index, zero }
    };
    match &measure.function {
        Function::Count => vec![column(name.clone(), Rule::Tally)],
        Function::CountPresent(field) => {
            vec![column(name.clone(), Rule::TallyPresent { place: field.index })]
        }
        Function::CountTrue(field) => {
            vec![column(name.clone(), Rule::TallyTrue { place: field.index })]
        }
        Function::Distinct(_) => Vec::new(),
        Function::Max(field) => vec![column(name.clone(), Rule::Greatest { place: field.index })],
        Function::Mean(field) => vec![
            column(sum_field(name), sum(field)),
            column(count_field(name), Rule::TallyPresent { place: field.index }),
        ],
        Function::Min(field) => vec![column(name.clone(), Rule::Least { place: field.index })],
        Function::Quantile(field, _) => {
            let (place, accuracy) = (field.index, options.accuracy);
            let rule = Rule::Sketch { place, accuracy, quantiles: quantiles(options, place) };
            vec![column(sketch_field(&field.name), rule)]
        }
        Function::Rate => vec![column(count_field(name), Rule::Tally)],
        Function::Sum(field) => vec![column(name.clone(), sum(field))],
    }
}

/// The names and shares of all quantiles of the field at a place.
fn quantiles(options: &Options, place: usize) -> Vec<(SmolStr, f64)> {
    let quantile = |measure: &Measure| match &measure.function {
        Function::Quantile(field, share) if field.index == place => {
            Some((measure.name.clone(), *share))
        }
        _ => None,
    };
    options.measures.iter().filter_map(quantile).collect()
}

impl Column {
    /// The cell of what is stored.
    pub(crate) fn load(&self, stored: Option<&[u8]>) -> Result<Cell, Unreadable> {
        let content = match (stored, &self.rule) {
            (None, _) => None,
            (Some(bytes), Rule::Sketch { .. }) => match Sketch::decode(bytes) {
                Some(sketch) => Some(Content::Sketch(Box::new(sketch))),
                None => return Err(Unreadable::new(&self.name, "a sketch", bytes)),
            },
            (Some(bytes), _) => Some(Content::Figure(Figure::parse(&self.name, bytes)?)),
        };
        Ok(Cell { content, changed: false })
    }

    /// Why an event can't be counted in a cell, if it can't: only a sum has an end.
    pub(crate) fn refusal(&self, cell: &Cell, event: &Event) -> Option<String> {
        let Rule::Sum { place, zero } = &self.rule else { return None };
        let (sum, value) = (cell.figure().unwrap_or(*zero), figure(event.value(*place))?);
        let beyond = add(sum, value).is_none();
        beyond.then(|| format!("{} {sum} + {value} is beyond what a sum can hold", self.name))
    }

    /// Counts an event in a cell, where nothing refuses it.
    pub(crate) fn count(&self, cell: &mut Cell, event: &Event) {
        let old = cell.figure();
        match &self.rule {
            Rule::Greatest { place } => {
                let value = figure(event.value(*place));
                cell.replace(value.filter(|&value| old.is_none_or(|old| less(old, value))));
            }
            Rule::Least { place } => {
                let value = figure(event.value(*place));
                cell.replace(value.filter(|&value| old.is_none_or(|old| less(value, old))));
            }
            Rule::Sketch { place, accuracy, .. } => {
                if let Some(value) = event.value(*place).as_number() {
                    cell.sketch(*accuracy, value);
                }
            }
            Rule::Sum { place, zero } => {
                let value = figure(event.value(*place));
                cell.replace(value.and_then(|value| add(old.unwrap_or(*zero), value)));
            }
            Rule::Tally => cell.tally(old, true),
            Rule::TallyPresent { place } => {
                if !event.value(*place).is_null() {
                    cell.tally(old, true);
                }
            }
            Rule::TallyTrue { place } => {
                if let Some(truth) = event.value(*place).as_bool() {
                    cell.tally(old, truth);
                }
            }
        }
    }

    /// Writes a cell, if it changed. Says whether it did.
    pub(crate) fn write(&self, cell: &Cell, key: &Key, effects: &mut Effects) -> bool {
        match &cell.content {
            Some(Content::Figure(figure)) if cell.changed => {
                effects.set_field(key, &self.name, figure.to_string());
            }
            Some(Content::Sketch(sketch)) if cell.changed => {
                effects.set_field(key, &self.name, sketch.encode());
                let Rule::Sketch { quantiles, .. } = &self.rule else { return true };
                for (name, share) in quantiles {
                    if let Some(value) = sketch.quantile(*share) {
                        effects.set_field(key, name, Figure::Float(value).to_string());
                    }
                }
            }
            _ => return false,
        }
        true
    }
}

impl Cell {
    /// Whether something is stored or was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.content.is_none()
    }

    fn figure(&self) -> Option<Figure> {
        match self.content {
            Some(Content::Figure(figure)) => Some(figure),
            _ => None,
        }
    }

    fn replace(&mut self, new: Option<Figure>) {
        if let Some(new) = new {
            self.content = Some(Content::Figure(new));
            self.changed = true;
        }
    }

    /// A count that has begun is stored even where it is 0.
    fn tally(&mut self, old: Option<Figure>, one: bool) {
        if one || old.is_none() {
            self.replace(add(old.unwrap_or(Figure::Int(0)), Figure::Int(i128::from(one))));
        }
    }

    fn sketch(&mut self, accuracy: f64, value: f64) {
        let empty = || Content::Sketch(Box::new(Sketch::new(accuracy)));
        if let Content::Sketch(sketch) = self.content.get_or_insert_with(empty) {
            sketch.add(value);
            self.changed = true;
        }
    }
}

fn figure(value: &Value) -> Option<Figure> {
    match value {
        Value::Float(float) => Some(Figure::Float(*float)),
        Value::Int(int) => Some(Figure::Int(i128::from(*int))),
        _ => None,
    }
}

/// Ints add up exactly, floats one after the other in the order of the events; `None` beyond the
/// end of the range: 2^127 for ints, and infinity for floats.
fn add(sum: Figure, value: Figure) -> Option<Figure> {
    match (sum, value) {
        (Figure::Int(sum), Figure::Int(value)) => sum.checked_add(value).map(Figure::Int),
        _ => {
            let sum = sum.as_f64() + value.as_f64();
            sum.is_finite().then_some(Figure::Float(sum))
        }
    }
}

fn less(a: Figure, b: Figure) -> bool {
    match (a, b) {
        (Figure::Int(a), Figure::Int(b)) => a < b,
        _ => a.as_f64() < b.as_f64(),
    }
}
