//! The projections' kernels against the portable path, and their gradients against finite differences.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use layers::projection::{linear, linear_transposed, portable};
use support::values;

type Linear<B> = fn(Tensor<B, 3>, Tensor<B, 2>, Option<Tensor<B, 1>>) -> Tensor<B, 3>;

fn tensor<B: Backend, const D: usize>(shape: [usize; D], seed: u64) -> Tensor<B, D> {
    from(numbers(shape.iter().product(), seed), shape)
}

fn from<B: Backend, const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

/// Random-looking but fixed numbers in -1..1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    support::numbers(count, seed, 1.0)
}

fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}[{i}]: {a} is not {b}");
    }
}

/// Which of input, weight and bias there is a gradient for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    input: bool,
    weight: bool,
    bias: Option<bool>,
}

const WANTED: [Wanted; 6] = [
    Wanted { input: true, weight: true, bias: Some(true) },
    Wanted { input: true, weight: true, bias: None },
    Wanted { input: false, weight: true, bias: Some(true) },
    Wanted { input: true, weight: false, bias: Some(false) },
    Wanted { input: false, weight: false, bias: Some(true) },
    Wanted { input: false, weight: false, bias: None },
];

fn want<B: Backend, const D: usize>(tensor: Tensor<B, D>, wanted: bool) -> Tensor<B, D> {
    if wanted { tensor.require_grad() } else { tensor }
}

/// The output, and the gradients of its sum weighted by fixed numbers.
fn run<B: AutodiffBackend>(
    function: Linear<B>,
    input: Tensor<B, 3>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    wanted: Wanted,
) -> Vec<Option<Vec<f32>>> {
    let input = want(input, wanted.input);
    let weight = want(weight, wanted.weight);
    let bias = wanted.bias.map(|wanted| want(bias, wanted));
    let output = function(input.clone(), weight.clone(), bias.clone());
    let factors = tensor::<B, 3>(output.dims(), 7);
    let mut all = vec![Some(values(output.clone()))];
    if wanted.input || wanted.weight || wanted.bias == Some(true) {
        let grads = (output * factors).sum().backward();
        all.push(input.grad(&grads).map(values));
        all.push(weight.grad(&grads).map(values));
        all.push(bias.and_then(|bias| bias.grad(&grads)).map(values));
    }
    all
}

fn compare(what: &str, fast: &[Option<Vec<f32>>], slow: &[Option<Vec<f32>>]) {
    assert_eq!(fast.len(), slow.len(), "{what}");
    for (index, (fast, slow)) in fast.iter().zip(slow).enumerate() {
        let what = format!("{what}, part {index}");
        assert_eq!(fast.is_some(), slow.is_some(), "{what}");
        if let (Some(fast), Some(slow)) = (fast, slow) {
            assert_close(&what, fast, slow, 2e-5);
        }
    }
}

fn kernel_matches_portable<B: AutodiffBackend>() {
    let shapes = [([1, 1, 1], 1), ([2, 3, 5], 7), ([3, 17, 9], 33), ([2, 150, 31], 19), ([0, 3, 4], 2)];
    for ([batch, time, inputs], outputs) in shapes {
        for wanted in WANTED {
            if batch == 0 && wanted.input {
                continue; // burn's own has no gradient of nothing to compare with
            }
            let what = format!("{batch} x {time} x {inputs} to {outputs}, {wanted:?}");
            let input = tensor::<B, 3>([batch, time, inputs], 1);
            let bias = tensor::<B, 1>([outputs], 3);
            if batch == 0 {
                let weight = tensor::<B, 2>([inputs, outputs], 2);
                let output = linear(input, weight, Some(bias));
                assert_eq!(output.dims(), [0, time, outputs]);
                continue;
            }
            let weight = tensor::<B, 2>([inputs, outputs], 2);
            let both = [linear::<B, 3> as Linear<B>, portable::linear]
                .map(|function| run(function, input.clone(), weight.clone(), bias.clone(), wanted));
            compare(&what, &both[0], &both[1]);
            let weight = tensor::<B, 2>([outputs, inputs], 2);
            let both = [linear_transposed::<B, 3> as Linear<B>, portable::linear_transposed]
                .map(|function| run(function, input.clone(), weight.clone(), bias.clone(), wanted));
            compare(&format!("transposed {what}"), &both[0], &both[1]);
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

fn views_and_plain_backends<B: AutodiffBackend>() {
    let wanted = WANTED[0];
    let stored = tensor::<B, 3>([9, 6, 4], 1);
    let input = stored.slice([2..7, 1..5, 0..4]).swap_dims(0, 2); // [4, 4, 5]
    let weight = tensor::<B, 2>([3, 5], 2).transpose();
    let bias = tensor::<B, 1>([6], 3).narrow(0, 2, 3);
    let copies = || {
        (
            from::<B, 3>(values(input.clone()), [4, 4, 5]),
            from::<B, 2>(values(weight.clone()), [5, 3]),
            from::<B, 1>(values(bias.clone()), [3]),
        )
    };
    let fast = run(linear, input.clone(), weight.clone(), bias.clone(), wanted);
    let (a, b, c) = copies();
    let slow = run(portable::linear, a, b, c, wanted);
    compare("views", &fast, &slow);
    let plain = linear(input.inner(), weight.inner(), Some(bias.inner()));
    assert_eq!(Some(values(plain)), fast[0]);
}

#[test]
fn views_and_plain_backends_on_both() {
    views_and_plain_backends::<Autodiff<NdArray>>();
    views_and_plain_backends::<Autodiff<Flex>>();
}

#[test]
fn other_types_and_nested_autodiff_take_the_portable_path() {
    fn check<B: AutodiffBackend>() {
        let (input, weight, bias) = (tensor::<B, 3>([2, 3, 5], 1), tensor::<B, 2>([4, 5], 2), tensor::<B, 1>([4], 3));
        let both = [linear_transposed::<B, 3> as Linear<B>, portable::linear_transposed]
            .map(|function| run(function, input.clone(), weight.clone(), bias.clone(), WANTED[0]));
        assert!(both[0] == both[1]);
    }
    check::<Autodiff<NdArray<f64>>>();
    check::<Autodiff<Autodiff<Flex>>>();
}

fn gradient_matches_finite_differences<B: AutodiffBackend>(function: Linear<B>, shape: [usize; 2]) {
    let (input, weight, bias) = (numbers(2 * 2 * 3, 1), numbers(shape[0] * shape[1], 2), numbers(4, 3));
    let evaluate = |input: &[f32], weight: &[f32], bias: &[f32], wanted| {
        run(
            function,
            from::<B, 3>(input.to_vec(), [2, 2, 3]),
            from::<B, 2>(weight.to_vec(), shape),
            from::<B, 1>(bias.to_vec(), [4]),
            wanted,
        )
    };
    let found = evaluate(&input, &weight, &bias, WANTED[0]);
    // The same weights as `run` uses; the function is linear, so a large step costs nothing.
    let factors = numbers(2 * 2 * 4, 7);
    let step = 0.5;
    let slope = |which: usize, index: usize| {
        let at = |delta: f32| {
            let mut parts = [input.clone(), weight.clone(), bias.clone()];
            parts[which][index] += delta;
            let output = evaluate(&parts[0], &parts[1], &parts[2], WANTED[5]);
            // `WANTED[5]` leaves the bias out.
            let output = output[0].clone().expect("the output comes first");
            output
                .iter()
                .enumerate()
                .map(|(i, value)| f64::from(value + parts[2][i % 4]) * f64::from(factors[i]))
                .sum::<f64>()
        };
        ((at(step) - at(-step)) / f64::from(2.0 * step)) as f32
    };
    for (which, length) in [input.len(), weight.len(), bias.len()].into_iter().enumerate() {
        let differences: Vec<f32> = (0..length).map(|index| slope(which, index)).collect();
        let gradient = found[which + 1].clone().expect("all were asked for");
        assert_close(&format!("part {which}"), &gradient, &differences, 1e-5);
    }
}

#[test]
fn gradient_matches_finite_differences_on_both() {
    gradient_matches_finite_differences::<Autodiff<NdArray>>(linear, [3, 4]);
    gradient_matches_finite_differences::<Autodiff<Flex>>(linear, [3, 4]);
    gradient_matches_finite_differences::<Autodiff<NdArray>>(linear_transposed, [4, 3]);
    gradient_matches_finite_differences::<Autodiff<Flex>>(linear_transposed, [4, 3]);
}

fn same_bits_every_time<B: AutodiffBackend>() {
    let once = || run::<B>(linear, tensor([32, 64, 256], 1), tensor([256, 96], 2), tensor([96], 3), WANTED[0]);
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
#[should_panic(expected = "linear: the input has 5 features, the weight takes 4")]
fn features_that_disagree_are_named() {
    linear::<Flex, 3>(tensor([1, 2, 5], 1), tensor([4, 3], 2), None);
}

/// A tensor that two layers read gets the sum of both gradients: enough numbers for several threads.
#[test]
fn gradients_of_a_tensor_that_is_used_twice_are_added() {
    fn gradient<B: AutodiffBackend>(functions: [Linear<B>; 2]) -> Vec<f32> {
        let input = tensor::<B, 3>([8, 64, 160], 1).require_grad();
        let [first, second] = [2, 3].map(|seed| tensor::<B, 2>([160, 160], seed));
        let sum = functions[0](input.clone(), first, None) + functions[1](input.clone(), second, None);
        let weights = tensor::<B, 3>([8, 64, 160], 4);
        values(input.grad(&(sum * weights).sum().backward()).expect("a gradient"))
    }
    fn check<B: AutodiffBackend>(what: &str) {
        let expected = gradient::<B>([portable::linear, portable::linear]);
        assert_close(what, &gradient::<B>([linear, linear]), &expected, 1e-5);
        assert_close(what, &gradient::<B>([linear, portable::linear]), &expected, 1e-5);
        assert_close(what, &gradient::<B>([portable::linear, linear]), &expected, 1e-5);
    }
    check::<Autodiff<Flex>>("flex");
    check::<Autodiff<NdArray>>("ndarray");
}
