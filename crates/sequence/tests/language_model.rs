//! The language model against PyTorch (tests/fixtures/make_language_model.py), and what carrying its state means.

use burn::{
    backend::{Autodiff, Flex, NdArray},
    module::{AutodiffModule, Module},
    tensor::{
        Distribution, Int, Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use layers::{
    loss::{CrossEntropy, cross_entropy},
    recurrent::{Cell, RecurrentState},
};
use sequence::{
    language_model::{LanguageModel, LanguageModelConfig},
    pretrained,
};
use testkit::{
    Fixture, assert_close, assert_data_close, every_parameter_has_gradient, gradients_by_path, pytorch_name,
};

const TOLERANCE: f64 = 1e-4;
const CELLS: [(Cell, &str); 4] =
    [(Cell::Lstm, "lstm"), (Cell::Gru, "gru"), (Cell::RnnTanh, "rnn_tanh"), (Cell::RnnRelu, "rnn_relu")];

fn fixture() -> Fixture {
    Fixture::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/language_model.safetensors"))
}

/// Every cell, untied and tied, at the sizes of the fixture.
fn cases() -> impl Iterator<Item = (String, LanguageModelConfig)> {
    CELLS.into_iter().flat_map(|(cell, name)| {
        [false, true].map(|tie_weights| {
            let config = LanguageModelConfig {
                cell,
                embedding_size: if tie_weights { 4 } else { 3 },
                hidden_size: 4,
                num_layers: 2,
                dropout: 0.0,
                tie_weights,
            };
            let suffix = if tie_weights { "_tied." } else { "." };
            (format!("{name}{suffix}"), config)
        })
    })
}

/// PyTorch's name of a parameter.
fn matches_pytorch<B: AutodiffBackend>() {
    let device = Default::default();
    let fixture = fixture();
    for (case, config) in cases() {
        let named = |name: &str| format!("{case}{name}");
        let mut model = config.init::<B>(7, &device);
        let weights = fixture.under(&named("weights."));
        pretrained::load_state_dict(&mut model, weights).unwrap();
        assert_eq!(model.num_params() as f64, fixture.number(&named("parameters")), "{case}");

        let state = RecurrentState::<B> {
            hidden: fixture.float(&named("state.hidden"), &device),
            cell: (config.cell == Cell::Lstm).then(|| fixture.float(&named("state.cell"), &device)),
        };
        let tokens = fixture.int::<B, 2>(&named("tokens"), &device);
        let targets = fixture.int::<B, 2>(&named("targets"), &device);
        let (logits, last) = model.forward(tokens, Some(state));
        let close = |name: &str, actual| {
            assert_data_close(&named(name), &actual, fixture.data(&named(name)), TOLERANCE);
        };
        close("logits", logits.to_data());
        close("last.hidden", last.hidden.to_data());
        if let Some(cell) = last.cell {
            close("last.cell", cell.to_data());
        }

        let options = CrossEntropy { ignore_index: Some(-100), ..Default::default() };
        let loss = cross_entropy(logits.flatten(0, 1), targets.flatten(0, 1), &options);
        let value: f64 = loss.to_data().iter::<f64>().sum();
        assert!((value - fixture.number(&named("loss"))).abs() < TOLERANCE);

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

fn random_tokens<B: Backend>(shape: [usize; 2], vocabulary: i32) -> Tensor<B, 2, Int> {
    let device = Default::default();
    B::seed(&device, 3);
    Tensor::<B, 2>::random(shape, Distribution::Uniform(0.0, f64::from(vocabulary)), &device).int()
}

#[test]
fn every_parameter_of_every_variant_learns() {
    type B = Autodiff<Flex>;
    let device = Default::default();
    for (_, config) in cases() {
        let config = LanguageModelConfig { dropout: 0.3, ..config };
        let model = config.init::<B>(7, &device);
        let (logits, _) = model.forward(random_tokens([2, 6], 7), None);
        let targets = random_tokens::<B>([2, 6], 7).flatten(0, 1);
        let loss = cross_entropy(logits.flatten(0, 1), targets, &CrossEntropy::default());
        every_parameter_has_gradient(&model, loss);
    }
}

#[test]
fn two_halves_with_carried_state_are_the_whole() {
    type B = Flex;
    let device = Default::default();
    let tokens = random_tokens::<B>([3, 10], 7);
    for (_, config) in cases() {
        let model: LanguageModel<B> = config.init(7, &device);
        let (whole, end) = model.forward(tokens.clone(), None);
        let (first, state) = model.forward(tokens.clone().narrow(1, 0, 4), None);
        let (second, last) = model.forward(tokens.clone().narrow(1, 4, 6), Some(state));
        assert_close(&Tensor::cat(vec![first, second], 1), &whole, 1e-6);
        assert_close(&last.hidden, &end.hidden, 1e-6);
    }
}

#[test]
fn dropout_acts_in_training_only() {
    type B = Autodiff<Flex>;
    let device = Default::default();
    let config = LanguageModelConfig { dropout: 0.5, num_layers: 2, ..Default::default() };
    let model: LanguageModel<B> = config.init(7, &device);
    let tokens = random_tokens::<B>([1, 4], 7);
    let training = || model.forward(tokens.clone(), None).0.into_data();
    assert_ne!(training(), training());
    let valid = model.valid();
    let validation = || valid.forward(tokens.clone().inner(), None).0.into_data();
    assert_eq!(validation(), validation());
}

#[test]
fn a_tied_model_starts_near_the_uniform_loss() {
    // PyTorch's N(0, 1) for a tied embedding would start far above ln(vocabulary).
    type B = Flex;
    let device = Default::default();
    for tie_weights in [false, true] {
        let config = LanguageModelConfig { embedding_size: 256, tie_weights, ..Default::default() };
        let model: LanguageModel<B> = config.init(96, &device);
        let (logits, _) = model.forward(random_tokens([4, 32], 96), None);
        let targets = random_tokens::<B>([4, 32], 96).flatten(0, 1);
        let loss = cross_entropy(logits.flatten(0, 1), targets, &CrossEntropy::default());
        let loss: f64 = loss.into_data().iter::<f64>().sum();
        assert!((loss - 96f64.ln()).abs() < 0.3, "{loss}");
    }
}
