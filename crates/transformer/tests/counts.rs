//! Numbers of parameters of published models. (One test after the other in one function: each needs half a gigabyte.)

use burn::{backend::Flex, module::Module};
use transformer::{
    bert::{BERT_UNCASED_VOCAB_SIZE, BertConfig},
    gpt::{GPT2_VOCAB_SIZE, GptConfig},
    vit::VitConfig,
};

#[test]
fn published_sizes_are_those_of_the_papers() {
    let device = Default::default();
    let vit = |config: VitConfig| config.init::<Flex>(3, 1000, &device).num_params();
    assert_eq!(vit(VitConfig::deit_tiny()), 5_717_416);
    assert_eq!(vit(VitConfig::deit_small()), 22_050_664);
    assert_eq!(vit(VitConfig::vit_base()), 86_567_656);
    assert_eq!(GptConfig::gpt2().init::<Flex>(GPT2_VOCAB_SIZE, &device).num_params(), 124_439_808);
    assert_eq!(BertConfig::bert_base().init::<Flex>(BERT_UNCASED_VOCAB_SIZE, &device).num_params(), 109_482_240);
}

/// The larger ones with one block of their many: what is missing is that of the others.
#[test]
fn larger_sizes_add_up() {
    let device = Default::default();
    let gpt = |config: GptConfig| {
        let count = |num_layers| {
            let small = GptConfig { num_layers, context_len: 1, ..config.clone() };
            small.init::<Flex>(1, &device).num_params()
        };
        let around = (GPT2_VOCAB_SIZE - 1 + config.context_len - 1) * config.embedding_size;
        count(1) + (config.num_layers - 1) * (count(2) - count(1)) + around
    };
    assert_eq!(gpt(GptConfig::gpt2()), 124_439_808);
    assert_eq!(gpt(GptConfig::gpt2_medium()), 354_823_168);
    assert_eq!(gpt(GptConfig::gpt2_large()), 774_030_080);
    assert_eq!(gpt(GptConfig::gpt2_xl()), 1_557_611_200);
    let large = BertConfig::bert_large();
    let count = |num_layers| {
        let small = BertConfig { num_layers, context_len: 1, ..large.clone() };
        small.init::<Flex>(1, &device).num_params()
    };
    let around = (BERT_UNCASED_VOCAB_SIZE - 1 + large.context_len - 1) * large.hidden_size;
    assert_eq!(count(1) + (large.num_layers - 1) * (count(2) - count(1)) + around, 335_141_888);
}
