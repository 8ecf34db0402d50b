//! Many delays in little memory.

use std::time::Duration;

/// How many parts a doubling has: a delay is known to a hundredth.
const PARTS: u32 = 64;
/// How many doublings of a µs: up to an hour.
const DOUBLINGS: usize = 32;

/// Delays, counted by their logarithm.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; PARTS as usize * DOUBLINGS] }
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, took: Duration) {
        let micros = (took.as_secs_f64() * 1e6).max(1.0);
        let place = (micros.log2() * f64::from(PARTS)) as usize;
        let place = place.min(self.counts.len() - 1);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
    }

    /// Counts all of another.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The delay in ms below which this share of them lie; not a number where there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        let above = |place: usize| ((place + 1) as f64 / f64::from(PARTS)).exp2() / 1000.0;
        place.map_or(f64::NAN, above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_two_hundredths() {
        let mut delays = Histogram::default();
        assert!(delays.quantile(0.5).is_nan());
        for ms in 1..=1000 {
            delays.record(Duration::from_millis(ms));
        }
        let mut twice = delays.clone();
        twice.add(&delays);
        assert_eq!(twice.count(), 2000);
        for (share, ms) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = twice.quantile(share);
            assert!((found / ms - 1.0).abs() < 0.02, "{share}: {found}");
        }
        delays.record(Duration::ZERO);
        delays.record(Duration::from_secs(1 << 40));
        assert!(delays.quantile(0.0) < 0.01 && delays.quantile(1.0) > 1e6);
    }
}
