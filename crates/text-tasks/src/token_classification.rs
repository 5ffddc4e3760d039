//! Taggers: which tag each word of a sentence has, as of names, dates and amounts, or of parts of speech.

use std::{collections::BTreeMap, marker::PhantomData};

use burn::{
    module::{AutodiffModule, Module},
    tensor::{
        Tensor, TensorData,
        activation::softmax,
        backend::{AutodiffBackend, Backend},
    },
};
use data::text::{
    tagged::{TaggedBatch, TaggedBatches, TaggedConfig, TaggedData, TaggedFacts, TaggedInput, encode_words},
    tokenizer::Tokenizer,
    windows::IGNORE_TARGET,
};
use layers::loss::{CrossEntropy, Tally, cross_entropy};
use report::{Body, Section, Table, confusion_sections};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Problems, Validate},
    data_block,
    error::TaskError,
    job::{AssembleContext, Assembled, Block, Blocks, Generated, Job, PredictRequest, Trained},
    metrics::{Confusion, EntityScores, entities},
    optimizer::ParameterGroup,
    parameters::{self, ParameterInfo},
    task::{InnerModel, Sample, Scores, Splits, StepContext, StepOutput, Task},
    weights,
};

use crate::{
    Texts,
    artefacts::{TOKENIZER_FILE, load_names, load_tokenizer},
    context,
    texts::requested,
};

/// The artefact beside the tokenizer.
const TAGS_FILE: &str = "tags.json";

/// Pieces of texts that are predicted at a time.
const PREDICTED_TOGETHER: usize = 64;

data_block! {
    /// `[data]`: the sentences, their tags, and how they become batches.
    TaggedBlock(TaggedConfig)
}

/// `[task]`: the loss, and what is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenClassificationOptions {
    /// Share of each target's probability that is spread evenly over all tags, in `0..=1`.
    pub label_smoothing: f32,
    /// Sentences of the validation part that are shown after each validation; 0: none.
    pub sample_count: usize,
}

impl Default for TokenClassificationOptions {
    fn default() -> Self {
        Self { label_smoothing: 0.0, sample_count: 5 }
    }
}

impl Validate for TokenClassificationOptions {
    fn validate(&self, problems: &mut Problems) {
        problems.check((0.0..=1.0).contains(&self.label_smoothing), "label_smoothing", "must be between 0 and 1");
    }
}

/// A network that says something of each token of a text.
pub trait TokenClassifier<B: Backend>: Module<B> {
    /// The most tokens of a text that it reads; none where there is no limit. Default: none.
    fn context_len(&self) -> Option<usize> {
        None
    }

    /// One logit a class for each token.
    ///
    /// # Shapes
    /// - logits: `[batch, time, classes]`
    fn logits(&self, texts: &Texts<B>) -> Tensor<B, 3>;
}

/// The `[model]` of a job that trains taggers: a family's name, and how its network is made.
pub trait TokenClassifierFamily: Block {
    /// Name of the job.
    const NAME: &'static str;
    /// One line for `train list`.
    const SUMMARY: &'static str;

    /// The network.
    type Model<B: Backend>: TokenClassifier<B>;
    /// The same network on a backend with gradients: a family gives one type for both.
    type Trained<B: AutodiffBackend>: AutodiffModule<B, InnerModule = Self::Model<B::InnerBackend>>
        + TokenClassifier<B>
        + From<Self::Model<B>>;

    /// A network with random weights.
    ///
    /// # Errors
    /// When this `[model]` does not go with the vocabulary or the number of tags.
    fn init<B: Backend>(&self, vocab_size: usize, tags: usize, device: &B::Device)
    -> Result<Self::Model<B>, TaskError>;

    /// Puts the weights that `[model]` names in place of the random ones. Default: it names none.
    ///
    /// # Errors
    /// When they cannot be had or do not fit.
    fn load_pretrained<B: Backend>(
        &self,
        _model: &mut Self::Model<B>,
        _context: &AssembleContext<'_, B::Device>,
    ) -> Result<(), TaskError> {
        Ok(())
    }

    /// Settings of its network's parameters that go with this family, such as no weight decay on normalisations; those of the
    /// config come after them and win. Default: none.
    fn parameter_groups(&self, _parameters: &[ParameterInfo]) -> Vec<ParameterGroup> {
        Vec::new()
    }
}

/// The job of a family of taggers, by the type of its `[model]`.
#[derive(Debug, Clone, Copy)]
pub struct TokenClassificationJob<F>(PhantomData<F>);

impl<F: TokenClassifierFamily> Job for TokenClassificationJob<F> {
    const NAME: &'static str = F::NAME;
    const SUMMARY: &'static str = F::SUMMARY;

    type Data = TaggedBlock;
    type Model = F;
    type Options = TokenClassificationOptions;
    type Task<B: AutodiffBackend> = TokenClassificationTask<F>;

    fn assemble<B: AutodiffBackend>(
        blocks: &Blocks<Self>,
        context: &AssembleContext<'_, B::Device>,
    ) -> Result<Assembled<B, Self::Task<B>>, TaskError> {
        let config = &blocks.data.0;
        let sentences = match context.artefacts {
            Some(folder) => TaggedData::load_with(config, load_tokenizer(folder)?, load_names(folder, TAGS_FILE)?)?,
            None => TaggedData::load(config)?,
        };
        let learned = [sentences.train_batches(context.seed), sentences.validation_batches()];
        let splits = Splits::dealt(learned, sentences.test_batches(), TaggedBatches::num_batches, TaggedBatches::batch);
        B::seed(context.device, context.seed);
        let mut model =
            blocks.model.init::<B>(sentences.tokenizer.vocab_size(), sentences.tags.len(), context.device)?;
        context::check("data.max_len", config.max_len, model.context_len())?;
        if !context.weights_follow {
            blocks.model.load_pretrained(&mut model, context)?;
        }
        let artefacts = BTreeMap::from([
            (TOKENIZER_FILE.to_string(), sentences.tokenizer.to_json()?.into_bytes()),
            (TAGS_FILE.to_string(), serde_json::to_vec(&sentences.tags)?),
        ]);
        let facts = describe(&sentences.facts, model.num_params());
        let task = TokenClassificationTask {
            sample_count: blocks.task.sample_count,
            loss: CrossEntropy {
                label_smoothing: blocks.task.label_smoothing,
                ..CrossEntropy::ignoring(IGNORE_TARGET)
            },
            groups: blocks.model.parameter_groups(&parameters::list(&model)),
            sentences,
            pages: BTreeMap::new(),
            family: PhantomData,
        };
        Ok(Assembled { task, model: model.into(), splits, artefacts, facts })
    }

    fn predict<B: Backend>(
        blocks: &Blocks<Self>,
        trained: &Trained<'_, B::Device>,
        request: &PredictRequest,
        output: &mut dyn FnMut(Generated<'_>) -> std::io::Result<()>,
    ) -> Result<(), TaskError> {
        let texts = requested(request, blocks.data.0.encoding)?;
        let (tokenizer, tags) = (load_tokenizer(trained.artefacts)?, load_names(trained.artefacts, TAGS_FILE)?);
        let mut model = blocks.model.init::<B>(tokenizer.vocab_size(), tags.len(), trained.device)?;
        weights::apply(&mut model, trained.weights)?;

        let words: Vec<Vec<String>> = texts.iter().map(|text| words_of(text)).collect();
        let mut pieces = Vec::new();
        for words in &words {
            pieces.extend(pieces_of(&tokenizer, blocks.data.0.max_len, words)?);
        }
        let mut found = tag::<B>(&model, &pieces, tags.len(), trained.device).into_iter();
        let mut table = vec![["text", "word", "tag", "probability"].map(str::to_string).to_vec()];
        for (number, words) in (1usize..).zip(&words) {
            let found: Vec<(usize, f32)> = found.by_ref().take(words.len()).collect();
            if request.output.is_some() {
                let row = |(word, (tag, probability)): (&String, &(usize, f32))| {
                    vec![number.to_string(), word.clone(), tags[*tag].clone(), format!("{probability:.6}")]
                };
                table.extend(words.iter().zip(&found).map(row));
            } else {
                let named: Vec<&str> = found.iter().map(|(tag, _)| tags[*tag].as_str()).collect();
                output(Generated::Text(&format!("{}\n", marked(words, &named))))?;
            }
        }
        if request.output.is_some() {
            request.give_table(table, output)?;
        }
        Ok(())
    }
}

/// The words of a text as the files of such data have them: marks before and after a word stand alone.
fn words_of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in text.split_whitespace() {
        let is_mark = |character: char| !character.is_alphanumeric();
        let core = part.trim_matches(is_mark);
        if core.is_empty() {
            words.extend(part.chars().map(String::from));
            continue;
        }
        let begin = part.len() - part.trim_start_matches(is_mark).len();
        words.extend(part[..begin].chars().map(String::from));
        words.push(core.to_string());
        words.extend(part[begin + core.len()..].chars().map(String::from));
    }
    words
}

/// After these a text that is too long is divided, where it can be.
const SENTENCE_ENDS: [&str; 4] = [".", "!", "?", ";"];

/// The tokens of a text, which is read in pieces where it is too long: every word begins in one of them.
fn pieces_of(tokenizer: &Tokenizer, max_len: usize, words: &[String]) -> Result<Vec<TaggedInput>, TaskError> {
    let mut pieces = Vec::new();
    let mut done = 0;
    while done < words.len() {
        let rest = &words[done..];
        let mut piece = encode_words(tokenizer, max_len, rest)?;
        let fitting = piece.firsts.len();
        if fitting == 0 {
            return Err(format!("`{}` is too long a word for a model of {max_len} tokens", words[done]).into());
        }
        let last_end = rest[..fitting].iter().rposition(|word| SENTENCE_ENDS.contains(&word.as_str()));
        if let Some(end) = last_end.filter(|_| fitting < rest.len()) {
            piece = encode_words(tokenizer, max_len, &rest[..=end])?;
        }
        done += piece.firsts.len();
        pieces.push(piece);
    }
    Ok(pieces)
}

/// The likeliest tag of each word of the pieces, and its probability.
fn tag<B: Backend>(
    model: &impl TokenClassifier<B>,
    pieces: &[TaggedInput],
    tags: usize,
    device: &B::Device,
) -> Vec<(usize, f32)> {
    let mut found = Vec::new();
    for pieces in pieces.chunks(PREDICTED_TOGETHER) {
        let row = |piece: &TaggedInput| piece.tokens.iter().map(|token| *token as i32).collect::<Vec<_>>();
        let logits = model.logits(&Texts::of_rows(&pieces.iter().map(row).collect::<Vec<_>>(), device));
        let [_, time, _] = logits.dims();
        let probabilities: Vec<f32> = softmax(logits, 2).into_data().iter::<f32>().collect();
        for (row, piece) in pieces.iter().enumerate() {
            found.extend(piece.firsts.iter().map(|first| {
                let of_word = &probabilities[(row * time + first) * tags..][..tags];
                let likeliest = classification::largest(of_word);
                (likeliest, of_word[likeliest])
            }));
        }
    }
    found
}

/// Whether tags are those of entities: `O`, and a place and a kind (`B-PER`).
fn name_entities(tags: &[String]) -> bool {
    tags.iter().all(|tag| tag == "O" || ["B-", "I-", "E-", "S-"].iter().any(|place| tag.starts_with(place)))
}

/// A sentence with its entities in brackets, or with the tags of its words where there are none.
fn marked<W: AsRef<str>>(words: &[W], tags: &[&str]) -> String {
    let owned: Vec<String> = tags.iter().map(|tag| (*tag).to_string()).collect();
    if !name_entities(&owned) {
        let pairs: Vec<String> = words.iter().zip(tags).map(|(word, tag)| format!("{}/{tag}", word.as_ref())).collect();
        return pairs.join(" ");
    }
    let mut parts: Vec<String> = words.iter().map(|word| word.as_ref().to_string()).collect();
    for entity in entities(tags) {
        parts[entity.words.start].insert(0, '[');
        parts[entity.words.end - 1].push_str(&format!(" | {}]", entity.kind));
    }
    parts.join(" ")
}

fn describe(facts: &TaggedFacts, parameters: usize) -> Vec<(String, String)> {
    let [train, validation, test] = [facts.train, facts.validation, facts.test];
    let tags: Vec<String> = facts.tags.iter().map(|tag| format!("{} ({})", tag.name, tag.all())).collect();
    let mut lines = vec![
        ("source".to_string(), facts.source.clone()),
        ("tags".to_string(), tags.join(", ")),
        ("sentences".to_string(), format!("{train} to learn from, {validation} for validation, {test} for the test")),
        (
            "tokens in a sentence".to_string(),
            format!("{} (median), {} (most)", facts.median_length, facts.longest_length),
        ),
        ("tokens in a word".to_string(), format!("{:.2}", facts.tokens_per_word)),
        ("vocabulary".to_string(), facts.vocab_size.to_string()),
        ("unknown tokens".to_string(), format!("{:.1} % of the validation sentences", 100.0 * facts.unknown_rate)),
        ("accuracy of always the same tag".to_string(), format!("{:.3}", facts.baseline_accuracy())),
    ];
    if facts.num_cut > 0 {
        lines.push(("sentences cut".to_string(), facts.num_cut.to_string()));
    }
    lines.push(("parameters".to_string(), parameters.to_string()));
    lines
}

/// Classification of words by the first token of each, with cross entropy.
#[derive(Debug)]
pub struct TokenClassificationTask<F> {
    sample_count: usize,
    loss: CrossEntropy,
    groups: Vec<ParameterGroup>,
    sentences: TaggedData,
    pages: BTreeMap<String, serde_json::Value>,
    family: PhantomData<F>,
}

impl<B: AutodiffBackend, F: TokenClassifierFamily> Task<B> for TokenClassificationTask<F> {
    type Model = F::Trained<B>;
    type Batch = TaggedBatch;

    fn item_name(&self) -> &'static str {
        "words"
    }

    fn parameter_groups(&self) -> Vec<ParameterGroup> {
        self.groups.clone()
    }

    fn training_step(
        &mut self,
        model: &Self::Model,
        batch: Self::Batch,
        context: &StepContext<'_, B>,
    ) -> Result<StepOutput<B>, TaskError> {
        let (logits, targets) = by_token(model, &batch, context.device);
        Ok(StepOutput::new(cross_entropy(logits, targets, &self.loss), batch.num_targets()))
    }

    /// `loss` and `accuracy` of words; of entities, where the tags name such, `precision`, `recall`, `f1` (each entity of the
    /// part counts alike) and `f1_macro` (each kind does). Words that were cut count as without an entity.
    fn evaluate(
        &mut self,
        model: &InnerModel<B, Self>,
        batches: &mut dyn Iterator<Item = Result<Self::Batch, TaskError>>,
        device: &B::Device,
    ) -> Result<Scores, TaskError> {
        let mut tally = Tally::new(device);
        let mut found = EntityScores::default();
        let mut pairs = Vec::new();
        for batch in batches {
            let batch = batch?;
            let (logits, targets) = by_token::<B::InnerBackend>(model, &batch, device);
            for (predicted, index) in likeliest(&batch, logits.clone()).into_iter().zip(&batch.indices) {
                let (named, there) = (self.sentences.named(&predicted, *index), self.sentences.tags_of(*index));
                found.add(&entities(&named), &entities(&there));
                // As `named` has it, words that were cut have the first tag.
                let predicted = predicted.into_iter().chain(std::iter::repeat(0));
                pairs.extend(self.sentences.tag_numbers(*index).iter().copied().zip(predicted));
            }
            tally.add(logits, targets, &CrossEntropy::ignoring(IGNORE_TARGET), batch.num_targets());
        }
        if pairs.is_empty() {
            return Err("there is no word to evaluate on".into());
        }
        let [loss, _] = tally.means();
        let confusion = Confusion::new(self.sentences.tags.len(), pairs);
        let mut scores = Scores::from([("loss".to_string(), loss), ("accuracy".to_string(), confusion.accuracy())]);
        let mut sections = Vec::new();
        if name_entities(&self.sentences.tags) {
            scores.extend(found.scores());
            sections.push(by_kind(&found));
        } else {
            scores.insert("f1_macro".to_string(), confusion.f1_macro());
        }
        sections.extend(confusion_sections(&self.sentences.tags, confusion.counts(), &confusion.by_class(), "words"));
        self.pages = BTreeMap::from([("tags".to_string(), serde_json::to_value(sections)?)]);
        Ok(scores)
    }

    fn samples(&mut self, model: &InnerModel<B, Self>, device: &B::Device) -> Result<Vec<Sample>, TaskError> {
        if self.sample_count == 0 {
            return Ok(Vec::new());
        }
        let batches = self.sentences.validation_batches();
        // By length, so that the middle has sentences that are neither short nor long.
        let batch = batches.batch(0, batches.num_batches() / 2);
        let (logits, _) = by_token::<B::InnerBackend>(model, &batch, device);
        let mut text = String::new();
        for (predicted, index) in likeliest(&batch, logits).iter().zip(&batch.indices).take(self.sample_count) {
            let (words, there) = (self.sentences.words(*index), self.sentences.tags_of(*index));
            let predicted = self.sentences.named(predicted, *index);
            text.push_str(&format!("{}\n", marked(words, &predicted)));
            if predicted != there {
                text.push_str(&format!("  right would be: {}\n", marked(words, &there)));
            }
        }
        Ok(vec![Sample::text(text)])
    }

    fn pages(&self) -> BTreeMap<String, serde_json::Value> {
        self.pages.clone()
    }
}

/// The logits of all tokens of a batch, `[batch · time, tags]`, and their targets, `[batch · time]`.
fn by_token<B: Backend>(
    model: &impl TokenClassifier<B>,
    batch: &TaggedBatch,
    device: &B::Device,
) -> (Tensor<B, 2>, Tensor<B, 1, burn::tensor::Int>) {
    let texts = Texts::of_batch(&batch.tokens, &batch.lengths, batch.seq_len, device);
    let targets = TensorData::new(batch.targets.clone(), [batch.targets.len()]);
    (model.logits(&texts).flatten(0, 1), Tensor::from_data(targets, device))
}

/// The likeliest tag of each word of each row.
fn likeliest<B: Backend>(batch: &TaggedBatch, logits: Tensor<B, 2>) -> Vec<Vec<usize>> {
    let of_tokens: Vec<usize> = logits.argmax(1).into_data().iter::<i64>().map(|tag| tag as usize).collect();
    batch.by_word(&of_tokens)
}

fn by_kind(found: &EntityScores) -> Section {
    let columns = ["entity", "precision", "recall", "F1", "there", "found"].map(str::to_string).to_vec();
    let row = |(kind, counts): (&String, &training_loop::metrics::EntityCounts)| {
        let scores = counts.precision_recall_f1().map(|score| format!("{score:.4}"));
        let counts = [counts.there, counts.predicted].map(|count| count.to_string());
        std::iter::once(kind.clone()).chain(scores).chain(counts).collect()
    };
    let rows = found.kinds.iter().map(row).collect();
    Section::new("Entities", Body::Table(Table { columns, rows }))
        .with_caption("An entity is right where its kind and both its ends are.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_alone_and_words_keep_what_is_inside() {
        let text = "\"Mrs. O'Neil-Smith (Paris) isn't in.\" ...";
        let words = ["\"", "Mrs", ".", "O'Neil-Smith", "(", "Paris", ")", "isn't", "in", ".", "\"", ".", ".", "."];
        assert_eq!(words_of(text), words);
        assert!(words_of(" ").is_empty());
    }

    #[test]
    fn entities_stand_in_brackets_and_other_tags_beside_their_words() {
        let words = ["Ada", "Lovelace", "lived", "in", "London"];
        let marked_names = marked(&words, &["B-PER", "I-PER", "O", "O", "B-LOC"]);
        assert_eq!(marked_names, "[Ada Lovelace | PER] lived in [London | LOC]");
        assert_eq!(marked(&words[2..4], &["VBD", "IN"]), "lived/VBD in/IN");
    }
}
