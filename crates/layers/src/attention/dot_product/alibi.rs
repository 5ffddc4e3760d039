//! The slopes of linear biases: [Press, Smith and Lewis (2022)](https://arxiv.org/abs/2108.12409), section 3.

/// One slope a head: `2^(-8/heads)`, its square and so on, which for 8 heads are 1/2, 1/4, .., 1/256.
///
/// Where `heads` is not a power of two, the slopes of the next lower power of two come first, followed by every other
/// one of the next higher power, as in the paper's own code.
pub fn alibi_slopes(heads: usize) -> Vec<f32> {
    let lower = heads.checked_ilog2().map_or(0, |power| 1 << power);
    geometric(lower).chain(geometric(2 * lower).step_by(2)).take(heads).collect()
}

/// The slopes of a power of two.
fn geometric(heads: usize) -> impl Iterator<Item = f32> {
    (1..=heads).map(move |head| (-8.0 * head as f64 / heads as f64).exp2() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_the_paper() {
        assert!(alibi_slopes(0).is_empty());
        assert_eq!(alibi_slopes(1), [1.0 / 256.0]);
        assert_eq!(alibi_slopes(8), [1, 2, 3, 4, 5, 6, 7, 8].map(|power| 0.5_f32.powi(power)));
        // 2^-2, 2^-4, 2^-6, 2^-8 of four heads, then the first and the third of eight.
        assert_eq!(alibi_slopes(6), [2, 4, 6, 8, 1, 3].map(|power| 0.5_f32.powi(power)));
    }
}
