//! What goes wrong in a run: plain data, made from the seed, so that it can be shrunk.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Everything that one run depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Decides the events and how long round trips take.
    pub seed: u64,
    /// How many workers begin.
    pub workers: usize,
    /// How many times the producer sends something.
    pub sendings: usize,
    /// What goes wrong, in the order of the round trips.
    pub faults: Vec<Fault>,
    /// Whether bolts are fused where they can be.
    pub fuse: bool,
    /// Whether there are bolts behind one that corrects. In no plan of a seed alone: what else a seed
    /// does stays as it was.
    pub corrects: bool,
    /// Whether the first workers have the file with more bolts.
    pub begins_with_more: bool,
    /// A safeguard that the simulated server takes away, for tests of the simulation.
    pub mutation: Option<Mutation>,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// At which round trip of the run, counted over all workers.
    pub at: u64,
    /// What.
    pub kind: FaultKind,
}

/// What can go wrong. Those that hit a worker hit the one whose round trip it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The worker dies before the server hears it.
    CrashBefore,
    /// The worker dies before it hears the answer.
    CrashAfter,
    /// The worker's connection breaks before the server hears it.
    LoseRequest,
    /// The worker's connection breaks before it hears the answer.
    LoseReply,
    /// The worker's connection breaks, and what it sent arrives so many ms later.
    Late(u64),
    /// The worker stands still for so many ms, and then goes on.
    Pause(u64),
    /// For so many ms the server has no memory for writes.
    OutOfMemory(u64),
    /// For so many ms the server loads its data.
    Loading(u64),
    /// For so many ms the server answers nobody, and then everybody.
    Stall(u64),
    /// The worker's subscription breaks.
    CutSubscription,
    /// The server restarts and keeps its data; every connection breaks.
    Restart,
    /// The server restarts without its data.
    RestartEmpty,
    /// Somebody destroys a consumer group: the one of this number, counted over all streams.
    DestroyGroup(usize),
    /// Somebody sets a consumer group to the stream's end.
    GroupToEnd(usize),
    /// Somebody sets a consumer group back to the stream's start.
    GroupToStart(usize),
    /// A worker more.
    Join,
    /// The worker is stopped, and hands over.
    Leave,
    /// All workers die, and others start so many ms later: more than the dedup window.
    AllAway(u64),
    /// Somebody deletes so many entries of the source that are not processed yet, pending ones
    /// too: the first ones, or where the number is odd, every other one.
    DeleteEntries(usize),
    /// Somebody deletes the source's stream. What is added afterwards has ids of a clock that is
    /// so many ms behind.
    StreamBeginsAgain(u64),
    /// The next entry of the source has an id that is so many ms ahead of the server's clock.
    IdAhead(u64),
    /// From now on the server breaks a connection for which more bytes of entries wait than this.
    ReplyLimit(usize),
    /// Somebody sets a string at the key of the hash of a learner of this number. An operator
    /// resumes what is halted so many ms later; the string stays.
    Overwrite(usize, u64),
    /// Workers are replaced one by one, so many ms apart, by workers with the other file: a roll,
    /// and the next time a roll back.
    Roll(u64),
    /// All workers with the file of this one stand still for so many ms.
    PauseFile(u64),
    /// Heartbeats of all workers with the file of this one do not come through for so many ms, while
    /// their tasks go on.
    SilentFile(u64),
    /// The next worker that puts its plan in force dies before it hears that it did.
    CrashAtSwitch,
}

impl FaultKind {
    /// Its name, for counts of what was injected.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::CrashBefore => "crash before a round trip",
            FaultKind::CrashAfter => "crash after a round trip",
            FaultKind::LoseRequest => "request lost",
            FaultKind::LoseReply => "reply lost",
            FaultKind::Late(_) => "request that arrives late",
            FaultKind::Pause(_) => "worker paused",
            FaultKind::OutOfMemory(_) => "server out of memory",
            FaultKind::Loading(_) => "server loading",
            FaultKind::Stall(_) => "server stood still",
            FaultKind::CutSubscription => "subscription cut",
            FaultKind::Restart => "server restarted",
            FaultKind::RestartEmpty => "server restarted without its data",
            FaultKind::DestroyGroup(_) => "group destroyed",
            FaultKind::GroupToEnd(_) => "group set to the end",
            FaultKind::GroupToStart(_) => "group set to the start",
            FaultKind::Join => "worker added",
            FaultKind::Leave => "worker stopped",
            FaultKind::AllAway(_) => "all workers away",
            FaultKind::DeleteEntries(_) => "unprocessed entries deleted",
            FaultKind::ReplyLimit(_) => "replies limited in bytes",
            FaultKind::IdAhead(_) => "id far ahead",
            FaultKind::Overwrite(..) => "learner's key overwritten",
            FaultKind::Roll(_) => "workers replaced by workers with another file",
            FaultKind::CrashAtSwitch => "crash of the worker that switches plans",
            FaultKind::SilentFile(_) => "heartbeats of all workers with one file held up",
            FaultKind::PauseFile(_) => "all workers with one file paused",
            FaultKind::StreamBeginsAgain(0) => "source deleted",
            FaultKind::StreamBeginsAgain(_) => "source deleted, and begun again with lower ids",
        }
    }
}

/// A safeguard of the protocol, taken away. Each must be found by the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// EXEC does not look at what is watched.
    NoFence,
    /// A worker that takes a partition from itself leaves the fence as it is.
    FenceNotRaised,
    /// A commit that is fenced reads all the same.
    ReadOutside,
    /// After a take-over new entries are read before those that are pending.
    NewBeforePending,
    /// A destroyed group is made again at the stream's start, and entries below the cursor are not
    /// known as done.
    NoCursor,
    /// An edge is trimmed to what its first consumer has done.
    TrimByOne,
    /// A log of the dedup bolt expires by the server's clock, a window after it was written last.
    ForgetByClock,
    /// Nobody asks what the server says of the streams that are read.
    NoFacts,
    /// An entry arrives when its id says, even if that is after it is read.
    ArrivalById,
    /// A key of the wrong type fails the whole read.
    RefusalFails,
    /// Which command failed inside EXEC is not told.
    FailureUntold,
    /// Commits neither watch the generation of plans nor look at it.
    PlanUnwatched,
    /// What a switch of plans says of gaps is not stored.
    GapsForgotten,
    /// Edges are trimmed by the file of the worker that trims, whatever plan is in force.
    TrimUnwatched,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 14] = [
        Mutation::NoFence,
        Mutation::FenceNotRaised,
        Mutation::ReadOutside,
        Mutation::NewBeforePending,
        Mutation::NoCursor,
        Mutation::TrimByOne,
        Mutation::ForgetByClock,
        Mutation::NoFacts,
        Mutation::ArrivalById,
        Mutation::RefusalFails,
        Mutation::FailureUntold,
        Mutation::PlanUnwatched,
        Mutation::GapsForgotten,
        Mutation::TrimUnwatched,
    ];

    /// Whether the look for gaps is taken away with it: that second safeguard would find what these
    /// leave out, and set the group back before anything is lost.
    #[must_use]
    pub fn blinds(self) -> bool {
        matches!(self, Mutation::ReadOutside | Mutation::NewBeforePending)
    }
}

/// The round trips in which faults may fall: about what a run takes while events are sent.
const TRIPS: u64 = 2500;
/// How far a clock is set back: longer than a run.
const BEHIND_MS: u64 = 3_600_000;
/// Of entries in one reply, in bytes: more than the largest batch or frame of a run, and less than
/// two of them.
const REPLY_LIMIT: usize = 6_000;
/// How far ahead an id is: more than the clocks of a day differ.
const AHEAD_MS: u64 = 28 * 3_600_000;

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut plan = Self::without_data_faults(seed);
        // Of a generator of its own: what else a seed does stays as it was.
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0xDA7A);
        if random.random_ratio(1, 4) {
            let kind = FaultKind::AllAway(random.random_range(3_000..9_000));
            plan.faults.push(Fault { at: random.random_range(0..TRIPS / 2), kind });
        }
        // Not both: what was deleted of a stream that is deleted too, nobody can count.
        match random.random_range(0..8) {
            0 => plan.faults.extend((0..random.random_range(1..20)).map(|_| Fault {
                at: random.random_range(0..TRIPS),
                kind: FaultKind::DeleteEntries(random.random_range(1..8)),
            })),
            1 => plan.faults.push(Fault {
                at: random.random_range(0..TRIPS / 2),
                kind: FaultKind::StreamBeginsAgain(if random.random() { BEHIND_MS } else { 0 }),
            }),
            _ => {}
        }
        if random.random_ratio(1, 8) {
            let kind = FaultKind::IdAhead(AHEAD_MS);
            plan.faults.push(Fault { at: random.random_range(0..TRIPS / 2), kind });
        }
        if random.random_ratio(1, 3) {
            plan.faults.extend((0..random.random_range(1..8)).map(|_| {
                let ms = random.random_range(1..3000);
                let kind = FaultKind::Overwrite(random.random_range(0..9), ms);
                Fault { at: random.random_range(0..TRIPS / 2), kind }
            }));
        }
        if random.random_ratio(1, 4) {
            let kind = FaultKind::ReplyLimit(REPLY_LIMIT);
            plan.faults.push(Fault { at: random.random_range(0..TRIPS / 4), kind });
        }
        plan.add_rolls();
        plan.faults.sort_by_key(|fault| fault.at);
        plan
    }

    /// Workers with different files, in some of the plans.
    fn add_rolls(&mut self) {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ 0xF11E);
        if !random.random_ratio(1, 3) {
            return;
        }
        self.begins_with_more = random.random();
        self.workers = random.random_range(1..4);
        // Longer than the session timeout, and the time that a roll takes, some times over.
        self.sendings = random.random_range(120..300);
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..TRIPS);
            let mut add = |later: u64, kind| self.faults.push(Fault { at: at + later, kind });
            add(0, FaultKind::Roll(random.random_range(1..3000)));
            // In the middle of it, those that still run the old file seem to be gone.
            let ms = random.random_range(900..2500);
            match random.random_range(0..4) {
                0 => add(random.random_range(20..200), FaultKind::PauseFile(ms)),
                1 | 2 => add(random.random_range(20..200), FaultKind::SilentFile(ms)),
                _ => {}
            }
            if random.random() {
                add(random.random_range(0..50), FaultKind::CrashAtSwitch);
            }
        }
    }

    /// Whether there are workers with different files in it.
    #[must_use]
    pub fn has_two_files(&self) -> bool {
        let rolls = |fault: &Fault| matches!(fault.kind, FaultKind::Roll(_));
        self.begins_with_more || self.faults.iter().any(rolls)
    }

    /// The plan of a seed with the faults that hit workers, connections and groups alone.
    #[must_use]
    pub fn without_data_faults(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let count = random.random_range(0..24);
        let mut faults: Vec<Fault> = (0..count)
            .map(|_| Fault { at: random.random_range(0..TRIPS), kind: kind(&mut random) })
            .collect();
        // Most runs keep their data: one that loses it says less.
        if random.random_ratio(1, 10) {
            let at = random.random_range(TRIPS / 4..TRIPS / 2);
            faults.push(Fault { at, kind: FaultKind::RestartEmpty });
        }
        faults.sort_by_key(|fault| fault.at);
        faults.dedup_by_key(|fault| fault.at);
        Self {
            seed,
            workers: random.random_range(1..4),
            sendings: random.random_range(20..120),
            faults,
            fuse: random.random(),
            corrects: false,
            begins_with_more: false,
            mutation: None,
        }
    }
}

fn kind(random: &mut impl Rng) -> FaultKind {
    // Beyond the session timeout of one second as often as below it.
    let mut ms = || random.random_range(1..2500);
    let ms = ms();
    let group = random.random_range(0..64);
    match random.random_range(0..27) {
        0..2 => FaultKind::CrashBefore,
        2..4 => FaultKind::CrashAfter,
        4..6 => FaultKind::LoseRequest,
        6..9 => FaultKind::LoseReply,
        9..12 => FaultKind::Late(ms / 4),
        12..15 => FaultKind::Pause(ms),
        15 => FaultKind::OutOfMemory(ms / 2),
        16 => FaultKind::Loading(ms / 2),
        17 => FaultKind::Restart,
        18 => FaultKind::DestroyGroup(group),
        19 => FaultKind::GroupToEnd(group),
        20 => FaultKind::GroupToStart(group),
        21..23 => FaultKind::Join,
        23..25 => FaultKind::Stall(ms),
        25 => FaultKind::CutSubscription,
        _ => FaultKind::Leave,
    }
}
