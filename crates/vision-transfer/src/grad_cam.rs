//! Grad-CAM ([Selvaraju et al. 2016](https://arxiv.org/abs/1610.02391)): where in an image a network sees a class.

use burn::{
    backend::Autodiff,
    module::{AutodiffModule, Module},
    tensor::{
        Int, Tensor, TensorData,
        activation::relu,
        backend::{AutodiffBackend, Backend},
    },
};

use crate::network::Network;

/// For each image, what of the last feature map speaks for the class that is asked about: the sum of its channels, each weighted by
/// the mean gradient that the class's logit has there, without what is negative. Each map is divided by its largest number; one
/// where nothing speaks for the class is 0 everywhere.
///
/// The network is used as in an evaluation, without dropout.
///
/// # Shapes
/// - images: `[batch, in_channels, height, width]`
/// - classes: `batch` numbers of classes
/// - maps: `[batch, height', width']` from 0 to 1, of the size of the last feature map
///
/// # Panics
/// When there is not one class for each image, or no such class.
pub fn grad_cam<B: Backend>(network: &Network<B>, images: Tensor<B, 4>, classes: &[usize]) -> Tensor<B, 3> {
    let [batch, ..] = images.dims();
    assert_eq!(batch, classes.len(), "grad_cam: one class for each image");
    let features = network.forward_features(images);
    let gradient = head_gradient(network, features.clone(), classes);
    let weights = gradient.mean_dim(3).mean_dim(2); // [batch, channels, 1, 1]
    let maps = relu((features * weights).sum_dim(1)).squeeze_dim::<3>(1); // [batch, height', width']
    let largest = maps.clone().max_dim(2).max_dim(1); // [batch, 1, 1]
    maps / largest.clamp_min(f64::from(f32::MIN_POSITIVE))
}

/// The gradient of each image's logit at its feature map.
fn head_gradient<B: Backend>(network: &Network<B>, features: Tensor<B, 4>, classes: &[usize]) -> Tensor<B, 4> {
    let device = features.device();
    // The weights need no gradient, and those of a VGG's head would be large.
    let tracked = Network::<Autodiff<B>>::from_inner(network.clone()).no_grad();
    let features = Tensor::<Autodiff<B>, 4>::from_inner(features).require_grad();
    let logits = tracked.classify(tracked.pooled(features.clone())); // [batch, classes]
    let [batch, count] = logits.dims();
    assert!(classes.iter().all(|class| *class < count), "grad_cam: a class beyond the {count} that there are");
    let classes: Vec<i64> = classes.iter().map(|class| *class as i64).collect();
    let classes = Tensor::<Autodiff<B>, 2, Int>::from_data(TensorData::new(classes, [batch, 1]), &device);
    let gradients = logits.gather(1, classes).sum().backward();
    gradient_at(&features, &gradients)
}

fn gradient_at<A: AutodiffBackend>(features: &Tensor<A, 4>, gradients: &A::Gradients) -> Tensor<A::InnerBackend, 4> {
    features.grad(gradients).unwrap_or_else(|| unreachable!("logits follow from features"))
}
