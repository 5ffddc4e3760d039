//! Pairs of texts from files, as a user has them.

use data::DataError;
use data::text::parallel::{ParallelConfig, ParallelData, boundary, encode_source};
use data::text::tokenizer::{TokenizerConfig, WordConfig};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn config(source: &Path) -> ParallelConfig {
    ParallelConfig {
        source: source.to_str().unwrap().to_owned(),
        from: "de".to_owned(),
        to: "en".to_owned(),
        tokenizer: TokenizerConfig::Word(WordConfig::default()),
        batch_size: 2,
        ..ParallelConfig::default()
    }
}

fn write_part(folder: &Path, name: &str, pairs: &[(&str, &str)]) {
    let lines = |side: fn(&(&str, &str)) -> String| pairs.iter().map(side).collect::<Vec<_>>().join("\n");
    fs::write(folder.join(format!("{name}.de")), lines(|pair| pair.0.to_owned())).unwrap();
    fs::write(folder.join(format!("{name}.en")), lines(|pair| pair.1.to_owned())).unwrap();
}

const TRAIN: [(&str, &str); 4] =
    [("ein Hund", "a dog"), ("eine Katze", "a cat"), ("", "nothing"), ("ein sehr großer Hund", "a very big dog")];

#[test]
fn a_folder_of_aligned_files_is_read_part_by_part() {
    let folder = tempfile::tempdir().unwrap();
    write_part(folder.path(), "train", &TRAIN);
    write_part(folder.path(), "val", &[("ein Vogel", "a bird")]);
    write_part(folder.path(), "test", &[("eine Katze", "a cat"), ("ein Hund", "a dog")]);
    let data = ParallelData::load(&ParallelConfig { max_len: 3, ..config(folder.path()) }).unwrap();
    let facts = &data.facts;
    assert_eq!([facts.train, facts.validation, facts.test], [2, 1, 2]);
    assert_eq!([facts.num_empty, facts.num_too_long], [1, 1]);
    // "ein" is known, "vogel" is not.
    assert_eq!(facts.from.unknown_rate, 0.5);
    let batch = data.test_batches().unwrap().batch(0, 0);
    let texts: HashSet<&str> = batch.indices.iter().map(|index| data.source_text(*index)).collect();
    assert_eq!(texts, HashSet::from(["eine Katze", "ein Hund"]));
    for (row, index) in batch.indices.iter().enumerate() {
        let source = &batch.source[row * batch.source_len..][..batch.source_lengths[row]];
        assert_eq!(source, encode_source(&data.source_tokenizer, 3, data.source_text(*index)).unwrap());
        let inputs = &batch.inputs[row * batch.target_len..][..batch.target_len];
        assert_eq!(inputs[0], boundary(&data.target_tokenizer) as i32);
        let tokens: Vec<u32> = inputs[1..].iter().map(|token| *token as u32).collect();
        assert_eq!(data.target_tokenizer.decode(&tokens), data.target_text(*index));
    }
}

#[test]
fn parts_without_a_file_are_kept_from_the_training_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let pairs: Vec<(String, String)> = (0..100).map(|number| (format!("n {number}"), format!("m {number}"))).collect();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|pair| (pair.0.as_str(), pair.1.as_str())).collect();
    write_part(folder.path(), "train", &pairs);
    write_part(folder.path(), "test", &pairs[..7]);
    let divided = ParallelConfig { validation: String::new(), validation_fraction: 0.2, ..config(folder.path()) };
    let data = ParallelData::load(&divided).unwrap();
    assert_eq!([data.facts.train, data.facts.validation, data.facts.test], [80, 20, 7]);
}

#[test]
fn a_table_names_its_languages_by_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.csv");
    let rows: String = (0..40).map(|number| format!("\"one, {number}\",eins {number},x\n")).collect();
    fs::write(&path, format!("en,de,note\n{rows}")).unwrap();
    let data = ParallelData::load(&config(&path)).unwrap();
    assert_eq!(data.facts.train + data.facts.validation + data.facts.test, 40);
    assert!(data.source_text(0).starts_with("eins") && data.target_text(0).starts_with("one, "));
    let message = ParallelData::load(&ParallelConfig { from: "fr".to_owned(), ..config(&path) }).unwrap_err();
    assert!(message.to_string().contains("no column `fr`; there are `en`, `de`, `note`. Set `from`"), "{message}");
}

#[test]
fn mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let message = |config: &ParallelConfig| ParallelData::load(config).unwrap_err().to_string();
    write_part(folder.path(), "train", &TRAIN);
    assert!(message(&config(folder.path())).contains("val.de: no such file"));
    write_part(folder.path(), "val", &TRAIN);
    write_part(folder.path(), "test", &TRAIN);
    fs::write(folder.path().join("val.en"), "one line\n").unwrap();
    let said = message(&config(folder.path()));
    assert!(said.contains("val.de: 4 lines, but ") && said.contains("val.en has 1"), "{said}");
    write_part(folder.path(), "val", &TRAIN);
    let short = ParallelConfig { max_len: 1, ..config(folder.path()) };
    assert!(matches!(ParallelData::load(&short), Err(DataError::Config { key: "max_len", .. })));
}

#[test]
fn one_vocabulary_can_serve_both_sides() {
    let data = ParallelData::load(&ParallelConfig { shared_vocabulary: true, ..ParallelConfig::default() }).unwrap();
    assert_eq!(data.source_tokenizer.to_json().unwrap(), data.target_tokenizer.to_json().unwrap());
    let own = ParallelData::load(&ParallelConfig::default()).unwrap();
    // Ten digits, a dash, the line break between texts, one for the unknown, and the boundary.
    assert_eq!(own.facts.to.vocab_size, 11 + 3);
    assert!(data.facts.to.vocab_size > own.facts.to.vocab_size);
}

#[test]
fn batches_can_be_filled_by_tokens() {
    let config = ParallelConfig { max_tokens: Some(1000), ..ParallelConfig::default() };
    let data = ParallelData::load(&config).unwrap();
    for (batches, epoch) in [(data.train_batches(1), 0), (data.train_batches(1), 1), (data.validation_batches(), 0)] {
        let mut seen = HashSet::new();
        let mut padded = 0;
        for index in 0..batches.num_batches() {
            let batch = batches.batch(epoch, index);
            let tokens = batch.batch_size * batch.source_len.max(batch.target_len);
            assert!(tokens <= 1000, "{tokens} tokens");
            padded += tokens;
            seen.extend(batch.indices);
        }
        assert_eq!(seen.len(), batches.num_pairs());
        // Little room is left in them.
        assert!(padded * 10 > batches.num_batches() * 1000 * 9, "{padded} in {}", batches.num_batches());
    }
    let (first, second) = (data.train_batches(1).batch(0, 0), data.train_batches(1).batch(1, 0));
    assert_ne!(first.indices, second.indices);
}

#[test]
fn multi30k_is_read_whole() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os(data::DATA_VARIABLE).map_or(beside, PathBuf::from).join("multi30k");
    if !folder.exists() {
        eprintln!("passed over: {} is not there", folder.display());
        return;
    }
    let multi30k = ParallelConfig { test: "test_2016_flickr".to_owned(), ..config(&folder) };
    let data = ParallelData::load(&multi30k).unwrap();
    assert_eq!([data.facts.train, data.facts.validation, data.facts.test], [29_000, 1_014, 1_000]);
}
