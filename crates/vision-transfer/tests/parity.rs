//! Small networks against PyTorch (tests/fixtures/make_networks.py): an evaluation, a training step and Grad-CAM.

#[allow(dead_code)]
mod support;

use burn::{
    backend::{Autodiff, Flex, NdArray},
    tensor::backend::{AutodiffBackend, Backend},
};
use layers::loss::{CrossEntropy, cross_entropy};
use support::{CASES, fixture, network};
use testkit::{assert_data_close, gradients_by_path};
use vision_transfer::{grad_cam::grad_cam, pretrained};

const TOLERANCE: f64 = 1e-4;

fn evaluations_match<B: Backend>() {
    let device = Default::default();
    let fixture = fixture();
    for case in CASES {
        let network = network::<B>(case, &fixture);
        let named = |name: &str| format!("{case}.{name}");
        let features = network.forward_features(fixture.float(&named("images"), &device));
        assert_data_close(&named("features"), &features.to_data(), fixture.data(&named("features")), TOLERANCE);
        let expected = fixture.data(&named("logits"));
        let pooled = network.pooled(features.clone());
        assert_eq!(pooled.dims()[1], network.num_features());
        assert_data_close(&named("logits"), &network.forward_head(features).to_data(), expected, TOLERANCE);
        assert_data_close(&named("classified"), &network.classify(pooled).to_data(), expected, TOLERANCE);
    }
}

fn training_steps_match<B: AutodiffBackend>() {
    let device = Default::default();
    let fixture = fixture();
    for case in CASES {
        let network = network::<B>(case, &fixture);
        let named = |name: &str| format!("{case}.{name}");
        let close = |name: &str, actual| {
            assert_data_close(&named(name), &actual, fixture.data(&named(name)), TOLERANCE);
        };
        let logits = network.forward(fixture.float(&named("images"), &device));
        close("training_logits", logits.to_data());
        let loss = cross_entropy(logits, fixture.int(&named("labels"), &device), &CrossEntropy::default());
        assert!((loss.to_data().iter::<f64>().sum::<f64>() - fixture.number(&named("loss"))).abs() < TOLERANCE);
        let (gradients, without) = gradients_by_path(&network, loss);
        assert!(without.is_empty(), "{case} {without:?}");
        assert_eq!(gradients.len(), fixture.under(&named("gradients.")).len(), "{case}");
        for (path, gradient) in gradients {
            close(&format!("gradients.{path}"), gradient);
        }
        let after = pretrained::state_dict(&network);
        for (path, expected) in fixture.under(&named("after.")) {
            assert_data_close(&named(&path), &after[&path], &expected, TOLERANCE);
        }
    }
}

#[test]
fn evaluations_match_on_flex() {
    evaluations_match::<Flex>();
}

#[test]
fn evaluations_match_on_ndarray() {
    evaluations_match::<NdArray>();
}

#[test]
fn training_steps_match_on_flex() {
    training_steps_match::<Autodiff<Flex>>();
}

#[test]
fn training_steps_match_on_ndarray() {
    training_steps_match::<Autodiff<NdArray>>();
}

#[test]
fn grad_cam_matches() {
    let device = Default::default();
    let fixture = fixture();
    for case in CASES {
        let network = network::<Flex>(case, &fixture);
        let named = |name: &str| format!("{case}.{name}");
        let classes: Vec<usize> = fixture.data(&named("labels")).iter::<i64>().map(|label| label as usize).collect();
        let maps = grad_cam(&network, fixture.float(&named("images"), &device), &classes);
        assert_data_close(&named("grad_cam"), &maps.to_data(), fixture.data(&named("grad_cam")), TOLERANCE);
        assert!(maps.to_data().iter::<f32>().all(|heat| (0.0..=1.0).contains(&heat)), "{case}");
    }
}
