//! The embedding's kernel against the portable path, and its gradient against finite differences.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, TensorData};
use layers::embedding::{embedding, portable};
use support::values;

type Lookup<B> = fn(Tensor<B, 2>, Tensor<B, 2, Int>) -> Tensor<B, 3>;

fn tensor<B: Backend, const D: usize>(shape: [usize; D], seed: u64) -> Tensor<B, D> {
    let values = numbers(shape.iter().product(), seed);
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

/// Random-looking but fixed numbers in -1..1.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    support::numbers(count, seed, 1.0)
}

/// With repetitions, and some rows of the vocabulary left out.
fn indices<B: Backend>([batch, time]: [usize; 2], vocabulary: usize) -> Tensor<B, 2, Int> {
    let values: Vec<i64> = (0..batch * time).map(|i| ((i * i + 3 * i) % vocabulary) as i64).collect();
    Tensor::from_data(TensorData::new(values, [batch, time]), &Default::default())
}

fn run<B: AutodiffBackend>(function: Lookup<B>, weight: Tensor<B, 2>, indices: Tensor<B, 2, Int>) -> [Vec<f32>; 2] {
    let weight = weight.require_grad();
    let output = function(weight.clone(), indices);
    let factors = tensor::<B, 3>(output.dims(), 5);
    let grads = (output.clone() * factors).sum().backward();
    let grad = weight.grad(&grads).expect("the weight should get a gradient");
    [values(output), values(grad)]
}

/// Copies forward, and backward sums in the order of the indices: the same bits as the portable path.
fn kernel_matches_portable<B: AutodiffBackend>() {
    for (shape, [vocabulary, features]) in
        [([1, 1], [1, 1]), ([2, 5], [7, 3]), ([4, 33], [11, 65]), ([8, 64], [96, 128]), ([3, 7], [500, 200])]
    {
        let weight = tensor::<B, 2>([vocabulary, features], 1);
        let indices = || indices::<B>(shape, vocabulary);
        let fast = run(embedding, weight.clone(), indices());
        let slow = run(portable::embedding, weight.clone(), indices());
        assert!(fast == slow, "{shape:?} into {vocabulary} x {features}");
        let plain = embedding(weight.clone().inner(), indices().inner());
        assert_eq!(values(plain), fast[0]);
        let untracked = embedding(weight, indices());
        assert_eq!(values(untracked), fast[0]);
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

#[test]
fn views_are_read_as_they_are() {
    fn check<B: AutodiffBackend>() {
        let weight = tensor::<B, 2>([6, 9], 1).transpose().slice([1..8, 2..5]);
        let indices = indices::<B>([5, 4], 7).transpose();
        let fast = run(embedding, weight.clone(), indices.clone());
        let copy = Tensor::from_data(weight.into_data(), &Default::default());
        let slow = run(portable::embedding, copy, indices);
        assert!(fast == slow);
    }
    check::<Autodiff<NdArray>>();
    check::<Autodiff<Flex>>();
}

#[test]
fn other_types_and_nested_autodiff_take_the_portable_path() {
    fn check<B: AutodiffBackend>() {
        let weight = tensor::<B, 2>([7, 3], 1);
        let fast = run(embedding, weight.clone(), indices([2, 5], 7));
        let slow = run(portable::embedding, weight, indices([2, 5], 7));
        assert!(fast == slow);
    }
    check::<Autodiff<NdArray<f64>>>();
    check::<Autodiff<Autodiff<Flex>>>();
}

/// The lookup is linear in the weight, so a large step costs nothing.
fn gradient_matches_finite_differences<B: AutodiffBackend>() {
    let (vocabulary, features, step) = (5, 3, 0.5);
    let [_, gradient] = run::<B>(embedding, tensor([5, 3], 1), indices([2, 4], 5));
    let factors = numbers(2 * 4 * features, 5);
    for index in 0..vocabulary * features {
        let at = |delta: f32| {
            let mut weight = numbers(vocabulary * features, 1);
            weight[index] += delta;
            let weight = TensorData::new(weight, [vocabulary, features]);
            let weight = Tensor::<B, 2>::from_data(weight, &Default::default());
            values(embedding(weight, indices([2, 4], 5)))
                .iter()
                .zip(&factors)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum::<f64>()
        };
        let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
        assert!((f64::from(gradient[index]) - slope).abs() < 1e-5);
    }
}

#[test]
fn gradient_matches_finite_differences_on_both() {
    gradient_matches_finite_differences::<Autodiff<NdArray>>();
    gradient_matches_finite_differences::<Autodiff<Flex>>();
}

#[test]
fn same_bits_every_time() {
    fn check<B: AutodiffBackend>() {
        let once = || run::<B>(embedding, tensor([96, 128], 1), indices([32, 64], 96));
        let first = once();
        for _ in 0..5 {
            assert!(first == once());
        }
    }
    check::<Autodiff<NdArray>>();
    check::<Autodiff<Flex>>();
}

#[test]
#[should_panic(expected = "embedding: index 7 is not in 0..7")]
fn an_index_outside_the_vocabulary_is_named() {
    let indices = Tensor::<NdArray, 2, Int>::from_data([[0, 7]], &Default::default());
    embedding(tensor::<NdArray, 2>([7, 3], 1), indices);
}
