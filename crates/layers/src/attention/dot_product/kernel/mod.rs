//! Attention on the CPU: scores are made tile by tile, in memory of each thread, and made again for the gradients.

mod backward;
mod dropout;
mod forward;
mod pack;
mod product;
mod scores;
mod sizes;
mod square;

use super::{AttentionBias, DotProductAttention};
use crate::{
    checkpoint::random,
    cpu::{
        Buffer, CpuBackend, OnCpu, add_gradient, from_plain, from_tracked, into_plain, into_tracked, is_cpu, is_f32,
        on_cpu, scratch::Scratch, threads::SharedSlice,
    },
};
use backward::{Done, Wanted};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{DType, Tensor, backend::Backend, ops::FloatTensor};
use dropout::Dropout;
use sizes::{Hidden, Place, Problem, Sizes};

/// What is added to scores may want a gradient of their size, so the portable path makes them.
pub(super) fn takes<B: Backend, const N: usize>(inputs: [&Tensor<B, 3>; N], bias: &AttentionBias<B>) -> bool {
    let empty = || inputs.iter().any(|input| input.dims().contains(&0));
    is_cpu::<B>() && inputs.iter().all(|input| is_f32(*input)) && bias.added.is_none() && !empty()
}

pub(super) fn attention<B: Backend>(
    query: Tensor<B, 3>,
    key: Tensor<B, 3>,
    value: Tensor<B, 3>,
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) -> Tensor<B, 3> {
    let [batch, queries, query_row] = query.dims();
    let [_, keys, key_row] = key.dims();
    let [_, _, value_row] = value.dims();
    let DotProductAttention { heads, kv_heads, .. } = *options;
    let (head_size, value_size) = (query_row / heads, value_row / kv_heads);
    let sizes = Sizes { batch, queries, keys, heads, kv_heads, head_size, value_size };
    let places = [query_row, key_row, value_row].map(|row| Place { start: 0, row });
    run([query, key, value], sizes, places, bias, options)
}

pub(super) fn self_attention<B: Backend>(
    qkv: Tensor<B, 3>,
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) -> Tensor<B, 3> {
    let [batch, time, row] = qkv.dims();
    let DotProductAttention { heads, kv_heads, .. } = *options;
    let size = row / (heads + 2 * kv_heads);
    let sizes = Sizes { batch, queries: time, keys: time, heads, kv_heads, head_size: size, value_size: size };
    let places = [0, heads, heads + kv_heads].map(|head| Place { start: head * size, row });
    run([qkv], sizes, places, bias, options)
}

/// Of a tensor each for queries, keys and values, or of one with all of them.
fn run<B: Backend, const N: usize>(
    inputs: [Tensor<B, 3>; N],
    sizes: Sizes,
    places: [Place; 3],
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) -> Tensor<B, 3> {
    let share = options.dropout_on::<B>(&inputs[0].device());
    let problem = Problem {
        sizes,
        places,
        scale: options.scale_for(sizes.head_size) as f32,
        causal: options.causal,
        lengths: bias.lengths.clone(),
        slopes: bias.slopes.clone(),
        hidden: None,
        dropout: (share > 0.0)
            .then(|| Dropout { seed: random::key(|| random::bits_48::<B>(&inputs[0].device())), share }),
    };
    let mask = bias.mask.clone().map(|mask| mask.float().cast(DType::F32));
    match on_cpu::<B, _>(Call { inputs, mask, problem }) {
        Ok(output) => output,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

struct Call<B: Backend, const N: usize> {
    inputs: [Tensor<B, 3>; N],
    /// Ones where hidden.
    mask: Option<Tensor<B, 4>>,
    /// Still without the mask.
    problem: Problem,
}

impl Problem {
    fn output_shape(&self) -> [usize; 3] {
        let Sizes { batch, queries, heads, value_size, .. } = self.sizes;
        [batch, queries, heads * value_size]
    }

    fn with_mask<C: CpuBackend>(self, mask: Option<([usize; 4], FloatTensor<C>)>) -> Self {
        let hidden = mask.map(|([batch, heads, queries, keys], values)| Hidden {
            values: C::buffer(values),
            entry_stride: if batch == 1 { 0 } else { heads * queries * keys },
            head_stride: if heads == 1 { 0 } else { queries * keys },
        });
        Self { hidden, ..self }
    }
}

/// The numbers of queries, keys and values, all in the last tensor where there is only one.
fn numbers<const N: usize>(buffers: &[Buffer; N]) -> [&[f32]; 3] {
    [0, 1, 2].map(|which| &*buffers[which.min(N - 1)])
}

impl<B: Backend, const N: usize> OnCpu for Call<B, N> {
    type Output = Tensor<B, 3>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, 3> {
        let mask = self.mask.map(|mask| (mask.dims(), into_plain::<B, C, 4>(mask)));
        let problem = self.problem.with_mask::<C>(mask);
        let inputs = self.inputs.map(|input| C::buffer(into_plain::<B, C, 3>(input)));
        let (output, _) = forward::forward(&problem, numbers(&inputs));
        from_plain::<B, C, 3>(C::tensor(output, problem.output_shape()))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, 3> {
        let mask = self.mask.map(|mask| (mask.dims(), into_tracked::<B, C, 4>(mask).primitive));
        let problem = self.problem.with_mask::<C>(mask);
        let shapes = self.inputs.each_ref().map(|input| input.dims());
        let inputs = self.inputs.map(into_tracked::<B, C, 3>);
        let nodes = inputs.each_ref().map(|input| input.node.clone());
        let inputs = inputs.map(|input| C::buffer(input.primitive));
        let (output, softmax) = forward::forward(&problem, numbers(&inputs));
        let output = C::tensor(output, problem.output_shape());
        let output = match AttentionBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let kept = C::buffer(output.clone());
                prep.finish(Saved { problem, shapes, inputs, output: kept, softmax }, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        from_tracked::<B, C, 3>(output)
    }
}

#[derive(Debug)]
struct AttentionBackward;

#[derive(Clone, Debug)]
struct Saved<const N: usize> {
    problem: Problem,
    /// Of the inputs.
    shapes: [[usize; 3]; N],
    inputs: [Buffer; N],
    output: Buffer,
    /// See [`forward::forward`].
    softmax: Scratch,
}

/// With the inputs as parents.
impl<C: CpuBackend, const N: usize> Backward<C, N> for AttentionBackward {
    type State = Saved<N>;

    fn backward(self, ops: Ops<Saved<N>, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let Saved { problem, shapes, inputs, output, softmax } = ops.state;
        let incoming = C::buffer(grads.consume::<C>(&ops.node));
        let is_wanted = |which: usize| ops.parents[which.min(N - 1)].is_some();
        let wanted = Wanted { queries: is_wanted(0), keys: is_wanted(1) || is_wanted(2) };
        let mut gradients = inputs.each_ref().map(|input| vec![0.0; input.len()]);
        {
            let shared = gradients.each_mut().map(|gradient| SharedSlice::new(gradient));
            let done = Done { inputs: numbers(&inputs), output: &output, softmax: &softmax };
            let places = [0, 1, 2].map(|which| &shared[which.min(N - 1)]);
            backward::backward(&problem, &done, &incoming, places, wanted);
        }
        for ((parent, gradient), shape) in ops.parents.into_iter().zip(gradients).zip(shapes) {
            if let Some(node) = parent {
                add_gradient::<C>(grads, node.id, C::tensor(gradient, shape));
            }
        }
    }
}
