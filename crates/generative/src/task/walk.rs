//! Walks between the codes of pictures: what lies between two pictures, as the decoder sees it.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use data::image::{Image, gif};
use training_loop::task::{Sample, SampleContent};

use super::pictures::{in_grid, sample};

/// Places on the way from one picture to the next.
pub const STEPS: usize = 12;

/// Walks that are shown below each other.
const ROWS: usize = 8;

/// Hundredths of a second that a picture of an animation is shown.
const DELAY: u16 = 12;

/// The codes on the straight lines from each code to the next; from the last to the first.
///
/// # Shapes
/// - codes: `[rows, latent_size]`
/// - output: `[rows · STEPS, latent_size]`, line by line
pub fn lines<B: Backend>(codes: Tensor<B, 2>) -> Tensor<B, 2> {
    let [rows, size] = codes.dims();
    let places: Vec<i64> = (0..rows).map(|row| ((row + 1) % rows) as i64).collect();
    let next = codes.clone().select(0, Tensor::from_data(TensorData::new(places, [rows]), &codes.device()));
    let parts: Vec<f32> = (0..STEPS).map(|step| step as f32 / (STEPS - 1) as f32).collect();
    let parts = Tensor::<B, 3>::from_data(TensorData::new(parts, [1, STEPS, 1]), &codes.device());
    let from = codes.unsqueeze_dim::<3>(1);
    let way = next.unsqueeze_dim::<3>(1) - from.clone();
    (from + way * parts).reshape([rows * STEPS, size])
}

/// The walks side by side, and all at once as an animation that goes there and back. `pictures` are of the codes of [`lines`].
pub fn samples(pictures: &[Image]) -> Vec<Sample> {
    let rows = pictures.len() / STEPS;
    let frame = |step: usize| {
        let of_step: Vec<Image> = (0..rows).map(|row| pictures[row * STEPS + step].clone()).collect();
        in_grid(&of_step, None)
    };
    let frames: Vec<Image> = (0..STEPS).chain((1..STEPS - 1).rev()).map(frame).collect();
    let grid = &pictures[..rows.min(ROWS) * STEPS];
    vec![
        sample("walk", grid, Some(STEPS)),
        Sample { name: "walk-animated".to_string(), content: SampleContent::Gif(gif(&frames, DELAY)) },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    #[test]
    fn lines_lead_from_each_code_to_the_next() {
        let codes = Tensor::<Flex, 2>::from_floats([[0.0, 0.0], [11.0, 22.0], [0.0, 11.0]], &Default::default());
        let walked: Vec<f32> = lines(codes).into_data().to_vec().unwrap();
        assert_eq!(walked.len(), 3 * STEPS * 2);
        assert_eq!(walked[..4], [0.0, 0.0, 1.0, 2.0]);
        assert_eq!(walked[2 * STEPS - 2..2 * STEPS + 2], [11.0, 22.0, 11.0, 22.0]);
        assert_eq!(walked[6 * STEPS - 2..], [0.0, 0.0]);
        let one = Tensor::<Flex, 2>::ones([1, 3], &Default::default());
        assert_eq!(lines(one).dims(), [STEPS, 3]);
    }
}
