//! Layer norm and RMS norm against PyTorch, the kernel against the portable path, and the gradients against finite differences.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Element, Tensor, TensorData};
use burn_store::ModuleSnapshot;
use layers::norm::{LayerNormConfig, RmsNormConfig, layer_norm, portable, rms_norm};
use serde::Deserialize;
use support::{numbers, values};

/// Of a kind of normalisation, all with one signature.
type Norm<B> = fn(Tensor<B, 2>, Tensor<B, 1>, Option<Tensor<B, 1>>, f64) -> Tensor<B, 2>;

#[derive(Clone, Deserialize)]
struct Problem {
    kind: String,
    shape: [usize; 2],
    epsilon: f64,
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    factors: Vec<f32>,
    #[serde(default)]
    output: Vec<f32>,
    /// Of input, weight and (where there is one) bias.
    #[serde(default)]
    gradients: Vec<Vec<f32>>,
}

const KINDS: [&str; 3] = ["layer_norm", "layer_norm_without_bias", "rms_norm"];

impl Problem {
    fn new(kind: &str, shape: [usize; 2]) -> Self {
        let [rows, size] = shape;
        Self {
            kind: kind.into(),
            shape,
            epsilon: 1e-5,
            input: numbers(rows * size, 1, 2.0),
            weight: numbers(size, 2, 1.0),
            bias: (kind == "layer_norm").then(|| numbers(size, 3, 1.0)),
            factors: numbers(rows * size, 4, 1.0),
            output: Vec::new(),
            gradients: Vec::new(),
        }
    }

    fn norm<B: Backend>(&self) -> Norm<B> {
        match self.kind.as_str() {
            "rms_norm" => |input, weight, _, epsilon| rms_norm(input, weight, epsilon),
            _ => layer_norm,
        }
    }

    fn portable<B: Backend>(&self) -> Norm<B> {
        match self.kind.as_str() {
            "rms_norm" => |input, weight, _, epsilon| portable::rms_norm(input, weight, epsilon),
            _ => portable::layer_norm,
        }
    }

    /// The output, then the gradients of input, weight and bias of the sum of the output times `factors`.
    fn run<B: AutodiffBackend>(&self, norm: Norm<B>) -> Vec<Vec<f32>> {
        let input = tensor::<B, 2>(&self.input, self.shape).require_grad();
        let weight = tensor::<B, 1>(&self.weight, [self.shape[1]]).require_grad();
        let bias = self.bias.as_ref().map(|bias| tensor::<B, 1>(bias, [self.shape[1]]).require_grad());
        let output = norm(input.clone(), weight.clone(), bias.clone(), self.epsilon);
        assert_eq!(output.dims(), self.shape);
        let grads = (output.clone() * tensor(&self.factors, self.shape)).sum().backward();
        let mut found = vec![values(output), values(input.grad(&grads).unwrap()), values(weight.grad(&grads).unwrap())];
        found.extend(bias.map(|bias| values(bias.grad(&grads).unwrap())));
        found
    }

    /// What [`run`](Self::run) differentiates, in 64 bits.
    fn weighted_sum(&self) -> f64 {
        type Exact = NdArray<f64>;
        let of_features = |values: &[f32]| tensor::<Exact, 1>(values, [self.shape[1]]);
        let bias = self.bias.as_deref().map(of_features);
        let input = tensor::<Exact, 2>(&self.input, self.shape);
        let output = self.portable::<Exact>()(input, of_features(&self.weight), bias, self.epsilon);
        (output * tensor(&self.factors, self.shape)).sum().into_scalar()
    }
}

fn tensor<B: Backend, const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<B, D> {
    // Without a type it would be f32 on every backend.
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&B::Device::default(), B::FloatElem::dtype()))
}

#[track_caller]
fn assert_close(what: &str, found: &[Vec<f32>], expected: &[Vec<f32>]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (part, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "{what}, part {part}");
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{what}, part {part}[{i}]: {a} is not {b}");
        }
    }
}

fn is_that_of_pytorch<B: AutodiffBackend>() {
    let problems: Vec<Problem> = serde_json::from_str(include_str!("fixtures/norm.json")).unwrap();
    for problem in problems {
        let mut expected = vec![problem.output.clone()];
        expected.extend(problem.gradients.iter().cloned());
        for norm in [problem.norm::<B>(), problem.portable::<B>()] {
            assert_close(&format!("{} {:?}", problem.kind, problem.shape), &problem.run(norm), &expected);
        }
    }
}

#[test]
fn values_and_gradients_are_those_of_pytorch() {
    is_that_of_pytorch::<Autodiff<Flex>>();
    is_that_of_pytorch::<Autodiff<NdArray>>();
    is_that_of_pytorch::<Autodiff<NdArray<f64>>>();
}

fn kernel_matches_portable<B: AutodiffBackend>() {
    for kind in KINDS {
        for shape in [[1, 1], [2, 1], [5, 7], [64, 33], [65, 33], [3, 769], [200, 40]] {
            let problem = Problem::new(kind, shape);
            let (fast, slow) = (problem.run::<B>(problem.norm()), problem.run::<B>(problem.portable()));
            assert_close(&format!("{kind} {shape:?}"), &fast, &slow);
        }
    }
}

#[test]
fn kernel_matches_portable_on_both() {
    kernel_matches_portable::<Autodiff<Flex>>();
    kernel_matches_portable::<Autodiff<NdArray>>();
}

#[test]
fn gradients_match_finite_differences() {
    for kind in KINDS {
        let problem = Problem::new(kind, [3, 5]);
        let found = problem.run::<Autodiff<Flex>>(problem.norm());
        let argument: [fn(&mut Problem) -> &mut Vec<f32>; 3] =
            [|p| &mut p.input, |p| &mut p.weight, |p| p.bias.as_mut().expect("a bias")];
        for (gradient, argument) in found[1..].iter().zip(argument) {
            for (index, found) in gradient.iter().enumerate() {
                let at = |delta: f32| {
                    let mut moved = problem.clone();
                    argument(&mut moved)[index] += delta;
                    (f64::from(argument(&mut moved)[index]), moved.weighted_sum())
                };
                let ((above, upper), (below, lower)) = (at(1e-3), at(-1e-3));
                let expected = ((upper - lower) / (above - below)) as f32;
                assert!((found - expected).abs() < 1e-4, "{kind}[{index}]: {found} is not {expected}");
            }
        }
    }
}

fn parts_that_ask_for_no_gradient_get_none<B: AutodiffBackend>() {
    let problem = Problem::new("layer_norm", [6, 10]);
    let all = problem.run::<B>(layer_norm);
    for wanted in 0..8 {
        let want = |bit: usize| wanted & (1 << bit) != 0;
        let input = tensor::<B, 2>(&problem.input, [6, 10]).set_require_grad(want(0));
        let weight = tensor::<B, 1>(&problem.weight, [10]).set_require_grad(want(1));
        let bias = tensor::<B, 1>(problem.bias.as_ref().unwrap(), [10]).set_require_grad(want(2));
        let output = layer_norm(input.clone(), weight.clone(), Some(bias.clone()), 1e-5);
        assert_eq!(values(output.clone()), all[0]);
        if wanted == 0 {
            continue;
        }
        let grads = (output * tensor(&problem.factors, [6, 10])).sum().backward();
        let found = [input.grad(&grads).map(values), weight.grad(&grads).map(values), bias.grad(&grads).map(values)];
        for (bit, found) in found.into_iter().enumerate() {
            assert_eq!(found, want(bit).then(|| all[bit + 1].clone()), "{wanted}, {bit}");
        }
    }
}

#[test]
fn parts_that_ask_for_no_gradient_get_none_on_both() {
    parts_that_ask_for_no_gradient_get_none::<Autodiff<Flex>>();
    parts_that_ask_for_no_gradient_get_none::<Autodiff<NdArray>>();
}

fn views_are_read_as_they_are<B: Backend>() {
    let input = tensor::<B, 3>(&numbers(4 * 6 * 9, 1, 1.0), [9, 6, 4]).swap_dims(0, 2).narrow(1, 1, 3); // [4, 3, 9]
    let weight = tensor::<B, 1>(&numbers(20, 2, 1.0), [20]).narrow(0, 6, 9);
    let fast = layer_norm(input.clone(), weight.clone(), None, 1e-5);
    let slow =
        portable::layer_norm(tensor::<B, 3>(&values(input), [4, 3, 9]), tensor(&values(weight), [9]), None, 1e-5);
    assert_close("views", &[values(fast)], &[values(slow)]);
}

#[test]
fn views_are_read_as_they_are_on_both() {
    views_are_read_as_they_are::<Flex>();
    views_are_read_as_they_are::<NdArray>();
}

#[test]
fn same_bits_on_any_number_of_threads() {
    for kind in KINDS {
        let problem = Problem::new(kind, [517, 61]);
        let of = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
            pool.install(|| problem.run::<Autodiff<Flex>>(problem.norm()))
        };
        let one = of(1);
        for threads in [2, 3, 8] {
            assert!(of(threads) == one, "{kind}, {threads} threads");
        }
    }
}

/// A row far from zero: the mean has to be taken out before anything is squared.
#[test]
fn a_large_mean_costs_no_digits() {
    let input: Vec<f32> = numbers(64, 1, 1.0).iter().map(|value| value + 1000.0).collect();
    let output = values(layer_norm(tensor::<Flex, 2>(&input, [1, 64]), tensor(&[1.0; 64], [64]), None, 1e-5));
    let exact = layer_norm(tensor::<NdArray<f64>, 2>(&input, [1, 64]), tensor(&[1.0; 64], [64]), None, 1e-5);
    for (found, expected) in output.iter().zip(values(exact)) {
        assert!((found - expected).abs() < 2e-4, "{found} is not {expected}");
    }
}

/// Central differences of the gradient, on the path that a gradient of a gradient takes.
#[test]
fn second_derivatives_take_the_portable_path() {
    type Once = Autodiff<Flex>;
    type Twice = Autodiff<Once>;
    let problem = Problem::new("layer_norm", [1, 6]);
    let outer = tensor::<Once, 2>(&problem.input, [1, 6]).require_grad();
    let input = Tensor::<Twice, 2>::from_inner(outer.clone()).require_grad();
    let output = layer_norm(input.clone(), tensor(&problem.weight, [6]), None, 1e-5);
    let slopes = (output * tensor(&problem.factors, [1, 6])).sum().backward();
    let gradient: Tensor<Once, 2> = input.grad(&slopes).expect("a gradient");
    let second = values(outer.grad(&gradient.powi_scalar(2).sum().backward()).expect("a second derivative"));
    let squares = |index: usize, delta: f32| {
        let mut moved = Problem { bias: None, ..problem.clone() };
        moved.input[index] += delta;
        moved.run::<Autodiff<NdArray<f64>>>(layer_norm)[1].iter().map(|slope| f64::from(slope * slope)).sum::<f64>()
    };
    for (index, found) in second.iter().enumerate() {
        let expected = ((squares(index, 1e-2) - squares(index, -1e-2)) / 2e-2) as f32;
        assert!((found - expected).abs() < 2e-3 * (1.0 + expected.abs()), "[{index}]: {found} is not {expected}");
    }
}

#[test]
fn nothing_to_normalise_is_no_mistake() {
    let output = layer_norm(tensor::<Flex, 3>(&[], [2, 0, 4]), tensor(&[1.0; 4], [4]), None, 1e-5);
    assert_eq!(output.dims(), [2, 0, 4]);
    let input = tensor::<Autodiff<Flex>, 2>(&[], [0, 4]).require_grad();
    let weight = tensor::<Autodiff<Flex>, 1>(&[1.0; 4], [4]).require_grad();
    let grads = rms_norm(input, weight.clone(), 1e-5).sum().backward();
    assert_eq!(values(weight.grad(&grads).unwrap()), [0.0; 4]);
}

#[test]
fn modules_have_pytorchs_names_and_start_as_the_plain_normalisation() {
    let device = Default::default();
    let norm = LayerNormConfig::new(4).init::<Flex>(&device);
    let names: Vec<String> = norm.collect(None, None, true).iter().map(|tensor| tensor.full_path()).collect();
    assert_eq!(names, ["weight", "bias"]);
    let input = tensor::<Flex, 3>(&[1.0, 2.0, 3.0, 6.0], [1, 1, 4]);
    // Mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5.
    let scale = 1.0 / (3.5_f32 + 1e-5).sqrt();
    let expected = [-2.0, -1.0, 0.0, 3.0].map(|value| value * scale);
    assert_close("layer norm", &[values(norm.forward(input.clone()))], &[expected.to_vec()]);
    let without = LayerNormConfig::new(4).with_bias(false).with_epsilon(0.5).init::<Flex>(&device);
    assert_eq!(without.collect(None, None, true).len(), 1);
    let expected = [-2.0, -1.0, 0.0, 3.0].map(|value| value / 2.0);
    assert_close("epsilon", &[values(without.forward(input.clone()))], &[expected.to_vec()]);
    let norm = RmsNormConfig::new(4).init::<Flex>(&device);
    let names: Vec<String> = norm.collect(None, None, true).iter().map(|tensor| tensor.full_path()).collect();
    assert_eq!(names, ["weight"]);
    // Mean square (1 + 4 + 9 + 36) / 4 = 12.5.
    let expected = [1.0, 2.0, 3.0, 6.0].map(|value: f32| value / (12.5_f32 + 1e-6).sqrt());
    assert_close("RMS norm", &[values(norm.forward(input))], &[expected.to_vec()]);
}

#[test]
#[should_panic(expected = "layer norm: 4 features, but a weight for 5")]
fn features_that_disagree_are_named() {
    layer_norm(tensor::<Flex, 2>(&[0.0; 4], [1, 4]), tensor(&[0.0; 5], [5]), None, 1e-5);
}
