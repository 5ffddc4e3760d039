//! Which weights are dropped: a hash of where they are, so that the backward pass finds the same ones without a mask.

/// Dropout of one call.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    pub seed: u64,
    /// The share that is dropped.
    pub share: f64,
}

impl Dropout {
    /// What each weight of a row is multiplied with, from the key `first` on: zero or `1 / (1 - share)`. `row` is the
    /// number of the query among all heads and batch entries.
    #[inline(always)]
    pub fn factors(&self, row: usize, first: usize, factors: &mut [f32]) {
        let [low, high] = halves(mix(self.seed ^ mix(row as u64)));
        let bound = (self.share * (1u64 << 32) as f64) as u32;
        let kept = (1.0 / (1.0 - self.share)) as f32;
        for (key, factor) in factors.iter_mut().enumerate() {
            let drawn = draw((first + key) as u32, low, high);
            *factor = if drawn < bound { 0.0 } else { kept };
        }
    }
}

/// The finaliser of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// A 32-bit hash with two rounds of multiplication, which vectors of 32-bit integers can do.
#[inline(always)]
fn draw(key: u32, low: u32, high: u32) -> u32 {
    let mut value = key.wrapping_mul(0x9E37_79B1) ^ low;
    value = (value ^ (value >> 16)).wrapping_mul(0x7FEB_352D).wrapping_add(high);
    value = (value ^ (value >> 15)).wrapping_mul(0x846C_A68B);
    value ^ (value >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::lanes::{Lanes, WithLanes, dispatch, dispatch_portable};

    struct Row(Dropout, usize, usize, usize);

    impl WithLanes for Row {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<L: Lanes>(self) -> Vec<f32> {
            let Self(dropout, row, first, count) = self;
            let mut factors = vec![0.0; count];
            dropout.factors(row, first, &mut factors);
            factors
        }
    }

    #[test]
    fn a_row_does_not_depend_on_how_it_is_cut() {
        let dropout = Dropout { seed: 7, share: 0.3 };
        let whole = dispatch(Row(dropout, 5, 0, 100));
        assert_eq!(whole[37..], dispatch_portable(Row(dropout, 5, 37, 63)));
        assert_ne!(whole, dispatch(Row(dropout, 6, 0, 100)), "another row");
        assert_ne!(whole, dispatch(Row(Dropout { seed: 8, ..dropout }, 5, 0, 100)), "another seed");
    }

    /// The number of dropped weights, of pairs of neighbours in a row, and of pairs below each other, are within five
    /// standard deviations of what independent draws give.
    #[test]
    fn draws_look_independent() {
        let (share, rows, keys) = (0.2, 400, 500);
        let dropout = Dropout { seed: 3, share };
        let dropped: Vec<Vec<bool>> = (0..rows)
            .map(|row| dispatch(Row(dropout, row, 0, keys)).iter().map(|&factor| factor == 0.0).collect())
            .collect();
        let near = |count: usize, probability: f64, of: usize| {
            let expected = probability * of as f64;
            (count as f64 - expected).abs() < 5.0 * (expected * (1.0 - probability)).sqrt()
        };
        let all = dropped.iter().flatten().filter(|&&dropped| dropped).count();
        let beside: usize = dropped.iter().map(|row| row.windows(2).filter(|pair| pair[0] && pair[1]).count()).sum();
        let below: usize =
            dropped.windows(2).map(|rows| rows[0].iter().zip(&rows[1]).filter(|(a, b)| **a && **b).count()).sum();
        assert!(near(all, share, rows * keys), "{all} dropped");
        assert!(near(beside, share * share, rows * (keys - 1)), "{beside} neighbours");
        assert!(near(below, share * share, (rows - 1) * keys), "{below} below each other");
    }
}
