//! Where results are read: on the primary, or on a replica of it while one keeps up.
//!
//! A replica is used while it is connected to the primary, has loaded what it began with, and has
//! applied all that the primary had written [`progress::MOST_BEHIND`] ago. One of them is read at
//! a time: from one reading to the next, results don't go back. Where none keeps up, and where a
//! reading on it fails, the primary is read.

mod progress;

use crate::{Client, QueryError};
use progress::Progress;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tallyd_runtime::{StoreError, store::ErrorKind};
use tallyd_store::{Connection, Replication, elsewhere, replication};
use tallyd_topology::RedisAddress;
use tokio::time::{Instant, sleep, timeout};

/// How often servers are asked how far they are.
const LOOK: Duration = Duration::from_millis(500);
/// How long one may take to say it.
const ANSWER: Duration = Duration::from_millis(500);

/// Which servers results are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The one at the address that is given.
    Primary,
    /// Those that the primary names as its replicas.
    Replica,
    /// These replicas of it, by their URLs.
    These(Vec<String>),
}

/// Connections for those who read results.
pub struct Readers {
    address: RedisAddress,
    primary: Client,
    from: ReadFrom,
    most: usize,
    patience: Duration,
    /// The replica in use, if any.
    current: RwLock<Option<Arc<Replica>>>,
    /// How often another server was turned to.
    turns: AtomicU64,
    told: Mutex<Option<String>>,
}

/// A replica.
struct Replica {
    /// How people know it: without the user and password of its address.
    name: String,
    client: Client,
}

impl Readers {
    /// Up to `most` readings at once of each server; no connection is open yet. A reading may take
    /// `patience`.
    #[must_use]
    pub fn new(address: RedisAddress, from: ReadFrom, most: usize, patience: Duration) -> Self {
        let primary = Client::new(address.clone(), most, patience);
        let (current, told) = (RwLock::default(), Mutex::default());
        Self { address, primary, from, most, patience, current, turns: AtomicU64::new(0), told }
    }

    /// The way to the primary: for those who look at the work.
    #[must_use]
    pub fn primary(&self) -> &Client {
        &self.primary
    }

    /// Another number after each time that another server was turned to: what was read before may
    /// be older or newer than what is read after.
    #[must_use]
    pub fn turn(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    /// Reads on the server in use. Where that is a replica on which the reading fails, the primary
    /// is turned to: who finds that [`Readers::turn`] is another one reads again.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn read<T>(
        &self,
        reading: impl AsyncFnOnce(&mut Connection) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(replica) = current else { return self.primary.ask(reading).await };
        // Half of the time is left for the primary.
        let read = replica.client.ask_within(self.patience / 2, reading).await;
        if let Err(QueryError::Store(error)) = &read {
            self.leave(&replica, error);
        }
        read
    }

    /// Watches how far replicas are, for as long as it is awaited. Returns at once where the
    /// primary alone is read.
    pub async fn follow(&self) {
        if self.from == ReadFrom::Primary {
            return;
        }
        let (mut progress, mut known) = (Progress::default(), BTreeMap::new());
        loop {
            match self.look(&mut progress, &mut known).await {
                Ok(replica) => self.turn_to(replica),
                Err(why) => {
                    self.turn_to(None);
                    self.tell(why);
                }
            }
            sleep(LOOK).await;
        }
    }

    /// The replica to read on from now on, or why there is none.
    async fn look(
        &self,
        progress: &mut Progress,
        known: &mut BTreeMap<String, Arc<Replica>>,
    ) -> Result<Option<Arc<Replica>>, String> {
        let named = match ask(&self.primary).await {
            Ok(Replication::Primary { history, offset, replicas }) => {
                progress.wrote(&history, offset, Instant::now());
                replicas
            }
            Ok(Replication::Replica { .. }) => {
                return Err("the server at the address is a replica itself".to_owned());
            }
            Err(error) => return Err(format!("the primary can't be asked: {error}")),
        };
        let addresses = self.addresses(&named)?;
        known.retain(|url, _| addresses.iter().any(|address| address.url == *url));
        let (mut good, mut why) = (Vec::new(), Vec::new());
        for address in addresses {
            let replica = known.entry(address.url.clone()).or_insert_with(|| {
                let name = place(&address.url).to_owned();
                Arc::new(Replica { name, client: Client::new(address, self.most, self.patience) })
            });
            match ask(&replica.client).await {
                Ok(said) => match progress.judge(&said) {
                    Ok(()) => good.push(Arc::clone(replica)),
                    Err(reason) => why.push(format!("{}: {reason}", replica.name)),
                },
                Err(error) => why.push(format!("{}: {error}", replica.name)),
            }
        }
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(current) = current.filter(|now| good.iter().any(|one| Arc::ptr_eq(one, now))) {
            return Ok(Some(current));
        }
        // Of several servers of results, not all take the same one.
        let first = std::process::id() as usize % good.len().max(1);
        match good.into_iter().nth(first) {
            Some(replica) => Ok(Some(replica)),
            None if why.is_empty() => Err("the primary has none that is online".to_owned()),
            None => Err(why.join("; ")),
        }
    }

    fn addresses(&self, named: &[(String, u16)]) -> Result<Vec<RedisAddress>, String> {
        match &self.from {
            ReadFrom::Primary => Ok(Vec::new()),
            ReadFrom::Replica => {
                let at = |(host, port): &(String, u16)| elsewhere(&self.address, host, *port);
                named.iter().map(at).collect::<Option<_>>().ok_or_else(|| {
                    "the primary is reached by a unix socket: give the replicas' URLs".to_owned()
                })
            }
            ReadFrom::These(urls) => {
                let at = |url: &String| RedisAddress { url: url.clone(), ..self.address.clone() };
                Ok(urls.iter().map(at).collect())
            }
        }
    }

    fn turn_to(&self, replica: Option<Arc<Replica>>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let is_same = match (&*current, &replica) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        if is_same {
            return;
        }
        if let Some(replica) = &replica {
            tracing::info!(replica = replica.name, "results are read from a replica");
            *self.told.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        *current = replica;
        self.turns.fetch_add(1, Ordering::AcqRel);
    }

    /// A reading on a replica failed: until it was looked at again, the primary is read.
    fn leave(&self, replica: &Arc<Replica>, error: &StoreError) {
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if !current.as_ref().is_some_and(|now| Arc::ptr_eq(now, replica)) {
                return;
            }
        }
        self.turn_to(None);
        self.tell(format!("{}: {error}", replica.name));
    }

    /// Says why the primary is read, once for each reason.
    fn tell(&self, why: String) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() != Some(&why) {
            tracing::warn!(why, "no replica keeps up: results are read from the primary");
            *told = Some(why);
        }
    }
}

async fn ask(client: &Client) -> Result<Replication, StoreError> {
    let asked = client.ask_within(ANSWER, async |c: &mut Connection| {
        replication(c).await.map_err(QueryError::from)
    });
    let limit = || {
        let message = format!("no answer within {} ms", ANSWER.as_millis());
        StoreError::new(ErrorKind::Timeout, message)
    };
    match timeout(ANSWER, asked).await.map_err(|_| limit())? {
        Ok(said) => Ok(said),
        Err(QueryError::Store(error)) => Err(error),
        Err(error) => Err(StoreError::new(ErrorKind::Other, error.to_string())),
    }
}

/// The host and port of a URL: what may be said of it.
fn place(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}
