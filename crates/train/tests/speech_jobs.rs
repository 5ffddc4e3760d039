//! The jobs on recordings as a user types them: train, evaluate, predict, and what they leave behind.

mod support;

use std::{fs, path::Path};

use data::audio::digits::{RATE, SpokenDigit, spoken_digits};
use support::{refused, score, train, train_config};

/// Writes 16-bit samples with one channel.
fn write_wav(path: &Path, samples: impl IntoIterator<Item = f32>) {
    let samples: Vec<u8> = samples.into_iter().flat_map(|s| ((s * 32767.0) as i16).to_le_bytes()).collect();
    let length = |length: usize| (length as u32).to_le_bytes();
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend(length(36 + samples.len()));
    bytes.extend(b"WAVEfmt ");
    bytes.extend(length(16));
    bytes.extend([1, 0, 1, 0]);
    bytes.extend(RATE.to_le_bytes());
    bytes.extend((2 * RATE).to_le_bytes());
    bytes.extend([2, 0, 16, 0]);
    bytes.extend(b"data");
    bytes.extend(length(samples.len()));
    bytes.extend(samples);
    fs::write(path, bytes).unwrap();
}

fn spoken(digit: usize, speaker: &str) -> SpokenDigit {
    spoken_digits().into_iter().find(|spoken| (spoken.digit, spoken.speaker) == (digit, speaker)).unwrap()
}

#[test]
fn recordings_are_learned_and_new_ones_classified() {
    let desk = tempfile::tempdir().unwrap();
    let settings = "data.split={kind=\"random\"} model.hidden_size=32 training.epochs=4";
    train_config(desk.path(), "spoken-digits.toml", "digits", settings, &[]);
    let scores = train(desk.path(), &["eval", "--run", "digits"]);
    assert!(score(&scores, "accuracy") > 0.9, "{scores}");
    let page = fs::read_to_string(desk.path().join("runs/digits/report/test-classification.json")).unwrap();
    for part in ["Confusion", "By speaker", "otto", "Worst mistakes"] {
        assert!(page.contains(part), "{part}: {page}");
    }

    for digit in [3, 8] {
        write_wav(&desk.path().join(format!("{digit}.wav")), spoken(digit, "bruno").samples);
    }
    let said = train(desk.path(), &["predict", "--run", "digits", "3.wav", "8.wav"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with('3') && lines[0].ends_with("3.wav") && lines[1].starts_with('8'), "{said}");
    fs::write(desk.path().join("files.txt"), "8.wav\n3.wav\n").unwrap();
    train(desk.path(), &["predict", "--run", "digits", "--input", "files.txt", "--output", "classes.csv"]);
    let table = fs::read_to_string(desk.path().join("classes.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "file,class,0,1,2,3,4,5,6,7,8,9");
    assert!(lines[1].starts_with("8.wav,8,") && lines[2].starts_with("3.wav,3,"), "{table}");

    fs::write(desk.path().join("text.wav"), "no sound").unwrap();
    for (file, part) in [("text.wav", "not a readable .wav file"), ("missing.wav", "missing.wav")] {
        let error = refused(desk.path(), &["predict", "--run", "digits", file]);
        assert!(error.contains(file) && error.contains(part), "{error}");
    }
}

#[test]
fn strings_are_learned_and_new_ones_written_down() {
    let desk = tempfile::tempdir().unwrap();
    let settings = "data.split={kind=\"random\"} data.strings={min=1,max=3,train=2000,validation=60,test=60} \
                    model.hidden_size=64 training.epochs=5";
    train_config(desk.path(), "digit-strings.toml", "strings", settings, &[]);
    let scores = train(desk.path(), &["eval", "--run", "strings"]);
    assert!(score(&scores, "word_error_rate") < 0.2, "{scores}");
    assert!(score(&scores, "string_accuracy") > 0.6, "{scores}");
    let page = fs::read_to_string(desk.path().join("runs/strings/report/test-recognition.json")).unwrap();
    for part in ["What the model hears", "(blank)", "left out", "Examples"] {
        assert!(page.contains(part), "{part}");
    }

    let wave = [4, 0, 7].into_iter().flat_map(|digit| spoken(digit, "anna").samples);
    write_wav(&desk.path().join("string.wav"), wave);
    let said = train(desk.path(), &["predict", "--run", "strings", "string.wav"]);
    assert!(said.ends_with("string.wav\n"), "{said}");
    train(desk.path(), &["predict", "--run", "strings", "--output", "words.csv", "string.wav"]);
    let table = fs::read_to_string(desk.path().join("words.csv")).unwrap();
    assert!(table.starts_with("file,words,log_probability\nstring.wav,"), "{table}");
}

/// The same weights give the same scores on wgpu, on a GPU or on Mesa's software driver.
#[cfg(feature = "wgpu")]
#[test]
fn wgpu_scores_like_the_cpu() {
    let desk = tempfile::tempdir().unwrap();
    let folder = desk.path().join("recordings");
    fs::create_dir(&folder).unwrap();
    for digit in spoken_digits().into_iter().filter(|spoken| spoken.digit < 3 && spoken.take < 3) {
        write_wav(&folder.join(digit.name()), digit.samples);
    }
    let features = "data.features={num_mels=10,hop_ms=20.0}";
    let split = "data.split={kind=\"random\",validation_fraction=0.2,test_fraction=0.2}";
    let jobs = [
        ("spoken-digits.toml", "model.pooling=\"attention\""),
        ("digit-strings.toml", "data.strings={min=1,max=2,train=16,validation=6,test=6}"),
    ];
    for (name, settings) in jobs {
        let settings = format!(
            "data.source=recordings {features} {split} {settings} model.hidden_size=8 data.batch_size=4 training.epochs=1"
        );
        train_config(desk.path(), name, name, &settings, &[]);
        support::scores_on_wgpu_as_on_the_cpu(desk.path(), name);
    }
}
