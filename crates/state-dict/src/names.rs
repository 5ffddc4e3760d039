//! Which tensors of a file are weights, and what they are called.

use std::collections::HashMap;

/// What checkpoints and wrappers put before the names of weights, from the outside in.
const PREFIXES: [&str; 6] = ["state_dict.", "model_state_dict.", "model.", "module.", "_orig_mod.", "backbone."];

/// What stands beside a prefix and is a weight all the same: the output of Hugging Face's language models (`model.layers.0.…` and
/// `lm_head.weight`).
const BESIDE_PREFIXES: &str = "lm_head.";

/// The names that are those of weights, and what they are without the prefixes: where some names have one, those without it are
/// something else. Counters of batch normalisation are left out.
pub(super) fn of_weights(names: Vec<String>) -> HashMap<String, String> {
    let is_counter = |name: &str| name.ends_with("num_batches_tracked");
    let mut weights: HashMap<String, String> =
        names.into_iter().filter(|name| !is_counter(name)).map(|name| (name.clone(), name)).collect();
    while let Some(prefix) = PREFIXES.iter().find(|prefix| weights.values().any(|name| name.starts_with(*prefix))) {
        weights = weights
            .into_iter()
            .filter_map(|(full, name)| {
                let stays = name.starts_with(BESIDE_PREFIXES).then_some(name.as_str());
                let short = name.strip_prefix(prefix).or(stays)?.to_string();
                Some((full, short))
            })
            .collect();
    }
    weights
}
