//! Activation checkpointing changes neither losses nor gradients, in any family.

#[allow(dead_code)]
mod support;

use burn::{
    backend::{Autodiff, Flex, NdArray},
    module::Module,
    tensor::{
        Int, Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use layers::{dropout::dropout, generation::Generator, sampling::SamplingOptions};
use std::sync::{Mutex, MutexGuard, PoisonError};
use support::*;
use testkit::{assert_data_close, gradients_by_path};
use training_loop::weights::NamedTensors;
use transformer::{
    bert::{BertConfig, Texts},
    decision::{DecisionConfig, Episodes},
    gpt::GptConfig,
    lora::LoraConfig,
    seq2seq::Seq2SeqConfig,
    vit::VitConfig,
};

/// Seeds belong to the process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static SEEDS: Mutex<()> = Mutex::new(());
    SEEDS.lock().unwrap_or_else(PoisonError::into_inner)
}

const DROPOUT: f64 = 0.2;

/// The loss, all gradients, and what is drawn in the rest of the step. The model is drawn from the same seed each time.
type Step = (TensorData, NamedTensors, Vec<String>, TensorData);

fn step<B: AutodiffBackend, M: Module<B>>(model: impl Fn() -> M, forward: impl Fn(&M) -> Tensor<B, 3>) -> Step {
    let device = Default::default();
    B::seed(&device, 1);
    let model = model();
    let loss = forward(&model).powi_scalar(2).mean();
    let value = loss.to_data();
    let (gradients, without) = gradients_by_path(&model, loss);
    let behind = dropout(Tensor::<B, 1>::ones([50], &device), 0.5).into_data();
    (value, gradients, without, behind)
}

/// Holds steps with checkpoints to those without, to the bit.
fn nothing_changes<B: AutodiffBackend, M: Module<B>>(
    case: &str,
    model: impl Fn(bool) -> M,
    forward: impl Fn(&M) -> Tensor<B, 3>,
) {
    let (without, with) = (step(|| model(false), &forward), step(|| model(true), &forward));
    assert!(!without.1.is_empty(), "{case}");
    assert_eq!(with, without, "{case}");
}

/// The same where a sum of gradients is taken in another order.
fn nothing_changes_but_rounding<B: AutodiffBackend, M: Module<B>>(
    case: &str,
    model: impl Fn(bool) -> M,
    forward: impl Fn(&M) -> Tensor<B, 3>,
) {
    let (without, with) = (step(|| model(false), &forward), step(|| model(true), &forward));
    assert_eq!((&with.0, &with.2), (&without.0, &without.2), "{case}");
    assert!(with.1.keys().eq(without.1.keys()) && !with.1.is_empty(), "{case}");
    for (name, gradient) in &with.1 {
        assert_data_close(&format!("{case}.{name}"), gradient, &without.1[name], 1e-5);
    }
}

fn tokens<B: Backend, const R: usize, const T: usize>(rows: [[i32; T]; R]) -> Tensor<B, 2, Int> {
    Tensor::from_ints(rows, &Default::default())
}

fn of_gpt<B: AutodiffBackend>() {
    let _alone = alone();
    let device = Default::default();
    let text = || tokens::<B, 2, 6>([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 1, 2]]);
    for (case, config) in gpt_cases() {
        for dropout in [0.0, DROPOUT] {
            let model = |activation_checkpointing| {
                GptConfig { dropout, activation_checkpointing, ..config.clone() }.init::<B>(GPT_VOCABULARY, &device)
            };
            nothing_changes(case, model, |model| model.forward(text(), None).0);
            // Most parameters are frozen, the embeddings below the first block among them.
            let lora = LoraConfig { rank: 2, dropout, targets: vec!["blocks.*".to_string()], ..LoraConfig::default() };
            let adapted = |is_on| lora.add_to(model(is_on), &device).unwrap();
            nothing_changes(case, adapted, |model| model.forward(text(), None).0);
        }
    }
}

#[test]
fn of_gpt_on_flex() {
    of_gpt::<Autodiff<Flex>>();
}

#[test]
fn of_gpt_on_ndarray() {
    of_gpt::<Autodiff<NdArray>>();
}

fn of_encoders<B: AutodiffBackend>() {
    let _alone = alone();
    let device = Default::default();
    let lengths = [3, 2];
    let model = |activation_checkpointing| {
        let config = BertConfig { dropout: DROPOUT, activation_checkpointing, ..bert_config() };
        config.init_token_classifier::<B>(BERT_VOCABULARY, 3, &device)
    };
    nothing_changes("bert", model, |model| model.forward(Texts::new(tokens([[1, 2, 3], [4, 5, 0]]), &lengths)));

    for (case, config) in vit_cases() {
        let model = |activation_checkpointing| {
            let config = VitConfig { dropout: DROPOUT, drop_path: 0.3, activation_checkpointing, ..config.clone() };
            let mut model = config.init::<B>(3, 5, &device);
            // Zeros in the head would hide what is behind it.
            model.head.weight = model.head.weight.map(|weight| weight.ones_like().require_grad());
            model
        };
        let pixels = (0..2 * 3 * 12 * 12).map(|pixel| (pixel as f32 / 7.0).sin()).collect::<Vec<_>>();
        let images = TensorData::new(pixels, [2, 3, 12, 12]);
        nothing_changes(case, model, |model| {
            model.forward(Tensor::from_data(images.clone(), &device)).unsqueeze::<3>()
        });
    }
}

#[test]
fn of_encoders_on_flex() {
    of_encoders::<Autodiff<Flex>>();
}

#[test]
fn of_encoders_on_ndarray() {
    of_encoders::<Autodiff<NdArray>>();
}

fn of_decoders<B: AutodiffBackend>() {
    let _alone = alone();
    let device = Default::default();
    for (case, config) in seq2seq_cases() {
        let model = |activation_checkpointing| {
            let config = Seq2SeqConfig { dropout: DROPOUT, activation_checkpointing, ..config.clone() };
            config.init::<B>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device)
        };
        let (source, inputs) = ([[1, 2, 3], [4, 5, 0]], [[0, 1, 2], [0, 3, 4]]);
        nothing_changes(case, model, |model| model.forward(tokens(source), &[3, 2], tokens(inputs)));
    }
    for (case, config) in decision_cases() {
        let model = |activation_checkpointing| {
            DecisionConfig { dropout: DROPOUT, activation_checkpointing, ..config.clone() }
                .init(DECISION_SIZES, &device)
        };
        let episodes = || Episodes::<B> {
            returns: Tensor::from_floats([[3.0, 2.0, 1.0], [2.0, 1.0, 0.0]], &device),
            observations: Tensor::<B, 1, Int>::arange(0..18, &device).float().sin().reshape([2, 3, 3]),
            actions: tokens([[1, 2, 3], [0, 1, 0]]),
            timesteps: tokens([[0, 1, 2], [4, 5, 6]]),
            lengths: &[3, 2],
        };
        nothing_changes(case, model, |model| model.forward(episodes()));
    }
}

#[test]
fn of_decoders_on_flex() {
    of_decoders::<Autodiff<Flex>>();
}

#[test]
fn of_decoders_on_ndarray() {
    of_decoders::<Autodiff<NdArray>>();
}

/// In training a cache is made when it is used, and gradients reach what is behind it.
#[test]
fn a_cache_is_what_it_is_without() {
    let _alone = alone();
    let device = Default::default();
    for (case, config) in gpt_cases() {
        let model = |activation_checkpointing| {
            let config = GptConfig { activation_checkpointing, ..config.clone() };
            config.init::<Autodiff<Flex>>(GPT_VOCABULARY, &device)
        };
        nothing_changes_but_rounding(case, model, |model| {
            let (_, cache) = model.forward(tokens([[1, 2, 3]]), None);
            assert_eq!(cache.len(), 3);
            model.forward(tokens([[4, 5]]), Some(cache)).0
        });
    }
    for (case, config) in seq2seq_cases() {
        let model = |activation_checkpointing| {
            let config = Seq2SeqConfig { activation_checkpointing, ..config.clone() };
            config.init::<Autodiff<Flex>>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device)
        };
        nothing_changes_but_rounding(case, model, |model| {
            let (_, state) = model.decode(tokens([[0, 1]]), model.encode(tokens([[1, 2, 3]]), &[3]));
            model.decode(tokens([[2, 3]]), state).0
        });
    }
}

#[test]
fn text_is_written_as_it_is_without() {
    let _alone = alone();
    let device = Default::default();
    for (case, config) in gpt_cases() {
        let write = |activation_checkpointing| {
            Flex::seed(&device, 1);
            let config = GptConfig { activation_checkpointing, ..config.clone() };
            let model = config.init::<Flex>(GPT_VOCABULARY, &device);
            let generator = Generator::new(&model, &[1, 2], SamplingOptions::greedy(), 0, &device).unwrap();
            generator.take(8).map(Result::unwrap).collect::<Vec<_>>()
        };
        assert_eq!(write(true), write(false), "{case}");
    }
}
