//! The transposed convolution against PyTorch (tests/fixtures/make_conv_transpose.py), the kernels against the portable path, and that
//! it is the transpose of the convolution.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Element, Tensor, TensorData};
use burn_store::ModuleSnapshot;
use layers::convolution::{
    Conv2dOptions, ConvTranspose2dConfig, ConvTranspose2dOptions, conv_transpose2d, conv2d, portable,
};
use layers::initializer::Initializer;
use serde::Deserialize;
use support::{numbers, values};

#[derive(Deserialize)]
struct Case {
    input: [usize; 4],
    weight: [usize; 4],
    bias: bool,
    options: ConvTranspose2dOptions,
    shape: [usize; 4],
    output: Vec<f32>,
    /// Of input, weight and (where there is one) bias.
    gradients: Vec<Vec<f32>>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("fixtures/conv_transpose.json")).unwrap()
}

fn random<B: Backend, const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<B, D> {
    let data = TensorData::new(numbers(shape.iter().product(), seed, 1.0), shape);
    // Without a type it would be f32 on every backend.
    Tensor::from_data(data, (&B::Device::default(), B::FloatElem::dtype()))
}

type Transpose<B> = fn(Tensor<B, 4>, Tensor<B, 4>, Option<Tensor<B, 1>>, &ConvTranspose2dOptions) -> Tensor<B, 4>;

/// The output, then the gradients of input, weight and bias of the sum of the output times fixed numbers.
fn run<B: AutodiffBackend>(
    transpose: Transpose<B>,
    input: [usize; 4],
    weight: [usize; 4],
    bias: bool,
    options: &ConvTranspose2dOptions,
) -> (Tensor<B::InnerBackend, 4>, Vec<Vec<f32>>) {
    let (x, w) = (random::<B, 4>(1, input).require_grad(), random::<B, 4>(2, weight).require_grad());
    let bias = bias.then(|| random::<B, 1>(3, [weight[1] * options.groups]).require_grad());
    let output = transpose(x.clone(), w.clone(), bias.clone(), options);
    let grads = (output.clone() * random(9, output.dims())).sum().backward();
    let mut gradients = vec![values(x.grad(&grads).unwrap()), values(w.grad(&grads).unwrap())];
    gradients.extend(bias.map(|bias| values(bias.grad(&grads).unwrap())));
    (output.inner(), gradients)
}

#[track_caller]
fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    for (place, (a, b)) in actual.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}[{place}]: {a} is not {b}");
    }
}

fn is_that_of_pytorch<B: AutodiffBackend>(transpose: Transpose<B>) {
    for (number, case) in cases().iter().enumerate() {
        let (output, gradients) = run(transpose, case.input, case.weight, case.bias, &case.options);
        assert_eq!(output.dims(), case.shape, "case {number}");
        assert_close(&format!("output {number}"), &values(output), &case.output, 1e-5);
        assert_eq!(gradients.len(), case.gradients.len());
        for (index, (found, expected)) in gradients.iter().zip(&case.gradients).enumerate() {
            assert_close(&format!("gradient {index} of case {number}"), found, expected, 1e-5);
        }
    }
}

#[test]
fn output_and_gradients_are_those_of_pytorch_on_every_path() {
    is_that_of_pytorch::<Autodiff<NdArray>>(conv_transpose2d);
    is_that_of_pytorch::<Autodiff<Flex>>(conv_transpose2d);
    is_that_of_pytorch::<Autodiff<Autodiff<Flex>>>(conv_transpose2d);
    is_that_of_pytorch::<Autodiff<Autodiff<NdArray>>>(conv_transpose2d);
    is_that_of_pytorch::<Autodiff<NdArray>>(portable::conv_transpose2d);
    is_that_of_pytorch::<Autodiff<Flex>>(portable::conv_transpose2d);
}

#[test]
fn output_and_gradients_are_those_of_pytorch_in_64_bits() {
    is_that_of_pytorch::<Autodiff<NdArray<f64>>>(conv_transpose2d);
}

/// Sizes that need several blocks of pixels, several images a block and rows of every kind of tile.
fn kernels_match_portable<B: AutodiffBackend>() {
    let options = |stride, padding, groups| ConvTranspose2dOptions { stride, padding, groups, ..Default::default() };
    for (input, weight, options) in [
        ([3, 33, 8, 8], [33, 17, 4, 4], options([2, 2], [1, 1], 1)),
        ([2, 40, 19, 17], [40, 3, 3, 3], options([1, 1], [1, 1], 1)),
        ([70, 30, 1, 1], [30, 20, 4, 4], options([1, 1], [0, 0], 1)),
        ([9, 12, 7, 7], [12, 6, 3, 3], options([2, 2], [1, 1], 2)),
        ([2, 18, 14, 14], [18, 1, 3, 3], options([1, 1], [1, 1], 18)),
    ] {
        let what = format!("{input:?} by {weight:?}");
        let (fast, fast_gradients) = run::<B>(conv_transpose2d, input, weight, true, &options);
        let (slow, slow_gradients) = run::<B>(portable::conv_transpose2d, input, weight, true, &options);
        assert_close(&what, &values(fast.clone()), &values(slow), 1e-4);
        for (fast, slow) in fast_gradients.iter().zip(&slow_gradients) {
            assert_close(&format!("gradient of {what}"), fast, slow, 2e-4);
        }
        let bias = Some(random(3, [weight[1] * options.groups]));
        let plain = conv_transpose2d::<B::InnerBackend>(random(1, input), random(2, weight), bias, &options);
        assert_eq!(values(plain), values(fast), "{what} without a graph");
    }
}

#[test]
fn kernels_match_portable_on_both() {
    kernels_match_portable::<Autodiff<Flex>>();
    kernels_match_portable::<Autodiff<NdArray>>();
}

#[test]
fn it_is_the_transpose_of_the_convolution() {
    let (stride, padding) = ([2, 3], [1, 2]);
    let of_convolution = Conv2dOptions { stride, padding, ..Default::default() };
    let of_transpose = ConvTranspose2dOptions { stride, padding, output_padding: [1, 0], ..Default::default() };
    let weight = random::<Flex, 4>(2, [4, 3, 3, 4]);
    let (x, y) = (random::<Flex, 4>(1, [2, 3, 8, 9]), random::<Flex, 4>(3, [2, 4, 4, 4]));
    let forward = conv2d(x.clone(), weight.clone(), None, &of_convolution);
    let back = conv_transpose2d(y.clone(), weight, None, &of_transpose);
    let [one, other] = [forward * y, back * x].map(|products| products.sum().into_scalar());
    assert!((one - other).abs() < 1e-4 * one.abs(), "{one} is not {other}");
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let on_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let options = ConvTranspose2dOptions { stride: [2, 2], padding: [1, 1], ..Default::default() };
            let one = run::<Autodiff<Flex>>(conv_transpose2d, [5, 30, 9, 9], [30, 40, 4, 4], true, &options);
            let options = ConvTranspose2dOptions::default();
            let whole = run::<Autodiff<Flex>>(conv_transpose2d, [64, 100, 1, 1], [100, 64, 4, 4], true, &options);
            [one, whole].map(|(output, gradients)| (values(output), gradients))
        })
    };
    let first = on_threads(1);
    for threads in [2, 3] {
        assert!(first == on_threads(threads), "{threads} threads");
    }
}

#[test]
fn a_batch_of_nothing_stays_one() {
    for (weight, options) in [
        ([2, 3, 3, 3], ConvTranspose2dOptions { stride: [2, 2], ..Default::default() }),
        ([2, 3, 4, 4], ConvTranspose2dOptions::default()),
    ] {
        let (output, gradients) = run::<Autodiff<Flex>>(conv_transpose2d, [0, 2, 1, 1], weight, true, &options);
        assert_eq!(output.dims(), [0, 3, weight[2], weight[3]]);
        assert!(gradients[0].is_empty() && gradients[1..].iter().flatten().all(|value| *value == 0.0));
    }
}

#[test]
fn the_layer_has_pytorchs_names_shapes_and_bounds() {
    let device = Default::default();
    let layer = ConvTranspose2dConfig::new([6, 8], [3, 5]).with_groups(2).init::<Flex>(&device);
    let names: Vec<String> = layer.collect(None, None, true).iter().map(|tensor| tensor.full_path()).collect();
    assert_eq!(names, ["weight", "bias"]);
    assert_eq!(layer.weight.dims(), [6, 4, 3, 5]);
    let bound = 1.0 / (4.0_f32 * 15.0).sqrt();
    for values in [values(layer.weight.val()), values(layer.bias.as_ref().unwrap().val())] {
        assert!(values.iter().all(|value| value.abs() <= bound));
        assert!(values.iter().any(|value| value.abs() > bound / 2.0));
    }
    let doubled = ConvTranspose2dConfig::new([6, 8], [4, 4])
        .with_stride(2)
        .with_padding(1)
        .with_bias(false)
        .with_initializer(Initializer::Normal(0.02))
        .init::<Flex>(&device);
    assert!(doubled.bias.is_none());
    assert_eq!(doubled.forward(random(1, [2, 6, 7, 5])).dims(), [2, 8, 14, 10]);
}

#[test]
#[should_panic(expected = "conv_transpose2d: 3 channels, the weight takes 2")]
fn channels_that_disagree_are_named() {
    conv_transpose2d(random::<Flex, 4>(1, [1, 3, 4, 4]), random(2, [2, 2, 3, 3]), None, &Default::default());
}

#[test]
#[should_panic(expected = "conv_transpose2d: a padding that cuts off 4 pixels of 3")]
fn a_padding_that_leaves_nothing_is_named() {
    let options = ConvTranspose2dOptions { padding: [2, 2], ..Default::default() };
    conv_transpose2d(random::<Flex, 4>(1, [1, 1, 1, 1]), random(2, [1, 1, 3, 3]), None, &options);
}

#[test]
#[should_panic(expected = "conv_transpose2d: an output padding of 2, which has to be less than 2")]
fn an_output_padding_that_is_too_large_is_named() {
    let options = ConvTranspose2dOptions { stride: [2, 2], output_padding: [0, 2], ..Default::default() };
    conv_transpose2d(random::<Flex, 4>(1, [1, 1, 2, 2]), random(2, [1, 1, 3, 3]), None, &options);
}
