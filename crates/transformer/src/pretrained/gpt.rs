//! GPT-2 and Llama of Hugging Face, and nanoGPT.

use burn::tensor::{TensorData, backend::Backend};
use state_dict::{LoadOutcome, StateDict};

use super::{
    Pretrained,
    names::{Table, first_rows, packed, renamed, transposed},
};
use crate::gpt::Gpt;

/// GPT-2's names, which nanoGPT and the decision transformer share.
pub(super) const GPT2: &Table = &[
    (".transformer.", "."),
    (".h.", ".blocks."),
    (".ln_1.", ".norm1."),
    (".ln_2.", ".norm2."),
    (".ln_f.", ".norm."),
    (".attn.c_attn.", ".attn.qkv."),
    (".attn.c_proj.", ".attn.proj."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
];

const LLAMA: &Table = &[
    (".model.", "."),
    (".embed_tokens.", ".wte."),
    (".layers.", ".blocks."),
    (".input_layernorm.", ".norm1."),
    (".post_attention_layernorm.", ".norm2."),
    (".self_attn.q_proj.", ".attn.q."),
    (".self_attn.k_proj.", ".attn.k."),
    (".self_attn.v_proj.", ".attn.v."),
    (".self_attn.o_proj.", ".attn.proj."),
    (".mlp.gate_proj.", ".mlp.gate."),
    (".mlp.up_proj.", ".mlp.up."),
    (".mlp.down_proj.", ".mlp.fc2."),
];

/// Tensors that are no weights: masks of GPT-2, and frequencies of Llama.
const NO_WEIGHTS: [&str; 3] = [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"];

/// The matrices of GPT-2, which Hugging Face stores as `[in, out]`.
const TRANSPOSED: [&str; 4] = [".attn.qkv.weight", ".attn.proj.weight", ".mlp.fc1.weight", ".mlp.fc2.weight"];

/// Exchanges rows and columns of Hugging Face's GPT-2. nanoGPT's lie as they should; which of the two a file is, the first matrix of
/// queries, keys and values says, which is three times as wide as high there.
pub(super) fn without_conv1d(mut tensors: StateDict) -> StateDict {
    let is_wide = |data: &TensorData| data.shape.len() == 2 && data.shape[1] == 3 * data.shape[0];
    let is_conv1d = tensors.iter().any(|(name, data)| name.ends_with(TRANSPOSED[0]) && is_wide(data));
    if is_conv1d {
        for (name, data) in &mut tensors {
            if TRANSPOSED.iter().any(|end| name.ends_with(end)) && data.shape.len() == 2 {
                *data = transposed(data);
            }
        }
    }
    tensors
}

impl<B: Backend> Pretrained<B> for Gpt<B> {
    const FAMILY: &'static str = "GPT";
    const HEADS: &'static [&'static str] = &[];

    fn adapt(&self, tensors: StateDict) -> StateDict {
        let mut tensors = renamed(tensors, &[GPT2, LLAMA].concat());
        tensors.retain(|name, _| !NO_WEIGHTS.iter().any(|end| name.ends_with(end)));
        let tensors = packed(without_conv1d(tensors), &[".attn.q.", ".attn.k.", ".attn.v."], ".attn.qkv.");
        let mut tensors = packed(tensors, &[".mlp.gate.", ".mlp.up."], ".mlp.fc1.");
        match (&self.lm_head, tensors.get("wte.weight"), tensors.get("lm_head.weight")) {
            // Files of models with tied weights often hold them twice.
            (None, Some(embedding), Some(head)) if embedding == head => {
                tensors.remove("lm_head.weight");
            }
            (Some(_), Some(embedding), None) => {
                tensors.insert("lm_head.weight".to_string(), embedding.clone());
            }
            _ => {}
        }
        tensors
    }

    fn fit(&self, name: &str, data: &TensorData, shape: &[usize]) -> Option<(TensorData, LoadOutcome)> {
        (name == "wpe.weight").then(|| cut_positions(data, shape)).flatten()
    }

    fn is_needed(&self, name: &str) -> bool {
        name == "lm_head.weight"
    }
}

/// Learned positions of a longer context, without the last.
pub(super) fn cut_positions(data: &TensorData, shape: &[usize]) -> Option<(TensorData, LoadOutcome)> {
    match (&data.shape[..], shape) {
        ([found, width], [wanted, own]) if found > wanted && width == own => {
            Some((first_rows(data, 0, *wanted), LoadOutcome::Cut))
        }
        _ => None,
    }
}
