//! What a side has stored, to be compared.

use super::{Backend, STREAMS_OF, Side, sorted};
use crate::operation::{NODES, addresses, key};
use redis::{Pipeline, Value};
use tallyd_event::{EntryId, decode::Fields};
use tallyd_runtime::{Session, Store};

impl<S: Store> Side<S> {
    /// Learns the ids of entries that are new.
    pub(super) async fn look(&mut self) {
        for node in 0..STREAMS_OF {
            for partition in 0..self.topology.nodes[node].partitions {
                let entries = self.entries(node, partition).await;
                let known = &mut self.ids[node][usize::from(partition)];
                let last = known.last().copied().unwrap_or_default();
                known.extend(entries.iter().map(|entry| entry.0).filter(|id| *id > last));
            }
        }
    }

    pub(super) async fn entries(&mut self, node: usize, partition: u16) -> Vec<(EntryId, Fields)> {
        match &mut self.backend {
            Backend::Redis(connection) => {
                let of_node = &self.topology.nodes[node];
                let stream = self.keys.input(&self.topology, of_node, partition).unwrap();
                let mut ask = Pipeline::new();
                ask.cmd("XRANGE").arg(stream).arg("-").arg("+");
                let stored = connection.all(&ask).await.unwrap().pop().unwrap();
                let stored: Vec<(String, Fields)> = redis::from_redis_value(stored).unwrap();
                stored.into_iter().map(|(id, fields)| (id.parse().unwrap(), fields)).collect()
            }
            Backend::Simulated(world) => world.with(|world| {
                let stream = world.input((node, partition)).and_then(|i| world.streams.get(&i));
                let entries = stream.map(|stream| stream.entries.clone()).unwrap_or_default();
                entries.into_iter().collect()
            }),
        }
    }

    /// Everything that is stored.
    pub async fn all(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for node in 0..STREAMS_OF {
            for partition in 0..self.topology.nodes[node].partitions {
                for (id, fields) in self.entries(node, partition).await {
                    let place = self.place(node, partition, id);
                    all.push(format!("{node}:{partition} has {place}: {fields:?}"));
                }
                if let Some((delivered, pending)) = self.group(node, partition).await {
                    let place = self.place(node, partition, delivered);
                    all.push(format!("{node}:{partition} delivered up to {place}"));
                    for (id, consumer) in pending {
                        let place = self.place(node, partition, id);
                        all.push(format!("{node}:{partition} {place} pending of {consumer}"));
                    }
                }
            }
        }
        for node in 0..NODES {
            let mut session = self.store.open(node, &"reader".into()).await.unwrap();
            let fused = self.topology.fused(node);
            let asked = fused.iter().map(|node| (*node, addresses())).collect();
            all.push(format!("{:?}", sorted(session.fetch(asked, &[]).await.unwrap().cells)));
            for node in fused {
                all.push(format!("{node}: {:?}", self.sets(node).await));
            }
        }
        all
    }

    /// How far a group has read, and what is pending of whom.
    async fn group(
        &mut self,
        node: usize,
        partition: u16,
    ) -> Option<(EntryId, Vec<(EntryId, String)>)> {
        match &mut self.backend {
            Backend::Redis(connection) => {
                let of_node = &self.topology.nodes[node];
                let stream = self.keys.input(&self.topology, of_node, partition).unwrap();
                let group = self.keys.group(&self.topology, of_node);
                let mut ask = Pipeline::new();
                ask.cmd("XINFO").arg("GROUPS").arg(&stream);
                ask.cmd("XPENDING").arg(&stream).arg(&group).arg("-").arg("+").arg(10_000);
                let mut replies = connection.send(&ask).await.unwrap().into_iter();
                let (groups, pending) = (replies.next().unwrap(), replies.next().unwrap());
                if matches!(pending, Value::ServerError(_)) {
                    return None;
                }
                let groups: Vec<std::collections::HashMap<String, Value>> =
                    redis::from_redis_value(groups).unwrap();
                let named = |facts: &&std::collections::HashMap<String, Value>| {
                    redis::from_redis_value::<String>(facts["name"].clone()).unwrap() == group
                };
                let delivered = groups.iter().find(named).unwrap()["last-delivered-id"].clone();
                let delivered: String = redis::from_redis_value(delivered).unwrap();
                let pending: Vec<(String, String, u64, u64)> =
                    redis::from_redis_value(pending).unwrap();
                let pending =
                    pending.into_iter().map(|(id, owner, _, _)| (id.parse().unwrap(), owner));
                Some((delivered.parse().unwrap(), pending.collect()))
            }
            Backend::Simulated(world) => {
                let group = world.with(|world| world.group((node, partition)).cloned())?;
                let pending = group.pending.iter().map(|(id, owner)| (*id, owner.to_string()));
                Some((group.delivered, pending.collect()))
            }
        }
    }

    /// What is counted as distinct, and the members of the set.
    async fn sets(&mut self, node: usize) -> (usize, Vec<String>) {
        let (distinct, members) = (key(4), key(5));
        match &mut self.backend {
            Backend::Redis(connection) => {
                let name = &self.topology.nodes[node].name;
                let mut ask = Pipeline::new();
                ask.cmd("PFCOUNT").arg(self.keys.bolt(name, &distinct));
                ask.cmd("SMEMBERS").arg(self.keys.bolt(name, &members));
                let mut replies = connection.all(&ask).await.unwrap().into_iter();
                let count = redis::from_redis_value(replies.next().unwrap()).unwrap();
                let mut members: Vec<String> =
                    redis::from_redis_value(replies.next().unwrap()).unwrap();
                members.sort();
                (count, members)
            }
            Backend::Simulated(world) => {
                let memory =
                    world.with(|world| world.bolts.get(&node).cloned().unwrap_or_default());
                let members = memory.members.get(&members).cloned().unwrap_or_default();
                let members = members.iter().map(ToString::to_string).collect();
                (memory.distinct.get(&distinct).map_or(0, |set| set.len()), members)
            }
        }
    }
}
