//! How much of the world a run of the model covers.

use crate::safeguard::Safeguard;

/// What there is, and how often each fault may strike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What these bounds are for.
    pub name: &'static str,
    /// The partitions that each task serves: a task for each worker and node.
    pub tasks: Vec<Vec<usize>>,
    /// The stream that each partition reads.
    pub inputs: Vec<usize>,
    /// The entries that are added to each stream.
    pub entries: u8,
    /// The most entries of one read.
    pub count: usize,
    /// How often each fault may strike.
    pub faults: Faults,
}

/// How often each fault may strike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Connections that break: what was sent on them may still happen, at any time.
    pub cuts: u8,
    /// Workers that die, with their memory; each may start again, under a new name.
    pub crashes: u8,
    /// Take-overs from an owner that is alive: it was only paused, or slow.
    pub take_overs: u8,
    /// Partitions that are given back.
    pub releases: u8,
    /// Groups that somebody destroys.
    pub destroys: u8,
    /// Groups that somebody moves back to the beginning of the stream.
    pub rewinds: u8,
    /// Groups that somebody moves on to the end of the stream.
    pub skips: u8,
    /// Trims of a stream.
    pub trims: u8,
}

/// Two workers, one partition.
fn one_partition(name: &'static str, entries: u8, faults: Faults) -> Bounds {
    Bounds { name, tasks: vec![vec![0]; 2], inputs: vec![0], entries, count: 2, faults }
}

/// Two workers whose tasks own two partitions each, if they can: one commit spans both.
fn two_partitions(name: &'static str, entries: u8, faults: Faults) -> Bounds {
    Bounds { name, tasks: vec![vec![0, 1]; 2], inputs: vec![0, 1], entries, count: 1, faults }
}

/// Two nodes that read one stream: two workers for the first, one for the second.
fn two_groups(name: &'static str, entries: u8, faults: Faults) -> Bounds {
    let tasks = vec![vec![0], vec![0], vec![1]];
    Bounds { name, tasks, inputs: vec![0, 0], entries, count: 1, faults }
}

const NONE: Faults = Faults {
    cuts: 0,
    crashes: 0,
    take_overs: 0,
    releases: 0,
    destroys: 0,
    rewinds: 0,
    skips: 0,
    trims: 0,
};

/// What the tests go through.
#[must_use]
pub fn quick() -> Vec<Bounds> {
    vec![
        one_partition(
            "a paused owner, a broken connection, a destroyed group",
            2,
            Faults { cuts: 1, take_overs: 1, destroys: 1, ..NONE },
        ),
        one_partition(
            "a paused owner, a partition given back, a destroyed group",
            3,
            Faults { take_overs: 1, releases: 1, destroys: 1, ..NONE },
        ),
        one_partition(
            "a crash, a group moved back, a trim",
            2,
            Faults { crashes: 1, rewinds: 1, trims: 1, ..NONE },
        ),
        one_partition(
            "a paused owner, a partition given back, a group moved on to the end",
            2,
            Faults { take_overs: 1, releases: 1, skips: 1, ..NONE },
        ),
        two_partitions("a paused owner of two partitions", 1, Faults { take_overs: 1, ..NONE }),
        two_groups(
            "two groups of one stream, a broken connection, trims",
            2,
            Faults { cuts: 1, trims: 2, ..NONE },
        ),
    ]
}

/// What `make model` goes through.
#[must_use]
pub fn large() -> Vec<Bounds> {
    vec![
        one_partition(
            "a broken connection, a paused owner, a release, a group destroyed and moved back, a trim",
            2,
            Faults {
                cuts: 1,
                take_overs: 1,
                releases: 1,
                destroys: 1,
                rewinds: 1,
                trims: 1,
                ..NONE
            },
        ),
        one_partition(
            "a broken connection, a paused owner, a group moved on",
            3,
            Faults { cuts: 1, take_overs: 1, skips: 1, ..NONE },
        ),
        one_partition(
            "a crash and a paused owner, a broken connection, a trim",
            2,
            Faults { cuts: 1, crashes: 1, take_overs: 1, trims: 1, ..NONE },
        ),
        one_partition(
            "two crashes, a paused owner, a destroyed group",
            2,
            Faults { crashes: 2, take_overs: 1, destroys: 1, ..NONE },
        ),
        one_partition(
            "two broken connections and two paused owners",
            2,
            Faults { cuts: 2, take_overs: 2, ..NONE },
        ),
        one_partition(
            "three entries, two paused owners, a broken connection, a destroyed group",
            3,
            Faults { cuts: 1, take_overs: 2, destroys: 1, ..NONE },
        ),
        two_partitions(
            "two partitions, a paused owner, a broken connection",
            1,
            Faults { cuts: 1, take_overs: 1, ..NONE },
        ),
        two_groups(
            "two groups of one stream, a broken connection, a paused owner, trims",
            2,
            Faults { cuts: 1, take_overs: 1, trims: 2, ..NONE },
        ),
    ]
}

/// The smallest bounds in which a safeguard of the protocol is needed; `None` for the one that is
/// the outbox's.
#[must_use]
pub fn without(safeguard: Safeguard) -> Option<Bounds> {
    let name = safeguard.name();
    let paused = Faults { take_overs: 1, ..NONE };
    let cut = Faults { cuts: 1, ..NONE };
    let bounds = match safeguard {
        Safeguard::Fence | Safeguard::FenceCompared => one_partition(name, 1, paused),
        Safeguard::EpochRaisedOnReconnect => one_partition(name, 1, cut),
        Safeguard::CachesDropped => {
            one_partition(name, 2, Faults { cuts: 1, take_overs: 1, ..NONE })
        }
        Safeguard::ReadInsideCommit | Safeguard::PendingFirst => one_partition(name, 2, paused),
        Safeguard::Cursor => one_partition(name, 1, Faults { destroys: 1, ..NONE }),
        Safeguard::GroupMadeAtCursor => one_partition(name, 2, NONE),
        Safeguard::GroupMovedBack => one_partition(name, 1, Faults { skips: 1, ..NONE }),
        Safeguard::GapsLookedFor => one_partition(name, 2, Faults { skips: 1, ..NONE }),
        Safeguard::TrimByAllGroups => two_groups(name, 1, Faults { trims: 1, ..NONE }),
        Safeguard::ReceiverMark => return None,
    };
    Some(bounds)
}
