use burn::tensor::{Tensor, backend::Backend};

/// Stochastic depth ([Huang et al. 2016](https://arxiv.org/abs/1603.09382)): in training, leaves out the branch of each batch
/// entry with this probability, and divides the others by the probability to stay. Without gradients, the branch.
///
/// # Shapes
/// - branch, output: `[batch, ..]`
///
/// # Panics
/// When the probability is none.
pub fn drop_path<B: Backend, const D: usize>(branch: Tensor<B, D>, probability: f64) -> Tensor<B, D> {
    const { assert!(D >= 1, "a branch has a batch") };
    super::check(probability);
    if probability == 0.0 || !B::ad_enabled(&branch.device()) {
        return branch;
    }
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if super::kernel::takes(&branch) {
        return super::kernel::drop_path(branch, probability);
    }
    super::portable::drop_path(branch, probability)
}
