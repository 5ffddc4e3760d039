//! What users rely on beyond the numbers of PyTorch: sizes, causality, padding, caches, LoRA, and weights that do not fit.

#[allow(dead_code)]
mod support;

use burn::{
    backend::{Autodiff, Flex},
    module::Module,
    tensor::{Int, Tensor, TensorData, backend::Backend},
};
use layers::generation::{CausalLanguageModel, Generator};
use layers::sampling::SamplingOptions;
use layers::{
    beam::{BeamOptions, Boundaries, Decoder, beam_search},
    dropout::Dropout,
};
use support::*;
use testkit::{assert_close, gradients_by_path};
use transformer::{
    bert::{BERT_UNCASED_VOCAB_SIZE, BertConfig, BertPooling, Texts},
    decision::Episodes,
    gpt::{GPT2_VOCAB_SIZE, GptConfig},
    lora::{LoraConfig, merge},
    pretrained::{LoadOutcome, PretrainedError, load, state_dict},
    seq2seq::Seq2SeqConfig,
    vit::VitConfig,
};

/// Rounding of sums in another order.
const ROUNDING: f64 = 1e-5;

fn tokens<B: Backend, const D: usize>(values: &[i32], shape: [usize; D]) -> Tensor<B, D, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
}

fn numbers<B: Backend, const D: usize>(shape: [usize; D]) -> Tensor<B, D> {
    let values = (0..shape.iter().product::<usize>()).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

fn bits<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[test]
fn published_models_have_their_number_of_parameters() {
    let device = Default::default();
    assert_eq!(GptConfig::gpt2().init::<Flex>(GPT2_VOCAB_SIZE, &device).num_params(), 124_439_808);
    assert_eq!(BertConfig::bert_base().init::<Flex>(BERT_UNCASED_VOCAB_SIZE, &device).num_params(), 109_482_240);
    assert_eq!(VitConfig::vit_base().init::<Flex>(3, 1000, &device).num_params(), 86_567_656);
    assert_eq!(VitConfig::deit_tiny().init::<Flex>(3, 1000, &device).num_params(), 5_717_416);
}

#[test]
fn a_later_token_never_changes_an_earlier_output() {
    let device = Default::default();
    for (case, config) in gpt_cases() {
        let model = config.init::<Flex>(GPT_VOCABULARY, &device);
        let (first, _) = model.forward(tokens(&[1, 2, 3, 4, 5, 6], [1, 6]), None);
        let (second, _) = model.forward(tokens(&[1, 2, 3, 4, 10, 0], [1, 6]), None);
        let before = |logits: Tensor<Flex, 3>| bits(logits.narrow(1, 0, 4));
        assert_eq!(before(first.clone()), before(second.clone()), "{case}");
        assert_ne!(bits(first), bits(second), "{case}: the changed tokens count where they stand");
    }
    for (case, config) in seq2seq_cases() {
        let model = config.init::<Flex>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
        let decoded = |inputs: &[i32]| {
            let state = model.encode(tokens(&[3, 4, 5], [1, 3]), &[3]);
            bits(model.decode(tokens(inputs, [1, 4]), state).0.narrow(1, 0, 2))
        };
        assert_eq!(decoded(&[1, 2, 3, 4]), decoded(&[1, 2, 8, 0]), "{case}");
    }
    let model = decision_cases()[0].1.init::<Flex>(DECISION_SIZES, &device);
    let decided = |actions: &[i32]| {
        let episodes = Episodes {
            returns: numbers([1, 4]),
            observations: numbers([1, 4, 3]),
            actions: tokens(actions, [1, 4]),
            timesteps: tokens(&[0, 1, 2, 3], [1, 4]),
            lengths: &[4],
        };
        bits(model.forward(episodes))
    };
    let (one, other) = (decided(&[0, 1, 2, 3]), decided(&[0, 1, 3, 0]));
    assert_eq!(one[..3 * 4], other[..3 * 4], "an action counts from the next step on");
    assert_ne!(one[3 * 4..], other[3 * 4..]);
}

#[test]
fn padding_changes_nothing() {
    let device = Default::default();
    for pooling in [BertPooling::First, BertPooling::Mean] {
        let config = BertConfig { num_layers: 2, num_heads: 2, hidden_size: 16, pooling, ..BertConfig::default() };
        let model = config.init_sequence_classifier::<Flex>(BERT_VOCABULARY, 3, &device);
        let alone = model.forward(Texts::new(tokens(&[4, 5, 6], [1, 3]), &[3]));
        let padded = model.forward(Texts::new(tokens(&[4, 5, 6, 9, 1, 7, 8, 9, 10, 11], [2, 5]), &[3, 5]));
        assert_close(&padded.narrow(0, 0, 1), &alone, ROUNDING);
    }
    for (_, config) in seq2seq_cases() {
        let model = config.init::<Flex>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
        let inputs = || tokens(&[1, 2], [1, 2]);
        let alone = model.forward(tokens(&[3, 4, 5], [1, 3]), &[3], inputs());
        let padded = model.forward(tokens(&[3, 4, 5, 7, 8], [1, 5]), &[3], inputs());
        assert_close(&padded, &alone, ROUNDING);
    }
}

#[test]
fn a_cache_changes_nothing() {
    let device = Default::default();
    let text = [1, 2, 3, 4, 5, 6, 7];
    for (_, config) in gpt_cases() {
        let model = config.init::<Flex>(GPT_VOCABULARY, &device);
        let (whole, _) = model.forward(tokens(&text, [1, text.len()]), None);
        let mut cache = None;
        // Three at once, then one by one.
        let pieces = [&text[..3]].into_iter().chain(text[3..].chunks(1));
        let mut seen = 0;
        for piece in pieces {
            let (logits, next) = model.forward(tokens(piece, [1, piece.len()]), cache.take());
            assert_close(&logits, &whole.clone().narrow(1, seen, piece.len()), ROUNDING);
            seen += piece.len();
            assert_eq!(next.len(), seen);
            cache = Some(next);
        }
    }
    for (_, config) in seq2seq_cases() {
        let model = config.init::<Flex>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
        let state = model.encode(tokens(&[3, 4, 5, 6, 7, 0], [2, 3]), &[3, 2]);
        let inputs = [1, 2, 3, 1, 5, 6];
        let (whole, _) = model.decode(tokens(&inputs, [2, 3]), state.clone());
        let mut state = state;
        for step in 0..3 {
            let (logits, next) = model.step(tokens(&[inputs[step], inputs[3 + step]], [2]), state);
            assert_close(&logits, &whole.clone().narrow(1, step, 1).squeeze_dim::<2>(1), ROUNDING);
            state = next;
        }
    }
}

/// Also where the context is full and the later half of it is read anew.
#[test]
fn greedy_text_is_that_of_whole_passes() {
    let device = Default::default();
    let (_, config) = &gpt_cases()[0];
    let model = config.init::<Flex>(GPT_VOCABULARY, &device);
    let context = model.context_len().unwrap();
    let mut text = vec![1_u32, 2];
    let generated: Vec<u32> = Generator::new(&model, &text, SamplingOptions::greedy(), 0, &device)
        .unwrap()
        .take(context + 4)
        .map(Result::unwrap)
        .collect();
    let mut window = text.clone();
    for token in generated {
        if window.len() > context {
            window.drain(..window.len() - context.div_ceil(2));
        }
        let read: Vec<i32> = window.iter().map(|token| *token as i32).collect();
        let (logits, _) = model.next_logits(tokens(&read, [1, read.len()]), None);
        assert_eq!(i64::from(token), logits.argmax(1).into_scalar() as i64);
        window.push(token);
        text.push(token);
    }
}

#[test]
fn a_beam_of_one_writes_what_greedy_decoding_writes() {
    let device = Default::default();
    let (_, config) = &seq2seq_cases()[0];
    let model = config.init::<Flex>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
    let boundaries = Boundaries { start: 8, end: 8 };
    let state = || model.encode(tokens(&[3, 4, 5], [1, 3]), &[3]);
    let found = beam_search(&model, state(), boundaries, &[6], &BeamOptions::default(), &device).unwrap();
    let (mut state, mut token, mut greedy) = (state(), 8, Vec::new());
    while greedy.len() < 6 {
        let (logits, next) = model.step(tokens(&[token], [1]), state);
        token = logits.argmax(1).into_scalar();
        if token == 8 {
            break;
        }
        greedy.push(token as u32);
        state = next;
    }
    assert_eq!(found[0][0].tokens, greedy);
}

#[test]
fn dropout_acts_in_training_alone() {
    let device = Default::default();
    type Learning = Autodiff<Flex>;
    let config =
        Seq2SeqConfig { num_layers: 1, num_heads: 2, hidden_size: 16, dropout: 0.5, ..Seq2SeqConfig::default() };
    let model = config.init::<Learning>(9, 9, &device);
    let learns = || model.forward(tokens(&[3, 4, 5], [1, 3]), &[3], tokens(&[1, 2], [1, 2])).inner();
    assert_ne!(bits(learns()), bits(learns()));
    let valid = burn::module::AutodiffModule::valid(&model);
    let says = || bits(valid.forward(tokens(&[3, 4, 5], [1, 3]), &[3], tokens(&[1, 2], [1, 2])));
    assert_eq!(says(), says());
    assert_eq!(Dropout::new(0.5).probability, 0.5);
}

#[test]
fn lora_trains_little_and_can_be_merged() {
    let device = Default::default();
    type Learning = Autodiff<Flex>;
    let (_, config) = &gpt_cases()[0];
    let base = config.init::<Learning>(GPT_VOCABULARY, &device);
    let text = || tokens::<Learning, 2>(&[1, 2, 3, 4], [1, 4]);
    let (before, _) = base.forward(text(), None);
    let lora = LoraConfig { rank: 2, targets: vec!["*.attn.*".into()], ..LoraConfig::default() };
    let model = lora.add_to(base, &device).unwrap();
    let (after, _) = model.forward(text(), None);
    assert_close(&after, &before, ROUNDING);

    let (gradients, _) = gradients_by_path(&model, after.powi_scalar(2).mean());
    let trained: Vec<&String> = gradients.keys().collect();
    let is_addition = |name: &&String| name.ends_with(".lora.a") || name.ends_with(".lora.b");
    assert!(!trained.is_empty() && trained.iter().all(is_addition), "{trained:?}");

    // With other numbers in the additions than zeros.
    let weights = state_dict(&model).into_iter();
    let weights = weights.map(|(name, data)| match name.ends_with(".lora.b") {
        true => {
            let shape = [data.shape[0], data.shape[1]];
            (name, numbers::<Flex, 2>(shape).into_data())
        }
        false => (name, data),
    });
    let mut model = model;
    load(&mut model, weights.collect()).unwrap();
    let (trained, _) = model.forward(text(), None);
    let merged = merge(model);
    assert!(state_dict(&merged).keys().all(|name| !name.contains("lora")));
    assert_close(&merged.forward(text(), None).0, &trained, 1e-4);

    let nothing = LoraConfig { targets: vec!["*.atn.*".into()], ..LoraConfig::default() };
    let message = nothing.add_to(merged, &device).unwrap_err().to_string();
    assert!(message.contains("*.atn.*") && message.contains("attn.qkv"), "{message}");
}

#[test]
fn weights_that_do_not_fit_are_named_and_heads_may_differ() {
    let device = Default::default();
    let config = BertConfig { num_layers: 2, num_heads: 2, hidden_size: 16, ..BertConfig::default() };
    let encoder = state_dict(&config.init_masked_lm::<Flex>(BERT_VOCABULARY, &device));
    let mut classifier = config.init_sequence_classifier::<Flex>(BERT_VOCABULARY, 3, &device);
    let report = load(&mut classifier, encoder.clone()).unwrap();
    let untouched: Vec<&str> = report.with(LoadOutcome::Missing).map(|row| row.name.as_str()).collect();
    assert!(untouched.iter().any(|name| name.starts_with("classifier")), "{untouched:?}");
    let embeddings = state_dict(&classifier)["bert.embeddings.word_embeddings.weight"].clone();
    assert_eq!(embeddings, encoder["bert.embeddings.word_embeddings.weight"], "what fits is loaded");

    let wider = BertConfig { hidden_size: 32, ..config };
    let mut wider = wider.init_sequence_classifier::<Flex>(BERT_VOCABULARY, 3, &device);
    let before = state_dict(&wider);
    let Err(PretrainedError::Mismatch { problems, .. }) = load(&mut wider, encoder) else { panic!("they do not fit") };
    assert!(
        problems.iter().any(|problem| problem.contains("word_embeddings") && problem.contains("16")),
        "{problems:?}"
    );
    assert_eq!(state_dict(&wider), before, "nothing was changed");
}
