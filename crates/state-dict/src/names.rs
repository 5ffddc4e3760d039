//! Which tensors of a file are weights, and what they are called.

use std::collections::HashMap;

/// What checkpoints and wrappers put before the names of weights, from the outside in.
const PREFIXES: [&str; 6] = ["state_dict.", "model_state_dict.", "model.", "module.", "_orig_mod.", "backbone."];

/// The names that are those of weights, and what they are without the prefixes: where some names have one, those without it are
/// something else. Counters of batch normalisation are left out.
pub(super) fn of_weights(names: Vec<String>) -> HashMap<String, String> {
    let is_counter = |name: &str| name.ends_with("num_batches_tracked");
    let mut weights: HashMap<String, String> =
        names.into_iter().filter(|name| !is_counter(name)).map(|name| (name.clone(), name)).collect();
    while let Some(prefix) = PREFIXES.iter().find(|prefix| weights.values().any(|name| name.starts_with(*prefix))) {
        weights = weights
            .into_iter()
            .filter_map(|(full, name)| Some((full, name.strip_prefix(prefix)?.to_string())))
            .collect();
    }
    weights
}
