//! Transposed convolution of images (channels first), with the meaning of
//! [`torch.nn.functional.conv_transpose2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv_transpose2d.html):
//! what a convolution's gradient does to the gradient of its output, as a layer that makes images larger.

pub mod module;

pub use module::{ConvTranspose2d, ConvTranspose2dConfig};

use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

#[cfg(any(feature = "ndarray", feature = "flex"))]
use super::kernel;
use super::portable;

/// Options of [`conv_transpose2d`]; the pairs are height and width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConvTranspose2dOptions {
    /// Pixels of the output from where the kernel is laid for one pixel of the input to where it is laid for the next. Default: 1.
    pub stride: [usize; 2],
    /// Pixels that are cut off on each of the two sides. Default: 0.
    pub padding: [usize; 2],
    /// Pixels that the output has more at its end. Less than the stride or the dilation. Default: 0.
    ///
    /// A convolution with a stride gives outputs of one size for inputs of several; this chooses among them.
    pub output_padding: [usize; 2],
    /// Pixels from one weight of the kernel to the next. Default: 1.
    pub dilation: [usize; 2],
    /// Parts into which the channels are divided; each part of the output sees its part of the input. Default: 1.
    pub groups: usize,
}

impl Default for ConvTranspose2dOptions {
    fn default() -> Self {
        Self { stride: [1; 2], padding: [0; 2], output_padding: [0; 2], dilation: [1; 2], groups: 1 }
    }
}

impl ConvTranspose2dOptions {
    /// Height and width of the output.
    ///
    /// # Panics
    /// When the padding cuts off everything, or the input is empty.
    pub fn output_size(&self, input: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            assert!(input[axis] > 0, "conv_transpose2d: an empty image");
            let covered = self.dilation[axis] * (kernel[axis] - 1) + 1;
            let whole = (input[axis] - 1) * self.stride[axis] + covered + self.output_padding[axis];
            let cut = 2 * self.padding[axis];
            assert!(cut < whole, "conv_transpose2d: a padding that cuts off {cut} pixels of {whole}");
            whole - cut
        })
    }
}

/// The convolution's transpose: the kernel is laid, times the value of each pixel of the input, on the output, and what lies on
/// each other is summed.
///
/// # Shapes
/// - input: `[batch, channels_in, height, width]`
/// - weight: `[channels_in, channels_out / groups, kernel_height, kernel_width]`
/// - bias: `[channels_out]`
/// - output: `[batch, channels_out, (height - 1) · stride - 2 · padding + dilation · (kernel_height - 1) + output_padding + 1, ..]`
///
/// # Panics
/// When the shapes disagree, the padding cuts off everything, an image is empty, the output's padding reaches the stride and the
/// dilation, or an option, a size of the kernel or a number of channels is 0.
pub fn conv_transpose2d<B: Backend>(
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: &ConvTranspose2dOptions,
) -> Tensor<B, 4> {
    check_shapes(&input, &weight, &bias, options);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input, &weight, &bias) {
        return kernel::conv_transpose2d(input, weight, bias, options);
    }
    portable::conv_transpose2d(input, weight, bias, options)
}

fn check_shapes<B: Backend>(
    input: &Tensor<B, 4>,
    weight: &Tensor<B, 4>,
    bias: &Option<Tensor<B, 1>>,
    options: &ConvTranspose2dOptions,
) {
    let ConvTranspose2dOptions { stride, dilation, output_padding, groups, .. } = options;
    let [_, channels, image_height, image_width] = input.dims();
    let [inputs, outputs, height, width] = weight.dims();
    assert!(height > 0 && width > 0, "conv_transpose2d: an empty kernel");
    assert!(stride.iter().chain(dilation).all(|&step| step > 0), "conv_transpose2d: a stride or a dilation of 0");
    for axis in 0..2 {
        let (more, bound) = (output_padding[axis], stride[axis].max(dilation[axis]));
        assert!(more < bound, "conv_transpose2d: an output padding of {more}, which has to be less than {bound}");
    }
    assert!(*groups > 0, "conv_transpose2d: 0 groups");
    assert_eq!(channels, inputs, "conv_transpose2d: {channels} channels, the weight takes {inputs}");
    assert!(inputs > 0 && outputs > 0, "conv_transpose2d: no channels");
    assert!(inputs.is_multiple_of(*groups), "conv_transpose2d: {inputs} channels in {groups} groups");
    if let Some(bias) = bias {
        let [biases] = bias.dims();
        let outputs = outputs * groups;
        assert_eq!(biases, outputs, "conv_transpose2d: the bias has {biases} channels, the weight gives {outputs}");
    }
    options.output_size([image_height, image_width], [height, width]);
}
