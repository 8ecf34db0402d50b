//! How many bytes Redis needs for an identity, and for a learner with state in all bolts.

use crate::{
    BenchError,
    contender::Contender,
    outcome,
    results::Footprint,
    run::{self, Setting},
    server::Private,
    workload::{Answer, Workload},
};

/// How many learners are filled in: so many that the tables of the hashes which they share are as
/// full as they are on average.
const LEARNERS: u32 = 20_000;
/// How many concepts each has practised.
const CONCEPTS: u32 = 20;
/// How many answers to each.
const ANSWERS: u32 = 3;

/// Measures both.
///
/// # Errors
/// Where the run fails or keys can't be read.
pub async fn measure(setting: &Setting<'_>) -> Result<Footprint, BenchError> {
    let mut server = Private::start(setting.aof).await?;
    run::run_on(&mut server, Contender::Tallyd, setting).await?;
    let ids = setting.workload.expected().distinct as f64;
    let bytes_per_id = memory(&mut server, outcome::SEEN).await? / ids;
    drop(server);

    let mut server = Private::start(setting.aof).await?;
    let workload = Workload { answers: answers() };
    let learners = Setting { workload: &workload, ..*setting };
    run::run_on(&mut server, Contender::Tallyd, &learners).await?;
    let fatigue = memory(&mut server, outcome::FATIGUE).await? / f64::from(LEARNERS);
    let mastery = memory(&mut server, outcome::MASTERY).await? / f64::from(LEARNERS);
    Ok(Footprint {
        bytes_per_id,
        bytes_per_learner: fatigue + mastery,
        bytes_per_learner_fatigue: fatigue,
        bytes_per_learner_mastery: mastery,
    })
}

/// The bytes of all keys of a pattern, their names and places in the table of keys among them.
async fn memory(server: &mut Private, pattern: &str) -> Result<f64, BenchError> {
    let keys = server.keys(pattern).await?;
    let bytes: Vec<f64> = server.of_each(&["MEMORY", "USAGE"], &keys, &["SAMPLES", "0"]).await?;
    Ok(bytes.iter().sum())
}

fn answers() -> Vec<Answer> {
    let answer = |number: u32| {
        let (learner, concept) = (number % LEARNERS, number / LEARNERS % CONCEPTS);
        Answer {
            number,
            learner,
            class: learner % 24,
            concept,
            question: concept + CONCEPTS * (number % 7),
            correct: !number.is_multiple_of(3),
            ms: 4_000 + number % 9_000,
            after_ms: i64::from(number / LEARNERS) * 100,
        }
    };
    (0..LEARNERS * CONCEPTS * ANSWERS).map(answer).collect()
}
