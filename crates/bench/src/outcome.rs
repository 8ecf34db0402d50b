//! Whether a contender computed what it must: the plain count of the workload, against Redis.

use crate::{BenchError, contender::Contender, server::Private, wire, workload::Expected};

/// tallyd's board of all learners for all time.
pub const EVERYONE: &str = "tallyd:{testprep/0}:bolt:points:board:all:all:everyone";
/// All of its boards.
pub const BOARDS: &str = "tallyd:{testprep/0}:bolt:points:board:*";
/// Its learners' fatigue: a hash for each partition.
pub const FATIGUE: &str = "tallyd:{testprep/0}:bolt:fatigue:learners:*";
/// Its learners' mastery, and the numbers and names of concepts with it, for each partition.
pub const MASTERY: &str = "tallyd:{testprep/0}:bolt:mastery:[lmn]*";
/// What is kept of a learner's first concepts alone.
pub const LEARNERS: &str = "tallyd:{testprep/0}:bolt:mastery:learners:*";
/// The identities that it remembers.
pub const SEEN: &str = "tallyd:{testprep/0}:bolt:unique:seen:*";

/// Compares points, answers, learners and identities with the plain count.
///
/// # Errors
/// Names the first result that differs.
pub async fn check(
    contender: Contender,
    server: &mut Private,
    expected: &Expected,
) -> Result<(), BenchError> {
    let names = match contender {
        Contender::Floor => return Ok(()),
        Contender::Direct | Contender::Loop | Contender::SeaStreamer => &APPLICATION,
        Contender::Tallyd | Contender::TallydBatch => &TALLYD,
    };
    let compare = |what: &str, expected: i64, found: i64| match expected == found {
        true => Ok(()),
        false => {
            let contender = contender.name().to_owned();
            Err(BenchError::Differs { contender, what: what.to_owned(), expected, found })
        }
    };
    let board: Vec<(String, f64)> =
        server.ask(&["ZRANGE", names.board, "0", "-1", "WITHSCORES"]).await?;
    let points = board.iter().map(|(_, score)| score.floor() as i64).sum();
    compare("the sum of points", expected.points, points)?;
    compare("the number of learners", expected.learners as i64, board.len() as i64)?;
    for (concept, answers) in &expected.by_concept {
        let concept = wire::concept(*concept);
        let key = format!("{}{concept}", names.concept);
        let found: Option<i64> = server.ask(&["HGET", &key, "answers"]).await?;
        compare(&format!("answers of {concept}"), *answers as i64, found.unwrap_or(0))?;
    }
    let keys = server.keys(names.fatigue).await?;
    let sum = if names.shared {
        let hashes: Vec<Vec<Vec<u8>>> = server.of_each(&["HVALS"], &keys, &[]).await?;
        hashes.iter().flatten().map(|field| answers(field)).sum()
    } else {
        let stored: Vec<Option<String>> = server.of_each(&["HGET"], &keys, &["state"]).await?;
        let answers = |text: &String| text.split(' ').next().and_then(|n| n.parse::<i64>().ok());
        stored.iter().flatten().filter_map(answers).sum()
    };
    compare("the answers of all learners", expected.distinct as i64, sum)?;
    compare("identities", expected.distinct as i64, identities(names, server).await?)
}

async fn identities(names: &Names, server: &mut Private) -> Result<i64, BenchError> {
    let seen = server.keys(names.seen).await?;
    Ok(match names.id_bytes {
        None => seen.len() as i64,
        Some(bytes) => {
            let logs: Vec<Vec<Vec<u8>>> = server.of_each(&["LRANGE"], &seen, &["0", "-1"]).await?;
            logs.iter().flatten().map(Vec::len).sum::<usize>() as i64 / bytes
        }
    })
}

/// The answers that a learner's field of fatigue begins with, as LEB128.
fn answers(field: &[u8]) -> i64 {
    let number = field.chunk_by(|byte, _| *byte >= 0x80).next().unwrap_or_default();
    number.iter().rev().fold(0, |sum, byte| sum << 7 | i64::from(byte & 0x7f))
}

/// Where results stand.
struct Names {
    board: &'static str,
    concept: &'static str,
    fatigue: &'static str,
    /// Whether that is a hash of many learners, or one for each, whose `state` begins with the number
    /// of answers.
    shared: bool,
    seen: &'static str,
    /// How long an identity is, where many share a key.
    id_bytes: Option<i64>,
}

const APPLICATION: Names = Names {
    board: "board:all",
    concept: "concept:all:",
    fatigue: "fatigue:*",
    shared: false,
    seen: "seen:*",
    id_bytes: None,
};

const TALLYD: Names = Names {
    board: EVERYONE,
    concept: "tallyd:{testprep/0}:bolt:concepts:window:all:all:concept=",
    fatigue: FATIGUE,
    shared: true,
    seen: SEEN,
    id_bytes: Some(16),
};
