//! Labelled texts as a user meets them: folders, tables and the embedded reviews, from the configuration to batches.

use data::DataError;
use data::text::Encoding;
use data::text::labelled::{LabelledBatch, LabelledBatches, LabelledConfig, LabelledData, encode_example};
use data::text::tokenizer::Tokenizer;
use flate2::{Compression, write::GzEncoder};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file or folder of the real data: in `KILN_DATA`, or beside the repository, as tests run in their crate's folder.
/// The tokens of one text, without a frame.
fn encode_text(tokenizer: &Tokenizer, max_len: usize, text: &str) -> Result<Vec<i32>, DataError> {
    let config = LabelledConfig { max_len, ..LabelledConfig::default() };
    Ok(encode_example(tokenizer, &config, text, None)?.tokens.into_iter().map(|token| token as i32).collect())
}

fn real(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os(data::DATA_VARIABLE).map_or(beside, PathBuf::from);
    let found = folder.join(path);
    if !found.exists() {
        eprintln!("passed over: {} is not there", found.display());
        return None;
    }
    Some(found.canonicalize().unwrap())
}

fn config_of(path: &Path) -> LabelledConfig {
    LabelledConfig { source: path.to_str().unwrap().to_owned(), ..LabelledConfig::default() }
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

/// `count` different texts, one a line.
fn lines(word: &str, count: usize) -> String {
    (0..count).map(|number| format!("{word} number {number}\n")).collect()
}

fn refusal(config: &LabelledConfig) -> String {
    LabelledData::load(config).unwrap_err().to_string()
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part} in {message}");
    }
}

fn batches(batches: &LabelledBatches, epoch: u64) -> Vec<LabelledBatch> {
    (0..batches.num_batches()).map(|index| batches.batch(epoch, index)).collect()
}

/// The numbers of all texts of a pass, ascending.
fn indices(part: &LabelledBatches) -> Vec<usize> {
    let mut indices: Vec<usize> = batches(part, 0).into_iter().flat_map(|batch| batch.indices).collect();
    indices.sort_unstable();
    indices
}

/// Training, validation and test texts.
fn parts(data: &LabelledData) -> [Vec<usize>; 3] {
    let test = data.test_batches().map(|test| indices(&test)).unwrap_or_default();
    [indices(&data.train_batches(0)), indices(&data.validation_batches()), test]
}

/// What every set of parts must be: each text in one of them, none empty, and no text in two.
fn assert_parted(data: &LabelledData) {
    let parts = parts(data);
    let mut all = parts.concat();
    all.sort_unstable();
    assert_eq!(all, (0..data.facts.num_texts).collect::<Vec<_>>());
    assert_eq!(parts.each_ref().map(Vec::len), data.facts.part_sizes());
    let mut part_of = HashMap::new();
    for (part, indices) in parts.iter().enumerate() {
        for index in indices {
            assert_eq!(*part_of.entry(data.text(*index).to_lowercase()).or_insert(part), part);
        }
    }
}

#[test]
fn rt_polarity() {
    let Some(path) = real("rt-polarity") else { return };
    let config = LabelledConfig { encoding: Encoding::Latin1, ..config_of(&path) };
    let data = LabelledData::load(&config).unwrap();
    assert_eq!(data.classes, ["neg", "pos"]);
    assert_eq!(data.facts.num_texts, 5331 + 5331);
    assert_eq!((data.facts.num_files, data.facts.num_empty), (2, 0));
    for class in &data.facts.classes {
        // A tenth of 5331 is 533.1.
        assert_eq!([class.train, class.validation, class.test], [4265, 533, 533]);
    }
    assert_eq!(data.facts.baseline_accuracy(), 0.5);
    assert_parted(&data);
    assert_eq!(data.text(0), "simplistic , silly and tedious .");
    assert_eq!((data.label(0), data.place(0)), (0, (path.join("rt-polarity.neg").as_path(), 1)));
    assert_eq!(data.place(5331), (path.join("rt-polarity.pos").as_path(), 1));
    assert!((0.001..0.1).contains(&data.facts.unknown_rate), "{}", data.facts.unknown_rate);
    assert!((15..30).contains(&data.facts.median_length) && data.facts.num_cut == 0, "{:?}", data.facts);

    let train = data.train_batches(3);
    assert_eq!(train.num_batches(), (2 * 4265usize).div_ceil(64));
    let dealt = batches(&train, 1);
    let again = LabelledData::load(&config).unwrap();
    assert_eq!(dealt, batches(&again.train_batches(3), 1));
    assert_eq!(again.facts, data.facts);
    assert_ne!(dealt, batches(&train, 2));
    // Texts of about the same length share a batch.
    let (tokens, text) = dealt.iter().fold((0, 0), |(tokens, text), batch| {
        (tokens + batch.tokens.len(), text + batch.lengths.iter().sum::<i32>() as usize)
    });
    assert!(tokens < text * 110 / 100, "{tokens} places for {text} tokens");
}

#[test]
fn rt_polarity_is_not_utf8_and_says_so() {
    let Some(path) = real("rt-polarity") else { return };
    assert_says(&refusal(&config_of(&path)), &["rt-polarity.neg: not UTF-8", "line ", "encoding = \"latin-1\""]);
}

#[test]
fn embedded_reviews_need_no_file() {
    let config = LabelledConfig::default();
    let data = LabelledData::load(&config).unwrap();
    assert_eq!(data.classes, ["negative", "positive"]);
    assert_eq!(data.facts.part_sizes(), [3200, 400, 400]);
    assert_eq!((data.facts.num_files, data.facts.num_duplicates), (0, 0));
    assert_eq!(data.facts.unknown_rate, 0.0);
    assert_eq!(data.classes[data.label(0)], "positive");
    assert_eq!(data.place(2), (Path::new("embedded:reviews"), 3));
    assert_parted(&data);
    let said = serde_json::to_string(&data.facts).unwrap();
    assert_eq!(serde_json::from_str::<data::text::labelled::LabelledFacts>(&said).unwrap(), data.facts);
}

#[test]
fn batches_hold_the_tokens_of_their_texts() {
    let config = LabelledConfig { max_len: 12, batch_size: 7, ..LabelledConfig::default() };
    let data = LabelledData::load(&config).unwrap();
    assert!(data.facts.num_cut > 0 && data.facts.longest_length > 12);
    let parts = [Some(data.train_batches(1)), Some(data.validation_batches()), data.test_batches()];
    for batch in parts.iter().flatten().flat_map(|part| batches(part, 0)) {
        assert_eq!(batch.tokens.len(), batch.batch_size * batch.seq_len);
        assert_eq!(batch.lengths.len(), batch.batch_size);
        assert_eq!(batch.lengths.iter().max(), Some(&(batch.seq_len as i32)));
        for (row, index) in batch.indices.iter().enumerate() {
            let (text, padding) =
                batch.tokens[row * batch.seq_len..][..batch.seq_len].split_at(batch.lengths[row] as usize);
            assert_eq!(text, encode_text(&data.tokenizer, 12, data.text(*index)).unwrap());
            assert!(padding.iter().all(|token| *token == 0));
            assert_eq!(batch.labels[row] as usize, data.label(*index));
        }
    }
    // What is scored comes in order of length, the same in every epoch.
    let validation = data.validation_batches();
    assert!(batches(&validation, 0).is_sorted_by_key(|batch| batch.seq_len));
    assert_eq!(batches(&validation, 0), batches(&validation, 9));
}

#[test]
fn without_buckets_the_order_is_the_source_s() {
    let config = LabelledConfig { bucket_by_length: false, ..LabelledConfig::default() };
    let data = LabelledData::load(&config).unwrap();
    let order: Vec<usize> =
        batches(&data.validation_batches(), 0).into_iter().flat_map(|batch| batch.indices).collect();
    assert!(order.is_sorted());
    assert_eq!(indices(&data.train_batches(0)).len(), 3200);
}

#[test]
fn batches_go_to_threads() {
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let data = LabelledData::load(&LabelledConfig::default()).unwrap();
    let train = data.train_batches(5);
    shared(&train);
    let expected = batches(&train, 0);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let train = train.clone();
            std::thread::spawn(move || batches(&train, 0))
        })
        .collect();
    threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), expected));
}

#[test]
fn the_split_follows_from_the_split_seed_alone() {
    let of = |split_seed| {
        let config = LabelledConfig { split_seed, batch_size: 3, ..LabelledConfig::default() };
        parts(&LabelledData::load(&config).unwrap())
    };
    assert_eq!(of(0), of(0));
    assert_ne!(of(0), of(1));
}

#[test]
fn duplicates_stay_together_and_are_counted() {
    let good = lines("good", 40) + &lines("GOOD  ", 40) + "a fine day\n";
    let bad = lines("bad", 40) + "A fine day\n";
    let folder = folder(&[("good.txt", &good), ("bad.txt", &bad)]);
    let data = LabelledData::load(&config_of(folder.path())).unwrap();
    assert_eq!((data.facts.num_duplicates, data.facts.num_contradictions), (41, 1));
    let part_of: HashMap<usize, usize> =
        parts(&data).iter().enumerate().flat_map(|(part, indices)| indices.iter().map(move |at| (*at, part))).collect();
    let mut of_text: BTreeMap<String, HashSet<usize>> = BTreeMap::new();
    for index in 0..data.facts.num_texts {
        let text = data.text(index).to_lowercase().replace("   ", " ");
        of_text.entry(text).or_default().insert(part_of[&index]);
    }
    assert!(of_text.values().all(|parts| parts.len() == 1), "{of_text:?}");
    assert_eq!(of_text.len(), 81);
}

#[test]
fn a_folder_with_a_folder_per_class() {
    let texts: Vec<(String, String)> = ["ham", "spam"]
        .iter()
        .flat_map(|class| (0..10).map(move |n| (format!("{class}/{n}.txt"), format!("{class}\nof two lines, {n}\n"))))
        .collect();
    let mut files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.extend([("README.md", "about"), (".hidden/x.txt", "no"), ("urls.txt", "beside"), ("ham/empty.txt", " \n")]);
    let folder = folder(&files);
    let data = LabelledData::load(&config_of(folder.path())).unwrap();
    assert_eq!(data.classes, ["ham", "spam"]);
    assert_eq!(data.text(0), "ham\nof two lines, 0");
    assert_eq!(data.facts.part_sizes(), [16, 2, 2]);
    assert_eq!(data.facts.num_empty, 1);
    assert_eq!(data.place(0), (folder.path().join("ham/0.txt").as_path(), 1));

    std::fs::create_dir(folder.path().join("other")).unwrap();
    assert_says(&refusal(&config_of(folder.path())), &["other: no .txt or .txt.gz file"]);
}

#[test]
fn a_folder_with_a_file_per_class() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(lines("glad", 10).as_bytes()).unwrap();
    let folder = folder(&[("sad.txt", &(lines("sad", 10) + "\n  \n")), ("README", "about"), (".DS_Store", "x")]);
    std::fs::write(folder.path().join("happy.txt.gz"), encoder.finish().unwrap()).unwrap();
    let data = LabelledData::load(&config_of(folder.path())).unwrap();
    assert_eq!(data.classes, ["happy", "sad"]);
    assert_eq!((data.facts.num_texts, data.facts.num_empty), (20, 2));
    assert_eq!(data.place(12), (folder.path().join("sad.txt").as_path(), 3));
}

#[test]
fn tables() {
    let mut csv = "id,text,label\n".to_owned();
    let mut tsv = "label\ttext\n".to_owned();
    for number in 0..20 {
        let label = if number % 2 == 0 { "0" } else { "1" };
        csv += &format!("{number},\"one, \"\"two\"\"\nthree {number}\",{label}\n");
        tsv += &format!("{label}\t\"an open quote {number}\n");
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(csv.as_bytes()).unwrap();
    let folder = folder(&[("a.csv", &csv), ("a.tsv", &tsv)]);
    std::fs::write(folder.path().join("b.csv.gz"), encoder.finish().unwrap()).unwrap();
    for name in ["a.csv", "b.csv.gz"] {
        let data = LabelledData::load(&config_of(&folder.path().join(name))).unwrap();
        assert_eq!(data.classes, ["0", "1"]);
        assert_eq!(data.text(1), "one, \"two\"\nthree 1");
        assert_eq!(data.place(1).1, 4);
        assert_eq!(data.facts.part_sizes(), [16, 2, 2]);
    }
    let data = LabelledData::load(&config_of(&folder.path().join("a.tsv"))).unwrap();
    assert_eq!(data.text(19), "\"an open quote 19");
}

#[test]
fn a_wrong_table_is_explained() {
    let folder = folder(&[
        ("columns.csv", "review,stars\ngood,5\n"),
        ("semicolons.csv", "text;label\ngood;1\n"),
        ("width.csv", "text,label\nfine,1\nwell, well,0\n"),
        ("empty.csv", "text,label\nfine,1\n\nwell, \n"),
        ("windows.csv", "text,label\r\nfine,1\r\n\r\nwell,\r\n"),
        ("numbers.csv", "text,label\na,0.1\nb,0.2\nc,0.3\nd,0.4\n"),
        ("one.csv", "text,label\na,yes\nb,yes\n"),
        ("none.csv", ""),
        ("notes.txt", "a b c"),
    ]);
    let said = |name: &str| refusal(&config_of(&folder.path().join(name)));
    assert_says(
        &said("columns.csv"),
        &["columns.csv, line 1: no column `text`", "`review`, `stars`", "Set `text_column`"],
    );
    assert_says(&said("semicolons.csv"), &["semicolons.csv, line 1", "divided by semicolons"]);
    assert_says(&said("width.csv"), &["width.csv, line 3: a row of 3 columns", "double quotes"]);
    assert_says(&said("empty.csv"), &["empty.csv, line 4: the column `label` is empty"]);
    assert_says(&said("windows.csv"), &["windows.csv, line 4: the column `label` is empty"]);
    assert_says(&said("numbers.csv"), &["numbers.csv: the column `label` has 4 different values", "`label_column`"]);
    assert_says(&said("one.csv"), &["one.csv: all texts are of one class, `yes`"]);
    assert_says(&said("none.csv"), &["none.csv, line 1: no column `text`"]);
    assert_says(&said("notes.txt"), &["notes.txt: labelled texts are expected as a .csv or .tsv"]);
    let config = LabelledConfig { text_column: "review".to_owned(), ..config_of(&folder.path().join("columns.csv")) };
    assert_says(&refusal(&config), &["no column `label`", "Set `label_column`"]);
}

#[test]
fn what_is_not_there_is_said() {
    let empty = folder(&[]);
    assert_says(&refusal(&config_of(empty.path())), &["no .txt or .txt.gz file"]);
    assert_says(&refusal(&config_of(&empty.path().join("reviews"))), &["no such file or folder"]);
    let blank = folder(&[("good.txt", "fine\n"), ("bad.txt", "\n\n")]);
    assert_says(&refusal(&config_of(blank.path())), &["bad.txt: empty"]);
    let alone = folder(&[("good.txt", "fine\n")]);
    assert_says(&refusal(&config_of(alone.path())), &["all texts are of one class, `good`"]);
    let twice = folder(&[("good.txt", "fine\n"), ("good.txt.gz", "fine\n"), ("bad.txt", "no\n")]);
    assert!(LabelledData::load(&config_of(twice.path())).is_err());
    let few = folder(&[("good.txt", "fine\n"), ("bad.txt", "no\n")]);
    assert_says(&refusal(&config_of(few.path())), &["`validation_fraction` leaves no text for validation"]);
    let greedy = LabelledConfig {
        validation_fraction: 0.5,
        test_fraction: 0.49,
        source: few.path().to_str().unwrap().into(),
        ..LabelledConfig::default()
    };
    assert_says(&refusal(&greedy), &["no text of the class"]);
    let none = LabelledConfig { batch_size: 0, ..LabelledConfig::default() };
    assert!(matches!(LabelledData::load(&none), Err(DataError::Config { key: "batch_size", .. })));
}

#[test]
fn a_run_goes_on_with_its_own_tokenizer_and_classes() {
    let config = LabelledConfig { test_fraction: 0.0, ..LabelledConfig::default() };
    let data = LabelledData::load(&config).unwrap();
    assert!(data.test_batches().is_none());
    let folder_of_run = tempfile::tempdir().unwrap();
    let path = folder_of_run.path().join("tokenizer.json");
    data.tokenizer.save(&path).unwrap();
    let load = |classes: &[&str]| {
        let classes = classes.iter().map(|class| class.to_string()).collect();
        LabelledData::load_with(&config, Tokenizer::load(&path).unwrap(), classes)
    };
    let again = load(&["negative", "positive"]).unwrap();
    assert_eq!(again.facts, data.facts);
    assert_eq!(batches(&again.train_batches(0), 0), batches(&data.train_batches(0), 0));

    let turned = load(&["positive", "mixed", "negative"]).unwrap();
    assert_eq!(turned.classes[turned.label(0)], "positive");
    assert_eq!(parts(&turned), parts(&data));
    assert_eq!(turned.facts.classes[1].train, 0);
    let message = load(&["good", "negative"]).unwrap_err().to_string();
    assert_says(&message, &["embedded:reviews, line 1: the class `positive`", "`good`, `negative`"]);
}

#[test]
fn the_tokenizer_learns_from_training_texts_only() {
    let folder = folder(&[("good.txt", &lines("good", 50)), ("bad.txt", &lines("bad", 50))]);
    let data = LabelledData::load(&config_of(folder.path())).unwrap();
    let [train, validation, _] = parts(&data);
    let known: HashSet<i32> =
        train.iter().flat_map(|index| encode_text(&data.tokenizer, 9, data.text(*index)).unwrap()).collect();
    // Padding and unknown come on top.
    assert_eq!(data.facts.vocab_size, known.len() + 2);
    let unknown = validation.iter().flat_map(|index| encode_text(&data.tokenizer, 9, data.text(*index)).unwrap());
    let unknown = unknown.filter(|token| *token == 1).count();
    assert!(unknown > 0);
    assert_eq!(data.facts.unknown_rate, unknown as f64 / (3 * validation.len()) as f64);
}

#[test]
fn any_tokenizer_serves_and_no_text_is_without_tokens() {
    let folder = folder(&[("good.txt", &lines("good", 50)), ("bad.txt", &(lines("bad", 50) + "\u{df}\n"))]);
    let of = |toml: &str| LabelledConfig { tokenizer: toml::from_str(toml).unwrap(), ..config_of(folder.path()) };
    for toml in ["kind = \"bpe\"\nvocab_size = 300", "kind = \"char\"\nunknown = \"token\""] {
        let data = LabelledData::load(&of(toml)).unwrap();
        assert_eq!(data.tokenizer.padding_token(), None);
        assert_parted(&data);
        assert_eq!(encode_text(&data.tokenizer, 5, "  ").unwrap().len(), 1);
        assert_eq!(encode_text(&data.tokenizer, 5, &lines("good", 9)).unwrap().len(), 5);
    }
    // A refused text is named by its place: trained where "\u{df}" is not, met where it is.
    let other = LabelledData::load(&LabelledConfig {
        tokenizer: toml::from_str("kind = \"char\"").unwrap(),
        ..LabelledConfig::default()
    })
    .unwrap();
    let classes = vec!["good".to_owned(), "bad".to_owned()];
    let message = LabelledData::load_with(&of("kind = \"char\""), other.tokenizer, classes).unwrap_err().to_string();
    assert_says(&message, &["bad.txt, line ", "the character "]);
    let words = LabelledData::load(&LabelledConfig::default()).unwrap().tokenizer;
    assert_eq!(encode_text(&words, 5, "").unwrap(), [1]);
}

#[test]
fn texts_and_pairs_stand_between_special_tokens() {
    let rows: String = (0..60)
        .map(|row| format!("Is {row} even?,\"Yes, {row} is.\",{}\n", if row % 2 == 0 { "right" } else { "wrong" }))
        .collect();
    let folder = folder(&[("pairs.csv", &format!("question,answer,label\n{rows}"))]);
    let path = folder.path().join("pairs.csv");
    let pieces = "kind = \"word_piece\"\nvocab_size = 200\nmin_frequency = 1";
    let one = LabelledConfig {
        text_column: "question".to_owned(),
        tokenizer: toml::from_str(pieces).unwrap(),
        max_len: 12,
        ..config_of(&path)
    };
    let two = LabelledConfig { pair_column: "answer".to_owned(), ..one.clone() };
    for config in [&one, &two] {
        let data = LabelledData::load(config).unwrap();
        let special = data.tokenizer.special();
        let [begin, end] = [special.begin, special.end].map(|token| token.unwrap() as i32);
        let is_pair = !config.pair_column.is_empty();
        for batch in batches(&data.train_batches(0), 0) {
            assert!(batch.seq_len <= 12);
            for (row, index) in batch.indices.iter().enumerate() {
                let range = row * batch.seq_len..row * batch.seq_len + batch.lengths[row] as usize;
                let (tokens, segments) = (&batch.tokens[range.clone()], &batch.segments[range]);
                assert_eq!((tokens[0], *tokens.last().unwrap()), (begin, end));
                assert_eq!(tokens.iter().filter(|token| **token == end).count(), 1 + usize::from(is_pair));
                let second = tokens.iter().position(|token| *token == end).unwrap() + 1;
                let expected = (0..tokens.len()).map(|place| i32::from(place >= second));
                assert!(segments.iter().copied().eq(expected));
                let (text, pair) = (data.text(*index), data.pair_text(*index));
                assert_eq!((pair.is_some(), text.ends_with("even?")), (is_pair, true));
                // What a model is given for a new text is what it was trained on.
                let framed = encode_example(&data.tokenizer, config, text, pair).unwrap();
                assert!(framed.tokens.iter().map(|token| *token as i32).eq(tokens.iter().copied()));
                assert!(framed.segments.iter().map(|segment| i32::from(*segment)).eq(segments.iter().copied()));
            }
        }
        // The longest: "is 59 even?" in 4 or more tokens, and "yes, 59 is." in 5 or more, with 2 or 3 around them.
        assert_eq!(data.facts.num_cut > 0, data.facts.longest_length > 12);
        assert!(data.facts.longest_length >= if is_pair { 12 } else { 6 }, "{:?}", data.facts);
    }
    let bare = LabelledConfig { add_special_tokens: Some(false), ..one.clone() };
    let bare = LabelledData::load(&bare).unwrap();
    let special = [bare.tokenizer.special().begin, bare.tokenizer.special().end];
    let tokens = batches(&bare.train_batches(0), 0).into_iter().flat_map(|batch| batch.tokens);
    assert!(tokens.map(|token| token as u32).all(|token| !special.contains(&Some(token))));
    let words = LabelledConfig { tokenizer: LabelledConfig::default().tokenizer, ..one.clone() };
    assert!(LabelledData::load(&words).is_ok());
    let asked = LabelledConfig { add_special_tokens: Some(true), ..words.clone() };
    assert_says(&refusal(&asked), &["`add_special_tokens` is true, but the tokenizer has none", "word_piece"]);
    let pairs = LabelledConfig { pair_column: "answer".to_owned(), ..words };
    assert_says(&refusal(&pairs), &["`pair_column` names a second text", "no token that ends", "word_piece"]);
    let short = LabelledConfig { max_len: 4, ..two.clone() };
    assert_says(&refusal(&short), &["`max_len` is 4", "at least 5"]);
    let embedded = LabelledConfig { source: "embedded:reviews".to_owned(), ..two.clone() };
    assert_says(&refusal(&embedded), &["`pair_column` applies to a .csv or .tsv file only"]);
    let missing = LabelledConfig { pair_column: "reply".to_owned(), ..two };
    assert_says(&refusal(&missing), &["no column `reply`", "Set `pair_column`"]);
}
