//! The score on the CPU, without the `[batch, queries, steps, features]` that tensor operations need in between.
//!
//! Each tanh goes into its sum where it is made. It is written out only where a gradient will be asked for, which is then
//! made of nothing else but the weight: reading it back took two thirds of the time of making it again, in forward and
//! backward pass together, at `[128, 1, 16, 256]` as at `[64, 20, 20, 256]`.

use crate::cpu::{
    Buffer, CpuBackend, OnCpu, add_gradient, from_plain, from_tracked, into_plain, into_tracked, is_cpu, is_f32,
    lanes::{self, Lanes, WIDTH, WithLanes},
    math, on_cpu,
    scratch::Scratch,
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

impl Sizes {
    /// The scores, `[batch, queries, steps]`, and on demand the tanh, `[batch, queries, steps, features]`.
    fn scores(&self, query: &[f32], keys: &[f32], weight: &[f32], keep_tanh: bool) -> (Vec<f32>, Option<Scratch>) {
        let Sizes { batch, queries, steps, features } = *self;
        let mut scores = vec![0.0; batch * queries * steps];
        let mut tanh = keep_tanh.then(|| Scratch::any(scores.len() * features));
        {
            let tanh = tanh.as_mut().map(|tanh| SharedSlice::new(tanh));
            let grain = GRAIN / (steps * features).max(1);
            threads::split_rows(&mut scores, steps, grain, |first, scores| {
                let pairs = first * steps..first * steps + scores.len();
                let tanh = tanh.as_ref().map(|tanh| {
                    // SAFETY: `split_rows` hands out scores that do not overlap, so neither do their tanh.
                    unsafe { tanh.slice_mut(pairs.start * features..pairs.end * features) }
                });
                lanes::dispatch(Scores { sizes: *self, first: pairs.start, query, keys, weight, scores, tanh });
            });
        }
        (scores, tanh)
    }

    /// The gradients of query, keys and weight, in their shapes. That of the query is the gradient of the sums
    /// `query + keys`, added up over the steps; that of the keys is the same, added up over the queries.
    fn gradients(&self, tanh: &[f32], weight: &[f32], incoming: &[f32]) -> [Vec<f32>; 3] {
        let Sizes { batch, queries, steps, features } = *self;
        let mut of_query = vec![0.0; batch * queries * features];
        let mut of_keys = vec![0.0; batch * steps * features];
        let mut of_weight = vec![0.0; batch * features];
        {
            let [of_query, of_keys, of_weight] =
                [&mut of_query, &mut of_keys, &mut of_weight].map(|of| SharedSlice::new(of));
            let grain = GRAIN / (queries * steps * features).max(1);
            threads::split(batch, grain, |entries| {
                let part = |length: usize| entries.start * length..entries.end * length;
                lanes::dispatch(Slopes {
                    sizes: *self,
                    tanh: &tanh[part(queries * steps * features)],
                    weight,
                    incoming: &incoming[part(queries * steps)],
                    // SAFETY: ranges of batch entries do not overlap, so neither do their gradients.
                    of_query: unsafe { of_query.slice_mut(part(queries * features)) },
                    // SAFETY: as above.
                    of_keys: unsafe { of_keys.slice_mut(part(steps * features)) },
                    // SAFETY: as above.
                    of_weight: unsafe { of_weight.slice_mut(part(features)) },
                });
            });
        }
        // One batch entry after the other: the threads have no say in the rounding.
        let mut sum = vec![0.0; features];
        for entry in of_weight.chunks_exact(features.max(1)) {
            sum.iter_mut().zip(entry).for_each(|(sum, value)| *sum += value);
        }
        [of_query, of_keys, sum]
    }
}

/// Where the row with this index is in a matrix with rows of this length.
fn row(index: usize, length: usize) -> Range<usize> {
    index * length..(index + 1) * length
}

/// The scores of a range of pairs of query and step, which are counted through the batch.
struct Scores<'a> {
    sizes: Sizes,
    first: usize,
    query: &'a [f32],
    keys: &'a [f32],
    weight: &'a [f32],
    /// `[pairs]`
    scores: &'a mut [f32],
    /// `[pairs, features]`
    tanh: Option<&'a mut [f32]>,
}

impl WithLanes for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { sizes, first, query, keys, weight, scores, mut tanh } = self;
        for (index, score) in scores.iter_mut().enumerate() {
            let (of_query, of_key) = sizes.rows(first + index);
            let (query, key) = (&query[of_query], &keys[of_key]);
            *score = match &mut tanh {
                Some(tanh) => self::score::<L, true>(query, key, weight, &mut tanh[row(index, sizes.features)]),
                None => self::score::<L, false>(query, key, weight, &mut []),
            };
        }
    }
}

impl Sizes {
    /// Where the features of the query and of the key are that make up a pair.
    #[inline(always)]
    fn rows(&self, pair: usize) -> (Range<usize>, Range<usize>) {
        let (query, step) = (pair / self.steps, pair % self.steps);
        let key = query / self.queries * self.steps + step;
        (row(query, self.features), row(key, self.features))
    }
}

/// One score; each tanh goes to `kept` if they are to be kept.
#[inline(always)]
fn score<L: Lanes, const KEEP: bool>(query: &[f32], key: &[f32], weight: &[f32], kept: &mut [f32]) -> f32 {
    let mut sum = L::splat(0.0);
    let arguments = query.chunks(WIDTH).zip(key.chunks(WIDTH)).zip(weight.chunks(WIDTH));
    for (index, ((query, key), weight)) in arguments.enumerate() {
        let tanh = math::tanh(L::load_partly(query).add(L::load_partly(key)));
        if KEEP {
            tanh.store_partly(&mut kept[index * WIDTH..]);
        }
        sum = tanh.mul_add(L::load_partly(weight), sum);
    }
    sum.sum()
}

/// The gradients of a range of batch entries.
struct Slopes<'a> {
    sizes: Sizes,
    /// `[entries, queries, steps, features]`
    tanh: &'a [f32],
    weight: &'a [f32],
    /// `[entries, queries, steps]`
    incoming: &'a [f32],
    /// `[entries, queries, features]`, zeros before
    of_query: &'a mut [f32],
    /// `[entries, steps, features]`, zeros before
    of_keys: &'a mut [f32],
    /// `[entries, features]`, zeros before: each entry's own, so that their sum has one order
    of_weight: &'a mut [f32],
}

impl WithLanes for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let sizes = self.sizes;
        for (pair, &incoming) in self.incoming.iter().enumerate() {
            let (query, key) = sizes.rows(pair);
            let entry = pair / (sizes.queries * sizes.steps);
            let gradients =
                [&mut self.of_query[query], &mut self.of_keys[key], &mut self.of_weight[row(entry, sizes.features)]];
            add_slopes::<L>(&self.tanh[row(pair, sizes.features)], self.weight, incoming, gradients);
        }
    }
}

/// Adds what one score gives to the gradients of its query, its key and the weight.
#[inline(always)]
fn add_slopes<L: Lanes>(tanh: &[f32], weight: &[f32], incoming: f32, gradients: [&mut [f32]; 3]) {
    let incoming = L::splat(incoming);
    let [of_query, of_key, of_weight] = gradients.map(|values| values.chunks_mut(WIDTH));
    let gradients = of_query.zip(of_key).zip(of_weight);
    for ((tanh, weight), ((of_query, of_key), of_weight)) in tanh.chunks(WIDTH).zip(weight.chunks(WIDTH)).zip(gradients)
    {
        let tanh = L::load_partly(tanh);
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
        let query = C::buffer(into_plain::<B, C, 3>(self.query));
        let keys = C::buffer(into_plain::<B, C, 3>(self.keys));
        let weight = C::buffer(into_plain::<B, C, 1>(self.weight));
        let (scores, _) = self.sizes.scores(&query, &keys, &weight, false);
        let Sizes { batch, queries, steps, .. } = self.sizes;
        from_plain::<B, C, 3>(C::tensor(scores, [batch, queries, steps]))
    }

    fn tracked<C: CpuBackend>(self) -> Tensor<B, 3> {
        let query = into_tracked::<B, C, 3>(self.query);
        let keys = into_tracked::<B, C, 3>(self.keys);
        let weight = into_tracked::<B, C, 1>(self.weight);
        let wanted = query.is_tracked() || keys.is_tracked() || weight.is_tracked();
        let weight_values = C::buffer(weight.primitive);
        let (scores, tanh) =
            self.sizes.scores(&C::buffer(query.primitive), &C::buffer(keys.primitive), &weight_values, wanted);
        let Sizes { batch, queries, steps, .. } = self.sizes;
        let scores = C::tensor(scores, [batch, queries, steps]);
        let nodes = [query.node, keys.node, weight.node];
        let scores = match AdditiveBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let tanh = tanh.expect("kept where a gradient is wanted");
                prep.finish(Saved { sizes: self.sizes, tanh, weight: weight_values }, scores)
            }
            OpsKind::UnTracked(prep) => prep.finish(scores),
        };
        from_tracked::<B, C, 3>(scores)
    }
}

#[derive(Debug)]
struct AdditiveBackward;

#[derive(Clone, Debug)]
struct Saved {
    sizes: Sizes,
    /// `[batch, queries, steps, features]`
    tanh: Scratch,
    /// `[features]`
    weight: Buffer,
}

/// With parents query, keys and weight.
impl<C: CpuBackend> Backward<C, 3> for AdditiveBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let Saved { sizes, tanh, weight } = ops.state;
        let Sizes { batch, queries, steps, features } = sizes;
        let incoming = C::buffer(grads.consume::<C>(&ops.node));
        let [of_query, of_keys, of_weight] = sizes.gradients(&tanh, &weight, &incoming);
        let [query, keys, weight] = ops.parents;
        if let Some(node) = query {
            add_gradient::<C>(grads, node.id, C::tensor(of_query, [batch, queries, features]));
        }
        if let Some(node) = keys {
            add_gradient::<C>(grads, node.id, C::tensor(of_keys, [batch, steps, features]));
        }
        if let Some(node) = weight {
            add_gradient::<C>(grads, node.id, C::tensor(of_weight, [features]));
        }
    }
}
