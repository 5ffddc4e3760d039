//! The distributions that changes of pictures are drawn from.

use crate::SplitMix64;

/// A number from `low` to `high`.
pub(in crate::image) fn uniform(low: f64, high: f64, random: &mut SplitMix64) -> f64 {
    low + (high - low) * random.unit()
}

/// True with the given probability.
pub(in crate::image) fn chance(probability: f64, random: &mut SplitMix64) -> bool {
    random.unit() < probability
}

/// A whole number from `low` to `high`, both included.
pub(in crate::image) fn whole(low: usize, high: usize, random: &mut SplitMix64) -> usize {
    low + random.below(high - low + 1)
}

/// The symmetric beta distribution with both parameters `alpha`, above 0.
pub(super) fn beta(alpha: f64, random: &mut SplitMix64) -> f64 {
    // In logarithms, since both gammas of a small `alpha` are too small for a float.
    let (one, other) = (log_gamma_variate(alpha, random), log_gamma_variate(alpha, random));
    1.0 / (1.0 + (other - one).exp())
}

/// The logarithm of a number from the gamma distribution with scale 1 (Marsaglia and Tsang, "A simple method for generating
/// gamma variables", 2000).
fn log_gamma_variate(shape: f64, random: &mut SplitMix64) -> f64 {
    // Γ(a) = Γ(a + 1) · U^(1/a), since the method needs a shape of at least 1.
    let boost = (1.0 - random.unit()).ln() / shape;
    let d = shape + 1.0 - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = random.normal();
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - random.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln() + boost;
        }
    }
}

/// The numbers below `count` in random order (Fisher and Yates).
pub(super) fn permutation(count: usize, random: &mut SplitMix64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        order.swap(place, random.below(place + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = 20_000;

    fn moments(draw: impl FnMut() -> f64) -> (f64, f64) {
        let values: Vec<f64> = std::iter::repeat_with(draw).take(COUNT).collect();
        let mean = values.iter().sum::<f64>() / COUNT as f64;
        (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / COUNT as f64)
    }

    #[test]
    fn beta_has_its_moments() {
        for alpha in [0.01, 0.2, 1.0, 8.0] {
            let mut random = SplitMix64::new(2);
            let (mean, variance) = moments(|| beta(alpha, &mut random));
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 0.015, "{alpha}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.05, "{alpha}: {variance} and not {expected}");
        }
    }

    #[test]
    fn permutations_hold_every_number_once() {
        let mut order = permutation(50, &mut SplitMix64::new(3));
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
        assert!(permutation(0, &mut SplitMix64::new(3)).is_empty());
    }
}
