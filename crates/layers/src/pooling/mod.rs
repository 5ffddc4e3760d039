//! Pooling of images: the largest or the mean of windows, with the meaning of
//! [`torch.nn.functional.max_pool2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html),
//! [`avg_pool2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html) and
//! [`adaptive_avg_pool2d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html).

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod portable;

use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// The windows of a pool; the pairs are height and width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool2dOptions {
    /// Pixels of a window.
    pub kernel: [usize; 2],
    /// Pixels from one window to the next.
    pub stride: [usize; 2],
    /// Pixels on each of the two sides that windows may reach beyond the image, at most half a window. Default: 0.
    #[serde(default)]
    pub padding: [usize; 2],
}

impl Pool2dOptions {
    /// Windows side by side.
    pub fn new(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: kernel, padding: [0; 2] }
    }

    fn check(&self, size: [usize; 2]) {
        let Self { kernel, stride, padding } = self;
        for axis in 0..2 {
            assert!(kernel[axis] > 0 && stride[axis] > 0, "pool: a kernel or a stride of 0");
            assert!(2 * padding[axis] <= kernel[axis], "pool: a padding of more than half a window");
            assert!(kernel[axis] <= size[axis] + 2 * padding[axis], "pool: a window that is larger than the image");
        }
    }
}

/// The largest number of each window; what lies beyond the image counts as -∞. The gradient goes to the first of several
/// largest.
///
/// # Shapes
/// - input: `[batch, channels, height, width]`
/// - output: `[batch, channels, (height + 2 · padding - kernel) / stride + 1, ..]`
///
/// # Panics
/// When a window is empty or larger than the padded image, a stride is 0, or the padding is more than half a window.
pub fn max_pool2d<B: Backend>(input: Tensor<B, 4>, options: &Pool2dOptions) -> Tensor<B, 4> {
    options.check(size(&input));
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input) {
        return kernel::max_pool2d(input, options);
    }
    portable::max_pool2d(input, options)
}

/// The mean of each window. What lies beyond the image counts as zeros if `count_padding` (PyTorch's default), and else
/// not at all.
///
/// # Shapes
/// - as [`max_pool2d`]
///
/// # Panics
/// As [`max_pool2d`].
pub fn avg_pool2d<B: Backend>(input: Tensor<B, 4>, options: &Pool2dOptions, count_padding: bool) -> Tensor<B, 4> {
    options.check(size(&input));
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input) {
        return kernel::avg_pool2d(input, options, count_padding);
    }
    portable::avg_pool2d(input, options, count_padding)
}

/// The means of as many windows as the output has pixels, which cover the image as evenly as whole pixels can; `[1, 1]` is
/// the mean of each channel.
///
/// # Shapes
/// - input: `[batch, channels, height, width]`
/// - output: `[batch, channels, output_size[0], output_size[1]]`
///
/// # Panics
/// When the image or the output is empty.
pub fn adaptive_avg_pool2d<B: Backend>(input: Tensor<B, 4>, output_size: [usize; 2]) -> Tensor<B, 4> {
    assert!(output_size.iter().chain(&size(&input)).all(|&size| size > 0), "adaptive pool: of nothing or to nothing");
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&input) {
        return kernel::adaptive_avg_pool2d(input, output_size);
    }
    portable::adaptive_avg_pool2d(input, output_size)
}

fn size<B: Backend>(input: &Tensor<B, 4>) -> [usize; 2] {
    let [_, _, height, width] = input.dims();
    [height, width]
}
