//! The text pipeline on real files. Where there are none, these tests say so and pass.

use data::text::corpus::Corpus;
use data::text::tokenizer::{BpeConfig, Tokenizer, TokenizerConfig};
use data::text::windows::IGNORE_TARGET;
use data::text::{Encoding, Sampling, TextConfig, TextData};
use std::path::{Path, PathBuf};

/// A file or folder of the real data: in `KILN_DATA`, or beside the repository, as tests run in their crate's folder.
fn real(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os(data::DATA_VARIABLE).map_or(beside, PathBuf::from);
    let found = folder.join(path);
    if !found.exists() {
        eprintln!("passed over: {} is not there", found.display());
        return None;
    }
    Some(found)
}

fn config_of(path: &Path) -> TextConfig {
    TextConfig { source: path.to_str().unwrap().to_owned(), ..TextConfig::default() }
}

#[test]
fn tiny_shakespeare_by_character() {
    let Some(path) = real("tinyshakespeare/input.txt") else { return };
    let mut config = config_of(&path);
    let data = TextData::load(&config).unwrap();
    // The sizes that nanoGPT's preparation of the same file gives.
    assert_eq!(data.facts.vocab_size, 65);
    assert_eq!(data.facts.num_bytes, 1_115_394);
    assert_eq!((data.facts.train_tokens, data.facts.validation_tokens), (1_003_854, 111_540));
    let Tokenizer::Char(tokenizer) = &data.tokenizer else { panic!("a character tokenizer") };
    assert_eq!(
        tokenizer.characters().iter().collect::<String>(),
        "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    );

    let train = data.train_batches(&config, 1).unwrap();
    // 1,003,853 targets by 32 * 64.
    assert_eq!(train.num_batches(), 490);
    let validation = data.validation_batches(&config).unwrap();
    let counted: usize = (0..validation.num_batches()).map(|index| validation.batch(0, index).num_targets()).sum();
    assert_eq!(counted, 111_540);

    config.sampling = Sampling::Random;
    let batch = data.train_batches(&config, 1).unwrap().batch(2, 3);
    assert!(batch.targets.iter().all(|target| *target != IGNORE_TARGET));
}

#[test]
fn tiny_shakespeare_by_subword() {
    let Some(path) = real("tinyshakespeare/input.txt") else { return };
    let mut config = config_of(&path);
    config.tokenizer = TokenizerConfig::Bpe(BpeConfig { vocab_size: 1000, min_frequency: 2 });
    let data = TextData::load(&config).unwrap();
    assert_eq!(data.facts.vocab_size, 1000);
    assert!(data.facts.bytes_per_token > 2.0);
    let text = std::fs::read_to_string(path).unwrap();
    let train: String = text.chars().take(1_003_854).collect();
    assert_eq!(data.tokenizer.decode(&data.train), train);
}

#[test]
fn old_western_text_says_its_encoding() {
    let Some(path) = real("rt-polarity/rt-polarity.neg") else { return };
    let message = Corpus::read(&config_of(&path)).unwrap_err().to_string();
    assert!(message.contains("rt-polarity.neg: not UTF-8") && message.contains("windows-1252"), "{message}");
    let read = |encoding| Corpus::read(&TextConfig { encoding, ..config_of(&path) }).unwrap().text;
    assert_eq!(read(Encoding::Latin1).lines().count(), 5331);
    assert_eq!(read(Encoding::Windows1252).chars().count(), 612_256);
}

#[test]
fn compressed_german_round_trips() {
    let Some(path) = real("multi30k/train.de.gz") else { return };
    let corpus = Corpus::read(&config_of(&path)).unwrap();
    assert_eq!(corpus.text.lines().count(), 29_000);
    let config = TokenizerConfig::Bpe(BpeConfig { vocab_size: 4000, min_frequency: 2 });
    let tokenizer = Tokenizer::train(&config, &corpus.text).unwrap();
    assert_eq!(tokenizer.decode(&tokenizer.encode(&corpus.text).unwrap()), corpus.text);
}
