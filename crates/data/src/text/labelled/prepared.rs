use super::batches::{LabelledBatches, Rows};
use super::config::LabelledConfig;
use super::facts::LabelledFacts;
use super::source::{LabelledSource, LabelledText};
use crate::dealing::{Dealer, Gathering, PartDealers};
use crate::split::{duplicates, split};
use crate::text::corpus::EMBEDDED_PREFIX;
use crate::text::framing::{Frame, Framed};
use crate::text::tokenizer::Tokenizer;
use crate::{DataError, PartCounts};
use std::borrow::Cow;
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
    parts: PartDealers,
}

impl LabelledData {
    /// Reads the source, splits it, trains the tokenizer on the training part and tokenises everything.
    ///
    /// # Errors
    /// [`DataError`] for impossible settings, a source that cannot be read or has fewer than two classes, a split that leaves a
    /// class without training text, a text that the tokenizer refuses, and special tokens with a tokenizer that has none.
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
        let wholes: Vec<Cow<'_, str>> = source.texts.iter().map(LabelledText::whole).collect();
        let texts: Vec<(&str, usize)> =
            wholes.iter().zip(&source.texts).map(|(whole, text)| (whole.as_ref(), text.label)).collect();
        let groups = duplicates(texts.iter().map(|text| text.0));
        let (validation, test) = (config.validation_fraction, config.test_fraction);
        let parts = split(&texts, &groups, source.classes.len(), validation, test, config.split_seed);
        let classes = PartCounts::of(&source.classes, &parts, |index| [source.texts[index].label]);
        check_parts(&classes)?;

        let train_texts: Vec<&str> = parts.train.iter().map(|index| texts[*index].0).collect();
        let tokenizer = tokenizer(&train_texts.join("\n"))?;
        let frame = frame(&tokenizer, config)?;
        let encoded = encode_all(&tokenizer, &source)?;
        let mut lengths: Vec<usize> = encoded.iter().map(|(text, pair)| uncut(frame, text, pair.as_ref())).collect();
        lengths.sort_unstable();
        let framed: Vec<Framed> =
            encoded.into_iter().map(|(text, pair)| shape(frame, text, pair, config.max_len, &tokenizer)).collect();

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
                .unknown_rate(parts.validation.iter().flat_map(|index| &framed[*index].tokens))
                .unwrap_or(0.0),
        };
        let rows = Rows {
            seconds: framed
                .iter()
                .map(|framed| framed.segments.iter().take_while(|segment| **segment == 0).count())
                .collect(),
            tokens: framed.into_iter().map(|framed| as_row(framed.tokens)).collect(),
            labels: source.texts.iter().map(|text| text.label as i32).collect(),
            padding: tokenizer.padding_token().unwrap_or(0) as i32,
        };
        drop(wholes);
        let gathering = Gathering::by_length(config.bucket_by_length, rows.tokens.iter().map(|tokens| tokens.len()));
        Ok(Self {
            tokenizer,
            classes: source.classes,
            facts,
            texts: source.texts.into(),
            files: source.files.into(),
            parts: PartDealers::new(parts, config.batch_size, gathering),
            rows: rows.into(),
        })
    }

    /// Training batches; their order follows from `seed`.
    pub fn train_batches(&self, seed: u64) -> LabelledBatches {
        self.dealt(self.parts.train(seed))
    }

    /// One pass over the validation part, the same every time: by length, or in the order of the source where
    /// `bucket_by_length` is off.
    pub fn validation_batches(&self) -> LabelledBatches {
        self.dealt(self.parts.validation())
    }

    /// One pass over the test part, as [`validation_batches`](Self::validation_batches); none where no text is kept for
    /// a test.
    pub fn test_batches(&self) -> Option<LabelledBatches> {
        self.parts.test().map(|dealer| self.dealt(dealer))
    }

    fn dealt(&self, dealer: Dealer) -> LabelledBatches {
        LabelledBatches::new(self.rows.clone(), dealer)
    }

    /// The text with a number from [`LabelledBatch::indices`](super::LabelledBatch::indices), uncut.
    ///
    /// # Panics
    /// If there is no such text: that is an error of the calling code. So it is below.
    pub fn text(&self, index: usize) -> &str {
        &self.texts[index].text
    }

    /// The second text of that pair, uncut; none where the data have no pairs.
    pub fn pair_text(&self, index: usize) -> Option<&str> {
        self.texts[index].pair.as_deref()
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

/// One text, or two, as a model was trained to read them by `config`: with special tokens where it asks for them, at most
/// `config.max_len` tokens, and at least one.
///
/// # Errors
/// As [`Tokenizer::encode`], and [`DataError::Config`] for special tokens that `tokenizer` does not have.
pub fn encode_example(
    tokenizer: &Tokenizer,
    config: &LabelledConfig,
    text: &str,
    pair: Option<&str>,
) -> Result<Framed, DataError> {
    let frame = frame(tokenizer, config)?;
    let pair = pair.map(|pair| tokenizer.encode(pair.trim())).transpose()?;
    Ok(shape(frame, tokenizer.encode(text.trim())?, pair, config.max_len, tokenizer))
}

/// What stands around the texts.
fn frame(tokenizer: &Tokenizer, config: &LabelledConfig) -> Result<Frame, DataError> {
    let frame = Frame::of(tokenizer);
    let refused = |key, message: &str| {
        let message = format!("{message}; take a tokenizer that has, as `tokenizer = {{ kind = \"word_piece\" }}`");
        Err(DataError::Config { key, message })
    };
    let has_pairs = !config.pair_column.is_empty();
    if has_pairs && frame.end.is_none() {
        return refused("pair_column", "names a second text, but the tokenizer has no token that ends the first");
    }
    let least = if has_pairs { frame.around_two() + 2 } else { frame.around_one() + 1 };
    match config.add_special_tokens {
        Some(false) => Ok(Frame::default()),
        Some(true) if frame.around_one() == 0 => refused("add_special_tokens", "is true, but the tokenizer has none"),
        None if !has_pairs && frame.around_one() < 2 => Ok(Frame::default()),
        _ if config.max_len < least => {
            let message =
                format!("is {}, of which special tokens leave no room; it must be at least {least}", config.max_len);
            Err(DataError::Config { key: "max_len", message })
        }
        _ => Ok(frame),
    }
}

/// Tokens of an example that is not cut.
fn uncut(frame: Frame, text: &[u32], pair: Option<&Vec<u32>>) -> usize {
    match pair {
        Some(pair) => text.len() + pair.len() + frame.around_two(),
        None => text.len() + frame.around_one(),
    }
}

/// Puts an example in its frame and cuts what is too long. A text of which nothing is left becomes one unknown word: models cannot
/// read a text of no tokens.
fn shape(frame: Frame, text: Vec<u32>, pair: Option<Vec<u32>>, max_len: usize, tokenizer: &Tokenizer) -> Framed {
    let max_len = max_len.max(1);
    let framed = match pair {
        Some(pair) => frame.two(text, pair, max_len),
        None => frame.one(text, max_len),
    };
    if framed.tokens.is_empty() {
        let nothing = tokenizer.unknown_token().or(tokenizer.padding_token()).unwrap_or(0);
        return Framed { tokens: vec![nothing], segments: vec![0] };
    }
    framed
}

fn as_row(tokens: Vec<u32>) -> Box<[i32]> {
    tokens.into_iter().map(|token| token as i32).collect()
}

/// The tokens of a text, and those of the second one of a pair.
type Encoded = (Vec<u32>, Option<Vec<u32>>);

/// All texts, encoded; a text that is refused is named by its place.
fn encode_all(tokenizer: &Tokenizer, source: &LabelledSource) -> Result<Vec<Encoded>, DataError> {
    let firsts: Vec<&str> = source.texts.iter().map(|text| text.text.as_str()).collect();
    let seconds: Vec<&str> = source.texts.iter().filter_map(|text| text.pair.as_deref()).collect();
    let encoded = tokenizer.encode_batch(&firsts).and_then(|firsts| Ok((firsts, tokenizer.encode_batch(&seconds)?)));
    let refused = match encoded {
        Ok((firsts, seconds)) => {
            let mut seconds = seconds.into_iter();
            let second = |text: &LabelledText| text.pair.as_ref().and_then(|_| seconds.next());
            return Ok(firsts.into_iter().zip(source.texts.iter().map(second)).collect());
        }
        Err(error) => error,
    };
    let error = |text: &LabelledText| {
        tokenizer.encode(&text.text).err().or_else(|| tokenizer.encode(text.pair.as_deref()?).err())
    };
    let found = source.texts.iter().find_map(|text| Some((text, error(text)?)));
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
