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

/// How many learners are filled in, so many that the tables of the hashes which they share are as
/// full as they are on average; and how many concepts each has practised.
const MANY: (u32, u32) = (20_000, 20);
/// The same for learners of many years.
const LONG: (u32, u32) = (2_000, 200);
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

    let (fatigue, mastery) = of_learners(setting, MANY).await?;
    let (fatigue_of_200, mastery_of_200) = of_learners(setting, LONG).await?;
    Ok(Footprint {
        bytes_per_id,
        bytes_per_learner: fatigue + mastery,
        bytes_per_learner_fatigue: fatigue,
        bytes_per_learner_mastery: mastery,
        bytes_per_learner_of_200: fatigue_of_200 + mastery_of_200,
    })
}

/// The bytes of a learner in fatigue and in mastery, where there are so many, each of whom has
/// practised so many concepts.
async fn of_learners(
    setting: &Setting<'_>,
    (learners, concepts): (u32, u32),
) -> Result<(f64, f64), BenchError> {
    let mut server = Private::start(setting.aof).await?;
    let workload = Workload { answers: answers(learners, concepts) };
    let filling = Setting { workload: &workload, ..*setting };
    run::run_on(&mut server, Contender::Tallyd, &filling).await?;
    let fatigue = memory(&mut server, outcome::FATIGUE).await? / f64::from(learners);
    let mastery = memory(&mut server, outcome::MASTERY).await? / f64::from(learners);
    Ok((fatigue, mastery))
}

/// The bytes of all keys of a pattern, their names and places in the table of keys among them.
async fn memory(server: &mut Private, pattern: &str) -> Result<f64, BenchError> {
    let keys = server.keys(pattern).await?;
    let bytes: Vec<f64> = server.of_each(&["MEMORY", "USAGE"], &keys, &["SAMPLES", "0"]).await?;
    Ok(bytes.iter().sum())
}

fn answers(learners: u32, concepts: u32) -> Vec<Answer> {
    let answer = |number: u32| {
        let (learner, concept) = (number % learners, number / learners % concepts);
        Answer {
            number,
            learner,
            class: learner % 24,
            concept,
            question: concept + concepts * (number % 7),
            correct: !number.is_multiple_of(3),
            ms: 4_000 + number % 9_000,
            after_ms: i64::from(number / learners) * 100,
        }
    };
    (0..learners * concepts * ANSWERS).map(answer).collect()
}
