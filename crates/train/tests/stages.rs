//! One config, one command, several runs.

mod support;

use std::{fs, path::Path};

use support::{refused, train};

const CONFIG: &str = r#"
job = "language-model"
backend = "ndarray"

[data]
source = "text.txt"
seq_len = 8
batch_size = 4

[model]
embedding_size = 8
hidden_size = 16

[task]
sample_tokens = 5

[training]
max_steps = 6
validate_every = "3 steps"
checkpoint_every = "3 steps"
log_every = "1 step"
"#;

const STAGES: &str = r#"
[[stages]]
name = "first"
set = { "training.max_steps" = 4, "data.source" = "other.txt" }
compare = true

[[stages]]
name = "second"
config = "more/plain.toml"
"#;

/// A folder with `main.toml`, whose second stage is `more/plain.toml`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("more")).unwrap();
    write("text.txt", &"the cat sat on the mat. a dog ran to the cat. \n".repeat(30));
    write("other.txt", &"a cow ate the hat. the dog sat on a cow. then it ran.\n".repeat(30));
    write("main.toml", &format!("{CONFIG}{STAGES}"));
    write("more/plain.toml", CONFIG);
    folder
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn summary(folder: &Path, run: &str) -> serde_json::Value {
    serde_json::from_str(&read(folder, &format!("runs/{run}/summary.json"))).unwrap()
}

#[test]
fn stages_are_trained_once_and_then_the_run_itself() {
    let folder = folder();
    let folder = folder.path();
    let printed = train(folder, &["--config", "main.toml", "--seed", "7"]);
    let places = ["stage 1 of 3: first\n", "stage 2 of 3: second\n", "stage 3 of 3: main\n"];
    let found: Vec<usize> = places.iter().map(|place| printed.find(place).expect(place)).collect();
    assert!(found.is_sorted(), "{printed}");
    for (run, steps, source) in [("first", 4, "other.txt"), ("second", 6, "text.txt"), ("main", 6, "text.txt")] {
        let summary = summary(folder, run);
        assert_eq!((summary["status"].as_str(), summary["steps"].as_u64()), (Some("finished"), Some(steps)));
        let config = read(folder, &format!("runs/{run}/config.toml"));
        assert!(config.contains(&format!("source = \"{source}\"")) && config.contains("seed = 7"), "{config}");
    }

    // The report shows the stage that asks for it, and still does when it is written again.
    for command in [["report", "--run", "main"], ["eval", "--run", "main"]] {
        let page = read(folder, "runs/main/report.html");
        assert!(page.contains("Compared with first") && page.contains("other.txt"), "before {command:?}");
        fs::remove_file(folder.join("runs/main/report.html")).unwrap();
        train(folder, &command);
    }
    assert!(read(folder, "runs/main/report.html").contains("Compared with first"));
    assert!(!read(folder, "runs/second/report.html").contains("Compared with"));

    // Another run after the same stages, from the config that the first one left.
    let log = read(folder, "runs/first/train.log");
    let printed = train(folder, &["--config", "runs/main/config.toml", "--name", "again"]);
    assert!(printed.contains("stage 1 of 3: first is trained already (finished)"), "{printed}");
    assert!(printed.contains("stage 2 of 3: second is trained already (finished)"), "{printed}");
    assert_eq!(read(folder, "runs/first/train.log"), log);
    assert_eq!(summary(folder, "again")["final"], summary(folder, "main")["final"]);

    // To go on with a run is no matter of its stages.
    let printed = train(folder, &["--config", "main.toml", "--seed", "7", "--resume", "--max-steps", "8"]);
    assert!(printed.contains("going on at step 6") && !printed.contains("stage "), "{printed}");
    let config = read(folder, "runs/main/config.toml");
    assert!(config.contains(&format!("{:?}", folder.join("more/plain.toml"))), "a path that holds anywhere: {config}");
    let message = refused(folder, &["--config", "main.toml", "--seed", "7"]);
    assert!(message.contains("runs/main exists already"), "{message}");
}

#[test]
fn an_interrupted_stage_goes_on() {
    let folder = folder();
    let folder = folder.path();
    train(folder, &["--config", "main.toml", "--quiet"]);
    let weights =
        |run: &str| fs::read(folder.join(format!("runs/{run}/checkpoints/step-6/model.safetensors"))).unwrap();
    let expected = weights("main");
    // As Ctrl-C in the first stage leaves it: nothing after its checkpoint of step 3.
    fs::remove_dir_all(folder.join("runs/main")).unwrap();
    fs::remove_dir_all(folder.join("runs/second")).unwrap();
    fs::remove_dir_all(folder.join("runs/first/checkpoints/step-4")).unwrap();
    fs::write(folder.join("runs/first/checkpoints/last"), "step-3\n").unwrap();
    let mut interrupted = summary(folder, "first");
    interrupted["status"] = "interrupted".into();
    fs::write(folder.join("runs/first/summary.json"), interrupted.to_string()).unwrap();

    let printed = train(folder, &["--config", "main.toml", "--resume"]);
    assert!(printed.contains("stage 1 of 3: first, going on") && printed.contains("going on at step 3"), "{printed}");
    assert_eq!(summary(folder, "first")["status"], "finished");
    assert!(weights("main") == expected);
}

#[test]
fn a_stage_that_was_trained_otherwise_is_refused() {
    let folder = folder();
    let folder = folder.path();
    train(folder, &["--config", "main.toml", "--quiet"]);
    let message = refused(folder, &["--config", "main.toml", "--name", "other", "--seed", "7"]);
    for part in ["stage \"first\"", "runs/first", "training.seed: 42 there, 7 here", "another name", "delete"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(!folder.join("runs/other").exists());
    // Where it is computed is no difference.
    let config = read(folder, "more/plain.toml").replace("backend = \"ndarray\"\n", "");
    fs::write(folder.join("more/plain.toml"), config).unwrap();
    train(folder, &["--config", "main.toml", "--name", "other", "--quiet"]);
}

#[test]
fn mistakes_in_a_stage_name_it_and_nothing_is_trained() {
    let folder = folder();
    let folder = folder.path();
    let refuse = |stage: &str| {
        fs::write(folder.join("wrong.toml"), format!("{CONFIG}[[stages]]\n{stage}\n")).unwrap();
        let message = refused(folder, &["--config", "wrong.toml"]);
        assert!(!folder.join("runs").exists(), "{message}");
        message
    };
    let message = refuse("name = \"early\"\nset = { \"data.sorce\" = \"x\" }");
    assert!(message.contains("stage \"early\"") && message.contains("unknown key `data.sorce`"), "{message}");
    assert!(message.contains("did you mean `data.source`?"), "{message}");
    let message = refuse("name = \"early\"\nset = { \"training.keep_last\" = 0 }");
    assert!(message.contains("stage \"early\"") && message.contains("at least 1"), "{message}");
    let message = refuse("name = \"early\"\nset = { data = { source = \"x\" } }");
    assert!(message.contains("`stages[0].set.data`") && message.contains("in quotes"), "{message}");
    let message = refuse("name = \"early\"\nset = { name = \"x\" }");
    assert!(message.contains("cannot be set for a stage"), "{message}");
    let message = refuse("nam = \"early\"");
    assert!(message.contains("unknown key `stages[0].nam`"), "{message}");
    let message = refuse("compare = true");
    assert!(message.contains("names the folder of a run"), "{message}");
    let message = refuse("name = \"wrong\"");
    assert!(message.contains("one of its stages"), "{message}");
    let message = refuse("name = \"early\"\nconfig = \"nowhere.toml\"");
    assert!(message.contains("nowhere.toml: there is no such file"), "{message}");
    let message = refuse("name = \"early\"\nconfig = \"main.toml\"");
    assert!(message.contains("stages of its own"), "{message}");
    let message = refuse("name = \"a\"\n[[stages]]\nname = \"a\"");
    assert!(message.contains("`stages[1].name`") && message.contains("an earlier stage"), "{message}");
}

#[test]
fn trying_out_tries_the_stages_and_leaves_nothing() {
    let folder = folder();
    let folder = folder.path();
    let printed = train(folder, &["--config", "main.toml", "--fast-dev-run"]);
    assert!(printed.contains("stage 1 of 3: first") && printed.contains("stage 3 of 3: main"), "{printed}");
    assert_eq!(fs::read_dir(folder.join("runs")).unwrap().count(), 0);
}

#[test]
fn the_explained_config_says_what_stages_are() {
    let folder = folder();
    let explained = train(folder.path(), &["config", "--config", "more/plain.toml"]);
    assert!(explained.contains("Runs that come before this one") && explained.contains("# stages is not set"));
    let explained = train(folder.path(), &["config", "--config", "main.toml"]);
    assert!(explained.contains("stages = [{ name = \"first\""), "{explained}");
}

#[test]
fn a_job_without_explanations_says_so() {
    let folder = folder();
    let folder = folder.path();
    train(folder, &["--config", "more/plain.toml", "--quiet"]);
    let message = refused(folder, &["predict", "--run", "plain", "the cat", "--explain", "why"]);
    assert!(message.contains("\"language-model\"") && message.contains("leave out --explain"), "{message}");
}
