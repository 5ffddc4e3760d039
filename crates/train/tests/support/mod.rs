//! The command as a user types it, for the tests of each job.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A shipped config: of the sequence family, or of the one that it names, as in `vision-transfer/quickstart-shapes.toml`.
pub fn config(name: &str) -> PathBuf {
    let family = if name.contains('/') { "" } else { "sequence" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(family).join(name)
}

/// Runs the command in `folder`; its standard output.
#[track_caller]
pub fn train(folder: &Path, arguments: &[&str]) -> String {
    let (code, output, error) = run(folder, arguments, &[]);
    assert_eq!(code, Some(0), "{arguments:?}: {error}");
    output
}

/// Runs the command in `folder` and expects it to refuse what the user can put right; its standard error.
#[track_caller]
pub fn refused(folder: &Path, arguments: &[&str]) -> String {
    let (code, output, error) = run(folder, arguments, &[]);
    assert_eq!(code, Some(2), "{arguments:?}: {output}{error}");
    error
}

/// The exit code of the command in `folder`, with these variables of the environment, and its standard output and error.
pub fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
    let output = command.args(arguments).envs(environment.iter().copied()).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Trains a shipped config in `folder` under `name`, with `key=value` settings divided by white space, and further arguments.
#[track_caller]
pub fn train_config(folder: &Path, file: &str, name: &str, settings: &str, more: &[&str]) -> String {
    let config = config(file);
    let mut arguments = vec!["--config", config.to_str().unwrap(), "--backend", "ndarray", "--name", name, "--quiet"];
    arguments.extend(settings.split_whitespace().flat_map(|setting| ["--set", setting]));
    arguments.extend(more);
    train(folder, &arguments)
}

/// Settings divided by white space, where an interval is written without its own: `training.validate_every="2_steps"`.
pub fn settings(text: &str) -> Vec<String> {
    let spaced = |setting: &str| setting.replace("_steps\"", " steps\"").replace("_step\"", " step\"");
    text.split_whitespace().map(spaced).collect()
}

/// The score of that name in what `train eval` printed.
#[track_caller]
pub fn score(printed: &str, name: &str) -> f64 {
    let found = printed.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next().and_then(|value| value.parse().ok()))
    });
    match found {
        Some(Some(value)) => value,
        _ => panic!("no {name} in {printed}"),
    }
}

/// Asserts that a run of `folder` scores on wgpu as on the CPU, to 1e-3; on a GPU, or on Mesa's software driver.
#[track_caller]
pub fn scores_on_wgpu_as_on_the_cpu(folder: &Path, name: &str) {
    let cpu = train(folder, &["eval", "--run", name, "--backend", "ndarray"]);
    let (code, gpu, error) = run(folder, &["eval", "--run", name, "--backend", "wgpu", "--device", "cpu"], &[]);
    if code != Some(0) {
        assert!(std::env::var_os("KILN_REQUIRE_WGPU").is_none(), "{name}: no scores on wgpu: {error}");
        eprintln!("passed over, no Vulkan driver here");
        return;
    }
    let numbers = |printed: &str| -> Vec<(String, f64)> {
        let pair = |line: &str| {
            let mut words = line.split_whitespace();
            (words.next().unwrap().to_string(), words.next().unwrap().parse().unwrap())
        };
        // The first line names the checkpoint.
        printed.lines().skip(1).map(pair).collect()
    };
    let (cpu, gpu) = (numbers(&cpu), numbers(&gpu));
    assert!(cpu.len() > 2 && cpu.len() == gpu.len());
    for ((name, cpu), (_, gpu)) in cpu.iter().zip(&gpu) {
        assert!((cpu - gpu).abs() <= 1e-3 * cpu.abs().max(1.0), "{name}: {cpu} on the CPU, {gpu} on wgpu");
    }
}
