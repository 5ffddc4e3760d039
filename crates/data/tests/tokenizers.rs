//! Tokenizers of BERT and GPT-2 as a user meets them: from published files, trained, and from a run's artefact.

use data::text::tokenizer::{BpeConfig, SpecialRole, Tokenizer, TokenizerConfig, WordConfig, WordPieceConfig};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\ncafe\n,\n.\n##s\nthe\nThe\ncafé\n日\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn tokenizer(toml: &str) -> Tokenizer {
    Tokenizer::train(&toml::from_str(toml).unwrap(), "").unwrap()
}

fn at(kind: &str, path: &Path, more: &str) -> String {
    format!("kind = {kind:?}\npath = {path:?}\n{more}")
}

fn saved_and_loaded(tokenizer: &Tokenizer) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    tokenizer.save(&path).unwrap();
    Tokenizer::load(&path).unwrap()
}

fn refusal(toml: &str) -> String {
    Tokenizer::train(&toml::from_str(toml).unwrap(), "").unwrap_err().to_string()
}

static STORIES: LazyLock<String> = LazyLock::new(|| data::text::stories::text()[..200_000].to_owned());

static PIECES: LazyLock<Tokenizer> = LazyLock::new(|| {
    let config = WordPieceConfig { vocab_size: 600, ..WordPieceConfig::default() };
    Tokenizer::train(&TokenizerConfig::WordPiece(config), &STORIES).unwrap()
});

/// GPT-2's two files of a tokenizer trained here, with one special token in the vocabulary as GPT-2 has it.
fn gpt2_files() -> (TempDir, Tokenizer) {
    let config = BpeConfig { vocab_size: 500, min_frequency: 2 };
    let trained = Tokenizer::train(&TokenizerConfig::Bpe(config), &STORIES).unwrap();
    let json: serde_json::Value = serde_json::from_str(&trained.to_json().unwrap()).unwrap();
    let mut vocabulary = json["model"]["vocab"].clone();
    vocabulary["<|endoftext|>"] = trained.vocab_size().into();
    let pairs = json["model"]["merges"].as_array().unwrap().iter();
    let lines = pairs.map(|pair| format!("{} {}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    let merges = format!("#version: 0.2\n{}", lines.collect::<String>());
    (folder(&[("vocab.json", &vocabulary.to_string()), ("merges.txt", &merges)]), trained)
}

static GPT2: LazyLock<(TempDir, Tokenizer)> = LazyLock::new(|| {
    let (folder, _) = gpt2_files();
    let loaded = tokenizer(&at("file", folder.path(), ""));
    (folder, loaded)
});

#[test]
fn a_vocabulary_of_bert_cuts_as_bert_does() {
    let folder = folder(&[("vocab.txt", VOCABULARY)]);
    let uncased = tokenizer(&at("word_piece", folder.path(), ""));
    // Small letters, no accents, the longest piece first, Chinese characters alone, unknown words whole.
    let tokens = uncased.encode("The Café, unaffables!\t日the").unwrap();
    assert_eq!(tokens, [12, 8, 9, 5, 6, 7, 11, 1, 15, 12]);
    assert_eq!(uncased.decode(&tokens), "the cafe, unaffables [UNK] 日 the");
    let cased = tokenizer(&at("word_piece", &folder.path().join("vocab.txt"), "lowercase = false"));
    assert_eq!(cased.encode("The café the Cafe").unwrap(), [13, 14, 12, 1]);
    let stripped = tokenizer(&at("word_piece", folder.path(), "lowercase = false\nstrip_accents = true"));
    assert_eq!(stripped.encode("The café").unwrap(), [13, 8]);
    // Special tokens are read as such in a text.
    assert_eq!(uncased.encode("the [MASK].").unwrap(), [12, 4, 10]);
    for loaded in [&uncased, &saved_and_loaded(&uncased)] {
        let special = loaded.special();
        let all = [special.padding, special.unknown, special.begin, special.end, special.mask];
        assert_eq!(all, [0, 1, 2, 3, 4].map(Some));
        assert!((0..5).all(|token| loaded.is_special(token)) && !loaded.is_special(5));
        assert_eq!(loaded.encode("The Café, unaffables!\t日the").unwrap(), tokens);
    }
}

#[test]
fn trained_pieces_begin_with_the_special_tokens_and_train_the_same_every_time() {
    assert_eq!(PIECES.vocab_size(), 600);
    let special = PIECES.special();
    let all = [special.padding, special.unknown, special.begin, special.end, special.mask];
    assert_eq!(all, [0, 1, 2, 3, 4].map(Some));
    let tokens = PIECES.encode(&STORIES).unwrap();
    assert_eq!(PIECES.unknown_rate(&tokens), Some(0.0));
    assert!(tokens.len() * 3 < STORIES.len(), "{} tokens", tokens.len());
    let config = WordPieceConfig { vocab_size: 600, ..WordPieceConfig::default() };
    for _ in 0..3 {
        let again = Tokenizer::train(&TokenizerConfig::WordPiece(config.clone()), &STORIES).unwrap();
        assert_eq!(again.to_json().unwrap(), PIECES.to_json().unwrap());
    }
    // A vocabulary stays within its size, whatever the alphabet.
    let characters: String = (0x3B1..0x3C9).filter_map(char::from_u32).collect();
    let small = WordPieceConfig { vocab_size: 9, ..WordPieceConfig::default() };
    let small = Tokenizer::train(&TokenizerConfig::WordPiece(small), &characters.repeat(3)).unwrap();
    assert!(small.vocab_size() <= 9 && small.encode(&characters).unwrap() == [1]);
}

#[test]
fn the_files_of_gpt2_give_its_tokens() {
    let (folder, trained) = gpt2_files();
    let text = "Once upon a time, naïve 日本 — it's <|endoftext|>";
    let whole = tokenizer(&at("file", folder.path(), ""));
    let by_name = tokenizer(&at("file", &folder.path().join("vocab.json"), ""));
    std::fs::rename(folder.path().join("merges.txt"), folder.path().join("pairs.txt")).unwrap();
    let merges = format!("merges = {:?}", folder.path().join("pairs.txt"));
    let both = tokenizer(&at("file", &folder.path().join("vocab.json"), &merges));
    let head = trained.encode(&text[..text.len() - 13]).unwrap();
    for loaded in [whole.clone(), by_name, both, saved_and_loaded(&whole)] {
        let tokens = loaded.encode(text).unwrap();
        let end = loaded.special().end.unwrap();
        assert_eq!((&tokens[..tokens.len() - 1], tokens[tokens.len() - 1]), (head.as_slice(), end));
        assert_eq!(loaded.decode(&tokens), text);
        assert!(loaded.is_special(end) && loaded.special().mask.is_none() && loaded.special().begin.is_none());
        assert_eq!(loaded.vocab_size(), trained.vocab_size() + 1);
        assert_eq!(loaded.encode(&STORIES).unwrap(), trained.encode(&STORIES).unwrap());
    }
}

#[test]
fn a_role_without_a_token_gets_one_and_keeps_it() {
    let text = "one two [MASK] three<|endoftext|>";
    let plain = "one two three";
    let configs = [
        TokenizerConfig::Bpe(BpeConfig { vocab_size: 260, min_frequency: 2 }),
        TokenizerConfig::Word(WordConfig::default()),
        toml::from_str("kind = \"char\"\nunknown = \"token\"").unwrap(),
    ];
    for config in configs {
        let before = Tokenizer::train(&config, plain).unwrap();
        assert_eq!((before.special().mask, before.special().end), (None, None));
        let with_mask = before.clone().with_special(SpecialRole::Mask).unwrap();
        let after = with_mask.with_special(SpecialRole::End).unwrap();
        let size = before.vocab_size() as u32;
        for tokenizer in [&after, &saved_and_loaded(&after), &after.clone().with_special(SpecialRole::Mask).unwrap()] {
            assert_eq!(tokenizer.vocab_size() as u32, size + 2);
            assert_eq!((tokenizer.special().mask, tokenizer.special().end), (Some(size), Some(size + 1)));
            let tokens = tokenizer.encode(text).unwrap();
            assert_eq!(tokens.iter().filter(|token| tokenizer.is_special(**token)).count(), 2, "{config:?}");
            assert_eq!(tokenizer.encode(plain).unwrap(), before.encode(plain).unwrap());
            let decoded = tokenizer.decode(&tokens);
            assert!(decoded.contains("[MASK]") && decoded.ends_with("<|endoftext|>"), "{decoded}");
        }
    }
}

#[test]
fn what_is_no_tokenizer_is_said() {
    let says = |toml: &str, parts: &[&str]| {
        let message = refusal(toml);
        parts.iter().for_each(|part| assert!(message.contains(part), "{part} in {message}"));
    };
    let (gpt2, _) = gpt2_files();
    let broken =
        folder(&[("vocab.txt", "one\ntwo\n"), ("vocab.json", "{\"a\": 0}"), ("merges.txt", "#version: 0.2\na b\n")]);
    says(&at("word_piece", broken.path(), ""), &["vocab.txt: not a tokenizer", "no line is `[UNK]`"]);
    says(&at("file", broken.path(), ""), &["vocab.json: not a tokenizer", "merges.txt"]);
    let alone = folder(&[("vocab.txt", VOCABULARY)]);
    says(&at("file", alone.path(), ""), &["neither a tokenizer.json nor a vocab.json", "kind = \"word_piece\""]);
    std::fs::remove_file(gpt2.path().join("merges.txt")).unwrap();
    says(&at("file", gpt2.path(), ""), &["merges.txt: no such file"]);
    says("kind = \"word_piece\"\nvocab_size = 6", &["`tokenizer.vocab_size` is 6; it must be at least 7"]);
    says("kind = \"file\"", &["`tokenizer.path` is missing"]);
    assert!(toml::from_str::<TokenizerConfig>("kind = \"word_piece\"\nvocab = 3").is_err());
}

proptest! {
    #[test]
    fn the_files_of_gpt2_round_trip_any_text(text in any::<String>()) {
        let tokens = GPT2.1.encode(&text).unwrap();
        prop_assert_eq!(GPT2.1.decode(&tokens), text);
    }

    /// What is printed is read as the same tokens, also where it is no word of the vocabulary.
    #[test]
    fn pieces_round_trip_up_to_their_normalisation(text in any::<String>()) {
        let tokens = PIECES.encode(&text).unwrap();
        let printed = PIECES.decode(&tokens);
        prop_assert_eq!(PIECES.encode(&printed).unwrap(), tokens);
    }

    #[test]
    fn known_words_lose_only_capitals_and_spaces(places in proptest::collection::vec(0usize..10_000, 0..20)) {
        let words: Vec<&str> = STORIES.split_whitespace().collect();
        let text = places.into_iter().map(|place| words[place]).collect::<Vec<_>>().join(" ");
        let printed = PIECES.decode(&PIECES.encode(&text).unwrap());
        let solid = |text: &str| text.to_lowercase().split_whitespace().collect::<String>();
        prop_assert_eq!(solid(&printed), solid(&text));
    }

    /// Long texts are encoded in pieces: control characters that BERT drops must not end a word there.
    #[test]
    fn long_texts_are_cut_where_words_end(
        words in proptest::collection::vec("[a-z]{1,5}[ \n\t\u{b}\u{c}\u{85}\u{a0}\u{301},]{1,3}", 6000..6500),
    ) {
        let text = words.concat();
        let Tokenizer::Subword(pieces) = &*PIECES else { unreachable!() };
        let whole = pieces.inner().encode_fast(text.as_str(), false).unwrap();
        prop_assert_eq!(PIECES.encode(&text).unwrap(), whole.get_ids());
    }
}
