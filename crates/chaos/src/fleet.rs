//! The workers of a run: started, killed, paused and stopped. Every other one reaches Redis
//! through the proxy.

use crate::{ChaosError, fault::Fault};
use std::path::PathBuf;
use tallyd_harness::{HarnessError, WorkerProcess};
use tokio::task::JoinSet;

/// How workers are started.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// The tallyd program.
    pub program: PathBuf,
    /// Where their logs go.
    pub folder: PathBuf,
    /// Their topology file.
    pub file: PathBuf,
    /// How they reach Redis, by turns.
    pub urls: Vec<String>,
}

struct Member {
    process: WorkerProcess,
    paused: bool,
}

/// The workers.
pub struct Fleet {
    options: FleetOptions,
    started: usize,
    members: Vec<Member>,
    leaving: JoinSet<Result<(), HarnessError>>,
}

impl Fleet {
    /// No workers yet.
    #[must_use]
    pub fn new(options: FleetOptions) -> Self {
        Self { options, started: 0, members: Vec::new(), leaving: JoinSet::new() }
    }

    /// Starts a worker and returns its number.
    ///
    /// # Errors
    /// Where the process can't be started.
    pub fn start(&mut self) -> Result<usize, ChaosError> {
        self.started += 1;
        let FleetOptions { program, folder, file, urls } = &self.options;
        let url = urls.get(self.started % urls.len().max(1)).map_or("", String::as_str);
        let process = WorkerProcess::start(program, folder, file, url, self.started)?;
        self.members.push(Member { process, paused: false });
        Ok(self.started)
    }

    /// How many there are, the paused ones included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// How many were started since the beginning.
    #[must_use]
    pub fn started(&self) -> usize {
        self.started
    }

    /// The numbers of those that are not paused.
    #[must_use]
    pub fn awake(&self) -> Vec<usize> {
        self.members.iter().filter(|m| !m.paused).map(|m| m.process.number()).collect()
    }

    /// Kills one, paused or not, and returns its number.
    ///
    /// # Errors
    /// Where the system refuses.
    pub async fn kill(&mut self, fault: &Fault) -> Result<Option<usize>, ChaosError> {
        let places: Vec<usize> = (0..self.members.len()).collect();
        let Some(&place) = fault.pick(&places) else { return Ok(None) };
        let mut member = self.members.remove(place);
        member.process.kill().await?;
        Ok(Some(member.process.number()))
    }

    /// Kills all of them, and returns how many those were.
    ///
    /// # Errors
    /// Where the system refuses.
    pub async fn kill_all(&mut self) -> Result<usize, ChaosError> {
        let members = std::mem::take(&mut self.members);
        let count = members.len();
        for mut member in members {
            member.process.kill().await?;
        }
        Ok(count)
    }

    /// Pauses one that is not paused, and returns its number.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn pause(&mut self, fault: &Fault) -> Result<Option<usize>, ChaosError> {
        let Some(&number) = fault.pick(&self.awake()) else { return Ok(None) };
        for member in self.members.iter_mut().filter(|m| m.process.number() == number) {
            member.process.pause()?;
            member.paused = true;
        }
        Ok(Some(number))
    }

    /// Lets a paused one go on, if it was not killed meanwhile.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn go_on(&mut self, number: usize) -> Result<(), ChaosError> {
        for member in self.members.iter_mut().filter(|m| m.process.number() == number) {
            member.process.go_on()?;
            member.paused = false;
        }
        Ok(())
    }

    /// Stops this one with SIGTERM, if it is awake. It may take its time.
    pub fn stop(&mut self, number: usize) -> bool {
        let awake = |m: &Member| m.process.number() == number && !m.paused;
        let Some(place) = self.members.iter().position(awake) else { return false };
        let member = self.members.remove(place);
        self.leaving.spawn(member.process.stop());
        true
    }

    /// Fails if a worker has ended by itself, or does not end when told to, or ends badly.
    ///
    /// # Errors
    /// As said.
    pub fn check(&mut self) -> Result<(), ChaosError> {
        for member in &mut self.members {
            member.process.check()?;
        }
        while let Some(left) = self.leaving.try_join_next() {
            left??;
        }
        Ok(())
    }

    /// Stops all and waits for them.
    ///
    /// # Errors
    /// As [`Fleet::check`].
    pub async fn stop_all(&mut self) -> Result<(), ChaosError> {
        for number in self.awake() {
            self.stop(number);
        }
        while let Some(left) = self.leaving.join_next().await {
            left??;
        }
        Ok(())
    }
}
