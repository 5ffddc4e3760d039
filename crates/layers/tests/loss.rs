//! Cross entropy against PyTorch, the kernels against the portable path, and the gradient against finite differences.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, TensorData};
use layers::loss::{self, CrossEntropy, portable};
use serde::Deserialize;
use support::values;

#[derive(Deserialize)]
struct Fixture {
    rows: usize,
    classes: usize,
    logits: Vec<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    ignore_index: Option<i64>,
    label_smoothing: f32,
    class_weights: Option<Vec<f32>>,
    targets: Vec<i64>,
    loss: f32,
    grad: Vec<f32>,
    per_row: Vec<f32>,
}

impl Case {
    fn options(&self) -> CrossEntropy {
        CrossEntropy {
            ignore_index: self.ignore_index,
            label_smoothing: self.label_smoothing,
            class_weights: self.class_weights.clone(),
        }
    }
}

type Loss<B> = fn(Tensor<B, 2>, Tensor<B, 1, Int>, &CrossEntropy) -> Tensor<B, 1>;

fn tensor<B: Backend>(values: &[f32], shape: [usize; 2]) -> Tensor<B, 2> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
}

fn indices<B: Backend>(values: &[i64]) -> Tensor<B, 1, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &Default::default())
}

/// Random-looking but fixed numbers in -4..4.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    support::numbers(count, seed, 4.0)
}

fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}[{i}]: {a} is not {b}");
    }
}

/// The loss and the gradient of `scale * loss`.
fn run<B: AutodiffBackend>(
    function: Loss<B>,
    logits: Tensor<B, 2>,
    targets: &[i64],
    options: &CrossEntropy,
    scale: f32,
) -> (Vec<f32>, Vec<f32>) {
    let logits = logits.require_grad();
    let loss = function(logits.clone(), indices(targets), options);
    let grads = (loss.clone() * scale).backward();
    let grad = logits.grad(&grads).expect("the logits should get a gradient");
    (values(loss), values(grad))
}

fn options_of_all_kinds(classes: usize) -> Vec<CrossEntropy> {
    let mut all = Vec::new();
    for ignore_index in [None, Some(-100), Some(1)] {
        for label_smoothing in [0.0, 0.2] {
            for weighted in [false, true] {
                all.push(CrossEntropy {
                    ignore_index,
                    label_smoothing,
                    class_weights: weighted.then(|| numbers(classes, 9).iter().map(|x| x.abs() + 0.1).collect()),
                });
            }
        }
    }
    all
}

/// Targets that hit `ignore_index` now and then.
fn targets_for(rows: usize, classes: usize, options: &CrossEntropy) -> Vec<i64> {
    (0..rows)
        .map(|row| match options.ignore_index {
            Some(index) if row % 5 == 3 => index,
            _ => ((row * 7 + 3) % classes) as i64,
        })
        .collect()
}

fn matches_pytorch<B: AutodiffBackend>(mean: Loss<B>, per_row: Loss<B>) {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/loss.json")).unwrap();
    let shape = [fixture.rows, fixture.classes];
    for (number, case) in fixture.cases.iter().enumerate() {
        let logits = tensor::<B>(&fixture.logits, shape);
        let (loss, grad) = run(mean, logits.clone(), &case.targets, &case.options(), 1.0);
        assert_close(&format!("loss {number}"), &loss, &[case.loss], 1e-5);
        assert_close(&format!("gradient {number}"), &grad, &case.grad, 1e-5);
        let rows = per_row(logits, indices(&case.targets), &case.options());
        assert_close(&format!("row {number}"), &values(rows), &case.per_row, 1e-5);
    }
}

#[test]
fn matches_pytorch_on_ndarray() {
    matches_pytorch::<Autodiff<NdArray>>(loss::cross_entropy, loss::nll_per_row);
}

#[test]
fn matches_pytorch_on_flex() {
    matches_pytorch::<Autodiff<Flex>>(loss::cross_entropy, loss::nll_per_row);
}

#[test]
fn matches_pytorch_on_the_portable_path() {
    matches_pytorch::<Autodiff<NdArray>>(portable::cross_entropy, portable::nll_per_row);
    matches_pytorch::<Autodiff<Flex>>(portable::cross_entropy, portable::nll_per_row);
}

#[test]
fn matches_pytorch_in_64_bits_and_under_nested_autodiff() {
    matches_pytorch::<Autodiff<NdArray<f64>>>(loss::cross_entropy, loss::nll_per_row);
    matches_pytorch::<Autodiff<Autodiff<Flex>>>(loss::cross_entropy, loss::nll_per_row);
}

/// The portable path runs on Flex: with its `simd` feature NdArray's reciprocal is good to 12 bits only, and the gradient of
/// the portable path's logarithm goes through it.
fn kernel_matches_portable<B: AutodiffBackend>() {
    type Exact = Autodiff<Flex>;
    for [rows, classes] in [[1, 1], [1, 2], [3, 5], [17, 16], [67, 33], [131, 97], [700, 130]] {
        for options in options_of_all_kinds(classes) {
            if options.ignore_index.is_some_and(|index| index >= classes as i64) {
                continue;
            }
            let targets = targets_for(rows, classes, &options);
            let logits = tensor::<B>(&numbers(rows * classes, 5), [rows, classes]);
            let (fast, fast_grad) = run::<B>(loss::cross_entropy, logits.clone(), &targets, &options, 3.0);
            let exact = tensor::<Exact>(&numbers(rows * classes, 5), [rows, classes]);
            let (slow, slow_grad) = run::<Exact>(portable::cross_entropy, exact.clone(), &targets, &options, 3.0);
            let what = format!("{rows} x {classes}, {options:?}");
            assert_close(&what, &fast, &slow, 1e-5);
            assert_close(&what, &fast_grad, &slow_grad, 1e-6);
            // Without a graph, and without autodiff at all.
            let untracked = loss::cross_entropy(logits.clone(), indices(&targets), &options);
            assert_eq!(values(untracked), fast, "{what}");
            let plain = loss::cross_entropy(logits.clone().inner(), indices(&targets), &options);
            assert_eq!(values(plain), fast, "{what}");
            let fast = loss::nll_per_row(logits.clone(), indices(&targets), &options);
            let slow = portable::nll_per_row(exact, indices(&targets), &options);
            assert_close(&what, &values(fast), &values(slow), 1e-5);
        }
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

fn views_are_read_as_they_are<B: AutodiffBackend>() {
    let options = CrossEntropy::default();
    let (rows, classes) = (9, 6);
    let stored = tensor::<B>(&numbers((classes + 2) * (rows + 3), 4), [classes + 2, rows + 3]);
    let view = stored.slice([1..classes + 1, 2..rows + 2]).transpose();
    let targets = targets_for(rows, classes, &options);
    let (fast, fast_grad) = run::<B>(loss::cross_entropy, view.clone(), &targets, &options, 1.0);
    let copy = tensor::<B>(&values(view), [rows, classes]);
    let (slow, slow_grad) = run::<B>(portable::cross_entropy, copy, &targets, &options, 1.0);
    assert_close("loss", &fast, &slow, 1e-6);
    assert_close("gradient", &fast_grad, &slow_grad, 1e-6);
}

#[test]
fn views_are_read_as_they_are_on_both() {
    views_are_read_as_they_are::<Autodiff<NdArray>>();
    views_are_read_as_they_are::<Autodiff<Flex>>();
}

fn all_rows_ignored_is_zero<B: AutodiffBackend>(function: Loss<B>) {
    for smoothing in [0.0, 0.1] {
        let options = CrossEntropy { ignore_index: Some(2), label_smoothing: smoothing, class_weights: None };
        let logits = tensor::<B>(&numbers(12, 3), [4, 3]);
        let (loss, grad) = run(function, logits, &[2; 4], &options, 1.0);
        assert_eq!(loss, [0.0]);
        assert!(grad.iter().all(|&x| x == 0.0), "{grad:?}");
    }
}

#[test]
fn all_rows_ignored_is_zero_on_every_path() {
    all_rows_ignored_is_zero::<Autodiff<NdArray>>(loss::cross_entropy);
    all_rows_ignored_is_zero::<Autodiff<Flex>>(loss::cross_entropy);
    all_rows_ignored_is_zero::<Autodiff<Flex>>(portable::cross_entropy);
    all_rows_ignored_is_zero::<Autodiff<NdArray<f64>>>(loss::cross_entropy);
}

fn masked_classes_get_nothing<B: AutodiffBackend>() {
    let logits = tensor::<B>(&[1.0, f32::NEG_INFINITY, 2.0, 0.5], [1, 4]);
    let (loss, grad) = run::<B>(loss::cross_entropy, logits, &[2], &CrossEntropy::default(), 1.0);
    let sum = 1f32.exp() + 2f32.exp() + 0.5f32.exp();
    assert_close("loss", &loss, &[sum.ln() - 2.0], 1e-6);
    assert_eq!(grad[1], 0.0);
    assert_close("gradient", &grad[..1], &[1f32.exp() / sum], 1e-6);
}

#[test]
fn masked_classes_get_nothing_on_both() {
    masked_classes_get_nothing::<Autodiff<NdArray>>();
    masked_classes_get_nothing::<Autodiff<Flex>>();
}

fn not_a_number_is_not_hidden<B: AutodiffBackend>() {
    let logits = tensor::<B>(&[1.0, f32::NAN, 2.0, 0.5], [1, 4]);
    let (loss, _) = run::<B>(loss::cross_entropy, logits, &[2], &CrossEntropy::default(), 1.0);
    assert!(loss[0].is_nan());
}

#[test]
fn not_a_number_is_not_hidden_on_both() {
    not_a_number_is_not_hidden::<Autodiff<NdArray>>();
    not_a_number_is_not_hidden::<Autodiff<Flex>>();
}

/// Every gradient against central differences of the loss itself. The loss of 32 bits is summed from few rows, so a step
/// of 1e-2 leaves errors of about 1e-4.
fn gradient_matches_finite_differences<B: AutodiffBackend>() {
    let (rows, classes, step) = (3, 5, 1e-2);
    for options in options_of_all_kinds(classes) {
        let targets = targets_for(rows, classes, &options);
        let logits = numbers(rows * classes, 8);
        let (_, grad) = run::<B>(loss::cross_entropy, tensor(&logits, [rows, classes]), &targets, &options, 1.0);
        let differences: Vec<f32> = (0..logits.len())
            .map(|i| {
                let at = |delta: f32| {
                    let mut moved = logits.clone();
                    moved[i] += delta;
                    let moved = tensor::<B>(&moved, [rows, classes]);
                    values(loss::cross_entropy(moved, indices(&targets), &options))[0]
                };
                (at(step) - at(-step)) / (2.0 * step)
            })
            .collect();
        assert_close(&format!("{options:?}"), &grad, &differences, 2e-4);
    }
}

#[test]
fn gradient_matches_finite_differences_on_both() {
    gradient_matches_finite_differences::<Autodiff<NdArray>>();
    gradient_matches_finite_differences::<Autodiff<Flex>>();
}

fn same_bits_every_time<B: AutodiffBackend>() {
    let (rows, classes) = (2048, 96);
    let options = CrossEntropy { label_smoothing: 0.1, ..Default::default() };
    let targets = targets_for(rows, classes, &options);
    let once = || {
        let logits = tensor::<B>(&numbers(rows * classes, 1), [rows, classes]);
        run::<B>(loss::cross_entropy, logits, &targets, &options, 1.0)
    };
    let first = once();
    for _ in 0..5 {
        assert!(first == once());
    }
}

#[test]
fn same_bits_every_time_on_both() {
    same_bits_every_time::<Autodiff<NdArray>>();
    same_bits_every_time::<Autodiff<Flex>>();
}

#[test]
#[should_panic(expected = "target 5 is not one of 3 classes")]
fn a_target_outside_the_classes_is_named() {
    let logits = tensor::<Flex>(&numbers(6, 1), [2, 3]);
    loss::cross_entropy(logits, indices(&[0, 5]), &CrossEntropy::default());
}

/// Two batches of probabilities that are powers of two, with a row that counts nowhere.
#[test]
fn a_tally_has_the_means_over_all_rows_that_count() {
    let two = std::f32::consts::LN_2;
    let options = CrossEntropy::ignoring(-100);
    let mut tally = loss::Tally::<Flex>::new(&Default::default());
    // 1/2, 1/4, 1/4 in each row.
    let row = [two, 0.0, 0.0];
    tally.add(tensor(&[row, row].concat(), [2, 3]), indices(&[0, -100]), &options, 1);
    tally.add(tensor(&[row, row].concat(), [2, 3]), indices(&[1, 2]), &options, 2);
    assert_eq!(tally.count(), 3);
    let [loss, accuracy] = tally.means();
    let expected = 5.0 / 3.0 * f64::from(two);
    assert!((loss - expected).abs() < 1e-6, "{loss} is not {expected}");
    assert!((accuracy - 1.0 / 3.0).abs() < 1e-12, "{accuracy}");
}
