//! PyTorch's `nn.Transformer`.

use burn::tensor::{TensorData, backend::Backend};
use state_dict::{LoadOutcome, StateDict};

use super::{
    Pretrained,
    gpt::cut_positions,
    names::{Table, renamed, unpacked},
};
use crate::seq2seq::Seq2Seq;

const NAMES: &Table = &[
    (".transformer.", "."),
    (".self_attn.in_proj_", ".attn.qkv."),
    (".self_attn.out_proj.", ".attn.proj."),
    (".multihead_attn.in_proj_", ".cross.qkv."),
    (".multihead_attn.out_proj.", ".cross.proj."),
    (".linear1.", ".mlp.fc1."),
    (".linear2.", ".mlp.fc2."),
];

impl<B: Backend> Pretrained<B> for Seq2Seq<B> {
    const FAMILY: &'static str = "encoder–decoder";
    const HEADS: &'static [&'static str] = &[];

    fn adapt(&self, tensors: StateDict) -> StateDict {
        let mut tensors = unpacked(renamed(tensors, NAMES), ".cross.qkv.", &[".cross.q.", ".cross.k.", ".cross.v."]);
        // PyTorch names a shared tensor once for each of its owners.
        let shared = [
            ("target_embedding.weight", "source_embedding.weight", self.target_embedding.is_none()),
            ("output.weight", "target_embedding.weight", self.output.is_none()),
            ("output.weight", "source_embedding.weight", self.output.is_none()),
        ];
        for (name, owner, is_shared) in shared {
            if is_shared && tensors.get(name).is_some_and(|data| tensors.get(owner) == Some(data)) {
                tensors.remove(name);
            }
        }
        tensors
    }

    fn fit(&self, name: &str, data: &TensorData, shape: &[usize]) -> Option<(TensorData, LoadOutcome)> {
        name.ends_with("_positions.weight").then(|| cut_positions(data, shape)).flatten()
    }

    fn is_needed(&self, name: &str) -> bool {
        ["output.weight", "target_embedding.weight"].contains(&name)
    }
}
