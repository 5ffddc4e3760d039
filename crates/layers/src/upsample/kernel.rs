//! Upsampling on the CPU, one pass over memory forward and one backward.

use crate::cpu::{
    CpuBackend, OnCpu, add_gradient, from_plain, from_tracked, into_plain, into_tracked, is_cpu, is_f32, on_cpu,
    threads,
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend};

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 14;

pub(super) fn takes<B: Backend>(input: &Tensor<B, 4>) -> bool {
    is_cpu::<B>() && is_f32(input)
}

pub(super) fn nearest<B: Backend>(input: Tensor<B, 4>, factor: usize) -> Tensor<B, 4> {
    let sizes = Sizes { input: input.dims(), factor };
    match on_cpu::<B, _>(Call { sizes, input }) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    input: [usize; 4],
    factor: usize,
}

impl Sizes {
    fn output(&self) -> [usize; 4] {
        let [batch, channels, height, width] = self.input;
        [batch, channels, height * self.factor, width * self.factor]
    }

    /// Rows of the input, and pixels of one.
    fn rows(&self) -> [usize; 2] {
        let [batch, channels, height, width] = self.input;
        [if width == 0 { 0 } else { batch * channels * height }, width]
    }

    fn forward(&self, input: &[f32]) -> Vec<f32> {
        let ([rows, width], factor) = (self.rows(), self.factor);
        let wide = width * factor;
        // A row of the input makes `factor` rows of the output.
        let length = wide * factor;
        let [output] = threads::new_rows(rows, length, GRAIN / length.max(1), |first, [output]| {
            let inputs = input[first * width..].chunks_exact(width);
            for (input, output) in inputs.zip(output.chunks_exact_mut(length)) {
                let (row, others) = output.split_at_mut(wide);
                spread(input, row, factor);
                others.chunks_exact_mut(wide).for_each(|other| other.copy_from_slice(row));
            }
        });
        output
    }

    /// The sum over each square.
    fn backward(&self, gradient: &[f32]) -> Vec<f32> {
        let ([rows, width], factor) = (self.rows(), self.factor);
        let wide = width * factor;
        let grain = GRAIN / (wide * factor).max(1);
        let [sums] = threads::new_rows(rows, width, grain, |first, [sums]| {
            let gradients = gradient[first * wide * factor..].chunks_exact(wide * factor);
            for (sums, gradient) in sums.chunks_exact_mut(width).zip(gradients) {
                gradient.chunks_exact(wide).for_each(|gradient| gather(gradient, sums, factor));
            }
        });
        sums
    }
}

/// Every number `factor` times.
fn spread(input: &[f32], output: &mut [f32], factor: usize) {
    if factor == 2 {
        // Of known length, so that the compiler takes several at a time; most factors are this one.
        output.as_chunks_mut::<2>().0.iter_mut().zip(input).for_each(|(pair, value)| *pair = [*value; 2]);
    } else {
        output.chunks_exact_mut(factor).zip(input).for_each(|(several, value)| several.fill(*value));
    }
}

/// Adds to each sum its next `factor` numbers.
fn gather(gradient: &[f32], sums: &mut [f32], factor: usize) {
    if factor == 2 {
        sums.iter_mut().zip(gradient.as_chunks::<2>().0).for_each(|(sum, [one, other])| *sum += one + other);
    } else {
        let several = gradient.chunks_exact(factor).map(|several| several.iter().sum::<f32>());
        sums.iter_mut().zip(several).for_each(|(sum, several)| *sum += several);
    }
}

struct Call<B: Backend> {
    sizes: Sizes,
    input: Tensor<B, 4>,
}

impl<B: Backend> OnCpu for Call<B> {
    type Output = Tensor<B, 4>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, 4> {
        let output = self.sizes.forward(&C::buffer(into_plain::<B, C, 4>(self.input)));
        from_plain::<B, C, 4>(C::tensor(output, self.sizes.output()))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, 4> {
        let input = into_tracked::<B, C, 4>(self.input);
        let output = C::tensor(self.sizes.forward(&C::buffer(input.primitive)), self.sizes.output());
        let output = match NearestBackward.prepare::<NoCheckpointing>([input.node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(self.sizes, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        from_tracked::<B, C, 4>(output)
    }
}

#[derive(Debug)]
struct NearestBackward;

impl<C: CpuBackend> Backward<C, 1> for NearestBackward {
    type State = Sizes;

    fn backward(self, ops: Ops<Sizes, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = C::buffer(grads.consume::<C>(&ops.node));
        let [parent] = ops.parents;
        if let Some(node) = parent {
            add_gradient::<C>(grads, node.id, C::tensor(ops.state.backward(&gradient), ops.state.input));
        }
    }
}
