//! What else codes are asked for beside a good reconstruction: few active units, and little change where the picture changes little.

use burn::tensor::{Distribution, Tensor, backend::Backend};

/// The step of [`squared_jacobian`]: far enough for single precision, near enough for a straight line.
const STEP: f64 = 1e-2;

/// Keeps logarithms finite.
const LEAST: f64 = 1e-6;

/// The mean size of the numbers of codes: `[1]`.
///
/// # Shapes
/// - codes: `[batch, units]`
pub fn l1<B: Backend>(codes: Tensor<B, 2>) -> Tensor<B, 1> {
    codes.abs().mean()
}

/// How far the mean activity of each unit over the batch is from `target`: the divergence of two coins, summed over the units
/// ([Ng 2011](https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf)): `[1]`.
///
/// # Shapes
/// - codes: `[batch, units]`, from 0 to 1
pub fn activity_divergence<B: Backend>(codes: Tensor<B, 2>, target: f64) -> Tensor<B, 1> {
    let activity = codes.mean_dim(0).clamp(LEAST, 1.0 - LEAST); // [1, units]
    let often = activity.clone().log().mul_scalar(-target) + target * target.ln();
    let seldom = (activity.neg() + 1.0).log().mul_scalar(target - 1.0) + (1.0 - target) * (1.0 - target).ln();
    (often + seldom).sum()
}

/// An estimate of the mean over pictures of ‖J‖²: J is the matrix of the derivatives of a code by the pixels, and its size is what contractive
/// autoencoders keep small ([Rifai et al. 2011](https://icml.cc/2011/papers/455_icmlpaper.pdf)).
///
/// It rests on ‖J‖² being the mean of ‖J u‖² over normal directions u ([Hutchinson 1990](https://doi.org/10.1080/03610919008812866)), of
/// which one is drawn for each picture, and on `J u ≈ (encode(x + δu) - encode(x)) / δ`: a second pass through the encoder, and no
/// derivative of a derivative.
///
/// # Shapes
/// - images: `[batch, channels, side, side]`
/// - codes: `[batch, units]`: `encode(images)`
/// - output: `[1]`
pub fn squared_jacobian<B: Backend>(
    encode: impl Fn(Tensor<B, 4>) -> Tensor<B, 2>,
    images: Tensor<B, 4>,
    codes: Tensor<B, 2>,
) -> Tensor<B, 1> {
    let direction = Tensor::random(images.dims(), Distribution::Normal(0.0, 1.0), &images.device());
    let change = (encode(images + direction * STEP) - codes) / STEP;
    change.square().sum_dim(1).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::{backend::Flex, tensor::activation::sigmoid};

    fn number(tensor: Tensor<Flex, 1>) -> f64 {
        f64::from(tensor.into_scalar())
    }

    #[test]
    fn units_as_active_as_asked_cost_nothing() {
        let device = Default::default();
        let codes = Tensor::<Flex, 2>::from_floats([[0.1, 0.5], [0.3, 0.1]], &device);
        // Means 0.2 and 0.3; of the second 0.2 ln(0.2 / 0.3) + 0.8 ln(0.8 / 0.7).
        let expected = 0.2 * (0.2_f64 / 0.3).ln() + 0.8 * (0.8_f64 / 0.7).ln();
        assert!((number(activity_divergence(codes.clone(), 0.2)) - expected).abs() < 1e-5);
        assert!((number(l1(codes)) - 0.25).abs() < 1e-6);
    }

    #[test]
    fn the_jacobian_of_a_sigmoid_layer_is_estimated() {
        // Of σ(W x) it is known: the sum over units of (h (1 - h))² ‖w‖².
        let device = Default::default();
        Flex::seed(&device, 3);
        let weight = Tensor::<Flex, 2>::random([9, 4], Distribution::Normal(0.0, 0.5), &device);
        let encode = |images: Tensor<Flex, 4>| sigmoid(images.flatten::<2>(1, 3).matmul(weight.clone()));
        let image = Tensor::<Flex, 4>::random([1, 1, 3, 3], Distribution::Uniform(0.0, 1.0), &device);
        let codes = encode(image.clone()); // [1, 4]
        let slopes = codes.clone() * (codes.neg() + 1.0);
        let exact = number((slopes.square() * weight.clone().square().sum_dim(0)).sum());
        let many = image.repeat_dim(0, 4000);
        let estimate = number(squared_jacobian(encode, many.clone(), encode(many)));
        assert!((estimate - exact).abs() < 0.05 * exact, "{estimate} of {exact}");
    }
}
