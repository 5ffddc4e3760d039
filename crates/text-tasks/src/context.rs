//! Models that read so many tokens and no more.

use training_loop::error::TaskError;

/// Whether texts of `len` tokens, which follow from the config's `key`, fit a model that reads `context_len` at most.
///
/// # Errors
/// When they do not.
pub(crate) fn check(key: &str, len: usize, context_len: Option<usize>) -> Result<(), TaskError> {
    match context_len {
        Some(context) if len > context => Err(format!(
            "`{key}` asks for texts of {len} tokens, but the model reads {context} at most: lower `{key}`, or give \
             `[model]` a longer context"
        )
        .into()),
        _ => Ok(()),
    }
}
