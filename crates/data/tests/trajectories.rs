//! Episodes as a user meets them: files, and episodes collected on the spot, from the configuration to batches.

use data::DataError;
use data::trajectories::{
    TrajectoryArtefact, TrajectoryBatch, TrajectoryBatches, TrajectoryConfig, TrajectoryData, read_trajectories,
    write_trajectories,
};
use environments::{CollectConfig, EnvironmentConfig, Trajectories, Trajectory, collect};
use flate2::read::MultiGzDecoder;
use proptest::prelude::*;
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const HEADER: &str =
    r#"{"format": "kiln-trajectories", "version": 1, "environment": "game", "observation_size": 2, "num_actions": 3}"#;
const EPISODE: &str =
    r#"{"observations": [[1, 2.5], [-3e-1, 0]], "actions": [0, 2], "rewards": [1, -0.5], "terminated": false}"#;

fn file(lines: &[&str]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("episodes.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    (folder, path)
}

fn refusal(lines: &[&str]) -> String {
    let (_folder, path) = file(lines);
    read_trajectories(&path).unwrap_err().to_string()
}

fn config_of(path: &Path) -> TrajectoryConfig {
    TrajectoryConfig { path: Some(path.to_str().unwrap().to_owned()), ..TrajectoryConfig::default() }
}

fn small() -> TrajectoryConfig {
    TrajectoryConfig {
        collect: CollectConfig { episodes: 40, ..CollectConfig::default() },
        validation_fraction: 0.25,
        ..TrajectoryConfig::default()
    }
}

fn batches(batches: &TrajectoryBatches, epoch: u64) -> Vec<TrajectoryBatch> {
    (0..batches.num_batches()).map(|index| batches.batch(epoch, index)).collect()
}

/// The episodes of a part.
fn episodes(part: &TrajectoryBatches) -> HashSet<usize> {
    batches(part, 0).into_iter().flat_map(|batch| batch.episodes).collect()
}

/// An episode with this reward at its only step, of the environment in [`HEADER`].
fn one_step(reward: f32) -> Trajectory {
    Trajectory { observations: vec![reward, 0.0], actions: vec![1], rewards: vec![reward], terminated: true }
}

fn of_game(episodes: Vec<Trajectory>) -> Trajectories {
    Trajectories { environment: "game".to_owned(), observation_size: 2, num_actions: 3, episodes }
}

#[test]
fn a_file_is_read_as_the_format_says() {
    let (_folder, path) = file(&[HEADER, "", EPISODE, EPISODE]);
    let read = read_trajectories(&path).unwrap();
    let episode = Trajectory {
        observations: vec![1.0, 2.5, -0.3, 0.0],
        actions: vec![0, 2],
        rewards: vec![1.0, -0.5],
        terminated: false,
    };
    assert_eq!(read, of_game(vec![episode.clone(), episode]));
}

#[test]
fn compressed_and_plain_files_hold_the_same() {
    let trajectories = collect(&EnvironmentConfig::default(), &small().collect).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [plain, compressed] = ["a.jsonl", "a.jsonl.gz"].map(|name| folder.path().join(name));
    write_trajectories(&plain, &trajectories).unwrap();
    write_trajectories(&compressed, &trajectories).unwrap();
    assert_eq!(read_trajectories(&plain).unwrap(), trajectories);
    assert_eq!(read_trajectories(&compressed).unwrap(), trajectories);
    let mut text = String::new();
    MultiGzDecoder::new(std::fs::File::open(&compressed).unwrap()).read_to_string(&mut text).unwrap();
    assert_eq!(text, std::fs::read_to_string(&plain).unwrap());
    assert!(std::fs::metadata(&compressed).unwrap().len() * 2 < text.len() as u64);
}

#[test]
fn what_is_wrong_is_named_by_line_and_field() {
    let wrong = |from: &str, to: &str| {
        assert!(EPISODE.contains(from));
        refusal(&[HEADER, EPISODE, "", &EPISODE.replacen(from, to, 1)])
    };
    for (message, parts) in [
        (wrong("[0, 2]", "[0, 3]"), ["`actions` has 3 at step 2", "so the last is 2"]),
        (wrong("[0, 2]", "[0, 1.0]"), ["`actions` is not a list of whole numbers from 0", "`1.0`"]),
        (wrong("[0, 2]", "[0, -1]"), ["`actions` is not a list", "`-1`"]),
        (wrong("[0, 2]", "[0]"), ["`observations` has 2 rows and `actions` 1", "each step"]),
        (wrong("[1, -0.5]", "[1]"), ["`rewards` has 1 numbers and `actions` 2", "each step"]),
        (wrong("[1, -0.5]", "[1, null]"), ["`rewards` is not a list of numbers", "null"]),
        (wrong("[1, -0.5]", "[1, NaN]"), ["no JSON", "NaN"]),
        (wrong("[1, -0.5]", "[1e39, 0]"), ["`rewards` has a number that is too large", "3.4028235e38"]),
        (wrong("[1, -0.5]", "[3e38, 3e38]"), ["`rewards` are too large", "added up"]),
        (
            wrong("[-3e-1, 0]", "[-3e-1]"),
            ["`observations` has 1 numbers at step 2", "`observation_size` of the header is 2"],
        ),
        (wrong("[-3e-1, 0]", "0"), ["`observations` is not a list of lists of numbers", "`0`"]),
        (wrong("[-3e-1, 0]", "[-1e39, 0]"), ["`observations` has a number that is too large", "3.4028235e38"]),
        (wrong("false", "0"), ["`terminated` is not true or false", "`0`"]),
        (wrong(", \"terminated\": false", ""), ["`terminated` is missing", "true or false"]),
        (wrong("\"terminated\"", "\"done\""), ["`terminated` is missing", "true or false"]),
        (wrong("\"terminated\"", "\"info\": 1, \"terminated\""), ["`info` is no field", "`rewards`, `terminated`"]),
        (wrong("\"terminated\"", "\"terminated\": true, \"terminated\""), ["duplicate field", "`terminated`"]),
        (wrong("{", "[{"), ["no JSON", "character"]),
        (wrong("}", ""), ["no JSON", "EOF"]),
    ] {
        assert!(message.contains("episodes.jsonl, line 4: "), "{message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?} in {message}");
        assert!(!message.contains("line 1"), "{message}");
    }
    let empty = r#"{"observations": [], "actions": [], "rewards": [], "terminated": true}"#;
    assert!(refusal(&[HEADER, empty]).contains("line 2: `actions` is empty"));
    assert!(refusal(&[HEADER, "[]"]).contains("line 2: an object"));
    // Of several the first is named.
    assert!(refusal(&[HEADER, EPISODE, "{", "[", "]"]).contains("line 3: "));
}

#[test]
fn a_header_that_is_none_is_shown_one() {
    for (message, part) in [
        (refusal(&[EPISODE]), "`format` is missing"),
        (refusal(&["observations,actions"]), "no JSON"),
        (refusal(&[&HEADER.replace(": 2,", ": \"two\",")]), "`observation_size` is not a whole number"),
        (refusal(&[&HEADER.replace("\"game\"", "7")]), "`environment` is not a text"),
    ] {
        assert!(message.contains("line 1: ") && message.contains(part), "{part} in {message}");
        assert!(message.contains("a header like {\"format\": \"kiln-trajectories\", \"version\": 1"), "{message}");
    }
    for (message, part) in [
        (refusal(&[&HEADER.replace("kiln-trajectories", "d4rl")]), "`format` is \"d4rl\""),
        (refusal(&[&HEADER.replace(": 1,", ": 2,")]), "`version` is 2"),
        (refusal(&[&HEADER.replace(": 3}", ": 0}")]), "`num_actions` is 0"),
        (refusal(&[&HEADER.replace(": 2,", ": 9223372036854775808,")]), "`observation_size` is 9223372036854775808"),
        (refusal(&[HEADER]), "a header and no episode"),
        (refusal(&[""]), "empty"),
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn what_the_format_cannot_hold_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    for (episode, part) in [
        (one_step(f32::NAN), "episode 2 cannot be written: `observations` has a number at step 1"),
        (Trajectory { actions: vec![3], ..one_step(0.0) }, "`actions` has 3 at step 1"),
        (Trajectory::default(), "`actions` is empty"),
    ] {
        let message = write_trajectories(&path, &of_game(vec![one_step(1.0), episode])).unwrap_err().to_string();
        assert!(message.contains(part), "{part} in {message}");
        assert!(!path.exists());
    }
    let message = write_trajectories(&path, &of_game(Vec::new())).unwrap_err().to_string();
    assert!(message.contains("there is no episode") && !path.exists(), "{message}");
    let message = write_trajectories(&folder.path().join("no/a.jsonl"), &of_game(vec![one_step(1.0)])).unwrap_err();
    assert!(matches!(message, DataError::Io { action: "write", .. }));
}

/// Episodes of 2 numbers and 3 actions.
fn any_episode() -> impl Strategy<Value = Trajectory> {
    let number = || any::<f32>().prop_map(|number| if number.abs() < 1e36 { number } else { 0.1 });
    let step = ([number(), number()], 0u32..3, number());
    (proptest::collection::vec(step, 1..20), any::<bool>()).prop_map(|(steps, terminated)| Trajectory {
        observations: steps.iter().flat_map(|step| step.0).collect(),
        actions: steps.iter().map(|step| step.1).collect(),
        rewards: steps.iter().map(|step| step.2).collect(),
        terminated,
    })
}

proptest! {
    #[test]
    fn every_bit_survives_a_file(episodes in proptest::collection::vec(any_episode(), 1..10), name in any::<String>()) {
        let trajectories = Trajectories { environment: name, ..of_game(episodes) };
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.jsonl", "a.jsonl.gz"] {
            let path = folder.path().join(name);
            write_trajectories(&path, &trajectories).unwrap();
            prop_assert_eq!(&read_trajectories(&path).unwrap(), &trajectories);
        }
    }

    /// What the batches hold, unscaled, are the sums of rewards and the observations of the episodes.
    #[test]
    fn batches_hold_what_the_episodes_do(
        episodes in proptest::collection::vec(any_episode(), 3..10), context_len in 1usize..25, seed in any::<u64>(),
        normalize in any::<bool>(),
    ) {
        let episodes: Vec<Trajectory> = episodes
            .into_iter()
            .map(|episode| Trajectory {
                rewards: episode.rewards.iter().map(|reward| (reward % 64.0).trunc() / 4.0).collect(),
                observations: episode.observations.iter().map(|number| number % 64.0).collect(),
                ..episode
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        write_trajectories(&path, &of_game(episodes.clone())).unwrap();
        let config =
            TrajectoryConfig { context_len, batch_size: 7, normalize_observations: normalize, ..config_of(&path) };
        let data = TrajectoryData::load(&config).unwrap();
        let TrajectoryArtefact { mean, std, return_scale, .. } = data.artefact.clone();
        let mut seen = vec![HashSet::new(); episodes.len()];
        for batch in [batches(&data.train_batches(seed), 3), batches(&data.validation_batches(), 0)].concat() {
            for row in 0..batch.batch_size {
                let episode = &episodes[batch.episodes[row]];
                for place in row * batch.seq_len..row * batch.seq_len + batch.lengths[row] as usize {
                    let step = batch.timesteps[place] as usize;
                    seen[batch.episodes[row]].insert(step);
                    let gained: f32 = episode.rewards[step..].iter().sum();
                    prop_assert!((batch.returns_to_go[place] * return_scale - gained).abs() < 1e-3);
                    prop_assert_eq!(batch.actions[place], episode.actions[step] as i32);
                    for column in 0..2 {
                        let found = batch.observations[2 * place + column] * std[column] + mean[column];
                        prop_assert!((found - episode.observations[2 * step + column]).abs() < 1e-3);
                    }
                }
            }
        }
        for (episode, seen) in episodes.iter().zip(seen) {
            prop_assert_eq!(seen.len(), episode.num_steps());
        }
    }
}

#[test]
fn episodes_are_collected_where_there_is_no_file() {
    let data = TrajectoryData::load(&small()).unwrap();
    let collected = collect(&EnvironmentConfig::default(), &small().collect).unwrap();
    assert_eq!(data.artefact.environment, Some(EnvironmentConfig::default()));
    assert_eq!((data.artefact.num_actions, data.artefact.observation_size(), data.artefact.max_steps), (2, 4, 500));
    let facts = &data.facts;
    assert_eq!((facts.source.as_str(), facts.environment.as_str()), ("collected", "cart-pole"));
    assert_eq!((facts.num_episodes, facts.num_steps), (40, collected.num_steps()));
    assert_eq!((facts.part_episodes, facts.num_left_out), ([30, 10], 0));
    assert_eq!(facts.part_steps.iter().sum::<usize>(), facts.num_steps);
    assert_eq!((facts.returns.max(), facts.longest), (500.0, 500));
    assert_eq!(facts.returns.mean, facts.num_steps as f64 / 40.0);
    // From episodes that end at once to those that never do.
    assert!(facts.returns.deciles[1] < 30.0 && facts.returns.deciles[5] > 60.0 && facts.returns.deciles[9] == 500.0);
    assert_eq!((data.artefact.return_scale, data.artefact.best_return), (500.0, 500.0));

    let [train, validation] = [data.train_batches(0), data.validation_batches()];
    assert_eq!(train.num_windows(), facts.part_steps[0]);
    assert!(episodes(&train).is_disjoint(&episodes(&validation)));
    assert_eq!(episodes(&train).len() + episodes(&validation).len(), 40);
    let batch = train.batch(0, 0);
    assert_eq!((batch.batch_size, batch.seq_len, batch.observations.len()), (64, 20, 64 * 20 * 4));
    assert_eq!(batches(&train, 1), batches(&TrajectoryData::load(&small()).unwrap().train_batches(0), 1));
    assert_ne!(batches(&train, 1), batches(&data.train_batches(1), 1));
}

#[test]
fn the_training_part_has_mean_0_and_deviation_1() {
    let data = TrajectoryData::load(&TrajectoryConfig { context_len: 500, ..small() }).unwrap();
    let mut columns = vec![Vec::new(); 4];
    for batch in batches(&data.train_batches(0), 0) {
        for row in 0..batch.batch_size {
            // Each step begins one window.
            let first = row * batch.seq_len * 4;
            columns.iter_mut().zip(first..).for_each(|(column, at)| column.push(f64::from(batch.observations[at])));
        }
    }
    for column in columns {
        let mean = column.iter().sum::<f64>() / column.len() as f64;
        let variance = column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / column.len() as f64;
        assert!(mean.abs() < 1e-4 && (variance - 1.0).abs() < 1e-4, "{mean}, {variance}");
    }
}

#[test]
fn numbers_that_are_0_or_1_or_never_change_keep_their_scale() {
    let grid = TrajectoryConfig { environment: EnvironmentConfig::named("frozen-lake-4x4"), ..small() };
    let artefact = TrajectoryData::load(&grid).unwrap().artefact;
    assert_eq!((artefact.mean, artefact.std), (vec![0.0; 16], vec![1.0; 16]));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let episodes = (0..20).map(|number| Trajectory { observations: vec![0.1, number as f32], ..one_step(1.0) });
    write_trajectories(&path, &of_game(episodes.collect())).unwrap();
    let artefact = TrajectoryData::load(&config_of(&path)).unwrap().artefact;
    assert!(artefact.std[0] == 1.0 && artefact.std[1] > 5.0, "{:?}", artefact.std);
    let off = TrajectoryConfig { normalize_observations: false, ..config_of(&path) };
    let artefact = TrajectoryData::load(&off).unwrap().artefact;
    assert_eq!((artefact.mean, artefact.std), (vec![0.0; 2], vec![1.0; 2]));
}

#[test]
fn returns_are_scaled_by_the_largest_or_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let scale = |rewards: [f32; 4], return_scale| {
        write_trajectories(&path, &of_game(rewards.map(one_step).to_vec())).unwrap();
        let config = TrajectoryConfig { return_scale, filter_top: 0.5, ..config_of(&path) };
        TrajectoryData::load(&config).unwrap().artefact.return_scale
    };
    assert_eq!(scale([-8.0, -8.0, -9.0, -9.0], None), 8.0);
    assert_eq!(scale([0.0; 4], None), 1.0);
    assert_eq!(scale([-8.0, -8.0, -9.0, -9.0], Some(2.0)), 2.0);
}

#[test]
fn the_best_episodes_are_kept() {
    let config = TrajectoryConfig { filter_top: 0.25, ..small() };
    let data = TrajectoryData::load(&config).unwrap();
    let collected = collect(&EnvironmentConfig::default(), &config.collect).unwrap();
    assert_eq!((data.facts.num_left_out, data.facts.part_episodes), (30, [7, 3]));
    let kept: HashSet<usize> =
        episodes(&data.train_batches(0)).union(&episodes(&data.validation_batches())).copied().collect();
    let of = |episode: usize| collected.episodes[episode].total_return();
    let worst = kept.iter().map(|episode| of(*episode)).fold(f64::INFINITY, f64::min);
    assert!((0..40).filter(|episode| !kept.contains(episode)).all(|episode| of(episode) <= worst));
    assert!(data.facts.train_returns.mean > data.facts.returns.mean);

    let message = TrajectoryData::load(&TrajectoryConfig { filter_top: 0.01, ..small() }).unwrap_err().to_string();
    assert!(message.contains("1 of 40 episodes are left") && message.contains("`filter_top`"), "{message}");
}

#[test]
fn the_split_follows_from_its_own_seed() {
    let validation = |split_seed| {
        let data = TrajectoryData::load(&TrajectoryConfig { split_seed, ..small() }).unwrap();
        episodes(&data.validation_batches())
    };
    assert_eq!(validation(0), validation(0));
    assert_ne!(validation(0), validation(1));
}

#[test]
fn a_file_of_a_known_environment_is_tried_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl.gz");
    let lake = EnvironmentConfig::named("frozen-lake-4x4").unwrap();
    write_trajectories(&path, &collect(&lake, &small().collect).unwrap()).unwrap();
    let data = TrajectoryData::load(&config_of(&path)).unwrap();
    assert_eq!((data.artefact.environment, data.artefact.max_steps), (Some(lake), 100));
    let cart = TrajectoryConfig { environment: Some(EnvironmentConfig::default()), ..config_of(&path) };
    let message = TrajectoryData::load(&cart).unwrap_err().to_string();
    assert!(message.contains("a.jsonl.gz: is not of `cart-pole`: that has observations of 4 numbers"), "{message}");

    write_trajectories(&path, &of_game(vec![one_step(1.0); 4])).unwrap();
    let data = TrajectoryData::load(&config_of(&path)).unwrap();
    assert_eq!((data.artefact.environment, data.artefact.max_steps), (None, 1));
    let missing = TrajectoryData::load(&config_of(&folder.path().join("b.jsonl"))).unwrap_err().to_string();
    assert!(missing.contains("there is a.jsonl.gz"), "{missing}");
}

#[test]
fn scales_that_exist_already_are_used() {
    let first = TrajectoryData::load(&small()).unwrap();
    let artefact = TrajectoryArtefact::from_json(&first.artefact.to_json()).unwrap();
    let other = TrajectoryConfig {
        collect: CollectConfig { seed: 1, ..small().collect },
        normalize_observations: false,
        return_scale: Some(3.0),
        ..small()
    };
    let data = TrajectoryData::load_with(&other, artefact.clone()).unwrap();
    assert_eq!(data.artefact, artefact);
    let same = TrajectoryData::load_with(&small(), artefact.clone()).unwrap();
    assert_eq!(batches(&same.train_batches(0), 0), batches(&first.train_batches(0), 0));

    let lake = TrajectoryConfig { environment: EnvironmentConfig::named("frozen-lake-4x4"), ..small() };
    let message = TrajectoryData::load_with(&lake, artefact.clone()).unwrap_err().to_string();
    assert!(message.contains("observations of 16 numbers, 4 actions"), "{message}");
    let short = TrajectoryArtefact { max_steps: 100, ..artefact };
    let message = TrajectoryData::load_with(&small(), short).unwrap_err().to_string();
    assert!(message.contains("at most 500 steps; the model was trained on"), "{message}");
}
