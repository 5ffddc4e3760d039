//! What users of the models rely on, whatever the weights.

#[allow(dead_code)]
mod support;

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    tensor::{Distribution, Int, Tensor, backend::Backend},
};
use layers::beam::{BeamOptions, Boundaries, Decoder, beam_search};
use support::*;
use testkit::{assert_close, every_parameter_has_gradient};
use transformer::{
    bert::Texts,
    decision::{DecisionTransformer, Episodes},
    feed_forward::Activation,
    gpt::{GptConfig, Positions},
    norm::NormKind,
    seq2seq::Seq2SeqConfig,
    vit::{Interpolation, VitConfig, VitPooling},
};

type A = Autodiff<Flex>;

fn tokens<B: Backend, const R: usize, const T: usize>(rows: [[i32; T]; R]) -> Tensor<B, 2, Int> {
    Tensor::from_ints(rows, &Default::default())
}

fn first<B: Backend, const D: usize>(tensor: &Tensor<B, D>, axis: usize, count: usize) -> Tensor<B, D> {
    tensor.clone().narrow(axis, 0, count)
}

/// Every kind of position, normalisation and activation at least once, and grouped queries.
fn gpt_configs() -> Vec<GptConfig> {
    let config = GptConfig { num_layers: 2, num_heads: 4, embedding_size: 16, context_len: 12, ..GptConfig::default() };
    let rotary = GptConfig { positions: Positions::Rotary, norm: NormKind::RmsNorm, ..config.clone() };
    vec![
        GptConfig { dropout: 0.1, ..config.clone() },
        GptConfig { activation: Activation::Swiglu, bias: false, num_kv_heads: 2, tie_weights: false, ..rotary },
        GptConfig { positions: Positions::Alibi, num_kv_heads: 1, activation: Activation::GeluTanh, ..config.clone() },
        GptConfig { positions: Positions::Sinusoidal, activation: Activation::Relu, bias: false, ..config },
    ]
}

#[test]
fn a_later_token_changes_no_earlier_logit() {
    let device = Default::default();
    let (one, other) = (tokens([[1, 2, 3, 4, 5, 6, 7]]), tokens([[1, 2, 3, 4, 10, 9, 8]]));
    for config in gpt_configs() {
        let model = config.init::<Flex>(11, &device);
        let logits = |tokens: &Tensor<Flex, 2, Int>| model.forward(tokens.clone(), None).0;
        assert_eq!(first(&logits(&one), 1, 4).to_data(), first(&logits(&other), 1, 4).to_data(), "{config:?}");
        assert_ne!(logits(&one).to_data(), logits(&other).to_data());
    }
}

#[test]
fn a_cache_gives_what_the_whole_text_gives() {
    let device = Default::default();
    let text = tokens::<Flex, 2, 8>([[1, 2, 3, 4, 5, 6, 7, 8], [8, 7, 6, 5, 4, 3, 2, 1]]);
    for config in gpt_configs() {
        let model = config.init::<Flex>(11, &device);
        let (whole, _) = model.forward(text.clone(), None);
        let mut cache = None;
        for (at, time) in [(0, 3), (3, 1), (4, 2), (6, 1), (7, 1)] {
            let (logits, after) = model.forward(text.clone().narrow(1, at, time), cache);
            assert_close(&logits, &whole.clone().narrow(1, at, time), 1e-5);
            assert_eq!(after.len(), at + time);
            cache = Some(after);
        }
        // The second text's cache, twice: both go on as it does.
        let (_, cache) = model.forward(text.clone().narrow(1, 0, 5), None);
        let cache = cache.select(Tensor::from_ints([1, 1], &device));
        let next = text.clone().narrow(0, 1, 1).narrow(1, 5, 1).repeat_dim(0, 2);
        let expected = whole.narrow(0, 1, 1).narrow(1, 5, 1).repeat_dim(0, 2);
        assert_close(&model.forward(next, Some(cache)).0, &expected, 1e-5);
    }
}

#[test]
fn more_padding_changes_nothing() {
    let device = Default::default();
    let short = tokens::<Flex, 2, 3>([[1, 2, 3], [4, 5, 0]]);
    let long = tokens::<Flex, 2, 5>([[1, 2, 3, 6, 6], [4, 5, 7, 8, 8]]);
    let lengths = [3, 2];
    let model = bert_config().init_sequence_classifier::<Flex>(BERT_VOCABULARY, 3, &device);
    let logits = |tokens: &Tensor<Flex, 2, Int>| model.forward(Texts::new(tokens.clone(), &lengths));
    assert_close(&logits(&long), &logits(&short), 1e-6);

    let inputs = tokens([[0, 1, 2], [0, 3, 4]]);
    for (_, config) in seq2seq_cases() {
        let model = config.init::<Flex>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
        let logits = |source: &Tensor<Flex, 2, Int>| model.forward(source.clone(), &lengths, inputs.clone());
        assert_close(&logits(&long), &logits(&short), 1e-6);
    }

    for (_, config) in decision_cases() {
        let model = config.init::<Flex>(DECISION_SIZES, &device);
        let logits = |steps| model.forward(episodes(steps, 0, &[2, 2]));
        assert_close(&first(&logits(4), 1, 2), &logits(2), 1e-6);
    }
}

/// Two episodes that are the same at their beginnings however long they are; `last` is the action of the second step.
fn episodes(steps: usize, last: i32, lengths: &[usize]) -> Episodes<'_, Flex> {
    let device = Default::default();
    let ramp = |size: usize| Tensor::<Flex, 1, Int>::arange(0..(steps * size) as i64, &device).float().sin();
    let integers = |second| {
        let row = Tensor::<Flex, 1, Int>::from_ints([1, second, 3, 2], &device).narrow(0, 0, steps);
        row.unsqueeze::<2>().repeat_dim(0, 2)
    };
    Episodes {
        returns: ramp(1).unsqueeze::<2>().repeat_dim(0, 2),
        observations: ramp(3).reshape([1, steps, 3]).repeat_dim(0, 2),
        actions: integers(last),
        timesteps: integers(1),
        lengths,
    }
}

/// An action is predicted without knowing it, or what comes after.
#[test]
fn an_action_does_not_count_in_its_own_prediction() {
    let device = Default::default();
    for (case, config) in decision_cases() {
        let model: DecisionTransformer<Flex> = config.init(DECISION_SIZES, &device);
        let logits = |last| model.forward(episodes(4, last, &[4, 4]));
        assert_eq!(first(&logits(0), 1, 2).to_data(), first(&logits(3), 1, 2).to_data(), "{case}");
        assert_ne!(logits(0).narrow(1, 2, 1).to_data(), logits(3).narrow(1, 2, 1).to_data(), "{case}");
    }
}

#[test]
fn steps_of_a_decoder_give_what_a_whole_target_gives() {
    let device = Default::default();
    let source = tokens::<Flex, 2, 3>([[1, 2, 3], [4, 5, 0]]);
    let inputs = tokens::<Flex, 2, 4>([[0, 1, 2, 3], [0, 3, 4, 1]]);
    for (_, config) in seq2seq_cases() {
        let model = config.init::<Flex>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
        let whole = model.forward(source.clone(), &[3, 2], inputs.clone());
        let mut state = model.encode(source.clone(), &[3, 2]);
        for step in 0..4 {
            // The two sentences change places at every step.
            let order = if step % 2 == 0 { [0, 1] } else { [1, 0] };
            let of_step = inputs.clone().narrow(1, step, 1).select(0, Tensor::from_ints(order, &device));
            let (logits, after) = model.step(of_step.flatten(0, 1), state);
            let expected = whole.clone().narrow(1, step, 1).select(0, Tensor::from_ints(order, &device));
            assert_close(&logits, &expected.squeeze_dim::<2>(1), 1e-5);
            state = model.select(after, Tensor::from_ints([1, 0], &device));
        }
    }
}

#[test]
fn a_sentence_in_a_batch_is_translated_as_it_is_alone() {
    let device = Default::default();
    let source = tokens::<Flex, 2, 3>([[1, 2, 3], [4, 5, 0]]);
    let options = BeamOptions { width: 3, length_penalty: 0.7 };
    for (_, config) in seq2seq_cases() {
        let model = config.init::<Flex>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
        let search = |source: Tensor<Flex, 2, Int>, lengths: &[usize]| {
            let state = model.encode(source, lengths);
            let boundaries = Boundaries { start: 7, end: 8 };
            beam_search(&model, state, boundaries, &vec![6; lengths.len()], &options, &device).unwrap()
        };
        let together = search(source.clone(), &[3, 2]);
        let alone = [
            search(source.clone().narrow(0, 0, 1), &[3]).remove(0),
            search(source.clone().narrow(0, 1, 1).narrow(1, 0, 2), &[2]).remove(0),
        ];
        for (together, alone) in together.iter().flatten().zip(alone.iter().flatten()) {
            assert_eq!(together.tokens, alone.tokens);
            assert!((together.score - alone.score).abs() < 1e-4);
        }
    }
}

#[test]
fn every_parameter_gets_a_finite_gradient() {
    let device = Default::default();
    for config in gpt_configs() {
        let model = config.init::<A>(11, &device);
        let (logits, _) = model.forward(tokens([[1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3]]), None);
        every_parameter_has_gradient(&model, logits.powi_scalar(2).sum());
    }
    let lengths = [3, 2];
    let texts = || Texts::new(tokens([[1, 2, 3], [4, 5, 0]]), &lengths);
    let model = bert_config().init_masked_lm::<A>(BERT_VOCABULARY, &device);
    every_parameter_has_gradient(&model, model.forward(texts()).powi_scalar(2).sum());
    let model = bert_config().init_sequence_classifier::<A>(BERT_VOCABULARY, 3, &device);
    every_parameter_has_gradient(&model, model.forward(texts()).powi_scalar(2).sum());
    let model = bert_config().init_token_classifier::<A>(BERT_VOCABULARY, 3, &device);
    every_parameter_has_gradient(&model, model.forward(texts()).powi_scalar(2).sum());
    for (_, config) in seq2seq_cases() {
        let config = Seq2SeqConfig { dropout: 0.1, activation: Activation::Swiglu, ..config };
        let model = config.init::<A>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
        let logits = model.forward(tokens([[1, 2, 3], [4, 5, 0]]), &lengths, tokens([[0, 1], [0, 3]]));
        every_parameter_has_gradient(&model, logits.powi_scalar(2).sum());
    }
    for (_, config) in vit_cases() {
        let config = VitConfig { dropout: 0.1, drop_path: 0.1, ..config };
        let model = config.init::<A>(3, 5, &device);
        let images = Tensor::random([2, 3, 12, 12], Distribution::Default, &device);
        // The head begins at zeros: only a loss that is not 0 there has a gradient below it, and that is 0.
        every_parameter_has_gradient(&model, model.forward(images).sum());
    }
}

/// Dropout is there in training alone.
#[test]
fn nothing_is_dropped_outside_of_training() {
    let device = Default::default();
    let config = GptConfig { dropout: 0.5, ..gpt_configs().remove(0) };
    let model = config.init::<A>(11, &device);
    let text = || tokens([[1, 2, 3, 4]]);
    assert_ne!(model.forward(text(), None).0.to_data(), model.forward(text(), None).0.to_data());
    let valid = model.valid();
    let text = || tokens([[1, 2, 3, 4]]);
    assert_eq!(valid.forward(text(), None).0.to_data(), valid.forward(text(), None).0.to_data());
}

#[test]
fn attention_to_all_patches_is_one() {
    let device = Default::default();
    let (_, config) = vit_cases()[0].clone();
    let model = VitConfig { pooling: VitPooling::Mean, ..config }.init::<Flex>(3, 5, &device);
    let images = Tensor::random([2, 3, 12, 12], Distribution::Default, &device);
    let rollout = model.attention_rollout(images);
    assert_eq!(rollout.dims(), [2, 3, 3]);
    assert_close(&rollout.flatten::<2>(1, 2).sum_dim(1), &Tensor::ones([2, 1], &device), 1e-5);
}

#[test]
fn a_resized_model_takes_images_of_the_new_size() {
    let device = Default::default();
    for (_, config) in vit_cases() {
        let mut model = config.init::<Flex>(3, 5, &device);
        let positions = model.pos_embed.val();
        model.resize(20, Interpolation::Bicubic);
        model.reset_head(2);
        assert_eq!(model.forward(Tensor::zeros([1, 3, 20, 20], &device)).dims(), [1, 2]);
        model.resize(20, Interpolation::Bilinear);
        assert_eq!(model.grid(), 5);
        // Nothing is lost of the class token's.
        if model.cls_token.is_some() {
            assert_eq!(first(&model.pos_embed.val(), 1, 1).to_data(), first(&positions, 1, 1).to_data());
        }
    }
}
