//! Who is gone, as one worker judges by what it heard. Pure: those who call say what time it is.
//!
//! It only decides when others take over. A worker that is judged wrongly loses time, never
//! counts: fences see to that.

use crate::store::View;
use smol_str::SmolStr;
use std::{collections::BTreeMap, time::Duration};

/// How far apart the two looks are, at least, that must both find a subscription missing: a worker
/// whose connection broke subscribes again meanwhile, or beats and shows that it lives.
pub const TWO_LOOKS: Duration = Duration::from_millis(100);

/// After how many session timeouts a worker that died is no longer listed.
const FORGOTTEN_AFTER: i64 = 20;

/// Why a worker counts as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The server sees that its process closed its connections.
    Process,
    /// No heartbeat for so long.
    Silent(Duration),
}

/// What one worker knows of the others.
pub struct Liveness {
    me: SmolStr,
    timeout: Duration,
    /// When the last view came.
    heard: Option<Duration>,
    server: SmolStr,
    peers: BTreeMap<SmolStr, Peer>,
}

struct Peer {
    /// Its last heartbeat, as stored: only whether it changes matters, so no two clocks meet.
    beat: i64,
    /// When that was first seen, or when this worker could hear again.
    since: Duration,
    /// When its subscription was first found missing.
    missing: Option<Duration>,
}

impl Liveness {
    /// Nothing known yet.
    pub fn new(me: SmolStr, timeout: Duration) -> Self {
        Self { me, timeout, heard: None, server: SmolStr::default(), peers: BTreeMap::new() }
    }

    /// Takes in which workers are subscribed. Returns whether one is missing that was not before.
    pub fn looked(&mut self, now: Duration, subscribed: &BTreeMap<SmolStr, bool>) -> bool {
        let mut suspicious = false;
        for (id, peer) in &mut self.peers {
            match subscribed.get(id) {
                Some(true) => peer.missing = None,
                Some(false) if peer.missing.is_none() => {
                    peer.missing = Some(now);
                    suspicious = true;
                }
                _ => {}
            }
        }
        suspicious
    }

    /// Takes in a view, and says who is gone. Who could not hear for a while (the server stood
    /// still, or the network, or this process) heard nobody's heartbeats meanwhile, and others may
    /// have been as deaf: it waits one timeout before it judges.
    pub fn heard(&mut self, now: Duration, view: &View) -> BTreeMap<SmolStr, Gone> {
        let deaf = self.heard.is_none_or(|heard| now.saturating_sub(heard) > self.timeout / 2);
        let moved = self.server != view.server;
        self.heard = Some(now);
        self.server.clone_from(&view.server);
        self.peers.retain(|id, _| view.workers.iter().any(|(worker, _)| worker.id == *id));
        for (worker, beat) in view.workers.iter().filter(|(worker, _)| worker.id != self.me) {
            let new = Peer { beat: *beat, since: now, missing: None };
            let peer = self.peers.entry(worker.id.clone()).or_insert(new);
            if deaf || moved || peer.beat != *beat {
                *peer = Peer { beat: *beat, since: now, missing: None };
            }
        }
        self.looked(now, &view.subscribed);
        let judged = view.workers.iter().filter_map(|(worker, _)| {
            let peer = self.peers.get(&worker.id)?;
            let silent = now.saturating_sub(peer.since);
            let missing = peer.missing.map_or(Duration::ZERO, |since| now.saturating_sub(since));
            let here = !view.server.is_empty() && worker.subscribed.as_ref() == Some(&view.server);
            let gone = if here && peer.missing.is_some() && missing >= TWO_LOOKS {
                Gone::Process
            } else if silent > self.timeout {
                Gone::Silent(silent)
            } else {
                return None;
            };
            Some((worker.id.clone(), gone))
        });
        judged.collect()
    }

    /// Whether a subscription is missing and nobody is judged by it yet: one more look decides.
    pub fn suspects(&self, gone: &BTreeMap<SmolStr, Gone>) -> bool {
        self.peers.iter().any(|(id, peer)| peer.missing.is_some() && !gone.contains_key(id))
    }

    /// The workers that are gone and that nobody heard of for long: by the server's clock too, so
    /// that a server which stood still does not wipe out everybody.
    pub fn forgotten(&self, view: &View, gone: &BTreeMap<SmolStr, Gone>) -> Vec<SmolStr> {
        let timeout = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
        let kept = timeout.saturating_mul(FORGOTTEN_AFTER);
        let old = |beat: i64| view.now.saturating_sub(beat) > kept;
        let workers = view.workers.iter();
        let long = workers.filter(|(worker, beat)| gone.contains_key(&worker.id) && old(*beat));
        long.map(|(worker, _)| worker.id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Announcement;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn worker(id: &str) -> Announcement {
        Announcement { id: id.into(), subscribed: Some("run".into()), ..Announcement::default() }
    }

    /// Peer `b` with this beat, seen from `a`.
    fn view(beat: i64, subscribed: bool) -> View {
        View {
            now: beat,
            server: "run".into(),
            workers: vec![(worker("a"), beat), (worker("b"), beat)],
            subscribed: [("a".into(), true), ("b".into(), subscribed)].into(),
            ..View::default()
        }
    }

    fn seconds(liveness: &mut Liveness, seconds: std::ops::Range<u64>, view: &View) -> Vec<u64> {
        seconds.filter(|s| !liveness.heard(at(s * 1000), view).is_empty()).collect()
    }

    #[test]
    fn one_that_is_silent_for_a_timeout_is_gone() {
        let mut liveness = Liveness::new("a".into(), TIMEOUT);
        assert_eq!(seconds(&mut liveness, 1..10, &view(7, true)), [7, 8, 9]);
        assert!(liveness.heard(at(10_000), &view(8, true)).is_empty(), "it beats again");
    }

    #[test]
    fn who_was_deaf_waits_one_timeout_before_it_judges() {
        let mut liveness = Liveness::new("a".into(), TIMEOUT);
        assert!(seconds(&mut liveness, 1..3, &view(7, true)).is_empty());
        // The server stood still for ten seconds: by its clock everybody is late.
        assert_eq!(seconds(&mut liveness, 13..21, &view(7, true)), [19, 20]);
    }

    #[test]
    fn one_whose_subscription_two_looks_miss_is_gone() {
        let mut liveness = Liveness::new("a".into(), TIMEOUT);
        assert!(liveness.heard(at(0), &view(7, true)).is_empty());
        assert!(liveness.looked(at(250), &[("b".into(), false)].into()));
        assert!(!liveness.looked(at(260), &[("b".into(), false)].into()), "known by now");
        assert!(liveness.heard(at(349), &view(7, false)).is_empty(), "too soon");
        let gone = liveness.heard(at(350), &view(7, false));
        assert_eq!(gone, [("b".into(), Gone::Process)].into());
    }

    #[test]
    fn one_that_beats_or_subscribes_again_is_not_gone() {
        let mut liveness = Liveness::new("a".into(), TIMEOUT);
        liveness.heard(at(0), &view(7, true));
        liveness.looked(at(250), &[("b".into(), false)].into());
        assert!(liveness.heard(at(350), &view(8, false)).is_empty(), "it has beaten");
        assert!(liveness.heard(at(400), &view(8, true)).is_empty(), "it is back");
        assert!(liveness.heard(at(550), &view(8, false)).is_empty(), "missing for the first time");
    }

    #[test]
    fn a_server_that_restarted_has_lost_all_subscriptions() {
        let mut liveness = Liveness::new("a".into(), TIMEOUT);
        liveness.heard(at(0), &view(7, true));
        for ms in [200, 400, 600, 800] {
            let view = View { server: "another run".into(), ..view(7, false) };
            assert!(liveness.heard(at(ms), &view).is_empty(), "at {ms} ms");
        }
    }

    #[test]
    fn one_that_has_no_subscription_is_judged_by_its_heartbeat_alone() {
        let mut liveness = Liveness::new("a".into(), TIMEOUT);
        let mut view = view(7, false);
        view.workers[1].0.subscribed = None;
        assert_eq!(seconds(&mut liveness, 1..8, &view), [7]);
    }

    #[test]
    fn only_one_that_is_gone_is_forgotten() {
        let mut liveness = Liveness::new("a".into(), TIMEOUT);
        let late = View { now: 1_000_000, ..view(7, true) };
        let gone = liveness.heard(at(0), &late);
        assert!(liveness.forgotten(&late, &gone).is_empty(), "the server may have stood still");
        seconds(&mut liveness, 1..6, &late);
        let gone = liveness.heard(at(6_000), &late);
        assert_eq!(liveness.forgotten(&late, &gone), ["b"]);
    }
}
