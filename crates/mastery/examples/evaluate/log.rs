//! Reads answer logs, and runs the bolt over them.

use flate2::read::GzDecoder;
use std::{
    error::Error,
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};
use tallyd_bolt::FieldRef;
use tallyd_event::{EntryId, Event, Field, FieldType, Schema, Value};
use tallyd_mastery::{Mastery, Options, Parameters};

/// One answer of a log.
#[derive(Clone, Debug)]
pub struct Answer {
    pub learner: String,
    pub concept: String,
    pub item: String,
    pub correct: bool,
    /// In ms since the epoch; 0 in a log without times.
    pub at: i64,
}

/// The names of the columns; each with the names that are taken where none is given.
pub struct Columns(pub [Option<String>; 5]);

const USUAL: [&[&str]; 5] = [
    &["learner", "user_id", "user", "student"],
    &["concept", "skill_id", "skill"],
    &["item", "item_id", "question", "question_id", "problem_id"],
    &["correct"],
    &["time", "ts_ms", "at", "timestamp"],
];
/// The names of the options that name columns.
pub const OPTIONS: [&str; 5] = ["--learner", "--concept", "--item", "--correct", "--time"];

/// The logs of a path: of a directory all `.csv` and `.csv.gz` in it that are answer logs.
pub fn logs(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let table = name.ends_with(".csv") || name.ends_with(".csv.gz");
        if table && !name.contains("reference") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The answers of a log in its order. Rows without an answer are left out. Where there is no item,
/// the concept stands for it; where there is no time, all answers are at one.
pub fn read(path: &Path, columns: &Columns) -> Result<Vec<Answer>, Box<dyn Error>> {
    let mut reader = csv::Reader::from_reader(open(path)?);
    let headers = reader.headers()?.clone();
    let mut places = [None; 5];
    for ((place, given), usual) in places.iter_mut().zip(&columns.0).zip(USUAL) {
        let of = |name: &str| headers.iter().position(|header| header == name);
        *place = match given {
            Some(name) => {
                Some(of(name).ok_or_else(|| format!("{}: no column \"{name}\"", path.display()))?)
            }
            None => usual.iter().find_map(|name| of(name)),
        };
    }
    let [learner, concept, item, correct, at] = places;
    let needed = |place: Option<usize>, what: &str| {
        place
            .ok_or_else(|| format!("{}: which column is the {what}? --{what} NAME", path.display()))
    };
    let (learner, concept) = (needed(learner, "learner")?, needed(concept, "concept")?);
    let correct = needed(correct, "correct")?;
    let mut answers = Vec::new();
    for row in reader.records() {
        let row = row?;
        let cell = |place: usize| row.get(place).unwrap_or_default();
        let Some(correct) = truth(cell(correct))? else { continue };
        answers.push(Answer {
            learner: cell(learner).to_owned(),
            concept: cell(concept).to_owned(),
            item: cell(item.unwrap_or(concept)).to_owned(),
            correct,
            at: at.map_or(Ok(0), |place| time(cell(place)))?,
        });
    }
    Ok(answers)
}

/// Elo A's probability before each answer of the log that it is of, computed independently.
pub fn read_reference(directory: &Path) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut reader = csv::Reader::from_reader(open(&directory.join("lkt_elo_reference.csv.gz"))?);
    let place = reader.headers()?.iter().position(|name| name == "p_before");
    let place = place.ok_or("no column \"p_before\"")?;
    let cell = |row: csv::StringRecord| row.get(place).unwrap_or_default().parse::<f64>();
    reader.records().map(|row| Ok(cell(row?)?)).collect()
}

fn open(path: &Path) -> Result<Box<dyn Read>, Box<dyn Error>> {
    let file = File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let file = BufReader::new(file);
    Ok(if packed { Box::new(GzDecoder::new(file)) } else { Box::new(file) })
}

fn truth(cell: &str) -> Result<Option<bool>, String> {
    match cell {
        "" => Ok(None),
        "1" | "1.0" | "true" | "True" => Ok(Some(true)),
        "0" | "0.0" | "false" | "False" => Ok(Some(false)),
        other => Err(format!("correct is \"{other}\"")),
    }
}

/// Milliseconds since the epoch, or seconds, which are no more than 10¹¹, or RFC 3339.
fn time(cell: &str) -> Result<i64, String> {
    if let Ok(number) = cell.parse::<f64>() {
        return Ok(if number.abs() < 1e11 { (number * 1e3) as i64 } else { number as i64 });
    }
    let parsed = cell.parse::<jiff::Timestamp>();
    parsed.map(jiff::Timestamp::as_millisecond).map_err(|_| format!("time is \"{cell}\""))
}

/// The options of Elo A: no overall ability, α 1, β 0.05.
pub fn elo_a() -> Parameters {
    Parameters { overall_step: 0.0, ..elo(1.0, 0.05) }
}

/// Plain Elo of one α and one β: with 0.4 and 0.02 it is Elo B.
pub fn elo(step: f64, slowing: f64) -> Parameters {
    Parameters {
        overall_step: step,
        overall_slowing: slowing,
        concept_step: step,
        concept_slowing: slowing,
        item_step: step,
        item_slowing: slowing,
        ..Parameters::default()
    }
}

/// The bolt, split into so many partitions, and the schema of its input.
pub fn bolt(parameters: Parameters, emit: bool, partitions: u16) -> (Mastery, Schema) {
    let field = |index, name: &str| FieldRef { index, name: name.into() };
    let options = Options {
        learner: field(0, "learner"),
        concept: field(1, "concept"),
        item: field(2, "item"),
        correct: field(3, "correct"),
        emit,
        known_after: 0,
        parameters,
    };
    let texts = ["learner", "concept", "item"].map(|name| Field::new(name, FieldType::String));
    let rest = [Field::new("correct", FieldType::Bool), Field::new("at", FieldType::Time)];
    let fields = texts.into_iter().chain(rest).collect();
    let schema = Schema { fields, id: None, key: Some(0), time: Some(4) };
    (Mastery::new(options, schema.clone(), partitions), schema)
}

/// The answers as events, in their order.
pub fn events(answers: &[Answer]) -> Vec<Event> {
    let text = |text: &String| Value::Str(text.into());
    let event = |(place, answer): (usize, &Answer)| {
        let values = vec![
            text(&answer.learner),
            text(&answer.concept),
            text(&answer.item),
            Value::Bool(answer.correct),
            Value::Int(answer.at),
        ];
        let ms = u64::try_from(answer.at).unwrap_or_default();
        Event::new(EntryId { ms, seq: place as u64 }, 0, values)
    };
    answers.iter().enumerate().map(event).collect()
}
