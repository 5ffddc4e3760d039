//! The classifier against PyTorch with packed sequences (tests/fixtures/make_classifier.py), and that padding means nothing.

use burn::{
    backend::{Autodiff, Flex, NdArray},
    tensor::{Int, Tensor, backend::AutodiffBackend},
};
use layers::{
    loss::{CrossEntropy, cross_entropy},
    recurrent::Cell,
};
use sequence::{classifier::ClassifierConfig, pooling::Pooling, pretrained};
use testkit::{Fixture, assert_close, assert_data_close, gradients_by_path, pytorch_name};

const TOLERANCE: f64 = 1e-4;

fn cases() -> impl Iterator<Item = (String, ClassifierConfig)> {
    let poolings =
        [(Pooling::Last, "last"), (Pooling::Mean, "mean"), (Pooling::Max, "max"), (Pooling::Attention, "attention")];
    [(Cell::Lstm, "lstm"), (Cell::Gru, "gru")].into_iter().flat_map(move |(cell, cell_name)| {
        poolings.map(|(pooling, name)| {
            let config = ClassifierConfig {
                cell,
                embedding_size: 3,
                hidden_size: 4,
                num_layers: 2,
                bidirectional: true,
                pooling,
                dropout: 0.0,
            };
            (format!("{cell_name}_{name}"), config)
        })
    })
}

fn matches_pytorch<B: AutodiffBackend>() {
    let device = Default::default();
    let fixture = Fixture::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/classifier.safetensors"));
    for (case, config) in cases() {
        let named = |name: &str| format!("{case}.{name}");
        let mut model = config.init::<B>(9, 3, &device);
        pretrained::load_state_dict(&mut model, fixture.under(&named("weights."))).unwrap();
        let lengths: Vec<usize> = fixture.data(&named("lengths")).iter::<i64>().map(|length| length as usize).collect();
        let logits = model.forward(fixture.int(&named("tokens"), &device), &lengths);
        let close = |name: &str, actual| {
            assert_data_close(&named(name), &actual, fixture.data(&named(name)), TOLERANCE);
        };
        close("logits", logits.to_data());
        let loss = cross_entropy(logits, fixture.int(&named("labels"), &device), &CrossEntropy::default());
        let (gradients, without) = gradients_by_path(&model, loss);
        assert!(without.is_empty(), "{case} {without:?}");
        assert_eq!(gradients.len(), fixture.under(&named("gradients.")).len(), "{case}");
        for (path, gradient) in gradients {
            close(&format!("gradients.{}", pytorch_name(&path)), gradient);
        }
    }
}

#[test]
fn matches_pytorch_on_ndarray() {
    matches_pytorch::<Autodiff<NdArray>>();
}

#[test]
fn matches_pytorch_on_flex() {
    matches_pytorch::<Autodiff<Flex>>();
}

#[test]
fn more_padding_changes_nothing() {
    let device = Default::default();
    let short = Tensor::<Flex, 2, Int>::from_ints([[1, 2, 3], [4, 5, 0]], &device);
    let long = Tensor::<Flex, 2, Int>::from_ints([[1, 2, 3, 7, 8], [4, 5, 6, 6, 6]], &device);
    for (case, config) in cases() {
        let model = config.init::<Flex>(9, 3, &device);
        let lengths = [3, 2];
        assert_close(&model.forward(long.clone(), &lengths), &model.forward(short.clone(), &lengths), 1e-6);
        let (_, attention) = model.forward_features(long.clone(), &lengths);
        if let Some(attention) = attention {
            let behind = attention.clone().slice([1..2, 2..5]).sum().into_scalar();
            assert_eq!(behind, 0.0, "{case}");
            assert!((attention.sum().into_scalar() - 2.0).abs() < 1e-5);
        }
    }
}
