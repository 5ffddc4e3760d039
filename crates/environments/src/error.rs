/// What can be wrong with the configuration of an environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// A configuration value is impossible.
    #[error("`{key}` {message}")]
    Config {
        /// The key, as `validate` names it.
        key: &'static str,
        /// What is wrong and what is allowed: the rest of a sentence that begins with the key.
        message: String,
    },
}

impl EnvironmentError {
    /// The first of the impossible values that a configuration's `validate` found, as an error.
    pub(crate) fn first_of(found: Vec<(&'static str, String)>) -> Result<(), Self> {
        match found.into_iter().next() {
            Some((key, message)) => Err(Self::Config { key, message }),
            None => Ok(()),
        }
    }
}
