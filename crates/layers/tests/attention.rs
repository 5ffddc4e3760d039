//! Additive scores against a direct computation in 64 bits, the kernel against the portable path, and the gradients
//! against finite differences.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use layers::attention::{additive::portable, additive_scores};
use support::{numbers, values};

type Score<B> = fn(Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 1>) -> Tensor<B, 3>;

/// Batch, queries, steps, features.
const SHAPES: [[usize; 4]; 8] = [
    [1, 1, 1, 1],
    [3, 1, 16, 8],
    [2, 5, 1, 13],
    [2, 3, 4, 7],
    [5, 1, 9, 40],
    [4, 6, 11, 33],
    [1, 20, 3, 129],
    [16, 7, 20, 64],
];

/// `query`, `keys` and `weight` as numbers.
#[derive(Clone)]
struct Problem {
    shape: [usize; 4],
    arguments: [Vec<f32>; 3],
}

impl Problem {
    fn new(shape: [usize; 4]) -> Self {
        let [batch, queries, steps, features] = shape;
        // Sums reach from where tanh is a straight line to where it is flat.
        let arguments = [
            numbers(batch * queries * features, 1, 2.5),
            numbers(batch * steps * features, 2, 2.5),
            numbers(features, 3, 1.0),
        ];
        Self { shape, arguments }
    }

    /// By the formula, in 64 bits.
    fn scores(&self) -> Vec<f64> {
        let [batch, queries, steps, features] = self.shape;
        let [query, keys, weight] = &self.arguments;
        let mut scores = Vec::new();
        for b in 0..batch {
            for q in 0..queries {
                for s in 0..steps {
                    let term = |f: usize| {
                        let query = f64::from(query[(b * queries + q) * features + f]);
                        let key = f64::from(keys[(b * steps + s) * features + f]);
                        f64::from(weight[f]) * (query + key).tanh()
                    };
                    scores.push((0..features).map(term).sum());
                }
            }
        }
        scores
    }

    fn tensors<B: Backend>(&self) -> (Tensor<B, 3>, Tensor<B, 3>, Tensor<B, 1>) {
        let [batch, queries, steps, features] = self.shape;
        let [query, keys, weight] = &self.arguments;
        (tensor(query, [batch, queries, features]), tensor(keys, [batch, steps, features]), tensor(weight, [features]))
    }

    /// What the scores are multiplied with before they are summed and differentiated.
    fn factors(&self) -> Vec<f32> {
        let [batch, queries, steps, _] = self.shape;
        numbers(batch * queries * steps, 7, 1.0)
    }

    /// The scores, and the gradients of query, keys and weight where they are wanted.
    fn run<B: AutodiffBackend>(&self, function: Score<B>, wanted: [bool; 3]) -> [Option<Vec<f32>>; 4] {
        let (query, keys, weight) = self.tensors::<B>();
        run(function, query, keys, weight, &self.factors(), wanted)
    }
}

const ALL: [bool; 3] = [true; 3];

fn run<B: AutodiffBackend>(
    function: Score<B>,
    query: Tensor<B, 3>,
    keys: Tensor<B, 3>,
    weight: Tensor<B, 1>,
    factors: &[f32],
    wanted: [bool; 3],
) -> [Option<Vec<f32>>; 4] {
    let (query, keys, weight) = (want(query, wanted[0]), want(keys, wanted[1]), want(weight, wanted[2]));
    let scores = function(query.clone(), keys.clone(), weight.clone());
    let found = Some(values(scores.clone()));
    if wanted == [false; 3] {
        return [found, None, None, None];
    }
    let factors = tensor::<B, 3>(factors, scores.dims());
    let grads = (scores * factors).sum().backward();
    [found, query.grad(&grads).map(values), keys.grad(&grads).map(values), weight.grad(&grads).map(values)]
}

fn want<B: Backend, const D: usize>(tensor: Tensor<B, D>, wanted: bool) -> Tensor<B, D> {
    if wanted { tensor.require_grad() } else { tensor }
}

fn tensor<B: Backend, const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
}

fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}[{i}]: {a} is not {b}");
    }
}

fn compare(what: &str, fast: &[Option<Vec<f32>>; 4], slow: &[Option<Vec<f32>>; 4]) {
    for ((part, fast), slow) in ["scores", "query", "keys", "weight"].iter().zip(fast).zip(slow) {
        let what = format!("{what}, {part}");
        assert_eq!(fast.is_some(), slow.is_some(), "{what}");
        if let (Some(fast), Some(slow)) = (fast, slow) {
            assert_close(&what, fast, slow, 1e-5);
        }
    }
}

fn scores_are_those_of_the_formula<B: Backend>(function: Score<B>) {
    for shape in SHAPES {
        let problem = Problem::new(shape);
        let (query, keys, weight) = problem.tensors::<B>();
        let scores = function(query, keys, weight);
        assert_eq!(scores.dims(), [shape[0], shape[1], shape[2]]);
        let exact: Vec<f32> = problem.scores().into_iter().map(|score| score as f32).collect();
        assert_close(&format!("{shape:?}"), &values(scores), &exact, 2e-6);
    }
}

#[test]
fn scores_are_those_of_the_formula_on_every_path() {
    scores_are_those_of_the_formula::<NdArray>(additive_scores);
    scores_are_those_of_the_formula::<Flex>(additive_scores);
    scores_are_those_of_the_formula::<Autodiff<Flex>>(additive_scores);
    scores_are_those_of_the_formula::<NdArray>(portable::additive_scores);
    scores_are_those_of_the_formula::<Flex>(portable::additive_scores);
    scores_are_those_of_the_formula::<NdArray<f64>>(additive_scores);
}

fn kernel_matches_portable<B: AutodiffBackend>() {
    for shape in SHAPES {
        let problem = Problem::new(shape);
        for wanted in 0..8 {
            let wanted = [wanted & 1 != 0, wanted & 2 != 0, wanted & 4 != 0];
            let fast = problem.run::<B>(additive_scores, wanted);
            let slow = problem.run::<B>(portable::additive_scores, wanted);
            compare(&format!("{shape:?}, {wanted:?}"), &fast, &slow);
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
    let query = tensor::<B, 3>(&numbers(4 * 5 * 9, 1, 1.0), [9, 5, 4]).swap_dims(0, 2); // [4, 5, 9]
    let keys = tensor::<B, 3>(&numbers(6 * 7 * 11, 2, 1.0), [6, 7, 11]).slice([1..5, 2..5, 1..10]); // [4, 3, 9]
    let weight = tensor::<B, 1>(&numbers(20, 3, 1.0), [20]).narrow(0, 6, 9);
    let factors = numbers(4 * 5 * 3, 7, 1.0);
    let fast = run(additive_scores, query.clone(), keys.clone(), weight.clone(), &factors, ALL);
    let copies = (tensor(&values(query), [4, 5, 9]), tensor(&values(keys), [4, 3, 9]), tensor(&values(weight), [9]));
    let slow = run::<B>(portable::additive_scores, copies.0, copies.1, copies.2, &factors, ALL);
    compare("views", &fast, &slow);
}

#[test]
fn views_are_read_as_they_are_on_both() {
    views_are_read_as_they_are::<Autodiff<NdArray>>();
    views_are_read_as_they_are::<Autodiff<Flex>>();
}

/// Central differences of the formula in 64 bits, whose error at this step is far below the tolerance.
fn gradients_match_finite_differences<B: AutodiffBackend>(function: Score<B>) {
    let problem = Problem::new([2, 3, 4, 5]);
    let factors = problem.factors();
    let found = problem.run::<B>(function, ALL);
    for which in 0..3 {
        let differences: Vec<f32> = (0..problem.arguments[which].len())
            .map(|index| {
                let at = |delta: f32| {
                    let mut moved = problem.clone();
                    moved.arguments[which][index] += delta;
                    let weighted = moved.scores().into_iter().zip(&factors).map(|(score, &f)| score * f64::from(f));
                    (f64::from(moved.arguments[which][index]), weighted.sum::<f64>())
                };
                let ((above, upper), (below, lower)) = (at(1e-3), at(-1e-3));
                ((upper - lower) / (above - below)) as f32
            })
            .collect();
        let gradient = found[which + 1].as_ref().expect("all were asked for");
        assert_close(&format!("argument {which}"), gradient, &differences, 1e-5);
    }
}

#[test]
fn gradients_match_finite_differences_on_every_path() {
    gradients_match_finite_differences::<Autodiff<NdArray>>(additive_scores);
    gradients_match_finite_differences::<Autodiff<Flex>>(additive_scores);
    gradients_match_finite_differences::<Autodiff<Flex>>(portable::additive_scores);
}

/// d/dq of (d score / dq)², with score = w · tanh(q + k): tanh' = 1 - tanh² and tanh'' = -2 · tanh · tanh'.
#[test]
fn second_derivatives_take_the_portable_path() {
    type Once = Autodiff<Flex>;
    type Twice = Autodiff<Once>;
    let (q, k, w) = (0.3, -0.8, 1.5);
    let outer = tensor::<Once, 3>(&[q], [1, 1, 1]).require_grad();
    let query = Tensor::<Twice, 3>::from_inner(outer.clone()).require_grad();
    let scores = additive_scores(query.clone(), tensor(&[k], [1, 1, 1]), tensor(&[w], [1]));
    let gradient: Tensor<Once, 3> = query.grad(&scores.backward()).expect("a gradient");
    let second = outer.grad(&gradient.powi_scalar(2).backward()).expect("a second derivative");
    let tanh = (q + k).tanh();
    let slope = 1.0 - tanh * tanh;
    assert_close("second", &values(second), &[2.0 * w * slope * w * -2.0 * tanh * slope], 1e-5);
}

fn same_bits_on_any_number_of_threads<B: AutodiffBackend>() {
    let problem = Problem::new([37, 3, 20, 61]);
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
        pool.install(|| problem.run::<B>(additive_scores, ALL))
    };
    let one = of(1);
    for threads in [2, 3, 8] {
        assert!(of(threads) == one, "{threads} threads");
    }
}

#[test]
fn same_bits_on_any_number_of_threads_on_both() {
    same_bits_on_any_number_of_threads::<Autodiff<NdArray>>();
    same_bits_on_any_number_of_threads::<Autodiff<Flex>>();
}

fn not_a_number_is_not_hidden<B: Backend>() {
    let query = tensor::<B, 3>(&[0.5, f32::NAN, 0.0], [1, 1, 3]);
    let scores = additive_scores(query, tensor(&[0.1; 6], [1, 2, 3]), tensor(&[1.0; 3], [3]));
    assert!(values(scores).iter().all(|score| score.is_nan()));
}

#[test]
fn not_a_number_is_not_hidden_on_both() {
    not_a_number_is_not_hidden::<NdArray>();
    not_a_number_is_not_hidden::<Flex>();
}

#[test]
fn nothing_to_score_is_no_mistake() {
    for [batch, queries, steps, features] in [[0, 1, 2, 3], [2, 0, 2, 3], [2, 1, 0, 3], [2, 1, 2, 0]] {
        let (query, keys, weight) = Problem::new([batch, queries, steps, features]).tensors::<Flex>();
        let scores = additive_scores(query, keys, weight);
        assert_eq!(scores.dims(), [batch, queries, steps]);
        assert!(values(scores).iter().all(|&score| score == 0.0));
    }
}

#[test]
#[should_panic(expected = "additive scores: the queries have 4 features, the keys 5")]
fn features_that_disagree_are_named() {
    additive_scores::<Flex>(tensor(&[0.0; 4], [1, 1, 4]), tensor(&[0.0; 5], [1, 1, 5]), tensor(&[0.0; 4], [4]));
}
