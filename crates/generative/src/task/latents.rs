//! The random numbers that pictures are made of, and ways between them. They are drawn on the host, so that a seed gives the same picture on
//! every backend, and more pictures begin with the same ones.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use data::{SplitMix64, stream_seed};

/// Points that a way in a circle goes through.
const STOPS: u64 = 4;

/// The numbers of one picture, drawn from the standard normal distribution.
pub type Latent = Vec<f32>;

/// Those of picture `index`.
pub fn latent(size: usize, seed: u64, index: u64) -> Latent {
    let mut random = SplitMix64::new(stream_seed(seed, 0, index));
    (0..size).map(|_| random.normal() as f32).collect()
}

/// Those of pictures `0..count`.
pub fn latents(size: usize, seed: u64, count: usize) -> Vec<Latent> {
    (0..count as u64).map(|index| latent(size, seed, index)).collect()
}

/// `[pictures, size]`
///
/// # Panics
/// When there is none, or they are of several sizes.
pub fn on_device<B: Backend>(latents: &[Latent], device: &B::Device) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(latents.concat(), [latents.len(), latents[0].len()]), device)
}

/// The way number `index` from one picture to another, both of them on it.
pub fn line(size: usize, seed: u64, index: u64, frames: usize) -> Vec<Latent> {
    let [from, to] = [0, 1].map(|end| latent(size, seed, 2 * index + end));
    let last = frames.saturating_sub(1).max(1);
    (0..frames).map(|frame| between(&from, &to, frame as f32 / last as f32)).collect()
}

/// The way number `index` through some pictures and back to the first.
pub fn circle(size: usize, seed: u64, index: u64, frames: usize) -> Vec<Latent> {
    let stop = |number: u64| latent(size, seed, STOPS * index + number % STOPS);
    let at = |frame: usize| {
        let place = frame as f32 * STOPS as f32 / frames as f32;
        let number = (place as u64).min(STOPS - 1);
        between(&stop(number), &stop(number + 1), place - number as f32)
    };
    (0..frames).map(at).collect()
}

/// What lies between two, along the great circle on which both lie: a straight line would lead through numbers that are smaller than any
/// that a network was trained on ([White 2016](https://arxiv.org/abs/1609.04468)).
fn between(from: &[f32], to: &[f32], share: f32) -> Latent {
    let length = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
    let product: f32 = from.iter().zip(to).map(|(a, b)| a * b).sum();
    let angle = (product / (length(from) * length(to)).max(f32::MIN_POSITIVE)).clamp(-1.0, 1.0).acos();
    let parts = match angle.sin() {
        sine if sine > 1e-4 => [((1.0 - share) * angle).sin() / sine, (share * angle).sin() / sine],
        _ => [1.0 - share, share],
    };
    from.iter().zip(to).map(|(a, b)| parts[0] * a + parts[1] * b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_keep_their_length_and_their_ends() {
        let way = line(64, 7, 3, 5);
        assert_eq!(way.len(), 5);
        assert_eq!((&way[0], &way[4]), (&latent(64, 7, 6), &latent(64, 7, 7)));
        let length = |latent: &Latent| latent.iter().map(|value| value * value).sum::<f32>().sqrt();
        let [first, last] = [length(&way[0]), length(&way[4])];
        for latent in &way {
            assert!(length(latent) >= 0.95 * first.min(last), "{}", length(latent));
        }
        assert_eq!(line(4, 7, 0, 1).len(), 1);
        let round = circle(64, 7, 0, 8);
        assert_eq!((&round[0], &round[2]), (&latent(64, 7, 0), &latent(64, 7, 1)));
    }

    #[test]
    fn more_pictures_begin_with_the_same_ones() {
        assert_eq!(latents(5, 1, 3), latents(5, 1, 9)[..3]);
        assert_ne!(latents(5, 1, 1), latents(5, 2, 1));
    }
}
