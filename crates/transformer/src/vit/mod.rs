//! Vision transformer ([Dosovitskiy et al. 2020](https://arxiv.org/abs/2010.11929)): an image as a sequence of square patches. The
//! sizes of DeiT are those of [Touvron et al. 2020](https://arxiv.org/abs/2012.12877).
//!
//! Parameters have the names of [timm](https://github.com/huggingface/pytorch-image-models/blob/main/timm/models/vision_transformer.py).

mod positions;
mod rollout;

pub use positions::{Interpolation, interpolate_positions};

use burn::{
    module::{Module, Param},
    tensor::{Distribution, Tensor, backend::Backend},
};
use layers::{
    convolution::{Conv2d, Conv2dConfig},
    dropout::Dropout,
    initializer::Initializer,
    projection::{Linear, LinearConfig},
};
use serde::{Deserialize, Serialize};

use crate::{
    attention::AttentionContext,
    block::{Block, BlockConfig},
    norm::Norm,
    sizes,
};

/// The architecture. Channels and classes are not part of it but of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct VitConfig {
    /// Height and width of images, a multiple of `patch_size`. In a config file it follows from the data. Default: 224.
    #[serde(skip)]
    pub image_size: usize,
    /// Height and width of a patch. Default: 16.
    pub patch_size: usize,
    /// Blocks, one on top of the other. Default: 12.
    pub num_layers: usize,
    /// Heads of attention in each block; they share out `hidden_size`. Default: 3.
    pub num_heads: usize,
    /// Length of a patch's vector. Default: 192.
    pub hidden_size: usize,
    /// Features in the middle of the feed-forward networks. Default: 0, which stands for four times `hidden_size`.
    pub feed_forward_size: usize,
    /// What the last layer sees of an image. Default: `class`.
    pub pooling: VitPooling,
    /// Probability of dropping a value in training: of the embedded patches, of attention's weights, and of what blocks add. Default:
    /// 0.
    pub dropout: f64,
    /// Probability of leaving out what the last block adds in training; it grows linearly over the blocks from 0 (stochastic depth,
    /// [Huang et al. 2016](https://arxiv.org/abs/1603.09382)). Default: 0.
    pub drop_path: f64,
    /// Keep the inputs of blocks alone for the backward pass, and compute each block again there (Chen et al. 2016, arXiv:1604.06174):
    /// memory grows by one activation a block rather than a dozen, for one more forward pass of the blocks. The results are the same.
    /// Default: false.
    pub activation_checkpointing: bool,
}

/// What the last layer sees of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VitPooling {
    /// A learned token beside the patches.
    #[default]
    Class,
    /// The mean of the patches; there is no token beside them.
    Mean,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Vit<B: Backend> {
    /// `[1, 1, hidden]`; none where patches are averaged.
    pub cls_token: Option<Param<Tensor<B, 3>>>,
    /// `[1, tokens, hidden]`: where a patch stands, row by row, after the class token where there is one.
    pub pos_embed: Param<Tensor<B, 3>>,
    /// From pixels to vectors.
    pub patch_embed: PatchEmbedding<B>,
    /// From bottom to top.
    pub blocks: Vec<Block<B>>,
    /// Of what the last layer sees.
    pub norm: Norm<B>,
    /// `[classes, hidden]`
    pub head: Linear<B>,
    dropout: Dropout,
}

/// A projection of each patch.
#[derive(Module, Debug)]
pub struct PatchEmbedding<B: Backend> {
    /// As large as a patch, and as far from one to the next.
    pub proj: Conv2d<B>,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self {
            image_size: 224,
            patch_size: 16,
            num_layers: 12,
            num_heads: 3,
            hidden_size: 192,
            feed_forward_size: 0,
            pooling: VitPooling::default(),
            dropout: 0.0,
            drop_path: 0.0,
            activation_checkpointing: false,
        }
    }
}

/// The standard deviation of weights before training.
const DEVIATION: f64 = 0.02;

impl VitConfig {
    /// 5,717,416 parameters for 3 channels and 1000 classes; the default.
    pub fn deit_tiny() -> Self {
        Self::default()
    }

    /// 22,050,664 parameters for 3 channels and 1000 classes.
    pub fn deit_small() -> Self {
        Self { num_heads: 6, hidden_size: 384, ..Self::default() }
    }

    /// ViT-B/16, and DeiT-base: 86,567,656 parameters for 3 channels and 1000 classes.
    pub fn vit_base() -> Self {
        Self { num_heads: 12, hidden_size: 768, ..Self::default() }
    }

    /// A small one for images of 32×32 pixels, such as CIFAR's: as wide as DeiT-tiny, 9 blocks, patches of 4×4 pixels.
    pub fn cifar() -> Self {
        Self { image_size: 32, patch_size: 4, num_layers: 9, ..Self::default() }
    }

    /// The values that can never work: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let needed = [
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
            ("hidden_size", self.hidden_size),
        ];
        sizes::at_least_one(&mut wrong, &needed);
        if self.patch_size > 0 && !self.image_size.is_multiple_of(self.patch_size) {
            let message = format!("must be a multiple of `patch_size` ({})", self.patch_size);
            wrong.push(("image_size", message));
        }
        sizes::heads(&mut wrong, ("hidden_size", self.hidden_size), self.num_heads);
        sizes::probabilities(&mut wrong, &[("dropout", self.dropout), ("drop_path", self.drop_path)]);
        wrong
    }

    /// A model with random weights, drawn at this call: from N(0, 0.02²), the embedding of patches as PyTorch draws convolutions; biases
    /// and the weights of the head are 0.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or there are no channels or classes.
    pub fn init<B: Backend>(&self, in_channels: usize, classes: usize, device: &B::Device) -> Vit<B> {
        let wrong = self.validate();
        assert!(wrong.is_empty(), "impossible model config: {wrong:?}");
        let Self { image_size, patch_size, num_layers, hidden_size, .. } = *self;
        let has_token = self.pooling == VitPooling::Class;
        let tokens = (image_size / patch_size).pow(2) + usize::from(has_token);
        let vectors = |count| {
            Param::from_tensor(Tensor::random([1, count, hidden_size], Distribution::Normal(0.0, DEVIATION), device))
        };
        let proj = Conv2dConfig::new([in_channels, hidden_size], [patch_size; 2]).with_stride(patch_size);
        Vit {
            cls_token: has_token.then(|| vectors(1)),
            pos_embed: vectors(tokens),
            patch_embed: PatchEmbedding { proj: proj.init(device) },
            blocks: (0..num_layers).map(|index| self.block(index).init(device)).collect(),
            norm: self.block(0).norm(device),
            head: head(hidden_size, classes, device),
            dropout: Dropout::new(self.dropout),
        }
    }

    fn block(&self, index: usize) -> BlockConfig {
        let last = self.num_layers.saturating_sub(1).max(1);
        BlockConfig {
            feed_forward_size: if self.feed_forward_size == 0 { 4 * self.hidden_size } else { self.feed_forward_size },
            norm_epsilon: 1e-6,
            dropout: self.dropout,
            activation_checkpointing: self.activation_checkpointing,
            drop_path: self.drop_path * index as f64 / last as f64,
            initializer: Initializer::Normal(DEVIATION),
            residual_initializer: Initializer::Normal(DEVIATION),
            ..BlockConfig::new(self.hidden_size, self.num_heads)
        }
    }
}

fn head<B: Backend>(hidden_size: usize, classes: usize, device: &B::Device) -> Linear<B> {
    LinearConfig::new(hidden_size, classes).with_initializer(Initializer::Normal(0.0)).init(device)
}

impl<B: Backend> Vit<B> {
    /// One logit a class for each image.
    ///
    /// # Shapes
    /// - images: `[batch, in_channels, image_size, image_size]`
    /// - logits: `[batch, classes]`
    ///
    /// # Panics
    /// When the images are of another size.
    pub fn forward(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        self.classify(self.pooled(self.forward_features(images)))
    }

    /// What the last block makes of each token.
    ///
    /// # Shapes
    /// - images: `[batch, in_channels, image_size, image_size]`
    /// - features: `[batch, tokens, hidden]`: of the class token where there is one, then of the patches row by row
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_features(&self, images: Tensor<B, 4>) -> Tensor<B, 3> {
        let context = AttentionContext::default();
        self.blocks.iter().fold(self.embed(images), |features, block| block.forward(features, &context))
    }

    /// What the last layer sees: the class token, or the mean of the patches, normalised.
    ///
    /// # Shapes
    /// - features: `[batch, tokens, hidden]`
    /// - output: `[batch, hidden]`
    pub fn pooled(&self, features: Tensor<B, 3>) -> Tensor<B, 2> {
        let pooled = match self.cls_token {
            Some(_) => features.narrow(1, 0, 1),
            None => features.mean_dim(1),
        };
        self.norm.forward(pooled.squeeze_dim::<2>(1))
    }

    /// The last layer.
    ///
    /// # Shapes
    /// - pooled: `[batch, hidden]`
    /// - logits: `[batch, classes]`
    pub fn classify(&self, pooled: Tensor<B, 2>) -> Tensor<B, 2> {
        self.head.forward(pooled)
    }

    /// Puts a new last layer, of zeros, in the place of the old one.
    ///
    /// # Panics
    /// When there are no classes.
    pub fn reset_head(&mut self, classes: usize) {
        self.head = head(self.num_features(), classes, &self.head.weight.val().device());
    }

    /// Makes the model one for images of another size, whose patches are as large as before: learned positions are interpolated.
    ///
    /// # Panics
    /// When the size is no multiple of that of a patch.
    pub fn resize(&mut self, image_size: usize, interpolation: Interpolation) {
        let patch_size = self.patch_size();
        assert!(image_size >= patch_size && image_size.is_multiple_of(patch_size), "no whole patches of {patch_size}");
        let (prefix, from, to) = (self.prefix(), self.grid(), image_size / patch_size);
        let (id, positions, mapper) = self.pos_embed.clone().consume();
        let (device, is_trained) = (positions.device(), positions.is_require_grad());
        let data = interpolate_positions(positions.into_data(), prefix, [from, to], interpolation);
        let positions = Tensor::from_data(data.convert::<B::FloatElem>(), &device).set_require_grad(is_trained);
        self.pos_embed = Param::from_mapped_value(id, positions, mapper);
    }

    /// Numbers that the last layer sees of an image.
    pub fn num_features(&self) -> usize {
        self.head.weight.dims()[1]
    }

    /// Patches across, and as many down.
    pub fn grid(&self) -> usize {
        (self.pos_embed.dims()[1] - self.prefix()).isqrt()
    }

    fn patch_size(&self) -> usize {
        self.patch_embed.proj.weight.dims()[2]
    }

    /// Tokens before those of the patches.
    fn prefix(&self) -> usize {
        usize::from(self.cls_token.is_some())
    }

    /// `[batch, in_channels, image_size, image_size]` to `[batch, tokens, hidden]`
    fn embed(&self, images: Tensor<B, 4>) -> Tensor<B, 3> {
        let [batch, _, height, width] = images.dims();
        let side = self.grid() * self.patch_size();
        assert!([height, width] == [side; 2], "images of {height}×{width} pixels for a model for {side}×{side}");
        let map = self.patch_embed.proj.forward(images); // [batch, hidden, grid, grid]
        let patches = map.flatten::<3>(2, 3).swap_dims(1, 2); // [batch, patches, hidden]
        let tokens = match &self.cls_token {
            Some(token) => {
                let [.., hidden] = patches.dims();
                Tensor::cat(vec![token.val().expand([batch, 1, hidden]), patches], 1)
            }
            None => patches,
        };
        self.dropout.forward(tokens + self.pos_embed.val())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_are_named() {
        let config = VitConfig { image_size: 30, num_heads: 5, dropout: 1.0, drop_path: 2.0, ..VitConfig::default() };
        let keys: Vec<_> = config.validate().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["image_size", "hidden_size", "dropout", "drop_path"]);
        assert!(VitConfig::default().validate().is_empty());
    }
}
