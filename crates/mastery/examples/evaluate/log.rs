//! Reads real answer logs, and runs the bolt over them as a worker of one partition does.

use flate2::read::GzDecoder;
use std::{error::Error, fs::File, path::Path};
use tallyd_bolt::{Batch, FieldRef, memory::Memory};
use tallyd_event::{EntryId, Event, Field, FieldType, Schema, Value};
use tallyd_mastery::{Mastery, Options, Parameters};

/// One answer of a log.
pub struct Answer {
    pub learner: String,
    pub concept: String,
    pub item: String,
    pub correct: bool,
}

/// The answers of a log in its order, from the columns of these names. Rows without an answer
/// are left out.
pub fn read(path: &Path, columns: [&str; 4]) -> Result<Vec<Answer>, Box<dyn Error>> {
    let mut answers = Vec::new();
    for row in rows(path, &columns)? {
        let [learner, concept, item, correct] = <[String; 4]>::try_from(row)
            .map_err(|row| format!("{}: {} columns", path.display(), row.len()))?;
        let correct = match correct.as_str() {
            "" => continue,
            "1" | "1.0" => true,
            "0" | "0.0" => false,
            other => return Err(format!("{}: correct is \"{other}\"", path.display()).into()),
        };
        answers.push(Answer { learner, concept, item, correct });
    }
    Ok(answers)
}

/// The 55,122 answers of the log that the references are of.
pub fn read_lkt(directory: &Path) -> Result<Vec<Answer>, Box<dyn Error>> {
    let columns = ["user_id", "skill_id", "item_id", "correct"];
    read(&directory.join("lkt_events.csv.gz"), columns)
}

/// Elo A's probability before each of those answers, computed independently.
pub fn read_reference(directory: &Path) -> Result<Vec<f64>, Box<dyn Error>> {
    let rows = rows(&directory.join("lkt_elo_reference.csv.gz"), &["p_before"])?;
    rows.iter().flatten().map(|text| Ok(text.parse()?)).collect()
}

/// The options of Elo A: no overall ability, α 1, β 0.05.
pub fn elo_a() -> Parameters {
    Parameters { overall_step: 0.0, ..elo(1.0, 0.05) }
}

/// Plain Elo of one α and one β: with 0.4 and 0.02 it is Elo B.
pub fn elo(step: f64, slowing: f64) -> Parameters {
    Parameters {
        guess: 0.0,
        overall_step: step,
        overall_slowing: slowing,
        concept_step: step,
        concept_slowing: slowing,
        item_step: step,
        item_slowing: slowing,
        practice_gain: 0.0,
        ..Parameters::default()
    }
}

/// What the bolt predicted before each answer, and the state that it leaves.
pub fn run(
    answers: &[Answer],
    parameters: Parameters,
) -> Result<(Vec<f64>, Memory), Box<dyn Error>> {
    let field = |index, name: &str| FieldRef { index, name: name.into() };
    let options = Options {
        learner: field(0, "learner"),
        concept: field(1, "concept"),
        item: field(2, "item"),
        correct: field(3, "correct"),
        emit: true,
        known_after: 0,
        parameters,
    };
    let texts = ["learner", "concept", "item"].map(|name| Field::new(name, FieldType::String));
    let fields = texts.into_iter().chain([Field::new("correct", FieldType::Bool)]).collect();
    let schema = Schema { fields, id: None, key: Some(0), time: None };
    let events: Vec<Event> = (1..).zip(answers).map(|(ms, answer)| event(ms, answer)).collect();

    let bolt = Mastery::new(options, schema.clone());
    let mut memory = Memory::default();
    let mut predicted = Vec::with_capacity(answers.len());
    for events in events.chunks(512) {
        let effects = memory.run(&bolt, &Batch { schema: &schema, events, now: 0 });
        if let Some(rejection) = effects.rejects.first() {
            return Err(format!("the bolt rejected an answer: {}", rejection.reason).into());
        }
        predicted.extend(effects.emits.iter().filter_map(|e| e.value(5).as_number()));
    }
    Ok((predicted, memory))
}

/// The largest distance between two lists of equal length.
pub fn largest_difference(ours: &[f64], theirs: &[f64]) -> Result<f64, Box<dyn Error>> {
    if ours.len() != theirs.len() {
        return Err(format!("{} predictions, {} in the reference", ours.len(), theirs.len()).into());
    }
    let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    // `f64::max` passes over NaN, which must not pass as equal.
    Ok(differences.map(|d| if d.is_nan() { f64::INFINITY } else { d }).fold(0.0, f64::max))
}

fn event(ms: u64, answer: &Answer) -> Event {
    let text = |text: &String| Value::Str(text.into());
    let values = vec![
        text(&answer.learner),
        text(&answer.concept),
        text(&answer.item),
        Value::Bool(answer.correct),
    ];
    Event::new(EntryId { ms, seq: 0 }, 0, values)
}

fn rows(path: &Path, columns: &[&str]) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let file = File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut reader = csv::Reader::from_reader(GzDecoder::new(file));
    let headers = reader.headers()?.clone();
    let place = |column: &&str| {
        let found = headers.iter().position(|header| header == *column);
        found.ok_or_else(|| format!("{}: no column \"{column}\"", path.display()))
    };
    let places: Vec<usize> = columns.iter().map(place).collect::<Result<_, _>>()?;
    let cells = |record: csv::StringRecord| {
        places.iter().map(|&i| record.get(i).unwrap_or_default().to_owned()).collect()
    };
    reader.records().map(|record| Ok(cells(record?))).collect()
}
