//! Zipf's distribution: the k-th of n is drawn in proportion to 1/k^s (G. K. Zipf, 1949).

/// A table of cumulated probabilities, searched by halves.
#[derive(Clone, Debug)]
pub struct Zipf {
    cumulated: Vec<f64>,
}

impl Zipf {
    /// The distribution over `count` ranks. `skew` is the exponent s: 0 makes all equally likely,
    /// about 1 is what words and visitors show.
    #[must_use]
    pub fn new(count: u32, skew: f64) -> Self {
        let mut sum = 0.0;
        let cumulated = (1..=count).map(|rank| {
            sum += f64::from(rank).powf(-skew);
            sum
        });
        Self { cumulated: cumulated.collect() }
    }

    /// The rank, from 0, at a place `unit` in 0..1 of the whole probability.
    #[must_use]
    pub fn rank(&self, unit: f64) -> u32 {
        let Some(&whole) = self.cumulated.last() else { return 0 };
        let rank = self.cumulated.partition_point(|&sum| sum <= unit * whole);
        u32::try_from(rank.min(self.cumulated.len() - 1)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_drawn_in_proportion_to_their_inverse() {
        let zipf = Zipf::new(3, 1.0);
        let mut drawn = [0; 3];
        for step in 0..1100 {
            drawn[zipf.rank((f64::from(step) + 0.5) / 1100.0) as usize] += 1;
        }
        assert_eq!(drawn, [600, 300, 200]);
    }

    #[test]
    fn the_ends_are_ranks_too() {
        let zipf = Zipf::new(5, 0.7);
        assert_eq!((zipf.rank(0.0), zipf.rank(1.0)), (0, 4));
        assert_eq!(Zipf::new(1, 2.0).rank(0.999), 0);
    }
}
