use super::batches::{LabelledBatches, Rows};
use super::config::LabelledConfig;
use super::facts::LabelledFacts;
use super::source::{LabelledSource, LabelledText};
use crate::dealing::Dealer;
use crate::split::{duplicates, split};
use crate::text::corpus::EMBEDDED_PREFIX;
use crate::text::tokenizer::Tokenizer;
use crate::{DataError, PartCounts};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Labelled texts that are read, split and tokenised: all that training a classifier needs of its data. Cloning is
/// cheap.
#[derive(Debug, Clone)]
pub struct LabelledData {
    /// The tokenizer, trained on the training part or given.
    pub tokenizer: Tokenizer,
    /// The classes in the order of their numbers: sorted by name, or as given.
    pub classes: Vec<String>,
    /// Counts for reports.
    pub facts: LabelledFacts,
    texts: Arc<[LabelledText]>,
    files: Arc<[PathBuf]>,
    rows: Arc<Rows>,
    lengths: Arc<[usize]>,
    train: Arc<[usize]>,
    validation: Arc<[usize]>,
    test: Arc<[usize]>,
    batch_size: usize,
    bucket_by_length: bool,
}

impl LabelledData {
    /// Reads the source, splits it, trains the tokenizer on the training part and tokenises everything.
    ///
    /// # Errors
    /// [`DataError`] for impossible settings, a source that cannot be read or has fewer than two classes, a split that leaves a
    /// class without training text, and a text that the tokenizer refuses.
    pub fn load(config: &LabelledConfig) -> Result<Self, DataError> {
        config.checked()?;
        let source = LabelledSource::read(config)?;
        Self::build(config, source, |train| Tokenizer::train(&config.tokenizer, train))
    }

    /// As [`LabelledData::load`] with a tokenizer and classes that exist already, as when a run is resumed or
    /// evaluated: `config.tokenizer` plays no part, and `classes` decide the numbers of the classes. Some may have no
    /// text here.
    ///
    /// # Errors
    /// As [`LabelledData::load`], and [`DataError::BadLine`] for a text whose class is not among `classes`.
    pub fn load_with(config: &LabelledConfig, tokenizer: Tokenizer, classes: Vec<String>) -> Result<Self, DataError> {
        config.checked()?;
        let mut source = LabelledSource::read(config)?;
        renumber(&mut source, classes)?;
        Self::build(config, source, |_| Ok(tokenizer))
    }

    fn build(
        config: &LabelledConfig,
        source: LabelledSource,
        tokenizer: impl FnOnce(&str) -> Result<Tokenizer, DataError>,
    ) -> Result<Self, DataError> {
        let texts: Vec<(&str, usize)> = source.texts.iter().map(|text| (text.text.as_str(), text.label)).collect();
        let groups = duplicates(texts.iter().map(|text| text.0));
        let (validation, test) = (config.validation_fraction, config.test_fraction);
        let parts = split(&texts, &groups, source.classes.len(), validation, test, config.split_seed);
        let classes = PartCounts::of(&source.classes, &parts, |index| [source.texts[index].label]);
        check_parts(&classes)?;

        let train_texts: Vec<&str> = parts.train.iter().map(|index| source.texts[*index].text.as_str()).collect();
        let tokenizer = tokenizer(&train_texts.join("\n"))?;
        let mut tokens = encode_all(&tokenizer, &source)?;
        let mut lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
        lengths.sort_unstable();
        for tokens in &mut tokens {
            shape(tokens, config.max_len, &tokenizer);
        }

        let contradicts = |group: &Vec<usize>| {
            let label = |index: usize| source.texts[index].label;
            group.iter().filter(|index| label(**index) != label(group[0])).count()
        };
        let facts = LabelledFacts {
            source: config.source.clone(),
            num_files: if config.source.starts_with(EMBEDDED_PREFIX) { 0 } else { source.files.len() },
            num_texts: source.texts.len(),
            classes,
            vocab_size: tokenizer.vocab_size(),
            // The lower of the two in the middle.
            median_length: lengths.get(lengths.len().saturating_sub(1) / 2).copied().unwrap_or(0),
            longest_length: lengths.last().copied().unwrap_or(0),
            num_cut: lengths.iter().filter(|length| **length > config.max_len).count(),
            num_duplicates: source.texts.len() - groups.len(),
            num_contradictions: groups.iter().map(contradicts).sum(),
            num_empty: source.num_empty,
            unknown_rate: tokenizer
                .unknown_rate(parts.validation.iter().flat_map(|index| &tokens[*index]))
                .unwrap_or(0.0),
        };
        let rows = Rows {
            tokens: tokens.into_iter().map(as_row).collect(),
            labels: source.texts.iter().map(|text| text.label as i32).collect(),
            padding: tokenizer.padding_token().unwrap_or(0) as i32,
        };
        Ok(Self {
            tokenizer,
            classes: source.classes,
            facts,
            texts: source.texts.into(),
            files: source.files.into(),
            lengths: rows.tokens.iter().map(|tokens| tokens.len()).collect(),
            rows: rows.into(),
            train: parts.train.into(),
            validation: parts.validation.into(),
            test: parts.test.into(),
            batch_size: config.batch_size,
            bucket_by_length: config.bucket_by_length,
        })
    }

    /// Training batches; their order follows from `seed`.
    pub fn train_batches(&self, seed: u64) -> LabelledBatches {
        self.dealt(Dealer::shuffled(self.train.clone(), self.batch_size, seed))
    }

    /// One pass over the validation part, the same every time: by length, or in the order of the source where
    /// `bucket_by_length` is off.
    pub fn validation_batches(&self) -> LabelledBatches {
        self.fixed(&self.validation)
    }

    /// One pass over the test part, as [`validation_batches`](Self::validation_batches); none where no text is kept for
    /// a test.
    pub fn test_batches(&self) -> Option<LabelledBatches> {
        (!self.test.is_empty()).then(|| self.fixed(&self.test))
    }

    fn fixed(&self, part: &Arc<[usize]>) -> LabelledBatches {
        self.dealt(Dealer::fixed(part.clone(), self.batch_size))
    }

    fn dealt(&self, dealer: Dealer) -> LabelledBatches {
        let dealer = if self.bucket_by_length { dealer.by_length(self.lengths.clone()) } else { dealer };
        LabelledBatches::new(self.rows.clone(), dealer)
    }

    /// The text with a number from [`LabelledBatch::indices`](super::LabelledBatch::indices), uncut.
    ///
    /// # Panics
    /// If there is no such text: that is an error of the calling code. So it is below.
    pub fn text(&self, index: usize) -> &str {
        &self.texts[index].text
    }

    /// The class of that text, by its place in [`classes`](Self::classes).
    pub fn label(&self, index: usize) -> usize {
        self.texts[index].label
    }

    /// Where that text stands: its file (the source's name where it is embedded) and the line on which it begins, from
    /// 1.
    pub fn place(&self, index: usize) -> (&Path, usize) {
        let text = &self.texts[index];
        (&self.files[text.file], text.line)
    }
}

/// The tokens of one text as a model was trained to read it: at most `max_len`, and at least one.
///
/// # Errors
/// As [`Tokenizer::encode`].
pub fn encode_text(tokenizer: &Tokenizer, max_len: usize, text: &str) -> Result<Vec<i32>, DataError> {
    let mut tokens = tokenizer.encode(text.trim())?;
    shape(&mut tokens, max_len, tokenizer);
    Ok(tokens.into_iter().map(|token| token as i32).collect())
}

/// Cuts what is too long. A text of which nothing is left becomes one unknown word: models cannot read a text of no
/// tokens.
fn shape(tokens: &mut Vec<u32>, max_len: usize, tokenizer: &Tokenizer) {
    tokens.truncate(max_len.max(1));
    if tokens.is_empty() {
        tokens.push(tokenizer.unknown_token().or(tokenizer.padding_token()).unwrap_or(0));
    }
}

fn as_row(tokens: Vec<u32>) -> Box<[i32]> {
    tokens.into_iter().map(|token| token as i32).collect()
}

/// All texts, encoded; a text that is refused is named by its place.
fn encode_all(tokenizer: &Tokenizer, source: &LabelledSource) -> Result<Vec<Vec<u32>>, DataError> {
    let texts: Vec<&str> = source.texts.iter().map(|text| text.text.as_str()).collect();
    let refused = match tokenizer.encode_batch(&texts) {
        Ok(tokens) => return Ok(tokens),
        Err(error) => error,
    };
    let found = source.texts.iter().find_map(|text| Some((text, tokenizer.encode(&text.text).err()?)));
    Err(match found {
        Some((text, error)) => {
            DataError::BadLine { path: source.files[text.file].clone(), line: text.line, message: error.to_string() }
        }
        None => refused,
    })
}

/// Numbers the classes as in `classes`.
fn renumber(source: &mut LabelledSource, classes: Vec<String>) -> Result<(), DataError> {
    for text in &mut source.texts {
        let name = &source.classes[text.label];
        let Some(label) = classes.iter().position(|class| class == name) else {
            return Err(DataError::BadLine {
                path: source.files[text.file].clone(),
                line: text.line,
                message: DataError::unknown_class(name, &classes),
            });
        };
        text.label = label;
    }
    source.classes = classes;
    Ok(())
}

/// A part without texts is an error here, before anything divides by its size.
fn check_parts(classes: &[PartCounts]) -> Result<(), DataError> {
    let wrong = |message: String| Err(DataError::Config { key: "validation_fraction", message });
    let left_out = classes.iter().find(|class| class.train == 0 && class.validation + class.test > 0);
    if let Some(class) = left_out {
        return wrong(format!(
            "and `test_fraction` leave no text of the class `{}` for training; lower them or give more texts of that class",
            class.name
        ));
    }
    if classes.iter().all(|class| class.validation == 0) {
        return wrong("leaves no text for validation; raise it or give more texts".to_owned());
    }
    Ok(())
}
