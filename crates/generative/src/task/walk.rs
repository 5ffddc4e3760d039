//! Walks between the codes of pictures: what lies between two pictures, as the decoder sees it.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use data::image::{Image, gif};
use training_loop::task::{Sample, SampleContent};

use super::{
    pictures::{in_grid, sample},
    scoring::AT_ONCE,
};

/// Places on the way from one picture to the next.
const STEPS: usize = 12;

/// Walks of an animation: each is as many pictures as it has steps.
const WALKS: usize = 16;

/// Walks that are shown below each other.
const ROWS: usize = 8;

/// Hundredths of a second that a picture of an animation is shown.
const DELAY: u16 = 12;

/// The codes on the straight lines from each code to the next; from the last to the first.
///
/// # Shapes
/// - codes: `[rows, latent_size]`
/// - output: `[rows · STEPS, latent_size]`, line by line
fn lines<B: Backend>(codes: Tensor<B, 2>) -> Tensor<B, 2> {
    let [rows, size] = codes.dims();
    let places: Vec<i64> = (0..rows).map(|row| ((row + 1) % rows) as i64).collect();
    let next = codes.clone().select(0, Tensor::from_data(TensorData::new(places, [rows]), &codes.device()));
    let parts: Vec<f32> = (0..STEPS).map(|step| step as f32 / (STEPS - 1) as f32).collect();
    let parts = Tensor::<B, 3>::from_data(TensorData::new(parts, [1, STEPS, 1]), &codes.device());
    let from = codes.unsqueeze_dim::<3>(1);
    let way = next.unsqueeze_dim::<3>(1) - from.clone();
    (from + way * parts).reshape([rows * STEPS, size])
}

/// Walks between pictures that are spread over those with these codes: side by side, and all at once as an animation that goes there and back.
///
/// `decode` makes pictures of some codes at a time; it is also told the number of the picture at which the walk of each begins.
///
/// # Shapes
/// - codes: `[pictures, latent_size]`
pub fn samples<B: Backend>(
    codes: Tensor<B, 2>,
    decode: impl Fn(Tensor<B, 2>, Tensor<B, 1, Int>) -> Vec<Image>,
) -> Vec<Sample> {
    let ([count, _], device) = (codes.dims(), codes.device());
    let rows = count.min(WALKS);
    let numbers: Vec<i64> = (0..rows).map(|row| (row * count / rows) as i64).collect();
    let begins = Tensor::<B, 1, Int>::from_data(TensorData::new(numbers, [rows]), &device);
    let lines = lines(codes.select(0, begins.clone()));
    let begins = begins.unsqueeze_dim::<2>(1).repeat_dim(1, STEPS).flatten::<1>(0, 1);
    let pictures: Vec<Image> = lines
        .split(AT_ONCE, 0)
        .into_iter()
        .zip(begins.split(AT_ONCE, 0))
        .flat_map(|(codes, begins)| decode(codes, begins))
        .collect();
    let frame = |step: usize| {
        let of_step: Vec<Image> = (0..rows).map(|row| pictures[row * STEPS + step].clone()).collect();
        in_grid(&of_step, None)
    };
    let frames: Vec<Image> = (0..STEPS).chain((1..STEPS - 1).rev()).map(frame).collect();
    let shown = rows.min(ROWS);
    let grid: Vec<Image> =
        (0..shown).flat_map(|row| &pictures[row * rows / shown * STEPS..][..STEPS]).cloned().collect();
    vec![
        sample("walk", &grid, Some(STEPS)),
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

    #[test]
    fn few_of_many_walks_are_decoded_and_not_all_at_once() {
        let codes = Tensor::<Flex, 2>::zeros([64, 3], &Default::default());
        let decoded = std::cell::RefCell::new(Vec::new());
        let samples = samples(codes, |codes, begins| {
            let [count, _] = codes.dims();
            assert!(count <= AT_ONCE);
            decoded.borrow_mut().extend(begins.into_data().iter::<i64>());
            vec![Image { width: 2, height: 2, channels: 1, pixels: vec![0; 4] }; count]
        });
        let decoded = decoded.into_inner();
        assert_eq!((decoded.len(), samples.len()), (WALKS * STEPS, 2));
        assert_eq!([decoded[STEPS - 1], decoded[STEPS], decoded[WALKS * STEPS - 1]], [0, 4, 60]);
    }
}
