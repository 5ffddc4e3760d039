//! BERT of Hugging Face.

use burn::tensor::{TensorData, backend::Backend};
use state_dict::{LoadOutcome, StateDict};

use super::{
    Pretrained,
    gpt::cut_positions,
    names::{Table, packed, renamed},
};
use crate::bert::{Bert, BertForMaskedLm, BertForSequenceClassification, BertForTokenClassification};

const NAMES: &Table = &[
    (".bert.", "."),
    // The oldest files have TensorFlow's.
    (".gamma.", ".weight."),
    (".beta.", ".bias."),
    (".embeddings.LayerNorm.", ".embeddings.norm."),
    (".encoder.layer.", ".blocks."),
    (".attention.self.query.", ".attn.q."),
    (".attention.self.key.", ".attn.k."),
    (".attention.self.value.", ".attn.v."),
    (".attention.output.dense.", ".attn.proj."),
    (".attention.output.LayerNorm.", ".norm1."),
    (".intermediate.dense.", ".mlp.fc1."),
    (".output.dense.", ".mlp.fc2."),
    (".output.LayerNorm.", ".norm2."),
    (".pooler.dense.", ".pooler."),
    (".cls.predictions.transform.dense.", ".predictions.dense."),
    (".cls.predictions.transform.LayerNorm.", ".predictions.norm."),
    (".cls.predictions.bias.", ".predictions.bias."),
];

/// Parts of the encoder.
const ENCODER: [&str; 3] = ["embeddings.", "blocks.", "pooler."];

/// Tensors that are no weights, or the same as others.
const NO_WEIGHTS: [&str; 3] =
    ["embeddings.position_ids", "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"];

const POSITIONS: &str = "embeddings.position_embeddings.weight";

/// `prefix` stands before the parts of the encoder.
fn adapt(tensors: StateDict, prefix: &str) -> StateDict {
    let tensors = packed(renamed(tensors, NAMES), &[".attn.q.", ".attn.k.", ".attn.v."], ".attn.qkv.");
    let of_encoder = |name: &str| ENCODER.iter().any(|part| name.starts_with(part));
    tensors
        .into_iter()
        .filter(|(name, _)| !NO_WEIGHTS.contains(&name.as_str()))
        .map(|(name, data)| if of_encoder(&name) { (format!("{prefix}{name}"), data) } else { (name, data) })
        .collect()
}

/// The encoder and its heads: where the encoder is in each, and which parts may be missing from a file.
macro_rules! pretrained {
    ($($model:ident, $prefix:literal, $heads:expr;)+) => {
        $(impl<B: Backend> Pretrained<B> for $model<B> {
            const FAMILY: &'static str = "BERT";
            const HEADS: &'static [&'static str] = $heads;

            fn adapt(&self, tensors: StateDict) -> StateDict {
                adapt(tensors, $prefix)
            }

            fn fit(&self, name: &str, data: &TensorData, shape: &[usize]) -> Option<(TensorData, LoadOutcome)> {
                name.ends_with(POSITIONS).then(|| cut_positions(data, shape)).flatten()
            }
        })+
    };
}

pretrained! {
    Bert, "", &["pooler."];
    BertForMaskedLm, "bert.", &["predictions."];
    BertForSequenceClassification, "bert.", &["bert.pooler.", "classifier."];
    BertForTokenClassification, "bert.", &["classifier."];
}
