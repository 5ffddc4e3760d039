//! LoRA: what it trains, and that it merges into what it computes.

#[allow(dead_code)]
mod support;

use burn::{
    backend::{Autodiff, Flex},
    module::{Module, ModuleMapper, Param},
    tensor::{Distribution, Int, Tensor, backend::Backend},
};
use support::*;
use testkit::{assert_close, gradients_by_path};
use transformer::{
    bert::Texts,
    lora::{LoraConfig, Projections, merge},
    pretrained::{LoadOutcome, Pretrained, load, state_dict},
};

type A = Autodiff<Flex>;

/// Gives the additions, which begin at nothing, something to add.
struct Stir {
    path: Vec<String>,
}

impl<B: Backend> ModuleMapper<B> for Stir {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if self.path.join(".").ends_with("lora.b") {
            param.map(|b| Tensor::random(b.shape(), Distribution::Normal(0.0, 1.0), &b.device()))
        } else {
            param
        }
    }
}

fn everything() -> LoraConfig {
    LoraConfig { rank: 2, alpha: 4.0, targets: vec!["*".to_string()], ..LoraConfig::default() }
}

#[test]
fn only_additions_are_trained_and_nothing_changes_before() {
    let device = Default::default();
    let fixture = fixture("gpt");
    for (case, config) in gpt_cases() {
        let tokens: Tensor<A, 2, Int> = fixture.int(&format!("{case}.tokens"), &device);
        let model = with_weights(config.init::<A>(GPT_VOCABULARY, &device), &fixture, case);
        let before = model.forward(tokens.clone(), None).0;
        let model = LoraConfig { rank: 2, ..LoraConfig::default() }.add_to(model, &device).unwrap();
        let logits = model.forward(tokens, None).0;
        assert_close(&logits, &before, 1e-6);
        let (gradients, without) = gradients_by_path(&model, logits.powi_scalar(2).sum());
        let expected = [
            "blocks.0.attn.qkv.lora.a",
            "blocks.0.attn.qkv.lora.b",
            "blocks.1.attn.qkv.lora.a",
            "blocks.1.attn.qkv.lora.b",
        ];
        assert!(without.is_empty(), "{without:?}");
        assert_eq!(gradients.keys().collect::<Vec<_>>(), expected);
        assert!(gradients["blocks.0.attn.qkv.lora.b"].iter::<f32>().any(|gradient| gradient != 0.0));
    }
}

#[test]
fn what_is_named_besides_is_trained_too() {
    let device = Default::default();
    let model = bert_config().init_sequence_classifier::<A>(BERT_VOCABULARY, 3, &device);
    let config = LoraConfig { trainable: vec!["classifier.*".to_string()], ..LoraConfig::default() };
    let model = config.add_to(model, &device).unwrap();
    let logits = model.forward(Texts::new(Tensor::from_ints([[1, 2, 3]], &device), &[3]));
    let (gradients, _) = gradients_by_path(&model, logits.powi_scalar(2).sum());
    let trained = |name: &str| gradients.contains_key(name);
    assert!(trained("classifier.weight") && trained("classifier.bias") && trained("bert.blocks.1.attn.qkv.lora.a"));
    assert!(gradients.keys().all(|name| name.starts_with("classifier.") || name.contains(".lora.")));
}

#[test]
fn merged_weights_compute_the_same() {
    let device = Default::default();
    let tokens = || Tensor::<Flex, 2, Int>::from_ints([[1, 2, 3, 4]], &device);
    for (case, config) in gpt_cases() {
        let plain = config.init::<Flex>(GPT_VOCABULARY, &device);
        let names: Vec<String> = state_dict(&plain).into_keys().collect();
        let unchanged = plain.forward(tokens(), None).0;
        let model = everything().add_to(plain, &device).unwrap().map(&mut Stir { path: Vec::new() });
        let expected = model.forward(tokens(), None).0;
        assert_ne!(expected.to_data(), unchanged.to_data(), "{case}");
        let merged = merge(model);
        assert_close(&merged.forward(tokens(), None).0, &expected, 1e-4);
        assert_eq!(state_dict(&merged).into_keys().collect::<Vec<_>>(), names);
    }
    for (_, config) in seq2seq_cases() {
        let model = config.init::<Flex>(SEQ2SEQ_VOCABULARY, SEQ2SEQ_VOCABULARY, &device);
        let model = everything().add_to(model, &device).unwrap().map(&mut Stir { path: Vec::new() });
        let expected = model.forward(tokens(), &[4], tokens());
        assert_close(&merge(model).forward(tokens(), &[4], tokens()), &expected, 1e-4);
    }
}

/// A projection's name is that of its weight, in every model.
#[test]
fn projections_have_the_names_of_their_weights() {
    fn check<M: Pretrained<Flex> + Projections<Flex>>(mut model: M) {
        let weights: Vec<String> = state_dict(&model).into_keys().collect();
        let named = model.projections().into_iter().map(|(name, _)| format!("{name}.weight")).collect::<Vec<_>>();
        assert!(!named.is_empty());
        for name in named {
            assert!(weights.contains(&name), "{name} is none of {weights:?}");
        }
    }
    let device = Default::default();
    gpt_cases().into_iter().for_each(|(_, config)| check(config.init::<Flex>(GPT_VOCABULARY, &device)));
    seq2seq_cases().into_iter().for_each(|(_, config)| check(config.init::<Flex>(9, 9, &device)));
    vit_cases().into_iter().for_each(|(_, config)| check(config.init::<Flex>(3, 3, &device)));
    decision_cases().into_iter().for_each(|(_, config)| check(config.init::<Flex>(DECISION_SIZES, &device)));
    check(bert_config().init::<Flex>(BERT_VOCABULARY, &device));
    check(bert_config().init_masked_lm::<Flex>(BERT_VOCABULARY, &device));
    check(bert_config().init_sequence_classifier::<Flex>(BERT_VOCABULARY, 3, &device));
    check(bert_config().init_token_classifier::<Flex>(BERT_VOCABULARY, 3, &device));
}

/// The base's checkpoint goes into a model with additions, which stay as they are.
#[test]
fn weights_of_the_base_load_into_a_model_with_additions() {
    let device = Default::default();
    let fixture = fixture("gpt");
    let (case, config) = gpt_cases()[0].clone();
    let mut model = everything().add_to(config.init::<Flex>(GPT_VOCABULARY, &device), &device).unwrap();
    let report = load(&mut model, fixture.under(&format!("{case}.weights."))).unwrap();
    assert!(report.with(LoadOutcome::Missing).all(|row| row.name.contains(".lora.")));
    assert_eq!(report.with(LoadOutcome::Missing).count(), 16);
    let logits = model.forward(fixture.int(&format!("{case}.tokens"), &device), None).0;
    assert_close(&logits, &fixture.float(&format!("{case}.logits"), &device), TOLERANCE);
}

#[test]
fn a_pattern_that_fits_nothing_is_named() {
    let device = Default::default();
    let gpt = || gpt_cases()[0].1.init::<Flex>(GPT_VOCABULARY, &device);
    let targets = LoraConfig { targets: vec!["*.query".to_string()], ..LoraConfig::default() };
    let message = targets.add_to(gpt(), &device).unwrap_err().to_string();
    assert!(message.contains("no projection") && message.contains("*.query"), "{message}");
    assert!(message.contains("blocks.0.attn.qkv"), "{message}");
    let trainable = LoraConfig { trainable: vec!["head.*".to_string()], ..LoraConfig::default() };
    let message = trainable.add_to(gpt(), &device).unwrap_err().to_string();
    assert!(message.contains("no parameter") && message.contains("wte.weight"), "{message}");
    let impossible = LoraConfig { rank: 0, alpha: 0.0, dropout: 1.0, targets: Vec::new(), ..LoraConfig::default() };
    let keys: Vec<_> = impossible.validate().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["rank", "alpha", "dropout", "targets"]);
}
