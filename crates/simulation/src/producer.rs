//! The producer of a run: answers, retries of earlier ones, batches, poison and nonsense.

use crate::{
    FaultKind, Plan, bolts,
    ledger::{Answer, Ledger},
    store::Server,
    world::World,
};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::{sync::Arc, time::Duration};
use tallyd_event::{Edit, EditKind, EntryId, Moves, Scope, decode::Fields};
use tallyd_runtime::{EDIT_FIELD, PROBE_FIELD};
use tokio::time::sleep;

/// The stream of the source.
const STREAM: &str = "answers";
/// How long it waits before it sends again what was refused.
const RETRY: Duration = Duration::from_millis(20);

/// In every third plan a probe follows each sending of so many. Not in all: what some safeguards
/// are there for is rare, and rarer where entries without events come between.
const PROBE_EVERY: usize = 7;

/// In every fifth plan an edit follows about each sending of so many.
const EDIT_EVERY: u32 = 6;

/// One of so many edits closes a leaderboard, or starts it over.
const CUT_EVERY: u32 = 3;

enum Sending {
    Answers(Vec<Answer>),
    Edit(Box<Edit>),
    Nonsense,
}

/// What the server has taken, in the order of the stream.
#[derive(Default)]
pub struct Book {
    /// How often the data was lost before.
    emptied: u64,
    sent: Vec<(EntryId, Sending)>,
}

impl Book {
    /// Sends until the server takes it.
    async fn send(&mut self, server: &Server, sending: Sending) {
        let fields = fields(&sending);
        let (emptied, id) = loop {
            match server.produce(STREAM, fields.clone()) {
                Some(taken) => break taken,
                None => sleep(RETRY).await,
            }
        };
        if emptied != self.emptied {
            // What the server lost is lost with all that came of it.
            *self = Book { emptied, sent: Vec::new() };
        }
        self.sent.push((id, sending));
    }

    /// What must come of it, where these entries were deleted before they were processed.
    pub fn ledger(&self, world: &World) -> Ledger {
        let mut ledger = Ledger { lost: world.lost(), ..Ledger::default() };
        for (id, sending) in self.sent.iter().filter(|(id, _)| !world.is_lost(*id)) {
            match sending {
                Sending::Answers(answers) => {
                    let arrival = world.arrival(*id);
                    for answer in answers {
                        ledger.count(answer, answer.id.starts_with(bolts::POISON), arrival);
                    }
                }
                Sending::Edit(edit) => {
                    ledger.edits.push(edit.id.to_string());
                    match (&edit.scope, &edit.moves) {
                        (Some(scope), _) => ledger.cut(edit.kind.name(), &scope.bolt),
                        (_, Some(Moves { from, to, keeps })) => {
                            ledger.go(&edit.member, (&from.join(":"), &to.join(":")), *keeps);
                        }
                        _ if edit.kind == EditKind::Rename => ledger.rename(&edit.member, &edit.to),
                        _ if edit.field == "user" => ledger.edit(edit.kind.name(), &edit.member),
                        _ => {}
                    }
                }
                Sending::Nonsense => ledger.malformed += 1,
            }
        }
        ledger
    }
}

impl Book {
    /// Whether an edit may be sent now: who accepts edits has a rename wait for all before, and others
    /// wait for a rename.
    fn may_send(&self, server: &Server, edit: &Edit) -> bool {
        server.with(|world| {
            self.sent.iter().all(|(id, sending)| match sending {
                Sending::Edit(sent) if [sent.kind, edit.kind].contains(&EditKind::Rename) => {
                    world.is_lost(*id) || world.is_edited(&sent.id)
                }
                _ => true,
            })
        })
    }
}

/// Whether edits are among the events of a plan. Where bolts come and go, some of them miss edits as they
/// miss events.
pub fn has_edits(plan: &Plan) -> bool {
    plan.seed % 5 == 4 && !plan.has_two_files()
}

/// Sends all of a plan, and returns what the server has taken and not lost with all its data.
pub async fn run(server: Arc<Server>, plan: &Plan) -> Book {
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed.wrapping_add(1));
    let mut answers: Vec<Answer> = Vec::new();
    let mut book = Book::default();
    // Of a generator of its own: what else a seed does stays as it was.
    let edits = has_edits(plan);
    let mut of_edits = ChaCha8Rng::seed_from_u64(plan.seed ^ 0xED17);
    for number in 0..plan.sendings {
        sleep(Duration::from_micros(random.random_range(100..60_000))).await;
        let sending = next(&mut random, number, &mut answers);
        book.send(&server, sending).await;
        if edits && of_edits.random_ratio(1, EDIT_EVERY) {
            let edit = match cuts(plan) && of_edits.random_ratio(1, CUT_EVERY) {
                true => cut(&mut of_edits, number),
                false if moves(plan) && of_edits.random() => gone(&mut of_edits, number),
                false => edit(&mut of_edits, number, forgets(plan)),
            };
            if book.may_send(&server, &edit) {
                book.send(&server, Sending::Edit(Box::new(edit))).await;
            }
        }
        if plan.seed % 3 == 2 && number % PROBE_EVERY == 0 {
            // It must come to nothing: no ledger knows of it.
            server.produce(STREAM, vec![(PROBE_FIELD.into(), b"p".into())]);
        }
    }
    if server.emptied() == book.emptied { book } else { Book::default() }
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

/// Whether a plan may forget users: of one whose key is overwritten nothing can be read.
fn forgets(plan: &Plan) -> bool {
    !plan.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Overwrite(..)))
}

/// Whether users may go to other boards and get other names in a plan.
fn moves(plan: &Plan) -> bool {
    forgets(plan) && !plan.corrects
}

/// A user who goes to another board, or gets another name, that of another user now and then.
fn gone(random: &mut ChaCha8Rng, number: usize) -> Edit {
    let (from, step) = (random.random_range(0..4), random.random_range(1..4));
    let mut one_of = |name: &str, count: u32| format!("{name}{}", random.random_range(0..count));
    let (member, to) = (one_of("u", 9), one_of("u", 11));
    // Into another group: a move to where the member comes from is refused before it is sent.
    let (from, group) = (format!("concept=c{from}"), format!("concept=c{}", (from + step) % 4));
    let id = format!("e{number}");
    if random.random() && member != to {
        return Edit { to: to.into(), ..Edit::new(&id, EditKind::Rename, "user", &member) };
    }
    let keeps = random.random_ratio(2, 3);
    let moves = Moves { from: vec![from.into()], to: vec![group.into()], keeps };
    Edit { moves: Some(moves), ..Edit::new(&id, EditKind::Move, "user", &member) }
}

/// Whether leaderboards may be closed and started over in a plan: not where the stream begins again with
/// lower ids, by which what was sent before and after such an edit can't be told.
fn cuts(plan: &Plan) -> bool {
    !plan.faults.iter().any(|fault| matches!(fault.kind, FaultKind::StreamBeginsAgain(_)))
}

fn cut(random: &mut ChaCha8Rng, number: usize) -> Edit {
    let closes = random.random_ratio(1, 3);
    let kind = if closes { EditKind::Close } else { EditKind::Reset };
    let bolt = if random.random() { "points" } else { "latest" };
    // Without a period, a reset is of all of them.
    let all = (closes || random.random()).then(|| "all".into());
    let scope = Scope { bolt: bolt.into(), period: all.clone(), label: all, ..Scope::default() };
    Edit { scope: Some(scope), ..Edit::new(&format!("e{number}"), kind, "", "") }
}

fn edit(random: &mut ChaCha8Rng, number: usize, forgets: bool) -> Edit {
    let kind = match random.random_range(0..5) {
        0..2 => EditKind::Hide,
        2..4 if forgets => EditKind::Forget,
        _ => EditKind::Unhide,
    };
    let (field, member) = match random.random_range(0..5) {
        // Who sends answers of a concept are all partitions of the bolts before.
        0 if kind != EditKind::Forget => ("concept", format!("c{}", random.random_range(0..4))),
        // Some never answer.
        _ => ("user", format!("u{}", random.random_range(0..11))),
    };
    Edit::new(&format!("e{number}"), kind, field, &member)
}

fn fields(sending: &Sending) -> Fields {
    let answers = match sending {
        Sending::Answers(answers) => answers,
        Sending::Edit(edit) => return vec![(EDIT_FIELD.into(), edit.to_text().into_bytes())],
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
