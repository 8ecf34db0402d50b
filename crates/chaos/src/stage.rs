//! Where the faults are struck: workers, proxy and server, what was done to them, and what is
//! still to be undone.

use crate::{
    ChaosError,
    edit::Names,
    fault::{Fault, Kind},
    fleet::Fleet,
    gaps::Gaps,
    subject::{self, Subject},
    tape::Book,
    topology::{DEDUP_WINDOW, SESSION_TIMEOUT},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tallyd_harness::proxy::{Cut, Proxy};
use tallyd_store::keys::Keys;
use tallyd_topology::Topology;
use tokio::time::Instant;

/// Longer than a worker waits for a reply.
const BEYOND_ANSWER: (Duration, Duration) =
    (Duration::from_millis(5_200), Duration::from_millis(7_000));
/// The most bytes that pass before a connection is cut.
const MOST_BYTES: f64 = 20_000.0;
/// How soon something is tried again that could not be undone.
const AGAIN: Duration = Duration::from_millis(100);
/// How long between two workers of a rolling restart.
const ROLL: Duration = Duration::from_millis(300);

/// What ends a fault.
enum End {
    MemoryRaised,
    ServerAnswers,
    ServerGoesOn,
    ServerRestarts,
    WorkerGoesOn(usize),
    WorkerStarts,
    /// So many start after all were away.
    WorkersReturn(usize),
    /// The rest of a rolling restart.
    Roll(Vec<usize>),
}

/// Everything that faults may hit.
pub struct Stage {
    /// The workers.
    pub fleet: Fleet,
    /// The server.
    pub subject: Subject,
    /// What sits between some of the clients and the server.
    pub proxy: Proxy,
    /// The topology, whose groups are hit.
    pub topology: Topology,
    /// Its keys.
    pub keys: Keys,
    /// Whom and what edits are of.
    pub names: Names,
    /// Where those are noted that are asked for.
    pub book: Arc<Book>,
    /// Who watches the results.
    pub gaps: Arc<Gaps>,
    /// How few and how many workers there may be.
    pub workers: (usize, usize),
    /// How often each fault was struck.
    pub struck: BTreeMap<Kind, u64>,
    /// When the run began.
    pub began: Instant,
    ends: Vec<(Instant, End)>,
}

impl Stage {
    /// A stage on which nothing has happened.
    #[must_use]
    pub fn new(
        fleet: Fleet,
        subject: Subject,
        proxy: Proxy,
        (topology, keys): (Topology, Keys),
        (names, book): (Names, Arc<Book>),
        workers: (usize, usize),
    ) -> Self {
        let (struck, ends, gaps) = (BTreeMap::new(), Vec::new(), Arc::default());
        let began = Instant::now();
        Self {
            fleet,
            subject,
            proxy,
            topology,
            keys,
            names,
            book,
            gaps,
            workers,
            struck,
            began,
            ends,
        }
    }

    /// Strikes a fault. Returns whether it was possible.
    ///
    /// # Errors
    /// Where the system refuses.
    pub async fn strike(&mut self, fault: &Fault) -> Result<bool, ChaosError> {
        let target = match fault.kind {
            Kind::AllWorkersAway
            | Kind::WorkerAdded
            | Kind::WorkerKilled
            | Kind::WorkerPaused
            | Kind::WorkerRemoved
            | Kind::RollingRestart => self.strike_workers(fault).await?,
            Kind::CutBeforeExec
            | Kind::CutInsideCommit
            | Kind::CutReply
            | Kind::CutRequest
            | Kind::ExecLate
            | Kind::ReplyLost => {
                self.arm(fault);
                // Counted once it is done.
                return Ok(true);
            }
            _ if self.subject.away => None,
            Kind::BoardsReset
            | Kind::MemberForgotten
            | Kind::MemberHidden
            | Kind::MemberMoved
            | Kind::MemberRenamed
            | Kind::MemberUnhidden
            | Kind::PeriodClosed => self.edit(fault).await,
            _ => self.strike_server(fault).await?,
        };
        if let Some(target) = &target {
            self.note(fault.kind, target);
        }
        Ok(target.is_some())
    }

    /// Kills all workers, for longer than the dedup window: what they remembered must be there when
    /// the next ones read what came meanwhile.
    ///
    /// # Errors
    /// Where the system refuses.
    pub async fn kill_all_workers(&mut self) -> Result<(), ChaosError> {
        let count = self.fleet.kill_all().await?;
        let of_a_worker =
            |end: &End| matches!(end, End::WorkerGoesOn(_) | End::WorkerStarts | End::Roll(_));
        self.ends.retain(|(_, end)| !of_a_worker(end));
        let away = DEDUP_WINDOW.mul_f64(1.4);
        self.end(away, End::WorkersReturn(count.max(self.workers.0)));
        self.note(Kind::AllWorkersAway, &format!("{count} workers, for {away:.1?}"));
        Ok(())
    }

    /// Asks for an edit. Where no answer comes it may have been taken or not: the source says which.
    async fn edit(&mut self, fault: &Fault) -> Option<String> {
        if !self.gaps.has_begun() {
            // Before a worker has run there is nothing to edit, and it is refused.
            return None;
        }
        let asked = self.names.draw(fault, self.total())?;
        self.book.ask(&asked.id);
        if self.subject.send(&asked.command(&self.keys)).await {
            self.book.take(&asked.id);
        }
        Some(asked.said())
    }

    async fn strike_workers(&mut self, fault: &Fault) -> Result<Option<String>, ChaosError> {
        if self.ends.iter().any(|(_, end)| matches!(end, End::WorkersReturn(_))) {
            return Ok(None);
        }
        let (fewest, most) = self.workers;
        let starting = self.ends.iter().filter(|(_, end)| matches!(end, End::WorkerStarts)).count();
        let rolling = self.ends.iter().any(|(_, end)| matches!(end, End::Roll(_)));
        let all = self.fleet.count() + starting;
        let target = match fault.kind {
            Kind::WorkerAdded if all < most => {
                Some(format!("worker {} of now {}", self.fleet.start()?, all + 1))
            }
            Kind::WorkerRemoved if all > fewest => match fault.pick(&self.fleet.awake()) {
                Some(&number) if self.fleet.stop(number) => Some(format!("worker {number}")),
                _ => None,
            },
            Kind::WorkerKilled => {
                let pause = fault.lasts(Duration::ZERO, 2 * SESSION_TIMEOUT);
                self.fleet.kill(fault).await?.map(|number| {
                    self.end(pause, End::WorkerStarts);
                    format!("worker {number}")
                })
            }
            Kind::WorkerPaused => {
                let pause = fault.lasts(SESSION_TIMEOUT.mul_f64(1.2), 4 * SESSION_TIMEOUT);
                self.fleet.pause(fault)?.map(|number| {
                    self.end(pause, End::WorkerGoesOn(number));
                    format!("worker {number} for {pause:.1?}")
                })
            }
            Kind::RollingRestart if !rolling => {
                let awake = self.fleet.awake();
                let target = format!("workers {awake:?}");
                self.end(Duration::ZERO, End::Roll(awake));
                Some(target)
            }
            _ => None,
        };
        Ok(target)
    }

    fn arm(&self, fault: &Fault) {
        let bytes = (fault.extent * MOST_BYTES) as usize;
        self.proxy.arm(match fault.kind {
            Kind::CutBeforeExec => Cut::BeforeExec,
            Kind::CutInsideCommit => Cut::InsideCommit,
            Kind::CutReply => Cut::ReceivedBytes(bytes),
            Kind::CutRequest => Cut::SentBytes(bytes),
            Kind::ExecLate => Cut::ExecLate(fault.lasts(SESSION_TIMEOUT, BEYOND_ANSWER.1)),
            _ => Cut::AfterExec,
        });
    }

    async fn strike_server(&mut self, fault: &Fault) -> Result<Option<String>, ChaosError> {
        let group = subject::group(&self.topology, &self.keys, fault);
        // One in ten is longer than a reply may take.
        let silence = match fault.target % 10 {
            0 => fault.lasts(BEYOND_ANSWER.0, BEYOND_ANSWER.1),
            _ => fault.lasts(Duration::from_millis(100), 2 * SESSION_TIMEOUT),
        };
        let target = match fault.kind {
            Kind::ConnectionKilled => self.subject.kill_connection(fault).await,
            Kind::AllConnectionsKilled => {
                self.subject.kill_all_connections().await.map(|count| format!("{count} of them"))
            }
            Kind::GroupDestroyed => match group {
                Some((stream, group)) if self.subject.destroy(&stream, &group).await => {
                    Some(format!("{group} on {stream}"))
                }
                _ => None,
            },
            Kind::GroupSetBack => match group {
                Some((stream, group)) if self.subject.move_group(&stream, &group, "0").await => {
                    Some(format!("{group} on {stream}"))
                }
                _ => None,
            },
            Kind::GroupSetForward => match group {
                Some((stream, group)) if self.subject.move_group(&stream, &group, "$").await => {
                    Some(format!("{group} on {stream}"))
                }
                _ => None,
            },
            Kind::ServerKilled => {
                let pause = fault.lasts(Duration::ZERO, SESSION_TIMEOUT);
                self.subject.kill().await?;
                self.end(pause, End::ServerRestarts);
                Some(format!("for {pause:.1?}"))
            }
            Kind::ServerFrozen => {
                self.subject.freeze()?;
                self.end(silence, End::ServerGoesOn);
                Some(format!("for {silence:.1?}"))
            }
            Kind::ServerPaused if self.subject.pause(silence).await => {
                self.end(silence, End::ServerAnswers);
                Some(format!("for {silence:.1?}"))
            }
            Kind::MemoryFull if !self.subject.full && self.subject.fill().await => {
                let time = fault.lasts(Duration::from_millis(300), 3 * SESSION_TIMEOUT);
                self.end(time, End::MemoryRaised);
                Some(format!("for {time:.1?}"))
            }
            _ => None,
        };
        Ok(target)
    }

    /// Undoes what is due.
    ///
    /// # Errors
    /// Where a process can't be started or does not answer.
    pub async fn undo(&mut self) -> Result<(), ChaosError> {
        while let Some(place) = self.ends.iter().position(|(at, _)| *at <= Instant::now()) {
            let (_, end) = self.ends.swap_remove(place);
            self.finish(end).await?;
        }
        Ok(())
    }

    /// Undoes everything now, and forgets what has not happened yet.
    ///
    /// # Errors
    /// As [`Stage::undo`].
    pub async fn calm(&mut self) -> Result<(), ChaosError> {
        self.proxy.disarm();
        // A `CLIENT PAUSE` can't be ended before its time by one who is paused too.
        while !self.ends.is_empty() {
            for (at, end) in &mut self.ends {
                if !matches!(end, End::ServerAnswers) {
                    *at = Instant::now();
                }
            }
            self.undo().await?;
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }

    /// Counts what the proxy has done meanwhile.
    pub fn note_cuts(&mut self) {
        while let Some(cut) = self.proxy.done() {
            let (kind, target) = match cut {
                Cut::BeforeExec => (Kind::CutBeforeExec, String::new()),
                Cut::InsideCommit => (Kind::CutInsideCommit, String::new()),
                Cut::AfterExec => (Kind::ReplyLost, String::new()),
                Cut::ExecLate(time) => (Kind::ExecLate, format!("by {time:.1?}")),
                Cut::SentBytes(_) => (Kind::CutRequest, String::new()),
                Cut::ReceivedBytes(_) => (Kind::CutReply, String::new()),
            };
            self.note(kind, &target);
        }
    }

    /// How many faults were struck.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.struck.values().sum()
    }

    fn note(&mut self, kind: Kind, target: &str) {
        *self.struck.entry(kind).or_default() += 1;
        self.gaps.fault(kind);
        let (seconds, number) = (self.began.elapsed().as_secs_f64(), self.total());
        println!("{seconds:9.3} s  fault {number:5}  {}  {target}", kind.name());
    }

    fn end(&mut self, after: Duration, end: End) {
        self.ends.push((Instant::now() + after, end));
    }

    async fn finish(&mut self, end: End) -> Result<(), ChaosError> {
        match end {
            End::MemoryRaised if !self.subject.full => {}
            End::MemoryRaised => {
                if self.subject.away || !self.subject.relieve().await {
                    self.end(AGAIN, End::MemoryRaised);
                }
            }
            End::ServerAnswers => self.subject.away = false,
            End::ServerGoesOn => self.subject.thaw()?,
            End::ServerRestarts => self.subject.restart().await?,
            End::WorkerGoesOn(number) => self.fleet.go_on(number)?,
            End::WorkerStarts => drop(self.fleet.start()?),
            End::WorkersReturn(count) => {
                for _ in 0..count {
                    self.fleet.start()?;
                }
            }
            End::Roll(mut numbers) => {
                if let Some(number) = numbers.pop() {
                    if self.fleet.stop(number) {
                        self.fleet.start()?;
                    }
                    self.end(ROLL, End::Roll(numbers));
                }
            }
        }
        Ok(())
    }
}
