//! Keys of bolts that expire by the server's clock.

use super::World;
use crate::Mutation;
use tallyd_bolt::{Write, memory::Memory};
use tallyd_runtime::store::Part;

/// The dedup window of the topology, in ms.
const WINDOW_MS: i64 = 1000 * crate::ledger::WINDOW_S;

impl World {
    /// The server's clock goes on, and what expires by then is gone: as early as a server may.
    pub fn go_on(&mut self, now: i64) {
        self.now = now;
        self.resume();
        if self.next_expiry.is_none_or(|at| now < at) {
            return;
        }
        self.bolts.values_mut().for_each(|memory| expire(memory, now));
        self.next_expiry = self.bolts.values().flat_map(|m| m.expiries.values()).min().copied();
    }

    /// Notes when what was written expires.
    pub(super) fn note_expiries(&mut self, part: &Part) {
        let Some(memory) = self.bolts.get_mut(&part.node) else { return };
        if self.mutation == Some(Mutation::ForgetByClock) {
            for write in &part.writes {
                if let Write::Append { key, .. } = write {
                    memory.expiries.insert(key.clone(), self.now + 1000 + WINDOW_MS);
                }
            }
        }
        let written = part.expiries.iter().filter_map(|(key, _)| memory.expiries.get(key));
        self.next_expiry = self.next_expiry.into_iter().chain(written.copied()).min();
    }
}

fn expire(memory: &mut Memory, now: i64) {
    for (key, _) in memory.expiries.extract_if(.., |_, at| *at <= now) {
        memory.counters.remove(&key);
        memory.distinct.remove(&key);
        memory.hashes.remove(&key);
        memory.logs.remove(&key);
        memory.members.remove(&key);
        memory.scores.remove(&key);
    }
}
