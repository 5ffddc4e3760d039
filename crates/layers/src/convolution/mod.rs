//! Convolution of images (channels first), with the meaning of
//! [`torch.nn.functional.conv2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.conv2d.html).
//!
//! burn's backends leave the gradients to a generic formula that convolves with kernels as large as the image. The kernel
//! here is one algorithm for the output and both gradients: small matrix products of the weight and of patches of the
//! image, which are copied together just before they are used and so never leave the cache.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod module;
pub mod portable;
pub mod transposed;

pub use module::{Conv2d, Conv2dConfig};
pub use transposed::{ConvTranspose2d, ConvTranspose2dConfig, ConvTranspose2dOptions, conv_transpose2d};

use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// Options of [`conv2d`]; the pairs are height and width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conv2dOptions {
    /// Pixels from one position of the kernel to the next. Default: 1.
    pub stride: [usize; 2],
    /// Zeros on each of the two sides. Default: 0.
    pub padding: [usize; 2],
    /// Pixels from one weight of the kernel to the next. Default: 1.
    pub dilation: [usize; 2],
    /// Parts into which the channels are divided; each part of the output sees its part of the input. Default: 1.
    pub groups: usize,
}

impl Default for Conv2dOptions {
    fn default() -> Self {
        Self { stride: [1; 2], padding: [0; 2], dilation: [1; 2], groups: 1 }
    }
}

impl Conv2dOptions {
    /// Height and width of the output.
    ///
    /// # Panics
    /// When the kernel is larger than the padded input.
    pub fn output_size(&self, input: [usize; 2], kernel: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let padded = input[axis] + 2 * self.padding[axis];
            let covered = self.dilation[axis] * (kernel[axis] - 1) + 1;
            assert!(covered <= padded, "conv2d: a kernel that covers {covered} pixels on an input of {padded}");
            (padded - covered) / self.stride[axis] + 1
        })
    }
}

/// The cross-correlation of images with a bank of kernels.
///
/// # Shapes
/// - input: `[batch, channels_in, height, width]`
/// - weight: `[channels_out, channels_in / groups, kernel_height, kernel_width]`
/// - bias: `[channels_out]`
/// - output: `[batch, channels_out, (height + 2 · padding - dilation · (kernel_height - 1) - 1) / stride + 1, ..]`
///
/// # Panics
/// When the shapes disagree, the kernel is larger than the padded input, or an option, a size of the kernel or a number of
/// channels is 0.
pub fn conv2d<B: Backend>(
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: &Conv2dOptions,
) -> Tensor<B, 4> {
    check_shapes(&input, &weight, &bias, options);
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input, &weight, &bias) {
        return kernel::conv2d(input, weight, bias, options);
    }
    portable::conv2d(input, weight, bias, options)
}

fn check_shapes<B: Backend>(
    input: &Tensor<B, 4>,
    weight: &Tensor<B, 4>,
    bias: &Option<Tensor<B, 1>>,
    options: &Conv2dOptions,
) {
    let Conv2dOptions { stride, dilation, groups, .. } = options;
    let [_, channels, _, _] = input.dims();
    let [outputs, inputs, height, width] = weight.dims();
    assert!(height > 0 && width > 0, "conv2d: an empty kernel");
    assert!(stride.iter().chain(dilation).all(|&step| step > 0), "conv2d: a stride or a dilation of 0");
    assert!(*groups > 0, "conv2d: 0 groups");
    assert_eq!(channels, inputs * groups, "conv2d: {channels} channels, the weight takes {inputs} in {groups} groups");
    assert!(inputs > 0 && outputs > 0, "conv2d: no channels");
    assert!(outputs.is_multiple_of(*groups), "conv2d: {outputs} output channels in {groups} groups");
    if let Some(bias) = bias {
        let [biases] = bias.dims();
        assert_eq!(biases, outputs, "conv2d: the bias has {biases} channels, the weight gives {outputs}");
    }
}
