//! Additive attention: the score of [Bahdanau, Cho and Bengio (2015)](https://arxiv.org/abs/1409.0473), section A.1.2,
//! and the "concat" score of [Luong, Pham and Manning (2015)](https://arxiv.org/abs/1508.04025), equation 8.
//!
//! Both project query and keys first. The projections are left to the caller, who does that of the keys once for all
//! queries.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernel;
pub mod portable;

use burn::tensor::{Tensor, backend::Backend};

/// `scores[b, q, s] = Σ_f weight[f] · tanh(query[b, q, f] + keys[b, s, f])`, before any mask and softmax.
///
/// # Shapes
/// - query: `[batch, queries, features]`, projected
/// - keys: `[batch, steps, features]`, projected
/// - weight: `[features]`
/// - output: `[batch, queries, steps]`
///
/// # Panics
/// When the shapes disagree.
pub fn additive_scores<B: Backend>(query: Tensor<B, 3>, keys: Tensor<B, 3>, weight: Tensor<B, 1>) -> Tensor<B, 3> {
    check_shapes(query.dims(), keys.dims(), weight.dims());
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if kernel::takes(&query, &keys, &weight) {
        return kernel::additive_scores(query, keys, weight);
    }
    portable::additive_scores(query, keys, weight)
}

fn check_shapes([batch, _, features]: [usize; 3], [key_batch, _, key_features]: [usize; 3], [weights]: [usize; 1]) {
    assert_eq!(batch, key_batch, "additive scores: queries of {batch} sequences but keys of {key_batch}");
    assert_eq!(
        features, key_features,
        "additive scores: the queries have {features} features, the keys {key_features}"
    );
    assert_eq!(features, weights, "additive scores: the queries have {features} features, the weight {weights}");
}
