//! How alike two pictures are, and what a plain filter does against noise.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use layers::convolution::{Conv2dOptions, conv2d};

/// Height and width of the window that [`ssim`] looks through.
pub const SSIM_WINDOW: usize = 11;

/// The deviation of the window's weights, in pixels.
const SSIM_DEVIATION: f64 = 1.5;

/// A squared error of 0 counts as this, so that a perfect copy has 100 dB.
const LEAST_ERROR: f64 = 1e-10;

/// The ratio of the brightest signal to the error of each picture, in decibels (PSNR): `10 · log10(1 / mean squared error)`.
///
/// # Shapes
/// - images, reference: `[batch, channels, height, width]`, from 0 to 1
/// - output: `[batch]`
pub fn psnr<B: Backend>(images: Tensor<B, 4>, reference: Tensor<B, 4>) -> Tensor<B, 1> {
    let error = (images - reference).square().flatten::<2>(1, 3).mean_dim(1).squeeze_dim::<1>(1);
    error.clamp_min(LEAST_ERROR).log() * (-10.0 / std::f64::consts::LN_10)
}

/// The structural similarity of each picture to its reference
/// ([Wang et al. 2004](https://doi.org/10.1109/TIP.2003.819861)), 1 for a copy: the mean over all windows that lie in the picture, with
/// Gaussian weights, as scikit-image has it (`gaussian_weights=True, use_sample_covariance=False`). None where pictures are smaller than
/// the window.
///
/// # Shapes
/// - images, reference: `[batch, channels, height, width]`, from 0 to 1
/// - output: `[batch]`
pub fn ssim<B: Backend>(images: Tensor<B, 4>, reference: Tensor<B, 4>) -> Option<Tensor<B, 1>> {
    const C1: f64 = 0.01 * 0.01;
    const C2: f64 = 0.03 * 0.03;
    let [batch, channels, height, width] = images.dims();
    if height.min(width) < SSIM_WINDOW {
        return None;
    }
    let planes = |images: Tensor<B, 4>| images.reshape([batch * channels, 1, height, width]);
    let (a, b) = (planes(images), planes(reference));
    // All five means over windows in one pass.
    let products = [a.clone(), b.clone(), a.clone().square(), b.clone().square(), a * b];
    let means = windowed(Tensor::cat(products.to_vec(), 0)).chunk(5, 0);
    let [mean_a, mean_b, square_a, square_b, product] = [0, 1, 2, 3, 4].map(|place: usize| means[place].clone());
    let (mean_product, mean_squares) = (mean_a.clone() * mean_b.clone(), mean_a.square() + mean_b.square());
    let covariance = product - mean_product.clone();
    let variances = square_a + square_b - mean_squares.clone();
    let similarity = (mean_product * 2.0 + C1) * (covariance * 2.0 + C2) / ((mean_squares + C1) * (variances + C2));
    let [_, _, rows, columns] = similarity.dims();
    Some(similarity.reshape([batch, channels * rows * columns]).mean_dim(1).squeeze_dim(1))
}

/// The weighted mean over each window that lies in the picture: `[planes, 1, height - 10, width - 10]`.
fn windowed<B: Backend>(planes: Tensor<B, 4>) -> Tensor<B, 4> {
    let middle = (SSIM_WINDOW / 2) as f64;
    let weights = (0..SSIM_WINDOW).map(|place| (-0.5 * ((place as f64 - middle) / SSIM_DEVIATION).powi(2)).exp());
    let weights: Vec<f64> = weights.collect();
    let sum: f64 = weights.iter().sum();
    let weights: Vec<f32> = weights.iter().map(|weight| (weight / sum) as f32).collect();
    let kernel = |shape| Tensor::<B, 4>::from_data(TensorData::new(weights.clone(), shape), &planes.device());
    let (down, across) = (kernel([1, 1, SSIM_WINDOW, 1]), kernel([1, 1, 1, SSIM_WINDOW]));
    let options = Conv2dOptions::default();
    conv2d(conv2d(planes, down, None, &options), across, None, &options)
}

/// The median of each pixel and its eight neighbours, channel by channel; beyond the edge lies what is at the edge.
///
/// # Shapes
/// - planes: row-major `[planes, height, width]`
pub fn median_filter(planes: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
    let around = |place: usize, end: usize| [place.saturating_sub(1), place, (place + 1).min(end - 1)];
    let mut filtered = Vec::with_capacity(planes.len());
    for plane in planes.chunks_exact(height * width) {
        for row in 0..height {
            for column in 0..width {
                let mut window = [0.0; 9];
                for (down, row) in around(row, height).into_iter().enumerate() {
                    for (across, column) in around(column, width).into_iter().enumerate() {
                        window[3 * down + across] = plane[row * width + column];
                    }
                }
                let (_, median, _) = window.select_nth_unstable_by(4, f32::total_cmp);
                filtered.push(*median);
            }
        }
    }
    filtered
}
