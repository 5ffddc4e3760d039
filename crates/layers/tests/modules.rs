//! The layers with weights: how they start, and when batch normalisation follows its batches.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::module::{AutodiffModule, Module};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use burn_store::ModuleSnapshot;
use layers::batch_norm::{BatchNorm, BatchNormConfig};
use layers::convolution::{Conv2dConfig, Conv2dOptions, conv2d};
use layers::initializer::Initializer;
use layers::projection::{LinearConfig, linear_transposed};
use support::{numbers, values};

fn random<B: Backend, const D: usize>(shape: [usize; D], seed: u64) -> Tensor<B, D> {
    let data = TensorData::new(numbers(shape.iter().product(), seed, 1.0), shape);
    Tensor::from_data(data.convert::<B::FloatElem>(), &Default::default())
}

/// The buffers as a checkpoint sees them.
fn stored<B: Backend>(norm: &BatchNorm<B>, name: &str) -> Vec<f32> {
    let snapshots = norm.collect(None, None, true);
    let snapshot = snapshots.iter().find(|snapshot| snapshot.full_path() == name).expect("a tensor of this name");
    snapshot.to_data().unwrap().iter::<f32>().collect()
}

#[track_caller]
fn assert_close(actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        assert!((actual - expected).abs() < 1e-5, "{actual} is not {expected}");
    }
}

/// Mean and unbiased variance of each channel of `[batch, channels, pixels]`.
fn statistics(input: &Tensor<Autodiff<Flex>, 3>) -> (Vec<f32>, Vec<f32>) {
    let [batch, channels, pixels] = input.dims();
    let values = values(input.clone());
    (0..channels)
        .map(|channel| {
            let of_channel = |image: usize| &values[(image * channels + channel) * pixels..][..pixels];
            let all: Vec<f32> = (0..batch).flat_map(of_channel).copied().collect();
            let mean = all.iter().sum::<f32>() / all.len() as f32;
            let squares: f32 = all.iter().map(|value| (value - mean).powi(2)).sum();
            (mean, squares / (all.len() - 1) as f32)
        })
        .unzip()
}

#[test]
fn weights_have_pytorchs_names_shapes_and_bounds() {
    let device = Default::default();
    let convolution = Conv2dConfig::new([6, 8], [3, 5]).with_groups(2).init::<Flex>(&device);
    let names: Vec<String> = convolution.collect(None, None, true).iter().map(|tensor| tensor.full_path()).collect();
    assert_eq!(names, ["weight", "bias"]);
    assert_eq!(convolution.weight.dims(), [8, 3, 3, 5]);
    let bound = 1.0 / (3.0_f32 * 15.0).sqrt();
    for values in [values(convolution.weight.val()), values(convolution.bias.as_ref().unwrap().val())] {
        assert!(values.iter().all(|value| value.abs() <= bound));
        assert!(values.iter().any(|value| value.abs() > bound / 2.0));
    }
    let linear = LinearConfig::new(10, 4).init::<Flex>(&device);
    assert_eq!(linear.weight.dims(), [4, 10]);
    assert!(values(linear.weight.val()).iter().all(|value| value.abs() <= 1.0 / 10_f32.sqrt()));
    let deviation =
        |values: Vec<f32>| (values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32).sqrt();
    for (initializer, expected) in [
        (Initializer::KaimingNormalFanOut, (2.0_f32 / (64.0 * 9.0)).sqrt()),
        (Initializer::KaimingNormalFanIn, (2.0_f32 / (32.0 * 9.0)).sqrt()),
        (Initializer::XavierUniform, (2.0_f32 / (32.0 * 9.0 + 64.0 * 9.0)).sqrt()),
        (Initializer::Normal(0.01), 0.01),
    ] {
        let kaiming = Conv2dConfig::new([32, 64], [3, 3]).with_initializer(initializer).init::<Flex>(&device);
        let found = deviation(values(kaiming.weight.val()));
        assert!((found / expected - 1.0).abs() < 0.05, "{initializer:?}: {found} is not {expected}");
        assert!(values(kaiming.bias.unwrap().val()).iter().all(|value| *value == 0.0));
    }
}

#[test]
fn they_compute_what_the_functions_do() {
    let device = Default::default();
    let convolution = Conv2dConfig::new([4, 6], [3, 3]).with_stride(2).with_padding(1).with_groups(2).init(&device);
    let input = random::<Flex, 4>([2, 4, 7, 6], 1);
    let options = Conv2dOptions { stride: [2; 2], padding: [1; 2], dilation: [1; 2], groups: 2 };
    let bias = convolution.bias.as_ref().map(|bias| bias.val());
    let expected = conv2d(input.clone(), convolution.weight.val(), bias, &options);
    assert_eq!(values(convolution.forward(input)), values(expected));
    let linear = LinearConfig::new(5, 3).with_bias(false).init(&device);
    let input = random::<Flex, 3>([2, 4, 5], 2);
    let expected = linear_transposed(input.clone(), linear.weight.val(), None);
    assert_eq!(values(linear.forward(input)), values(expected));
}

#[test]
fn a_checkpoint_sees_the_newest_statistics() {
    let norm = BatchNormConfig::new(2).init::<Autodiff<Flex>>(&Default::default());
    let [mut mean, mut variance] = [vec![0.0; 2], vec![1.0; 2]];
    for step in 0..3 {
        let input = random([3, 2, 5], step);
        norm.forward(input.clone(), None, false);
        let (of_batch, unbiased) = statistics(&input);
        for channel in 0..2 {
            mean[channel] = 0.9 * mean[channel] + 0.1 * of_batch[channel];
            variance[channel] = 0.9 * variance[channel] + 0.1 * unbiased[channel];
        }
        assert_close(&stored(&norm, "running_mean"), &mean);
        assert_close(&stored(&norm, "running_var"), &variance);
        assert_close(&stored(&norm.valid(), "running_var"), &variance);
    }
}

fn a_frozen_norm_keeps_its_statistics<B: AutodiffBackend>() {
    let trained = BatchNormConfig::new(2).init::<B>(&Default::default());
    trained.forward(random::<B, 3>([3, 2, 5], 1), None, false);
    let inner = trained.valid();
    let frozen = trained.no_grad();
    let before = (stored(&frozen, "running_mean"), stored(&frozen, "running_var"));
    let input = random::<B, 3>([3, 2, 5], 2);
    let output = frozen.forward(input.clone(), Some(input.clone()), true);
    assert_eq!((stored(&frozen, "running_mean"), stored(&frozen, "running_var")), before);
    let as_evaluated = inner.forward(input.clone().inner(), Some(input.inner()), true);
    // The one may be a kernel and the other the portable path: the same up to rounding.
    assert_close(&values(output), &values(as_evaluated));
}

#[test]
fn a_frozen_norm_keeps_its_statistics_in_training() {
    a_frozen_norm_keeps_its_statistics::<Autodiff<Flex>>();
    a_frozen_norm_keeps_its_statistics::<Autodiff<NdArray>>();
    // Without a kernel.
    a_frozen_norm_keeps_its_statistics::<Autodiff<NdArray<f64>>>();
}

#[test]
fn an_evaluation_changes_nothing() {
    let norm = BatchNormConfig::new(2).init::<Flex>(&Default::default());
    norm.forward(random([3, 2, 5], 1), None, false);
    assert_eq!(stored(&norm, "running_mean"), [0.0; 2]);
    assert_eq!(stored(&norm, "running_var"), [1.0; 2]);
}

#[test]
fn running_statistics_ask_for_no_gradient() {
    let norm = BatchNormConfig::new(2).init::<Autodiff<Flex>>(&Default::default());
    let input = random::<Autodiff<Flex>, 3>([3, 2, 5], 1).require_grad();
    norm.forward(input, None, false);
    assert!(!norm.running_mean.value().is_require_grad());
    assert!(!norm.running_var.value().is_require_grad());
}
