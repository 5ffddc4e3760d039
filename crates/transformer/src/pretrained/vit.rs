//! Vision transformers of timm (and DeiT, which has the same names) and torchvision.

use burn::tensor::{TensorData, backend::Backend};
use state_dict::{LoadOutcome, StateDict};

use super::{
    Pretrained,
    names::{Table, renamed},
};
use crate::vit::{Interpolation, Vit, interpolate_positions};

const NAMES: &Table = &[
    (".fc_norm.", ".norm."),
    // torchvision's
    (".class_token.", ".cls_token."),
    (".conv_proj.", ".patch_embed.proj."),
    (".encoder.pos_embedding.", ".pos_embed."),
    (".encoder.layers.encoder_layer_", ".blocks."),
    (".encoder.ln.", ".norm."),
    (".ln_1.", ".norm1."),
    (".ln_2.", ".norm2."),
    (".self_attention.in_proj_", ".attn.qkv."),
    (".self_attention.out_proj.", ".attn.proj."),
    (".mlp.linear_1.", ".mlp.fc1."),
    (".mlp.linear_2.", ".mlp.fc2."),
    (".mlp.0.", ".mlp.fc1."),
    (".mlp.3.", ".mlp.fc2."),
    (".heads.head.", ".head."),
];

impl<B: Backend> Pretrained<B> for Vit<B> {
    const FAMILY: &'static str = "ViT";
    const HEADS: &'static [&'static str] = &["head."];

    fn adapt(&self, tensors: StateDict) -> StateDict {
        renamed(tensors, NAMES)
    }

    fn fit(&self, name: &str, data: &TensorData, shape: &[usize]) -> Option<(TensorData, LoadOutcome)> {
        match name {
            "pos_embed" => self.other_grid(data, shape),
            "patch_embed.proj.weight" => without_colour(data, shape),
            _ => None,
        }
    }
}

impl<B: Backend> Vit<B> {
    /// Positions of another grid.
    fn other_grid(&self, data: &TensorData, shape: &[usize]) -> Option<(TensorData, LoadOutcome)> {
        let ([1, found, width], [1, _, own]) = (&data.shape[..], shape) else { return None };
        let prefix = usize::from(self.cls_token.is_some());
        let patches = found.checked_sub(prefix)?;
        let from = patches.isqrt();
        if from == 0 || from * from != patches || width != own {
            return None;
        }
        let data = interpolate_positions(data.clone(), prefix, [from, self.grid()], Interpolation::Bicubic);
        Some((data, LoadOutcome::Interpolated))
    }
}

/// `[hidden, 3, height, width]` to `[hidden, 1, height, width]`, the sum over the channels.
fn without_colour(data: &TensorData, shape: &[usize]) -> Option<(TensorData, LoadOutcome)> {
    let ([hidden, 3, height, width], [own_hidden, 1, own_height, own_width]) = (&data.shape[..], shape) else {
        return None;
    };
    if [hidden, height, width] != [own_hidden, own_height, own_width] {
        return None;
    }
    let pixels = height * width;
    let values: Vec<f64> = data.iter::<f64>().collect();
    let kernels = values.chunks(3 * pixels);
    let sums = kernels.flat_map(|kernel| {
        (0..pixels).map(|pixel| (0..3).map(|channel| kernel[channel * pixels + pixel]).sum::<f64>())
    });
    Some((TensorData::new(sums.collect(), shape.to_vec()), LoadOutcome::SummedChannels))
}
