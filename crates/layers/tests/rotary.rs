//! Rotary and sinusoidal positions against PyTorch, and the kernel against the portable path.
#![cfg(all(feature = "ndarray", feature = "flex"))]

mod support;

use burn::backend::{Autodiff, Flex, NdArray};
use burn::module::AutodiffModule;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Element, Tensor, TensorData};
use burn_store::ModuleSnapshot;
use layers::embedding::sinusoidal_positions;
use layers::rotary::{RotaryConfig, RotaryTable, portable, rotate};
use serde::Deserialize;
use std::ops::Range;
use support::{numbers, values};

type Rotate<B> = fn(Tensor<B, 3>, Range<usize>, &RotaryTable<B>, usize) -> Tensor<B, 3>;

#[derive(Deserialize)]
struct Fixture {
    rotary: Vec<Case>,
    sinusoidal: Vec<Sinusoidal>,
}

#[derive(Deserialize)]
struct Sinusoidal {
    shape: [usize; 2],
    values: Vec<f32>,
}

#[derive(Clone, Deserialize)]
struct Case {
    shape: [usize; 3],
    head_size: usize,
    heads: [usize; 2],
    offset: usize,
    base: f64,
    input: Vec<f32>,
    factors: Vec<f32>,
    output: Vec<f32>,
    gradient: Vec<f32>,
}

impl Case {
    /// The output, and the gradient of the sum of the output times `factors`.
    fn run<B: AutodiffBackend>(&self, rotate: Rotate<B>) -> [Vec<f32>; 2] {
        let [_, time, _] = self.shape;
        let config = RotaryConfig::new(self.head_size).with_base(self.base);
        let table = config.table::<B>(self.offset + time, &Default::default());
        let input = tensor::<B, 3>(&self.input, self.shape).require_grad();
        let output = rotate(input.clone(), self.heads[0]..self.heads[1], &table, self.offset);
        let grads = (output.clone() * tensor(&self.factors, self.shape)).sum().backward();
        [values(output), values(input.grad(&grads).unwrap())]
    }
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/rotary.json")).unwrap()
}

fn tensor<B: Backend, const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<B, D> {
    // Without a type it would be f32 on every backend.
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (&B::Device::default(), B::FloatElem::dtype()))
}

#[track_caller]
fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= 1e-5, "{what}[{i}]: {a} is not {b}");
    }
}

fn is_that_of_pytorch<B: AutodiffBackend>() {
    for case in fixture().rotary {
        for function in [rotate as Rotate<B>, portable::rotate] {
            let [output, gradient] = case.run::<B>(function);
            assert_close("output", &output, &case.output);
            assert_close("gradient", &gradient, &case.gradient);
        }
    }
}

#[test]
fn the_rotation_is_that_of_pytorch() {
    is_that_of_pytorch::<Autodiff<Flex>>();
    is_that_of_pytorch::<Autodiff<NdArray>>();
    is_that_of_pytorch::<Autodiff<NdArray<f64>>>();
    is_that_of_pytorch::<Autodiff<Autodiff<Flex>>>();
}

fn kernel_matches_portable<B: AutodiffBackend>() {
    for (head_size, heads) in [(2, [0, 3]), (14, [1, 3]), (66, [0, 2]), (64, [2, 2]), (256, [1, 2])] {
        let shape = [3, 17, 3 * head_size];
        let count = shape.iter().product();
        let case = Case {
            shape,
            head_size,
            heads,
            offset: 4,
            base: 10_000.0,
            input: numbers(count, 1, 1.0),
            factors: numbers(count, 2, 1.0),
            output: Vec::new(),
            gradient: Vec::new(),
        };
        let [fast, slow] = [rotate as Rotate<B>, portable::rotate].map(|function| case.run::<B>(function));
        for (fast, slow) in fast.iter().zip(&slow) {
            assert_close(&format!("{head_size}, {heads:?}"), fast, slow);
        }
    }
}

#[test]
fn kernel_matches_portable_on_both() {
    kernel_matches_portable::<Autodiff<Flex>>();
    kernel_matches_portable::<Autodiff<NdArray>>();
}

/// The products of queries and keys depend on how far apart they are, not on where they are.
#[test]
fn products_depend_on_the_distance_alone() {
    let table = RotaryConfig::new(8).table::<Flex>(100, &Default::default());
    let (query, key) = (tensor::<Flex, 3>(&numbers(8, 1, 1.0), [1, 1, 8]), tensor(&numbers(8, 2, 1.0), [1, 1, 8]));
    let product = |at: usize, distance: usize| {
        let query = rotate(query.clone(), 0..1, &table, at + distance);
        values((query * rotate(key.clone(), 0..1, &table, at)).sum())
    };
    for at in [1, 20, 80] {
        assert_close("product", &product(at, 13), &product(0, 13));
    }
}

fn the_input_of_others_stays<B: Backend>() {
    let table = RotaryConfig::new(4).table::<B>(8, &Default::default());
    let input = tensor::<B, 3>(&numbers(2 * 6 * 8, 1, 1.0), [8, 6, 2]).swap_dims(0, 2).narrow(1, 1, 3); // [2, 3, 8]
    let before = values(input.clone());
    let fast = rotate(input.clone(), 0..1, &table, 2);
    assert_eq!(values(input), before);
    let slow = portable::rotate(tensor::<B, 3>(&before, [2, 3, 8]), 0..1, &table, 2);
    assert_close("views", &values(fast), &values(slow));
}

#[test]
fn the_input_of_others_stays_on_both() {
    the_input_of_others_stays::<Flex>();
    the_input_of_others_stays::<NdArray>();
}

#[test]
fn a_table_is_no_part_of_a_checkpoint() {
    let table = RotaryConfig::new(4).table::<Autodiff<Flex>>(8, &Default::default());
    assert!(table.collect(None, None, true).is_empty());
    assert_eq!(values(table.valid().sin), values(table.sin));
}

#[test]
fn nothing_to_turn_is_no_mistake() {
    let table = RotaryConfig::new(4).table::<Flex>(8, &Default::default());
    for shape in [[0, 3, 8], [2, 0, 8], [2, 3, 0]] {
        let heads = 0..shape[2] / 4;
        assert_eq!(rotate(tensor::<Flex, 3>(&[], shape), heads.clone(), &table, 0).dims(), shape);
        assert_eq!(portable::rotate(tensor::<Flex, 3>(&[], shape), heads, &table, 0).dims(), shape);
    }
}

#[test]
#[should_panic(expected = "rotary: positions up to 9, but a table for 8")]
fn positions_behind_the_table_are_named() {
    let table = RotaryConfig::new(4).table::<Flex>(8, &Default::default());
    rotate(tensor::<Flex, 3>(&[0.0; 12], [1, 3, 4]), 0..1, &table, 6);
}

#[test]
#[should_panic(expected = "rotary: heads 1..4 of 3")]
fn heads_that_are_not_there_are_named() {
    let table = RotaryConfig::new(4).table::<Flex>(8, &Default::default());
    rotate(tensor::<Flex, 3>(&[0.0; 12], [1, 1, 12]), 1..4, &table, 0);
}

#[test]
fn sinusoidal_positions_are_those_of_the_paper() {
    for expected in fixture().sinusoidal {
        let [positions, size] = expected.shape;
        let data = sinusoidal_positions(positions, size);
        assert_eq!(data.shape.to_vec(), expected.shape);
        assert_close("sinusoidal", &data.iter::<f32>().collect::<Vec<_>>(), &expected.values);
    }
}
