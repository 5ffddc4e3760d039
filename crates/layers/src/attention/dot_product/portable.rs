//! Attention in plain tensor operations: the path of every backend and float type without a kernel, and the one that can
//! be differentiated more than once. Public so that tests can hold the kernel to it.

use super::{AttentionBias, DotProductAttention};
use crate::checkpoint::random;
use burn::tensor::{Bool, Distribution, Int, Tensor, TensorData, backend::Backend};

/// [`attention`](super::attention), with `[batch, heads, queries, keys]` in between.
///
/// # Shapes
/// As [`attention`](super::attention).
pub fn attention<B: Backend>(
    query: Tensor<B, 3>,
    key: Tensor<B, 3>,
    value: Tensor<B, 3>,
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) -> Tensor<B, 3> {
    let DotProductAttention { heads, kv_heads, .. } = *options;
    let [batch, queries, _] = query.dims();
    let [_, keys, value_features] = value.dims();
    let (group, value_size) = (heads / kv_heads, value_features / kv_heads);
    let empty = query.dims().contains(&0) || value.dims().contains(&0);
    if empty {
        return Tensor::zeros([batch, queries, heads * value_size], &query.device());
    }
    let weights = attention_weights(query, key, bias, options);
    let weights = drop_some(weights, options).reshape([batch, kv_heads, group * queries, keys]);
    let output = weights.matmul(split_heads(value, kv_heads)); // [batch, kv_heads, group * queries, value_size]
    output.reshape([batch, heads, queries, value_size]).swap_dims(1, 2).reshape([batch, queries, heads * value_size])
}

/// [`self_attention`](super::self_attention) by way of [`attention`].
///
/// # Shapes
/// As [`self_attention`](super::self_attention).
pub fn self_attention<B: Backend>(
    qkv: Tensor<B, 3>,
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) -> Tensor<B, 3> {
    let DotProductAttention { heads, kv_heads, .. } = *options;
    let head_size = qkv.dims()[2] / (heads + 2 * kv_heads);
    let part = |first: usize, heads: usize| qkv.clone().narrow(2, first * head_size, heads * head_size);
    attention(part(0, heads), part(heads, kv_heads), part(heads + kv_heads, kv_heads), bias, options)
}

/// [`attention_weights`](super::attention_weights).
///
/// # Shapes
/// As [`attention_weights`](super::attention_weights).
pub fn attention_weights<B: Backend>(
    query: Tensor<B, 3>,
    key: Tensor<B, 3>,
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) -> Tensor<B, 4> {
    let DotProductAttention { heads, kv_heads, causal, .. } = *options;
    let [batch, queries, features] = query.dims();
    let [_, keys, _] = key.dims();
    let (group, head_size) = (heads / kv_heads, features / heads);
    let shape = [batch, heads, queries, keys];
    let device = query.device();
    if shape.contains(&0) {
        return Tensor::zeros(shape, &device);
    }

    // The queries that read the same keys below each other: one product for them all.
    let query = split_heads(query * options.scale_for(head_size), heads);
    let query = query.reshape([batch, kv_heads, group * queries, head_size]);
    let mut scores = query.matmul(split_heads(key, kv_heads).swap_dims(2, 3)).reshape(shape);
    if let Some(slopes) = &bias.slopes {
        scores = scores - distances(slopes, queries, keys, &device);
    }
    if let Some(added) = &bias.added {
        scores = scores + added.clone();
    }
    softmax(scores, hidden(shape, bias, causal, &device))
}

/// `[batch, time, heads * size]` to `[batch, heads, time, size]`.
fn split_heads<B: Backend>(tensor: Tensor<B, 3>, heads: usize) -> Tensor<B, 4> {
    let [batch, time, features] = tensor.dims();
    tensor.reshape([batch, time, heads, features / heads]).swap_dims(1, 2)
}

/// Where queries stand among the keys, `[1, 1, queries, 1]`: they are the last positions.
fn query_positions<B: Backend>(queries: usize, keys: usize, device: &B::Device) -> Tensor<B, 4, Int> {
    let first = keys as i64 - queries as i64;
    Tensor::arange(first..keys as i64, device).reshape([1, 1, queries, 1])
}

/// `[1, 1, 1, keys]`
fn key_positions<B: Backend>(keys: usize, device: &B::Device) -> Tensor<B, 4, Int> {
    Tensor::arange(0..keys as i64, device).reshape([1, 1, 1, keys])
}

/// The slope of each head times the distance of query and key, `[1, heads, queries, keys]`.
fn distances<B: Backend>(slopes: &[f32], queries: usize, keys: usize, device: &B::Device) -> Tensor<B, 4> {
    let distances = query_positions::<B>(queries, keys, device) - key_positions(keys, device);
    let slopes = TensorData::new(slopes.to_vec(), [1, slopes.len(), 1, 1]);
    distances.float().abs() * Tensor::from_data(slopes, device)
}

/// Which scores are hidden, in their shape; none where nothing hides any.
fn hidden<B: Backend>(
    shape: [usize; 4],
    bias: &AttentionBias<B>,
    causal: bool,
    device: &B::Device,
) -> Option<Tensor<B, 4, Bool>> {
    let [batch, _, queries, keys] = shape;
    let later = causal.then(|| {
        let own = query_positions::<B>(queries, keys, device).expand([1, 1, queries, keys]);
        key_positions(keys, device).expand([1, 1, queries, keys]).greater(own)
    });
    let padding = bias.lengths.as_ref().map(|lengths| {
        let lengths: Vec<i64> = lengths.iter().map(|&length| length as i64).collect();
        let lengths = Tensor::<B, 4, Int>::from_data(TensorData::new(lengths, [batch, 1, 1, 1]), device);
        key_positions(keys, device).expand([batch, 1, 1, keys]).greater_equal(lengths.expand([batch, 1, 1, keys]))
    });
    let all = [later, padding, bias.mask.clone()];
    all.into_iter().flatten().map(|hidden| hidden.expand(shape)).reduce(Tensor::bool_or)
}

/// Over the last dimension; zeros where hidden, even where nothing is seen at all.
fn softmax<B: Backend>(scores: Tensor<B, 4>, hidden: Option<Tensor<B, 4, Bool>>) -> Tensor<B, 4> {
    // Far below any score, but finite: a row without any other number has no NaN then.
    let lowest = scores.dtype().finfo().map_or(-1e30, |float| float.min / 4.0);
    let hide = |tensor: Tensor<B, 4>, value: f64| match &hidden {
        Some(hidden) => tensor.mask_fill(hidden.clone(), value),
        None => tensor,
    };
    let scores = hide(scores, lowest);
    let largest = scores.clone().detach().max_dim(3);
    let exponentials = hide((scores - largest).exp(), 0.0);
    let sum = exponentials.clone().sum_dim(3);
    let nothing = sum.clone().equal_elem(0.0);
    exponentials / sum.mask_fill(nothing, 1.0)
}

/// Dropout of the weights, where the backend can train.
fn drop_some<B: Backend>(weights: Tensor<B, 4>, options: &DotProductAttention) -> Tensor<B, 4> {
    let dropout = options.dropout_on::<B>(&weights.device());
    if dropout == 0.0 {
        return weights;
    }
    random::before_drawing::<B>(&weights.device());
    let kept = weights.random_like(Distribution::Bernoulli(1.0 - dropout));
    weights * kept / (1.0 - dropout)
}
