//! What a config calls a model on Hugging Face.

use crate::HubError;

/// Begins the name of any model there.
const PREFIX: &str = "hf:";

/// The version that is meant where none is named.
const MAIN: &str = "main";

/// The models that have a name of their own, as they had before there were owners.
const SHORT: [(&str, &str); 11] = [
    ("gpt2", "openai-community/gpt2"),
    ("gpt2-medium", "openai-community/gpt2-medium"),
    ("gpt2-large", "openai-community/gpt2-large"),
    ("gpt2-xl", "openai-community/gpt2-xl"),
    ("distilgpt2", "distilbert/distilgpt2"),
    ("bert-base-uncased", "google-bert/bert-base-uncased"),
    ("bert-base-cased", "google-bert/bert-base-cased"),
    ("bert-large-uncased", "google-bert/bert-large-uncased"),
    ("bert-large-cased", "google-bert/bert-large-cased"),
    ("bert-base-multilingual-cased", "google-bert/bert-base-multilingual-cased"),
    ("bert-base-chinese", "google-bert/bert-base-chinese"),
];

/// A model on Hugging Face, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    /// `owner/name`.
    pub repository: String,
    /// A branch, a tag or a commit.
    pub revision: String,
}

impl HubModel {
    /// The model that a name stands for: `"gpt2"` and the like, `"hf:owner/name"`, either with `@revision`. None for whatever is neither.
    ///
    /// # Errors
    /// [`HubError::Name`] for `"hf:"` with something behind it that names no model.
    pub fn named(name: &str) -> Result<Option<Self>, HubError> {
        let (prefixed, rest) = match name.strip_prefix(PREFIX) {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let (repository, revision) = rest.split_once('@').unwrap_or((rest, MAIN));
        let short = SHORT.iter().find(|(short, _)| *short == repository).map(|(_, whole)| *whole);
        let repository = short.unwrap_or(repository);
        if short.is_none() && !prefixed {
            return Ok(None);
        }
        if !is_repository(repository) || revision.is_empty() || !revision.split('/').all(is_part) {
            return Err(HubError::Name { name: name.into() });
        }
        Ok(Some(Self { repository: repository.into(), revision: revision.into() }))
    }

    /// The names that the model has in folders of Hugging Face's own libraries.
    pub(super) fn aliases(&self) -> impl Iterator<Item = &str> {
        let short = SHORT.iter().find(|(_, whole)| *whole == self.repository).map(|(short, _)| *short);
        std::iter::once(self.repository.as_str()).chain(short)
    }
}

fn is_repository(text: &str) -> bool {
    matches!(text.split('/').collect::<Vec<_>>().as_slice(), [owner, name] if is_part(owner) && is_part(name))
}

/// What may stand between the slashes of an address, and names a folder on every system.
fn is_part(text: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&character);
    !text.is_empty() && text.chars().all(allowed) && !text.starts_with('.') && !text.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_owner_name_and_revision() {
        let model = |name: &str| HubModel::named(name).unwrap().map(|model| (model.repository, model.revision));
        let is = |repository: &str, revision: &str| Some((repository.to_string(), revision.to_string()));
        assert_eq!(model("gpt2"), is("openai-community/gpt2", "main"));
        assert_eq!(model("hf:gpt2"), is("openai-community/gpt2", "main"));
        assert_eq!(model("bert-base-uncased@v1"), is("google-bert/bert-base-uncased", "v1"));
        assert_eq!(model("hf:me/my.model_2@refs/pr/1"), is("me/my.model_2", "refs/pr/1"));
        // Neither: a file, a folder, a run.
        for other in ["none", "gpt3", "me/model", "weights.pth", "run:gpt2", ""] {
            assert_eq!(model(other), None, "{other}");
        }
    }

    #[test]
    fn what_names_no_model_is_an_error_that_shows_how() {
        for wrong in
            ["hf:", "hf:model", "hf:a/b/c", "hf:a/..", "hf:a/b@", "hf:a/b@../c", "hf:a b/c", "hf:/b", "hf:a\\b/c"]
        {
            let error = HubModel::named(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{wrong}\"")) && error.contains("hf:owner/name"), "{error}");
        }
    }
}
