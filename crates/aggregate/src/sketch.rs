//! The `DDSketch` behind quantiles, and the bytes in which it is stored.

use sketches_ddsketch::{Config, DDSketch};

/// Values closer to zero than this count as zero.
const LEAST: f64 = 1e-9;
/// The greatest value that is sure to be told apart from [`LEAST`]: every int is below it.
const GREATEST: f64 = 1e19;

/// A sketch of the distribution of a field's values (Masson, Rim and Lee: `DDSketch`, 2019).
///
/// The quantile q is the value at the nearest rank, ⌈q·n⌉ of the n values in order, with a relative
/// error of at most the accuracy, for all values of a magnitude from 1e-9 to 1e19. Closer to zero they
/// count as zero; where the magnitudes of one sign span more than 28 powers of ten, the least of
/// them are taken together, and low quantiles lose their bound.
pub(crate) struct Sketch(DDSketch);

impl Sketch {
    /// An empty sketch of this relative accuracy.
    pub(crate) fn new(accuracy: f64) -> Self {
        let gamma = (1.0 + accuracy) / (1.0 - accuracy);
        let bins = ((GREATEST / LEAST).ln() / gamma.ln()).ceil();
        Self(DDSketch::new(Config::new(accuracy, bins as u32, LEAST)))
    }

    /// The sketch of these bytes: MessagePack of the library's own form.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok().map(Self)
    }

    /// The sketch as bytes: at accuracy 0.01 some 115 bins for each factor of ten between the
    /// values, each of 1 byte while it counts less than 128, of 9 at most.
    #[expect(clippy::expect_used, reason = "numbers written to memory always succeed")]
    pub(crate) fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(&self.0).expect("a sketch is plain numbers")
    }

    pub(crate) fn add(&mut self, value: f64) {
        self.0.add(value);
    }

    /// The quantile of this share by nearest rank; `None` while the sketch is empty. The least and
    /// the greatest value are exact.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.0.count() as f64;
        // A share such as 0.07 is no float, and its product may be a little above the whole number
        // that is meant: 2 roundings of half a unit in the last place each.
        let rank = (share * count * (1.0 - 2.0 * f64::EPSILON)).ceil().max(1.0);
        // The library takes the value at rank ⌊q·(n - 1)⌋, counted from 0: half a rank more is safe.
        let asked = if rank <= 1.0 {
            0.0
        } else if rank >= count {
            1.0
        } else {
            (rank - 0.5) / (count - 1.0)
        };
        self.0.quantile(asked).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(values: &[f64], accuracy: f64) -> Sketch {
        let mut sketch = Sketch::new(accuracy);
        values.iter().for_each(|&value| sketch.add(value));
        sketch
    }

    /// Stored sketches must stay readable: a library that writes another form fails here.
    #[test]
    fn the_stored_form_never_changes() {
        let bytes = sketch(&[1.0, 2.0, -3.0, 0.0], 0.5).encode();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = [
            "97953bcb4008000000000000cb3ff193ea7aad030bcb3e112e0be826d6951397dc003b0000000000",
            "00000000000000000000000000000000000000000000000002000000000000000000000000000000",
            "0000000000000000000000000000020000e33bc297dc003b00000000000000000000000000000000",
            "00000000000000000000000000010000000000000000000000000000000000000000000000000000",
            "000000010101e43bc2cbc008000000000000cb4000000000000000cb000000000000000001",
        ]
        .concat();
        assert_eq!(hex, expected);
    }

    #[test]
    fn grows_with_the_spread_of_values_only() {
        let size = |values: &[f64]| sketch(values, 0.01).encode().len();
        let values: Vec<f64> = (100..60_000).map(f64::from).collect();
        assert_eq!(size(&values), 672);
        assert_eq!(size(&[values.clone(), values].concat()), 745);
    }

    #[test]
    fn foreign_bytes_are_no_sketch() {
        let bytes = sketch(&[1.0], 0.01).encode();
        for cut in 0..bytes.len() {
            assert!(Sketch::decode(&bytes[..cut]).is_none());
        }
    }

    /// The place of the nearest rank, the first that no smaller share of the values lies at: found
    /// by counting.
    fn nearest(share: f64, count: usize) -> usize {
        let is_reached = |place: &usize| (*place + 1) as f64 >= share * count as f64 - 1e-9;
        (0..count).find(is_reached).unwrap()
    }

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let ms = |values: &[u32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let to_100: Vec<u32> = (1..=100).collect();
        let cases = [
            (ms(&[10, 20, 30]), 0.99, 30.0),
            (ms(&[400, 800]), 0.95, 800.0),
            (ms(&[400, 800]), 0.5, 400.0),
            (ms(&[7]), 0.01, 7.0),
            (ms(&to_100), 0.07, 7.0),
            (ms(&to_100), 0.5, 50.0),
            (ms(&to_100), 0.99, 99.0),
            (ms(&to_100), 0.999, 100.0),
        ];
        for (values, share, expected) in cases {
            let found = sketch(&values, 0.01).quantile(share).unwrap();
            assert!((found - expected).abs() <= 0.01 * expected, "{share}: {found} of {values:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn every_percentile_is_of_its_nearest_rank(count in 1usize..400) {
            let sketch = sketch(&(1..=count).map(|value| value as f64).collect::<Vec<_>>(), 0.0005);
            for percent in 1..100 {
                // In whole numbers: no rounding.
                let rank = (percent * count).div_ceil(100);
                let share: f64 = format!("{percent}e-2").parse().unwrap();
                let found = sketch.quantile(share).unwrap();
                prop_assert_eq!(found.round() as usize, rank, "p{} of {}", percent, count);
            }
        }

        #[test]
        fn quantiles_are_within_the_accuracy(
            mut values in proptest::collection::vec(
                prop_oneof![
                    0.0f64..100_000.0,
                    any::<i64>().prop_map(|i| i as f64),
                    (any::<bool>(), -9f64..18.9).prop_map(|(minus, e)| if minus { -10f64.powf(e) } else { 10f64.powf(e) }),
                ],
                1..200,
            ),
            share in 0.0f64..=1.0,
            accuracy in 0.001f64..0.2,
        ) {
            let estimate = sketch(&values, accuracy).quantile(share).unwrap();
            values.sort_by(f64::total_cmp);
            let exact = values[nearest(share, values.len())];
            let bound = exact.abs() * accuracy * (1.0 + 1e-6) + LEAST;
            prop_assert!((estimate - exact).abs() <= bound, "{estimate} for {exact}");
        }

        #[test]
        fn storing_between_values_changes_nothing(
            values in proptest::collection::vec(proptest::num::f64::NORMAL | proptest::num::f64::ZERO, 0..60),
        ) {
            let mut stored = Sketch::new(0.01).encode();
            for &value in &values {
                let mut sketch = Sketch::decode(&stored).unwrap();
                sketch.add(value);
                stored = sketch.encode();
            }
            prop_assert_eq!(stored, sketch(&values, 0.01).encode());
        }
    }
}
