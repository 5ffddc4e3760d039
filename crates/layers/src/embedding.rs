//! Embedding lookups, and what tells positions apart.

mod positions;

pub use positions::sinusoidal_positions;

use burn::tensor::{Int, Tensor, backend::Backend};

/// The rows of `weight` that `indices` name. The gradient of the weight is dense, as PyTorch's is by default.
///
/// # Shapes
/// - weight: `[vocabulary, features]`
/// - indices: `[batch, time]`, in `0..vocabulary`
/// - output: `[batch, time, features]`
///
/// # Panics
/// When an index is not in the vocabulary (on the CPU backends, which can look).
pub fn embedding<B: Backend>(weight: Tensor<B, 2>, indices: Tensor<B, 2, Int>) -> Tensor<B, 3> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if crate::cpu::is_cpu::<B>() && crate::cpu::is_f32(&weight) {
        return kernel::embedding(weight, indices);
    }
    portable::embedding(weight, indices)
}

/// The lookup in plain tensor operations: the path of every backend and float type without a kernel, and the one that
/// can be differentiated more than once. Public so that tests can hold the kernels to it.
pub mod portable {
    use super::*;

    /// [`embedding`](super::embedding) in plain tensor operations.
    ///
    /// # Shapes
    /// As [`embedding`](super::embedding).
    pub fn embedding<B: Backend>(weight: Tensor<B, 2>, indices: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        let [_, features] = weight.dims();
        let [batch, time] = indices.dims();
        // Not burn's own embedding operation, which has no second derivative.
        weight.select(0, indices.reshape([batch * time])).reshape([batch, time, features])
    }
}

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel {
    use crate::cpu::{
        CpuBackend, OnCpu, add_gradient, from_plain, from_tracked, into_plain, into_tracked, on_cpu,
        threads::{self, SharedSlice},
    };
    use crate::indices::checked;
    use burn::backend::autodiff::{
        checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    };
    use burn::tensor::{Int, Tensor, backend::Backend};

    pub(super) fn embedding<B: Backend>(weight: Tensor<B, 2>, indices: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        let [vocabulary, features] = weight.dims();
        let [batch, time] = indices.dims();
        let rows = checked(indices.into_data(), |index| {
            usize::try_from(index)
                .ok()
                .filter(|&row| row < vocabulary)
                .unwrap_or_else(|| panic!("embedding: index {index} is not in 0..{vocabulary}"))
        });
        let call = Embedding { weight, rows, shape: [batch, time, features] };
        match on_cpu::<B, _>(call) {
            Ok(output) => output,
            Err(_) => unreachable!("the caller asked whether the backend has a kernel"),
        }
    }

    struct Embedding<B: Backend> {
        weight: Tensor<B, 2>,
        rows: Vec<usize>,
        shape: [usize; 3],
    }

    fn gather(weight: &[f32], rows: &[usize], features: usize) -> Vec<f32> {
        let mut output = Vec::with_capacity(rows.len() * features);
        for row in rows {
            output.extend_from_slice(&weight[row * features..(row + 1) * features]);
        }
        output
    }

    /// Adds row `i` of `gradient` to row `rows[i]` of the result.
    ///
    /// The threads share out the features, not the rows: then every sum runs in the order of the rows whatever the
    /// number of threads, and no two of them write to one place.
    fn scatter(gradient: &[f32], rows: &[usize], [vocabulary, features]: [usize; 2]) -> Vec<f32> {
        let mut output = vec![0.0; vocabulary * features];
        if features == 0 {
            return output;
        }
        let shared = SharedSlice::new(&mut output);
        // A share narrower than this costs more in cache misses than the thread brings; and little work needs none.
        let grain = if gradient.len() < 1 << 15 { features } else { 64 };
        threads::split(features, grain, |share| {
            for (row, gradient) in rows.iter().zip(gradient.chunks_exact(features)) {
                let start = row * features;
                // SAFETY: shares do not overlap, so neither do the parts that two threads write to.
                let sum = unsafe { shared.slice_mut(start + share.start..start + share.end) };
                for (sum, value) in sum.iter_mut().zip(&gradient[share.clone()]) {
                    *sum += value;
                }
            }
        });
        output
    }

    impl<B: Backend> OnCpu for Embedding<B> {
        type Output = Tensor<B, 3>;

        fn plain<C: CpuBackend>(self) -> Tensor<B, 3> {
            let weight = C::buffer(into_plain::<B, C, 2>(self.weight));
            let output = gather(&weight, &self.rows, self.shape[2]);
            from_plain::<B, C, 3>(C::tensor(output, self.shape))
        }

        fn tracked<C: CpuBackend>(self) -> Tensor<B, 3> {
            let [vocabulary, features] = self.weight.dims();
            let weight = into_tracked::<B, C, 2>(self.weight);
            let output = gather(&C::buffer(weight.primitive), &self.rows, features);
            let output = C::tensor(output, self.shape);
            let output = match Lookup.prepare::<NoCheckpointing>([weight.node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish((self.rows, [vocabulary, features]), output),
                OpsKind::UnTracked(prep) => prep.finish(output),
            };
            from_tracked::<B, C, 3>(output)
        }
    }

    #[derive(Debug)]
    struct Lookup;

    impl<C: CpuBackend> Backward<C, 1> for Lookup {
        /// The rows that were looked up, and the weight's shape.
        type State = (Vec<usize>, [usize; 2]);

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
            let (rows, shape) = ops.state;
            let gradient = C::buffer(grads.consume::<C>(&ops.node));
            let [parent] = ops.parents;
            if let Some(node) = parent {
                let values = scatter(&gradient, &rows, shape);
                add_gradient::<C>(grads, node.id, C::tensor(values, shape));
            }
        }
    }
}
