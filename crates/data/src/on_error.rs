use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens where a recording or a picture cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// An error that names the file.
    #[default]
    Refuse,
    /// It is passed over and counted.
    Skip,
}
