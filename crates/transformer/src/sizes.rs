//! Checks that the configs of all families share: the key, and what is allowed.

type Wrong = Vec<(&'static str, String)>;

/// Sizes that have to be there.
pub(crate) fn at_least_one(wrong: &mut Wrong, sizes: &[(&'static str, usize)]) {
    for (key, size) in sizes {
        if *size == 0 {
            wrong.push((key, "must be at least 1".to_string()));
        }
    }
}

/// Probabilities of leaving something out.
pub(crate) fn probabilities(wrong: &mut Wrong, values: &[(&'static str, f64)]) {
    for (key, value) in values {
        if !(0.0..1.0).contains(value) {
            wrong.push((key, "must be at least 0 and below 1".to_string()));
        }
    }
}

/// Numbers that have to be positive.
pub(crate) fn positive(wrong: &mut Wrong, values: &[(&'static str, f64)]) {
    for (key, value) in values {
        if !(*value > 0.0 && value.is_finite()) {
            wrong.push((key, "must be above 0".to_string()));
        }
    }
}

/// The width that is shared out among heads.
pub(crate) fn heads(wrong: &mut Wrong, (key, width): (&'static str, usize), num_heads: usize) {
    if num_heads > 0 && !width.is_multiple_of(num_heads) {
        wrong.push((key, format!("must be a multiple of `num_heads` ({num_heads}), each of which gets a part of it")));
    }
}
