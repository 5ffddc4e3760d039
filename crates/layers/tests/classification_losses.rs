//! Focal loss and binary cross entropy against PyTorch, on every CPU path.
#![cfg(all(feature = "ndarray", feature = "flex"))]

use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Int, Tensor, TensorData};
use layers::loss::{binary_cross_entropy, focal};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    rows: usize,
    classes: usize,
    logits: Vec<f32>,
    labels: Vec<i64>,
    there: Vec<f32>,
    focal: Vec<Case>,
    binary: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    #[serde(default)]
    gamma: f64,
    weights: Option<Vec<f32>>,
    loss: f32,
    grad: Vec<f32>,
}

impl Case {
    fn check<B: AutodiffBackend>(&self, fixture: &Fixture, loss: impl Fn(Tensor<B, 2>) -> Tensor<B, 1>) {
        let logits = fixture.matrix::<B>(&fixture.logits).require_grad();
        let loss = loss(logits.clone());
        let gradients = loss.backward();
        let found: f32 = loss.into_data().iter().next().unwrap();
        assert!((found - self.loss).abs() < 1e-5, "{found} is not {}", self.loss);
        let grad = logits.grad(&gradients).unwrap().into_data();
        for (found, expected) in grad.iter::<f32>().zip(&self.grad) {
            assert!((found - expected).abs() < 1e-5, "gradient: {found} is not {expected}");
        }
    }
}

impl Fixture {
    fn read() -> Self {
        serde_json::from_str(include_str!("fixtures/classification_losses.json")).unwrap()
    }

    fn matrix<B: AutodiffBackend>(&self, values: &[f32]) -> Tensor<B, 2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [self.rows, self.classes]), &Default::default())
    }
}

fn losses_are_those_of_pytorch<B: AutodiffBackend>() {
    let fixture = Fixture::read();
    let labels = TensorData::new(fixture.labels.clone(), [fixture.rows]);
    let labels = Tensor::<B, 1, Int>::from_data(labels, &Default::default());
    for case in &fixture.focal {
        case.check::<B>(&fixture, |logits| focal(logits, labels.clone(), case.gamma, case.weights.as_deref()));
    }
    let there = fixture.matrix::<B>(&fixture.there);
    for case in &fixture.binary {
        case.check::<B>(&fixture, |logits| binary_cross_entropy(logits, there.clone(), case.weights.as_deref()));
    }
}

#[test]
fn losses_are_those_of_pytorch_on_flex() {
    losses_are_those_of_pytorch::<Autodiff<Flex>>();
}

#[test]
fn losses_are_those_of_pytorch_on_ndarray() {
    losses_are_those_of_pytorch::<Autodiff<NdArray>>();
}

/// A row that is certain and right has no loss, and a gradient that is a number.
#[test]
fn a_certain_row_has_a_finite_gradient() {
    let device = Default::default();
    let logits = Tensor::<Autodiff<Flex>, 2>::from_floats([[60.0, -60.0], [0.0, 0.0]], &device).require_grad();
    let labels = Tensor::from_ints([0, 1], &device);
    for gamma in [0.5, 2.0] {
        let gradients = focal(logits.clone(), labels.clone(), gamma, None).backward();
        let grad = logits.grad(&gradients).unwrap().into_data();
        assert!(grad.iter::<f32>().all(f32::is_finite), "{grad}");
    }
}
