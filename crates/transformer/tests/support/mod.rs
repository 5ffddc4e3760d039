//! The small models of the fixtures, and how to hold models to them.

use burn::{
    module::Module,
    tensor::{
        Int, Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use layers::loss::{CrossEntropy, cross_entropy};
use testkit::{Fixture, assert_data_close, gradients_by_path};
use transformer::{
    bert::BertConfig,
    decision::{DecisionConfig, DecisionSizes},
    feed_forward::Activation,
    gpt::{GptConfig, Positions},
    pretrained::{Pretrained, load},
    seq2seq::{Seq2SeqConfig, Seq2SeqPositions},
    vit::{VitConfig, VitPooling},
};

pub const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
pub const TOLERANCE: f64 = 1e-4;
/// Tokens that the small models know.
pub const GPT_VOCABULARY: usize = 11;
pub const BERT_VOCABULARY: usize = 13;
pub const SEQ2SEQ_VOCABULARY: usize = 9;

pub fn fixture(name: &str) -> Fixture {
    Fixture::read(format!("{FIXTURES}/{name}.safetensors"))
}

pub fn text(name: &str) -> String {
    std::fs::read_to_string(format!("{FIXTURES}/{name}")).unwrap()
}

/// Those of tests/fixtures/make_gpt.py.
pub fn gpt_cases() -> [(&'static str, GptConfig); 4] {
    let of_file = |name: &str| {
        let (config, vocabulary) = GptConfig::from_hugging_face(&text(name)).unwrap();
        assert_eq!(vocabulary, GPT_VOCABULARY);
        GptConfig { dropout: 0.0, ..config }
    };
    let written = |positions, activation| GptConfig {
        num_layers: 2,
        num_heads: 4,
        embedding_size: 16,
        context_len: 12,
        positions,
        activation,
        ..GptConfig::default()
    };
    [
        ("gpt2", of_file("config_gpt2.json")),
        ("llama", of_file("config_llama.json")),
        ("alibi", written(Positions::Alibi, Activation::Relu)),
        ("sinusoidal", written(Positions::Sinusoidal, Activation::Gelu)),
    ]
}

/// That of tests/fixtures/make_bert.py.
pub fn bert_config() -> BertConfig {
    let (config, vocabulary) = BertConfig::from_hugging_face(&text("config_bert.json")).unwrap();
    assert_eq!(vocabulary, BERT_VOCABULARY);
    BertConfig { dropout: 0.0, ..config }
}

/// Those of tests/fixtures/make_seq2seq.py.
pub fn seq2seq_cases() -> [(&'static str, Seq2SeqConfig); 3] {
    let config = Seq2SeqConfig {
        num_layers: 2,
        num_heads: 2,
        hidden_size: 8,
        feed_forward_size: 20,
        context_len: 10,
        dropout: 0.0,
        ..Seq2SeqConfig::default()
    };
    let learned = Seq2SeqConfig {
        positions: Seq2SeqPositions::Learned,
        activation: Activation::Gelu,
        tie_weights: false,
        ..config.clone()
    };
    [
        ("pre_norm", config.clone()),
        ("post_norm", Seq2SeqConfig { norm_first: false, shared_embeddings: true, ..config }),
        ("learned", learned),
    ]
}

/// Those of tests/fixtures/make_vit.py.
pub fn vit_cases() -> [(&'static str, VitConfig); 3] {
    let config = VitConfig {
        image_size: 12,
        patch_size: 4,
        num_layers: 2,
        num_heads: 2,
        hidden_size: 8,
        ..VitConfig::default()
    };
    let mean = VitConfig { pooling: VitPooling::Mean, ..config.clone() };
    [("timm", config.clone()), ("timm_mean", mean), ("torchvision", config)]
}

pub const DECISION_SIZES: DecisionSizes = DecisionSizes { observation_size: 3, num_actions: 4, max_steps: 20 };

/// Those of tests/fixtures/make_decision.py.
pub fn decision_cases() -> [(&'static str, DecisionConfig); 2] {
    let config = DecisionConfig { num_layers: 2, num_heads: 2, embedding_size: 8, dropout: 0.0, ..Default::default() };
    [("returns", config.clone()), ("cloning", DecisionConfig { condition_on_return: false, ..config })]
}

/// The model with the weights of a case.
pub fn with_weights<B: Backend, M: Pretrained<B>>(mut model: M, fixture: &Fixture, case: &str) -> M {
    if let Err(error) = load(&mut model, fixture.under(&format!("{case}.weights."))) {
        panic!("{case}: {error}");
    }
    model
}

pub fn lengths(fixture: &Fixture) -> Vec<usize> {
    fixture.data("lengths").iter::<i64>().map(|length| length as usize).collect()
}

/// The mean cross entropy; -100 is no target.
pub fn mean_loss<B: Backend>(logits: Tensor<B, 2>, targets: Tensor<B, 1, Int>) -> Tensor<B, 1> {
    cross_entropy(logits, targets, &CrossEntropy { ignore_index: Some(-100), ..CrossEntropy::default() })
}

/// Holds the loss and the gradient of every parameter to those of a case.
#[track_caller]
pub fn assert_loss_and_gradients<B: AutodiffBackend, M: Pretrained<B> + Module<B>>(
    model: &M,
    loss: Tensor<B, 1>,
    fixture: &Fixture,
    case: &str,
) {
    let found = loss.to_data().iter::<f64>().sum::<f64>();
    let expected = fixture.number(&format!("{case}.loss"));
    assert!((found - expected).abs() < TOLERANCE, "{case}: a loss of {found} is not {expected}");
    let (gradients, without) = gradients_by_path(model, loss);
    assert!(without.is_empty(), "{case}: no gradient reaches {without:?}");
    // Gradients have the names and layouts of what they are of.
    let expected = model.adapt(fixture.under(&format!("{case}.gradients.")));
    let names: Vec<_> = gradients.keys().collect();
    assert_eq!(names, expected.keys().collect::<Vec<_>>(), "{case}");
    for (name, gradient) in &gradients {
        assert_data_close(&format!("{case}.{name}"), gradient, &expected[name], TOLERANCE);
    }
}
