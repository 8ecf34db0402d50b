//! What is said of a failure that is tried again and again: at once, then once a minute with a
//! count, and that it is over. Pure.

use crate::store::ErrorKind;
use std::time::Duration;
use tokio::time::Instant;

/// How often a failure that goes on is said.
const EVERY: Duration = Duration::from_mins(1);

/// How long it must have worked before it is said to be over: what works and fails in turn is one
/// failure.
const CALM: Duration = Duration::from_secs(5);

/// One thing that is tried again and again.
#[derive(Debug, Default)]
pub(crate) struct Repeated(Option<Going>);

/// A failure that goes on.
#[derive(Debug)]
struct Going {
    kind: ErrorKind,
    since: Instant,
    said: Instant,
    last: Instant,
    times: u64,
}

/// How often something failed, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) times: u64,
    pub(crate) lasted: Duration,
}

impl Repeated {
    /// It failed. What to say of it, if anything: a failure of another kind is said at once.
    pub(crate) fn failed(&mut self, kind: ErrorKind, now: Instant) -> Option<Failed> {
        let going = match &mut self.0 {
            Some(going) if going.kind == kind => going,
            other => {
                *other = Some(Going { kind, since: now, said: now, last: now, times: 1 });
                return Some(Failed { times: 1, lasted: Duration::ZERO });
            }
        };
        going.times += 1;
        going.last = now;
        if now.duration_since(going.said) < EVERY {
            return None;
        }
        going.said = now;
        Some(Failed { times: going.times, lasted: now.duration_since(going.since) })
    }

    /// It worked. What failed before, if anything.
    pub(crate) fn worked(&mut self, now: Instant) -> Option<Failed> {
        self.0.take_if(|going| now.duration_since(going.last) >= CALM).map(
            |Going { since, last, times, .. }| Failed { times, lasted: last.duration_since(since) },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_said_at_once_then_each_minute_then_that_it_is_over() {
        let mut repeated = Repeated::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(repeated.worked(at(0)), None);
        let said: Vec<(u64, u64)> = (0..1300)
            .filter_map(|n| Some((n, repeated.failed(ErrorKind::NoReplicas, at(n * 100))?.times)))
            .collect();
        assert_eq!(said, [(0, 1), (600, 601), (1200, 1201)]);
        let other = repeated.failed(ErrorKind::Connection, at(130_000));
        assert_eq!(other.map(|failed| failed.times), Some(1));
        // It works for a moment, and fails again: that is still the same.
        assert_eq!(repeated.worked(at(131_000)), None);
        assert_eq!(repeated.failed(ErrorKind::Connection, at(132_000)), None);
        let over = Failed { times: 2, lasted: Duration::from_secs(2) };
        assert_eq!(repeated.worked(at(137_000)), Some(over));
        assert_eq!(repeated.worked(at(138_000)), None);
    }
}
