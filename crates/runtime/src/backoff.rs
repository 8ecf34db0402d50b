//! How long to wait after an error: longer each time, and never as long as others wait.

use smol_str::SmolStr;
use std::{hash::Hasher, time::Duration};

/// The waits after errors that follow each other.
pub struct Backoff {
    first: Duration,
    longest: Duration,
    wait: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    /// From the first to the longest wait. Who waits decides by how much they vary, so that equal
    /// runs of the simulation wait equally long, and workers that were hit together do not come
    /// back together.
    pub fn new((first, longest): (Duration, Duration), who: &SmolStr) -> Self {
        let mut hash = std::hash::DefaultHasher::new();
        hash.write(who.as_bytes());
        Self { first, longest, wait: first, random: fastrand::Rng::with_seed(hash.finish()) }
    }

    /// The next wait: between a half and the whole of what doubles each time.
    pub fn next(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (self.wait * 2).min(self.longest);
        wait.mul_f64(0.5 + self.random.f64() / 2.0)
    }

    /// All is well again.
    pub fn reset(&mut self) {
        self.wait = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(who: &str) -> Vec<Duration> {
        let range = (Duration::from_millis(100), Duration::from_millis(400));
        let mut backoff = Backoff::new(range, &who.into());
        (0..4).map(|_| backoff.next()).collect()
    }

    #[test]
    fn waits_grow_and_differ_between_workers() {
        let (a, b) = (waits("a"), waits("b"));
        for (wait, whole) in a.iter().zip([100, 200, 400, 400]) {
            let whole = Duration::from_millis(whole);
            assert!((whole / 2..=whole).contains(wait), "{wait:?} of {whole:?}");
        }
        assert_ne!(a, b);
        assert_eq!(a, waits("a"));
    }
}
