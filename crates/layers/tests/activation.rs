//! Activations against PyTorch, the kernel against the portable path, and the gradients against finite differences.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Element, Tensor, TensorData};
use layers::activation::{Activation, gelu, gelu_tanh, leaky_relu, portable, relu, sigmoid, silu, swiglu, tanh};
use serde::Deserialize;
use std::collections::BTreeMap;
use support::{numbers, values};

type Function<B> = fn(Tensor<B, 2>) -> Tensor<B, 2>;

/// Name, function, and the function in plain tensor operations.
fn functions<B: Backend>() -> [(&'static str, Function<B>, Function<B>); 8] {
    [
        ("relu", relu, portable::relu),
        ("gelu", gelu, portable::gelu),
        ("gelu_tanh", gelu_tanh, portable::gelu_tanh),
        ("silu", silu, portable::silu),
        ("swiglu", swiglu, portable::swiglu),
        ("leaky_relu", |x| leaky_relu(x, 0.2), |x| portable::leaky_relu(x, 0.2)),
        ("sigmoid", sigmoid, portable::sigmoid),
        ("tanh", tanh, portable::tanh),
    ]
}

fn tensor<B: Backend, const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<B, D> {
    // Without a type it would be f32 on every backend.
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&B::Device::default(), B::FloatElem::dtype()))
}

/// The output, and the gradient of the sum of the output times the first of `factors` in each row.
fn run<B: AutodiffBackend>(function: Function<B>, input: &[f32], factors: &[f32], shape: [usize; 2]) -> [Vec<f32>; 2] {
    let input = tensor::<B, 2>(input, shape).require_grad();
    let output = function(input.clone());
    let factors = tensor::<B, 2>(factors, shape).slice([0..shape[0], 0..output.dims()[1]]);
    let grads = (output.clone() * factors).sum().backward();
    [values(output), values(input.grad(&grads).unwrap())]
}

#[track_caller]
fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{what}[{i}]: {a} is not {b}");
    }
}

#[derive(Deserialize)]
struct Fixture {
    shape: [usize; 2],
    input: Vec<f32>,
    factors: Vec<f32>,
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    output: Vec<f32>,
    gradient: Vec<f32>,
}

fn are_those_of_pytorch<B: AutodiffBackend>() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/activation.json")).unwrap();
    for (name, fast, slow) in functions::<B>() {
        let case = &fixture.cases[name];
        for function in [fast, slow] {
            let [output, gradient] = run(function, &fixture.input, &fixture.factors, fixture.shape);
            assert_close(name, &output, &case.output);
            assert_close(name, &gradient, &case.gradient);
        }
    }
}

#[test]
fn values_and_gradients_are_those_of_pytorch() {
    are_those_of_pytorch::<Autodiff<Flex>>();
    are_those_of_pytorch::<Autodiff<NdArray>>();
    are_those_of_pytorch::<Autodiff<NdArray<f64>>>();
}

fn kernel_matches_portable<B: AutodiffBackend>() {
    for (name, fast, slow) in functions::<B>() {
        for shape in [[1, 2], [7, 2], [1, 14], [5, 66], [33, 1538]] {
            let count = shape[0] * shape[1];
            let (input, factors) = (numbers(count, 1, 8.0), numbers(count, 2, 1.0));
            let [fast, slow] = [fast, slow].map(|function| run(function, &input, &factors, shape));
            for (fast, slow) in fast.iter().zip(&slow) {
                assert_close(&format!("{name} {shape:?}"), fast, slow);
            }
        }
    }
}

#[test]
fn kernel_matches_portable_on_both() {
    kernel_matches_portable::<Autodiff<Flex>>();
    kernel_matches_portable::<Autodiff<NdArray>>();
}

fn odd_sizes_and_views_are_read_as_they_are<B: Backend>() {
    for size in [1, 7, 33, 769] {
        let input = tensor::<B, 2>(&numbers(3 * size, 1, 4.0), [size, 3]).swap_dims(0, 1).narrow(0, 1, 2);
        let copy = tensor::<B, 2>(&values(input.clone()), [2, size]);
        for (name, fast, slow) in functions::<B>().iter().filter(|(name, ..)| *name != "swiglu") {
            assert_close(name, &values(fast(input.clone())), &values(slow(copy.clone())));
        }
    }
    let input = tensor::<B, 2>(&numbers(3 * 18, 1, 4.0), [18, 3]).swap_dims(0, 1);
    let copy = tensor::<B, 2>(&values(input.clone()), [3, 18]);
    assert_close("swiglu", &values(swiglu(input)), &values(portable::swiglu(copy)));
}

#[test]
fn odd_sizes_and_views_are_read_as_they_are_on_both() {
    odd_sizes_and_views_are_read_as_they_are::<Flex>();
    odd_sizes_and_views_are_read_as_they_are::<NdArray>();
}

type Exact = NdArray<f64>;

/// burn's sigmoid is computed in 32 bits whatever the type.
fn exact_silu(x: Tensor<Exact, 2>) -> Tensor<Exact, 2> {
    x.clone() / ((-x).exp() + 1.0)
}

fn exact_sigmoid(x: Tensor<Exact, 2>) -> Tensor<Exact, 2> {
    ((-x).exp() + 1.0).recip()
}

fn exact_swiglu(x: Tensor<Exact, 2>) -> Tensor<Exact, 2> {
    let half = x.dims()[1] / 2;
    exact_silu(x.clone().narrow(1, 0, half)) * x.narrow(1, half, half)
}

#[test]
fn gradients_match_finite_differences() {
    let (input, factors) = (numbers(40, 3, 4.0), numbers(40, 4, 1.0));
    let exact: [Function<Exact>; 8] = [
        portable::relu,
        portable::gelu,
        portable::gelu_tanh,
        exact_silu,
        exact_swiglu,
        |x| portable::leaky_relu(x, 0.2),
        exact_sigmoid,
        portable::tanh,
    ];
    for ((name, fast, _), exact) in functions::<Autodiff<Flex>>().into_iter().zip(exact) {
        let [_, gradient] = run(fast, &input, &factors, [2, 20]);
        for (index, found) in gradient.iter().enumerate() {
            let at = |delta: f32| {
                let mut moved = input.clone();
                moved[index] += delta;
                let output = exact(tensor::<Exact, 2>(&moved, [2, 20]));
                let factors = tensor::<Exact, 2>(&factors, [2, 20]).narrow(1, 0, output.dims()[1]);
                (f64::from(moved[index]), (output * factors).sum().into_scalar())
            };
            let ((above, upper), (below, lower)) = (at(1e-3), at(-1e-3));
            let expected = ((upper - lower) / (above - below)) as f32;
            assert!((found - expected).abs() < 1e-5, "{name}[{index}]: {found} is not {expected}");
        }
    }
}

/// Central differences of the gradient, on the path that a gradient of a gradient takes.
#[test]
fn second_derivatives_match_finite_differences() {
    type Once = Autodiff<Flex>;
    type Twice = Autodiff<Once>;
    let points = numbers(12, 5, 3.0);
    let exact = functions::<Autodiff<Exact>>();
    for ((name, function, _), (_, exact, _)) in functions::<Twice>().into_iter().zip(exact) {
        let outer = tensor::<Once, 2>(&points, [2, 6]).require_grad();
        let input = Tensor::<Twice, 2>::from_inner(outer.clone()).require_grad();
        let gradient: Tensor<Once, 2> = input.grad(&function(input.clone()).sum().backward()).expect("a gradient");
        let second = outer.grad(&gradient.powi_scalar(2).sum().backward());
        if ["relu", "leaky_relu"].contains(&name) {
            assert!(second.is_none(), "{name} is made of lines");
            continue;
        }
        let second = values(second.expect("a second derivative"));
        let squares = |index: usize, delta: f32| {
            let mut moved = points.clone();
            moved[index] += delta;
            let [_, slopes] = run(exact, &moved, &[1.0; 12], [2, 6]);
            slopes.iter().map(|slope| f64::from(*slope).powi(2)).sum::<f64>()
        };
        for (index, found) in second.iter().enumerate() {
            let expected = ((squares(index, 1e-2) - squares(index, -1e-2)) / 2e-2) as f32;
            assert!((found - expected).abs() < 1e-3, "{name}[{index}]: {found} is not {expected}");
        }
    }
}

#[test]
fn same_bits_on_any_number_of_threads() {
    let (input, factors) = (numbers(60 * 770, 1, 4.0), numbers(60 * 770, 2, 1.0));
    for (name, function, _) in functions::<Autodiff<Flex>>() {
        let of = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
            pool.install(|| run(function, &input, &factors, [60, 770]))
        };
        let one = of(1);
        for threads in [2, 3, 8] {
            assert!(of(threads) == one, "{name}, {threads} threads");
        }
    }
}

fn far_from_zero_they_are_lines<B: Backend>() {
    for (name, fast, _) in &functions::<B>()[..4] {
        let output = values(fast(tensor(&[f32::NAN, 3e4, -3e4, 100.0, -100.0, 0.0], [1, 6])));
        assert!(output[0].is_nan(), "{name}");
        for (found, expected) in output[1..].iter().zip([3e4, 0.0, 100.0, 0.0, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{name}: {found} is not {expected}");
        }
    }
}

#[test]
fn far_from_zero_they_are_lines_on_both() {
    far_from_zero_they_are_lines::<Flex>();
    far_from_zero_they_are_lines::<NdArray>();
}

#[test]
fn names_are_those_of_configs() {
    let input = tensor::<Flex, 2>(&numbers(20, 1, 3.0), [2, 10]);
    for (name, function, _) in &functions::<Flex>()[..4] {
        let activation: Activation = serde_json::from_str(&format!("\"{name}\"")).unwrap();
        assert_eq!(values(activation.forward(input.clone())), values(function(input.clone())), "{name}");
    }
}

#[test]
fn nothing_to_activate_is_no_mistake() {
    for (name, function, _) in functions::<Autodiff<Flex>>() {
        for shape in [[0, 4], [3, 0]] {
            let input = tensor::<Autodiff<Flex>, 2>(&[], shape).require_grad();
            let output = function(input.clone());
            assert_eq!(output.dims()[0], shape[0], "{name}");
            assert_eq!(input.grad(&output.sum().backward()).unwrap().dims(), shape, "{name}");
        }
    }
}

#[test]
#[should_panic(expected = "SwiGLU: 5 features are no gates and as many numbers")]
fn halves_that_are_none_are_named() {
    swiglu(tensor::<Flex, 2>(&[0.0; 5], [1, 5]));
}
