//! One learned weight in one shared whole number, which every partition adds to.
//!
//! The high 32 bits are the sum of squared gradients, in 1,024ths, which says how far the next
//! step goes (AdaGrad; Duchi, Hazan and Singer 2011). The low 32 bits, signed, are the weight in
//! millionths, as a difference to where it begins. Adding two such numbers adds both parts, so
//! that sums don't depend on the order of the additions.

/// So many units are one squared gradient.
const SQUARE: f64 = 1024.0;
/// So many units are a weight of 1.
const MICRO: f64 = 1e6;
/// The first step, before anything is learned.
const RATE: f64 = 0.1;
/// No weight moves away from where it began by more than this. The sum of what tasks add before
/// they see each other's would have to be 70 times that to overflow into the other part.
const FARTHEST: i64 = 30_000_000;
/// Squares are summed up to this: steps shrink to a thousandth of the first, and no further, so
/// that a course that changes is followed. As much again may be added by tasks that do not see
/// each other's, each answer adding a few hundred units.
const MOST_SQUARES: i64 = 1 << 30;

/// What a weight is above where it begins.
pub(crate) fn value(packed: i64) -> f64 {
    low(packed) as f64 / MICRO
}

/// What an answer adds to a weight whose gradient was `gradient`: the weight moves along it.
pub(crate) fn step(packed: i64, gradient: f64) -> i64 {
    if gradient == 0.0 {
        return 0;
    }
    let (low, high) = (low(packed), high(packed).max(0));
    let squared = gradient * gradient;
    let rate = RATE / (1.0 + high as f64 / SQUARE + squared).sqrt();
    let wanted = whole(rate * gradient * MICRO);
    let moved = (low + wanted).clamp(low.min(-FARTHEST), low.max(FARTHEST));
    let squares = if high < MOST_SQUARES { whole(squared * SQUARE) } else { 0 };
    (squares << 32) + (moved - low)
}

/// The nearest whole number. `f64::round` is a call where the processor is not known.
fn whole(number: f64) -> i64 {
    (number + 0.5f64.copysign(number)) as i64
}

fn low(packed: i64) -> i64 {
    i64::from(packed as i32)
}

fn high(packed: i64) -> i64 {
    packed.wrapping_sub(low(packed)) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_first_step_is_as_computed_by_hand() {
        // 0.1 · 0.5 / √(1 + 0.25), and a quarter of 1,024.
        let packed = step(0, -0.5);
        assert_eq!((low(packed), high(packed)), (-44_721, 256));
        // 0.1 · 0.5 / √(1 + 0.25 + 0.25) more.
        let packed = packed + step(packed, 0.5);
        assert_eq!((low(packed), high(packed)), (-44_721 + 40_825, 512));
        assert!((value(packed) + 0.003_896).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn parts_add_apart(parts in prop::collection::vec((0i64..1 << 20, -FARTHEST..FARTHEST), 0..60)) {
            let sum = |of: fn(&(i64, i64)) -> i64| parts.iter().map(of).sum::<i64>();
            let packed = sum(|(squares, weight)| (squares << 32) + weight);
            prop_assert_eq!((high(packed), low(packed)), (sum(|p| p.0), sum(|p| p.1)));
        }

        #[test]
        fn no_gradients_lead_out_of_bounds(
            packed: i64,
            gradients in prop::collection::vec(-9.0f64..9.0, 1..60),
        ) {
            let mut packed = packed;
            for gradient in gradients {
                let added = step(packed, gradient);
                let (before, after) = (low(packed), packed.checked_add(added));
                prop_assert!(high(added) >= 0 && high(added) <= 81 * 1024);
                prop_assert!(low(added).abs() <= 100_000);
                prop_assert!(low(added) == 0 || (low(added) > 0) == (gradient > 0.0));
                let after = after.map(low);
                prop_assert!(after.is_none_or(|after| after.abs() <= before.abs().max(FARTHEST)));
                packed = packed.saturating_add(added);
            }
        }
    }
}
