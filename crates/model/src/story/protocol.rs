//! The words for a way through the protocol.

use super::{Story, ending, list};
use crate::{
    protocol::{Action, NAMES, Protocol, World},
    redis::{Commit, Fence, Next, Partition, Read, Redis, Transaction},
    task::{Cycle, Step, Task},
};
use stateright::Path;

/// The story of a way through the protocol.
#[must_use]
pub fn of_protocol(model: &Protocol, path: Path<World, Action>) -> Story {
    let way = path.into_vec();
    let mut story = Story::default();
    for pair in way.windows(2) {
        if let [(before, Some(action)), (after, _)] = pair {
            let Some((who, does)) = step(action, before, after) else { continue };
            let changed = held(&before.redis) != held(&after.redis);
            story.tell(who, does, changed.then(|| held(&after.redis)));
        }
    }
    let harm = way.last().and_then(|(world, _)| model.harm(world));
    let stuck = "A worker that is left alone from here on never finishes.";
    story.end = harm.map_or_else(|| stuck.to_owned(), ending);
    story
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

fn fences(fences: &[(usize, Fence)]) -> String {
    let each: Vec<String> = fences.iter().map(|&(_, f)| fence(f)).collect();
    each.join(", ")
}

/// What Redis holds: a line for each partition.
fn held(redis: &Redis) -> String {
    let many = redis.partitions.len() > 1;
    let line = |(place, partition): (usize, &Partition)| {
        let stream = redis.stream_of(place);
        let entries: Vec<u8> = (stream.first..=stream.last).collect();
        let which = if many { format!("{place}: ") } else { String::new() };
        let Partition { cursor, .. } = partition;
        let (entries, fence) = (list(&entries), fence(partition.fence));
        let (added, written) = (list(&partition.added), list(&partition.written));
        let group = group(partition);
        format!(
            "{which}stream {entries} | fence {fence} | {group} | cursor {cursor} | added {added} | written {written}"
        )
    };
    redis.partitions.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn group(partition: &Partition) -> String {
    let Some(group) = &partition.group else { return "no group".to_owned() };
    let pending = group.pending.iter().map(|(entry, worker)| format!("{entry}→{}", name(*worker)));
    let pending: Vec<String> = pending.collect();
    let pending = if pending.is_empty() { "-".to_owned() } else { pending.join(" ") };
    format!("group at {}, pending {pending}", group.delivered)
}

fn step(action: &Action, before: &World, after: &World) -> Option<(String, String)> {
    let who = |at: usize| format!("Worker {}", name(before.tasks[at].worker));
    let somebody = |does: String| ("Somebody".to_owned(), does);
    let told = match action {
        Action::Run(at, cycle) => (who(*at), run(*at, *cycle, before, after)?),
        Action::Want(at, places) => {
            let seen: Vec<(usize, Fence)> =
                places.iter().map(|&p| (p, before.redis.partitions[p].fence)).collect();
            (who(*at), format!("looks at the fence, {}", fences(&seen)))
        }
        Action::GiveBack(at, place) => (who(*at), format!("is to give partition {place} back")),
        Action::Cut(at, cycle) => (
            format!("The connection of worker {}", name(before.tasks[*at].worker)),
            format!("breaks{}", in_flight(*cycle, before, after)),
        ),
        Action::Crash(at, cycle) => (who(*at), format!("dies{}", in_flight(*cycle, before, after))),
        Action::Restart(at) => {
            (who(*at), format!("starts again, as {}", name(after.tasks[*at].worker)))
        }
        Action::Arrive(at) => {
            let late = &before.late[*at];
            let what = transaction(&late.transaction);
            let who = format!("What worker {} had sent", name(late.worker));
            (who, format!("on its old connection arrives only now: {what}"))
        }
        Action::Destroy(place) => somebody(format!("destroys the group of partition {place}")),
        Action::Rewind(place) => somebody(format!("moves the group of partition {place} to 0")),
        Action::Skip(place) => somebody(format!("moves the group of partition {place} to the end")),
        Action::Add(stream) => {
            let entry = after.redis.streams[*stream].last;
            ("A producer".to_owned(), format!("adds entry {entry}"))
        }
        Action::Trim(stream) => {
            let first = after.redis.streams[*stream].first;
            ("Upkeep".to_owned(), format!("trims the stream: entries from {first} on stay"))
        }
    };
    Some(told)
}

fn in_flight(cycle: Option<Cycle>, before: &World, after: &World) -> String {
    match after.late.last().filter(|_| after.late.len() > before.late.len()) {
        Some(late) => format!(" with this in flight: {}", transaction(&late.transaction)),
        None if cycle.is_some() => " with a commit in flight whose fence has moved".to_owned(),
        None => String::new(),
    }
}

/// What is between MULTI and EXEC.
fn transaction(transaction: &Transaction) -> String {
    match transaction {
        Transaction::SetFences(set) => format!("SET fence {}", fences(set)),
        Transaction::MakeGroups(cursors) | Transaction::MoveGroups(cursors) => {
            let at: Vec<u8> = cursors.iter().map(|(_, cursor)| *cursor).collect();
            let make = matches!(transaction, Transaction::MakeGroups(_));
            let command = if make { "XGROUP CREATE" } else { "XGROUP SETID" };
            format!("{command} at {}", list(&at))
        }
        Transaction::DeleteConsumers(_, names) => {
            let names: Vec<String> = names.iter().map(|&worker| name(worker)).collect();
            format!("XGROUP DELCONSUMER {}", names.join(" "))
        }
        Transaction::Commit(commit) => commands(commit),
    }
}

fn commands(commit: &Commit) -> String {
    let acks: Vec<u8> = commit.acks.iter().map(|(_, entry)| *entry).collect();
    let added: Vec<u8> = commit.changes.iter().flat_map(|change| change.add.clone()).collect();
    let mut commands = Vec::new();
    if !added.is_empty() {
        commands.push(format!("effects of {}", list(&added)));
    }
    if !acks.is_empty() {
        commands.push(format!("XACK {}", list(&acks)));
    }
    commands.extend(next(&commit.next));
    commands.join(", ")
}

fn next(next: &Next) -> Option<String> {
    match next {
        Next::Nothing => None,
        Next::New { .. } => Some("XREADGROUP >".to_owned()),
        Next::Pending { from, .. } => Some(format!("XAUTOCLAIM from {from}")),
    }
}

/// What a task's next step is, and what came of it; `None` where it is not worth a word.
fn run(at: usize, cycle: Option<Cycle>, before: &World, after: &World) -> Option<String> {
    let (task, then) = (&before.tasks[at], &after.tasks[at]);
    let lost = then.owned.len() < task.owned.len();
    let lost = if lost { " and finds that it is another's" } else { "" };
    let refused = task.watch != before.redis.watch(task.watch.keys().copied());
    let refused = if refused { " (EXEC gives nil if it is fenced)" } else { "" };
    let says = match &task.step {
        Step::Ready if cycle.is_some() => committed(then),
        Step::Ready => {
            let cached: Vec<String> = then.cache.values().map(|state| words(state)).collect();
            let found = if matches!(then.step, Step::MoveLook(_)) { "some" } else { "none" };
            let looked = task.unchecked.first().map(|(_, after, before)| {
                format!(" and looks for entries between {after} and {before}, and finds {found}")
            });
            format!("caches the state, {}{}", cached.join("; "), looked.unwrap_or_default())
        }
        Step::Cut => "connects again and looks at its fence".to_owned(),
        Step::Take { fences: set, .. } => {
            format!("takes over: SET fence {}{refused}", fences(set))
        }
        Step::BeginGroups => {
            let made = before.redis != after.redis;
            let at = |&place: &usize| after.redis.partitions[place].group.as_ref();
            let at = then.owned.keys().filter_map(at).map(|group| group.delivered);
            return made.then(|| format!("makes the group at {}", list(&at.collect::<Vec<_>>())));
        }
        Step::BeginWatch | Step::BeginAgain | Step::Committed { .. } => {
            format!("watches its fence{lost}")
        }
        Step::BeginCursors => {
            let cursors: Vec<u8> = then.cursors.values().copied().collect();
            format!("reads cursor {}", list(&cursors))
        }
        Step::PlainRead(read) => {
            let added = then.queue.get(task.queue.len()..).unwrap_or_default();
            let got: Vec<u8> = added.iter().map(|(_, entry)| *entry).collect();
            let read = next(read).unwrap_or_default();
            format!("sends {read} outside of any transaction and gets {}", words(&got))
        }
        Step::ForgetLook(_) => match &then.step {
            Step::Forget(_, names) => {
                let names: Vec<String> = names.iter().map(|&worker| name(worker)).collect();
                format!("finds that consumer {} has nothing pending", names.join(", "))
            }
            _ => return None,
        },
        Step::MoveLook(_) => "sees that the group skips entries".to_owned(),
        _ => {
            let sent = task.transaction(None, true)?;
            format!("sends {}{refused}", transaction(&sent))
        }
    };
    Some(says)
}

/// A cycle of a task, by what it knows after.
fn committed(then: &Task) -> String {
    let Step::Committed { outcome: Some((commit, read)), .. } = &then.step else {
        return "commits; EXEC gives nil, because the fence was written".to_owned();
    };
    let Read { entries, group_missing, .. } = read;
    let got: Vec<u8> = entries.iter().map(|(_, entry)| *entry).collect();
    let got = match (&commit.next, group_missing) {
        (Next::Nothing, _) => String::new(),
        (_, true) => ", which gives NOGROUP".to_owned(),
        _ => format!(", which gives {}", words(&got)),
    };
    let verb = if commit.acks.is_empty() { "sends" } else { "commits" };
    format!("{verb} {}{got}", commands(commit))
}

/// The entries of a list in a sentence.
fn words(entries: &[u8]) -> String {
    if entries.is_empty() { "nothing".to_owned() } else { list(entries) }
}
