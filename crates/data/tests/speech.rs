//! Speech as a user meets it: folders, archives, tables and the embedded digits, from the configuration to batches.

use data::audio::{
    AugmentConfig, FeatureExtractor, FeatureKind, FeaturesConfig, Normalization, Normalize, OnError, RandomSplit,
    SpeakerSplit, SpeechArtefact, SpeechBatch, SpeechBatches, SpeechConfig, SpeechData, SpeechFacts, SpeechSplit,
    SpeechStringsConfig, SpeechStringsData, StringsConfig, TakeSplit, read_wav,
};
use flate2::{Compression, write::GzEncoder};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file or folder of the real data: in `KILN_DATA`, or beside the repository, as tests run in their crate's folder.
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

fn config_of(path: &Path) -> SpeechConfig {
    SpeechConfig { source: path.to_str().unwrap().to_owned(), ..SpeechConfig::default() }
}

/// A `.wav` file of a tone, 16 bits at 8000 samples a second.
fn tone(hertz: f64, samples: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..samples)
        .map(|place| ((place as f64 * hertz * std::f64::consts::TAU / 8000.0).sin() * 20_000.0) as i16)
        .flat_map(i16::to_le_bytes)
        .collect();
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + data.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(8000u32.to_le_bytes());
    wav.extend(16_000u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    wav
}

/// Twenty recordings of two classes by two speakers, as names and files.
fn few(name: impl Fn(&str, &str, usize) -> String) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (class, hertz) in [("high", 1500.0), ("low", 300.0)] {
        for speaker in ["ann", "bob"] {
            files.extend((0..5).map(|take| (name(class, speaker, take), tone(hertz, 1000 + 100 * take))));
        }
    }
    files
}

fn folder(files: &[(String, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

fn refusal(config: &SpeechConfig) -> String {
    SpeechData::load(config).unwrap_err().to_string()
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part} in {message}");
    }
}

fn batches(batches: &SpeechBatches, epoch: u64) -> Vec<SpeechBatch> {
    (0..batches.num_batches()).map(|index| batches.batch(epoch, index)).collect()
}

/// The numbers of all recordings of a pass, ascending.
fn indices(part: &SpeechBatches) -> Vec<usize> {
    let mut indices: Vec<usize> = batches(part, 0).into_iter().flat_map(|batch| batch.indices).collect();
    indices.sort_unstable();
    indices
}

/// Training, validation and test recordings.
fn parts(data: &SpeechData) -> [Vec<usize>; 3] {
    let test = data.test_batches().map(|test| indices(&test)).unwrap_or_default();
    [indices(&data.train_batches(0)), indices(&data.validation_batches()), test]
}

fn assert_parted(data: &SpeechData) {
    let parts = parts(data);
    let mut all = parts.concat();
    all.sort_unstable();
    assert_eq!(all, (0..data.facts.num_recordings).collect::<Vec<_>>());
    assert_eq!(parts.each_ref().map(Vec::len), data.facts.part_sizes());
}

/// The number at the end of a recording's name.
fn take_of(name: &str) -> usize {
    name.trim_end_matches(".wav").rsplit_once('_').unwrap().1.parse().unwrap()
}

fn speakers(data: &SpeechData, part: &[usize]) -> BTreeSet<String> {
    part.iter().map(|index| data.speaker(*index).unwrap().to_owned()).collect()
}

#[test]
fn free_spoken_digits() {
    let Some(path) = real("fsdd/fsdd-recordings.tar.gz") else { return };
    let split = SpeechSplit::Take(TakeSplit::default());
    let data = SpeechData::load(&SpeechConfig { split, ..config_of(&path) }).unwrap();
    assert_eq!(data.facts.num_recordings, 3000);
    assert_eq!(data.classes, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    for class in &data.facts.classes {
        assert_eq!([class.train, class.validation, class.test], [243, 27, 30], "{}", class.name);
    }
    let names: Vec<&str> = data.facts.speakers.iter().map(|speaker| speaker.name.as_str()).collect();
    assert_eq!(names, ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]);
    assert!(data.facts.speakers.iter().all(|speaker| (speaker.train + speaker.validation, speaker.test) == (450, 50)));
    assert_eq!((data.facts.num_skipped, data.facts.num_resampled, data.facts.num_features), (0, 0, 40));
    assert_eq!(data.facts.longest_seconds, 18_262.0 / 8000.0);
    assert_eq!(data.facts.baseline_accuracy(), 0.1);
    assert_parted(&data);
    let [_, _, test] = parts(&data);
    assert!(test.iter().all(|index| take_of(data.name(*index)) < 5));

    let split = SpeakerSplit { test: vec!["theo".into()], validation: vec!["lucas".into()], ..SpeakerSplit::default() };
    let config = SpeechConfig { split: SpeechSplit::Speaker(split), ..config_of(&path) };
    let data = SpeechData::load(&config).unwrap();
    assert_eq!(data.facts.part_sizes(), [2000, 500, 500]);
    // Recordings of about the same length share a batch.
    let (places, used) = batches(&data.train_batches(1), 0).iter().fold((0, 0), |(places, used), batch| {
        (places + batch.frames * batch.batch_size, used + batch.frame_lengths.iter().sum::<i32>() as usize)
    });
    assert!(places < used * 110 / 100, "{places} frames for {used}");
}

#[test]
fn embedded_digits_need_no_file() {
    let data = SpeechData::load(&SpeechConfig::default()).unwrap();
    assert_eq!(data.classes, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(data.facts.part_sizes(), [960, 120, 120]);
    assert_eq!(data.facts.speakers.len(), 6);
    assert_parted(&data);
    assert_eq!((data.name(0), data.speaker(0), data.label(0)), ("0_anna_0.wav", Some("anna"), 0));
    let said = serde_json::to_string(&data.facts).unwrap();
    assert_eq!(serde_json::from_str::<SpeechFacts>(&said).unwrap(), data.facts);
}

#[test]
fn batches_hold_the_features_of_their_recordings() {
    let config = SpeechConfig { batch_size: 7, ..SpeechConfig::default() };
    let data = SpeechData::load(&config).unwrap();
    let parts = [Some(data.train_batches(1)), Some(data.validation_batches()), data.test_batches()];
    for batch in parts.iter().flatten().flat_map(|part| batches(part, 3)) {
        assert_eq!(batch.features.len(), batch.batch_size * batch.frames * batch.num_features);
        assert_eq!(batch.frame_lengths.iter().max(), Some(&(batch.frames as i32)));
        for (row, index) in batch.indices.iter().enumerate() {
            let features = data.features(*index);
            let values =
                &batch.features[row * batch.frames * batch.num_features..][..batch.frames * batch.num_features];
            let (own, padding) = values.split_at(features.values.len());
            assert_eq!(own, features.values);
            assert!(padding.iter().all(|value| *value == 0.0));
            assert_eq!(
                (batch.frame_lengths[row] as usize, batch.labels[row] as usize),
                (features.frames, data.label(*index))
            );
        }
    }
    assert_eq!(data.train_batches(1).batch(2, 5), data.train_batches(1).batch(2, 5));
    assert_ne!(data.train_batches(1).batch(2, 5), data.train_batches(2).batch(2, 5));
}

#[test]
fn masks_are_for_training_and_follow_from_seed_epoch_and_recording() {
    let augment = AugmentConfig { freq_masks: 2, time_masks: 2, ..AugmentConfig::default() };
    let data = SpeechData::load(&SpeechConfig { augment: augment.clone(), ..SpeechConfig::default() }).unwrap();
    let other = SpeechData::load(&SpeechConfig { augment, batch_size: 5, ..SpeechConfig::default() }).unwrap();
    // A recording is masked alike in whatever batch it comes.
    let rows = |data: &SpeechData, epoch| -> HashMap<usize, Vec<f32>> {
        let row = |batch: &SpeechBatch, row: usize| {
            let start = row * batch.frames * batch.num_features;
            let length = batch.frame_lengths[row] as usize * batch.num_features;
            (batch.indices[row], batch.features[start..start + length].to_vec())
        };
        let batches = batches(&data.train_batches(4), epoch);
        batches.iter().flat_map(|batch| (0..batch.batch_size).map(|place| row(batch, place))).collect()
    };
    let masked = rows(&data, 1);
    assert_eq!(masked, rows(&other, 1));
    assert_ne!(masked, rows(&data, 2));
    let changed = masked.iter().filter(|(index, values)| **values != data.features(**index).values).count();
    assert!(changed > masked.len() * 9 / 10, "{changed} of {}", masked.len());
    for batch in batches(&data.validation_batches(), 0) {
        let length = batch.frame_lengths[0] as usize * batch.num_features;
        assert_eq!(batch.features[..length], data.features(batch.indices[0]).values);
    }
}

#[test]
fn folders_archives_and_tables_give_the_same() {
    let flat = folder(&few(|class, speaker, take| format!("{class}_{speaker}_{take}.wav")));
    let by_class = folder(&few(|class, speaker, take| format!("{class}/{class}_{speaker}_{take}.wav")));
    let archive = tempfile::tempdir().unwrap();
    let packed = archive.path().join("few.tar.gz");
    let mut builder = tar::Builder::new(GzEncoder::new(std::fs::File::create(&packed).unwrap(), Compression::fast()));
    builder.append_dir_all("recordings", flat.path()).unwrap();
    builder.into_inner().unwrap().finish().unwrap();
    let row = |(name, _): (String, Vec<u8>)| {
        let parts: Vec<&str> = name.trim_end_matches(".wav").split('_').collect();
        format!("{name},{},{},{}\n", parts[0], parts[1], parts[2])
    };
    let rows: String =
        few(|class, speaker, take| format!("{class}_{speaker}_{take}.wav")).into_iter().map(row).collect();
    let table = flat.path().join("few.csv");
    std::fs::write(&table, format!("path,word,who,nr\n{rows}")).unwrap();

    let split = SpeakerSplit { test: vec!["bob".into()], validation_fraction: 0.2, ..SpeakerSplit::default() };
    let load = |path: &Path| {
        let config = SpeechConfig {
            label_column: "word".into(),
            speaker_column: Some("who".into()),
            take_column: Some("nr".into()),
            split: SpeechSplit::Speaker(split.clone()),
            ..config_of(path)
        };
        SpeechData::load(&config).unwrap()
    };
    let loaded = [flat.path(), by_class.path(), &packed, &table].map(load);
    for data in &loaded {
        assert_eq!(data.classes, ["high", "low"]);
        assert_eq!(data.facts.part_sizes(), [8, 2, 10]);
        assert_parted(data);
        let [train, validation, test] = parts(data);
        assert_eq!(speakers(data, &test), BTreeSet::from(["bob".to_owned()]));
        assert_eq!(speakers(data, &[train, validation].concat()), BTreeSet::from(["ann".to_owned()]));
        for index in 0..20 {
            assert_eq!(data.features(index), loaded[0].features(index));
            assert_eq!(data.label(index), loaded[0].label(index));
            assert!(data.path(index).starts_with(data.root()));
        }
    }
}

#[test]
fn whole_speakers_are_held_out() {
    let split = SpeakerSplit { test: vec!["otto".into()], validation: vec!["edith".into()], ..SpeakerSplit::default() };
    let config = SpeechConfig { split: SpeechSplit::Speaker(split), ..SpeechConfig::default() };
    let data = SpeechData::load(&config).unwrap();
    let [train, validation, test] = parts(&data);
    assert_eq!(speakers(&data, &test), BTreeSet::from(["otto".to_owned()]));
    assert_eq!(speakers(&data, &validation), BTreeSet::from(["edith".to_owned()]));
    assert_eq!(speakers(&data, &train).len(), 4);
    assert_parted(&data);
}

#[test]
fn splits_that_cannot_be_are_named() {
    let with = |split| SpeechConfig { split, ..SpeechConfig::default() };
    let speaker =
        |test: &str| SpeechSplit::Speaker(SpeakerSplit { test: vec![test.to_owned()], ..SpeakerSplit::default() });
    let message = refusal(&with(speaker("claro")));
    assert_says(&message, &["`split.test` names the speaker `claro`", "`anna`, `bruno`", "Is `clara` meant?"]);
    let take = TakeSplit { test: vec![20], ..TakeSplit::default() };
    assert_says(&refusal(&with(SpeechSplit::Take(take))), &["the take 20", "from 0 to 19"]);
    let all = (0..20).collect();
    let all = TakeSplit { test: all, ..TakeSplit::default() };
    assert_says(&refusal(&with(SpeechSplit::Take(all))), &["`split` leaves no recording for training"]);

    let unknown = folder(&few(|class, speaker, take| format!("{class}/{speaker}{take}.wav")));
    let config = SpeechConfig { split: speaker("ann"), ..config_of(unknown.path()) };
    assert_says(&refusal(&config), &["high/ann0.wav: no speaker is known", "`speaker_column`"]);
    let config = SpeechConfig { split: SpeechSplit::Take(TakeSplit::default()), ..config_of(unknown.path()) };
    assert_says(&refusal(&config), &["high/ann0.wav: no take is known", "`take_column`"]);
    let random = SpeechSplit::Random(RandomSplit { validation_fraction: 0.2, ..RandomSplit::default() });
    let data = SpeechData::load(&SpeechConfig { split: random, ..config_of(unknown.path()) }).unwrap();
    assert_eq!((data.speaker(0), data.facts.speakers.len()), (None, 0));
}

#[test]
fn what_cannot_be_read_is_named_or_skipped() {
    let mut files = few(|class, speaker, take| format!("{class}/{class}_{speaker}_{take}.wav"));
    files.push(("low/low_ann_5.wav".to_owned(), b"no sound".to_vec()));
    let broken = folder(&files);
    let message = refusal(&config_of(broken.path()));
    assert_says(&message, &[broken.path().join("low/low_ann_5.wav").to_str().unwrap(), ".wav file", "is expected"]);
    let data = SpeechData::load(&SpeechConfig { on_error: OnError::Skip, ..config_of(broken.path()) }).unwrap();
    assert_eq!((data.facts.num_recordings, data.facts.num_skipped), (20, 1));

    let empty = folder(&[("readme.txt".to_owned(), Vec::new())]);
    assert_says(&refusal(&config_of(empty.path())), &["no .wav file"]);
    assert_says(&refusal(&config_of(&empty.path().join("readme.txt"))), &["readme.txt: ", ".tar.gz"]);
    let one = folder(&[("a_ann_0.wav".to_owned(), tone(300.0, 500)), ("a_bob_0.wav".to_owned(), tone(300.0, 500))]);
    assert_says(&refusal(&config_of(one.path())), &["one class, `a`"]);
    let cut = empty.path().join("cut.tar.gz");
    std::fs::write(&cut, [0x1F, 0x8B, 8, 0, 0, 0]).unwrap();
    assert_says(&refusal(&config_of(&cut)), &["cut.tar.gz: not a complete archive"]);
    let table = empty.path().join("a.csv");
    std::fs::write(&table, "path,label\nnot-there.wav,a\nnor-this.wav,b\n").unwrap();
    assert_says(&refusal(&config_of(&table)), &["not-there.wav: cannot read"]);
}

#[test]
fn statistics_of_the_training_part_go_with_the_model() {
    let features = FeaturesConfig {
        kind: FeatureKind::Mfcc,
        deltas: 1,
        normalize: Normalize::Training,
        ..FeaturesConfig::default()
    };
    let config = SpeechConfig { features: features.clone(), ..SpeechConfig::default() };
    let data = SpeechData::load(&config).unwrap();
    let [train, validation, _] = parts(&data);
    let column = |part: &[usize], place: usize| -> Vec<f32> {
        part.iter().flat_map(|index| data.features(*index).values.iter().skip(place).step_by(26).copied()).collect()
    };
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    for place in [0, 12, 25] {
        let values = column(&train, place);
        assert!(mean(&values).abs() < 1e-3);
        assert!((mean(&values.iter().map(|value| value * value).collect::<Vec<_>>()) - 1.0).abs() < 1e-3);
        assert!(mean(&column(&validation, place)).abs() < 0.5);
    }

    let artefact = data.artefact();
    let again = SpeechArtefact::from_json(&artefact.to_json()).unwrap();
    assert_eq!(again, artefact);
    let loaded = SpeechData::load_with(&config, again.clone()).unwrap();
    assert_eq!(loaded.features(7), data.features(7));
    assert_eq!((loaded.facts, loaded.classes), (data.facts.clone(), data.classes.clone()));

    let file = folder(&[("a.wav".to_owned(), tone(300.0, 2000))]);
    let wave = read_wav(&file.path().join("a.wav")).unwrap();
    let extractor = FeatureExtractor::trained(&features, &again).unwrap();
    assert_eq!(extractor.extract_wave(&wave), data.extractor().extract(&wave.samples));
    let message = FeatureExtractor::trained(&FeaturesConfig { deltas: 0, ..features }, &again).unwrap_err().to_string();
    assert_says(&message, &["statistics of 26 features, and there are 13"]);
    assert!(SpeechArtefact::from_json("{}").is_err());
    let fewer = SpeechArtefact { classes: vec!["0".into(), "1".into()], normalization: Normalization::Utterance };
    let message = SpeechData::load_with(&SpeechConfig::default(), fewer).unwrap_err().to_string();
    assert_says(&message, &["2_anna_0.wav", "`2` is not one that the model was trained on", "`0`, `1`"]);
}

#[test]
fn strings_are_of_one_speaker_and_their_own_part() {
    let split = SpeakerSplit { test: vec!["otto".into()], validation_fraction: 0.2, ..SpeakerSplit::default() };
    let strings = StringsConfig { min: 2, max: 4, train: 90, validation: 30, test: 20, ..StringsConfig::default() };
    let config = SpeechStringsConfig {
        split: SpeechSplit::Speaker(split),
        strings,
        batch_size: 8,
        ..SpeechStringsConfig::default()
    };
    let data = SpeechStringsData::load(&config).unwrap();
    assert_eq!((data.facts.part_sizes, data.facts.lengths), ([90, 30, 20], [2, 4]));
    let (train, validation, test) = (data.train_batches(1), data.validation_batches(), data.test_batches().unwrap());
    let mut used = Vec::new();
    for (part, batches) in [&train, &validation, &test].into_iter().enumerate() {
        let mut seen = Vec::new();
        let mut recordings = BTreeSet::new();
        for batch in (0..batches.num_batches()).map(|index| batches.batch(5, index)) {
            assert_eq!(batch.features.len(), batch.batch_size * batch.frames * batch.num_features);
            assert!(batch.features.iter().all(|value| value.is_finite()));
            let mut targets = batch.targets.iter();
            for (row, index) in batch.indices.iter().enumerate() {
                let item = batches.item(5, *index);
                assert_eq!(item.recordings.len(), 2 + index % 3);
                assert_eq!(
                    (item.recordings.len(), item.gaps.len() + 1),
                    (batch.target_lengths[row] as usize, item.recordings.len())
                );
                assert!(item.gaps.iter().all(|gap| *gap <= 960));
                let speakers: BTreeSet<_> = item.recordings.iter().map(|recording| data.speaker(*recording)).collect();
                assert_eq!(speakers.len(), 1);
                assert_eq!(speakers.contains(&Some("otto")), part == 2);
                for recording in &item.recordings {
                    assert_eq!(*targets.next().unwrap() as usize, data.label(*recording));
                    assert!(data.name(*recording).starts_with(&data.classes[data.label(*recording)]));
                }
                recordings.extend(item.recordings);
                seen.push(*index);
            }
            assert_eq!(targets.next(), None);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..batches.num_strings()).collect::<Vec<_>>());
        used.push(recordings);
    }
    assert!(used[0].is_disjoint(&used[1]) && used[0].is_disjoint(&used[2]) && used[1].is_disjoint(&used[2]));
    assert_ne!(train.item(0, 3), train.item(1, 3));
    assert_ne!(train.item(0, 3), data.train_batches(2).item(0, 3));
    assert_eq!(validation.batch(0, 1), validation.batch(9, 1));
    let again = SpeechStringsData::load_with(&config, data.artefact()).unwrap();
    assert_eq!(again.train_batches(1).batch(3, 2), train.batch(3, 2));
}

#[test]
fn a_string_is_as_long_as_its_recordings_and_gaps() {
    let files = folder(&few(|class, speaker, take| format!("{class}_{speaker}_{take}.wav")));
    let strings = StringsConfig { min: 3, max: 3, gap_ms: [50.0, 50.0], train: 8, validation: 2, test: 0 };
    let config = SpeechStringsConfig {
        source: files.path().to_str().unwrap().to_owned(),
        split: SpeechSplit::Random(RandomSplit { validation_fraction: 0.2, test_fraction: 0.0, split_seed: 0 }),
        strings,
        batch_size: 1,
        ..SpeechStringsConfig::default()
    };
    let data = SpeechStringsData::load(&config).unwrap();
    assert!(data.test_batches().is_none());
    let batches = data.train_batches(0);
    for index in 0..8 {
        let batch = batches.batch(0, index);
        let item = batches.item(0, batch.indices[0]);
        assert_eq!(item.gaps, [400, 400]);
        let samples = |recording: &usize| 1000 + 100 * take_of(data.name(*recording));
        let samples = item.recordings.iter().map(samples).sum::<usize>() + 800;
        assert_eq!(batch.frames, 1 + samples / 80);
    }
}

#[test]
fn little_of_a_batch_of_strings_is_padding() {
    let data = SpeechStringsData::load(&SpeechStringsConfig::default()).unwrap();
    let batches = data.train_batches(0);
    let (places, used) = (0..20).map(|index| batches.batch(1, index)).fold((0, 0), |(places, used), batch| {
        (places + batch.frames * batch.batch_size, used + batch.frame_lengths.iter().sum::<i32>() as usize)
    });
    assert!(places < used * 110 / 100, "{places} frames for {used}");
}
