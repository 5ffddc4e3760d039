//! What residual networks share: how a branch joins its shortcut, with stochastic depth ([Huang et al.
//! 2016](https://arxiv.org/abs/1603.09382)).

use burn::tensor::{Tensor, backend::Backend};
use layers::{activation::relu, batch_norm::BatchNorm, dropout};

/// The probability of leaving out the branch of block `block` (from 0) of `blocks`: it grows by the same step from block to block,
/// up to that of the last.
pub(crate) fn drop_path_rate(block: usize, blocks: usize, last: f64) -> f64 {
    last * (block + 1) as f64 / blocks as f64
}

/// The rectified sum of the normalised branch and the shortcut. In training, the branch of each image is left out with probability
/// `drop_path`, and counts the more where it is not.
///
/// # Shapes
/// - branch, shortcut, output: `[batch, channels, height, width]`
pub(crate) fn join<B: Backend>(
    norm: &BatchNorm<B>,
    branch: Tensor<B, 4>,
    shortcut: Tensor<B, 4>,
    drop_path: f64,
) -> Tensor<B, 4> {
    if drop_path == 0.0 || !B::ad_enabled(&branch.device()) {
        return norm.forward(branch, Some(shortcut), true);
    }
    relu(dropout::drop_path(norm.forward(branch, None, false), drop_path) + shortcut)
}
