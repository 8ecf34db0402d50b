//! The Redis under test, and what is done to it by command or signal.

use crate::{ChaosError, client::Client, fault::Fault};
use redis::{Pipeline, Value, from_redis_value};
use std::time::Duration;
use tallyd_harness::Server;
use tallyd_store::keys::Keys;
use tallyd_topology::Topology;

/// What a client of the run that may be killed is called; workers have no name.
pub const PRODUCER: &str = "producer";

/// The server, and a client that orders it about.
pub struct Subject {
    server: Server,
    control: Client,
    /// It is killed, frozen or paused.
    pub away: bool,
    /// Its memory is full.
    pub full: bool,
}

impl Subject {
    /// A server that is well.
    #[must_use]
    pub fn new(server: Server) -> Self {
        let control = Client::new(&server.url, "control", Duration::from_secs(2));
        Self { server, control, away: false, full: false }
    }

    /// Kills it.
    ///
    /// # Errors
    /// Where the system refuses.
    pub async fn kill(&mut self) -> Result<(), ChaosError> {
        self.server.kill().await?;
        self.away = true;
        Ok(())
    }

    /// Starts it again on what it has on disk.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn restart(&mut self) -> Result<(), ChaosError> {
        self.server.restart().await?;
        // `CONFIG SET` is forgotten.
        (self.away, self.full) = (false, false);
        Ok(())
    }

    /// Stops its clock.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn freeze(&mut self) -> Result<(), ChaosError> {
        self.server.pause()?;
        self.away = true;
        Ok(())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn thaw(&mut self) -> Result<(), ChaosError> {
        self.server.go_on()?;
        self.away = false;
        Ok(())
    }

    /// Keeps it from answering anyone for so long. Returns whether it was done.
    pub async fn pause(&mut self, time: Duration) -> bool {
        let mut pause = Pipeline::new();
        pause.cmd("CLIENT").arg("PAUSE").arg(time.as_millis() as u64).arg("ALL");
        self.away = self.control.all(&pause).await.is_ok();
        self.away
    }

    /// Sets the limit of its memory a little below what it uses. Returns whether it was done.
    pub async fn fill(&mut self) -> bool {
        let mut ask = Pipeline::new();
        ask.cmd("INFO").arg("memory");
        let Some(info) = self.text(&ask).await else { return false };
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        let Some(used) = used.and_then(|bytes| bytes.trim().parse::<u64>().ok()) else {
            return false;
        };
        self.full = self.limit(used * 95 / 100).await;
        self.full
    }

    /// Takes the limit away again. Returns whether it was done.
    pub async fn relieve(&mut self) -> bool {
        self.full = !self.limit(0).await;
        !self.full
    }

    async fn limit(&mut self, bytes: u64) -> bool {
        let mut set = Pipeline::new();
        set.cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes);
        self.control.all(&set).await.is_ok()
    }

    /// Sends commands. Returns whether all of them were done; if not, that is not known.
    pub async fn send(&mut self, commands: &Pipeline) -> bool {
        self.control.all(commands).await.is_ok()
    }

    /// Kills the connection of a worker or producer. Returns which.
    pub async fn kill_connection(&mut self, fault: &Fault) -> Option<String> {
        let mut ask = Pipeline::new();
        ask.cmd("CLIENT").arg("LIST");
        let list = self.text(&ask).await?;
        let connections: Vec<(&str, &str)> = list.lines().filter_map(connection).collect();
        let &(id, name) = fault.pick(&connections)?;
        let mut kill = Pipeline::new();
        kill.cmd("CLIENT").arg("KILL").arg("ID").arg(id);
        let killed = self.control.all(&kill).await.ok()?.pop()?;
        let whose = if name.is_empty() { "a worker" } else { name };
        (killed == Value::Int(1)).then(|| format!("connection {id} of {whose}"))
    }

    /// Kills every connection but its own. Returns how many.
    pub async fn kill_all_connections(&mut self) -> Option<i64> {
        let mut kill = Pipeline::new();
        kill.cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        from_redis_value(self.control.all(&kill).await.ok()?.pop()?).ok()
    }

    /// Destroys a group. Returns whether it was there.
    pub async fn destroy(&mut self, stream: &str, group: &str) -> bool {
        let mut destroy = Pipeline::new();
        destroy.cmd("XGROUP").arg("DESTROY").arg(stream).arg(group);
        self.control.all(&destroy).await.is_ok_and(|replies| replies == [Value::Int(1)])
    }

    /// Sets a group to an id of its stream, done or not. Returns whether it was there.
    pub async fn move_group(&mut self, stream: &str, group: &str, id: &str) -> bool {
        let mut set = Pipeline::new();
        set.cmd("XGROUP").arg("SETID").arg(stream).arg(group).arg(id);
        self.control.all(&set).await.is_ok()
    }

    /// What server it is.
    pub async fn version(&mut self) -> String {
        let mut ask = Pipeline::new();
        ask.cmd("INFO").arg("server");
        let info = self.text(&ask).await.unwrap_or_default();
        let fact = |name| info.lines().find_map(|line| line.strip_prefix(name));
        match fact("valkey_version:") {
            Some(version) => format!("Valkey {version}"),
            None => format!("Redis {}", fact("redis_version:").unwrap_or("of unknown version")),
        }
    }

    async fn text(&mut self, ask: &Pipeline) -> Option<String> {
        from_redis_value(self.control.all(ask).await.ok()?.pop()?).ok()
    }
}

/// The stream and group that a fault on groups hits: each node is as likely as another.
#[must_use]
pub fn group(topology: &Topology, keys: &Keys, fault: &Fault) -> Option<(String, String)> {
    let node = fault.pick(&topology.nodes)?;
    let turns = fault.target / topology.nodes.len();
    let partition = u16::try_from(turns % usize::from(node.partitions)).ok()?;
    Some((keys.input(topology, node, partition)?, keys.group(topology, node)))
}

/// The id and name of a line of `CLIENT LIST`, if it is a worker's or producer's.
fn connection(line: &str) -> Option<(&str, &str)> {
    let fact = |name| line.split(' ').find_map(|fact| fact.strip_prefix(name));
    let name = fact("name=")?;
    (name.is_empty() || name.starts_with(PRODUCER)).then_some((fact("id=")?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_workers_and_producers_are_cut_off() {
        let line = |name: &str| format!("id=7 addr=/s:0 laddr=/s:0 fd=9 name={name} age=1 db=0");
        assert_eq!(connection(&line("")), Some(("7", "")));
        assert_eq!(connection(&line("producer-1")), Some(("7", "producer-1")));
        assert_eq!(connection(&line("control")), None);
    }
}
