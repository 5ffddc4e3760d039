//! Attention rollout ([Abnar and Zuidema 2020](https://arxiv.org/abs/2005.00928)): how much of each patch reaches the last layer.

use burn::tensor::{Tensor, backend::Backend};

use crate::attention::AttentionContext;

use super::Vit;

impl<B: Backend> Vit<B> {
    /// How much each token looks at each in every block, without dropout: for drawing.
    ///
    /// # Shapes
    /// - images: `[batch, in_channels, image_size, image_size]`
    /// - each: `[batch, heads, tokens, tokens]`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn attention_weights(&self, images: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        let context = AttentionContext::default();
        let mut features = self.embed(images);
        let mut weights = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            weights.push(block.attention_weights(features.clone(), &context));
            features = block.forward(features, &context);
        }
        weights
    }

    /// How much of each patch is in what the last layer sees, when attention is followed through all blocks: each passes on half of
    /// what its tokens look at, mean over heads, and half of the tokens themselves.
    ///
    /// # Shapes
    /// - images: `[batch, in_channels, image_size, image_size]`
    /// - output: `[batch, grid, grid]`: at least 0, and with mean pooling 1 in sum; the class token keeps a part for itself
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn attention_rollout(&self, images: Tensor<B, 4>) -> Tensor<B, 3> {
        let weights = self.attention_weights(images);
        let [batch, _, tokens, _] = weights[0].dims();
        let itself = Tensor::<B, 2>::eye(tokens, &weights[0].device()).unsqueeze_dim::<3>(0);
        let joint = weights.into_iter().fold(itself.clone().repeat_dim(0, batch), |joint, weights| {
            let mean = weights.mean_dim(1).squeeze_dim::<3>(1); // [batch, tokens, tokens]
            (mean * 0.5 + itself.clone() * 0.5).matmul(joint)
        });
        let (prefix, grid) = (self.prefix(), self.grid());
        let seen = if prefix == 1 { joint.narrow(1, 0, 1) } else { joint.mean_dim(1) }; // [batch, 1, tokens]
        seen.narrow(2, prefix, grid * grid).reshape([batch, grid, grid])
    }
}
