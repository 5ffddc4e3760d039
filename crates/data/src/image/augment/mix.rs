use super::config::AugmentConfig;
use super::draw::{beta, chance, permutation, whole};
use crate::SplitMix64;

/// How the pictures of a batch were mixed: picture `i` is `lambda` of itself and `1 - lambda` of picture `partners[i]`, so the
/// loss is `lambda · loss(label[i]) + (1 - lambda) · loss(label[partners[i]])`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// The part of each picture that is its own, 0 to 1.
    pub lambda: f32,
    /// Each picture's other one: every number of the batch once, now and then its own.
    pub partners: Vec<usize>,
}

/// Mixes the batch `pixels`, `shape` `[batch, channels, height, width]`, by mixup (Zhang et al., arXiv:1710.09412) or CutMix
/// (Yun et al., arXiv:1905.04899).
pub(super) fn mix(
    config: &AugmentConfig,
    pixels: &mut [f32],
    shape: [usize; 4],
    random: &mut SplitMix64,
) -> Option<Mix> {
    let (mixup, cutmix) = (config.mixup > 0.0, config.cutmix > 0.0);
    let [batch, _, height, width] = shape;
    if batch < 2 || !(mixup || cutmix) || !chance(config.mix_probability, random) {
        return None;
    }
    let cut = cutmix && (!mixup || chance(0.5, random));
    let lambda = beta(if cut { config.cutmix } else { config.mixup }, random);
    let partners = permutation(batch, random);
    let picture_len = pixels.len() / batch;
    if cut {
        let hole = Rectangle::draw(height, width, 1.0 - lambda, random);
        each_with_partner(pixels, picture_len, &partners, |own, other| hole.copy(own, other, height, width));
        let kept = 1.0 - hole.area() as f64 / (height * width).max(1) as f64;
        return Some(Mix { lambda: kept as f32, partners });
    }
    let lambda = lambda as f32;
    each_with_partner(pixels, picture_len, &partners, |own, other| {
        own.iter_mut().zip(other).for_each(|(own, other)| *own = lambda * *own + (1.0 - lambda) * other);
    });
    Some(Mix { lambda, partners })
}

/// Calls `change` with each picture and its partner as it was before any change. It goes along the cycles of the permutation,
/// so that a copy of one picture is enough.
fn each_with_partner(pixels: &mut [f32], picture_len: usize, partners: &[usize], change: impl Fn(&mut [f32], &[f32])) {
    let mut done = vec![false; partners.len()];
    for start in 0..partners.len() {
        if done[start] || partners[start] == start {
            continue;
        }
        let first = pixels[start * picture_len..][..picture_len].to_vec();
        let mut picture = start;
        while partners[picture] != start {
            let (own, other) = two_of(pixels, picture_len, picture, partners[picture]);
            change(own, other);
            done[picture] = true;
            picture = partners[picture];
        }
        change(&mut pixels[picture * picture_len..][..picture_len], &first);
        done[picture] = true;
    }
}

/// Picture `one`, to change, and picture `other`, two different ones.
fn two_of(pixels: &mut [f32], picture_len: usize, one: usize, other: usize) -> (&mut [f32], &[f32]) {
    let (before, behind) = pixels.split_at_mut(one.max(other) * picture_len);
    let (lower, upper) = (&mut before[one.min(other) * picture_len..][..picture_len], &mut behind[..picture_len]);
    if one < other { (lower, upper) } else { (upper, lower) }
}

/// What CutMix takes from the other picture.
struct Rectangle {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

impl Rectangle {
    /// About `part` of the area and of the picture's proportion, its middle anywhere; what lies outside is cut off.
    fn draw(height: usize, width: usize, part: f64, random: &mut SplitMix64) -> Self {
        let mut side = |len: usize| {
            let half = (len as f64 * part.sqrt() / 2.0) as usize;
            let middle = whole(0, len.saturating_sub(1), random);
            middle.saturating_sub(half)..(middle + half).min(len)
        };
        Self { rows: side(height), columns: side(width) }
    }

    fn area(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// From `other` to `own`, in every plane.
    fn copy(&self, own: &mut [f32], other: &[f32], height: usize, width: usize) {
        let planes = own.chunks_exact_mut(height * width).zip(other.chunks_exact(height * width));
        for (own, other) in planes {
            for row in self.rows.clone() {
                let part = row * width + self.columns.start..row * width + self.columns.end;
                own[part.clone()].copy_from_slice(&other[part]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHAPE: [usize; 4] = [6, 3, 8, 10];
    const LEN: usize = 3 * 8 * 10;

    /// Every picture full of its own number.
    fn numbered() -> Vec<f32> {
        (0..SHAPE[0]).flat_map(|picture| vec![picture as f32; LEN]).collect()
    }

    fn mixed(mixup: f64, cutmix: f64, seed: u64) -> (Vec<f32>, Option<Mix>) {
        let config = AugmentConfig { mixup, cutmix, ..AugmentConfig::default() };
        let mut pixels = numbered();
        let mix = mix(&config, &mut pixels, SHAPE, &mut SplitMix64::new(seed));
        (pixels, mix)
    }

    proptest! {
        #[test]
        fn mixup_weighs_with_lambda(seed in any::<u64>(), alpha in 0.05f64..5.0) {
            let (pixels, mix) = mixed(alpha, 0.0, seed);
            let Mix { lambda, partners } = mix.unwrap();
            prop_assert!((0.0..=1.0).contains(&lambda));
            for (picture, partner) in partners.iter().enumerate() {
                let expected = lambda * picture as f32 + (1.0 - lambda) * *partner as f32;
                prop_assert!(pixels[picture * LEN..][..LEN].iter().all(|value| (value - expected).abs() < 1e-5));
            }
        }

        #[test]
        fn cutmix_lambda_is_the_area_that_is_left(seed in any::<u64>(), alpha in 0.05f64..5.0) {
            let (pixels, mix) = mixed(0.0, alpha, seed);
            let Mix { lambda, partners } = mix.unwrap();
            for (picture, partner) in partners.iter().enumerate().filter(|(picture, partner)| picture != *partner) {
                let own = &pixels[picture * LEN..][..LEN];
                let kept = own.iter().filter(|value| **value == picture as f32).count();
                prop_assert_eq!(kept + own.iter().filter(|value| **value == *partner as f32).count(), LEN);
                prop_assert!((kept as f32 / LEN as f32 - lambda).abs() < 1e-6);
                prop_assert!(own.chunks_exact(LEN / 3).all(|plane| plane == &own[..LEN / 3]));
            }
        }

        #[test]
        fn partners_are_a_permutation_and_follow_from_the_seed(seed in any::<u64>()) {
            let (pixels, mix) = mixed(0.4, 1.0, seed);
            prop_assert_eq!(&mixed(0.4, 1.0, seed), &(pixels, mix.clone()));
            let mut partners = mix.unwrap().partners;
            partners.sort_unstable();
            prop_assert_eq!(partners, (0..SHAPE[0]).collect::<Vec<_>>());
        }
    }

    #[test]
    fn each_of_the_two_has_its_turn() {
        // Only CutMix leaves whole numbers everywhere.
        let cut = (0..400).filter(|seed| mixed(0.4, 1.0, *seed).0.iter().all(|value| value.fract() == 0.0)).count();
        assert!((150..260).contains(&cut), "{cut}");
    }

    #[test]
    fn off_is_off() {
        assert_eq!(mixed(0.0, 0.0, 1), (numbered(), None));
        let config = AugmentConfig { mixup: 1.0, mix_probability: 0.0, ..AugmentConfig::default() };
        assert_eq!(mix(&config, &mut numbered(), SHAPE, &mut SplitMix64::new(0)), None);
        let config = AugmentConfig { mixup: 1.0, ..AugmentConfig::default() };
        assert_eq!(mix(&config, &mut numbered()[..LEN], [1, 3, 8, 10], &mut SplitMix64::new(0)), None);
    }
}
