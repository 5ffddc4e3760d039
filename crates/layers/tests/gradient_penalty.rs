//! Gradients of gradients, as the penalties of WGAN-GP ([Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028)) and R1 take them:
//! against PyTorch's `create_graph=True` (tests/fixtures/make_gradient_penalty.py) and against finite differences.
//!
//! **How a training step takes one.** Its module lives on `B: AutodiffBackend`. Lifted to `Autodiff<B>` it has a second graph around
//! the first. There the parameters are constants, while the tensors within are still those of the module, so that what is computed
//! of a gradient of the second graph is recorded in the first:
//!
//! ```ignore
//! let lifted = Critic::<Autodiff<B>>::from_inner(critic.clone()).no_grad();
//! let images = Tensor::<Autodiff<B>, 4>::from_inner(images).require_grad(); // their own graph is not needed: detach them before
//! let grads = lifted.forward(images.clone()).sum().backward();
//! let gradient = images.grad(&grads); // a tensor of `B`, with its graph: a loss can be made of it
//! ```
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::module::{AutodiffModule, Module, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Element, Tensor, TensorData};
use layers::activation::{leaky_relu, relu};
use layers::convolution::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use layers::projection::{Linear, LinearConfig};
use layers::spectral_norm::SpectralConv2d;
use serde::Deserialize;
use support::{numbers, values};

#[derive(Deserialize)]
struct Fixture {
    gradient: Vec<f32>,
    penalty: f32,
    loss: f32,
    weights: Vec<Vec<f32>>,
    biases: Vec<Vec<f32>>,
}

/// A critic of everything that has fast second derivatives, as the fixture's script has it.
#[derive(Module, Debug)]
struct Critic<B: Backend> {
    widen: ConvTranspose2d<B>,
    first: Conv2d<B>,
    second: Conv2d<B>,
    linear: Linear<B>,
    last: Linear<B>,
}

const IMAGES: [usize; 4] = [3, 2, 4, 4];

fn tensor<B: Backend, const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<B, D> {
    let options = (&B::Device::default(), B::FloatElem::dtype());
    Tensor::from_data(TensorData::new(values.to_vec(), shape), options)
}

/// A parameter of the fixture's numbers.
fn fixed<B: Backend, const D: usize>(shape: [usize; D], seed: u64) -> Param<Tensor<B, D>> {
    Param::from_tensor(tensor(&numbers(shape.iter().product(), seed, 1.0), shape))
}

impl<B: Backend> Critic<B> {
    fn new() -> Self {
        let device = Default::default();
        let mut critic = Self {
            widen: ConvTranspose2dConfig::new([2, 3], [3, 3]).with_stride(2).with_padding(1).init(&device),
            first: Conv2dConfig::new([3, 4], [4, 4]).with_stride(2).with_padding(1).init(&device),
            second: Conv2dConfig::new([4, 6], [3, 3]).with_stride(2).with_padding(1).with_groups(2).init(&device),
            linear: LinearConfig::new(24, 5).init(&device),
            last: LinearConfig::new(5, 1).init(&device),
        };
        critic.widen.weight = fixed([2, 3, 3, 3], 10);
        critic.widen.options.output_padding = [1, 1];
        critic.widen.bias = Some(fixed([3], 20));
        critic.first.weight = fixed([4, 3, 4, 4], 11);
        critic.first.bias = Some(fixed([4], 21));
        critic.second.weight = fixed([6, 2, 3, 3], 12);
        critic.second.bias = Some(fixed([6], 22));
        critic.linear = Linear { weight: fixed([5, 24], 13), bias: Some(fixed([5], 23)) };
        critic.last = Linear { weight: fixed([1, 5], 14), bias: Some(fixed([1], 24)) };
        critic
    }

    /// `[batch, 1]`
    fn forward(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        let x = leaky_relu(self.widen.forward(images), 0.2);
        let x = leaky_relu(self.first.forward(x), 0.2);
        let x = relu(self.second.forward(x));
        let x = leaky_relu(self.linear.forward(x.flatten::<2>(1, 3)), 0.1);
        self.last.forward(x)
    }
}

/// The gradient of the sum of the scores by the images, with its graph.
fn input_gradient<B: AutodiffBackend>(critic: &Critic<B>, images: Tensor<B, 4>) -> Tensor<B, 4> {
    let lifted = Critic::<Autodiff<B>>::from_inner(critic.clone()).no_grad();
    let images = Tensor::<Autodiff<B>, 4>::from_inner(images).require_grad();
    let grads = lifted.forward(images.clone()).sum().backward();
    images.grad(&grads).expect("a gradient by the images")
}

/// How far the lengths of the gradients are from 1.
fn penalty<B: Backend>(gradient: Tensor<B, 4>) -> Tensor<B, 1> {
    let lengths = gradient.flatten::<2>(1, 3).powi_scalar(2).sum_dim(1).sqrt(); // [batch, 1]
    (lengths - 1.0).powi_scalar(2).mean()
}

#[track_caller]
fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    for (place, (a, b)) in actual.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}[{place}]: {a} is not {b}");
    }
}

fn penalty_is_that_of_pytorch<B: AutodiffBackend>() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/gradient_penalty.json")).unwrap();
    let critic = Critic::<B>::new();
    let images = fixed::<B, 4>(IMAGES, 1).val().detach();
    let gradient = input_gradient(&critic, images.clone());
    assert_close("gradient", &values(gradient.clone()), &fixture.gradient, 1e-4);
    let penalty = penalty(gradient);
    assert_close("penalty", &values(penalty.clone()), &[fixture.penalty], 1e-4);
    let loss = critic.forward(images).mean() + penalty * 10.0;
    assert_close("loss", &values(loss.clone()), &[fixture.loss], 1e-4);

    let grads = loss.backward();
    let Critic { widen, first, second, linear, last } = &critic;
    let of =
        |bias: &Option<Param<Tensor<B, 1>>>| values(bias.as_ref().unwrap().grad(&grads).expect("a bias's gradient"));
    let weights = [
        values(widen.weight.grad(&grads).unwrap()),
        values(first.weight.grad(&grads).unwrap()),
        values(second.weight.grad(&grads).unwrap()),
        values(linear.weight.grad(&grads).unwrap()),
        values(last.weight.grad(&grads).unwrap()),
    ];
    let biases = [of(&widen.bias), of(&first.bias), of(&second.bias), of(&linear.bias), of(&last.bias)];
    for (number, (found, expected)) in weights.iter().zip(&fixture.weights).enumerate() {
        assert_close(&format!("gradient of weight {number}"), found, expected, 1e-4);
    }
    for (number, (found, expected)) in biases.iter().zip(&fixture.biases).enumerate() {
        assert_close(&format!("gradient of bias {number}"), found, expected, 1e-4);
    }
}

#[test]
fn gradients_of_a_penalty_are_those_of_pytorch() {
    penalty_is_that_of_pytorch::<Autodiff<Flex>>();
    penalty_is_that_of_pytorch::<Autodiff<NdArray>>();
    penalty_is_that_of_pytorch::<Autodiff<NdArray<f64>>>();
}

/// The gradient of the penalty by the images too (third derivatives are nobody's business, but the second by both is).
#[test]
fn the_penalty_moves_with_the_images_as_finite_differences_say() {
    type B = Autodiff<Flex>;
    let critic = Critic::<B>::new();
    let numbers = numbers(IMAGES.iter().product(), 1, 1.0);
    let images = tensor::<B, 4>(&numbers, IMAGES).require_grad();
    let grads = penalty(input_gradient(&critic, images.clone())).backward();
    // Between its corners the critic is linear in the images: the gradient does not move, and has no graph to them.
    let found = images.grad(&grads).map_or(vec![0.0; numbers.len()], values);

    let exact = Critic::<Autodiff<NdArray<f64>>>::new();
    let at = |place: usize, offset: f32| {
        let mut moved = numbers.clone();
        moved[place] += offset;
        penalty(input_gradient(&exact, tensor(&moved, IMAGES))).into_data().iter::<f64>().sum::<f64>()
    };
    for (place, found) in found.iter().enumerate().step_by(5) {
        let expected = (at(place, 1e-4) - at(place, -1e-4)) / 2e-4;
        assert!((f64::from(*found) - expected).abs() < 1e-3, "at {place}: {found}, {expected}");
    }
}

/// R1 of a smooth function of convolutions, whose every second derivative is there: by the weights, by the images, and by both ways of
/// the convolution.
fn squares_match_finite_differences<B: AutodiffBackend>() {
    fn score<B: Backend>(images: Tensor<B, 4>, weights: [Tensor<B, 4>; 2]) -> Tensor<B, 1> {
        let [narrow, wide] = weights;
        let layer = |weight| Conv2d {
            weight: Param::from_tensor(weight),
            bias: None,
            options: layers::convolution::Conv2dOptions { stride: [2, 2], padding: [1, 1], ..Default::default() },
        };
        let x = layer(narrow).forward(images).powi_scalar(2); // [batch, 3, 2, 2]
        let options = layers::convolution::ConvTranspose2dOptions { stride: [2, 1], ..Default::default() };
        let x = layers::convolution::conv_transpose2d(x, wide, None, &options);
        x.powi_scalar(2).sum()
    }
    fn squares<B: AutodiffBackend>(images: Tensor<B, 4>, weights: [Tensor<B, 4>; 2]) -> Tensor<B, 1> {
        let images = Tensor::<Autodiff<B>, 4>::from_inner(images).require_grad();
        let grads = score(images.clone(), weights.map(Tensor::from_inner)).backward();
        images.grad(&grads).unwrap().powi_scalar(2).sum()
    }
    let shapes = [[2, 2, 4, 4], [3, 2, 3, 3], [3, 2, 2, 3]];
    let leaves = [1, 2, 3].map(|seed| numbers(shapes[seed as usize - 1].iter().product(), seed, 0.5));
    let [x, v, w] = [0, 1, 2].map(|leaf| tensor::<B, 4>(&leaves[leaf], shapes[leaf]).require_grad());
    let grads = squares(x.clone(), [v.clone(), w.clone()]).backward();
    let found = [x, v, w].map(|leaf| values(leaf.grad(&grads).expect("a second gradient")));

    type Exact = Autodiff<NdArray<f64>>;
    let at = |leaf: usize, place: usize, offset: f64| {
        let mut moved = leaves.clone().map(|leaf| leaf.iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
        moved[leaf][place] += offset;
        let [x, v, w] = [0, 1, 2].map(|leaf| {
            let data = TensorData::new(moved[leaf].clone(), shapes[leaf]);
            Tensor::<Exact, 4>::from_data(data, (&Default::default(), burn::tensor::DType::F64))
        });
        squares(x, [v, w]).into_data().iter::<f64>().sum::<f64>()
    };
    for (leaf, found) in found.iter().enumerate() {
        for (place, found) in found.iter().enumerate().step_by(5) {
            let expected = (at(leaf, place, 1e-4) - at(leaf, place, -1e-4)) / 2e-4;
            let bound = 1e-4 * expected.abs().max(1.0);
            assert!((f64::from(*found) - expected).abs() < bound, "leaf {leaf} at {place}: {found}, {expected}");
        }
    }
}

#[test]
fn second_derivatives_match_finite_differences() {
    squares_match_finite_differences::<Autodiff<Flex>>();
    squares_match_finite_differences::<Autodiff<NdArray>>();
}

/// Lifted and frozen there, the layer takes its singular vectors as they are, and its weight has a gradient all the same.
#[test]
fn a_spectrally_normalised_layer_can_be_lifted() {
    type B = Autodiff<Flex>;
    let layer = SpectralConv2d::new(Conv2dConfig::new([2, 3], [3, 3]).init::<B>(&Default::default()));
    let before = values(layer.norm.u.value());
    let lifted = SpectralConv2d::<Autodiff<B>>::from_inner(layer.clone()).no_grad();
    let images = Tensor::<Autodiff<B>, 4>::from_inner(fixed::<B, 4>(IMAGES, 1).val().detach()).require_grad();
    let grads = lifted.forward(images.clone()).sum().backward();
    let grads = penalty(images.grad(&grads).unwrap()).backward();
    let gradient = layer.layer.weight.grad(&grads).expect("a second gradient");
    assert!(values(gradient).iter().any(|value| *value != 0.0));
    assert_eq!(before, values(layer.norm.u.value()));
}
