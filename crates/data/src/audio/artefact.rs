use super::features::Normalization;
use crate::DataError;
use serde::{Deserialize, Serialize};

/// What a model of speech was trained on besides its configuration, and without which its weights mean nothing: to be
/// kept beside them, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechArtefact {
    /// The classes in the order of their numbers.
    pub classes: Vec<String>,
    /// How features are scaled, with the statistics of the training part where it takes them.
    pub normalization: Normalization,
}

impl SpeechArtefact {
    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("names and numbers are JSON")
    }

    /// From what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// [`DataError::BadSpeechArtefact`] for anything else.
    pub fn from_json(json: &str) -> Result<Self, DataError> {
        let artefact: Self =
            serde_json::from_str(json).map_err(|error| DataError::BadSpeechArtefact { reason: error.to_string() })?;
        match &artefact.normalization {
            Normalization::Training { mean, std } if mean.len() != std.len() => Err(DataError::BadSpeechArtefact {
                reason: format!("{} means and {} standard deviations", mean.len(), std.len()),
            }),
            _ => Ok(artefact),
        }
    }
}
