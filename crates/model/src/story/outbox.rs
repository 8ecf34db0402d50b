//! The words for a way through the outbox.

use super::{Story, ending, list};
use crate::outbox::{Move, Outbox, Relay, Shards};
use stateright::Path;

/// The story of a way through the outbox.
#[must_use]
pub fn of_outbox(model: &Outbox, path: Path<Shards, Move>) -> Story {
    let way = path.into_vec();
    let mut story = Story::default();
    for pair in way.windows(2) {
        if let [(before, Some(action)), (after, _)] = pair {
            let (who, does) = step(*action, before);
            let changed = held(before) != held(after);
            story.tell(who, does, changed.then(|| held(after)));
        }
    }
    let harm = way.last().and_then(|(shards, _)| model.harm(shards));
    story.end = harm.map_or_else(|| "A relay that is left alone never finishes.".into(), ending);
    story
}

fn held(shards: &Shards) -> String {
    let outbox: Vec<u8> = (shards.first..=shards.last).collect();
    let (outbox, received) = (list(&outbox), list(&shards.received));
    format!("outbox {outbox} | received {received} | mark {}", shards.mark)
}

fn step(action: Move, before: &Shards) -> (String, String) {
    let relay = |at: usize| format!("Relay {}", at + 1);
    match action {
        Move::Commit => {
            ("The sender".into(), format!("appends entry {} in a commit", before.last + 1))
        }
        Move::Read(at, count) => {
            let to = before.last.min(before.first + count - 1);
            let read: Vec<u8> = (before.first..=to).collect();
            (relay(at), format!("reads {} from the outbox", list(&read)))
        }
        Move::Forward(at) => {
            let sent: Vec<u8> = match before.relays[at] {
                Relay::Read(from, to) => (from..=to).collect(),
                Relay::Idle | Relay::Forwarded(_) => Vec::new(),
            };
            (relay(at), format!("forwards {} and hears that it arrived", list(&sent)))
        }
        Move::Trim(at) => (relay(at), "trims the outbox".into()),
        Move::Cut(at) => {
            let sent = matches!(before.relays[at], Relay::Read(..));
            let sent = if sent { ", with its forward in flight" } else { "" };
            (relay(at), format!("dies or loses its connection{sent}"))
        }
        Move::Arrive(_) => ("A forward".into(), "that was in flight arrives".into()),
    }
}
