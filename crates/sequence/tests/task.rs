//! The job `language-model`: training steps, evaluation, samples.

use std::collections::BTreeMap;

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    tensor::{Int, Tensor, TensorData},
};
use data::text::{
    Sampling, TextConfig,
    windows::{ContiguousWindows, IGNORE_TARGET, TextBatch, TextBatches},
};
use layers::{
    loss::{CrossEntropy, cross_entropy},
    recurrent::RecurrentState,
};
use sequence::{
    language_model::{LanguageModel, LanguageModelConfig},
    task::language_model::{LanguageModelJob, LanguageModelOptions, LanguageModelTask, TextBlock},
};
use testkit::{TinyOverfit, assert_data_close, gradients_by_path, tiny_overfit};
use training_loop::{
    config::{Problems, Validate},
    job::{AssembleContext, Assembled, Blocks, GenerateRequest, Generated, Job, Trained},
    task::{Sample, SampleContent, StepContext, Task},
    weights,
};

type B = Autodiff<Flex>;
type Inner = Flex;

fn blocks() -> Blocks<LanguageModelJob> {
    Blocks {
        data: TextBlock(TextConfig { seq_len: 16, batch_size: 4, ..TextConfig::default() }),
        model: LanguageModelConfig { embedding_size: 16, hidden_size: 32, ..Default::default() },
        task: LanguageModelOptions { sample_tokens: 20, ..Default::default() },
    }
}

fn assemble(
    blocks: &Blocks<LanguageModelJob>,
    artefacts: Option<&std::path::Path>,
) -> Assembled<B, LanguageModelTask<B>> {
    let device = Default::default();
    let context = AssembleContext { artefacts, ..AssembleContext::new(&device, 42) };
    LanguageModelJob::assemble::<B>(blocks, &context).unwrap()
}

fn step(task: &mut LanguageModelTask<B>, model: &LanguageModel<B>, batch: TextBatch) -> BTreeMap<String, TensorData> {
    let context = StepContext { device: &Default::default(), step: 0, epoch: 0, optimizer: "main" };
    let output = task.training_step(model, batch, &context).unwrap();
    gradients_by_path(model, output.loss).0
}

#[test]
fn memorises_one_batch() {
    let Assembled { mut task, model, splits, .. } = assemble(&blocks(), None);
    let batch = splits.train.get(0, 0).unwrap();
    let options = TinyOverfit { steps: 150, learning_rate: 2e-2, bound: 0.1 };
    tiny_overfit(&mut task, model, || batch.clone(), &Default::default(), options);
}

#[test]
fn evaluation_counts_each_token_once() {
    let Assembled { mut task, model, .. } = assemble(&blocks(), None);
    let model = model.valid();
    let device = Default::default();
    let tokens: std::sync::Arc<[u32]> = (0..200u32).map(|i| i * 7 % 20).collect();
    let mut evaluate = |batch_size, seq_len| {
        let windows = ContiguousWindows::validation(tokens.clone(), batch_size, seq_len).unwrap();
        let batches: Vec<_> = (0..windows.num_batches()).map(|index| windows.batch(0, index)).collect();
        let count: usize = batches.iter().map(TextBatch::num_targets).sum();
        assert_eq!(count, 199);
        task.evaluate(&model, &mut batches.into_iter().map(Ok), &device).unwrap()
    };
    // One row, so every cut of it is the same text with the same state.
    let whole = evaluate(1, 199);
    for seq_len in [1, 7, 64, 500] {
        let cut = evaluate(1, seq_len);
        for (name, value) in &whole {
            // Relative: the perplexity is large, and the sums behind it are rounded to 32 bits.
            let off = (cut[name] - value).abs() / value.max(1.0);
            assert!(off < 1e-5, "windows of {seq_len}: {name} is {} against {value}", cut[name]);
        }
    }
    let loss = whole["loss"];
    assert!((whole["perplexity"] - loss.exp()).abs() < 1e-9);
    let bits = loss / std::f64::consts::LN_2;
    assert!((whole["bits_per_character"] - bits).abs() < 1e-9);
    assert!((0.0..=1.0).contains(&whole["accuracy"]));
    // Padded rows: the mean is still over the tokens that count.
    let padded = evaluate(3, 16);
    assert!((padded["loss"] - loss).abs() < 0.5);
}

#[test]
fn evaluation_without_tokens_is_an_error() {
    let Assembled { mut task, model, .. } = assemble(&blocks(), None);
    let none = task.evaluate(&model.valid(), &mut std::iter::empty(), &Default::default());
    assert!(none.unwrap_err().to_string().contains("no token"));
}

#[test]
fn the_state_is_carried_reset_and_restored() {
    let assembled = assemble(&blocks(), None);
    let (model, train) = (assembled.model, assembled.splits.train);
    let mut task = assembled.task;
    assert!(task.state().is_empty());
    let [first, second] = [0, 1].map(|index| train.get(0, index).unwrap());
    assert!(first.reset_state && !second.reset_state);

    step(&mut task, &model, first.clone());
    let state = task.state();
    let carried = step(&mut task, &model, second.clone());

    // A resumed task goes on in the same way, bit for bit.
    let mut resumed = assemble(&blocks(), None).task;
    resumed.load_state(state, &Default::default()).unwrap();
    assert_eq!(step(&mut resumed, &model, second.clone()), carried);
    assert_eq!(resumed.state(), task.state());

    // A fresh state gives something else, and so does a batch that asks for one.
    let mut fresh = assemble(&blocks(), None).task;
    assert_ne!(step(&mut fresh, &model, second.clone()), carried);
    let mut reset = second;
    reset.reset_state = true;
    assert_ne!(step(&mut task, &model, reset), carried);

    let mut blocks = blocks();
    blocks.task.carry_state = false;
    let mut never = assemble(&blocks, None).task;
    step(&mut never, &model, first);
    assert!(never.state().is_empty());
}

#[test]
fn micro_batches_weighted_by_items_are_the_large_batch() {
    let device = Default::default();
    let assembled = assemble(&blocks(), None);
    let (model, train) = (assembled.model, assembled.splits.train);
    let [mut first, second] = [0, 1].map(|index| train.get(0, index).unwrap());
    let last = first.targets.len() - 1;
    first.targets[last] = IGNORE_TARGET;
    let mut task = assembled.task;
    let context = StepContext { device: &device, step: 0, epoch: 0, optimizer: "main" };
    let mut sums = Vec::new();
    let mut between = None;
    for batch in [first.clone(), second.clone()] {
        let output = task.training_step(&model, batch, &context).unwrap();
        sums.push(output.loss * output.items as f64);
        between.get_or_insert_with(|| task.state());
    }
    let sum = sums.into_iter().reduce(|a, b| a + b).unwrap();
    let (accumulated, _) = gradients_by_path(&model, sum / 127.0);

    // Both windows side by side: the first from an empty state, the second from where the first ended.
    let between = between.unwrap();
    let state = |name: &str| {
        let carried = Tensor::<B, 3>::from_data(between[name].clone(), &device);
        Tensor::cat(vec![carried.zeros_like(), carried], 1)
    };
    let stack = |a: Vec<i32>, b: Vec<i32>| {
        let data = TensorData::new([a, b].concat(), [8, 16]);
        Tensor::<B, 2, Int>::from_data(data, &device)
    };
    let start = RecurrentState { hidden: state("hidden"), cell: Some(state("cell")) };
    let (logits, _) = model.forward(stack(first.inputs, second.inputs), Some(start));
    let options = CrossEntropy { ignore_index: Some(-100), ..Default::default() };
    let targets = stack(first.targets, second.targets).flatten(0, 1);
    let loss = cross_entropy(logits.flatten(0, 1), targets, &options);
    let (large, _) = gradients_by_path(&model, loss);
    for (path, gradient) in large {
        assert_data_close(&path, &accumulated[&path], &gradient, 1e-6);
    }
}

#[test]
fn a_resumed_run_cannot_change_its_rows() {
    let assembled = assemble(&blocks(), None);
    let mut task = assembled.task;
    let batch = assembled.splits.train.get(0, 0).unwrap();
    step(&mut task, &assembled.model, batch);
    let mut wider = blocks();
    wider.data.0.batch_size = 5;
    let batch = assemble(&wider, None).splits.train.get(0, 1).unwrap();
    let context = StepContext { device: &Default::default(), step: 1, epoch: 0, optimizer: "main" };
    let error = task.training_step(&assembled.model, batch, &context);
    assert!(error.unwrap_err().to_string().contains("data.batch_size"));
}

#[test]
fn samples_follow_the_step_and_the_prompt() {
    let mut blocks = blocks();
    blocks.task.sample_prompt = "The ".into();
    blocks.task.sample_count = 2;
    let Assembled { mut task, model, .. } = assemble(&blocks, None);
    let model = model.valid();
    let device = Default::default();
    let mut texts = || {
        let samples = task.samples(&model, &device).unwrap();
        assert_eq!(samples[0].name, "");
        assert_eq!(samples[1].name, "2");
        texts_of(samples)
    };
    let first = texts();
    assert!(first.iter().all(|text| text.starts_with("The ")));
    assert!(first.iter().all(|text| text.chars().count() == 24));
    assert_ne!(first[0], first[1]);
    assert_eq!(first, texts());
}

fn texts_of(samples: Vec<Sample>) -> Vec<String> {
    samples
        .into_iter()
        .map(|sample| match sample.content {
            SampleContent::Text(text) => text,
            other => panic!("{other:?} is no text"),
        })
        .collect()
}

#[test]
fn a_prompt_that_cannot_be_encoded_is_said_at_once() {
    let mut blocks = blocks();
    blocks.task.sample_prompt = "日本".into();
    let device = Default::default();
    let context = AssembleContext::new(&device, 42);
    let error = LanguageModelJob::assemble::<B>(&blocks, &context).err().unwrap();
    assert!(error.to_string().contains("task.sample_prompt"), "{error}");
}

#[test]
fn a_trained_model_generates_from_its_artefacts() {
    let blocks = blocks();
    let assembled = assemble(&blocks, None);
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in &assembled.artefacts {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let named = weights::collect(&assembled.model);
    let trained = Trained { device: &Default::default(), artefacts: folder.path(), weights: &named };
    let generate = |prompt: &str, seed, count| {
        let request = GenerateRequest {
            prompt: prompt.into(),
            tokens: 30,
            temperature: 1.0,
            top_k: Some(10),
            top_p: Some(0.9),
            min_p: None,
            stop: Vec::new(),
            repetition_penalty: 1.1,
            seed,
            count,
            out: None,
            class: None,
            interpolate: None,
        };
        let mut pieces = Vec::new();
        LanguageModelJob::generate::<Inner>(&blocks, &trained, &request, &mut |piece| {
            match piece {
                Generated::Text(text) => pieces.push(text.to_string()),
                Generated::File(file) => panic!("{file:?}"),
            }
            Ok(())
        })
        .unwrap();
        pieces
    };
    let pieces = generate("The ", 1, 1);
    assert!(pieces.len() > 20, "it streams: {pieces:?}");
    let text = pieces.concat();
    assert!(text.starts_with("The "));
    assert_eq!(text, generate("The ", 1, 1).concat());
    assert_ne!(text, generate("The ", 2, 1).concat());
    assert_eq!(generate("", 1, 1).concat().chars().count(), 30);
    let two = generate("The ", 1, 2).concat();
    assert!(two.starts_with("--- 1 of 2 ---\nThe ") && two.contains("--- 2 of 2 ---"));

    // The run's tokenizer is used again, not trained anew.
    let again = assemble(&blocks, Some(folder.path()));
    assert_eq!(again.artefacts, assembled.artefacts);
    let weights = |model: &LanguageModel<B>| weights::collect(model);
    for (name, data) in weights(&again.model) {
        assert_data_close(&name, &data, &weights(&assembled.model)[&name], 0.0);
    }
    assert!(again.facts.iter().any(|(name, _)| name == "vocabulary"));
}

/// What is asked of text by word and by byte pairs: scores that compare, and text that reads as text.
#[test]
fn words_and_byte_pairs_are_scored_and_written() {
    for (tokenizer, by_word) in [
        ("kind = \"word\"\nvocab_size = 300\nlowercase = false\nline_breaks = true", true),
        ("kind = \"bpe\"\nvocab_size = 300", false),
    ] {
        let mut blocks = blocks();
        blocks.data.0.tokenizer = toml::from_str(tokenizer).unwrap();
        blocks.task.sample_prompt = "Once upon a time".into();
        let Assembled { mut task, model, splits, .. } = assemble(&blocks, None);
        let model = model.valid();
        let validation = splits.validation.unwrap();
        let scores = task.evaluate(&model, &mut validation.iter(), &Default::default()).unwrap();
        let text = data::text::TextData::load(&blocks.data.0).unwrap();
        let tail: String = data::text::stories::text().chars().skip(text.facts.num_characters * 9 / 10).collect();
        let nats = scores["loss"] * text.facts.validation_tokens as f64;
        let bits = nats / std::f64::consts::LN_2 / tail.chars().count() as f64;
        assert!((scores["bits_per_character"] / bits - 1.0).abs() < 1e-3, "{scores:?}");
        let per_word = (nats / tail.split_whitespace().count() as f64).exp();
        assert!((scores["word_perplexity"].ln() / per_word.ln() - 1.0).abs() < 1e-3, "{scores:?}");
        let unknown = scores.get("unknown_rate");
        assert!(unknown.map_or(!by_word, |rate| by_word && *rate > 0.01 && *rate < 0.5), "{scores:?}");
        // An untrained model draws all tokens alike, but never one that is no text; the prompt and it are a space apart.
        let sample = texts_of(task.samples(&model, &Default::default()).unwrap()).remove(0);
        assert!(sample.starts_with("Once upon a time"), "{sample}");
        if by_word {
            assert!(!sample.contains("<unk>") && !sample.contains("<pad>") && !sample.contains(" ,"), "{sample}");
            let next = sample["Once upon a time".len()..].chars().next().unwrap();
            assert!(!next.is_alphanumeric(), "{sample}");
        }
    }
}

#[test]
fn words_without_line_breaks_are_written_without_a_prompt() {
    let mut blocks = blocks();
    blocks.data.0.tokenizer = toml::from_str("kind = \"word\"\nvocab_size = 300").unwrap();
    let Assembled { mut task, model, .. } = assemble(&blocks, None);
    let sample = texts_of(task.samples(&model.valid(), &Default::default()).unwrap()).remove(0);
    assert!(sample.split_whitespace().count() > 5 && !sample.starts_with(' '), "{sample}");
}

#[test]
fn random_windows_train_as_well() {
    let mut blocks = blocks();
    blocks.data.0.sampling = Sampling::Random;
    let assembled = assemble(&blocks, None);
    let mut task = assembled.task;
    for index in 0..2 {
        let batch = assembled.splits.train.get(0, index).unwrap();
        assert!(batch.reset_state);
        step(&mut task, &assembled.model, batch);
    }
}

#[test]
fn blocks_are_strict_and_say_what_is_wrong() {
    assert!(toml::from_str::<TextBlock>("batch_sise = 3").is_err());
    assert!(toml::from_str::<LanguageModelConfig>("hiden_size = 3").is_err());
    assert!(toml::from_str::<LanguageModelOptions>("carry = true").is_err());
    let config: LanguageModelConfig = toml::from_str("cell = \"gru\"\nnum_layers = 2").unwrap();
    assert_eq!(config.hidden_size, 256);
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<LanguageModelConfig>(&text).unwrap(), config);

    let mut problems = Problems::default();
    let wrong: TextBlock = toml::from_str("seq_len = 0").unwrap();
    wrong.validate(&mut problems);
    let wrong: LanguageModelOptions = toml::from_str("sample_temperature = -1.0").unwrap();
    wrong.validate(&mut problems);
    let wrong: LanguageModelConfig = toml::from_str("dropout = 1.0").unwrap();
    Validate::validate(&wrong, &mut problems);
    let keys: Vec<_> = problems.into_found().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["seq_len", "sample_temperature", "dropout"]);

    let schema = serde_json::to_string(&schemars::schema_for!(LanguageModelConfig)).unwrap();
    for part in ["rnn_tanh", "Length of a token's vector", "\"additionalProperties\":false"] {
        assert!(schema.contains(part), "{part} in {schema}");
    }
}
