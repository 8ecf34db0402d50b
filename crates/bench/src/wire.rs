//! Events as bytes for the socket: XADD commands in Redis's protocol, encoded before the clock
//! starts, so that the producer costs next to nothing.

use crate::{BenchError, workload::Answer};
use serde::Serialize;
use std::io::Write;

/// The source stream.
pub const STREAM: &str = "answers";
/// How many commands go into one write.
const COMMANDS: usize = 500;
/// The field of the one value that a message of sea-streamer has.
const MESSAGE_FIELD: &str = "msg";

/// How events become entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One entry an event, a field of the entry for each of its fields.
    Flat,
    /// One entry for so many events: MessagePack in the field `batch`.
    Batch(usize),
    /// One entry an event, with one field that holds JSON: sea-streamer reads no other.
    Message,
}

/// Commands that are written at once.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The commands.
    pub bytes: Vec<u8>,
    /// How many there are, and so how many replies come.
    pub commands: usize,
    /// How many events they hold.
    pub events: usize,
}

/// An answer as it stands in a batch or message.
#[derive(Debug, Default, serde::Deserialize, Serialize)]
pub struct Fields {
    /// The identity.
    pub id: String,
    /// Who.
    pub user: String,
    /// The learner's class.
    pub class: String,
    /// Which question.
    pub question: String,
    /// About what.
    pub concept: String,
    /// Whether right.
    pub correct: bool,
    /// How long it took.
    pub ms: i64,
    /// What it is worth.
    pub points: i64,
    /// When, in ms since the epoch.
    pub at: i64,
}

impl Fields {
    /// The fields of an answer in a run whose first event was at `first_at`.
    #[must_use]
    pub fn of(answer: &Answer, first_at: i64) -> Self {
        Self {
            id: format!("a{}", answer.number),
            user: user(answer.learner),
            class: format!("c{}", answer.class),
            question: format!("q{}", answer.question),
            concept: concept(answer.concept),
            correct: answer.correct,
            ms: i64::from(answer.ms),
            points: answer.points(),
            at: first_at + answer.after_ms,
        }
    }

    /// The fields as names and texts, in the order of sending.
    #[must_use]
    pub fn texts(&self) -> [(&'static str, String); 9] {
        [
            ("id", self.id.clone()),
            ("user", self.user.clone()),
            ("class", self.class.clone()),
            ("question", self.question.clone()),
            ("concept", self.concept.clone()),
            ("correct", u8::from(self.correct).to_string()),
            ("ms", self.ms.to_string()),
            ("points", self.points.to_string()),
            ("at", self.at.to_string()),
        ]
    }
}

/// A learner's name.
#[must_use]
pub fn user(learner: u32) -> String {
    format!("u{learner}")
}

/// A concept's name.
#[must_use]
pub fn concept(concept: u32) -> String {
    format!("concept-{concept}")
}

/// Encodes answers as XADD commands.
///
/// # Errors
/// Where a batch can't be encoded, which no answer is known to cause.
pub fn encode(answers: &[Answer], format: Format, first_at: i64) -> Result<Vec<Chunk>, BenchError> {
    let events = if let Format::Batch(events) = format { events.max(1) } else { 1 };
    let mut chunks = Vec::new();
    let mut chunk = Chunk::default();
    for entry in answers.chunks(events) {
        let fields: Vec<Fields> = entry.iter().map(|a| Fields::of(a, first_at)).collect();
        add(&mut chunk.bytes, format, &fields)?;
        chunk.commands += 1;
        chunk.events += entry.len();
        // A batch is as long as a hundred entries: fewer of them go at once.
        if chunk.commands == COMMANDS || chunk.events >= COMMANDS * 4 {
            chunks.push(std::mem::take(&mut chunk));
        }
    }
    if chunk.commands > 0 {
        chunks.push(chunk);
    }
    Ok(chunks)
}

fn add(bytes: &mut Vec<u8>, format: Format, fields: &[Fields]) -> Result<(), BenchError> {
    match (format, fields) {
        (Format::Batch(_), fields) => {
            let packed = rmp_serde::to_vec_named(fields)?;
            begin(bytes, 1);
            word(bytes, b"batch");
            word(bytes, &packed);
        }
        (Format::Flat, fields) => {
            fields.iter().for_each(|one| add_flat(bytes, one));
        }
        (Format::Message, fields) => {
            for one in fields {
                begin(bytes, 1);
                word(bytes, MESSAGE_FIELD.as_bytes());
                word(bytes, &serde_json::to_vec(one)?);
            }
        }
    }
    Ok(())
}

/// Adds an XADD of flat fields.
pub fn add_flat(bytes: &mut Vec<u8>, fields: &Fields) {
    let texts = fields.texts();
    begin(bytes, texts.len());
    for (name, value) in &texts {
        word(bytes, name.as_bytes());
        word(bytes, value.as_bytes());
    }
}

fn begin(bytes: &mut Vec<u8>, fields: usize) {
    // Writing to memory does not fail.
    let _ = write!(bytes, "*{}\r\n", 3 + fields * 2);
    ["XADD", STREAM, "*"].iter().for_each(|w| word(bytes, w.as_bytes()));
}

fn word(bytes: &mut Vec<u8>, word: &[u8]) {
    let _ = write!(bytes, "${}\r\n", word.len());
    bytes.extend_from_slice(word);
    bytes.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Workload, WorkloadOptions};

    fn answers(events: usize) -> Vec<Answer> {
        let options = WorkloadOptions {
            seed: 1,
            events,
            learners: 10,
            concepts: 3,
            questions: 9,
            classes: 2,
            skew: 1.0,
        };
        Workload::new(&options).answers
    }

    #[test]
    fn a_chunk_says_what_is_in_it() {
        let answers = answers(1_234);
        for format in [Format::Flat, Format::Batch(100), Format::Message] {
            let chunks = encode(&answers, format, 0).unwrap();
            assert_eq!(chunks.iter().map(|c| c.events).sum::<usize>(), 1_234, "{format:?}");
            for chunk in &chunks {
                let begun = chunk.bytes.windows(4).filter(|w| w == b"XADD").count();
                assert_eq!(begun, chunk.commands, "{format:?}");
            }
        }
    }

    #[test]
    fn a_flat_entry_is_a_command() {
        let answer = answers(1)[0];
        let chunk = encode(&[answer], Format::Flat, 7).unwrap().remove(0);
        let text = String::from_utf8(chunk.bytes).unwrap();
        assert!(text.starts_with("*21\r\n$4\r\nXADD\r\n$7\r\nanswers\r\n$1\r\n*\r\n$2\r\nid\r\n"));
        assert!(text.ends_with("$2\r\nat\r\n$1\r\n7\r\n"), "{text}");
    }
}
