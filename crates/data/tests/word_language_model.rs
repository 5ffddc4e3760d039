//! The word tokenizer in the language model's pipeline.

use data::text::tokenizer::{Tokenizer, TokenizerConfig, WordConfig};
use data::text::windows::IGNORE_TARGET;
use data::text::{TextConfig, TextData};

fn config() -> TextConfig {
    let words = WordConfig { vocab_size: 500, ..WordConfig::default() };
    TextConfig { tokenizer: TokenizerConfig::Word(words), seq_len: 16, batch_size: 8, ..TextConfig::default() }
}

#[test]
fn stories_by_word() {
    let config = config();
    assert!(config.validate().is_empty());
    let data = TextData::load(&config).unwrap();
    assert_eq!(data.facts.vocab_size, 500);
    let tokens = data.train.iter().chain(data.validation.iter());
    assert!(tokens.clone().all(|token| *token < 500) && tokens.clone().any(|token| *token == 1));
    assert!(tokens.clone().all(|token| *token != 0), "nothing is padding");

    // A token of English stands for a word or a mark, and for the space before it.
    assert!((3.5..5.5).contains(&data.facts.characters_per_token), "{}", data.facts.characters_per_token);
    let validation_characters = data.facts.characters_per_token * data.facts.validation_tokens as f64;
    assert!((validation_characters - data.facts.num_characters as f64 * 0.1).abs() < 1.5);
    // One bit a token, divided by the characters that a token stands for.
    let bits = data.facts.bits_per_character(std::f64::consts::LN_2);
    assert!((bits * data.facts.characters_per_token - 1.0).abs() < 1e-9);

    let train = data.train_batches(&config, 1).unwrap();
    let batch = train.batch(0, 0);
    assert_eq!((batch.batch_size, batch.seq_len), (8, 16));
    assert!(batch.targets.iter().all(|target| (0..500).contains(target)));
    let validation = data.validation_batches(&config).unwrap();
    let counted = (0..validation.num_batches()).flat_map(|index| validation.batch(0, index).targets);
    assert_eq!(counted.filter(|target| *target != IGNORE_TARGET).count(), data.facts.validation_tokens);
}

#[test]
fn a_saved_word_tokenizer_streams_the_same_words() {
    let data = TextData::load(&config()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    data.tokenizer.save(&path).unwrap();
    let loaded = Tokenizer::load(&path).unwrap();
    assert_eq!(TextData::load_with(&config(), loaded.clone()).unwrap().validation, data.validation);

    let prompt = loaded.encode("Once upon a time,\nthere WAS a xylograph.").unwrap();
    let mut decoder = loaded.stream_decoder();
    let mut streamed: String = prompt.iter().map(|token| decoder.push(*token)).collect();
    streamed.push_str(&decoder.finish());
    assert_eq!(streamed, "once upon a time, there was a <unk>.");
    assert_eq!(streamed, loaded.decode(&prompt));
}
