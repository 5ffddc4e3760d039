//! The CTC loss against PyTorch (tests/fixtures/make_ctc.py), the kernel against the portable path, and its gradient against
//! finite differences.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Element, Tensor, TensorData};
use layers::ctc::{Ctc, ctc_loss, ctc_per_sequence, frames_needed, portable};
use serde::Deserialize;
use support::{numbers, values};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    shape: [usize; 3],
    blank: usize,
    zero_infinity: bool,
    lengths: Vec<usize>,
    targets: Vec<Vec<i32>>,
    logits: Vec<f32>,
    /// None where it is infinite.
    mean: Option<f32>,
    per_sequence: Vec<Option<f32>>,
    gradient: Option<Vec<f32>>,
}

type Loss<B> = fn(Tensor<B, 3>, &[usize], &[Vec<i32>], &Ctc) -> Tensor<B, 1>;

/// In the backend's own float type: the device's default is that of whichever backend used it first in the process.
fn tensor<B: Backend>(values: &[impl Element], shape: [usize; 3]) -> Tensor<B, 3> {
    let options = (&B::Device::default(), B::FloatElem::dtype());
    Tensor::from_data(TensorData::new(values.to_vec(), shape), options)
}

#[track_caller]
fn assert_close(what: &str, actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len(), "{what}: lengths");
    for (place, (a, b)) in actual.iter().zip(expected).enumerate() {
        let is_same_infinity = a == b;
        assert!(is_same_infinity || (a - b).abs() <= tolerance * b.abs().max(1.0), "{what}[{place}]: {a} is not {b}");
    }
}

/// The loss, and the gradient of its sum times `scale`.
fn run<B: AutodiffBackend>(
    loss: Loss<B>,
    logits: Tensor<B, 3>,
    lengths: &[usize],
    targets: &[Vec<i32>],
    options: &Ctc,
    scale: f32,
) -> (Vec<f32>, Vec<f32>) {
    let logits = logits.require_grad();
    let loss = loss(logits.clone(), lengths, targets, options);
    let gradients = (loss.clone().sum() * scale).backward();
    let gradient = logits.grad(&gradients).expect("the logits should get a gradient");
    (values(loss), values(gradient))
}

fn matches_pytorch<B: AutodiffBackend>(mean: Loss<B>, per_sequence: Loss<B>) {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/ctc.json")).unwrap();
    for (number, case) in fixture.cases.iter().enumerate() {
        let options = Ctc { blank: case.blank, zero_infinity: case.zero_infinity };
        let infinite = |loss: &Option<f32>| loss.unwrap_or(f32::INFINITY);
        let logits = tensor::<B>(&case.logits, case.shape);
        let (loss, gradient) = run(mean, logits.clone(), &case.lengths, &case.targets, &options, 1.0);
        assert_close(&format!("mean of case {number}"), &loss, &[infinite(&case.mean)], 1e-5);
        if let Some(expected) = &case.gradient {
            assert_close(&format!("gradient of case {number}"), &gradient, expected, 1e-5);
        }
        let expected: Vec<f32> = case.per_sequence.iter().map(infinite).collect();
        let losses = per_sequence(logits, &case.lengths, &case.targets, &options);
        assert_close(&format!("sequences of case {number}"), &values(losses), &expected, 1e-5);
    }
}

#[test]
fn matches_pytorch_on_ndarray() {
    matches_pytorch::<Autodiff<NdArray>>(ctc_loss, ctc_per_sequence);
}

#[test]
fn matches_pytorch_on_flex() {
    matches_pytorch::<Autodiff<Flex>>(ctc_loss, ctc_per_sequence);
}

#[test]
fn matches_pytorch_on_the_portable_path() {
    matches_pytorch::<Autodiff<NdArray>>(portable::ctc_loss, portable::ctc_per_sequence);
    matches_pytorch::<Autodiff<Flex>>(portable::ctc_loss, portable::ctc_per_sequence);
}

#[test]
fn matches_pytorch_in_64_bits_and_under_nested_autodiff() {
    matches_pytorch::<Autodiff<NdArray<f64>>>(ctc_loss, ctc_per_sequence);
    matches_pytorch::<Autodiff<Autodiff<Flex>>>(ctc_loss, ctc_per_sequence);
}

/// Sequences of several lengths, with repeated labels, an empty target and one that does not fit.
fn mixture(time: usize, classes: usize) -> (Vec<usize>, Vec<Vec<i32>>) {
    let label = |number: usize| 1 + (number % (classes - 1)) as i32;
    let targets: Vec<Vec<i32>> = (0..7)
        .map(|row| match row {
            3 => vec![],
            5 => vec![1; time],
            _ => (0..row + 2).map(|place| label(place * row + place / 2)).collect(),
        })
        .collect();
    let lengths = targets.iter().enumerate().map(|(row, target)| (frames_needed(target) + row).clamp(1, time));
    (lengths.collect(), targets)
}

fn kernel_matches_portable<B: AutodiffBackend>() {
    let options = Ctc { zero_infinity: true, ..Ctc::default() };
    for (time, classes) in [(12, 2), (20, 4), (33, 12)] {
        let (lengths, targets) = mixture(time, classes);
        let shape = [lengths.len(), time, classes];
        let logits = tensor::<B>(&numbers(shape.iter().product(), 3, 4.0), shape);
        for (fast, slow) in [
            (ctc_loss as Loss<B>, portable::ctc_loss as Loss<B>),
            (ctc_per_sequence as Loss<B>, portable::ctc_per_sequence as Loss<B>),
        ] {
            let what = format!("{time} frames of {classes} classes");
            let (fast_loss, fast_gradient) = run(fast, logits.clone(), &lengths, &targets, &options, 3.0);
            let (slow_loss, slow_gradient) = run(slow, logits.clone(), &lengths, &targets, &options, 3.0);
            assert_close(&what, &fast_loss, &slow_loss, 1e-5);
            assert_close(&what, &fast_gradient, &slow_gradient, 2e-5);
            // Without a graph.
            assert_eq!(values(fast(logits.clone(), &lengths, &targets, &options)), fast_loss, "{what}");
        }
        let plain = ctc_loss(logits.clone().inner(), &lengths, &targets, &options);
        assert_eq!(values(plain), values(ctc_loss(logits, &lengths, &targets, &options)));
    }
}

#[test]
fn kernel_matches_portable_on_ndarray() {
    kernel_matches_portable::<Autodiff<NdArray>>();
}

#[test]
fn kernel_matches_portable_on_flex() {
    kernel_matches_portable::<Autodiff<Flex>>();
}

/// Every gradient of the kernel against central differences of the portable loss in 64 bits.
fn gradient_matches_finite_differences<B: AutodiffBackend>() {
    let (time, classes, step) = (6, 4, 1e-5);
    let lengths = [6, 4, 5];
    let targets = vec![vec![1, 1, 2], vec![3], vec![]];
    let shape = [lengths.len(), time, classes];
    let logits = numbers(shape.iter().product(), 11, 3.0);
    let options = Ctc::default();
    let (_, gradient) = run(ctc_loss, tensor::<B>(&logits, shape), &lengths, &targets, &options, 1.0);
    let loss_at = |place: usize, offset: f64| {
        let mut moved: Vec<f64> = logits.iter().map(|value| f64::from(*value)).collect();
        moved[place] += offset;
        let loss = portable::ctc_loss(tensor::<NdArray<f64>>(&moved, shape), &lengths, &targets, &options);
        loss.into_data().iter::<f64>().sum::<f64>()
    };
    let differences: Vec<f32> =
        (0..logits.len()).map(|place| ((loss_at(place, step) - loss_at(place, -step)) / (2.0 * step)) as f32).collect();
    assert_close("gradient", &gradient, &differences, 1e-6);
}

#[test]
fn gradient_matches_finite_differences_on_both() {
    gradient_matches_finite_differences::<Autodiff<NdArray>>();
    gradient_matches_finite_differences::<Autodiff<Flex>>();
}

/// Whatever stands behind a sequence's end changes neither losses nor gradients, and gets none itself.
fn padding_means_nothing<B: AutodiffBackend>(loss: Loss<B>) {
    let (time, classes) = (7, 4);
    let (lengths, targets) = (vec![7, 3, 5], vec![vec![1, 2], vec![2, 2], vec![3, 1, 3]]);
    let shape = [3, time, classes];
    let clean = numbers(shape.iter().product(), 2, 3.0);
    let is_padding = |place: usize| place / classes % time >= lengths[place / (time * classes)];
    let dirty: Vec<f32> = clean
        .iter()
        .enumerate()
        .map(|(place, value)| if is_padding(place) { 50.0 - place as f32 } else { *value })
        .collect();
    let options = Ctc::default();
    let expected = run(loss, tensor::<B>(&clean, shape), &lengths, &targets, &options, 1.0);
    let (losses, gradient) = run(loss, tensor::<B>(&dirty, shape), &lengths, &targets, &options, 1.0);
    assert_eq!(losses, expected.0);
    for (place, (actual, expected)) in gradient.iter().zip(&expected.1).enumerate() {
        assert_eq!(actual, if is_padding(place) { &0.0 } else { expected }, "at {place}");
    }
    // And with more of it.
    let longer: Vec<f32> = dirty.chunks(time * classes).flat_map(|row| [row, &[9.0; 8][..]].concat()).collect();
    let longer = run(loss, tensor::<B>(&longer, [3, time + 2, classes]), &lengths, &targets, &options, 1.0);
    assert_close("with more padding", &longer.0, &expected.0, 1e-6);
}

#[test]
fn padding_means_nothing_on_every_path() {
    padding_means_nothing::<Autodiff<NdArray>>(ctc_loss);
    padding_means_nothing::<Autodiff<Flex>>(ctc_loss);
    padding_means_nothing::<Autodiff<NdArray>>(portable::ctc_loss);
    padding_means_nothing::<Autodiff<Flex>>(portable::ctc_loss);
}

/// A target that does not fit leaves the gradients of the others as they are, and finite.
fn a_target_that_does_not_fit_adds_nothing<B: AutodiffBackend>(loss: Loss<B>) {
    let shape = [2, 3, 3];
    let logits = numbers(18, 6, 2.0);
    let targets = vec![vec![1, 2], vec![1, 1]];
    let with = |zero_infinity| {
        let options = Ctc { zero_infinity, ..Ctc::default() };
        run(loss, tensor::<B>(&logits, shape), &[3, 2], &targets, &options, 1.0)
    };
    let (infinite, zeroed) = (with(false), with(true));
    assert_eq!(infinite.0, [f32::INFINITY]);
    assert!(zeroed.0[0].is_finite());
    assert_eq!(infinite.1, zeroed.1);
    assert!(zeroed.1[..9].iter().any(|value| *value != 0.0) && zeroed.1[9..].iter().all(|value| *value == 0.0));
}

#[test]
fn a_target_that_does_not_fit_adds_nothing_on_every_path() {
    a_target_that_does_not_fit_adds_nothing::<Autodiff<NdArray>>(ctc_loss);
    a_target_that_does_not_fit_adds_nothing::<Autodiff<Flex>>(ctc_loss);
    a_target_that_does_not_fit_adds_nothing::<Autodiff<NdArray>>(portable::ctc_loss);
}

#[test]
fn masked_classes_and_numbers_that_are_none_are_not_hidden() {
    let mut logits = numbers(9, 5, 2.0);
    logits[1] = f32::NEG_INFINITY; // label 1 in the first of three frames
    let at = |logits: &[f32], target: i32| {
        values(ctc_loss(tensor::<Flex>(logits, [1, 3, 3]), &[3], &[[target]], &Ctc::default()))[0]
    };
    assert!(at(&logits, 1).is_finite());
    for frame in 0..3 {
        logits[3 * frame + 1] = f32::NEG_INFINITY;
    }
    assert_eq!(at(&logits, 1), f32::INFINITY);
    assert!(at(&logits, 2).is_finite());
    for place in 0..9 {
        let mut logits = numbers(9, 5, 2.0);
        logits[place] = f32::NAN;
        assert!(at(&logits, 1).is_nan(), "at {place}");
    }
}

#[test]
fn the_same_bits_every_time() {
    let (lengths, targets) = mixture(40, 12);
    let shape = [lengths.len(), 40, 12];
    let options = Ctc { zero_infinity: true, ..Ctc::default() };
    let once = || {
        let logits = tensor::<Autodiff<Flex>>(&numbers(shape.iter().product(), 1, 4.0), shape);
        run(ctc_loss, logits, &lengths, &targets, &options, 1.0)
    };
    let first = once();
    for _ in 0..5 {
        assert!(first == once());
    }
}

#[test]
#[should_panic(expected = "label 3 is not one of 3 classes without the blank, 0")]
fn a_label_that_is_no_class_is_named() {
    ctc_loss(tensor::<Flex>(&numbers(6, 1, 1.0), [1, 2, 3]), &[2], &[[3]], &Ctc::default());
}

#[test]
#[should_panic(expected = "a length of 3 where there are 2 frames")]
fn a_length_out_of_range_is_named() {
    ctc_loss(tensor::<Flex>(&numbers(6, 1, 1.0), [1, 2, 3]), &[3], &[[1]], &Ctc::default());
}
