//! How often a caller may ask.

use crate::problem::{Code, Problem};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use smol_str::SmolStr;
use std::num::NonZeroU32;

type Limiter<C> =
    RateLimiter<SmolStr, DefaultKeyedStateStore<SmolStr>, C, StateInformationMiddleware>;

/// Limits the requests of each caller, by who it is. The clock is another one in tests alone.
pub struct Limit<C: Clock = DefaultClock> {
    rate: NonZeroU32,
    clock: C,
    limiter: Limiter<C>,
}

/// What a caller has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    rate: u32,
    remaining: u32,
}

impl Limit {
    /// So many requests a second on average, and at most as many at once.
    #[must_use]
    pub fn new(rate: NonZeroU32) -> Self {
        Self::by(rate, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limit<C> {
    fn by(rate: NonZeroU32, clock: C) -> Self {
        let (quota, states) = (Quota::per_second(rate), DefaultKeyedStateStore::default());
        let limiter = Limiter::new(quota, states, clock.clone());
        Self { rate, clock, limiter }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// Where there were too many.
    pub fn take(&self, subject: &SmolStr) -> Result<Left, Problem> {
        let rate = self.rate.get();
        match self.limiter.check_key(subject) {
            Ok(state) => Ok(Left { rate, remaining: state.remaining_burst_capacity() }),
            Err(not_until) => {
                let wait = not_until.wait_time_from(self.clock.now());
                let detail = format!("more than {rate} requests a second");
                Err(Problem::new(Code::TooManyRequests, detail).after(wait))
            }
        }
    }

    /// Forgets those who have not asked for a while.
    pub fn tidy(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

impl Left {
    /// Says it in the headers of an answer.
    pub fn tell(self, headers: &mut HeaderMap) {
        let Left { rate, remaining } = self;
        let all =
            [("ratelimit-limit", rate), ("ratelimit-remaining", remaining), ("ratelimit-reset", 1)];
        for (name, value) in all {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::time::Duration;

    #[test]
    fn each_caller_has_a_limit_of_its_own() {
        let clock = FakeRelativeClock::default();
        let limit = Limit::by(NonZeroU32::new(2).unwrap(), clock.clone());
        let (one, other) = (SmolStr::new("one"), SmolStr::new("other"));
        assert_eq!(limit.take(&one).unwrap().remaining, 1);
        assert_eq!(limit.take(&one).unwrap().remaining, 0);
        let refused = limit.take(&one).unwrap_err();
        assert_eq!(refused.code, Code::TooManyRequests);
        assert_eq!(refused.retry_after, Some(Duration::from_millis(500)));
        assert!(limit.take(&other).is_ok());
        clock.advance(Duration::from_millis(500));
        assert_eq!(limit.take(&one).unwrap().remaining, 0);
    }
}
