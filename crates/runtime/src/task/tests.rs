//! What a task forgets, with a store that gives what the test says.

use super::*;
use crate::store::{
    Beat, Begun, Cursor, Fence, Fetched, Listener, Owner, StreamFacts, Survey, View,
};
use tallyd_bolt::{Address, Cell, Key, Kind};
use tallyd_topology::parse;

const FILE: &str = r#"
name = "t"
[source.s]
key = "user"
id = "id"
[source.s.fields]
id = "string"
user = "string"
[bolt.board]
type = "leaderboard"
from = "s"
member = "user"
score = "count"
"#;

#[derive(Clone)]
struct Nothing;

/// A session to which these cursors are left.
struct Left(Cursors);

fn not_asked<T>() -> Result<T, StoreError> {
    Err(StoreError::new(ErrorKind::Other, "the test does not ask for it"))
}

struct Nobody;

impl Listener for Nobody {
    async fn nudged(&mut self) -> Result<(), StoreError> {
        not_asked()
    }
}

impl Store for Nothing {
    type Listener = Nobody;
    type Session = Left;

    async fn open(&self, _: usize, _: &SmolStr) -> Result<Left, StoreError> {
        not_asked()
    }

    async fn register(&self) -> Result<[u8; 16], StoreError> {
        not_asked()
    }

    async fn listen(&self, _: &SmolStr) -> Result<Nobody, StoreError> {
        not_asked()
    }

    async fn heartbeat(&self, _: &Beat) -> Result<View, StoreError> {
        not_asked()
    }

    async fn look(&self, _: &[SmolStr]) -> Result<BTreeMap<SmolStr, bool>, StoreError> {
        not_asked()
    }

    async fn nudge(&self) -> Result<(), StoreError> {
        not_asked()
    }

    async fn wake(&self, _: u64) -> Result<(), StoreError> {
        not_asked()
    }

    async fn switch(&self, _: Option<&SmolStr>, _: &SmolStr) -> Result<bool, StoreError> {
        not_asked()
    }

    async fn leave(&self, _: &SmolStr) -> Result<(), StoreError> {
        not_asked()
    }

    async fn tend(&self, _: &[(usize, Vec<u16>)]) -> Result<Survey, StoreError> {
        not_asked()
    }
}

impl Session for Left {
    fn connection(&self) -> Option<u64> {
        None
    }

    async fn take(&mut self, _: &BTreeMap<u16, Fence>) -> Result<Owned, StoreError> {
        not_asked()
    }

    async fn release(&mut self, _: &Owned) -> Result<(), StoreError> {
        not_asked()
    }

    async fn halt(&mut self, _: &Owned, _: &str) -> Result<(), StoreError> {
        not_asked()
    }

    async fn begin(&mut self, _: &Owned) -> Result<Begun, StoreError> {
        Ok(Begun { cursors: self.0.clone(), ..Begun::default() })
    }

    async fn streams(&mut self, _: &[(u16, EntryId)]) -> Result<Vec<StreamFacts>, StoreError> {
        not_asked()
    }

    async fn weigh(&mut self, _: &[u16]) -> Result<u64, StoreError> {
        not_asked()
    }

    async fn fetch(
        &mut self,
        _: Vec<(usize, Vec<Address>)>,
        _: &[Span],
    ) -> Result<Fetched, StoreError> {
        not_asked()
    }

    async fn commit(&mut self, _: &Owned, _: &Commit) -> Result<Outcome, StoreError> {
        not_asked()
    }

    async fn rewind(&mut self, _: &Owned, _: &[(u16, EntryId)]) -> Result<(), StoreError> {
        not_asked()
    }

    async fn forget_consumers(&mut self, _: &Owned, _: u16) -> Result<(), StoreError> {
        not_asked()
    }
}

fn task() -> Task<Nothing> {
    let topology = Arc::new(parse("t.toml", FILE, &|_| None).unwrap());
    let context = Context::new(&topology, 1, |_| None).unwrap().unwrap();
    let options = TaskOptions {
        worker: "w".into(),
        name: "w n 0".into(),
        wanted: watch::channel(Wanted::default()).1,
        owned: watch::channel(BTreeSet::new()).0,
        shared: Arc::default(),
        meter: Arc::new(Meter::new(1)),
        released: Arc::default(),
        cache_bytes: 1 << 20,
        rests_from: crate::RESTS_FROM,
        clock: Instant::now(),
    };
    let mut task = Task::new(Nothing, context, options);
    for partition in [0, 1] {
        task.owned
            .insert(partition, Fence { owner: Owner::Worker("w".into()), epoch: 1, random: 1 });
    }
    let address = Address { kind: Kind::Field, key: Key::new(&["k"]), name: "f".into() };
    task.nodes[0].cache.insert(address, Cell::Field(Some(b"old".to_vec())), Instant::now());
    task
}

fn is_cached(task: &mut Task<Nothing>) -> bool {
    let mut reads = task.nodes[0].cache.known(Instant::now());
    reads.field(&Key::new(&["k"]), "f");
    let asked = reads.into_addresses();
    task.nodes[0].cache.missing(asked).is_empty()
}

#[tokio::test]
async fn a_partition_lost_between_cycles_takes_the_cache_with_it() {
    let cursor = vec![Cursor::default()];
    let mut task = task();
    task.begin(&mut Left([(0, cursor.clone()), (1, cursor.clone())].into())).await.unwrap();
    assert!(is_cached(&mut task));

    let mut task = self::task();
    task.begin(&mut Left([(0, cursor)].into())).await.unwrap();
    assert!(!is_cached(&mut task));
    assert_eq!(task.owned.keys().collect::<Vec<_>>(), [&0]);
}
