//! The way to a state, told in plain words: who does what, and what Redis holds after.

use crate::{
    harm::Harm,
    outbox::{Move, Outbox, Relay, Shards},
    protocol::{Action, NAMES, Protocol, World},
    redis::{Fence, Next, Redis, Transaction},
    task::{Cycle, Step},
};
use stateright::Path;
use std::fmt;

/// Steps, each with what Redis holds after it where that changed, and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// What was done, and what Redis held after it.
    pub steps: Vec<(String, Option<String>)>,
    /// What is wrong at the end.
    pub end: String,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (step, redis)) in (1..).zip(&self.steps) {
            writeln!(f, "{number:2}. {step}")?;
            for line in redis.iter().flat_map(|redis| redis.lines()) {
                writeln!(f, "      {line}")?;
            }
        }
        write!(f, "{}", self.end)
    }
}

/// The story of a way through the protocol.
#[must_use]
pub fn of_protocol(model: &Protocol, path: Path<World, Action>) -> Story {
    let way = path.into_vec();
    let mut steps = Vec::new();
    for pair in way.windows(2) {
        if let [(before, Some(action)), (after, _)] = pair {
            let changed = before.redis != after.redis;
            steps.push((step(action, before, after), changed.then(|| redis(&after.redis))));
        }
    }
    let harm = way.last().and_then(|(world, _)| model.harm(world));
    Story { steps, end: harm.map_or_else(|| "Nothing is wrong.".to_owned(), ending) }
}

/// The story of a way through the outbox.
#[must_use]
pub fn of_outbox(model: &Outbox, path: Path<Shards, Move>) -> Story {
    let way = path.into_vec();
    let mut steps = Vec::new();
    for pair in way.windows(2) {
        if let [(before, Some(action)), (after, _)] = pair {
            let held = |s: &Shards| {
                let outbox: Vec<u8> = (s.first..=s.last).collect();
                let (outbox, received) = (list(&outbox), list(&s.received));
                format!("outbox: {outbox} | receiver: {received}, mark {}", s.mark)
            };
            let changed = held(before) != held(after);
            steps.push((outbox_step(*action, before), changed.then(|| held(after))));
        }
    }
    let harm = way.last().and_then(|(shards, _)| model.harm(shards));
    Story { steps, end: harm.map_or_else(|| "Nothing is wrong.".to_owned(), ending) }
}

fn ending(harm: Harm) -> String {
    match harm {
        Harm::Twice { entry, .. } => format!("Entry {entry} counts twice."),
        Harm::OutOfOrder { entry, .. } => format!("Entry {entry} counts after a later one."),
        Harm::Lost { entry, .. } => {
            format!(
                "Entry {entry} is lost: nobody will look at it again, and its effect is not in."
            )
        }
    }
}

fn name(worker: u8) -> String {
    let letter = char::from(b'A' + worker % NAMES);
    match worker / NAMES {
        0 => letter.to_string(),
        start => format!("{letter}{}", start + 1),
    }
}

fn fence(fence: Fence) -> String {
    format!("{}#{}", fence.owner.map_or_else(|| "nobody".to_owned(), name), fence.epoch)
}

fn list(entries: &[u8]) -> String {
    let texts: Vec<String> = entries.iter().map(u8::to_string).collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(",") }
}

/// What Redis holds: a line for each partition.
fn redis(redis: &Redis) -> String {
    let mut lines = Vec::new();
    for (place, partition) in redis.partitions.iter().enumerate() {
        let stream = redis.stream_of(place);
        let group = partition.group.as_ref().map_or_else(
            || "no group".to_owned(),
            |group| {
                let pending: Vec<String> = group
                    .pending
                    .iter()
                    .map(|(entry, w)| format!("{entry}→{}", name(*w)))
                    .collect();
                let pending = if pending.is_empty() { "-".to_owned() } else { pending.join(" ") };
                format!("group delivered {}, pending {pending}", group.delivered)
            },
        );
        let which = if redis.partitions.len() > 1 { format!("{place}: ") } else { String::new() };
        lines.push(format!(
            "{which}stream {} | fence {} | {group} | cursor {} | added {} | written {}",
            list(&(stream.first..=stream.last).collect::<Vec<_>>()),
            fence(partition.fence),
            partition.cursor,
            list(&partition.added),
            list(&partition.written),
        ));
    }
    lines.join("\n")
}

fn step(action: &Action, before: &World, after: &World) -> String {
    let who = |at: usize| name(before.tasks[at].worker);
    match action {
        Action::Run(at, cycle) => {
            format!("{} {}", who(*at), run(*at, *cycle, before, after))
        }
        Action::Want(at, places) => {
            let seen = fences(before, places);
            format!("{} is to take over, and looks at the fence: {seen}. (WATCH, MGET)", who(*at))
        }
        Action::GiveBack(at, place) => {
            format!("{} is to give partition {place} back. (WATCH, MGET)", who(*at))
        }
        Action::Cut(at, cycle) => {
            format!("The connection of {} breaks{}.", who(*at), in_flight(*cycle, before, after))
        }
        Action::Crash(at, cycle) => {
            format!("{} dies{}.", who(*at), in_flight(*cycle, before, after))
        }
        Action::Restart(at) => format!("It starts again, as {}.", name(after.tasks[*at].worker)),
        Action::Arrive(at) => {
            let late = &before.late[*at];
            let what = transaction(&late.transaction);
            format!("What {} had sent before arrives now: {what}.", name(late.worker))
        }
        Action::Destroy(place) => format!("Somebody destroys the group of partition {place}."),
        Action::Rewind(place) => format!("Somebody moves the group of partition {place} to 0."),
        Action::Trim(stream) => {
            format!("The stream is trimmed below entry {}.", after.redis.streams[*stream].first)
        }
    }
}

fn fences(world: &World, places: &[usize]) -> String {
    let each: Vec<String> =
        places.iter().map(|&place| fence(world.redis.partitions[place].fence)).collect();
    each.join(", ")
}

fn in_flight(cycle: Option<Cycle>, before: &World, after: &World) -> String {
    match after.late.last().filter(|_| after.late.len() > before.late.len()) {
        Some(late) => format!(", with this in flight: {}", transaction(&late.transaction)),
        None if cycle.is_some() => {
            ", with a commit in flight that can't happen any more".to_owned()
        }
        None => String::new(),
    }
}

fn transaction(transaction: &Transaction) -> String {
    match transaction {
        Transaction::SetFences(fences) => {
            let set: Vec<String> = fences.iter().map(|(_, f)| fence(*f)).collect();
            format!("EXEC of SET fence {}", set.join(", "))
        }
        Transaction::MakeGroups(_) => "EXEC of XGROUP CREATE".to_owned(),
        Transaction::DeleteConsumers(..) => "EXEC of XGROUP DELCONSUMER".to_owned(),
        Transaction::Commit(commit) => {
            let acks: Vec<u8> = commit.acks.iter().map(|(_, entry)| *entry).collect();
            let next = next(&commit.next);
            if acks.is_empty() {
                return format!("EXEC of {next}");
            }
            let added: Vec<u8> = commit.changes.iter().flat_map(|c| c.add.clone()).collect();
            let effects = if added.is_empty() {
                "nothing new".to_owned()
            } else {
                format!("the effects of {}", list(&added))
            };
            format!("EXEC of {effects}, XACK {}, {next}", list(&acks))
        }
    }
}

fn next(next: &Next) -> String {
    match next {
        Next::Nothing => "no read".to_owned(),
        Next::New { .. } => "a read of new entries".to_owned(),
        Next::Pending { from, .. } => format!("a claim of what is pending from {from} on"),
    }
}

/// What a task's next step is, and what came of it.
fn run(at: usize, cycle: Option<Cycle>, before: &World, after: &World) -> String {
    let (task, then) = (&before.tasks[at], &after.tasks[at]);
    let kept = if then.owned.is_empty() { "it owns nothing any more" } else { "they are its own" };
    match &task.step {
        Step::Cut => "connects anew, and looks at its fences. (WATCH, MGET)".to_owned(),
        Step::Take { fences, .. } => {
            let set: Vec<String> = fences.iter().map(|(_, f)| fence(*f)).collect();
            outcome(format!("takes over: SET fence {}. (MULTI … EXEC)", set.join(", ")), then)
        }
        Step::BeginWatch => format!("watches its fences; {kept}. (WATCH, MGET)"),
        Step::BeginCursors => {
            let cursors: Vec<u8> = then.cursors.values().copied().collect();
            format!("reads the cursor: {}.", list(&cursors))
        }
        Step::BeginGroups => {
            "makes the group if it is missing. (MULTI, XGROUP CREATE, EXEC)".into()
        }
        Step::BeginAgain => format!("watches its fences again; {kept}. (WATCH, MGET)"),
        Step::Ready => match (cycle, &then.step) {
            (Some(_), Step::Committed { outcome: Some((commit, read)) }) => {
                let entries: Vec<u8> = read.entries.iter().map(|(_, entry)| *entry).collect();
                let got = match (&commit.next, read.group_missing) {
                    (Next::Nothing, _) => String::new(),
                    (_, true) => ": NOGROUP".to_owned(),
                    _ => format!(": gets {}", list(&entries)),
                };
                let what = transaction(&Transaction::Commit(commit.clone()));
                format!("commits, {what}{got}.")
            }
            (Some(_), _) => "commits: EXEC returns nil, because its fence moved.".to_owned(),
            (None, _) => {
                let cached: Vec<String> = then.cache.values().map(|state| list(state)).collect();
                format!("fetches the state that it has not cached: {}.", cached.join("; "))
            }
        },
        Step::Committed { .. } => {
            format!("has watched its fences again in the same round trip; {kept}. (WATCH, MGET)")
        }
        Step::PlainRead(read) => {
            let added = then.queue.get(task.queue.len()..).unwrap_or_default();
            let got: Vec<u8> = added.iter().map(|(_, entry)| *entry).collect();
            format!("does {} by itself: gets {}.", next(read), list(&got))
        }
        Step::ForgetLook(_) => "looks for consumers with nothing pending.".to_owned(),
        Step::Forget(_, names) => {
            let names: Vec<String> = names.iter().map(|&worker| name(worker)).collect();
            format!("deletes the consumer {}.", names.join(", "))
        }
        Step::Release(place, _) => format!("gives partition {place} back. (MULTI, SET, EXEC)"),
        Step::Down | Step::Free => "waits.".to_owned(),
    }
}

fn outcome(text: String, then: &crate::task::Task) -> String {
    if then.owned.is_empty() { format!("{text} EXEC returns nil: the fence moved.") } else { text }
}

fn outbox_step(action: Move, before: &Shards) -> String {
    let who = |at: usize| format!("Relay {}", at + 1);
    match action {
        Move::Commit => format!("A commit of the sender appends entry {}.", before.last + 1),
        Move::Read(at, count) => {
            let to = before.last.min(before.first + count - 1);
            let read: Vec<u8> = (before.first..=to).collect();
            format!("{} reads {} from the outbox.", who(at), list(&read))
        }
        Move::Forward(at) => match before.relays[at] {
            Relay::Read(from, to) => {
                let sent: Vec<u8> = (from..=to).collect();
                format!("{} forwards {}; the receiver answers.", who(at), list(&sent))
            }
            _ => String::new(),
        },
        Move::Trim(at) => format!("{} trims the outbox.", who(at)),
        Move::Cut(at) => {
            let sent = matches!(before.relays[at], Relay::Read(..));
            let sent = if sent { ", with its forward in flight" } else { "" };
            format!("{} dies or loses its connection{sent}.", who(at))
        }
        Move::Arrive(_) => "The forward that was in flight arrives.".to_owned(),
    }
}
