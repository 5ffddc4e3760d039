//! The convolution on the CPU as one operation with a backward pass of its own.
//!
//! Nothing is kept for the backward pass but the input and the weight: the patches are copied together again.

mod apply;
mod few;
mod patches;
mod sizes;
mod tile;
mod weight;

use super::Conv2dOptions;
use crate::cpu::{
    Buffer, CpuBackend, OnCpu, Tracked, add_gradient, from_plain, from_tracked, into_plain, into_tracked, is_cpu,
    is_f32, on_cpu, planes::channel_sums,
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend};
use sizes::Sizes;

pub(super) fn takes<B: Backend>(input: &Tensor<B, 4>, weight: &Tensor<B, 4>, bias: &Option<Tensor<B, 1>>) -> bool {
    is_cpu::<B>() && is_f32(input) && is_f32(weight) && bias.as_ref().is_none_or(is_f32)
}

pub(super) fn conv2d<B: Backend>(
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: &Conv2dOptions,
) -> Tensor<B, 4> {
    let sizes = Sizes::new(input.dims(), weight.dims(), options);
    match on_cpu::<B, _>(Call { input, weight, bias, sizes }) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

struct Call<B: Backend> {
    input: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    sizes: Sizes,
}

impl<B: Backend> OnCpu for Call<B> {
    type Output = Tensor<B, 4>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, 4> {
        let input = C::buffer(into_plain::<B, C, 4>(self.input));
        let weight = C::buffer(into_plain::<B, C, 4>(self.weight));
        let bias = self.bias.map(|bias| C::buffer(into_plain::<B, C, 1>(bias)));
        let output = apply::forward(&self.sizes, &input, &weight, bias.as_deref());
        from_plain::<B, C, 4>(C::tensor(output, self.sizes.output_shape()))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, 4> {
        let sizes = self.sizes;
        let input = into_tracked::<B, C, 4>(self.input);
        let weight = into_tracked::<B, C, 4>(self.weight);
        let bias = self.bias.map(|bias| into_tracked::<B, C, 1>(bias));

        let input_values = C::buffer(input.primitive.clone());
        let weight_values = C::buffer(weight.primitive.clone());
        let bias_values = bias.as_ref().map(|bias| C::buffer(bias.primitive.clone()));
        let output = apply::forward(&sizes, &input_values, &weight_values, bias_values.as_deref());
        let output = C::tensor(output, sizes.output_shape());
        let saved = Saved {
            sizes,
            input: weight.is_tracked().then_some(input_values),
            weight: input.is_tracked().then_some(weight_values),
        };

        let output: Tracked<C> = match bias {
            Some(bias) => {
                let nodes = [input.node, weight.node, bias.node];
                match Conv2dBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(saved, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
            None => {
                let nodes = [input.node, weight.node];
                match Conv2dBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(saved, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
        };
        from_tracked::<B, C, 4>(output)
    }
}

#[derive(Debug)]
struct Conv2dBackward;

#[derive(Clone, Debug)]
struct Saved {
    sizes: Sizes,
    /// Kept for the weight's gradient, if it wants one.
    input: Option<Buffer>,
    /// Kept for the input's gradient, if it wants one.
    weight: Option<Buffer>,
}

/// With parents input, weight and (where there are three) bias.
impl<C: CpuBackend, const N: usize> Backward<C, N> for Conv2dBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let Saved { sizes, input, weight } = ops.state;
        let gradient = C::buffer(grads.consume::<C>(&ops.node));
        let parent = |index: usize| ops.parents.get(index).cloned().flatten();
        if let (Some(node), Some(input)) = (parent(1), input) {
            let values = weight::weight_gradient(&sizes, &input, &gradient);
            add_gradient::<C>(grads, node.id, C::tensor(values, sizes.weight_shape()));
        }
        if let Some(node) = parent(2) {
            let values = channel_sums(&gradient, sizes.outputs, sizes.output.iter().product());
            add_gradient::<C>(grads, node.id, C::tensor(values, [sizes.outputs]));
        }
        if let (Some(node), Some(weight)) = (parent(0), weight) {
            let values = apply::input_gradient(&sizes, &gradient, &weight);
            add_gradient::<C>(grads, node.id, C::tensor(values, sizes.input_shape()));
        }
    }
}
