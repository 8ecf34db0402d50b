//! The store: sessions for tasks, and a connection of its own for membership and upkeep.

use crate::{
    commands::Expiries,
    connection::Connection,
    doctor::{self, Danger},
    keys::Keys,
    membership::{self, Heart, RedisListener},
    named_streams, plan,
    random::{self, Random},
    registration, reply,
    session::{Names, RedisServer, RedisSession},
    tend,
};
use redis::{Pipeline, Value};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock, Mutex as Lock, PoisonError},
    time::Instant,
};
use tallyd_runtime::{
    Store, StoreError,
    store::{Beat, Survey, View},
};
use tallyd_topology::{Node, NodeKind, RedisAddress, Topology};
use tokio::sync::Mutex;

/// A topology's storage on one Redis.
#[derive(Clone)]
pub struct RedisStore {
    topology: Arc<Topology>,
    address: Arc<RedisAddress>,
    keys: Keys,
    allowed: BTreeSet<Danger>,
    control: Arc<Mutex<Option<Connection>>>,
    heart: Arc<Mutex<Option<Heart>>>,
    /// The seed that the registration gave.
    seed: Arc<Mutex<Option<[u8; 16]>>>,
    random: Random,
    /// The generation of plans in which this topology is in force, as it last heard.
    generation: Arc<Lock<Option<SmolStr>>>,
}

impl RedisStore {
    /// The storage of a topology on the Redis of this URL. Connects when it is first used.
    #[must_use]
    pub fn new(topology: Arc<Topology>, url: &str) -> Self {
        Self::at(topology, url.into())
    }

    /// The storage of a topology on the Redis of this address. Connects when it is first used.
    #[must_use]
    pub fn at(topology: Arc<Topology>, address: RedisAddress) -> Self {
        let keys = Keys::new(&topology.name, 0);
        let (address, allowed) = (Arc::new(address), BTreeSet::new());
        let random: Random = Arc::new(random::number);
        Self {
            topology,
            address,
            keys,
            allowed,
            control: Arc::default(),
            heart: Arc::default(),
            seed: Arc::default(),
            generation: Arc::default(),
            random,
        }
    }

    /// The same, on a server with these dangers: a worker then starts all the same.
    #[must_use]
    pub fn allowing(self, dangers: impl IntoIterator<Item = Danger>) -> Self {
        Self { allowed: dangers.into_iter().collect(), ..self }
    }

    /// The same, with these random numbers: for tests that compare what is stored.
    #[must_use]
    pub fn drawing(self, random: Random) -> Self {
        Self { random, ..self }
    }

    /// Sends commands of upkeep. Each may be repeated, so it reconnects where it has to.
    async fn control<T>(
        &self,
        run: impl AsyncFnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut place = self.control.lock().await;
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => Connection::open_at(&self.address).await?,
        };
        // Kept only after a success: a broken connection is opened again the next time.
        let outcome = run(&mut connection).await?;
        *place = Some(connection);
        Ok(outcome)
    }

    /// Sends what a heartbeat is made of, on a connection that serves nothing else. Whoever gives
    /// up waiting takes the connection with it.
    async fn heart<T>(
        &self,
        run: impl AsyncFnOnce(&mut Heart) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut place = self.heart.lock().await;
        let mut heart = match place.take() {
            Some(heart) => heart,
            None => Heart::open(&self.address).await?,
        };
        let outcome = run(&mut heart).await?;
        *place = Some(heart);
        Ok(outcome)
    }
}

impl Store for RedisStore {
    type Session = RedisSession;
    type Listener = RedisListener;

    async fn open(&self, place: usize, worker: &SmolStr) -> Result<RedisSession, StoreError> {
        let names = Names::new(&self.keys, &self.topology, place)?;
        let mut connection = Connection::open_at(&self.address).await?;
        let clock_offset = server_ms(&mut connection).await? - local_ms();
        let client = membership::client_id(&mut connection).await?;
        let expiries = self.topology.fused(place).into_iter().map(|p| (p, Expiries::default()));
        let is_source = |node: &Node| matches!(node.kind, NodeKind::Source(_));
        let tells_time = self.topology.nodes.get(place).is_some_and(is_source);
        let server = RedisServer {
            connection,
            client,
            names,
            topology: Arc::clone(&self.topology),
            keys: self.keys.clone(),
            worker: worker.clone(),
            expiries: expiries.collect(),
            clock_offset,
            random: Arc::clone(&self.random),
            tells_time,
            generation: Arc::clone(&self.generation),
        };
        Ok(RedisSession::new(server, worker.clone()))
    }

    async fn register(&self) -> Result<[u8; 16], StoreError> {
        let register = async |c: &mut Connection| {
            doctor::check_at_start(c, &self.address, &self.allowed).await?;
            named_streams::check(c, &self.topology).await?;
            registration::register(c, &self.topology, &self.keys, None).await
        };
        let seed = self.control(register).await?;
        *self.seed.lock().await = Some(seed);
        Ok(seed)
    }

    async fn listen(&self, worker: &SmolStr) -> Result<RedisListener, StoreError> {
        RedisListener::open(&self.address, &self.keys, worker).await
    }

    async fn heartbeat(&self, beat: &Beat) -> Result<View, StoreError> {
        let seed = *self.seed.lock().await;
        let beat = async |heart: &mut Heart| {
            let view = heart.beat(&self.topology, &self.keys, seed, beat).await?;
            if view.workers.iter().any(|(worker, _)| *worker == beat.announcement) {
                return Ok(view);
            }
            // Somebody has taken it out, or the server has lost it: it is announced again.
            heart.beat(&self.topology, &self.keys, seed, beat).await
        };
        let view = self.heart(beat).await?;
        let in_force = view.in_force(&self.topology.fingerprint());
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner) = in_force;
        Ok(view)
    }

    async fn switch(&self, seen: Option<&SmolStr>, worker: &SmolStr) -> Result<bool, StoreError> {
        let seen = seen.map(SmolStr::as_str);
        let switch = async |connection: &mut Connection| {
            let (keys, random) = (&self.keys, &self.random);
            let mut server = plan::RedisPlans { connection, keys, random };
            plan::switch(&mut server, &self.topology, seen, worker).await
        };
        self.control(switch).await
    }

    async fn look(&self, workers: &[SmolStr]) -> Result<BTreeMap<SmolStr, bool>, StoreError> {
        self.heart(async |heart| heart.look(&self.keys, workers).await).await
    }

    async fn nudge(&self) -> Result<(), StoreError> {
        self.heart(async |heart| heart.nudge(&self.keys).await).await
    }

    async fn wake(&self, connection: u64) -> Result<(), StoreError> {
        self.heart(async |heart| heart.wake(connection).await).await
    }

    async fn leave(&self, worker: &SmolStr) -> Result<(), StoreError> {
        let mut leave = Pipeline::new();
        leave.cmd("ZREM").arg(self.keys.workers()).arg(worker.as_str());
        leave.cmd("HDEL").arg(self.keys.announcements()).arg(worker.as_str());
        self.control(async |c| c.all(&leave).await.map(drop)).await
    }

    async fn tend(&self, owned: &[(usize, Vec<u16>)]) -> Result<Survey, StoreError> {
        let generation = self.generation.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let generation = generation.as_deref();
        self.control(async |c| tend::tend(c, &self.topology, &self.keys, owned, generation).await)
            .await
    }
}

/// The server's clock, in ms since the epoch.
///
/// # Errors
/// Where the server can't be asked.
pub async fn server_ms(c: &mut Connection) -> Result<i64, StoreError> {
    let mut ask = Pipeline::new();
    ask.cmd("TIME");
    reply::time(c.all(&ask).await?.pop().unwrap_or(Value::Nil))
}

/// This process's clock, in ms since it was first asked: only ever used with its offset to the
/// server's. Nobody can set it.
pub(crate) fn local_ms() -> i64 {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    i64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(i64::MAX)
}
