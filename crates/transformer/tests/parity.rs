//! Small models of every family against PyTorch (the scripts in tests/fixtures): outputs, losses and gradients.

#[allow(dead_code)]
mod support;

use burn::{
    backend::{Autodiff, Flex, NdArray},
    tensor::{Tensor, TensorData, backend::AutodiffBackend},
};
use support::*;
use testkit::{assert_close, assert_data_close};
use transformer::{
    bert::Texts,
    decision::Episodes,
    vit::{Interpolation, interpolate_positions},
};

fn gpt_matches<B: AutodiffBackend>() {
    let device = Default::default();
    let fixture = fixture("gpt");
    for (case, config) in gpt_cases() {
        let named = |name: &str| format!("{case}.{name}");
        let model = with_weights(config.init::<B>(GPT_VOCABULARY, &device), &fixture, case);
        let (logits, _) = model.forward(fixture.int(&named("tokens"), &device), None);
        assert_data_close(&named("logits"), &logits.to_data(), fixture.data(&named("logits")), TOLERANCE);
        let targets: Tensor<B, 2, _> = fixture.int(&named("targets"), &device);
        let loss = mean_loss(logits.flatten(0, 1), targets.flatten(0, 1));
        assert_loss_and_gradients(&model, loss, &fixture, case);
    }
}

fn bert_matches<B: AutodiffBackend>() {
    let device = Default::default();
    let fixture = fixture("bert");
    let (config, lengths) = (bert_config(), lengths(&fixture));
    let texts = || Texts::<B> {
        tokens: fixture.int("tokens", &device),
        types: Some(fixture.int("types", &device)),
        lengths: &lengths,
    };
    // What stands at padding is of no interest.
    let is_real = TensorData::new(vec![1.0_f32, 1., 1., 1., 1., 1., 1., 1., 1., 1., 0., 0.], [2, 6, 1]);
    let is_real: Tensor<B, 3> = Tensor::from_data(is_real, &device);

    let model = with_weights(config.init_masked_lm::<B>(BERT_VOCABULARY, &device), &fixture, "masked_lm");
    let logits = model.forward(texts());
    assert_close(&(logits.clone() * is_real.clone()), &fixture.float("masked_lm.logits", &device), TOLERANCE);
    let labels: Tensor<B, 2, _> = fixture.int("masked_lm.labels", &device);
    let loss = mean_loss(logits.flatten(0, 1), labels.flatten(0, 1));
    assert_loss_and_gradients(&model, loss, &fixture, "masked_lm");
    for (layer, weights) in model.bert.attention_weights(texts()).into_iter().enumerate() {
        let name = format!("masked_lm.attention.{layer}");
        assert_data_close(&name, &weights.to_data(), fixture.data(&name), TOLERANCE);
    }

    let model = config.init_sequence_classifier::<B>(BERT_VOCABULARY, 3, &device);
    let model = with_weights(model, &fixture, "sequence");
    let logits = model.forward(texts());
    assert_close(&logits, &fixture.float("sequence.logits", &device), TOLERANCE);
    let loss = mean_loss(logits, fixture.int("sequence.labels", &device));
    assert_loss_and_gradients(&model, loss, &fixture, "sequence");

    let model = with_weights(config.init_token_classifier::<B>(BERT_VOCABULARY, 3, &device), &fixture, "token");
    let logits = model.forward(texts());
    assert_close(&(logits.clone() * is_real), &fixture.float("token.logits", &device), TOLERANCE);
    let labels: Tensor<B, 2, _> = fixture.int("token.labels", &device);
    let loss = mean_loss(logits.flatten(0, 1), labels.flatten(0, 1));
    assert_loss_and_gradients(&model, loss, &fixture, "token");
}

fn seq2seq_matches<B: AutodiffBackend>() {
    let device = Default::default();
    let fixture = fixture("seq2seq");
    let lengths = lengths(&fixture);
    for (case, config) in seq2seq_cases() {
        let named = |name: &str| format!("{case}.{name}");
        let model = config.init::<B>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
        let model = with_weights(model, &fixture, case);
        let source: Tensor<B, 2, _> = fixture.int("source", &device);
        let inputs: Tensor<B, 2, _> = fixture.int("inputs", &device);
        let logits = model.forward(source.clone(), &lengths, inputs.clone());
        assert_data_close(&named("logits"), &logits.to_data(), fixture.data(&named("logits")), TOLERANCE);
        let targets: Tensor<B, 2, _> = fixture.int("targets", &device);
        let loss = mean_loss(logits.flatten(0, 1), targets.flatten(0, 1));
        assert_loss_and_gradients(&model, loss, &fixture, case);
        let last = model.attention_weights(inputs, model.encode(source, &lengths)).pop().unwrap();
        let mean = last.mean_dim(1).squeeze_dim::<3>(1);
        assert_data_close(&named("attention"), &mean.to_data(), fixture.data(&named("attention")), TOLERANCE);
    }
}

fn vit_matches<B: AutodiffBackend>() {
    let device = Default::default();
    let fixture = fixture("vit");
    for (case, config) in vit_cases() {
        let named = |name: &str| format!("{case}.{name}");
        let model = with_weights(config.init::<B>(3, 3, &device), &fixture, case);
        let images: Tensor<B, 4> = fixture.float(&named("images"), &device);
        let logits = model.forward(images.clone());
        assert_data_close(&named("logits"), &logits.to_data(), fixture.data(&named("logits")), TOLERANCE);
        let loss = mean_loss(logits, fixture.int(&named("labels"), &device));
        assert_loss_and_gradients(&model, loss, &fixture, case);
        if case == "timm" {
            for (layer, weights) in model.attention_weights(images.clone()).into_iter().enumerate() {
                let name = named(&format!("attention.{layer}"));
                assert_data_close(&name, &weights.to_data(), fixture.data(&name), TOLERANCE);
            }
            let rollout = model.attention_rollout(images);
            assert_data_close("rollout", &rollout.to_data(), fixture.data(&named("rollout")), TOLERANCE);
        }
    }
}

fn decision_matches<B: AutodiffBackend>() {
    let device = Default::default();
    let fixture = fixture("decision");
    let lengths = lengths(&fixture);
    let is_real = TensorData::new(vec![1.0_f32, 1., 1., 1., 1., 1., 1., 1., 0., 0.], [2, 5, 1]);
    for (case, config) in decision_cases() {
        let named = |name: &str| format!("{case}.{name}");
        let model = with_weights(config.init::<B>(DECISION_SIZES, &device), &fixture, case);
        let logits = model.forward(Episodes {
            returns: fixture.float("returns", &device),
            observations: fixture.float("observations", &device),
            actions: fixture.int("actions", &device),
            timesteps: fixture.int("timesteps", &device),
            lengths: &lengths,
        });
        let real = logits.clone() * Tensor::from_data(is_real.clone(), &device);
        assert_data_close(&named("logits"), &real.to_data(), fixture.data(&named("logits")), TOLERANCE);
        let labels: Tensor<B, 2, _> = fixture.int("labels", &device);
        let loss = mean_loss(logits.flatten(0, 1), labels.flatten(0, 1));
        assert_loss_and_gradients(&model, loss, &fixture, case);
    }
}

#[test]
fn gpt_matches_on_flex() {
    gpt_matches::<Autodiff<Flex>>();
}

#[test]
fn gpt_matches_on_ndarray() {
    gpt_matches::<Autodiff<NdArray>>();
}

#[test]
fn bert_matches_on_flex() {
    bert_matches::<Autodiff<Flex>>();
}

#[test]
fn bert_matches_on_ndarray() {
    bert_matches::<Autodiff<NdArray>>();
}

#[test]
fn seq2seq_matches_on_flex() {
    seq2seq_matches::<Autodiff<Flex>>();
}

#[test]
fn seq2seq_matches_on_ndarray() {
    seq2seq_matches::<Autodiff<NdArray>>();
}

#[test]
fn vit_matches_on_flex() {
    vit_matches::<Autodiff<Flex>>();
}

#[test]
fn vit_matches_on_ndarray() {
    vit_matches::<Autodiff<NdArray>>();
}

#[test]
fn decision_matches_on_flex() {
    decision_matches::<Autodiff<Flex>>();
}

#[test]
fn decision_matches_on_ndarray() {
    decision_matches::<Autodiff<NdArray>>();
}

#[test]
fn positions_are_interpolated_as_timm_does() {
    let fixture = fixture("vit");
    for grids @ [from, to] in [[3, 5], [5, 3], [4, 4], [2, 7]] {
        let named = |name: &str| format!("positions.{from}.{to}.{name}");
        for (name, interpolation) in [("bicubic", Interpolation::Bicubic), ("bilinear", Interpolation::Bilinear)] {
            let found = interpolate_positions(fixture.data(&named("before")).clone(), 1, grids, interpolation);
            assert_data_close(&named(name), &found, fixture.data(&named(name)), 1e-5);
        }
    }
}
