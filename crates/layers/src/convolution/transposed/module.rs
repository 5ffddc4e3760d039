//! The transposed convolution with its weights, under the names and in the layout of
//! [`torch.nn.ConvTranspose2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.ConvTranspose2d.html).

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use super::{ConvTranspose2dOptions, conv_transpose2d};
use crate::initializer::{Fans, Initializer};

/// What a [`ConvTranspose2d`] is like.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose2dConfig {
    /// Channels of the input and of the output.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Stride, paddings, dilation and groups.
    pub options: ConvTranspose2dOptions,
    /// Whether each channel of the output has a number of its own that is added. Default: true.
    pub bias: bool,
    /// Where the weights come from. Default: PyTorch's, which counts the fans of a transposed convolution from its output: what it
    /// calls `fan_in` is `channels_out / groups · kernel_height · kernel_width`.
    pub initializer: Initializer,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct ConvTranspose2d<B: Backend> {
    /// `[channels_in, channels_out / groups, kernel_height, kernel_width]`
    pub weight: Param<Tensor<B, 4>>,
    /// `[channels_out]`
    pub bias: Option<Param<Tensor<B, 1>>>,
    /// Stride, paddings, dilation and groups.
    #[module(skip)]
    pub options: ConvTranspose2dOptions,
}

impl ConvTranspose2dConfig {
    /// A transposed convolution from `channels[0]` to `channels[1]` channels, with a bias, that moves by one pixel and cuts nothing
    /// off.
    pub fn new(channels: [usize; 2], kernel: [usize; 2]) -> Self {
        let options = ConvTranspose2dOptions::default();
        Self { channels, kernel, options, bias: true, initializer: Initializer::default() }
    }

    /// Sets the pixels of the output from one pixel of the input to the next, down and across.
    pub fn with_stride(mut self, stride: usize) -> Self {
        self.options.stride = [stride; 2];
        self
    }

    /// Sets the pixels that are cut off on each of the four sides.
    pub fn with_padding(mut self, padding: usize) -> Self {
        self.options.padding = [padding; 2];
        self
    }

    /// Sets the pixels that the output has more below and on the right.
    pub fn with_output_padding(mut self, output_padding: usize) -> Self {
        self.options.output_padding = [output_padding; 2];
        self
    }

    /// Sets the parts into which the channels are divided.
    pub fn with_groups(mut self, groups: usize) -> Self {
        self.options.groups = groups;
        self
    }

    /// Sets whether there is a bias.
    pub fn with_bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Sets where the weights come from.
    pub fn with_initializer(mut self, initializer: Initializer) -> Self {
        self.initializer = initializer;
        self
    }

    /// A transposed convolution with random weights, drawn at this call.
    ///
    /// # Panics
    /// When a number of channels, a size of the kernel or the groups are 0, or the groups do not divide the channels.
    pub fn init<B: Backend>(&self, device: &B::Device) -> ConvTranspose2d<B> {
        let Self { channels: [inputs, outputs], kernel: [height, width], options, .. } = self;
        let groups = options.groups;
        let divided = groups > 0 && inputs.is_multiple_of(groups) && outputs.is_multiple_of(groups);
        assert!(divided, "ConvTranspose2d: {inputs} and {outputs} channels in {groups} groups");
        let fans = Fans { fan_in: outputs / groups * height * width, fan_out: inputs * height * width };
        assert!(fans.fan_in > 0 && fans.fan_out > 0, "ConvTranspose2d: no channels or an empty kernel");
        let weight = self.initializer.weight([*inputs, outputs / groups, *height, *width], fans, device);
        let bias = self.bias.then(|| Param::from_tensor(self.initializer.bias(*outputs, fans, device)));
        ConvTranspose2d { weight: Param::from_tensor(weight), bias, options: options.clone() }
    }
}

impl<B: Backend> ConvTranspose2d<B> {
    /// [`conv_transpose2d`] with these weights.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, ..]`, see [`conv_transpose2d`]
    pub fn forward(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        conv_transpose2d(input, self.weight.val(), self.bias.as_ref().map(Param::val), &self.options)
    }
}
