//! Columns: the stored fields that measures need, and how an event changes one.

pub(crate) mod back;

use crate::{
    Figure, Function, Measure, Options,
    figure::Unreadable,
    keys::{count_field, exact_field, sketch_field, sum_field, time_field},
    sketch::Sketch,
};
use smol_str::SmolStr;
use tallyd_bolt::{Effects, ExactSum, FieldRef, Key};
use tallyd_event::{Event, FieldType, Schema, Value};

/// A field of a window's hash, and the one beside it that some rules need.
#[derive(Debug)]
pub(crate) struct Column {
    name: SmolStr,
    /// What the field alone does not say: the exact sum, or the time of a last value.
    beside: Option<SmolStr>,
    /// How many places its figures have, where they are decimals.
    places: Option<u8>,
    /// Where events may be taken back, the column that says how many values are left in it.
    left: Option<SmolStr>,
    rule: Rule,
}

/// How events change a column. Places are those of the schema.
#[derive(Debug)]
enum Rule {
    ExactSum { place: usize },
    Greatest { place: usize },
    Last { place: usize },
    LastArrived { place: usize },
    Least { place: usize },
    Sketch { place: usize, accuracy: f64, quantiles: Vec<(SmolStr, f64)> },
    Sum { place: usize },
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
    /// Of floats: the sum itself.
    ExactSum(ExactSum),
    Figure(Figure),
    /// A last value, and the time of its event.
    Last(Figure, i64),
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
    if options.corrected {
        back::count_what_is_left(&mut columns);
    }
    columns
}

fn of_measure(measure: &Measure, options: &Options, input: &Schema) -> Vec<Column> {
    let name = &measure.name;
    let column =
        |name: SmolStr, rule| Column { name, beside: None, places: None, left: None, rule };
    // Of a field's own values: decimals where they are.
    let of_field = |name: SmolStr, field: &FieldRef, rule| {
        let kind = input.fields.get(field.index).map(|field| field.kind);
        Column { places: kind.and_then(FieldType::places), ..column(name, rule) }
    };
    let sum = |name: SmolStr, field: &FieldRef| {
        let (place, kind) = (field.index, input.fields.get(field.index).map(|field| field.kind));
        if kind == Some(FieldType::Float) {
            let beside = Some(exact_field(&name));
            return Column { beside, ..column(name, Rule::ExactSum { place }) };
        }
        of_field(name, field, Rule::Sum { place })
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
        Function::Last(field) => {
            let rule = Rule::Last { place: field.index };
            vec![Column { beside: Some(time_field(name)), ..of_field(name.clone(), field, rule) }]
        }
        Function::LastArrived(field) => {
            vec![of_field(name.clone(), field, Rule::LastArrived { place: field.index })]
        }
        Function::Max(field) => {
            vec![of_field(name.clone(), field, Rule::Greatest { place: field.index })]
        }
        Function::Mean(field) => vec![
            sum(sum_field(name), field),
            column(count_field(name), Rule::TallyPresent { place: field.index }),
        ],
        Function::Min(field) => {
            vec![of_field(name.clone(), field, Rule::Least { place: field.index })]
        }
        Function::Quantile(field, _) => {
            let (place, accuracy) = (field.index, options.accuracy);
            let rule = Rule::Sketch { place, accuracy, quantiles: quantiles(options, place) };
            vec![column(sketch_field(&field.name), rule)]
        }
        Function::Rate => vec![column(count_field(name), Rule::Tally)],
        Function::Sum(field) => vec![sum(name.clone(), field)],
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
    /// The fields of the hash that the cell is read from.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &SmolStr> {
        [Some(&self.name), self.beside.as_ref()].into_iter().flatten()
    }

    /// The cell of what is stored, given by field.
    pub(crate) fn load<'a>(
        &self,
        field: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<Cell, Unreadable> {
        let Some(stored) = field(&self.name) else { return Ok(Cell::default()) };
        let beside = self.beside.as_ref().map(|name| (name, field(name).unwrap_or_default()));
        let unreadable = |name: &str, wanted, bytes| Err(Unreadable::new(name, wanted, bytes));
        let content = match (&self.rule, beside) {
            (Rule::Sketch { .. }, _) => match Sketch::decode(stored) {
                Some(sketch) => Content::Sketch(Box::new(sketch)),
                None => return unreadable(&self.name, "a sketch", stored),
            },
            (Rule::ExactSum { .. }, Some((name, bytes))) => match ExactSum::parse(bytes) {
                Some(sum) => Content::ExactSum(sum),
                None => return unreadable(name, "an exact sum", bytes),
            },
            (Rule::Last { .. }, Some((name, bytes))) => {
                let figure = Figure::parse(&self.name, stored, self.places)?;
                match std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()) {
                    Some(time) => Content::Last(figure, time),
                    None => return unreadable(name, "a time in ms", bytes),
                }
            }
            _ => Content::Figure(Figure::parse(&self.name, stored, self.places)?),
        };
        Ok(Cell { content: Some(content), changed: false })
    }

    /// Why an event can't be counted in a cell, if it can't: only a sum has an end.
    pub(crate) fn refusal(&self, cell: &Cell, event: &Event) -> Option<String> {
        let (sum, value, is_beyond) = match self.rule {
            Rule::ExactSum { place } => {
                let (sum, value) = (cell.exact_sum(), event.value(place).as_number()?);
                let value = if event.taken_back { -value } else { value };
                let is_beyond = sum.plus(&ExactSum::of(value)).value().is_infinite();
                (Figure::Float(sum.value()), Figure::Float(value), is_beyond)
            }
            // What was counted can be taken out again.
            Rule::Sum { .. } if event.taken_back => return None,
            Rule::Sum { place } => {
                let value = figure(event.value(place))?;
                let sum = cell.figure().unwrap_or(self.zero());
                (sum, value, add(sum, value).is_none())
            }
            _ => return None,
        };
        is_beyond.then(|| format!("{} {sum} + {value} is beyond what a sum can hold", self.name))
    }

    /// Counts an event of a time in a cell, where nothing refuses it.
    pub(crate) fn count(&self, cell: &mut Cell, event: &Event, time: i64) {
        let old = cell.figure();
        match &self.rule {
            Rule::ExactSum { place } => {
                if let Some(value) = event.value(*place).as_number() {
                    let sum = cell.exact_sum().plus(&ExactSum::of(value));
                    cell.set(Content::ExactSum(sum));
                }
            }
            Rule::Greatest { place } => {
                let value = figure(event.value(*place));
                cell.replace(value.filter(|&value| old.is_none_or(|old| less(old, value))));
            }
            Rule::Last { place } => {
                let is_newer = !matches!(cell.content, Some(Content::Last(_, last)) if time < last);
                if let Some(value) = figure(event.value(*place)).filter(|_| is_newer) {
                    cell.set(Content::Last(value, time));
                }
            }
            Rule::LastArrived { place } => cell.replace(figure(event.value(*place))),
            Rule::Least { place } => {
                let value = figure(event.value(*place));
                cell.replace(value.filter(|&value| old.is_none_or(|old| less(value, old))));
            }
            Rule::Sketch { place, accuracy, .. } => {
                if let Some(value) = event.value(*place).as_number() {
                    cell.sketch(*accuracy, value);
                }
            }
            Rule::Sum { place } => {
                let (sum, value) = (old.unwrap_or(self.zero()), figure(event.value(*place)));
                cell.replace(value.and_then(|value| add(sum, value)));
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

    fn zero(&self) -> Figure {
        self.places.map_or(Figure::Int(0), |places| Figure::Decimal(0, places))
    }

    /// Writes a cell, if it changed. Says whether it did.
    pub(crate) fn write(&self, cell: &Cell, key: &Key, effects: &mut Effects) -> bool {
        if cell.changed && cell.content.is_none() {
            self.fields().for_each(|name| effects.remove_field(key, name));
        }
        let Some(content) = cell.content.as_ref().filter(|_| cell.changed) else {
            return cell.changed;
        };
        let mut set = |value: Figure, beside: String| {
            effects.set_field(key, &self.name, value.to_string());
            if let Some(name) = &self.beside {
                effects.set_field(key, name, beside);
            }
        };
        match content {
            Content::ExactSum(sum) => set(Figure::Float(sum.value()), sum.to_string()),
            Content::Figure(figure) => set(*figure, String::new()),
            Content::Last(figure, time) => set(*figure, time.to_string()),
            Content::Sketch(sketch) => {
                effects.set_field(key, &self.name, sketch.encode());
                let Rule::Sketch { quantiles, .. } = &self.rule else { return true };
                for (name, share) in quantiles {
                    if let Some(value) = sketch.quantile(*share) {
                        effects.set_field(key, name, Figure::Float(value).to_string());
                    }
                }
            }
        }
        true
    }
}

impl Cell {
    /// Whether nothing is stored and nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.content.is_none()
    }

    fn figure(&self) -> Option<Figure> {
        match self.content {
            Some(Content::Figure(figure)) => Some(figure),
            _ => None,
        }
    }

    fn exact_sum(&self) -> ExactSum {
        match &self.content {
            Some(Content::ExactSum(sum)) => sum.clone(),
            _ => ExactSum::default(),
        }
    }

    fn replace(&mut self, new: Option<Figure>) {
        if let Some(new) = new {
            self.set(Content::Figure(new));
        }
    }

    fn set(&mut self, new: Content) {
        self.content = Some(new);
        self.changed = true;
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
        Value::Decimal(decimal) => Some(Figure::Decimal(decimal.units.into(), decimal.places)),
        Value::Float(float) => Some(Figure::Float(*float)),
        Value::Int(int) => Some(Figure::Int(i128::from(*int))),
        _ => None,
    }
}

/// Ints add up exactly: `None` beyond the end of their range, 2^127. Floats do not add up here.
fn add(sum: Figure, value: Figure) -> Option<Figure> {
    match (sum, value) {
        (Figure::Int(sum), Figure::Int(value)) => sum.checked_add(value).map(Figure::Int),
        (Figure::Decimal(sum, places), Figure::Decimal(value, _)) => {
            sum.checked_add(value).map(|sum| Figure::Decimal(sum, places))
        }
        _ => None,
    }
}

fn less(a: Figure, b: Figure) -> bool {
    match (a, b) {
        (Figure::Int(a), Figure::Int(b)) | (Figure::Decimal(a, _), Figure::Decimal(b, _)) => a < b,
        _ => a.as_f64() < b.as_f64(),
    }
}
