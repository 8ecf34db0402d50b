//! Runs the bolt over a log: in one partition, or in many that see each other's numbers late.

use crate::log::{Answer, bolt, events};
use std::error::Error;
use tallyd_bolt::{Batch, Bolt, Effects, Reads, memory::Memory};
use tallyd_event::{Event, partition_of};
use tallyd_mastery::{
    Abilities, Parameters, grasp, learner_fields, numbers_key, read_more, read_own,
};

/// What a run predicted before each answer, and what it left.
pub struct Run {
    /// By the head.
    pub predicted: Vec<f64>,
    /// By the levels alone.
    pub levels: Vec<f64>,
    /// What is stored at the end.
    pub memory: Memory,
}

/// Answers a batch.
const BATCH: usize = 512;

/// In one partition, in batches.
pub fn whole(answers: &[Answer], parameters: Parameters) -> Result<Run, Box<dyn Error>> {
    let (bolt, schema) = bolt(parameters, true, 1);
    let mut run = Run { predicted: Vec::new(), levels: Vec::new(), memory: Memory::default() };
    for events in events(answers).chunks(BATCH) {
        let effects = run.memory.run(&bolt, &Batch { schema: &schema, events, now: 0 });
        for emit in taken(&effects)? {
            run.predicted.extend(emit.value(5).as_number());
            run.levels.extend(emit.value(7).as_number());
        }
    }
    Ok(run)
}

/// How many answers there are in a concept, and the mastery and uncertainty that are shown of it.
pub type Shown = (u64, f64, f64);

/// What is shown of the concept after each answer.
pub fn shown(answers: &[Answer], parameters: Parameters) -> Result<Vec<Shown>, Box<dyn Error>> {
    let (bolt, schema) = bolt(parameters, false, 1);
    let mut memory = Memory::default();
    let mut shown = Vec::with_capacity(answers.len());
    for (event, answer) in events(answers).iter().zip(answers) {
        let batch = Batch { schema: &schema, events: std::slice::from_ref(event), now: 0 };
        memory.run(&bolt, &batch);
        let abilities = abilities(&memory, answer)?;
        let (concept, grasp) = (abilities.concept, grasp(&abilities, &parameters, answer.at));
        shown.push((concept.answers, grasp.mastery, grasp.uncertainty));
    }
    Ok(shown)
}

/// What is stored of an answer's learner and concept, in one partition.
fn abilities(memory: &Memory, answer: &Answer) -> Result<Abilities, Box<dyn Error>> {
    let number = memory.hashes.get(&numbers_key(0)).and_then(|all| all.get(&*answer.concept));
    let number: u32 = std::str::from_utf8(number.ok_or("no concept")?)?.parse()?;
    let fields = learner_fields(&answer.learner, 1).into_iter();
    let mut stored = fields.map(|(key, field)| memory.hashes.get(&key)?.get(&field));
    let (overall, mut concepts) = read_own(stored.next().flatten().ok_or("no learner")?)?;
    for page in stored.flatten() {
        concepts.extend(read_more(page)?);
    }
    let concept = concepts.into_iter().find(|(of, _)| *of == number);
    let (_, concept) = concept.ok_or("no concept of the learner")?;
    Ok(Abilities { overall, concept })
}

/// What the bolt takes an answer, in ns of CPU: to ask for its state and to process, without emitting.
/// Between the two the runtime works, which is not counted.
pub fn cost(answers: &[Answer]) -> f64 {
    let (bolt, schema) = bolt(Parameters::default(), false, 1);
    let (mut memory, mut ns) = (Memory::default(), 0.0);
    for events in events(answers).chunks(BATCH) {
        let batch = Batch { schema: &schema, events, now: 0 };
        let began = cpu_ns();
        let reads = Reads::of(&bolt, &batch);
        ns += cpu_ns() - began;
        let state = memory.load(&reads);
        let began = cpu_ns();
        let effects = bolt.process(&batch, &state);
        ns += cpu_ns() - began;
        memory.apply(&effects);
    }
    ns / answers.len() as f64
}

/// The CPU time of this thread so far, as Linux tells it; elsewhere NaN.
fn cpu_ns() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(f64::NAN)
}

/// In so many partitions by the learner, each of which sees what others added to shared numbers only
/// after a block of answers.
pub fn split(
    answers: &[Answer],
    parameters: Parameters,
    partitions: u16,
    block: usize,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let (bolt, schema) = bolt(parameters, true, partitions);
    let all = events(answers);
    let mut memory = Memory::default();
    let mut predicted = vec![f64::NAN; answers.len()];
    for (number, block_of) in all.chunks(block).enumerate() {
        let mut parts: Vec<(Vec<usize>, Vec<Event>)> = vec![Default::default(); partitions.into()];
        for (place, event) in block_of.iter().enumerate() {
            let part = partition_of([event.value(0).to_text().as_str()], partitions);
            if let Some((places, events)) = parts.get_mut(usize::from(part)) {
                places.push(number * block + place);
                events.push(event.clone());
            }
        }
        let mut effects = Vec::new();
        for (places, events) in &parts {
            let batch = Batch { schema: &schema, events, now: 0 };
            let done = bolt.process(&batch, &memory.load(&Reads::of(&bolt, &batch)));
            for (place, emit) in places.iter().zip(taken(&done)?) {
                if let (Some(to), Some(p)) = (predicted.get_mut(*place), emit.value(5).as_number())
                {
                    *to = p;
                }
            }
            effects.push(done);
        }
        effects.iter().for_each(|effects| memory.apply(effects));
    }
    Ok(predicted)
}

fn taken(effects: &Effects) -> Result<&[Event], String> {
    match effects.rejects.first() {
        Some(rejection) => Err(format!("the bolt rejected an answer: {}", rejection.reason)),
        None => Ok(&effects.emits),
    }
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
