//! What can go wrong with a model of Hugging Face, said for people.

use std::path::PathBuf;

use crate::DownloadError;

/// Why a model could not be had.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The name is none.
    #[error(
        "\"{name}\" names no model: write \"hf:owner/name\", as in \"hf:openai-community/gpt2\", and \"@revision\" behind it for a certain \
         version"
    )]
    Name {
        /// As the user wrote it.
        name: String,
    },
    /// The server wants to know who asks, or has no such model; it answers the two alike.
    #[error("{repository} is not to be had: the server answers {status} to {url}\n  {}\n  {FOLDER}", access(*token))]
    Denied {
        /// `owner/name`.
        repository: String,
        /// The address.
        url: String,
        /// The status, such as `401 Unauthorized`.
        status: String,
        /// Whether a token was sent.
        token: bool,
    },
    /// There is no such model or no such version of it.
    #[error("there is no {repository} at revision {revision} ({url})\n  look for a slip in the name")]
    Unknown {
        /// `owner/name`.
        repository: String,
        /// The version.
        revision: String,
        /// The address.
        url: String,
    },
    /// The model lacks a file.
    #[error(
        "{repository} has no {} at revision {revision}{}\n  if that is new there, delete {} first",
        files.join(" or "), in_parts(files), folder.display()
    )]
    Missing {
        /// `owner/name`.
        repository: String,
        /// The version.
        revision: String,
        /// The files that would do, any of them.
        files: Vec<String>,
        /// Where its files are kept, as they were when the first of them was fetched.
        folder: PathBuf,
    },
    /// No network, no room, another checksum.
    #[error("{0}\n  {FOLDER}")]
    Download(DownloadError),
}

/// What always works.
const FOLDER: &str = "or name a folder that holds config.json, the weights and the tokenizer's files";

fn access(token: bool) -> &'static str {
    match token {
        true => {
            "the account of HF_TOKEN may not read it, or there is no such model: ask for access on the model's page"
        }
        false => {
            "it is gated or private, or there is no such model: ask for access on the model's page, and set HF_TOKEN to a token of yours"
        }
    }
}

/// Large models are published in parts, which have other names.
fn in_parts(files: &[String]) -> &'static str {
    let weights = files.iter().any(|file| file.ends_with(".safetensors") || file.ends_with(".bin"));
    if weights { ": weights in other formats, and those in several files, are not read" } else { "" }
}
