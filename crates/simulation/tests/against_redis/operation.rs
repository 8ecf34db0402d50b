//! Random operations of tasks and workers. Entries are named by their place in their stream, so
//! that one operation means the same on both sides.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use tallyd_bolt::{Address, Key, Kind, Write};
use tallyd_runtime::store::{Counts, Fence, Owned, Owner};
use tallyd_topology::Topology;

/// The workers; each has a session for each of the first nodes.
pub const WORKERS: [&str; 2] = ["a", "b"];
/// Source and dedup bolt: one with a producers' stream, one with frames in and out.
pub const NODES: usize = 2;

/// The place of an entry in its stream, from 1 on; 0 is before all.
pub type Place = usize;

/// A session, by its place.
pub type SessionId = usize;

/// What a commit reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    Nothing,
    New { partitions: Vec<u16>, count: usize },
    Pending { partition: u16, from: Place, count: usize },
}

/// A commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    pub writes: Vec<Write>,
    pub expiries: Vec<Key>,
    pub frames: Vec<(u16, Vec<u8>)>,
    pub dead: usize,
    pub acks: Vec<(u16, Vec<Place>)>,
    pub cursors: Vec<(u16, Place, Counts)>,
    pub next: Next,
    /// After which entries it waits.
    pub wait: Option<Vec<(u16, Place)>>,
}

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    Add,
    Begin(SessionId, Owned),
    Commit(SessionId, Owned, Commit),
    DestroyGroup(usize, u16),
    Fetch(SessionId, Vec<Address>, Vec<(u16, Place, Place)>),
    Forget(SessionId, Owned, u16),
    Halt(SessionId, Owned),
    Heartbeat(usize),
    Leave(usize),
    MoveGroup(usize, u16, Place),
    Open(SessionId),
    Release(SessionId, Owned),
    Rewind(SessionId, Owned, Vec<(u16, Place)>),
    Take(SessionId, Owned),
    Tend(Vec<(usize, Vec<u16>)>),
}

/// An answer, in terms of places.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Cells(Vec<(usize, Address, String)>, Vec<u16>),
    Cursors(Vec<(u16, Vec<(Place, Counts)>)>),
    Done,
    Failed(String),
    Fenced(Vec<u16>),
    Read {
        entries: Vec<(u16, Place, String)>,
        woken: Vec<(u16, Place)>,
        from: Option<Place>,
        missing: bool,
        kept: Vec<u16>,
    },
    Survey {
        backlogs: Vec<(usize, u64)>,
        waiting: Vec<(usize, u16, bool)>,
        dead: u64,
    },
    Took(Owned),
    View {
        workers: Vec<String>,
        fences: Vec<(String, Vec<Fence>)>,
    },
}

/// What the operations so far have led to, as far as it helps to draw sensible ones.
pub struct State {
    partitions: Vec<u16>,
    owned: Vec<Owned>,
    /// Which sessions have begun since they did something else: as a task, a session begins before
    /// it commits.
    begun: Vec<bool>,
    /// What each session has read and not acknowledged.
    read: Vec<Vec<(u16, Place)>>,
    /// The latest fence known of each partition.
    fences: BTreeMap<(usize, u16), Fence>,
    /// How many entries the inputs have had, at least.
    entries: usize,
}

impl State {
    pub fn new(topology: &Topology) -> Self {
        let sessions = WORKERS.len() * NODES;
        Self {
            partitions: topology.nodes.iter().take(NODES).map(|node| node.partitions).collect(),
            owned: vec![Owned::new(); sessions],
            begun: vec![false; sessions],
            read: vec![Vec::new(); sessions],
            fences: BTreeMap::new(),
            entries: 0,
        }
    }

    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Operation {
        let session = rng.random_range(0..self.owned.len());
        let node = session % NODES;
        let partition = rng.random_range(0..self.partitions[node]);
        let owned = self.owned[session].clone();
        let some = self.some_places(rng, &owned);
        match rng.random_range(0..100) {
            0..15 => Operation::Add,
            15..17 => Operation::Open(session),
            17..27 => Operation::Take(session, self.seen(rng, node)),
            27..79 if owned.is_empty() => Operation::Take(session, self.seen(rng, node)),
            _ if owned.is_empty() => Operation::Heartbeat(session / NODES),
            27..74 if !self.begun[session] => Operation::Begin(session, owned),
            27..37 => Operation::Begin(session, owned),
            37..74 => {
                let mut commit = self.commit(rng, session, &owned);
                commit.wait = rng.random_bool(0.1).then_some(some);
                Operation::Commit(session, owned, commit)
            }
            74..78 => {
                let span = |(p, place)| (p, place, rng.random_range(0..=self.entries));
                Operation::Fetch(session, addresses(), some.into_iter().map(span).collect())
            }
            78..79 => Operation::Rewind(session, owned, some),
            79..84 => Operation::Forget(session, owned, partition),
            84..86 => Operation::Release(session, owned),
            86..87 => Operation::Halt(session, owned),
            87..90 => Operation::Heartbeat(session / NODES),
            90..91 => Operation::Leave(session / NODES),
            91..95 => Operation::Tend(vec![(node, owned.keys().copied().collect())]),
            95..98 => Operation::DestroyGroup(node, partition),
            _ => Operation::MoveGroup(node, partition, rng.random_range(0..=self.entries)),
        }
    }

    /// The fences of some partitions: as last known, or out of date.
    fn seen(&self, rng: &mut ChaCha8Rng, node: usize) -> Owned {
        let mut seen = Owned::new();
        let sure = rng.random_range(0..self.partitions[node]);
        for partition in 0..self.partitions[node] {
            if partition == sure || rng.random_bool(0.7) {
                let mut fence = self.fences.get(&(node, partition)).cloned().unwrap_or_default();
                if rng.random_bool(0.1) {
                    fence.epoch = fence.epoch.saturating_sub(1);
                }
                seen.insert(partition, fence);
            }
        }
        seen
    }

    fn some_places(&self, rng: &mut ChaCha8Rng, owned: &Owned) -> Vec<(u16, Place)> {
        owned.keys().map(|&p| (p, rng.random_range(0..=self.entries))).collect()
    }

    fn commit(&self, rng: &mut ChaCha8Rng, session: SessionId, owned: &Owned) -> Commit {
        let mut acks: BTreeMap<u16, Vec<Place>> = BTreeMap::new();
        for (partition, place) in &self.read[session] {
            if owned.contains_key(partition) && rng.random_bool(0.7) {
                acks.entry(*partition).or_default().push(*place);
            }
        }
        let counts = Counts { events: rng.random_range(0..9), ..Counts::default() };
        let cursor = |(p, places): (&u16, &Vec<Place>)| Some((*p, *places.iter().max()?, counts));
        let cursors = acks.iter().filter_map(cursor).collect();
        let partitions: Vec<u16> = owned.keys().copied().collect();
        let count = rng.random_range(1..3);
        let partition = partitions[rng.random_range(0..partitions.len())];
        let next = match rng.random_range(0..6) {
            0 => Next::Nothing,
            1..3 => Next::New { partitions, count },
            _ => {
                let from =
                    if rng.random_bool(0.6) { 0 } else { rng.random_range(0..=self.entries) };
                Next::Pending { partition, from, count }
            }
        };
        // A bolt writes an address once, and nothing into a key that it deletes in the same commit.
        let mut written = BTreeSet::new();
        let writes = (0..rng.random_range(0..5)).map(|_| write(rng));
        let writes: Vec<Write> = writes.filter(|write| written.insert(place(write))).collect();
        let dropped = |key: &Key| writes.contains(&Write::Drop { key: key.clone() });
        let keeps =
            |write: &&Write| matches!(write, Write::Drop { .. }) || !dropped(&place(write).0);
        let writes = writes.iter().filter(keeps).cloned().collect();
        // A time that is not reached: the simulated server lets nothing go.
        let expiries = (0..rng.random_range(0..2)).map(|_| key(rng.random_range(0..6)));
        let expiries = expiries.collect();
        let frame = |rng: &mut ChaCha8Rng| (rng.random_range(0..2), vec![rng.random_range(0..9)]);
        let frames = (0..rng.random_range(0..3)).map(|_| frame(rng)).collect();
        let dead = rng.random_range(0..2);
        let acks = acks.into_iter().collect();
        Commit { writes, expiries, frames, dead, acks, cursors, next, wait: None }
    }

    pub fn learn(&mut self, operation: &Operation, answer: &Answer) {
        self.note_begun(operation);
        match (operation, answer) {
            (Operation::Open(session), _) => {
                self.owned[*session].clear();
                self.read[*session].clear();
            }
            (Operation::Take(session, _), Answer::Took(taken)) => {
                for (partition, fence) in taken {
                    self.fences.insert((session % NODES, *partition), fence.clone());
                }
                self.owned[*session].extend(taken.clone());
            }
            (Operation::Begin(session, _), Answer::Cursors(cursors)) => {
                self.owned[*session].retain(|p, _| cursors.iter().any(|(kept, _)| kept == p));
            }
            (Operation::Commit(session, _, commit), Answer::Read { entries, kept, .. }) => {
                let acked = |(p, place): &(u16, Place)| {
                    commit.acks.iter().any(|(q, places)| p == q && places.contains(place))
                };
                self.read[*session].retain(|read| !acked(read));
                self.read[*session].extend(entries.iter().map(|(p, place, _)| (*p, *place)));
                self.owned[*session].retain(|p, _| kept.contains(p));
                self.entries += commit.frames.len();
            }
            (Operation::Commit(session, ..), Answer::Fenced(kept)) => {
                self.owned[*session].retain(|p, _| kept.contains(p));
            }
            (Operation::Release(session, owned), Answer::Done) => {
                self.freed(*session, owned, &Owner::Nobody);
            }
            (Operation::Halt(session, owned), Answer::Done) => {
                self.freed(*session, owned, &Owner::Halted);
            }
            (Operation::Add, _) => self.entries += 1,
            (_, Answer::View { fences, .. }) => {
                for (node, (_, of_node)) in fences.iter().enumerate() {
                    for (partition, fence) in (0..).zip(of_node) {
                        self.fences.insert((node, partition), fence.clone());
                    }
                }
            }
            _ => {}
        }
    }

    fn note_begun(&mut self, operation: &Operation) {
        match operation {
            Operation::Begin(session, _) => self.begun[*session] = true,
            Operation::Forget(session, ..)
            | Operation::Halt(session, _)
            | Operation::Open(session)
            | Operation::Release(session, _)
            | Operation::Rewind(session, ..)
            | Operation::Take(session, _) => self.begun[*session] = false,
            _ => {}
        }
    }

    fn freed(&mut self, session: SessionId, owned: &Owned, owner: &Owner) {
        for (partition, fence) in owned {
            let known = self.fences.entry((session % NODES, *partition)).or_default();
            if known == fence {
                known.owner = owner.clone();
            }
        }
        self.owned[session].clear();
    }
}

const COUNTERS: &[&str] = &["x", "y"];

/// Keys by the kind of their value, as bolts have them.
pub fn key(number: usize) -> Key {
    let kinds = ["counter", "field", "log", "score", "distinct", "member"];
    Key::new(&[kinds[number], "k"])
}

/// The addresses of everything that writes may write and a bolt can read.
pub fn addresses() -> Vec<Address> {
    let kinds = [
        (Kind::Counters(COUNTERS), 0),
        (Kind::Field, 1),
        (Kind::Log, 2),
        (Kind::Score, 3),
        (Kind::Names, 5),
        (Kind::Ranked(0, 2), 3),
        (Kind::Ranked(1, 2), 3),
    ];
    let address = |(kind, number): (Kind, usize)| {
        let names = match kind {
            Kind::Counters(_) | Kind::Log | Kind::Names | Kind::Ranked(..) => vec![""],
            Kind::Field | Kind::Score => vec!["x", "y", "never"],
        };
        names.into_iter().map(move |name| Address { kind, key: key(number), name: name.into() })
    };
    kinds.into_iter().flat_map(address).collect()
}

fn place(write: &Write) -> (Key, String) {
    match write {
        Write::Add { key, .. }
        | Write::Append { key, .. }
        | Write::Drop { key }
        | Write::DropLog { key }
        | Write::Distinct { key, .. }
        | Write::Member { key, .. }
        | Write::RemoveMember { key, .. } => (key.clone(), String::new()),
        Write::Field { key, name, .. } | Write::RemoveField { key, name } => {
            (key.clone(), name.to_string())
        }
        Write::Score { key, member, .. } | Write::RemoveScore { key, member } => {
            (key.clone(), member.to_string())
        }
    }
}

fn write(rng: &mut ChaCha8Rng) -> Write {
    let number = rng.random_range(0..6);
    let (key, name) = (key(number), ["x", "y"][rng.random_range(0..2)]);
    match number {
        0 => {
            let deltas = COUNTERS.iter().map(|_| rng.random_range(-5..9)).collect();
            Write::Add { key, names: COUNTERS, deltas }
        }
        5 if rng.random_ratio(1, 3) => Write::RemoveMember { key, members: vec![name.into()] },
        1 => match rng.random_range(0..255) {
            drop if drop < 20 => Write::Drop { key },
            remove if remove < 80 => Write::RemoveField { key, name: name.into() },
            value => Write::Field { key, name: name.into(), value: vec![value] },
        },
        2 => match rng.random::<u64>() {
            drop if drop % 4 == 0 => Write::DropLog { key },
            fingerprint => Write::Append { key, fingerprints: vec![u128::from(fingerprint) << 40] },
        },
        3 => match rng.random_range(-2.0..7.0) {
            remove if remove > 4.0 => Write::RemoveScore { key, member: name.into() },
            score => Write::Score { key, member: name.into(), score },
        },
        4 => Write::Distinct { key, items: vec![name.into()] },
        _ => Write::Member { key, members: vec![name.into()] },
    }
}
