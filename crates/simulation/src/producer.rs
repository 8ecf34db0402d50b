//! The producer of a run: answers, retries of earlier ones, batches, poison and nonsense.

use crate::{
    Plan, bolts,
    ledger::{Answer, Ledger},
    store::Server,
};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::{sync::Arc, time::Duration};
use tallyd_event::decode::Fields;
use tokio::time::sleep;

/// The stream of the source.
const STREAM: &str = "answers";
/// How long it waits before it sends again what was refused.
const RETRY: Duration = Duration::from_millis(20);

enum Sending {
    Answers(Vec<Answer>),
    Nonsense,
}

/// Sends all of a plan, and returns the ledger of what the server has taken and not lost.
pub async fn run(server: Arc<Server>, plan: &Plan) -> Ledger {
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed.wrapping_add(1));
    let mut sent: Vec<Answer> = Vec::new();
    let mut ledger = Ledger::default();
    let mut emptied = 0;
    for number in 0..plan.sendings {
        sleep(Duration::from_micros(random.random_range(100..60_000))).await;
        let sending = next(&mut random, number, &mut sent);
        let fields = fields(&sending);
        let (taken, arrival) = loop {
            match server.produce(STREAM, fields.clone()) {
                Some((taken, id)) => break (taken, id.time()),
                None => sleep(RETRY).await,
            }
        };
        if taken != emptied {
            // What the server lost is lost with all that came of it.
            (ledger, emptied) = (Ledger::default(), taken);
        }
        match sending {
            Sending::Answers(answers) => {
                for answer in answers {
                    ledger.count(&answer, answer.id.starts_with(bolts::POISON), arrival);
                }
            }
            Sending::Nonsense => ledger.malformed += 1,
        }
    }
    if server.emptied() == emptied { ledger } else { Ledger::default() }
}

fn next(random: &mut ChaCha8Rng, number: usize, sent: &mut Vec<Answer>) -> Sending {
    let kind = random.random_range(0..20);
    if kind == 0 {
        return Sending::Nonsense;
    }
    if kind < 4
        && let Some(again) = sent.choose(random)
    {
        return Sending::Answers(vec![again.clone()]);
    }
    let count = if kind == 4 { random.random_range(2..30) } else { 1 };
    let answers: Vec<Answer> = (0..count).map(|member| answer(random, number, member)).collect();
    sent.extend(answers.iter().cloned());
    Sending::Answers(answers)
}

fn answer(random: &mut ChaCha8Rng, number: usize, member: usize) -> Answer {
    let poison = if random.random_ratio(1, 40) { bolts::POISON } else { "a" };
    Answer {
        id: format!("{poison}{number}-{member}"),
        user: format!("u{}", random.random_range(0..9)),
        concept: format!("c{}", random.random_range(0..4)),
        question: format!("q{}", random.random_range(0..6)),
        correct: random.random_bool(0.6),
        ms: random.random_range(500..20_000),
        points: random.random_range(-3..9),
    }
}

fn fields(sending: &Sending) -> Fields {
    let answers = match sending {
        Sending::Answers(answers) => answers,
        Sending::Nonsense => return vec![(b"id".into(), b"nonsense".into())],
    };
    let pairs = |a: &Answer| {
        [
            ("id", a.id.clone()),
            ("user", a.user.clone()),
            ("concept", a.concept.clone()),
            ("question", a.question.clone()),
            ("correct", u8::from(a.correct).to_string()),
            ("ms", a.ms.to_string()),
            ("points", a.points.to_string()),
        ]
    };
    match answers.as_slice() {
        [one] => pairs(one).map(|(name, value)| (name.into(), value.into_bytes())).to_vec(),
        many => {
            let line = |a: &Answer| {
                let members = pairs(a).map(|(name, value)| format!("\"{name}\":\"{value}\""));
                format!("{{{}}}", members.join(","))
            };
            let lines: Vec<String> = many.iter().map(line).collect();
            vec![(b"batch".into(), lines.join("\n").into_bytes())]
        }
    }
}
