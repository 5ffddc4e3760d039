//! Parameter updates against torch.optim, and the kernels against the portable path.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Flex, NdArray};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use layers::update::{self, AdamHyper, RmsPropHyper, RmsPropState, SgdHyper, portable};
use serde::Deserialize;
use support::values;

#[derive(Deserialize)]
struct Fixture {
    param: Vec<f32>,
    grads: Vec<Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    options: Options,
    after: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    lr: f64,
    betas: Option<[f64; 2]>,
    eps: Option<f64>,
    alpha: Option<f64>,
    weight_decay: Option<f64>,
    momentum: Option<f64>,
    dampening: Option<f64>,
    #[serde(default)]
    nesterov: bool,
    #[serde(default)]
    centered: bool,
}

type Vector<B> = Tensor<B, 1>;
type Moments<B> = (Vector<B>, Vector<B>, Vector<B>);

type AdamW<B> = fn(Vector<B>, Vector<B>, Vector<B>, Vector<B>, &AdamHyper) -> Moments<B>;
type Buffered<B> = (Vector<B>, Option<Vector<B>>);
type Sgd<B> = fn(Vector<B>, Vector<B>, Option<Vector<B>>, &SgdHyper) -> Buffered<B>;
type State<B> = RmsPropState<B, 1>;
type RmsProp<B> = fn(Vector<B>, Vector<B>, State<B>, &RmsPropHyper) -> (Vector<B>, State<B>);

/// The updates of one path.
struct Updates<B: Backend> {
    adamw: AdamW<B>,
    sgd: Sgd<B>,
    rmsprop: RmsProp<B>,
}

fn public<B: Backend>() -> Updates<B> {
    Updates { adamw: update::adamw, sgd: update::sgd, rmsprop: update::rmsprop }
}

fn plain<B: Backend>() -> Updates<B> {
    Updates { adamw: portable::adamw, sgd: portable::sgd, rmsprop: portable::rmsprop }
}

fn tensor<B: Backend>(values: &[f32]) -> Vector<B> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &Default::default())
}

/// Random-looking but fixed numbers in -2..2.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    support::numbers(count, seed, 2.0)
}

fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        // Relative, and down to the size of the parameters for those that are nearly zero.
        assert!((a - b).abs() <= tolerance * b.abs().max(0.1), "{what}[{i}]: {a} is not {b}");
    }
}

/// The parameter after each step.
fn trajectory<B: Backend>(
    updates: &Updates<B>,
    kind: &str,
    options: &Options,
    param: &[f32],
    grads: &[Vec<f32>],
) -> Vec<Vec<f32>> {
    let mut param = tensor::<B>(param);
    let mut after = Vec::new();
    let decay = options.weight_decay;
    match kind {
        "adamw" | "adam" => {
            let (mut first, mut second) = (param.zeros_like(), param.zeros_like());
            let mut hyper = AdamHyper { lr: options.lr, ..Default::default() };
            if let Some([beta1, beta2]) = options.betas {
                (hyper.beta1, hyper.beta2) = (beta1, beta2);
            }
            hyper.eps = options.eps.unwrap_or(hyper.eps);
            if kind == "adamw" {
                hyper.weight_decay = decay.unwrap_or(hyper.weight_decay);
            } else {
                (hyper.weight_decay, hyper.l2) = (0.0, decay.unwrap_or(0.0));
            }
            for (index, grad) in grads.iter().enumerate() {
                hyper.step = index as u64 + 1;
                (param, first, second) = (updates.adamw)(param, tensor(grad), first, second, &hyper);
                after.push(values(param.clone()));
            }
        }
        "sgd" => {
            let hyper = SgdHyper {
                lr: options.lr,
                momentum: options.momentum.unwrap_or(0.0),
                dampening: options.dampening.unwrap_or(0.0),
                nesterov: options.nesterov,
                weight_decay: decay.unwrap_or(0.0),
                grad_scale: 1.0,
            };
            let mut buffer = None;
            for grad in grads {
                (param, buffer) = (updates.sgd)(param, tensor(grad), buffer, &hyper);
                after.push(values(param.clone()));
            }
            assert_eq!(buffer.is_some(), hyper.momentum > 0.0);
        }
        "rmsprop" => {
            let mut hyper = RmsPropHyper {
                lr: options.lr,
                momentum: options.momentum.unwrap_or(0.0),
                centered: options.centered,
                weight_decay: decay.unwrap_or(0.0),
                ..Default::default()
            };
            hyper.alpha = options.alpha.unwrap_or(hyper.alpha);
            hyper.eps = options.eps.unwrap_or(hyper.eps);
            let mut state = RmsPropState::new(&param, &hyper);
            for grad in grads {
                (param, state) = (updates.rmsprop)(param, tensor(grad), state, &hyper);
                after.push(values(param.clone()));
            }
        }
        other => panic!("no such optimiser: {other}"),
    }
    after
}

fn matches_pytorch<B: Backend>(updates: Updates<B>) {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/update.json")).unwrap();
    for (number, case) in fixture.cases.iter().enumerate() {
        let after = trajectory(&updates, &case.kind, &case.options, &fixture.param, &fixture.grads);
        // A parameter that crosses zero keeps the rounding of the steps that took it there, so its error is measured by
        // the largest value that it had on the way.
        let mut size: Vec<f32> = fixture.param.iter().map(|x| x.abs()).collect();
        for (step, (got, expected)) in after.iter().zip(&case.after).enumerate() {
            for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
                size[i] = size[i].max(expected.abs());
                assert!(
                    (got - expected).abs() <= 1e-6 * size[i],
                    "{} (case {number}), step {step}: [{i}] is {got}, not {expected}",
                    case.kind
                );
            }
        }
        assert_eq!(after.len(), case.after.len());
    }
}

#[test]
fn matches_pytorch_on_ndarray() {
    matches_pytorch(public::<NdArray>());
}

#[test]
fn matches_pytorch_on_flex() {
    matches_pytorch(public::<Flex>());
}

#[test]
fn matches_pytorch_on_the_portable_path() {
    matches_pytorch(plain::<NdArray>());
    matches_pytorch(plain::<Flex>());
    matches_pytorch(public::<NdArray<f64>>());
}

/// Every optimiser with a scaled gradient, at sizes around the kernels' vectors and tasks.
fn kernel_matches_portable<B: Backend>() {
    for size in [1, 7, 8, 9, 31, 100_003] {
        let param = numbers(size, 1);
        let grad = || tensor::<B>(&numbers(size, 2));
        let state = |seed| tensor::<B>(&numbers(size, seed)).abs();
        let check = |what: &str, fast: Vector<B>, slow: Vector<B>| {
            assert_close(&format!("{what}, {size}"), &values(fast), &values(slow), 1e-6);
        };

        let hyper = AdamHyper { l2: 0.03, step: 4, grad_scale: 0.5, ..Default::default() };
        let adam =
            |adamw: fn(_, _, _, _, &AdamHyper) -> Moments<B>| adamw(tensor(&param), grad(), state(3), state(4), &hyper);
        let (fast, slow) = (adam(update::adamw), adam(portable::adamw));
        check("adam", fast.0, slow.0);
        check("adam first", fast.1, slow.1);
        check("adam second", fast.2, slow.2);

        for (momentum, nesterov, buffer) in [(0.0, false, None), (0.9, false, None), (0.9, true, Some(state(3)))] {
            let hyper = SgdHyper {
                lr: 0.1,
                momentum,
                dampening: if nesterov { 0.0 } else { 0.2 },
                nesterov,
                weight_decay: 0.1,
                grad_scale: 0.5,
            };
            let fast = update::sgd(tensor(&param), grad(), buffer.clone(), &hyper);
            let slow = portable::sgd(tensor(&param), grad(), buffer, &hyper);
            check("sgd", fast.0, slow.0);
            assert_eq!(fast.1.is_some(), slow.1.is_some());
            if let (Some(fast), Some(slow)) = (fast.1, slow.1) {
                check("sgd buffer", fast, slow);
            }
        }

        for (momentum, centered) in [(0.0, false), (0.0, true), (0.5, false), (0.5, true)] {
            let hyper = RmsPropHyper { momentum, centered, weight_decay: 0.1, grad_scale: 0.5, ..Default::default() };
            let before = || RmsPropState {
                square_average: state(3) + 5.0,
                gradient_average: centered.then(|| state(4)),
                // Not asked for, and missing: both are put right.
                momentum_buffer: (!centered).then(|| state(5)),
            };
            let fast = update::rmsprop(tensor(&param), grad(), before(), &hyper);
            let slow = portable::rmsprop(tensor(&param), grad(), before(), &hyper);
            check("rmsprop", fast.0, slow.0);
            check("square", fast.1.square_average, slow.1.square_average);
            for (what, fast, slow) in [
                ("mean", fast.1.gradient_average, slow.1.gradient_average),
                ("buffer", fast.1.momentum_buffer, slow.1.momentum_buffer),
            ] {
                assert_eq!(fast.is_some(), slow.is_some(), "{what}");
                if let (Some(fast), Some(slow)) = (fast, slow) {
                    check(what, fast, slow);
                }
            }
        }

        let fast = update::lerp_(tensor(&param), grad(), 0.99);
        check("ema", fast, portable::lerp_(tensor(&param), grad(), 0.99));
        for factor in [1.0, 0.37] {
            let factor = || tensor::<B>(&[factor]);
            let fast = update::scale_by(grad(), factor());
            check("scale", fast, portable::scale_by(grad(), factor()));
        }
        let exact: f64 = numbers(size, 2).iter().map(|&x| f64::from(x).powi(2)).sum();
        let sum = values(update::sum_squares(grad()));
        assert_close("sum of squares", &sum, &[exact as f32], 1e-6);
    }
}

#[test]
fn kernel_matches_portable_on_ndarray() {
    kernel_matches_portable::<NdArray>();
}

#[test]
fn kernel_matches_portable_on_flex() {
    kernel_matches_portable::<Flex>();
}

/// A tensor that somebody else still holds must not change under them, and views are read as they are.
fn others_see_no_change<B: Backend>() {
    let (rows, columns) = (5, 7);
    let data = TensorData::new(numbers(rows * columns, 1), [rows, columns]);
    let param = Tensor::<B, 2>::from_data(data.clone(), &Default::default());
    let grad = param.clone().transpose(); // a view, and of the parameter itself
    let first = param.zeros_like();
    let second = first.clone();
    let hyper = AdamHyper::default();
    let step = |adamw: fn(_, _, _, _, &AdamHyper) -> _| -> [Vec<f32>; 3] {
        let (param, first, second): (Tensor<B, 2>, Tensor<B, 2>, Tensor<B, 2>) = adamw(
            param.clone().transpose(),
            grad.clone(),
            first.clone().transpose(),
            second.clone().transpose(),
            &hyper,
        );
        [values(param), values(first), values(second)]
    };
    let fast = step(update::adamw);
    let slow = step(portable::adamw);
    for (fast, slow) in fast.iter().zip(&slow) {
        assert_close("adam on views", fast, slow, 1e-6);
    }
    assert_eq!(param.into_data(), data);
    assert!(values(first).iter().chain(&values(second)).all(|&x| x == 0.0));

    // A slice of a larger tensor.
    let whole = tensor::<B>(&numbers(20, 3));
    let part = update::lerp_(whole.clone().narrow(0, 4, 11), tensor(&numbers(11, 4)), 0.5);
    let expected: Vec<f32> = numbers(20, 3)[4..15].iter().zip(numbers(11, 4)).map(|(a, b)| 0.5 * a + 0.5 * b).collect();
    assert_close("slice", &values(part), &expected, 1e-6);
    assert_eq!(values(whole), numbers(20, 3));
}

#[test]
fn others_see_no_change_on_both() {
    others_see_no_change::<NdArray>();
    others_see_no_change::<Flex>();
}

fn same_bits_every_time<B: Backend>() {
    let size = 200_001;
    let once = || {
        let (param, first, second) = update::adamw(
            tensor::<B>(&numbers(size, 1)),
            tensor(&numbers(size, 2)),
            tensor(&numbers(size, 3)),
            tensor(&numbers(size, 4)).abs(),
            &AdamHyper::default(),
        );
        let norm = update::sum_squares(param.clone());
        [values(param), values(first), values(second), values(norm)]
    };
    let first = once();
    for _ in 0..5 {
        assert!(first == once());
    }
}

#[test]
fn same_bits_every_time_on_both() {
    same_bits_every_time::<NdArray>();
    same_bits_every_time::<Flex>();
}

#[test]
fn a_constant_gradient_does_not_make_the_centred_variance_negative() {
    fn check<B: Backend>(updates: Updates<B>) {
        let hyper = RmsPropHyper { centered: true, alpha: 0.5, ..Default::default() };
        let mut param = tensor::<B>(&numbers(16, 1));
        let mut state = RmsPropState::new(&param, &hyper);
        for _ in 0..60 {
            (param, state) = (updates.rmsprop)(param, tensor(&numbers(16, 2)), state, &hyper);
        }
        assert!(values(param).iter().all(|x| x.is_finite()));
    }
    check(public::<NdArray>());
    check(public::<Flex>());
    check(plain::<Flex>());
}
