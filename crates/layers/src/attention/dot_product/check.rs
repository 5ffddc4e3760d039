//! What callers have to keep to, said in their words.

use super::{AttentionBias, DotProductAttention};
use burn::tensor::backend::Backend;

pub(super) fn shapes<B: Backend>(
    [batch, queries, features]: [usize; 3],
    [key_batch, keys, key_features]: [usize; 3],
    [value_batch, values, value_features]: [usize; 3],
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) {
    heads(options);
    let DotProductAttention { heads, kv_heads, .. } = *options;
    assert!(
        batch == key_batch && batch == value_batch,
        "attention: queries of {batch} sequences, keys of {key_batch}, values of {value_batch}"
    );
    assert_eq!(keys, values, "attention: {keys} keys but {values} values");
    assert!(features.is_multiple_of(heads), "attention: {features} features of queries are not {heads} equal heads");
    assert_eq!(
        features / heads * kv_heads,
        key_features,
        "attention: {heads} heads of {features} features need {kv_heads} heads of keys of the same size"
    );
    assert!(
        value_features.is_multiple_of(kv_heads),
        "attention: {value_features} features of values are not {kv_heads} equal heads"
    );
    self::bias([batch, heads, queries, keys], bias);
}

pub(super) fn packed_shapes<B: Backend>(
    [batch, time, features]: [usize; 3],
    bias: &AttentionBias<B>,
    options: &DotProductAttention,
) {
    heads(options);
    let DotProductAttention { heads, kv_heads, .. } = *options;
    assert!(
        features.is_multiple_of(heads + 2 * kv_heads),
        "self attention: {features} features are not {heads} heads of queries and {kv_heads} each of keys and values"
    );
    self::bias([batch, heads, time, time], bias);
}

fn heads(options: &DotProductAttention) {
    let DotProductAttention { heads, kv_heads, dropout, .. } = *options;
    assert!(
        kv_heads > 0 && heads > 0 && heads.is_multiple_of(kv_heads),
        "attention: {heads} heads cannot share {kv_heads} heads of keys and values equally"
    );
    assert!((0.0..1.0).contains(&dropout), "attention: a dropout of {dropout} is not in 0..1");
}

fn bias<B: Backend>(scores: [usize; 4], bias: &AttentionBias<B>) {
    let [batch, heads, _, keys] = scores;
    let fits = |[b, h, q, k]: [usize; 4]| [q, k] == scores[2..] && (b == batch || b == 1) && (h == heads || h == 1);
    if let Some(dims) = bias.mask.as_ref().map(|mask| mask.dims()) {
        assert!(fits(dims), "attention: a mask of {dims:?} does not fit scores of {scores:?}");
    }
    if let Some(dims) = bias.added.as_ref().map(|added| added.dims()) {
        assert!(fits(dims), "attention: an added bias of {dims:?} does not fit scores of {scores:?}");
    }
    if let Some(lengths) = &bias.lengths {
        assert_eq!(lengths.len(), batch, "attention: {} lengths for {batch} sequences", lengths.len());
        let longest = lengths.iter().max().copied().unwrap_or(0);
        assert!(longest <= keys, "attention: a length of {longest}, but only {keys} keys");
    }
    if let Some(slopes) = &bias.slopes {
        assert_eq!(slopes.len(), heads, "attention: {} slopes for {heads} heads", slopes.len());
    }
}
