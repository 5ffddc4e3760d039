//! Convolution, batch normalisation and pools against PyTorch (tests/fixtures/make_convolution.py), the kernels against the
//! portable paths, and their gradients against finite differences.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Element, Tensor, TensorData};
use layers::batch_norm::{self, BatchNormOptions, batch_norm_infer, batch_norm_train};
use layers::convolution::{self, Conv2dOptions, conv2d};
use layers::pooling::{self, Pool2dOptions, adaptive_avg_pool2d, avg_pool2d, max_pool2d};
use serde::Deserialize;
use support::{numbers, values};

#[derive(Deserialize)]
struct Fixture {
    convolutions: Vec<Convolution>,
    batch_norms: Vec<BatchNorm>,
    pools: Vec<Pool>,
}

#[derive(Deserialize)]
struct Convolution {
    input: [usize; 4],
    weight: [usize; 4],
    bias: bool,
    options: Conv2dOptions,
    output: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct BatchNorm {
    shape: Vec<usize>,
    training: bool,
    relu: bool,
    shortcut: bool,
    output: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Pool {
    kind: String,
    shape: [usize; 4],
    options: Pool2dOptions,
    output_size: [usize; 2],
    output: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/convolution.json")).unwrap()
}

/// In the backend's own float type: the device's default is that of whichever backend used it first in the process.
fn tensor<B: Backend, const D: usize>(values: &[impl Element], shape: [usize; D]) -> Tensor<B, D> {
    let options = (&B::Device::default(), B::FloatElem::dtype());
    Tensor::from_data(TensorData::new(values.to_vec(), shape), options)
}

fn random<B: Backend, const D: usize>(seed: u64, shape: [usize; D], bound: f32) -> Tensor<B, D> {
    tensor(&numbers(shape.iter().product(), seed, bound), shape)
}

#[track_caller]
fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    for (place, (a, b)) in actual.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}[{place}]: {a} is not {b}");
    }
}

/// An output, and the gradients of the sum of its product with fixed numbers.
#[derive(Debug, PartialEq)]
struct Outcome {
    output: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

impl Outcome {
    fn new<B: AutodiffBackend, const D: usize>(output: Tensor<B, D>, leaves: &[Leaf<'_, B>]) -> Self {
        let direction = random::<B, D>(9, output.dims(), 1.0);
        let gradients = (output.clone() * direction).sum().backward();
        let gradient = |leaf: &Leaf<'_, B>| leaf(&gradients).expect("a gradient");
        Self { output: values(output), gradients: leaves.iter().map(gradient).collect() }
    }

    #[track_caller]
    fn assert_close(&self, what: &str, output: &[f32], gradients: &[Vec<f32>], tolerances: [f32; 2]) {
        assert_close(&format!("output of {what}"), &self.output, output, tolerances[0]);
        assert_eq!(self.gradients.len(), gradients.len(), "gradients of {what}");
        for (number, (actual, expected)) in self.gradients.iter().zip(gradients).enumerate() {
            assert_close(&format!("gradient {number} of {what}"), actual, expected, tolerances[1]);
        }
    }
}

type Leaf<'a, B> = &'a dyn Fn(&<B as AutodiffBackend>::Gradients) -> Option<Vec<f32>>;

/// Reads the gradient of a leaf.
fn of<B: AutodiffBackend, const D: usize>(leaf: &Tensor<B, D>) -> impl Fn(&B::Gradients) -> Option<Vec<f32>> {
    |gradients| leaf.grad(gradients).map(values)
}

type Conv<B> = fn(Tensor<B, 4>, Tensor<B, 4>, Option<Tensor<B, 1>>, &Conv2dOptions) -> Tensor<B, 4>;

fn convolve<B: AutodiffBackend>(
    conv: Conv<B>,
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: &Conv2dOptions,
) -> Outcome {
    let (input, weight) = (input.require_grad(), weight.require_grad());
    let bias = bias.map(Tensor::require_grad);
    let output = conv(input.clone(), weight.clone(), bias.clone(), options);
    match bias {
        Some(bias) => Outcome::new(output, &[&of(&input), &of(&weight), &of(&bias)]),
        None => Outcome::new(output, &[&of(&input), &of(&weight)]),
    }
}

/// Of numbers as the fixture's script makes them.
fn convolve_fixed<B: AutodiffBackend>(
    conv: Conv<B>,
    input: [usize; 4],
    weight: [usize; 4],
    bias: bool,
    options: &Conv2dOptions,
) -> Outcome {
    let bias = bias.then(|| random(3, [weight[0]], 1.0));
    convolve(conv, random(1, input, 1.0), random(2, weight, 1.0), bias, options)
}

fn convolution_matches_pytorch<B: AutodiffBackend>(conv: Conv<B>) {
    for (number, case) in fixture().convolutions.iter().enumerate() {
        let outcome = convolve_fixed(conv, case.input, case.weight, case.bias, &case.options);
        outcome.assert_close(&format!("case {number}"), &case.output, &case.gradients, [1e-5, 1e-5]);
    }
}

#[test]
fn convolution_matches_pytorch_on_every_path() {
    convolution_matches_pytorch::<Autodiff<NdArray>>(conv2d);
    convolution_matches_pytorch::<Autodiff<Flex>>(conv2d);
    convolution_matches_pytorch::<Autodiff<NdArray>>(convolution::portable::conv2d);
    convolution_matches_pytorch::<Autodiff<Flex>>(convolution::portable::conv2d);
}

#[test]
fn convolution_matches_pytorch_in_64_bits_and_under_nested_autodiff() {
    convolution_matches_pytorch::<Autodiff<NdArray<f64>>>(conv2d);
    convolution_matches_pytorch::<Autodiff<Autodiff<Flex>>>(conv2d);
}

/// Sizes that need several blocks of pixels, several images a block, several parts of the channels, and rows of every kind of tile.
fn larger_cases() -> Vec<([usize; 4], [usize; 4], Conv2dOptions)> {
    let options = |stride, padding, groups| Conv2dOptions { stride, padding, groups, ..Conv2dOptions::default() };
    vec![
        ([2, 3, 32, 32], [16, 3, 3, 3], options([1, 1], [1, 1], 1)),
        ([2, 40, 19, 17], [21, 40, 3, 3], options([1, 1], [1, 1], 1)),
        ([3, 16, 16, 16], [32, 16, 3, 3], options([2, 2], [1, 1], 1)),
        ([70, 30, 2, 2], [35, 30, 3, 3], options([1, 1], [1, 1], 1)),
        ([9, 12, 7, 7], [24, 6, 3, 3], options([1, 1], [1, 1], 2)),
        ([2, 18, 24, 24], [18, 1, 3, 3], options([1, 1], [1, 1], 18)),
        ([2, 300, 5, 5], [40, 300, 1, 1], options([1, 1], [0, 0], 1)),
        ([2, 24, 16, 16], [33, 24, 1, 1], options([2, 2], [0, 0], 1)),
        ([1, 3, 50, 47], [13, 3, 7, 7], options([2, 2], [3, 3], 1)),
        ([1, 2, 3, 600], [3, 2, 2, 5], options([1, 1], [1, 2], 1)),
        ([300, 5, 1, 1], [6, 5, 3, 3], options([1, 1], [1, 1], 1)),
    ]
}

fn convolution_matches_portable<B: AutodiffBackend>() {
    for (input, weight, options) in larger_cases() {
        let what = format!("{input:?} by {weight:?}");
        let fast = convolve_fixed::<B>(conv2d, input, weight, true, &options);
        let slow = convolve_fixed::<B>(convolution::portable::conv2d, input, weight, true, &options);
        fast.assert_close(&what, &slow.output, &slow.gradients, [1e-5, 1e-4]);
        let bias = random::<B, 1>(3, [weight[0]], 1.0);
        let plain = conv2d(
            random::<B, 4>(1, input, 1.0).inner(),
            random::<B, 4>(2, weight, 1.0).inner(),
            Some(bias.inner()),
            &options,
        );
        assert_eq!(values(plain), fast.output, "{what} without a graph");
    }
}

#[test]
fn convolution_matches_portable_on_ndarray() {
    convolution_matches_portable::<Autodiff<NdArray>>();
}

#[test]
fn convolution_matches_portable_on_flex() {
    convolution_matches_portable::<Autodiff<Flex>>();
}

#[test]
fn a_frozen_input_or_weight_changes_no_other_gradient() {
    let (input, weight, options) = larger_cases().remove(1);
    let all = convolve_fixed::<Autodiff<Flex>>(conv2d, input, weight, false, &options);
    let (x, w) = (random::<Autodiff<Flex>, 4>(1, input, 1.0), random::<Autodiff<Flex>, 4>(2, weight, 1.0));
    let tracked = w.clone().require_grad();
    let first = Outcome::new(conv2d(x.clone(), tracked.clone(), None, &options), &[&of(&tracked)]);
    assert_eq!(first.gradients[0], all.gradients[1]);
    let tracked = x.require_grad();
    let frozen = Outcome::new(conv2d(tracked.clone(), w, None, &options), &[&of(&tracked)]);
    assert_eq!(frozen.gradients[0], all.gradients[0]);
}

/// Views of other tensors: transposed, and a part of a larger one.
fn layouts_do_not_matter<B: AutodiffBackend>() {
    let options = Conv2dOptions { padding: [1, 1], ..Conv2dOptions::default() };
    let turned = random::<B, 4>(1, [2, 9, 8, 5], 1.0).swap_dims(1, 3); // [2, 5, 8, 9]
    let part = random::<B, 4>(2, [8, 5, 3, 4], 1.0).slice([2..6, 0..5, 0..3, 1..4]); // [4, 5, 3, 3]
    let straight = |view: &Tensor<B, 4>| tensor::<B, 4>(&values(view.clone()), view.dims());
    let views = convolve(conv2d, turned.clone(), part.clone(), None, &options);
    assert_eq!(views, convolve(conv2d, straight(&turned), straight(&part), None, &options));

    let norm = |input: Tensor<B, 4>| values(normalise(input, [random(3, [5], 1.0), random(4, [5], 1.0)]));
    assert_eq!(norm(turned.clone()), norm(straight(&turned)));
    let pool = |input: Tensor<B, 4>| values(max_pool2d(input, &Pool2dOptions::new([2, 3])));
    assert_eq!(pool(turned.clone()), pool(straight(&turned)));
}

fn normalise<B: Backend>(input: Tensor<B, 4>, [weight, bias]: [Tensor<B, 1>; 2]) -> Tensor<B, 4> {
    batch_norm_train(input, weight, bias, None, &BatchNormOptions::default()).0
}

#[test]
fn layouts_do_not_matter_on_both() {
    layouts_do_not_matter::<Autodiff<NdArray>>();
    layouts_do_not_matter::<Autodiff<Flex>>();
}

fn norm_outcome<B: AutodiffBackend, const D: usize>(
    shape: [usize; D],
    training: bool,
    relu: bool,
    shortcut: bool,
    portable: bool,
) -> (Outcome, [Vec<f32>; 2]) {
    let channels = [shape[1]];
    let input = random::<B, D>(1, shape, 3.0).require_grad();
    let weight = random::<B, 1>(2, channels, 1.0).require_grad();
    let bias = random::<B, 1>(3, channels, 1.0).require_grad();
    let shortcut = shortcut.then(|| random::<B, D>(4, shape, 1.0).require_grad());
    let (mean, variance) = (random::<B, 1>(5, channels, 1.0), random::<B, 1>(6, channels, 1.0).abs());
    let options = BatchNormOptions { epsilon: 1e-3, relu };
    let (x, w, b, s) = (input.clone(), weight.clone(), bias.clone(), shortcut.clone());
    let (output, statistics) = if training {
        let train = if portable { batch_norm::portable::batch_norm_train } else { batch_norm_train };
        let (output, statistics) = train(x, w, b, s, &options);
        (output, [statistics.mean, statistics.variance])
    } else {
        let infer = if portable { batch_norm::portable::batch_norm_infer } else { batch_norm_infer };
        (infer(x, w, b, mean.clone(), variance.clone(), s, &options), [mean, variance])
    };
    let outcome = match &shortcut {
        Some(shortcut) => Outcome::new(output, &[&of(&input), &of(&weight), &of(&bias), &of(shortcut)]),
        None => Outcome::new(output, &[&of(&input), &of(&weight), &of(&bias)]),
    };
    (outcome, statistics.map(values))
}

fn batch_norm_matches_pytorch<B: AutodiffBackend>(portable: bool) {
    for (number, case) in fixture().batch_norms.iter().enumerate() {
        let BatchNorm { training, relu, shortcut, .. } = *case;
        let (outcome, [mean, variance]) = match case.shape[..] {
            [batch, channels] => norm_outcome::<B, 2>([batch, channels], training, relu, shortcut, portable),
            [batch, channels, height, width] => {
                norm_outcome::<B, 4>([batch, channels, height, width], training, relu, shortcut, portable)
            }
            _ => unreachable!("no such case"),
        };
        let what = format!("batch norm {number}");
        outcome.assert_close(&what, &case.output, &case.gradients, [1e-5, 1e-5]);
        assert_close(&format!("mean of {what}"), &mean, &case.mean, 1e-5);
        assert_close(&format!("variance of {what}"), &variance, &case.variance, 1e-5);
    }
}

#[test]
fn batch_norm_matches_pytorch_on_every_path() {
    for portable in [false, true] {
        batch_norm_matches_pytorch::<Autodiff<NdArray>>(portable);
        batch_norm_matches_pytorch::<Autodiff<Flex>>(portable);
    }
    batch_norm_matches_pytorch::<Autodiff<NdArray<f64>>>(false);
    batch_norm_matches_pytorch::<Autodiff<Autodiff<Flex>>>(false);
}

#[test]
fn batch_norm_matches_portable() {
    for training in [true, false] {
        for shape in [[4, 3, 33, 31], [130, 17, 4, 4]] {
            let (fast, fast_statistics) = norm_outcome::<Autodiff<Flex>, 4>(shape, training, true, true, false);
            let (slow, slow_statistics) = norm_outcome::<Autodiff<Flex>, 4>(shape, training, true, true, true);
            fast.assert_close(&format!("{shape:?}"), &slow.output, &slow.gradients, [1e-5, 1e-4]);
            for (fast, slow) in fast_statistics.iter().zip(&slow_statistics) {
                assert_close("statistics", fast, slow, 1e-5);
            }
        }
    }
}

/// The variance of a channel far from 0 is not lost in rounding.
#[test]
fn batch_norm_of_a_channel_far_from_zero() {
    let input = random::<Flex, 4>(1, [8, 2, 16, 16], 1.0) + 1000.0;
    let (_, statistics) =
        batch_norm_train(input.clone(), random(2, [2], 1.0), random(3, [2], 1.0), None, &BatchNormOptions::default());
    let exact: Vec<f32> = (0..2)
        .map(|channel| {
            let plane = values(input.clone().slice([0..8, channel..channel + 1]));
            let count = plane.len() as f64;
            let mean = plane.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
            (plane.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / (count - 1.0)) as f32
        })
        .collect();
    assert_close("variance", &values(statistics.variance), &exact, 1e-5);
}

fn pool<B: AutodiffBackend>(case: &Pool, portable: bool) -> Outcome {
    let input = random::<B, 4>(1, case.shape, 1.0).require_grad();
    let x = input.clone();
    let output = match (case.kind.as_str(), portable) {
        ("max", false) => max_pool2d(x, &case.options),
        ("max", true) => pooling::portable::max_pool2d(x, &case.options),
        ("adaptive", false) => adaptive_avg_pool2d(x, case.output_size),
        ("adaptive", true) => pooling::portable::adaptive_avg_pool2d(x, case.output_size),
        (kind, false) => avg_pool2d(x, &case.options, kind == "mean"),
        (kind, true) => pooling::portable::avg_pool2d(x, &case.options, kind == "mean"),
    };
    Outcome::new(output, &[&of(&input)])
}

fn pools_match_pytorch<B: AutodiffBackend>(portable: bool) {
    for (number, case) in fixture().pools.iter().enumerate() {
        if case.output_size != [1, 1] && !layers::cpu::is_cpu::<B>() {
            continue; // burn's other pools have no second derivative
        }
        let what = format!("pool {number}, {}", case.kind);
        pool::<B>(case, portable).assert_close(&what, &case.output, &case.gradients, [1e-5, 1e-5]);
    }
}

#[test]
fn pools_match_pytorch_on_every_path() {
    for portable in [false, true] {
        pools_match_pytorch::<Autodiff<NdArray>>(portable);
        pools_match_pytorch::<Autodiff<Flex>>(portable);
    }
    pools_match_pytorch::<Autodiff<Autodiff<Flex>>>(false);
}

#[test]
fn the_largest_of_numbers_that_are_none_is_none() {
    for place in 0..4 {
        let mut input = vec![1.0; 4];
        input[place] = f32::NAN;
        let output = values(max_pool2d(tensor::<Flex, 4>(&input, [1, 1, 2, 2]), &Pool2dOptions::new([2, 2])));
        assert!(output[0].is_nan(), "at {place}");
    }
}

/// A small network of everything, whose loss is a function of its first input and its weights.
fn network<B: Backend>(input: Tensor<B, 4>, weight: Tensor<B, 4>, scale: Tensor<B, 1>) -> Tensor<B, 1> {
    let options = Conv2dOptions { stride: [2, 1], padding: [1, 1], ..Conv2dOptions::default() };
    let shift = random(7, scale.dims(), 1.0);
    let output = conv2d(input, weight, None, &options);
    let norm = BatchNormOptions { relu: true, ..BatchNormOptions::default() };
    let shortcut = random(8, output.dims(), 0.5);
    let (output, _) = batch_norm_train(output, scale, shift, Some(shortcut), &norm);
    let output = max_pool2d(output, &Pool2dOptions { kernel: [2, 2], stride: [1, 1], padding: [0, 1] });
    let output = avg_pool2d(output, &Pool2dOptions::new([1, 2]), true);
    let output = adaptive_avg_pool2d(output, [1, 1]);
    let direction = random(9, output.dims(), 1.0);
    (output.clone() * output * direction).sum()
}

/// Every gradient of the network against central differences in 64 bits.
fn gradients_match_finite_differences<B: AutodiffBackend>() {
    let (input, weight, scale) = ([2, 3, 6, 5], [4, 3, 3, 3], [4]);
    let leaves = [(1, 180), (2, 108), (6, 4)].map(|(seed, count)| numbers(count, seed, 1.0));
    let x = tensor::<B, 4>(&leaves[0], input).require_grad();
    let w = tensor::<B, 4>(&leaves[1], weight).require_grad();
    let s = tensor::<B, 1>(&leaves[2], scale).require_grad();
    let grads = network(x.clone(), w.clone(), s.clone()).backward();
    let gradients = [values(x.grad(&grads).unwrap()), values(w.grad(&grads).unwrap()), values(s.grad(&grads).unwrap())];

    let loss_at = |leaf: usize, place: usize, offset: f64| {
        let mut moved = leaves.clone().map(|leaf| leaf.iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
        moved[leaf][place] += offset;
        type Exact = NdArray<f64>;
        let loss = network::<Exact>(tensor(&moved[0], input), tensor(&moved[1], weight), tensor(&moved[2], scale));
        loss.into_data().iter::<f64>().sum::<f64>()
    };
    let step = 1e-6;
    for (leaf, gradient) in gradients.iter().enumerate() {
        let difference = |place| ((loss_at(leaf, place, step) - loss_at(leaf, place, -step)) / (2.0 * step)) as f32;
        let differences: Vec<f32> = (0..gradient.len()).map(difference).collect();
        assert_close(&format!("gradient by leaf {leaf}"), gradient, &differences, 1e-5);
    }
}

#[test]
fn gradients_match_finite_differences_on_both() {
    gradients_match_finite_differences::<Autodiff<NdArray>>();
    gradients_match_finite_differences::<Autodiff<Flex>>();
}

/// The gradient of the squared norm of a gradient, through the portable path, against central differences of the kernels'.
#[test]
fn convolution_and_batch_norm_can_be_differentiated_twice() {
    type Twice = Autodiff<Autodiff<Flex>>;
    fn loss<B: Backend>(input: Tensor<B, 4>, weight: Tensor<B, 4>) -> Tensor<B, 1> {
        let options = Conv2dOptions { padding: [1, 1], ..Conv2dOptions::default() };
        let output = normalise(conv2d(input, weight, None, &options), [random(3, [2], 1.0), random(4, [2], 1.0)]);
        output.clone().mul(output).mul(random(9, [2, 2, 4, 4], 1.0)).sum()
    }
    let (input, weight) = (numbers(96, 1, 1.0), numbers(54, 2, 1.0));
    let x = tensor::<Twice, 4>(&input, [2, 3, 4, 4]).require_grad();
    let w = tensor::<Twice, 4>(&weight, [2, 3, 3, 3]);
    let inner_w = w.clone().inner().require_grad();
    let once = loss(x.clone(), Tensor::from_inner(inner_w.clone())).backward();
    let gradient = x.grad(&once).unwrap();
    let twice = (gradient.clone() * gradient).sum().backward();
    let actual = values(inner_w.grad(&twice).expect("a second gradient"));

    let norm_at = |place: usize, offset: f32| {
        let mut moved = weight.clone();
        moved[place] += offset;
        let x = tensor::<Autodiff<Flex>, 4>(&input, [2, 3, 4, 4]).require_grad();
        let grads = loss(x.clone(), tensor(&moved, [2, 3, 3, 3])).backward();
        values(x.grad(&grads).unwrap()).iter().map(|value| f64::from(*value).powi(2)).sum::<f64>()
    };
    let step = 1e-2;
    for (place, actual) in actual.iter().enumerate().step_by(7) {
        let difference = ((norm_at(place, step) - norm_at(place, -step)) / (2.0 * f64::from(step))) as f32;
        let bound = 2e-2 * difference.abs().max(1.0);
        assert!((actual - difference).abs() < bound, "at {place}: {actual}, {difference}");
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let on_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut outcomes: Vec<Outcome> = larger_cases()
                .iter()
                .map(|(input, weight, options)| {
                    convolve_fixed::<Autodiff<Flex>>(conv2d, *input, *weight, true, options)
                })
                .collect();
            for training in [true, false] {
                outcomes.push(norm_outcome::<Autodiff<Flex>, 4>([6, 5, 40, 33], training, true, true, false).0);
            }
            outcomes.extend(fixture().pools.iter().map(|case| self::pool::<Autodiff<Flex>>(case, false)));
            outcomes
        })
    };
    let first = on_threads(1);
    for threads in [1, 2, 3] {
        assert!(first == on_threads(threads), "{threads} threads");
    }
}

#[test]
fn a_batch_of_nothing_stays_one() {
    let outcome = convolve_fixed::<Autodiff<Flex>>(conv2d, [0, 2, 4, 4], [3, 2, 3, 3], true, &Conv2dOptions::default());
    assert!(outcome.output.is_empty() && outcome.gradients[0].is_empty());
    assert!(outcome.gradients[1..].iter().flatten().all(|value| *value == 0.0));
    let input = random::<Flex, 4>(1, [0, 2, 4, 4], 1.0);
    let [a, b, c, d] = [2, 3, 4, 5].map(|seed| random::<Flex, 1>(seed, [2], 1.0));
    assert_eq!(batch_norm_infer(input.clone(), a, b, c, d, None, &BatchNormOptions::default()).dims(), [0, 2, 4, 4]);
    assert_eq!(max_pool2d(input, &Pool2dOptions::new([2, 2])).dims(), [0, 2, 2, 2]);
}

#[test]
#[should_panic(expected = "conv2d: 3 channels, the weight takes 2 in 1 groups")]
fn channels_that_disagree_are_named() {
    conv2d(random::<Flex, 4>(1, [1, 3, 4, 4], 1.0), random(2, [1, 2, 3, 3], 1.0), None, &Conv2dOptions::default());
}

#[test]
#[should_panic(expected = "conv2d: a kernel that covers 5 pixels on an input of 4")]
fn a_kernel_that_is_too_large_is_named() {
    let options = Conv2dOptions { dilation: [2, 2], ..Conv2dOptions::default() };
    conv2d(random::<Flex, 4>(1, [1, 1, 4, 4], 1.0), random(2, [1, 1, 3, 3], 1.0), None, &options);
}
