use super::batches::{Rows, TaggedBatches};
use super::config::TaggedConfig;
use super::facts::TaggedFacts;
use super::input::{TaggedInput, WordTokens};
use super::source::{Sentence, TaggedSource};
use crate::dealing::{Dealer, Gathering, PartDealers};
use crate::text::corpus::EMBEDDED_PREFIX;
use crate::text::tokenizer::Tokenizer;
use crate::{DataError, PartCounts};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tagged sentences that are read, split and tokenised: all that training a tagger needs of its data. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct TaggedData {
    /// The tokenizer, trained on the training part or given.
    pub tokenizer: Tokenizer,
    /// The tags in the order of their numbers: `O` first and then sorted by name, or as given.
    pub tags: Vec<String>,
    /// Counts for reports.
    pub facts: TaggedFacts,
    sentences: Arc<[Sentence]>,
    files: Arc<[PathBuf]>,
    rows: Arc<Rows>,
    parts: PartDealers,
}

impl TaggedData {
    /// Reads the source, splits it, trains the tokenizer on the training part and tokenises everything.
    ///
    /// # Errors
    /// [`DataError`] for impossible settings, a source that cannot be read or whose lines lack a column, a part without
    /// sentences, and a word that the tokenizer refuses.
    pub fn load(config: &TaggedConfig) -> Result<Self, DataError> {
        config.checked()?;
        let source = TaggedSource::read(config)?;
        let text: Vec<String> =
            source.parts.train.iter().map(|index| source.sentences[*index].words.join(" ")).collect();
        let tokenizer = Tokenizer::train(&config.tokenizer, &text.join("\n"))?;
        Self::build(config, source, tokenizer)
    }

    /// As [`TaggedData::load`] with a tokenizer and tags that exist already, as when a run is resumed or evaluated:
    /// `config.tokenizer` plays no part, and `tags` decide the numbers of the tags. Some may not occur here.
    ///
    /// # Errors
    /// As [`TaggedData::load`], and [`DataError::BadLine`] for a sentence with a tag that is not among `tags`.
    pub fn load_with(config: &TaggedConfig, tokenizer: Tokenizer, tags: Vec<String>) -> Result<Self, DataError> {
        config.checked()?;
        let mut source = TaggedSource::read(config)?;
        source.renumber(tags)?;
        Self::build(config, source, tokenizer)
    }

    fn build(config: &TaggedConfig, source: TaggedSource, tokenizer: Tokenizer) -> Result<Self, DataError> {
        let TaggedSource { sentences, tags, files, parts, .. } = source;
        let words: Vec<Vec<&str>> =
            sentences.iter().map(|sentence| sentence.words.iter().map(String::as_str).collect()).collect();
        let tokens = WordTokens::of(&tokenizer, words.iter().map(Vec::as_slice))?;
        let inputs: Vec<TaggedInput> = words.iter().map(|words| tokens.input(words, config.max_len)).collect();
        let mut lengths: Vec<usize> = words.iter().map(|words| tokens.length(words)).collect();
        lengths.sort_unstable();

        let sum = |count: &dyn Fn(usize) -> usize| parts.train.iter().map(|index| count(*index)).sum::<usize>();
        let around = tokens.length(&[]);
        let train_tokens = sum(&|index| tokens.length(&words[index]) - around);
        let facts = TaggedFacts {
            source: config.source.clone(),
            num_files: if config.source.starts_with(EMBEDDED_PREFIX) { 0 } else { files.len() },
            train: parts.train.len(),
            validation: parts.validation.len(),
            test: parts.test.len(),
            tags: PartCounts::of(&tags, &parts, |index| sentences[index].tags.clone()),
            vocab_size: tokenizer.vocab_size(),
            tokens_per_word: train_tokens as f64 / sum(&|index| words[index].len()).max(1) as f64,
            // The lower of the two in the middle.
            median_length: lengths.get(lengths.len().saturating_sub(1) / 2).copied().unwrap_or(0),
            longest_length: lengths.last().copied().unwrap_or(0),
            num_cut: lengths.iter().filter(|length| **length > config.max_len).count(),
            unknown_rate: tokenizer
                .unknown_rate(parts.validation.iter().flat_map(|index| &inputs[*index].tokens))
                .unwrap_or(0.0),
        };
        let number = |tags: &[usize]| tags.iter().map(|tag| *tag as i32).collect();
        let rows = Rows {
            tags: sentences.iter().map(|sentence| number(&sentence.tags)).collect(),
            inputs,
            padding: tokenizer.padding_token().unwrap_or(0) as i32,
        };
        let lengths = rows.inputs.iter().map(|input| input.tokens.len());
        let gathering = Gathering::by_length(config.bucket_by_length, lengths);
        Ok(Self {
            tokenizer,
            tags,
            facts,
            files: files.into(),
            parts: PartDealers::new(parts, config.batch_size, gathering),
            rows: rows.into(),
            sentences: sentences.into(),
        })
    }

    /// Training batches; their order follows from `seed`.
    pub fn train_batches(&self, seed: u64) -> TaggedBatches {
        self.dealt(self.parts.train(seed))
    }

    /// One pass over the validation part, the same every time: by length, or in the order of the source where
    /// `bucket_by_length` is off.
    pub fn validation_batches(&self) -> TaggedBatches {
        self.dealt(self.parts.validation())
    }

    /// One pass over the test part, as [`validation_batches`](Self::validation_batches); none where no sentence is kept for
    /// a test.
    pub fn test_batches(&self) -> Option<TaggedBatches> {
        self.parts.test().map(|dealer| self.dealt(dealer))
    }

    fn dealt(&self, dealer: Dealer) -> TaggedBatches {
        TaggedBatches::new(self.rows.clone(), dealer)
    }

    /// The words of the sentence with a number from [`TaggedBatch::indices`](super::TaggedBatch::indices), uncut.
    ///
    /// # Panics
    /// If there is no such sentence: that is an error of the calling code. So it is below.
    pub fn words(&self, index: usize) -> &[String] {
        &self.sentences[index].words
    }

    /// The tags of that sentence, one a word, as the data have them.
    pub fn tags_of(&self, index: usize) -> Vec<&str> {
        self.named(self.tag_numbers(index), index)
    }

    /// The same by their numbers.
    pub fn tag_numbers(&self, index: usize) -> &[usize] {
        &self.sentences[index].tags
    }

    /// The names of tags that were predicted for the words of that sentence, by their numbers; where it was cut, `O` (or else the
    /// first tag) for the words that are missing.
    pub fn named(&self, predicted: &[usize], index: usize) -> Vec<&str> {
        let name = |place: usize| self.tags[predicted.get(place).copied().unwrap_or(0)].as_str();
        (0..self.sentences[index].words.len()).map(name).collect()
    }

    /// Where that sentence stands: its file (the source's name where it is embedded) and the line of its first word, from 1.
    pub fn place(&self, index: usize) -> (&Path, usize) {
        let sentence = &self.sentences[index];
        (&self.files[sentence.file], sentence.line)
    }
}
