//! Which faults there are, how often each comes, and when: drawn from a seed. Pure.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A new worker joins.
    WorkerAdded,
    /// SIGKILL; another starts a moment later.
    WorkerKilled,
    /// SIGSTOP for longer than the session timeout, then SIGCONT: the zombie.
    WorkerPaused,
    /// SIGTERM; none starts in its place.
    WorkerRemoved,
    /// SIGKILL of all workers; others start when more than the dedup window has passed.
    AllWorkersAway,
    /// Every worker in turn: SIGTERM, and another starts.
    RollingRestart,
    /// `CLIENT KILL` of one connection, of a worker or of a producer.
    ConnectionKilled,
    /// `CLIENT KILL` of every connection.
    AllConnectionsKilled,
    /// The proxy cuts a connection before the EXEC of a commit.
    CutBeforeExec,
    /// The proxy cuts a connection between the MULTI and the EXEC of a commit.
    CutInsideCommit,
    /// The proxy lets an EXEC through and cuts before its reply.
    ReplyLost,
    /// The proxy cuts a connection after a number of bytes towards the server.
    CutRequest,
    /// The proxy cuts a connection after a number of bytes of replies.
    CutReply,
    /// The proxy keeps an EXEC back for seconds, then delivers it.
    ExecLate,
    /// `XGROUP DESTROY` of a group of the source or of an edge.
    GroupDestroyed,
    /// `XGROUP SETID` of a group back to the beginning of its stream.
    GroupSetBack,
    /// `XGROUP SETID` of a group past entries that it has not delivered.
    GroupSetForward,
    /// SIGKILL of the redis-server; it restarts on its AOF a moment later.
    ServerKilled,
    /// SIGSTOP of the redis-server, then SIGCONT.
    ServerFrozen,
    /// `CLIENT PAUSE`.
    ServerPaused,
    /// `maxmemory` is set below what is used, and raised again.
    MemoryFull,
    /// An edit: a member is taken off the boards.
    MemberHidden,
    /// An edit: a member is put back, hidden or not.
    MemberUnhidden,
    /// An edit: all that is kept of a member is taken out.
    MemberForgotten,
    /// An edit: a member goes to another class or back, with the points or without.
    MemberMoved,
    /// An edit: all that is kept of a member is another one's.
    MemberRenamed,
    /// An edit: the day, the week or all time of the leaderboard is final now.
    PeriodClosed,
    /// An edit: boards start over, and with all of a period's also one that was closed.
    BoardsReset,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 28] = [
        Kind::AllWorkersAway,
        Kind::WorkerAdded,
        Kind::WorkerKilled,
        Kind::WorkerPaused,
        Kind::WorkerRemoved,
        Kind::RollingRestart,
        Kind::ConnectionKilled,
        Kind::AllConnectionsKilled,
        Kind::CutBeforeExec,
        Kind::CutInsideCommit,
        Kind::ReplyLost,
        Kind::CutRequest,
        Kind::CutReply,
        Kind::ExecLate,
        Kind::GroupDestroyed,
        Kind::GroupSetBack,
        Kind::GroupSetForward,
        Kind::ServerKilled,
        Kind::ServerFrozen,
        Kind::ServerPaused,
        Kind::MemoryFull,
        Kind::MemberHidden,
        Kind::MemberUnhidden,
        Kind::MemberForgotten,
        Kind::MemberMoved,
        Kind::MemberRenamed,
        Kind::PeriodClosed,
        Kind::BoardsReset,
    ];

    /// Its name in logs and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::AllWorkersAway => "all workers away",
            Kind::WorkerAdded => "worker added",
            Kind::WorkerKilled => "worker killed (SIGKILL)",
            Kind::WorkerPaused => "worker paused (SIGSTOP)",
            Kind::WorkerRemoved => "worker removed (SIGTERM)",
            Kind::RollingRestart => "rolling restart",
            Kind::ConnectionKilled => "connection killed",
            Kind::AllConnectionsKilled => "all connections killed",
            Kind::CutBeforeExec => "cut before EXEC",
            Kind::CutInsideCommit => "cut inside a commit",
            Kind::ReplyLost => "reply of an EXEC lost",
            Kind::CutRequest => "cut after N bytes sent",
            Kind::CutReply => "cut after N bytes received",
            Kind::ExecLate => "EXEC delivered late",
            Kind::GroupDestroyed => "group destroyed",
            Kind::GroupSetBack => "group set back",
            Kind::GroupSetForward => "group set forward",
            Kind::ServerKilled => "redis-server killed",
            Kind::ServerFrozen => "redis-server frozen",
            Kind::ServerPaused => "CLIENT PAUSE",
            Kind::MemoryFull => "memory full",
            Kind::MemberHidden => "edit: member hidden",
            Kind::MemberUnhidden => "edit: member unhidden",
            Kind::MemberForgotten => "edit: member forgotten",
            Kind::MemberMoved => "edit: member moved",
            Kind::MemberRenamed => "edit: member renamed",
            Kind::PeriodClosed => "edit: period closed",
            Kind::BoardsReset => "edit: boards reset",
        }
    }

    /// How often it comes, beside the others.
    fn weight(self) -> u32 {
        match self {
            // It has a time of its own: nothing that hits workers can happen meanwhile.
            Kind::AllWorkersAway => 0,
            Kind::PeriodClosed | Kind::RollingRestart => 1,
            Kind::BoardsReset => 2,
            Kind::AllConnectionsKilled
            | Kind::ExecLate
            | Kind::MemberUnhidden
            | Kind::MemoryFull
            | Kind::ServerFrozen
            | Kind::ServerKilled
            | Kind::ServerPaused
            | Kind::WorkerAdded
            | Kind::WorkerRemoved => 3,
            Kind::MemberForgotten | Kind::MemberHidden | Kind::MemberMoved => 5,
            Kind::CutInsideCommit
            | Kind::CutReply
            | Kind::CutRequest
            | Kind::GroupSetBack
            | Kind::GroupSetForward
            | Kind::MemberRenamed => 6,
            Kind::CutBeforeExec | Kind::ReplyLost | Kind::WorkerKilled | Kind::WorkerPaused => 8,
            Kind::ConnectionKilled | Kind::GroupDestroyed => 12,
        }
    }
}

/// A fault as it was drawn. What it hits depends on what there is when its time comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// Its kind.
    pub kind: Kind,
    /// Which of the possible targets it hits, by the remainder.
    pub target: usize,
    /// Where between its least and its most it lies, 0 to 1: how long it lasts, how many bytes
    /// pass before it.
    pub extent: f64,
}

/// An endless series of faults. Equal seeds give equal series.
#[derive(Clone, Debug)]
pub struct Schedule {
    rng: ChaCha8Rng,
    mean: Duration,
}

impl Schedule {
    /// Faults that come with this time between them, in the mean.
    #[must_use]
    pub fn new(seed: u64, mean: Duration) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), mean }
    }

    /// The time until the next fault: uniform between nothing and twice the mean.
    pub fn pause(&mut self) -> Duration {
        self.mean.mul_f64(self.rng.random_range(0.0..2.0))
    }

    /// The next fault.
    pub fn draw(&mut self) -> Fault {
        let sum: u32 = Kind::ALL.iter().map(|kind| kind.weight()).sum();
        let mut place = self.rng.random_range(0..sum);
        let mut chosen = Kind::ConnectionKilled;
        for kind in Kind::ALL {
            if place < kind.weight() {
                chosen = kind;
                break;
            }
            place -= kind.weight();
        }
        let target = self.rng.random_range(0..1_000_000);
        Fault { kind: chosen, target, extent: self.rng.random() }
    }
}

impl Fault {
    /// A duration between these two.
    #[must_use]
    pub fn lasts(&self, least: Duration, most: Duration) -> Duration {
        least + most.saturating_sub(least).mul_f64(self.extent)
    }

    /// Which of these it hits; `None` where there are none.
    #[must_use]
    pub fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.target.checked_rem(from.len())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_gives_the_same_series_with_every_kind_in_it() {
        let series = |seed| {
            let mut schedule = Schedule::new(seed, Duration::from_secs(1));
            (0..2_000).map(|_| (schedule.pause(), schedule.draw())).collect::<Vec<_>>()
        };
        let drawn = series(1);
        assert_eq!(drawn, series(1));
        assert_ne!(drawn, series(2));
        let kinds: BTreeSet<Kind> = drawn.iter().map(|(_, fault)| fault.kind).collect();
        let drawable = Kind::ALL.into_iter().filter(|kind| kind.weight() > 0);
        assert_eq!(kinds, drawable.collect());
        let total: Duration = drawn.iter().map(|(pause, _)| *pause).sum();
        assert!((1_900..2_100).contains(&total.as_secs()), "{total:?}");
    }
}
