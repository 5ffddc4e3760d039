//! The convolution with its weights, under the names and in the layout of
//! [`torch.nn.Conv2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html).

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use super::{Conv2dOptions, conv2d};
use crate::initializer::{Fans, Initializer};

/// What a [`Conv2d`] is like.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2dConfig {
    /// Channels of the input and of the output.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Stride, padding, dilation and groups.
    pub options: Conv2dOptions,
    /// Whether each channel of the output has a number of its own that is added. Default: true.
    pub bias: bool,
    /// Where the weights come from. Default: PyTorch's.
    pub initializer: Initializer,
}

/// See the [module's page](self).
#[derive(Module, Debug)]
pub struct Conv2d<B: Backend> {
    /// `[channels_out, channels_in / groups, kernel_height, kernel_width]`
    pub weight: Param<Tensor<B, 4>>,
    /// `[channels_out]`
    pub bias: Option<Param<Tensor<B, 1>>>,
    /// Stride, padding, dilation and groups.
    #[module(skip)]
    pub options: Conv2dOptions,
}

impl Conv2dConfig {
    /// A convolution from `channels[0]` to `channels[1]` channels, with a bias, that moves by one pixel and pads nothing.
    pub fn new(channels: [usize; 2], kernel: [usize; 2]) -> Self {
        Self { channels, kernel, options: Conv2dOptions::default(), bias: true, initializer: Initializer::default() }
    }

    /// Sets the pixels from one position of the kernel to the next, down and across.
    pub fn with_stride(mut self, stride: usize) -> Self {
        self.options.stride = [stride; 2];
        self
    }

    /// Sets the zeros on each of the four sides.
    pub fn with_padding(mut self, padding: usize) -> Self {
        self.options.padding = [padding; 2];
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

    /// Draws the weights as torchvision's ResNet and VGG do: [`Initializer::KaimingNormalFanOut`].
    pub fn with_kaiming_normal_fan_out(self) -> Self {
        self.with_initializer(Initializer::KaimingNormalFanOut)
    }

    /// A convolution with random weights, drawn at this call.
    ///
    /// # Panics
    /// When a number of channels, a size of the kernel or the groups are 0, or the groups do not divide the channels.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Conv2d<B> {
        let Self { channels: [inputs, outputs], kernel: [height, width], options, .. } = self;
        let groups = options.groups;
        assert!(groups > 0 && inputs.is_multiple_of(groups), "Conv2d: {inputs} channels in {groups} groups");
        // As PyTorch counts: the outputs of all groups, though an input reaches those of its own only.
        let fans = Fans { fan_in: inputs / groups * height * width, fan_out: outputs * height * width };
        assert!(fans.fan_in > 0 && fans.fan_out > 0, "Conv2d: no channels or an empty kernel");
        let weight = self.initializer.weight([*outputs, inputs / groups, *height, *width], fans, device);
        let bias = self.bias.then(|| Param::from_tensor(self.initializer.bias(*outputs, fans, device)));
        Conv2d { weight: Param::from_tensor(weight), bias, options: options.clone() }
    }
}

impl<B: Backend> Conv2d<B> {
    /// [`conv2d`] with these weights.
    ///
    /// # Shapes
    /// - input: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, ..]`, see [`conv2d`]
    pub fn forward(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        conv2d(input, self.weight.val(), self.bias.as_ref().map(Param::val), &self.options)
    }
}
