//! Tagged sentences as a user meets them: files in the form of CoNLL-2003 and the embedded sentences, from the configuration to batches.

use data::text::tagged::{TaggedBatch, TaggedBatches, TaggedConfig, TaggedData, encode_words};
use data::text::tokenizer::{Tokenizer, TokenizerConfig};
use data::text::windows::IGNORE_TARGET;
use std::path::Path;
use tempfile::TempDir;

const CONLL: &str = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\nGerman JJ B-NP B-MISC\ncall NN I-NP O\n\n\
                     Peter NNP B-NP B-PER\nBlackburn NNP I-NP I-PER\n\n-DOCSTART- -X- -X- O\n\nBRUSSELS NNP B-NP B-LOC\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn config(path: &Path) -> TaggedConfig {
    TaggedConfig {
        source: path.to_str().unwrap().to_owned(),
        tokenizer: toml::from_str("kind = \"word_piece\"\nvocab_size = 60\nlowercase = false\nmin_frequency = 1")
            .unwrap(),
        ..TaggedConfig::default()
    }
}

fn all(batches: &TaggedBatches) -> Vec<TaggedBatch> {
    (0..batches.num_batches()).map(|index| batches.batch(0, index)).collect()
}

fn refusal(config: &TaggedConfig) -> String {
    TaggedData::load(config).unwrap_err().to_string()
}

#[test]
fn files_of_conll_are_read_part_by_part() {
    let folder = folder(&[("train.txt", CONLL), ("valid.txt", "Peter NN O B-PER\n"), ("test.txt", CONLL)]);
    let data = TaggedData::load(&config(folder.path())).unwrap();
    assert_eq!(data.tags, ["O", "B-LOC", "B-MISC", "B-ORG", "B-PER", "I-PER"]);
    assert_eq!([data.facts.train, data.facts.validation, data.facts.test], [3, 1, 3]);
    assert_eq!(data.words(1), ["Peter", "Blackburn"]);
    assert_eq!(data.tags_of(1), ["B-PER", "I-PER"]);
    assert_eq!(data.place(1), (folder.path().join("train.txt").as_path(), 8));
    assert_eq!([data.facts.tags[0].train, data.facts.tags[4].train, data.facts.tags[4].validation], [2, 1, 1]);
    let second = TaggedConfig { tag_column: Some(2), ..config(folder.path()) };
    assert_eq!(TaggedData::load(&second).unwrap().tags_of(1), ["NNP", "NNP"]);
    // Parts without a file are kept from the training sentences.
    let many: String = (0..50).map(|number| format!("word{number} O\nHere B-LOC\n\n")).collect();
    std::fs::write(folder.path().join("train.txt"), many).unwrap();
    let kept = TaggedConfig { validation: String::new(), validation_fraction: 0.2, ..config(folder.path()) };
    let facts = TaggedData::load(&kept).unwrap().facts;
    assert_eq!([facts.train, facts.validation, facts.test], [40, 10, 3]);
}

#[test]
fn predictions_come_back_by_word() {
    let embedded =
        |tokenizer: &str| TaggedConfig { tokenizer: toml::from_str(tokenizer).unwrap(), ..TaggedConfig::default() };
    for tokenizer in [
        "kind = \"word_piece\"\nvocab_size = 300\nlowercase = false",
        "kind = \"bpe\"\nvocab_size = 300",
        "kind = \"word\"",
        "kind = \"char\"\nunknown = \"token\"",
    ] {
        let config = embedded(tokenizer);
        let data = TaggedData::load(&config).unwrap();
        assert_eq!((data.facts.num_cut, data.tags.len()), (0, 9), "{tokenizer}");
        assert!(data.facts.tokens_per_word >= 1.0);
        for batch in all(&data.validation_batches()) {
            let by_word = batch.by_word(&batch.targets);
            assert_eq!(batch.num_targets(), batch.targets.iter().filter(|target| **target != IGNORE_TARGET).count());
            for (row, index) in batch.indices.iter().enumerate() {
                let numbers: Vec<usize> = by_word[row].iter().map(|tag| *tag as usize).collect();
                assert_eq!(data.named(&numbers, *index), data.tags_of(*index));
                // What a model is given for a new sentence is what it was trained on.
                let input = encode_words(&data.tokenizer, config.max_len, data.words(*index)).unwrap();
                assert_eq!(input.firsts, batch.firsts[row]);
                let tokens = &batch.tokens[row * batch.seq_len..][..batch.lengths[row] as usize];
                assert!(tokens.iter().map(|token| *token as u32).eq(input.tokens.iter().copied()));
                // The first token of a word is its beginning.
                for (word, first) in data.words(*index).iter().zip(&input.firsts) {
                    let printed = data.tokenizer.decode(&input.tokens[*first..first + 1]);
                    let starts = |word: &str| word.to_lowercase().starts_with(&printed.trim().to_lowercase());
                    // Of a byte-level token that may be half a character.
                    let is_half = printed.contains(char::REPLACEMENT_CHARACTER);
                    let is_unknown = Some(input.tokens[*first]) == data.tokenizer.unknown_token();
                    assert!(is_half || is_unknown || starts(word), "{printed} for {word} by {tokenizer}");
                }
            }
        }
    }
}

#[test]
fn long_sentences_lose_words_and_say_so() {
    let config = TaggedConfig { max_len: 6, ..TaggedConfig::default() };
    let data = TaggedData::load(&config).unwrap();
    assert!(data.facts.num_cut > 1000 && data.facts.longest_length > 6, "{:?}", data.facts);
    for batch in all(&data.validation_batches()) {
        assert!(batch.seq_len <= 6);
        for (row, index) in batch.indices.iter().enumerate() {
            assert!(batch.firsts[row].len() <= 4);
            let named = data.named(&vec![1; batch.firsts[row].len()], *index);
            assert_eq!(named.len(), data.words(*index).len());
            assert!(named[batch.firsts[row].len()..].iter().all(|tag| *tag == "O"));
        }
    }
}

#[test]
fn a_finished_model_keeps_its_tags_and_tokens() {
    let config = TaggedConfig::default();
    let data = TaggedData::load(&config).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    data.tokenizer.save(&path).unwrap();
    let tags: Vec<String> = data.tags.iter().rev().cloned().collect();
    let again = TaggedData::load_with(&config, Tokenizer::load(&path).unwrap(), tags.clone()).unwrap();
    assert_eq!(again.tags, tags);
    let (one, other) = (data.validation_batches().batch(0, 0), again.validation_batches().batch(0, 0));
    assert_eq!(one.tokens, other.tokens);
    let turned = |tag: &i32| if *tag == IGNORE_TARGET { *tag } else { tags.len() as i32 - 1 - tag };
    assert!(one.targets.iter().map(turned).eq(other.targets));
    let few = TaggedData::load_with(&config, data.tokenizer.clone(), vec!["O".to_owned()]).unwrap_err().to_string();
    assert!(
        few.contains("embedded:entities, line 1") && few.contains("not one that the model was trained on"),
        "{few}"
    );
}

#[test]
fn mistakes_are_named() {
    let files = folder(&[("train.txt", "one O\ntwo\n"), ("valid.txt", CONLL), ("empty.txt", "\n\n")]);
    let message = refusal(&config(files.path()));
    assert!(message.contains("train.txt, line 2: 1 column(s)") && message.contains("an empty line"), "{message}");
    let message = refusal(&config(&files.path().join("empty.txt")));
    assert!(message.contains("empty.txt: empty"), "{message}");
    let words: String = (0..30).map(|number| format!("O word{number}\n")).collect();
    std::fs::write(files.path().join("train.txt"), words).unwrap();
    assert!(refusal(&config(files.path())).contains("set `tag_column`"));
    std::fs::remove_file(files.path().join("train.txt")).unwrap();
    assert!(refusal(&config(files.path())).contains("train.txt: no such file"));
    let one = config(&files.path().join("valid.txt"));
    let unknown = TaggedConfig { tokenizer: TokenizerConfig::default(), ..one };
    assert!(TaggedData::load(&unknown).is_err());
}
