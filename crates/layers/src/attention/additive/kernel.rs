//! The score on the CPU, without the `[batch, queries, steps, features]` that tensor operations need in between.
//!
//! Each tanh goes into its sum where it is made. The backward pass makes it again: that costs less than to write it out
//! and to read it back, and nothing but the arguments has to be kept.

use crate::cpu::{
    Buffer, CpuBackend, OnCpu, from_plain, from_tracked, into_plain, into_tracked, is_cpu, is_f32,
    lanes::{self, Lanes, WIDTH, WithLanes},
    math, on_cpu,
    threads::{self, SharedSlice},
};
use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::tensor::{Tensor, backend::Backend};
use std::ops::Range;

/// Roughly how many tanh make a task of their own.
const GRAIN: usize = 1 << 13;

pub(super) fn takes<B: Backend>(query: &Tensor<B, 3>, keys: &Tensor<B, 3>, weight: &Tensor<B, 1>) -> bool {
    is_cpu::<B>() && is_f32(query) && is_f32(keys) && is_f32(weight)
}

pub(super) fn additive_scores<B: Backend>(
    query: Tensor<B, 3>,
    keys: Tensor<B, 3>,
    weight: Tensor<B, 1>,
) -> Tensor<B, 3> {
    let [batch, queries, features] = query.dims();
    let [_, steps, _] = keys.dims();
    let call = Call { query, keys, weight, sizes: Sizes { batch, queries, steps, features } };
    match on_cpu::<B, _>(call) {
        Ok(scores) => scores,
        Err(_) => unreachable!("asked in `takes`"),
    }
}

struct Call<B: Backend> {
    query: Tensor<B, 3>,
    keys: Tensor<B, 3>,
    weight: Tensor<B, 1>,
    sizes: Sizes,
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    queries: usize,
    steps: usize,
    features: usize,
}

/// What the score is made of, for the forward pass and again for the backward pass.
#[derive(Clone, Debug)]
struct Arguments {
    sizes: Sizes,
    /// `[batch, queries, features]`
    query: Buffer,
    /// `[batch, steps, features]`
    keys: Buffer,
    /// `[features]`
    weight: Buffer,
}

impl Arguments {
    /// `[batch, queries, steps]`
    fn scores(&self) -> Vec<f32> {
        let Sizes { batch, queries, steps, features } = self.sizes;
        let mut scores = vec![0.0; batch * queries * steps];
        let grain = GRAIN / (steps * features).max(1);
        threads::split_rows(&mut scores, steps, grain, |first, scores| {
            lanes::dispatch(Scores {
                sizes: self.sizes,
                first,
                query: &self.query,
                keys: &self.keys,
                weight: &self.weight,
                scores,
            });
        });
        scores
    }

    /// The gradients of query, keys and weight, in their shapes.
    fn gradients(&self, incoming: &[f32]) -> [Vec<f32>; 3] {
        let Sizes { batch, queries, steps, features } = self.sizes;
        let mut query = vec![0.0; self.query.len()];
        let mut keys = vec![0.0; self.keys.len()];
        let mut weights = vec![0.0; batch * features];
        {
            let (query, keys) = (SharedSlice::new(&mut query), SharedSlice::new(&mut keys));
            let weights = SharedSlice::new(&mut weights);
            let grain = GRAIN / (queries * steps * features).max(1);
            threads::split(batch, grain, |entries| {
                let of = |length: usize| entries.start * length..entries.end * length;
                lanes::dispatch(Slopes {
                    sizes: self.sizes,
                    query: &self.query[of(queries * features)],
                    keys: &self.keys[of(steps * features)],
                    weight: &self.weight,
                    incoming: &incoming[of(queries * steps)],
                    // SAFETY: ranges of batch entries do not overlap, so neither do their gradients.
                    query_gradient: unsafe { query.slice_mut(of(queries * features)) },
                    // SAFETY: as above.
                    key_gradient: unsafe { keys.slice_mut(of(steps * features)) },
                    // SAFETY: as above.
                    weight_gradient: unsafe { weights.slice_mut(of(features)) },
                });
            });
        }
        // One batch entry after the other: the threads have no say in the rounding.
        let mut weight = vec![0.0; features];
        for entry in weights.chunks_exact(features.max(1)) {
            weight.iter_mut().zip(entry).for_each(|(sum, value)| *sum += value);
        }
        [query, keys, weight]
    }
}

/// Where the row with this index is in a matrix with rows of this length.
fn row(index: usize, length: usize) -> Range<usize> {
    index * length..(index + 1) * length
}

/// The scores of a range of queries, which are counted through the batch.
struct Scores<'a> {
    sizes: Sizes,
    first: usize,
    query: &'a [f32],
    keys: &'a [f32],
    weight: &'a [f32],
    /// `[queries of the range, steps]`
    scores: &'a mut [f32],
}

impl WithLanes for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Sizes { queries, steps, features, .. } = self.sizes;
        for (index, scores) in (self.first..).zip(self.scores.chunks_exact_mut(steps)) {
            let query = &self.query[row(index, features)];
            let keys = &self.keys[row(index / queries, steps * features)];
            for (step, score) in scores.iter_mut().enumerate() {
                *score = self::score::<L>(query, &keys[row(step, features)], self.weight);
            }
        }
    }
}

#[inline(always)]
fn score<L: Lanes>(query: &[f32], key: &[f32], weight: &[f32]) -> f32 {
    let mut sum = L::splat(0.0);
    for ((query, key), weight) in query.chunks(WIDTH).zip(key.chunks(WIDTH)).zip(weight.chunks(WIDTH)) {
        let tanh = math::tanh(L::load_partly(query).add(L::load_partly(key)));
        sum = tanh.mul_add(L::load_partly(weight), sum);
    }
    sum.sum()
}

/// The gradients of a range of batch entries.
struct Slopes<'a> {
    sizes: Sizes,
    query: &'a [f32],
    keys: &'a [f32],
    weight: &'a [f32],
    /// `[entries, queries, steps]`
    incoming: &'a [f32],
    /// `[entries, queries, features]`, zeros before
    query_gradient: &'a mut [f32],
    /// `[entries, steps, features]`, zeros before
    key_gradient: &'a mut [f32],
    /// `[entries, features]`, zeros before: each entry's own, so that their sum has one order
    weight_gradient: &'a mut [f32],
}

impl WithLanes for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Sizes { queries, steps, features, .. } = self.sizes;
        for (pair, &incoming) in self.incoming.iter().enumerate() {
            let (query, step) = (pair / steps, pair % steps);
            let entry = query / queries;
            let (query, key) = (row(query, features), row(entry * steps + step, features));
            add_slopes::<L>(
                incoming,
                [&self.query[query.clone()], &self.keys[key.clone()], self.weight],
                [
                    &mut self.query_gradient[query],
                    &mut self.key_gradient[key],
                    &mut self.weight_gradient[row(entry, features)],
                ],
            );
        }
    }
}

/// Adds what one score gives to the gradients of its query, its key and the weight.
#[inline(always)]
fn add_slopes<L: Lanes>(incoming: f32, arguments: [&[f32]; 3], gradients: [&mut [f32]; 3]) {
    let incoming = L::splat(incoming);
    let [query, key, weight] = arguments.map(|values| values.chunks(WIDTH));
    let [of_query, of_key, of_weight] = gradients.map(|values| values.chunks_mut(WIDTH));
    for (((query, key), weight), ((of_query, of_key), of_weight)) in
        query.zip(key).zip(weight).zip(of_query.zip(of_key).zip(of_weight))
    {
        let tanh = math::tanh(L::load_partly(query).add(L::load_partly(key)));
        let weighted = incoming.mul(L::load_partly(weight));
        // The derivative of tanh is 1 - tanh².
        let slope = weighted.sub(weighted.mul(tanh).mul(tanh));
        L::load_partly(of_query).add(slope).store_partly(of_query);
        L::load_partly(of_key).add(slope).store_partly(of_key);
        tanh.mul_add(incoming, L::load_partly(of_weight)).store_partly(of_weight);
    }
}

impl<B: Backend> OnCpu for Call<B> {
    type Output = Tensor<B, 3>;

    fn plain<C: CpuBackend>(self) -> Tensor<B, 3> {
        let arguments = Arguments {
            sizes: self.sizes,
            query: C::buffer(into_plain::<B, C, 3>(self.query)),
            keys: C::buffer(into_plain::<B, C, 3>(self.keys)),
            weight: C::buffer(into_plain::<B, C, 1>(self.weight)),
        };
        let Sizes { batch, queries, steps, .. } = self.sizes;
        from_plain::<B, C, 3>(C::tensor(arguments.scores(), [batch, queries, steps]))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, 3> {
        let query = into_tracked::<B, C, 3>(self.query);
        let keys = into_tracked::<B, C, 3>(self.keys);
        let weight = into_tracked::<B, C, 1>(self.weight);
        let arguments = Arguments {
            sizes: self.sizes,
            query: C::buffer(query.primitive),
            keys: C::buffer(keys.primitive),
            weight: C::buffer(weight.primitive),
        };
        let Sizes { batch, queries, steps, .. } = self.sizes;
        let scores = C::tensor(arguments.scores(), [batch, queries, steps]);
        let nodes = [query.node, keys.node, weight.node];
        let scores = match AdditiveBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(arguments, scores),
            OpsKind::UnTracked(prep) => prep.finish(scores),
        };
        from_tracked::<B, C, 3>(scores)
    }
}

#[derive(Debug)]
struct AdditiveBackward;

/// With parents query, keys and weight.
impl<C: CpuBackend> Backward<C, 3> for AdditiveBackward {
    type State = Arguments;

    fn backward(self, ops: Ops<Arguments, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let arguments = ops.state;
        let Sizes { batch, queries, steps, features } = arguments.sizes;
        let incoming = C::buffer(grads.consume::<C>(&ops.node));
        let [query, keys, weight] = arguments.gradients(&incoming);
        let [query_node, keys_node, weight_node] = ops.parents;
        if let Some(node) = query_node {
            grads.register::<C>(node.id, C::tensor(query, [batch, queries, features]));
        }
        if let Some(node) = keys_node {
            grads.register::<C>(node.id, C::tensor(keys, [batch, steps, features]));
        }
        if let Some(node) = weight_node {
            grads.register::<C>(node.id, C::tensor(weight, [features]));
        }
    }
}
