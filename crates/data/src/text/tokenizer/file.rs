//! Tokenizers in files: one `tokenizer.json`, or GPT-2's two files.

use super::{SubwordTokenizer, Tokenizer};
use crate::{DataError, locate};
use download::hub::tokenizer_folder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Model};

/// The special tokens that GPT-2, RoBERTa and their like list in their `vocab.json` among all others.
const LISTED: [&str; 6] = ["<|endoftext|>", "<s>", "</s>", "<pad>", "<unk>", "<mask>"];

/// A tokenizer in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileConfig {
    /// A Hugging Face `tokenizer.json` or that of an earlier run; GPT-2's `vocab.json`; or a folder with either. Relative to the
    /// current directory, or beginning with `$KILN_DATA/`. Or the name of a model of Hugging Face, whose tokenizer is downloaded
    /// once: `gpt2`, `bert-base-uncased`, `hf:owner/name`.
    pub path: String,
    /// With a `vocab.json`: the file of its merges. Left out or empty, the `merges.txt` beside it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub merges: String,
}

/// Loads what `config` names.
pub(super) fn load(config: &FileConfig) -> Result<Tokenizer, DataError> {
    let path = match locate(&config.path) {
        Ok(path) => path,
        Err(not_here) => tokenizer_folder(&config.path, &mut |_, _| {})?.ok_or(not_here)?,
    };
    let path = if path.is_dir() { file_in(&path)? } else { path };
    let is_vocabulary = !config.merges.is_empty() || file_name(&path).ends_with("vocab.json");
    if !is_vocabulary {
        return Tokenizer::load(&path);
    }
    let merges = match config.merges.as_str() {
        "" => locate(&path.with_file_name(file_name(&path).replace("vocab.json", "merges.txt")).to_string_lossy())?,
        merges => locate(merges)?,
    };
    byte_level(&path, &merges).map(Tokenizer::Subword)
}

/// The tokenizer of a folder: its `tokenizer.json`, else its `vocab.json`.
fn file_in(folder: &Path) -> Result<PathBuf, DataError> {
    let found = ["tokenizer.json", "vocab.json"].into_iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let hint = match folder.join("vocab.txt").is_file() {
            true => "; its vocab.txt is read by `tokenizer = { kind = \"word_piece\", path = … }`",
            false => "",
        };
        let reason = format!("there is neither a tokenizer.json nor a vocab.json in this folder{hint}");
        DataError::BadTokenizer { path: folder.to_owned(), reason }
    })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Byte-level byte-pair encoding from GPT-2's two files: tokens by number, and the pairs in the order of their merging.
fn byte_level(vocabulary: &Path, merges: &Path) -> Result<SubwordTokenizer, DataError> {
    let bad = |error: tokenizers::Error| {
        let reason = format!("with the merges in {}: {error}", merges.display());
        DataError::BadTokenizer { path: vocabulary.to_owned(), reason }
    };
    let [vocabulary_name, merges_name] = [vocabulary, merges].map(|path| path.to_string_lossy().into_owned());
    let model = BPE::from_file(&vocabulary_name, &merges_name).build().map_err(bad)?;
    let missing = ByteLevel::alphabet().into_iter().find(|byte| model.token_to_id(&byte.to_string()).is_none());
    if let Some(byte) = missing {
        return Err(bad(format!("the byte-level character `{byte}` is not in the vocabulary").into()));
    }
    let listed = LISTED.into_iter().filter(|name| model.token_to_id(name).is_some());
    let special: Vec<AddedToken> = listed.map(|name| AddedToken::from(name, true)).collect();
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, false, true)));
    tokenizer.with_decoder(Some(ByteLevel::new(false, false, true)));
    tokenizer.add_special_tokens(&special);
    SubwordTokenizer::checked(tokenizer)
        .map_err(|reason| DataError::BadTokenizer { path: vocabulary.to_owned(), reason })
}
