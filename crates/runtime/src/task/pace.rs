//! How soon a task takes its next batch. A commit has a price of its own, whatever is in it, and few
//! events touch the same key: batch after batch of two or three events costs about twice as much an
//! event as one batch of what came in some milliseconds. So where more events are about to come, a
//! task rests after a small batch, and then takes what came meanwhile. Where it has been quiet an
//! event is taken at once, and after a large batch the next follows at once.

use std::time::Duration;
use tokio::time::Instant;

/// From the beginning of a small batch to that of the next. An event waits for half of it on average.
const REST: Duration = Duration::from_millis(4);
/// A batch of so many events is not small: what it costs by itself is little beside them.
const LARGE: usize = 64;
/// How many events must be about to come in a rest to make it worthwhile.
pub const RESTS_FROM: f64 = 2.0;
/// How fast the rate follows: the weight of the newest batch.
const WEIGHT: f64 = 0.2;

/// The pace of one task.
#[derive(Debug)]
pub(super) struct Pace {
    /// From how many events on that are about to come it rests.
    from: f64,
    /// When the last batch began.
    last: Option<Instant>,
    /// Events a millisecond, on average over the last batches.
    rate: f64,
    /// Until when it rests.
    until: Option<Instant>,
}

impl Pace {
    /// Nothing is known yet.
    pub(super) fn new(from: f64) -> Self {
        Self { from, last: None, rate: 0.0, until: None }
    }

    /// Whether to rest after a batch that began then and holds so many events: if so, nothing is read
    /// with its commit.
    pub(super) fn batch(&mut self, events: usize, began: Instant) -> bool {
        if events == 0 {
            return false;
        }
        if let Some(last) = self.last.replace(began) {
            let ms = began.saturating_duration_since(last).as_secs_f64() * 1000.0;
            self.rate += WEIGHT * (events as f64 / ms.max(0.01) - self.rate);
        }
        let about_to_come = self.rate * REST.as_secs_f64() * 1000.0;
        let rests = events < LARGE && about_to_come >= self.from;
        self.until = rests.then(|| began + REST);
        rests
    }

    /// Until when to rest, once.
    pub(super) fn take(&mut self) -> Option<Instant> {
        self.until.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it rests after the last of some batches.
    fn rests(pace: &mut Pace, batches: usize, events: usize, apart: Duration) -> bool {
        let began = pace.last.unwrap_or_else(Instant::now);
        let times = (1..).map(|number| began + apart * number);
        times.take(batches).fold(false, |_, began| pace.batch(events, began))
    }

    #[test]
    fn it_rests_only_where_more_is_about_to_come() {
        let us = Duration::from_micros;
        let mut pace = Pace::new(RESTS_FROM);
        assert!(!pace.batch(1, Instant::now()), "nothing is known yet");
        assert!(!rests(&mut pace, 50, 1, us(2_500)), "one or two in a rest are not enough");
        assert!(rests(&mut pace, 50, 1, us(500)));
        let began = pace.last.unwrap();
        assert_eq!((pace.take(), pace.take()), (Some(began + REST), None), "once for each batch");
        assert!(rests(&mut pace, 50, 8, REST), "the rate is the same while it rests");
        assert!(!rests(&mut pace, 50, LARGE, REST), "a large batch is worth its commit");
        assert!(!pace.batch(0, began), "a batch without events is nothing to rest from");
        assert!(!rests(&mut pace, 30, 1, us(50_000)), "as soon as few come, each goes at once");
    }
}
