//! Masked language modelling from the configuration to batches.

use data::DataError;
use data::text::Documents;
use data::text::masked::{MaskedBatch, MaskedBatches, MaskedConfig, MaskedData, encode_text};
use data::text::tokenizer::{Tokenizer, TokenizerConfig};
use data::text::windows::IGNORE_TARGET;

fn config() -> MaskedConfig {
    MaskedConfig {
        tokenizer: toml::from_str("kind = \"word_piece\"\nvocab_size = 500").unwrap(),
        seq_len: 32,
        batch_size: 8,
        ..MaskedConfig::default()
    }
}

fn all(batches: &MaskedBatches, epoch: u64) -> Vec<MaskedBatch> {
    (0..batches.num_batches()).map(|index| batches.batch(epoch, index)).collect()
}

/// The tokens of each row as they were before the mask, without its frame and padding.
fn originals(batches: &[MaskedBatch], around: usize) -> Vec<Vec<u32>> {
    let mut rows = Vec::new();
    for batch in batches {
        assert_eq!(batch.inputs.len(), batch.batch_size * batch.seq_len);
        assert_eq!(batch.targets.len(), batch.inputs.len());
        for row in 0..batch.batch_size {
            let places = row * batch.seq_len..row * batch.seq_len + batch.lengths[row] as usize;
            let token = |place: usize| match batch.targets[place] {
                IGNORE_TARGET => batch.inputs[place] as u32,
                target => target as u32,
            };
            let tokens: Vec<u32> = places.map(token).collect();
            rows.push(tokens[around / 2..tokens.len() - around / 2].to_vec());
        }
    }
    rows
}

#[test]
fn the_validation_part_is_covered_once_with_one_mask_for_ever() {
    let data = MaskedData::load(&config()).unwrap();
    let validation = data.validation_batches(&config()).unwrap();
    let batches = all(&validation, 0);
    assert_eq!(batches, all(&validation, 7));
    let text = data.tokenizer.decode(&originals(&batches, 2).concat());
    let stories = data::text::stories::text();
    let tail: String = stories.chars().skip(data.facts.num_characters * 9 / 10).collect();
    assert_eq!(data.tokenizer.encode(&text).unwrap(), data.tokenizer.encode(&tail).unwrap());
    assert_eq!(originals(&batches, 2).concat().len(), data.facts.validation_tokens);
    let special = data.tokenizer.special();
    for batch in &batches {
        for row in 0..batch.batch_size {
            let (start, end) = (row * batch.seq_len, row * batch.seq_len + batch.lengths[row] as usize);
            let framed = [batch.inputs[start], batch.inputs[end - 1]].map(|token| token as u32);
            assert_eq!(framed.map(Some), [special.begin, special.end]);
            assert!(batch.targets[end..start + batch.seq_len].iter().all(|target| *target == IGNORE_TARGET));
        }
    }
    let (targets, tokens) = batches.iter().fold((0, 0), |(targets, tokens), batch| {
        (targets + batch.num_targets(), tokens + batch.lengths.iter().sum::<i32>() as usize - 2 * batch.batch_size)
    });
    let rate = targets as f64 / tokens as f64;
    assert!((rate - 0.15).abs() < 0.02, "{rate}");
}

#[test]
fn each_epoch_has_another_mask_and_order_which_follow_from_the_seed() {
    let data = MaskedData::load(&config()).unwrap();
    let train = data.train_batches(&config(), 1).unwrap();
    assert_eq!(train.num_windows(), data.facts.train_tokens / 30);
    assert!((0..3).all(|epoch| train.batch(epoch, 2) == data.train_batches(&config(), 1).unwrap().batch(epoch, 2)));
    assert_ne!(train.batch(0, 0), train.batch(1, 0));
    assert_ne!(train.batch(0, 0), data.train_batches(&config(), 2).unwrap().batch(0, 0));
    assert!(all(&train, 0).iter().all(|batch| batch.seq_len == 32 && batch.lengths.iter().all(|length| *length == 32)));
    let hidden = |epoch: u64| {
        let mask = data.tokenizer.special().mask.unwrap() as i32;
        all(&train, epoch)
            .iter()
            .map(|batch| batch.inputs.iter().filter(|token| **token == mask).count())
            .sum::<usize>()
    };
    // 0.8 of 0.15, in full windows of which 4 of 30 tokens are chosen.
    let share = hidden(0) as f64 / (train.num_windows() * 30) as f64;
    assert!((share - 0.8 * 5.0 / 30.0).abs() < 0.03, "{share}");
}

#[test]
fn whole_words_are_hidden_together() {
    let config = MaskedConfig { whole_words: true, mask_rate: 0.3, ..config() };
    let data = MaskedData::load(&config).unwrap();
    let continues = |token: i32| {
        data.tokenizer
            .decode(&[0, token as u32])
            .strip_prefix("[PAD]")
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(' ') && rest.chars().all(char::is_alphanumeric))
    };
    let mut pieces = 0;
    for batch in all(&data.validation_batches(&config).unwrap(), 0) {
        for place in 1..batch.targets.len() {
            // Where a piece goes on with a word and is to be guessed, so is what it goes on with; but not at a window's edge.
            let is_first = (place % batch.seq_len) <= 1;
            if !is_first && batch.targets[place] != IGNORE_TARGET && continues(batch.targets[place]) {
                assert_ne!(batch.targets[place - 1], IGNORE_TARGET);
                pieces += 1;
            }
        }
    }
    assert!(pieces > 100, "{pieces}");
}

#[test]
fn a_tokenizer_without_a_mask_is_given_one_that_the_run_keeps() {
    for tokenizer in [TokenizerConfig::default(), toml::from_str("kind = \"bpe\"\nvocab_size = 300").unwrap()] {
        let config = MaskedConfig { tokenizer, ..config() };
        let data = MaskedData::load(&config).unwrap();
        let mask = data.tokenizer.special().mask.unwrap();
        assert_eq!(
            (mask as usize, data.facts.vocab_size),
            (data.tokenizer.vocab_size() - 1, data.tokenizer.vocab_size())
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        data.tokenizer.save(&path).unwrap();
        let again = MaskedData::load_with(&config, Tokenizer::load(&path).unwrap()).unwrap();
        assert_eq!(again.facts, data.facts);
        let batch = |data: &MaskedData| data.validation_batches(&config).unwrap().batch(0, 0);
        assert_eq!(batch(&again), batch(&data));
        // Nothing stands around the windows.
        assert_eq!(batch(&data).seq_len, 32);
        assert_eq!(
            originals(&[batch(&data)], 0)[0],
            data.tokenizer.encode(&data.tokenizer.decode(&originals(&[batch(&data)], 0)[0])).unwrap()
        );
    }
}

#[test]
fn documents_stand_one_after_another_with_separators_between() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.txt");
    let lines: String = (0..200).map(|number| format!("the cat number {number} sat on a mat\n")).collect();
    std::fs::write(&path, lines).unwrap();
    let config = MaskedConfig { source: path.to_str().unwrap().to_owned(), documents: Documents::Lines, ..config() };
    let data = MaskedData::load(&config).unwrap();
    assert_eq!(data.facts.num_documents, 200);
    let tokens = originals(&all(&data.validation_batches(&config).unwrap(), 0), 2).concat();
    let ends = tokens.iter().filter(|token| Some(**token) == data.tokenizer.special().end).count();
    assert!((15..=25).contains(&ends), "{ends}");
}

#[test]
fn a_text_with_gaps_is_read_as_in_training() {
    let data = MaskedData::load(&config()).unwrap();
    let special = data.tokenizer.special();
    let tokens = encode_text(&data.tokenizer, 32, " The [MASK] said. ").unwrap();
    let expected = [special.begin, special.mask, special.end].map(|token| token.unwrap() as i32);
    assert_eq!([tokens[0], *tokens.last().unwrap()], [expected[0], expected[2]]);
    assert_eq!(tokens.iter().filter(|token| **token == expected[1]).count(), 1);
    assert_eq!(encode_text(&data.tokenizer, 5, &"many words ".repeat(9)).unwrap().len(), 5);
}

#[test]
fn too_little_text_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short.txt");
    std::fs::write(&path, "one two three four five six seven").unwrap();
    let config = MaskedConfig { source: path.to_str().unwrap().to_owned(), ..config() };
    let data = MaskedData::load(&config).unwrap();
    assert!(matches!(data.train_batches(&config, 0), Err(DataError::TooFewTokens { .. })));
    let few = MaskedConfig { mask_rate: 0.0, ..config };
    assert!(matches!(MaskedData::load(&few), Err(DataError::Config { key: "mask_rate", .. })));
}

#[test]
fn documents_stand_alone_where_they_are_not_packed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.txt");
    let lines: Vec<String> = (0..40).map(|line| format!("line {line} {}", "of words ".repeat(line % 7))).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let config = MaskedConfig {
        source: path.to_str().unwrap().to_owned(),
        documents: Documents::Lines,
        packing: false,
        seq_len: 10,
        ..config()
    };
    let data = MaskedData::load(&config).unwrap();
    let train = data.train_batches(&config, 3).unwrap();
    let mut texts = Vec::new();
    for epoch in 0..2 {
        let rows = originals(&all(&train, epoch), 2);
        assert!(rows.iter().all(|row| (1..=8).contains(&row.len())));
        let mut epoch_texts: Vec<String> = rows.iter().map(|row| data.tokenizer.decode(row)).collect();
        epoch_texts.sort_unstable();
        texts.push(epoch_texts);
    }
    assert_eq!(texts[0], texts[1], "every document once an epoch");
    assert_ne!(all(&train, 0), all(&train, 1), "with another mask");
    assert!(texts[0].iter().filter(|text| text.starts_with("line ")).count() >= 30, "{texts:?}");
}
