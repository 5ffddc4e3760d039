use super::batches::{ParallelBatches, Rows, longer_side};
use super::config::ParallelConfig;
use super::facts::{ParallelFacts, SideFacts};
use super::source::{Pair, ParallelSource};
use crate::DataError;
use crate::dealing::{Dealer, Gathering, PartDealers};
use crate::split::Parts;
use crate::text::tokenizer::Tokenizer;
use std::sync::Arc;

/// Pairs of texts that are read, split and tokenised: all that training a translator needs of its data. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct ParallelData {
    /// The tokenizer of the language that is translated from.
    pub source_tokenizer: Tokenizer,
    /// The tokenizer of the language that is translated to.
    pub target_tokenizer: Tokenizer,
    /// Counts for reports.
    pub facts: ParallelFacts,
    pairs: Arc<[Pair]>,
    rows: Arc<Rows>,
    parts: PartDealers,
}

/// The token that stands between texts, one more than those of `tokenizer`: see the [module's page](super).
pub fn boundary(tokenizer: &Tokenizer) -> u32 {
    tokenizer.vocab_size() as u32
}

/// The tokens of one source as a model was trained to read it: at most `max_len`, and the boundary.
///
/// # Errors
/// As [`Tokenizer::encode`].
pub fn encode_source(tokenizer: &Tokenizer, max_len: usize, text: &str) -> Result<Vec<i32>, DataError> {
    let mut tokens = tokenizer.encode(text.trim())?;
    tokens.truncate(max_len);
    tokens.push(boundary(tokenizer));
    Ok(as_row(&tokens).into())
}

impl ParallelData {
    /// Reads the source, splits it, trains the tokenizers on the training part and tokenises everything.
    ///
    /// # Errors
    /// [`DataError`] for impossible settings, a source that cannot be read or whose sides are not aligned, a part without
    /// pairs, and a text that a tokenizer refuses.
    pub fn load(config: &ParallelConfig) -> Result<Self, DataError> {
        config.checked()?;
        let source = ParallelSource::read(config)?;
        let text = |side: fn(&Pair) -> &str| {
            let lines: Vec<&str> = source.parts.train.iter().map(|index| side(&source.pairs[*index])).collect();
            lines.join("\n")
        };
        let (sources, targets) = (text(|pair| &pair.source), text(|pair| &pair.target));
        let (source_tokenizer, target_tokenizer) = if config.shared_vocabulary {
            let shared = Tokenizer::train(&config.tokenizer, &[sources, targets].join("\n"))?;
            (shared.clone(), shared)
        } else {
            (Tokenizer::train(&config.tokenizer, &sources)?, Tokenizer::train(&config.tokenizer, &targets)?)
        };
        Self::build(config, source, source_tokenizer, target_tokenizer)
    }

    /// As [`ParallelData::load`] with tokenizers that exist already, as when a run is resumed or evaluated:
    /// `config.tokenizer` plays no part.
    ///
    /// # Errors
    /// As [`ParallelData::load`].
    pub fn load_with(
        config: &ParallelConfig,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
    ) -> Result<Self, DataError> {
        config.checked()?;
        Self::build(config, ParallelSource::read(config)?, source_tokenizer, target_tokenizer)
    }

    fn build(
        config: &ParallelConfig,
        source: ParallelSource,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
    ) -> Result<Self, DataError> {
        let ParallelSource { pairs, parts, num_empty } = source;
        let texts: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
        let sources = source_tokenizer.encode_batch(&texts)?;
        let texts: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
        let targets = target_tokenizer.encode_batch(&texts)?;

        let fits = |index: &usize| sources[*index].len().max(targets[*index].len()) <= config.max_len;
        let train: Vec<usize> = parts.train.iter().copied().filter(fits).collect();
        if train.is_empty() {
            let message = format!("is {}; every pair is longer, and nothing is left to learn from", config.max_len);
            return Err(DataError::Config { key: "max_len", message });
        }
        let facts = ParallelFacts {
            source: config.source.clone(),
            train: train.len(),
            validation: parts.validation.len(),
            test: parts.test.len(),
            num_empty,
            num_too_long: parts.train.len() - train.len(),
            from: side(&source_tokenizer, &sources, &parts.train, &parts.validation),
            to: side(&target_tokenizer, &targets, &parts.train, &parts.validation),
        };
        let (source_boundary, target_boundary) = (boundary(&source_tokenizer), boundary(&target_tokenizer));
        let bounded = |mut tokens: Vec<u32>| {
            tokens.truncate(config.max_len);
            tokens.push(source_boundary);
            as_row(&tokens)
        };
        let rows = Rows {
            sources: sources.into_iter().map(bounded).collect(),
            targets: targets.iter().map(|tokens| as_row(tokens)).collect(),
            source_boundary: source_boundary as i32,
            target_boundary: target_boundary as i32,
        };
        let lengths = (0..pairs.len()).map(|index| rows.length(index));
        let gathering = match config.max_tokens {
            Some(most) => Gathering::Filled { lengths: lengths.collect(), size: longer_side, most },
            None => Gathering::by_length(config.bucket_by_length, lengths),
        };
        Ok(Self {
            source_tokenizer,
            target_tokenizer,
            facts,
            pairs: pairs.into(),
            parts: PartDealers::new(Parts { train, ..parts }, config.batch_size, gathering),
            rows: rows.into(),
        })
    }

    /// Training batches; their order follows from `seed`.
    pub fn train_batches(&self, seed: u64) -> ParallelBatches {
        self.dealt(self.parts.train(seed))
    }

    /// One pass over the validation part, the same every time: by length, or in the order of the source where
    /// `bucket_by_length` is off.
    pub fn validation_batches(&self) -> ParallelBatches {
        self.dealt(self.parts.validation())
    }

    /// One pass over the test part, as [`validation_batches`](Self::validation_batches); none where no pair is kept for
    /// a test.
    pub fn test_batches(&self) -> Option<ParallelBatches> {
        self.parts.test().map(|dealer| self.dealt(dealer))
    }

    fn dealt(&self, dealer: Dealer) -> ParallelBatches {
        ParallelBatches::new(self.rows.clone(), dealer)
    }

    /// The source text with a number from [`ParallelBatch::indices`](super::ParallelBatch::indices), uncut.
    ///
    /// # Panics
    /// If there is no such pair: that is an error of the calling code. So it is below.
    pub fn source_text(&self, index: usize) -> &str {
        &self.pairs[index].source
    }

    /// The translation of that text that the data give.
    pub fn target_text(&self, index: usize) -> &str {
        &self.pairs[index].target
    }
}

fn as_row(tokens: &[u32]) -> Box<[i32]> {
    tokens.iter().map(|token| *token as i32).collect()
}

fn side(tokenizer: &Tokenizer, tokens: &[Vec<u32>], train: &[usize], validation: &[usize]) -> SideFacts {
    let mut lengths: Vec<usize> = train.iter().map(|index| tokens[*index].len()).collect();
    lengths.sort_unstable();
    SideFacts {
        vocab_size: tokenizer.vocab_size() + 1,
        // The lower of the two in the middle.
        median_length: lengths.get(lengths.len().saturating_sub(1) / 2).copied().unwrap_or(0),
        longest_length: lengths.last().copied().unwrap_or(0),
        unknown_rate: tokenizer.unknown_rate(validation.iter().flat_map(|index| &tokens[*index])).unwrap_or(0.0),
    }
}
