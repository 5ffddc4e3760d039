//! Group and instance normalisation, upsampling and spectral normalisation against PyTorch (tests/fixtures/make_group_norm.py), and the
//! kernels against the portable paths.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::module::{AutodiffModule, Param, RunningState};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Element, Tensor, TensorData};
use burn_store::ModuleSnapshot;
use layers::convolution::{Conv2d, Conv2dOptions};
use layers::norm::{self, GroupNormConfig, group_norm, instance_norm};
use layers::projection::Linear;
use layers::spectral_norm::{SpectralConv2d, SpectralLinear, SpectralNorm};
use layers::upsample;
use serde::Deserialize;
use support::{numbers, values};

#[derive(Deserialize)]
struct Fixture {
    group_norms: Vec<GroupNorm>,
    upsamplings: Vec<Upsampling>,
    spectral: Vec<Spectral>,
}

#[derive(Deserialize)]
struct GroupNorm {
    shape: Vec<usize>,
    groups: usize,
    affine: bool,
    epsilon: f64,
    output: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Upsampling {
    shape: [usize; 4],
    factor: usize,
    output: Vec<f32>,
    gradient: Vec<f32>,
}

#[derive(Deserialize)]
struct Spectral {
    shape: Vec<usize>,
    weight: Vec<usize>,
    passes: Vec<Pass>,
    /// The output in evaluation.
    last: Vec<f32>,
}

#[derive(Deserialize)]
struct Pass {
    output: Vec<f32>,
    /// Of the weight that is not normalised.
    gradient: Vec<f32>,
    u: Vec<f32>,
    v: Vec<f32>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/group_norm.json")).unwrap()
}

fn random<B: Backend, const D: usize>(seed: u64, shape: [usize; D], bound: f32) -> Tensor<B, D> {
    let data = TensorData::new(numbers(shape.iter().product(), seed, bound), shape);
    // Without a type it would be f32 on every backend.
    Tensor::from_data(data, (&B::Device::default(), B::FloatElem::dtype()))
}

#[track_caller]
fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    for (place, (a, b)) in actual.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}[{place}]: {a} is not {b}");
    }
}

type Norm<B, const D: usize> = fn(Tensor<B, D>, usize, Option<[Tensor<B, 1>; 2]>, f64) -> Tensor<B, D>;

/// The output, then the gradients of input, weight and bias of the sum of the output times fixed numbers.
fn normalise<B: AutodiffBackend, const D: usize>(
    norm: Norm<B, D>,
    shape: [usize; D],
    groups: usize,
    affine: bool,
    epsilon: f64,
) -> Vec<Vec<f32>> {
    let input = random::<B, D>(1, shape, 3.0).require_grad();
    let affine = affine.then(|| [2, 3].map(|seed| random::<B, 1>(seed, [shape[1]], 1.0).require_grad()));
    let output = norm(input.clone(), groups, affine.clone(), epsilon);
    let grads = (output.clone() * random(9, shape, 1.0)).sum().backward();
    let mut found = vec![values(output), values(input.grad(&grads).unwrap())];
    found.extend(affine.into_iter().flatten().map(|leaf| values(leaf.grad(&grads).unwrap())));
    found
}

fn group_norm_is_that_of_pytorch<B: AutodiffBackend>() {
    for (number, case) in fixture().group_norms.iter().enumerate() {
        let GroupNorm { groups, affine, epsilon, .. } = *case;
        let of = |portable: bool| match case.shape[..] {
            [a, b] => {
                let norm = if portable { norm::portable::group_norm } else { group_norm };
                normalise::<B, 2>(norm, [a, b], groups, affine, epsilon)
            }
            [a, b, c] => {
                let norm = if portable { norm::portable::group_norm } else { group_norm };
                normalise::<B, 3>(norm, [a, b, c], groups, affine, epsilon)
            }
            [a, b, c, d] => {
                let norm = if portable { norm::portable::group_norm } else { group_norm };
                normalise::<B, 4>(norm, [a, b, c, d], groups, affine, epsilon)
            }
            _ => unreachable!("no such case"),
        };
        for found in [of(false), of(true)] {
            assert_close(&format!("output {number}"), &found[0], &case.output, 1e-5);
            assert_eq!(found.len() - 1, case.gradients.len());
            for (found, expected) in found[1..].iter().zip(&case.gradients) {
                assert_close(&format!("a gradient of case {number}"), found, expected, 1e-5);
            }
        }
    }
}

#[test]
fn group_norm_is_that_of_pytorch_on_every_path() {
    group_norm_is_that_of_pytorch::<Autodiff<Flex>>();
    group_norm_is_that_of_pytorch::<Autodiff<NdArray>>();
    group_norm_is_that_of_pytorch::<Autodiff<NdArray<f64>>>();
    group_norm_is_that_of_pytorch::<Autodiff<Autodiff<Flex>>>();
}

#[test]
fn group_norm_matches_portable_in_larger_sizes() {
    for (shape, groups) in [([5, 24, 17, 19], 4), ([3, 12, 33, 31], 12), ([70, 8, 3, 3], 2)] {
        let fast = normalise::<Autodiff<Flex>, 4>(group_norm, shape, groups, true, 1e-5);
        let slow = normalise::<Autodiff<Flex>, 4>(norm::portable::group_norm, shape, groups, true, 1e-5);
        for (fast, slow) in fast.iter().zip(&slow) {
            assert_close(&format!("{shape:?} in {groups}"), fast, slow, 1e-4);
        }
    }
}

#[test]
fn instance_norm_takes_each_channel_on_its_own() {
    let input = random::<Flex, 4>(1, [2, 3, 4, 5], 3.0);
    let found = values(instance_norm(input.clone(), None, 1e-5));
    assert_eq!(found, values(group_norm(input, 3, None, 1e-5)));
    for plane in found.chunks(20) {
        let mean = plane.iter().sum::<f32>() / 20.0;
        let variance = plane.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / 20.0;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-3);
    }
}

#[test]
fn the_layer_has_pytorchs_names_and_changes_nothing_else() {
    let layer = GroupNormConfig::new(2, 6).init::<Flex>(&Default::default());
    let names: Vec<String> = layer.collect(None, None, true).iter().map(|tensor| tensor.full_path()).collect();
    assert_eq!(names, ["weight", "bias"]);
    let input = random::<Flex, 4>(1, [2, 6, 4, 5], 3.0);
    assert_eq!(values(layer.forward(input.clone())), values(group_norm(input, 2, None, 1e-5)));
}

#[test]
fn nothing_stays_nothing() {
    let input = random::<Autodiff<Flex>, 4>(1, [0, 4, 3, 3], 1.0).require_grad();
    assert_eq!(group_norm(input.clone(), 2, None, 1e-5).dims(), [0, 4, 3, 3]);
    assert_eq!(upsample::nearest(input, 2).dims(), [0, 4, 6, 6]);
}

#[test]
#[should_panic(expected = "group norm: 6 channels in 4 groups")]
fn groups_that_do_not_divide_the_channels_are_named() {
    group_norm(random::<Flex, 4>(1, [1, 6, 2, 2], 1.0), 4, None, 1e-5);
}

fn upsampling_is_that_of_pytorch<B: AutodiffBackend>() {
    for case in fixture().upsamplings {
        for nearest in [upsample::nearest, upsample::portable::nearest] {
            let input = random::<B, 4>(1, case.shape, 1.0).require_grad();
            let output = nearest(input.clone(), case.factor);
            let grads = (output.clone() * random(9, output.dims(), 1.0)).sum().backward();
            assert_eq!(output.dims()[3], case.shape[3] * case.factor);
            assert_close("upsampled", &values(output), &case.output, 1e-6);
            assert_close("gradient", &values(input.grad(&grads).unwrap()), &case.gradient, 1e-5);
        }
    }
}

#[test]
fn upsampling_is_that_of_pytorch_on_every_path() {
    upsampling_is_that_of_pytorch::<Autodiff<Flex>>();
    upsampling_is_that_of_pytorch::<Autodiff<NdArray>>();
    upsampling_is_that_of_pytorch::<Autodiff<Autodiff<Flex>>>();
}

fn state<B: Backend>(seed: u64, size: usize) -> RunningState<Tensor<B, 1>> {
    let vector = random::<B, 1>(seed, [size], 1.0);
    let length = vector.clone().powi_scalar(2).sum().sqrt();
    RunningState::new(vector / length)
}

/// Runs a layer as the fixture's script does, whose weight `weight` finds.
fn follows_pytorch<B: AutodiffBackend, M: AutodiffModule<B>, const D: usize, const W: usize>(
    layer: M,
    case: &Spectral,
    forward: impl Fn(&M, Tensor<B, D>) -> Tensor<B, D>,
    infer: impl Fn(&M::InnerModule, Tensor<B::InnerBackend, D>) -> Tensor<B::InnerBackend, D>,
    parts: impl Fn(&M) -> (Tensor<B, W>, SpectralNorm<B>),
) {
    let shape: [usize; D] = case.shape.clone().try_into().unwrap();
    for pass in &case.passes {
        let output = forward(&layer, random(1, shape, 1.0));
        let grads = (output.clone() * random(9, output.dims(), 1.0)).sum().backward();
        assert_close("output", &values(output), &pass.output, 1e-5);
        let (weight, norm) = parts(&layer);
        assert_close("gradient", &values(weight.grad(&grads).unwrap()), &pass.gradient, 1e-4);
        assert_close("u", &values(norm.u.value()), &pass.u, 1e-5);
        assert_close("v", &values(norm.v.value()), &pass.v, 1e-5);
    }
    // Neither evaluation nor a frozen layer moves the vectors.
    for _ in 0..2 {
        assert_close("evaluation", &values(infer(&layer.valid(), random(1, shape, 1.0))), &case.last, 1e-5);
        let frozen = layer.clone().no_grad();
        assert_close("frozen", &values(forward(&frozen, random(1, shape, 1.0))), &case.last, 1e-5);
    }
}

fn spectral_norm_is_that_of_pytorch<B: AutodiffBackend>() {
    let [convolution, projection]: [Spectral; 2] = fixture().spectral.try_into().ok().unwrap();
    let shape: [usize; 4] = convolution.weight.clone().try_into().unwrap();
    let layer = SpectralConv2d {
        layer: Conv2d {
            weight: Param::from_tensor(random::<B, 4>(2, shape, 1.0)),
            bias: Some(Param::from_tensor(random(3, [shape[0]], 1.0))),
            options: Conv2dOptions { stride: [2, 2], padding: [1, 1], ..Default::default() },
        },
        norm: SpectralNorm { u: state(4, shape[0]), v: state(5, shape[1..].iter().product()) },
    };
    follows_pytorch(
        layer,
        &convolution,
        SpectralConv2d::forward,
        SpectralConv2d::forward,
        |layer: &SpectralConv2d<B>| (layer.layer.weight.val(), layer.norm.clone()),
    );
    let shape: [usize; 2] = projection.weight.clone().try_into().unwrap();
    let layer = SpectralLinear {
        layer: Linear {
            weight: Param::from_tensor(random::<B, 2>(2, shape, 1.0)),
            bias: Some(Param::from_tensor(random(3, [shape[0]], 1.0))),
        },
        norm: SpectralNorm { u: state(4, shape[0]), v: state(5, shape[1]) },
    };
    follows_pytorch(
        layer,
        &projection,
        SpectralLinear::forward::<2>,
        SpectralLinear::forward::<2>,
        |layer: &SpectralLinear<B>| (layer.layer.weight.val(), layer.norm.clone()),
    );
}

#[test]
fn spectral_norm_is_that_of_pytorch_on_both() {
    spectral_norm_is_that_of_pytorch::<Autodiff<Flex>>();
    spectral_norm_is_that_of_pytorch::<Autodiff<NdArray>>();
}

#[test]
fn a_new_layer_stretches_nothing_and_keeps_its_vectors_in_checkpoints() {
    let weight = random::<Flex, 4>(2, [8, 4, 3, 3], 1.0);
    let norm = SpectralNorm::new(&weight);
    let matrix = norm.weight(weight).reshape([8, 36]);
    let mut vector = random::<Flex, 2>(7, [36, 1], 1.0);
    for _ in 0..100 {
        vector = matrix.clone().transpose().matmul(matrix.clone().matmul(vector));
        let length = vector.clone().powi_scalar(2).sum().sqrt().into_scalar();
        vector = vector / length;
    }
    let largest = matrix.matmul(vector).powi_scalar(2).sum().sqrt().into_scalar();
    assert!((largest - 1.0).abs() < 0.05, "{largest}");

    let names: Vec<String> = norm.collect(None, None, true).iter().map(|tensor| tensor.full_path()).collect();
    assert_eq!(names, ["u", "v"]);
}
