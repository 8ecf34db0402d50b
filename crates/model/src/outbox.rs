//! The outbox between two shards as a model: the sender's commits append to it, relays forward it
//! in order, the receiver takes what is newer than its mark. How a commit itself is exactly once
//! is the other model's affair: here it is one step.

use crate::{harm::Harm, safeguard::Safeguard};
use stateright::{Model, Property};

/// The outbox within bounds, whole or without one of its safeguards.
#[derive(Clone, Debug)]
pub struct Outbox {
    /// How many entries the sender's commits append.
    pub entries: u8,
    /// How many relays there are: of several workers, each of which may think it is the one.
    pub relays: usize,
    /// The most entries of one forward.
    pub count: u8,
    /// How often a relay may die or lose its connection, with a forward in flight.
    pub cuts: u8,
    /// What is left out.
    pub without: Option<Safeguard>,
}

/// Both shards at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shards {
    /// The lowest entry that the outbox still holds.
    pub first: u8,
    /// The last entry that a commit of the sender appended.
    pub last: u8,
    /// What the receiving shard has in its stream.
    pub received: Vec<u8>,
    /// The last entry that it took.
    pub mark: u8,
    /// The relays.
    pub relays: Vec<Relay>,
    /// Forwards in flight on connections that their relays gave up: first and last entry.
    pub late: Vec<(u8, u8)>,
    /// How often a relay may still be cut.
    pub cuts: u8,
}

/// Where a relay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relay {
    /// It remembers nothing: it reads the outbox from its beginning.
    Idle,
    /// It read these entries, and forwards them next.
    Read(u8, u8),
    /// The receiver answered: everything up to this entry may be trimmed.
    Forwarded(u8),
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// A commit of the sender appends the next entry.
    Commit,
    /// A relay reads so many entries.
    Read(usize, u8),
    /// A relay forwards what it read, and gets the answer.
    Forward(usize),
    /// A relay trims what was forwarded.
    Trim(usize),
    /// A relay dies, or its connection breaks, with what it sent in flight.
    Cut(usize),
    /// A forward that was in flight arrives.
    Arrive(usize),
}

impl Outbox {
    fn has(&self, safeguard: Safeguard) -> bool {
        self.without != Some(safeguard)
    }

    /// The receiver's step, in one script: takes what is newer than its mark, and moves the mark.
    fn receive(&self, shards: &mut Shards, (from, to): (u8, u8)) {
        let marked = self.has(Safeguard::ReceiverMark);
        let from = if marked { from.max(shards.mark + 1) } else { from };
        shards.received.extend(from..=to);
        shards.mark = shards.mark.max(to);
    }

    fn act(&self, shards: &mut Shards, action: Move) {
        match action {
            Move::Commit => shards.last += 1,
            Move::Read(at, count) => {
                let to = shards.last.min(shards.first + count - 1);
                shards.relays[at] = Relay::Read(shards.first, to);
            }
            Move::Forward(at) => {
                if let Relay::Read(from, to) = shards.relays[at] {
                    self.receive(shards, (from, to));
                    shards.relays[at] = Relay::Forwarded(to);
                }
            }
            Move::Trim(at) => {
                if let Relay::Forwarded(to) = shards.relays[at] {
                    shards.first = shards.first.max(to + 1);
                    shards.relays[at] = Relay::Idle;
                }
            }
            Move::Cut(at) => {
                shards.cuts -= 1;
                if let Relay::Read(from, to) = shards.relays[at] {
                    shards.late.push((from, to));
                }
                shards.relays[at] = Relay::Idle;
            }
            Move::Arrive(at) => {
                let forward = shards.late.remove(at);
                self.receive(shards, forward);
            }
        }
    }

    /// The next step of a relay.
    fn relay_moves(&self, shards: &Shards, at: usize, moves: &mut Vec<Move>) {
        match shards.relays[at] {
            Relay::Idle => {
                let there = (shards.last + 1).saturating_sub(shards.first).min(self.count);
                moves.extend((1..=there).map(|count| Move::Read(at, count)));
            }
            Relay::Read(..) => moves.push(Move::Forward(at)),
            Relay::Forwarded(_) => moves.push(Move::Trim(at)),
        }
    }

    fn each_finishes_alone(&self, shards: &Shards) -> bool {
        (0..self.relays).all(|at| {
            let mut shards = shards.clone();
            let mut moves = Vec::new();
            loop {
                self.relay_moves(&shards, at, &mut moves);
                // Every round of read, forward and trim empties a part of the outbox.
                let Some(next) = moves.pop() else { return shards.mark == shards.last };
                self.act(&mut shards, next);
                moves.clear();
            }
        })
    }

    /// What is wrong with a state, if anything.
    #[must_use]
    pub fn harm(&self, shards: &Shards) -> Option<Harm> {
        let lost = |entry: &u8| !shards.received.contains(entry);
        Harm::of_order(0, &shards.received).or_else(|| {
            (1..shards.first).find(lost).map(|entry| Harm::Lost { partition: 0, entry })
        })
    }
}

impl Model for Outbox {
    type State = Shards;
    type Action = Move;

    fn init_states(&self) -> Vec<Shards> {
        vec![Shards {
            first: 1,
            last: 0,
            received: Vec::new(),
            mark: 0,
            relays: vec![Relay::Idle; self.relays],
            late: Vec::new(),
            cuts: self.cuts,
        }]
    }

    fn actions(&self, shards: &Shards, moves: &mut Vec<Move>) {
        if shards.last < self.entries {
            moves.push(Move::Commit);
        }
        for at in 0..self.relays {
            self.relay_moves(shards, at, moves);
            if shards.cuts > 0 && shards.relays[at] != Relay::Idle {
                moves.push(Move::Cut(at));
            }
        }
        moves.extend((0..shards.late.len()).map(Move::Arrive));
    }

    fn next_state(&self, shards: &Shards, action: Move) -> Option<Shards> {
        let mut next = shards.clone();
        self.act(&mut next, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties =
            vec![Property::always("exactly once, in order", |model: &Self, shards: &Shards| {
                model.harm(shards).is_none()
            })];
        if self.without.is_none() {
            let progress = Property::always("a relay alone finishes", Self::each_finishes_alone);
            properties.push(progress);
        }
        properties
    }
}
