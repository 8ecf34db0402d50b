//! One side of the comparison: a store, its sessions, and the ids of its entries by their order.

mod stored;

use crate::operation::{Answer, Commit, NODES, Next, Operation, Place, WORKERS};
use rand::RngExt;
use redis::Pipeline;
use smol_str::SmolStr;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tallyd_bolt::{Address, Cell};
use tallyd_event::EntryId;
use tallyd_runtime::{
    Session, Store, StoreError,
    store::{
        self, Announcement, Beat, Counts, Cursor, DeadLetter, Entry, Frame, Outcome, Owned, Part,
        Rejected, Survey, View, Wait,
    },
};
use tallyd_simulation::store::{Server, SimulatedStore, fence_numbers};
use tallyd_store::{Connection, RedisStore, keys::Keys};
use tallyd_topology::Topology;

/// Streams are compared up to the inputs of this node: the first that reads what the second of
/// the nodes writes.
const STREAMS_OF: usize = NODES + 1;
/// A time that is not reached.
const FAR_MS: i64 = 4_102_444_800_000;

/// What only one side has.
pub enum Backend {
    Redis(Connection),
    Simulated(Arc<Server>),
}

/// A side.
pub struct Side<S: Store> {
    store: S,
    backend: Backend,
    topology: Arc<Topology>,
    keys: Keys,
    sessions: Vec<S::Session>,
    /// By node and partition: the ids of all entries that its input had, in order.
    ids: Vec<Vec<Vec<EntryId>>>,
}

impl Side<RedisStore> {
    pub async fn redis(topology: Arc<Topology>, url: &str, seed: u64) -> Self {
        let mut connection = Connection::open(url).await.unwrap();
        let mut flush = Pipeline::new();
        flush.cmd("FLUSHALL");
        connection.all(&flush).await.unwrap();
        // The same fences as the simulated side.
        let numbers = Mutex::new(fence_numbers(seed));
        let random = Arc::new(move || Ok(numbers.lock().unwrap().random()));
        let store = RedisStore::new(Arc::clone(&topology), url).drawing(random);
        Self::new(store, Backend::Redis(connection), topology).await
    }
}

impl Side<SimulatedStore> {
    pub async fn simulated(topology: Arc<Topology>, world: Arc<Server>) -> Self {
        let store = SimulatedStore::new(&world, &topology, &"both".into());
        Self::new(store, Backend::Simulated(world), topology).await
    }
}

impl<S: Store> Side<S> {
    async fn new(store: S, backend: Backend, topology: Arc<Topology>) -> Self {
        store.register().await.unwrap();
        let mut sessions = Vec::new();
        for worker in WORKERS {
            for node in 0..NODES {
                sessions.push(store.open(node, &worker.into()).await.unwrap());
            }
        }
        let nodes = topology.nodes.iter().take(STREAMS_OF);
        let ids = nodes.map(|node| vec![Vec::new(); usize::from(node.partitions)]).collect();
        let keys = Keys::new(&topology.name, 0);
        Self { store, backend, topology, keys, sessions, ids }
    }

    pub async fn apply(&mut self, operation: &Operation) -> Answer {
        let answer = self.answer(operation).await;
        answer.unwrap_or_else(|error| Answer::Failed(error.kind.label().to_owned()))
    }

    async fn answer(&mut self, operation: &Operation) -> Result<Answer, StoreError> {
        match operation {
            Operation::Add => self.add().await,
            Operation::DestroyGroup(node, partition) => {
                self.move_group(*node, *partition, None).await;
            }
            Operation::MoveGroup(node, partition, place) => {
                let id = self.id(*node, *partition, *place);
                self.move_group(*node, *partition, Some(id)).await;
            }
            Operation::Open(session) => {
                let worker = WORKERS[session / NODES];
                self.sessions[*session] = self.store.open(session % NODES, &worker.into()).await?;
            }
            Operation::Begin(session, owned) => {
                let cursors = self.sessions[*session].begin(owned).await?.cursors;
                let place = |(p, cursors): (u16, Vec<Cursor>)| {
                    let of_nodes = cursors.into_iter();
                    let place = |c: Cursor| (self.place(session % NODES, p, c.last), c.counts);
                    (p, of_nodes.map(place).collect())
                };
                return Ok(Answer::Cursors(cursors.into_iter().map(place).collect()));
            }
            Operation::Commit(session, owned, commit) => {
                return self.commit(*session, owned, commit).await;
            }
            Operation::Fetch(session, addresses, spans) => {
                let node = session % NODES;
                let id = |p, place| self.id(node, p, place);
                let spans = spans.iter().map(|(p, a, b)| (*p, id(*p, *a), id(*p, *b)));
                // Redis refuses an end before the first id; no task asks for it.
                let spans: Vec<_> = spans.filter(|(.., b)| *b > EntryId::ZERO).collect();
                let nodes = self.topology.fused(node);
                let asked = nodes.into_iter().map(|node| (node, addresses.clone())).collect();
                let fetched = self.sessions[*session].fetch(asked, &spans).await?;
                return Ok(Answer::Cells(sorted(fetched.cells), fetched.skipped));
            }
            Operation::Forget(session, owned, partition) => {
                self.sessions[*session].forget_consumers(owned, *partition).await?;
            }
            Operation::Halt(session, owned) => {
                self.sessions[*session].halt(owned, "a test").await?;
            }
            Operation::Release(session, owned) => self.sessions[*session].release(owned).await?,
            Operation::Rewind(session, owned, places) => {
                let cursors = self.ids_of(session % NODES, places);
                self.sessions[*session].rewind(owned, &cursors).await?;
            }
            Operation::Take(session, seen) => {
                return Ok(Answer::Took(self.sessions[*session].take(seen).await?));
            }
            Operation::Heartbeat(worker) => {
                let peers = WORKERS.map(SmolStr::from).to_vec();
                let announcement = self.announcement(*worker);
                let beat = Beat { announcement, peers, forget: Vec::new() };
                return Ok(view(self.store.heartbeat(&beat).await?));
            }
            Operation::Leave(worker) => self.store.leave(&WORKERS[*worker].into()).await?,
            Operation::Tend(owned) => return Ok(survey(self.store.tend(owned).await?)),
        }
        Ok(Answer::Done)
    }

    async fn commit(
        &mut self,
        session: usize,
        owned: &Owned,
        commit: &Commit,
    ) -> Result<Answer, StoreError> {
        let node = session % NODES;
        let commit = self.translate(node, commit);
        let outcome = self.sessions[session].commit(owned, &commit).await?;
        self.look().await;
        Ok(match outcome {
            Outcome::Fenced { kept } => Answer::Fenced(kept),
            Outcome::Done(mut read) => {
                read.woken.sort_unstable();
                let entry = |(p, entry): (u16, Entry)| {
                    (p, self.place(node, p, entry.id), format!("{:?}", entry.fields))
                };
                Answer::Read {
                    entries: read.entries.into_iter().map(entry).collect(),
                    from: read.pending_from.map(|id| match commit.next {
                        store::Next::Pending { partition, .. } => self.place(node, partition, id),
                        _ => 0,
                    }),
                    woken: read
                        .woken
                        .iter()
                        .map(|(p, id)| (*p, self.place(node, *p, *id)))
                        .collect(),
                    missing: read.group_missing,
                    kept: read.kept,
                }
            }
        })
    }

    fn translate(&self, node: usize, commit: &Commit) -> store::Commit {
        let next = match &commit.next {
            Next::Nothing => store::Next::Nothing,
            Next::New { partitions, count } => {
                store::Next::New { partitions: partitions.clone(), count: *count }
            }
            Next::Pending { partition, from, count } => store::Next::Pending {
                partition: *partition,
                from: self.id(node, *partition, *from),
                count: *count,
            },
        };
        let frame = |(partition, bytes): &(u16, Vec<u8>)| Frame {
            edge: 0,
            partition: *partition,
            bytes: bytes.clone(),
        };
        let ack = |(p, places): &(u16, Vec<Place>)| {
            (*p, places.iter().map(|place| self.id(node, *p, *place)).collect())
        };
        let letter = DeadLetter {
            kind: Rejected::Bolt,
            reason: "a test".to_owned(),
            entry: EntryId::ZERO,
            arrived: 0,
            fields: vec![(b"n".to_vec(), b"v".to_vec())],
            cut: None,
        };
        let wait = commit.wait.as_ref().map(|places| Wait {
            after: self.ids_of(node, places),
            at_most: Duration::from_millis(1),
        });
        let cursor = |(p, place, counts): &(u16, Place, Counts)| {
            (*p, Cursor { last: self.id(node, *p, *place), counts: *counts, ..Cursor::default() })
        };
        let cursors: Vec<(u16, Cursor)> = commit.cursors.iter().map(cursor).collect();
        let expiries = commit.expiries.iter().map(|k| (k.clone(), FAR_MS)).collect();
        let part = |node| Part { node, cursors: cursors.clone(), ..Part::default() };
        let mut parts: Vec<Part> = self.topology.fused(node).into_iter().map(part).collect();
        // Some of it is of the node that reads, the rest of those that are fused with it.
        for (number, write) in commit.writes.iter().enumerate() {
            let place = number % parts.len();
            parts[place].writes.push(write.clone());
        }
        parts[0].frames = commit.frames.iter().map(frame).collect();
        let last = parts.len() - 1;
        parts[last].expiries = expiries;
        parts[last].dead = vec![letter; commit.dead];
        store::Commit { wait, parts, acks: commit.acks.iter().map(ack).collect(), next }
    }

    fn announcement(&self, worker: usize) -> Announcement {
        let nodes = self.topology.nodes.iter().take(NODES);
        Announcement {
            id: WORKERS[worker].into(),
            nodes: nodes.map(|node| (node.name.clone(), node.partitions)).collect(),
            host: "here".to_owned(),
            pid: 1,
            ..Announcement::default()
        }
    }

    fn id(&self, node: usize, partition: u16, place: Place) -> EntryId {
        let ids = &self.ids[node][usize::from(partition)];
        match place.min(ids.len()) {
            0 => EntryId::ZERO,
            place => ids[place - 1],
        }
    }

    fn ids_of(&self, node: usize, places: &[(u16, Place)]) -> Vec<(u16, EntryId)> {
        places.iter().map(|(p, place)| (*p, self.id(node, *p, *place))).collect()
    }

    fn place(&self, node: usize, partition: u16, id: EntryId) -> Place {
        let ids = &self.ids[node][usize::from(partition)];
        match ids.binary_search(&id) {
            Ok(place) => place + 1,
            Err(_) if id == EntryId::ZERO => 0,
            Err(_) => panic!("{id} is no entry of {node}:{partition}: {ids:?}"),
        }
    }

    async fn add(&mut self) {
        match &mut self.backend {
            Backend::Redis(connection) => {
                let stream = self.keys.input(&self.topology, &self.topology.nodes[0], 0).unwrap();
                let mut add = Pipeline::new();
                add.cmd("XADD").arg(stream).arg("*").arg("n").arg("v");
                connection.all(&add).await.unwrap();
            }
            Backend::Simulated(world) => {
                let stream = self.keys.input(&self.topology, &self.topology.nodes[0], 0).unwrap();
                world.with(|world| world.add(&stream, vec![(b"n".to_vec(), b"v".to_vec())]));
            }
        }
        self.look().await;
    }

    /// Moves a group, or destroys it.
    async fn move_group(&mut self, node: usize, partition: u16, to: Option<EntryId>) {
        match &mut self.backend {
            Backend::Redis(connection) => {
                let of_node = &self.topology.nodes[node];
                let stream = self.keys.input(&self.topology, of_node, partition).unwrap();
                let mut all = Pipeline::new();
                let command = all.cmd("XGROUP");
                match to {
                    Some(id) => command
                        .arg("SETID")
                        .arg(stream)
                        .arg(self.keys.group(&self.topology, of_node))
                        .arg(id.to_string()),
                    None => command
                        .arg("DESTROY")
                        .arg(stream)
                        .arg(self.keys.group(&self.topology, of_node)),
                };
                // There may be no such stream or group.
                connection.send(&all).await.unwrap();
            }
            Backend::Simulated(world) => world.with(|world| {
                let input = world.input((node, partition)).unwrap();
                let group = self.keys.group(&self.topology, &self.topology.nodes[node]);
                match to {
                    Some(id) => {
                        if let Some(group) = world.group((node, partition)) {
                            group.delivered = id;
                        }
                    }
                    None => {
                        if let Some(stream) = world.streams.get_mut(&input) {
                            stream.groups.remove(&group);
                        }
                    }
                }
            }),
        }
    }
}

fn sorted(cells: Vec<(usize, Address, Cell)>) -> Vec<(usize, Address, String)> {
    let text = |cell: Cell| match cell {
        Cell::Log(log) => {
            let mut all: Vec<u128> = log.into_iter().collect();
            all.sort_unstable();
            format!("{all:?}")
        }
        Cell::Names(names) => {
            let mut all: Vec<_> = names.into_iter().collect();
            all.sort_unstable();
            format!("{all:?}")
        }
        cell => format!("{cell:?}"),
    };
    let cell = |(node, address, cell)| (node, address, text(cell));
    let mut cells: Vec<(usize, Address, String)> = cells.into_iter().map(cell).collect();
    cells.sort();
    cells
}

fn view(view: View) -> Answer {
    let mut workers: Vec<String> = view.workers.iter().map(|(w, _)| w.id.to_string()).collect();
    workers.sort();
    let fences = view.fences.into_iter().map(|(name, fences)| (name.to_string(), fences));
    Answer::View { workers, fences: fences.collect() }
}

fn survey(survey: Survey) -> Answer {
    let waits = |(node, p, lag): (usize, u16, store::Lag)| (node, p, lag.oldest.is_some());
    Answer::Survey {
        backlogs: survey.backlogs,
        waiting: survey.lags.into_iter().map(waits).collect(),
        dead: survey.dead_letters,
    }
}
