//! The U-Net that sees the image behind the noise ([Ho et al. 2020](https://arxiv.org/abs/2006.11239), appendix B, after
//! [their code](https://github.com/hojonathanho/diffusion/blob/master/diffusion_tf/models/unet.py)): residual blocks at several
//! resolutions, attention at the coarse ones, and what was seen on the way down shown again on the way up. The step is a sinusoid that
//! every block is told.
//!
//! Deviations: the sinusoids' frequencies end just above 1/10000, as in the transformer's positions, and not at it. A class, where there is one, is added to what blocks are told of the step, as in
//! [Dhariwal and Nichol 2021](https://arxiv.org/abs/2105.05233); one more row of that table stands for "no class"
//! ([Ho and Salimans 2022](https://arxiv.org/abs/2207.12598)).

use burn::{
    module::{Module, Param},
    tensor::{Distribution, Int, Tensor, backend::Backend},
};
use layers::{
    activation::silu,
    attention::dot_product::{AttentionBias, DotProductAttention, self_attention},
    convolution::{Conv2d, Conv2dConfig},
    dropout::Dropout,
    embedding::embedding,
    initializer::Initializer,
    norm::{GroupNorm, GroupNormConfig},
    projection::{Linear, LinearConfig},
    upsample::nearest,
};
use serde::{Deserialize, Serialize};

/// The architecture. What belongs to the data is set by whoever knows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UNetConfig {
    /// Height and width of images; halved from level to level. In a config file it follows from the data. Default: 32.
    #[serde(skip)]
    pub image_size: usize,
    /// Channels of images. In a config file it follows from the data. Default: 3.
    #[serde(skip)]
    pub image_channels: usize,
    /// Classes that an image may be asked for. In a config file it follows from the data. Default: 0, which is none.
    #[serde(skip)]
    pub classes: usize,
    /// Height and width of the squares of pixels that the first level sees as one place: 2 takes a quarter of the work, and draws less finely
    /// ([Hoogeboom et al. 2023](https://arxiv.org/abs/2301.11093)). Default: 1.
    pub patch_size: usize,
    /// Channels at the first level. Default: 64.
    pub base_channels: usize,
    /// A level each: how many times `base_channels` it has. Default: 1, 2, 2.
    pub channel_multipliers: Vec<usize>,
    /// Residual blocks of a level on the way down; on the way up there is one more. Default: 2.
    pub num_res_blocks: usize,
    /// Heights, in places, at which every block is followed by attention; in the middle there always is. Default: none.
    pub attention_resolutions: Vec<usize>,
    /// Heads of attention. Default: 4.
    pub num_heads: usize,
    /// Groups of channels that are normalised together. Default: 8.
    pub norm_groups: usize,
    /// Probability of dropping a number before the second convolution of a block in training. Default: 0.
    pub dropout: f64,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct UNet<B: Backend> {
    /// From the sinusoid of the step.
    pub time1: Linear<B>,
    /// To what blocks are told.
    pub time2: Linear<B>,
    /// `[classes + 1, 4 · base]`, the last row for no class; none where images have no classes.
    pub classes: Option<Param<Tensor<B, 2>>>,
    /// From the image.
    pub conv_in: Conv2d<B>,
    /// From fine to coarse.
    pub down: Vec<DownLevel<B>>,
    /// The coarsest.
    pub middle1: ResBlock<B>,
    /// Between the two.
    pub middle_attention: AttentionBlock<B>,
    /// The coarsest.
    pub middle2: ResBlock<B>,
    /// From coarse to fine.
    pub up: Vec<UpLevel<B>>,
    /// Before the last convolution.
    pub norm_out: GroupNorm<B>,
    /// To the image.
    pub conv_out: Conv2d<B>,
    #[module(skip)]
    patch_size: usize,
}

/// A level on the way down.
#[derive(Module, Debug)]
pub struct DownLevel<B: Backend> {
    /// One after the other.
    pub blocks: Vec<ResBlock<B>>,
    /// One after each block, or none.
    pub attentions: Vec<AttentionBlock<B>>,
    /// To half the height and width; none at the coarsest level.
    pub downsample: Option<Conv2d<B>>,
}

/// A level on the way up.
#[derive(Module, Debug)]
pub struct UpLevel<B: Backend> {
    /// One after the other, each shown what was seen at its place on the way down.
    pub blocks: Vec<ResBlock<B>>,
    /// One after each block, or none.
    pub attentions: Vec<AttentionBlock<B>>,
    /// Behind the doubling of height and width; none at the finest level.
    pub upsample: Option<Conv2d<B>>,
}

/// Two convolutions and a way around them.
#[derive(Module, Debug)]
pub struct ResBlock<B: Backend> {
    /// Of the input.
    pub norm1: GroupNorm<B>,
    /// 3×3.
    pub conv1: Conv2d<B>,
    /// From what blocks are told of step and class.
    pub time: Linear<B>,
    /// Of what the first convolution gave.
    pub norm2: GroupNorm<B>,
    /// 3×3.
    pub conv2: Conv2d<B>,
    /// 1×1, where the channels change.
    pub shortcut: Option<Conv2d<B>>,
    dropout: Dropout,
}

/// Attention between all places of an image, added to it.
#[derive(Module, Debug)]
pub struct AttentionBlock<B: Backend> {
    /// Of the input.
    pub norm: GroupNorm<B>,
    /// `[3 · channels, channels]`
    pub qkv: Linear<B>,
    /// `[channels, channels]`
    pub proj: Linear<B>,
    #[module(skip)]
    heads: usize,
}

/// What begins as 0, so that a block begins as the identity and the network by saying nothing.
const ZEROS: Initializer = Initializer::Normal(0.0);

impl Default for UNetConfig {
    fn default() -> Self {
        Self {
            image_size: 32,
            image_channels: 3,
            classes: 0,
            patch_size: 1,
            base_channels: 64,
            channel_multipliers: vec![1, 2, 2],
            num_res_blocks: 2,
            attention_resolutions: Vec::new(),
            num_heads: 4,
            norm_groups: 8,
            dropout: 0.0,
        }
    }
}

impl UNetConfig {
    /// The values that can never work, whatever the images: the key, and what is allowed.
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut check = |holds: bool, key: &'static str, message: String| {
            if !holds {
                wrong.push((key, message));
            }
        };
        let Self { base_channels, norm_groups, num_heads, .. } = *self;
        for (key, value) in [
            ("patch_size", self.patch_size),
            ("base_channels", base_channels),
            ("num_res_blocks", self.num_res_blocks),
            ("num_heads", num_heads),
            ("norm_groups", norm_groups),
        ] {
            check(value > 0, key, "must be at least 1".into());
        }
        let levels = &self.channel_multipliers;
        check(!levels.is_empty(), "channel_multipliers", "is empty; give a number a level, such as [1, 2, 2]".into());
        check(!levels.contains(&0), "channel_multipliers", "must be at least 1 each".into());
        if norm_groups > 0 && num_heads > 0 {
            let divides = |by: usize| base_channels.is_multiple_of(by);
            check(divides(norm_groups), "norm_groups", format!("must divide `base_channels`, {base_channels}"));
            check(divides(num_heads), "num_heads", format!("must divide `base_channels`, {base_channels}"));
        }
        check((0.0..1.0).contains(&self.dropout), "dropout", "must be at least 0 and below 1".into());
        wrong
    }

    /// What height and width of images have to be a multiple of, so that each level has half of the one before.
    pub fn size_multiple(&self) -> usize {
        self.patch_size << (self.channel_multipliers.len().max(1) - 1)
    }

    /// The height of each level in places, from fine to coarse.
    ///
    /// # Panics
    /// When `patch_size` is 0.
    pub fn sides(&self) -> Vec<usize> {
        (0..self.channel_multipliers.len()).map(|level| (self.image_size / self.patch_size) >> level).collect()
    }

    /// A network with random weights, drawn at this call.
    ///
    /// # Panics
    /// When [`validate`](Self::validate) finds something, or the height of images is no multiple of
    /// [`size_multiple`](Self::size_multiple).
    pub fn init<B: Backend>(&self, device: &B::Device) -> UNet<B> {
        let (base, levels) = (self.base_channels, &self.channel_multipliers);
        let image_size = self.image_size;
        assert!(self.validate().is_empty(), "UNet: {:?}", self.validate());
        assert!(
            image_size.is_multiple_of(self.size_multiple()),
            "UNet: {} levels of {image_size} pixels",
            levels.len()
        );
        let told = 4 * base;
        let time1 = linear([base, told], Initializer::XavierUniform, device);
        let time2 = linear([told, told], Initializer::XavierUniform, device);
        let classes = (self.classes > 0).then(|| {
            Param::from_tensor(Tensor::random([self.classes + 1, told], Distribution::Normal(0.0, 1.0), device))
        });
        let pixels = self.image_channels * self.patch_size.pow(2);
        let conv_in = convolution([pixels, base], 1, Initializer::XavierUniform, device);

        let mut channels = base;
        // What the way up is shown, the last first.
        let mut shown = vec![base];
        let mut down = Vec::new();
        for (level, multiplier) in levels.iter().enumerate() {
            let mut blocks = Vec::new();
            for _ in 0..self.num_res_blocks {
                blocks.push(self.block([channels, base * multiplier], device));
                channels = base * multiplier;
                shown.push(channels);
            }
            let downsample = (level + 1 < levels.len()).then(|| {
                shown.push(channels);
                convolution([channels, channels], 2, Initializer::XavierUniform, device)
            });
            let attentions = self.attentions(level, channels, blocks.len(), device);
            down.push(DownLevel { blocks, attentions, downsample });
        }
        let middle1 = self.block([channels, channels], device);
        let middle_attention = self.attention(channels, device);
        let middle2 = self.block([channels, channels], device);
        let mut up = Vec::new();
        for (level, multiplier) in levels.iter().enumerate().rev() {
            let mut blocks = Vec::new();
            for _ in 0..=self.num_res_blocks {
                let beside = shown.pop().expect("as many as were pushed");
                blocks.push(self.block([channels + beside, base * multiplier], device));
                channels = base * multiplier;
            }
            let attentions = self.attentions(level, channels, blocks.len(), device);
            let upsample =
                (level > 0).then(|| convolution([channels, channels], 1, Initializer::XavierUniform, device));
            up.push(UpLevel { blocks, attentions, upsample });
        }
        UNet {
            time1,
            time2,
            classes,
            conv_in,
            down,
            middle1,
            middle_attention,
            middle2,
            up,
            norm_out: self.norm(channels, device),
            conv_out: convolution([channels, pixels], 1, ZEROS, device),
            patch_size: self.patch_size,
        }
    }

    fn norm<B: Backend>(&self, channels: usize, device: &B::Device) -> GroupNorm<B> {
        GroupNormConfig::new(self.norm_groups, channels).init(device)
    }

    fn block<B: Backend>(&self, [input, output]: [usize; 2], device: &B::Device) -> ResBlock<B> {
        let shortcut = || Conv2dConfig::new([input, output], [1, 1]).with_initializer(Initializer::XavierUniform);
        ResBlock {
            norm1: self.norm(input, device),
            conv1: convolution([input, output], 1, Initializer::XavierUniform, device),
            time: linear([4 * self.base_channels, output], Initializer::XavierUniform, device),
            norm2: self.norm(output, device),
            conv2: convolution([output, output], 1, ZEROS, device),
            shortcut: (input != output).then(|| shortcut().init(device)),
            dropout: Dropout::new(self.dropout),
        }
    }

    fn attention<B: Backend>(&self, channels: usize, device: &B::Device) -> AttentionBlock<B> {
        AttentionBlock {
            norm: self.norm(channels, device),
            qkv: linear([channels, 3 * channels], Initializer::XavierUniform, device),
            proj: linear([channels, channels], ZEROS, device),
            heads: self.num_heads,
        }
    }

    fn attentions<B: Backend>(
        &self,
        level: usize,
        channels: usize,
        count: usize,
        device: &B::Device,
    ) -> Vec<AttentionBlock<B>> {
        let attends = self.attention_resolutions.contains(&self.sides()[level]);
        (0..if attends { count } else { 0 }).map(|_| self.attention(channels, device)).collect()
    }
}

fn convolution<B: Backend>(
    channels: [usize; 2],
    stride: usize,
    initializer: Initializer,
    device: &B::Device,
) -> Conv2d<B> {
    let config = Conv2dConfig::new(channels, [3, 3]).with_stride(stride).with_padding(1);
    config.with_initializer(initializer).init(device)
}

fn linear<B: Backend>([inputs, outputs]: [usize; 2], initializer: Initializer, device: &B::Device) -> Linear<B> {
    LinearConfig::new(inputs, outputs).with_initializer(initializer).init(device)
}

impl<B: Backend> UNet<B> {
    /// What the network says of noised images.
    ///
    /// # Shapes
    /// - images: `[batch, image_channels, image_size, image_size]`
    /// - timesteps: `[batch]`
    /// - classes: `[batch]`, in `0..=classes`, the last of which is no class; left out, no image has one
    /// - output: as the images
    ///
    /// # Panics
    /// When a class is asked of a network that knows none.
    pub fn forward(
        &self,
        images: Tensor<B, 4>,
        timesteps: Tensor<B, 1, Int>,
        classes: Option<Tensor<B, 1, Int>>,
    ) -> Tensor<B, 4> {
        let told = self.told(timesteps, classes);
        let mut hidden = self.conv_in.forward(patches(images, self.patch_size));
        let mut seen = vec![hidden.clone()];
        for level in &self.down {
            for (index, block) in level.blocks.iter().enumerate() {
                hidden = attended(block.forward(hidden, told.clone()), level.attentions.get(index));
                seen.push(hidden.clone());
            }
            if let Some(downsample) = &level.downsample {
                hidden = downsample.forward(hidden);
                seen.push(hidden.clone());
            }
        }
        hidden = self.middle1.forward(hidden, told.clone());
        hidden = self.middle_attention.forward(hidden);
        hidden = self.middle2.forward(hidden, told.clone());
        for level in &self.up {
            for (index, block) in level.blocks.iter().enumerate() {
                let beside = seen.pop().expect("the way up has a block for each");
                // [batch, channels + channels seen, height, width]
                hidden = Tensor::cat(vec![hidden, beside], 1);
                hidden = attended(block.forward(hidden, told.clone()), level.attentions.get(index));
            }
            if let Some(upsample) = &level.upsample {
                hidden = upsample.forward(nearest(hidden, 2));
            }
        }
        pixels(self.conv_out.forward(silu(self.norm_out.forward(hidden))), self.patch_size)
    }

    /// What blocks are told of step and class: `[batch, 4 · base]`, behind an activation, since every block would begin with one.
    fn told(&self, timesteps: Tensor<B, 1, Int>, classes: Option<Tensor<B, 1, Int>>) -> Tensor<B, 2> {
        let [_, base] = self.time1.weight.dims();
        let [batch] = timesteps.dims();
        let time = self.time1.forward(sinusoids(timesteps, base));
        let mut told = self.time2.forward(silu(time));
        if let Some(table) = &self.classes {
            let [rows, width] = table.dims();
            let device = told.device();
            let classes = classes.unwrap_or_else(|| Tensor::full([batch], rows as i64 - 1, &device));
            // [batch, 1, width] to [batch, width]
            told = told + embedding(table.val(), classes.reshape([batch, 1])).reshape([batch, width]);
        } else {
            assert!(classes.is_none(), "UNet: a class for a network without classes");
        }
        silu(told)
    }
}

/// Sines and cosines of a step, with wave lengths from 2π to 20000π: `[batch, size]`
fn sinusoids<B: Backend>(timesteps: Tensor<B, 1, Int>, size: usize) -> Tensor<B, 2> {
    let (half, [batch]) = (size.div_ceil(2), timesteps.dims());
    let device = timesteps.device();
    let exponents = Tensor::<B, 1, Int>::arange(0..half as i64, &device).float() * (-(10_000_f64.ln()) / half as f64);
    let angles = timesteps.float().reshape([batch, 1]) * exponents.exp().reshape([1, half]);
    // [batch, 2 · half]; an odd size has no last cosine.
    Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1).narrow(1, 0, size)
}

/// Each square of pixels as the channels of one place, as
/// [`torch.nn.PixelUnshuffle`](https://docs.pytorch.org/docs/stable/generated/torch.nn.PixelUnshuffle.html) orders them:
/// `[batch, channels, height, width]` to `[batch, channels · size², height / size, width / size]`
fn patches<B: Backend>(images: Tensor<B, 4>, size: usize) -> Tensor<B, 4> {
    if size == 1 {
        return images;
    }
    let [batch, channels, height, width] = images.dims();
    let (rows, columns) = (height / size, width / size);
    let squares = images.reshape([batch, channels, rows, size, columns, size]).permute([0, 1, 3, 5, 2, 4]);
    squares.reshape([batch, channels * size * size, rows, columns])
}

/// Back from [`patches`].
fn pixels<B: Backend>(patches: Tensor<B, 4>, size: usize) -> Tensor<B, 4> {
    if size == 1 {
        return patches;
    }
    let [batch, channels, rows, columns] = patches.dims();
    let channels = channels / (size * size);
    let squares = patches.reshape([batch, channels, size, size, rows, columns]).permute([0, 1, 4, 2, 5, 3]);
    squares.reshape([batch, channels, rows * size, columns * size])
}

fn attended<B: Backend>(hidden: Tensor<B, 4>, attention: Option<&AttentionBlock<B>>) -> Tensor<B, 4> {
    match attention {
        Some(attention) => attention.forward(hidden),
        None => hidden,
    }
}

impl<B: Backend> ResBlock<B> {
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]`
    /// - told: `[batch, 4 · base]`
    /// - output: `[batch, channels_out, height, width]`
    pub fn forward(&self, input: Tensor<B, 4>, told: Tensor<B, 2>) -> Tensor<B, 4> {
        let hidden = self.conv1.forward(silu(self.norm1.forward(input.clone())));
        let [batch, channels, ..] = hidden.dims();
        let hidden = hidden + self.time.forward(told).reshape([batch, channels, 1, 1]);
        let hidden = self.dropout.forward(silu(self.norm2.forward(hidden)));
        let around = match &self.shortcut {
            Some(shortcut) => shortcut.forward(input),
            None => input,
        };
        around + self.conv2.forward(hidden)
    }
}

impl<B: Backend> AttentionBlock<B> {
    /// # Shapes
    /// - input and output: `[batch, channels, height, width]`
    pub fn forward(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let [batch, channels, height, width] = input.dims();
        // [batch, places, channels]
        let places = self.norm.forward(input.clone()).reshape([batch, channels, height * width]).swap_dims(1, 2);
        let options = DotProductAttention::new(self.heads);
        let seen = self_attention(self.qkv.forward(places), &AttentionBias::default(), &options);
        let added = self.proj.forward(seen).swap_dims(1, 2).reshape([batch, channels, height, width]);
        input + added
    }
}
