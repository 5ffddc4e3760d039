//! Tokens that stand for no text: their roles and the names they go by.

use serde::{Deserialize, Serialize};

/// What a token for padding is called, in the order of preference; so with the other roles.
pub(super) const PADDING: [&str; 3] = ["<pad>", "[PAD]", "<|pad|>"];
pub(super) const MASK: [&str; 3] = ["[MASK]", "<mask>", "<|mask|>"];
pub(super) const BEGIN: [&str; 6] = ["[CLS]", "<s>", "<bos>", "<cls>", "<|begin_of_text|>", "<|startoftext|>"];
pub(super) const END: [&str; 6] = ["[SEP]", "</s>", "<eos>", "<sep>", "<|end_of_text|>", "<|endoftext|>"];

/// The special tokens of a tokenizer, by role: for each, which token it is, where there is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Fills up short texts: `<pad>`, `[PAD]` or `<|pad|>`.
    pub padding: Option<u32>,
    /// Stands for whatever the vocabulary lacks.
    pub unknown: Option<u32>,
    /// Stands for a token that a model is to guess: `[MASK]` or `<mask>`.
    pub mask: Option<u32>,
    /// Stands before a text, and is where a classifier reads: `[CLS]`, `<s>` and their like.
    pub begin: Option<u32>,
    /// Stands after a text, and between two: `[SEP]`, `</s>`, `<|endoftext|>` and their like.
    pub end: Option<u32>,
}

impl SpecialTokens {
    /// Whether `token` has one of the roles.
    pub fn contains(&self, token: u32) -> bool {
        [self.padding, self.unknown, self.mask, self.begin, self.end].contains(&Some(token))
    }

    /// The token of a role that can be [reserved](super::Tokenizer::with_special).
    pub fn of(&self, role: SpecialRole) -> Option<u32> {
        match role {
            SpecialRole::Mask => self.mask,
            SpecialRole::End => self.end,
        }
    }
}

/// A role for which a tokenizer can be [given a token](super::Tokenizer::with_special) where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpecialRole {
    /// [`SpecialTokens::mask`], called `[MASK]`.
    Mask,
    /// [`SpecialTokens::end`], called `<|endoftext|>`.
    End,
}

impl SpecialRole {
    /// What the token is called, in text and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mask => MASK[0],
            Self::End => END[END.len() - 1],
        }
    }
}
