use burn::tensor::{Distribution, Tensor, backend::Backend};

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
    let device = branch.device();
    if probability == 0.0 || !B::ad_enabled(&device) {
        return branch;
    }
    if probability == 1.0 {
        return branch * 0.0;
    }
    let keep = 1.0 - probability;
    let mut shape = [1; D];
    shape[0] = branch.dims()[0];
    branch * (Tensor::random(shape, Distribution::Bernoulli(keep), &device) / keep)
}
