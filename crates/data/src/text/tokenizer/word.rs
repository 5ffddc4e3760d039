//! Word-level tokenizers, put together from the parts of the Hugging Face `tokenizers` crate.

use super::{SubwordTokenizer, WordConfig, subword::pieces};
use crate::DataError;
use tokenizers::models::wordlevel::{WordLevel, WordLevelTrainer};
use tokenizers::normalizers::Lowercase;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    SplitDelimiterBehavior, TokenizerBuilder,
};

/// Token 0, for padding.
pub(super) const PADDING: &str = super::special::PADDING[0];

/// Token 1, for every word outside the vocabulary.
pub(super) const UNKNOWN: &str = "<unk>";

/// A word is a run of letters and digits, with apostrophes inside it; any other character but white space stands alone.
const WORDS: &str = r"[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}\p{N}]+)*|[^\s\p{L}\p{M}\p{N}]";

/// The same with line breaks, each of them alone.
const WORDS_AND_LINES: &str = r"[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}\p{N}]+)*|[^\s\p{L}\p{M}\p{N}]|\n";

/// Counts the words of `text` and keeps the most frequent; among equally frequent ones, the first by code point.
pub(super) fn train(config: &WordConfig, text: &str) -> Result<SubwordTokenizer, DataError> {
    let refused = |error: tokenizers::Error| DataError::Tokenizer { action: "train", reason: error.to_string() };
    let model = WordLevel::builder().unk_token(UNKNOWN.to_owned()).build().map_err(refused)?;
    let pattern = if config.line_breaks { WORDS_AND_LINES } else { WORDS };
    let words = Split::new(SplitPattern::Regex(pattern.to_owned()), SplitDelimiterBehavior::Removed, true);
    let mut tokenizer = TokenizerBuilder::<_, _, _, PostProcessorWrapper, DecoderWrapper>::new()
        .with_model(model)
        .with_normalizer(config.lowercase.then_some(Lowercase))
        .with_pre_tokenizer(Some(words.map_err(refused)?))
        .build()
        .map_err(refused)?;
    let special_tokens = [PADDING, UNKNOWN].map(|token| AddedToken::from(token, true)).to_vec();
    let mut trainer = WordLevelTrainer::builder()
        .show_progress(false)
        .vocab_size(config.vocab_size)
        .min_frequency(config.min_frequency)
        .special_tokens(special_tokens)
        .build()
        .map_err(|error| refused(error.to_string().into()))?;
    tokenizer.train(&mut trainer, pieces(text, super::subword::PIECE)).map_err(refused)?;
    Ok(SubwordTokenizer::new(tokenizer.into()))
}

/// Whether this is a tokenizer as [`train`] makes them: white space always ends a word and nothing looks across it.
pub(super) fn is_by_word(tokenizer: &tokenizers::Tokenizer) -> bool {
    let splits = matches!(
        tokenizer.get_pre_tokenizer(),
        Some(PreTokenizerWrapper::Split(split))
            if [WORDS, WORDS_AND_LINES].iter().any(|words| split.pattern == SplitPattern::Regex((*words).to_owned()))
                && split.invert
                && matches!(split.behavior, SplitDelimiterBehavior::Removed)
    );
    let normalizes = matches!(tokenizer.get_normalizer(), None | Some(NormalizerWrapper::Lowercase(_)));
    splits && normalizes && matches!(tokenizer.get_model(), ModelWrapper::WordLevel(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "The film isn't good, isn't it? The film: the film -- a 'classic' in 3D!\nNaïve café (2004).";

    fn trained(config: &WordConfig) -> SubwordTokenizer {
        train(config, TEXT).unwrap()
    }

    #[test]
    fn words_keep_inner_apostrophes_and_marks_stand_alone() {
        let tokenizer = trained(&WordConfig::default());
        let tokens = tokenizer.encode(TEXT).unwrap();
        assert_eq!(
            tokenizer.decode(&tokens),
            "the film isn't good, isn't it? the film: the film--a 'classic 'in 3d! naïve café (2004)."
        );
        assert_eq!(tokenizer.decode(&[0, 1]), "<pad> <unk>");
    }

    #[test]
    fn frequent_words_come_first_and_the_rest_are_unknown() {
        // "film" and "the" three times; then twice: "'", "-" and "isn't".
        let tokenizer = trained(&WordConfig { vocab_size: 5, ..WordConfig::default() });
        assert_eq!(tokenizer.vocab_size(), 5);
        assert_eq!(tokenizer.encode("FILM the isn't ' bad").unwrap(), [2, 3, 1, 4, 1]);
        let often = trained(&WordConfig { min_frequency: 2, ..WordConfig::default() });
        assert_eq!(often.vocab_size(), 2 + 5);
        let cased = trained(&WordConfig { lowercase: false, ..WordConfig::default() });
        assert_ne!(cased.encode("The").unwrap(), cased.encode("the").unwrap());
    }

    #[test]
    fn line_breaks_are_kept_where_asked() {
        let text = "One two,\n\n  three.\nOne";
        let without = trained(&WordConfig::default());
        assert_eq!(without.decode(&without.encode("the\nfilm").unwrap()), "the film");
        let config = WordConfig { line_breaks: true, lowercase: false, ..WordConfig::default() };
        let tokenizer = train(&config, text).unwrap();
        assert_eq!(tokenizer.encode(text).unwrap().len(), 9);
        assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()), "One two,\n\nthree.\nOne");
        let reloaded = SubwordTokenizer::from_json(tokenizer.to_json().unwrap().as_bytes()).unwrap();
        assert!(is_by_word(reloaded.inner()));
        assert_eq!(reloaded.encode(text).unwrap(), tokenizer.encode(text).unwrap());
    }

    #[test]
    fn a_long_text_in_pieces_gives_the_same_words() {
        let text = crate::text::stories::text();
        for line_breaks in [false, true] {
            let config = WordConfig { vocab_size: 500, line_breaks, ..WordConfig::default() };
            let tokenizer = train(&config, &text).unwrap();
            let whole = tokenizer.inner().encode_fast(&text[..200_000], false).unwrap();
            assert_eq!(tokenizer.encode(&text[..200_000]).unwrap(), whole.get_ids());
        }
    }

    #[test]
    fn a_text_without_words_leaves_the_two_special_tokens() {
        let tokenizer = train(&WordConfig::default(), " \n ").unwrap();
        assert_eq!(tokenizer.vocab_size(), 2);
        assert_eq!(tokenizer.encode("any word").unwrap(), [1, 1]);
    }
}
