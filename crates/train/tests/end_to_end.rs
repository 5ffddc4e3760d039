//! Whole commands on tiny models, as a user types them, and what they leave behind.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Instant,
};

/// A tiny run with everything on that a resumed run could lose.
const TINY: &str = r#"
job = "language-model"

[data]
source = "text.txt"
seq_len = 8
batch_size = 4

[model]
embedding_size = 8
hidden_size = 16
dropout = 0.2

[task]
sample_tokens = 20

[training]
max_steps = 60
gradient_accumulation_steps = 2
clip_norm = 0.5
ema_decay = 0.9
validate_every = "7 steps"
checkpoint_every = "5 steps"
log_every = "3 steps"
early_stopping = { patience = 50 }

[optimizer]
kind = "adamw"
learning_rate = 0.02

[lr_scheduler]
kind = "plateau"
patience = 1
factor = 0.7
warmup_steps = 4
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = "the cat sat on the mat. a dog ran to the cat. \n".repeat(30);
        fs::write(folder.path().join("text.txt"), text).unwrap();
        fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
        Self(folder)
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
        command.current_dir(self.0.path()).args(line.split_whitespace()).env("RAYON_NUM_THREADS", "2");
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a command that must succeed, and returns what it prints.
    fn succeeds(&self, line: &str) -> String {
        let output = self.run(line);
        let printed = text(&output.stdout);
        assert!(output.status.success(), "`train {line}` failed:\n{}{printed}", text(&output.stderr));
        printed
    }

    /// Runs a command that must fail as a user's mistake, and returns the message.
    fn refuses(&self, line: &str) -> String {
        let output = self.run(line);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "`train {line}`:\n{message}{}", text(&output.stdout));
        message
    }

    fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
    }

    /// The newest checkpoint of a run.
    fn last(&self, run: &str) -> PathBuf {
        let name = self.read(&format!("runs/{run}/checkpoints/last"));
        self.path(&format!("runs/{run}/checkpoints")).join(name.trim())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every tensor file of a checkpoint, to the byte.
fn tensors(checkpoint: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(checkpoint).unwrap();
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "safetensors"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
        .collect()
}

fn compiled_in(backend: &str) -> bool {
    (backend == "ndarray" && cfg!(feature = "ndarray")) || (backend == "flex" && cfg!(feature = "flex"))
}

fn killed_runs_end_at_the_same_bits(backend: &str) {
    if !compiled_in(backend) {
        eprintln!("passed over: {backend} is not compiled in");
        return;
    }
    let folder = Folder::new();
    folder.succeeds(&format!("--config tiny.toml --backend {backend} --name whole --quiet"));
    let expected = tensors(&folder.last("whole"));
    assert!(expected.contains_key("model.safetensors") && expected.contains_key("ema.safetensors"));
    assert!(expected.contains_key("task.safetensors") && expected.contains_key("optimizer-main.safetensors"));

    // Killed at whatever instant, several times over, then resumed to the end.
    let began = Instant::now();
    folder.succeeds(&format!("--config tiny.toml --backend {backend} --name timing --quiet"));
    let duration = began.elapsed();
    for (number, share) in [0.35, 0.55, 0.8].into_iter().enumerate() {
        let name = format!("killed-{number}");
        let start = format!("--config tiny.toml --backend {backend} --name {name} --quiet");
        let mut child = folder.command(&start).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(duration.mul_f64(share));
        child.kill().unwrap();
        child.wait().unwrap();
        if !folder.path(&format!("runs/{name}/config.toml")).exists() {
            // Killed before the run began: nothing to resume.
            continue;
        }
        folder.succeeds(&format!("--resume {name} --quiet"));
        assert_eq!(tensors(&folder.last(&name)), expected, "killed after {share} of the run");
        let steps = |run: &str| -> Vec<u64> {
            let rows = folder.read(&format!("runs/{run}/metrics.jsonl"));
            rows.lines()
                .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap()["step"].as_u64().unwrap())
                .collect()
        };
        assert_eq!(steps(&name), steps("whole"), "no line is lost or doubled");
    }
}

#[test]
fn killed_runs_end_at_the_same_bits_on_ndarray() {
    killed_runs_end_at_the_same_bits("ndarray");
}

#[test]
fn killed_runs_end_at_the_same_bits_on_flex() {
    killed_runs_end_at_the_same_bits("flex");
}

#[test]
fn a_run_leaves_everything_it_promises() {
    let folder = Folder::new();
    let printed = folder.succeeds("--config tiny.toml --backend ndarray");
    for part in
        ["language-model", "parameters train", "loss", "validation at step 7", "finished: 60 steps", "report.html"]
    {
        assert!(printed.contains(part), "{part} in:\n{printed}");
    }
    for file in [
        "config.toml",
        "metrics.jsonl",
        "summary.json",
        "report.html",
        "train.log",
        "tokenizer.json",
        "samples/step-000007.txt",
        "checkpoints/best",
    ] {
        assert!(!folder.read(&format!("runs/tiny/{file}")).is_empty(), "{file}");
    }
    let summary: serde_json::Value = serde_json::from_str(&folder.read("runs/tiny/summary.json")).unwrap();
    assert_eq!((summary["status"].as_str(), summary["steps"].as_u64()), (Some("finished"), Some(60)));
    let events = fs::read_dir(folder.path("runs/tiny/tensorboard")).unwrap().next().unwrap().unwrap();
    assert!(events.metadata().unwrap().len() > 1000);

    // The loss falls.
    let losses: Vec<f64> = folder
        .read("runs/tiny/metrics.jsonl")
        .lines()
        .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap())
        .filter(|row| row["split"] == "validation")
        .map(|row| row["metrics"]["loss"].as_f64().unwrap())
        .collect();
    assert!(losses.last().unwrap() < &(0.8 * losses[0]), "{losses:?}");

    // The resolved config gives the same run again.
    fs::copy(folder.path("runs/tiny/config.toml"), folder.path("again.toml")).unwrap();
    folder.succeeds("--config again.toml --name again --quiet");
    assert_eq!(tensors(&folder.last("again")), tensors(&folder.last("tiny")));

    // An existing run is refused, and stays.
    let before = folder.read("runs/tiny/metrics.jsonl");
    let message = folder.refuses("--config tiny.toml");
    assert!(message.contains("--resume") && message.contains("--name"), "{message}");
    assert_eq!(folder.read("runs/tiny/metrics.jsonl"), before);
}

#[test]
fn a_trained_run_is_evaluated_and_writes() {
    let folder = Folder::new();
    folder.succeeds("--config tiny.toml --backend ndarray --quiet");
    let scores = folder.succeeds("eval --run tiny");
    assert!(scores.contains("loss") && scores.contains("perplexity"), "{scores}");
    let generate = |options: &str| folder.succeeds(&format!("generate --run tiny --prompt the --tokens 40 {options}"));
    let text = generate("--seed 1");
    assert!(text.starts_with("the") && text.trim_end().chars().count() > 30, "{text}");
    assert_eq!(generate("--seed 1"), text);
    assert_ne!(generate("--seed 2"), text);
    assert_eq!(generate("--temperature 0 --seed 1"), generate("--temperature 0 --seed 2"));
    assert_eq!(generate("--top-k 1 --seed 1"), generate("--temperature 0"));
    let message = folder.refuses("generate --run tiny --prompt Ω");
    assert!(message.contains('Ω'), "{message}");
    let message = folder.refuses("generate --run tinny");
    assert!(message.contains("did you mean tiny"), "{message}");
    assert!(folder.succeeds("report --run tiny").contains("report.html"));
}

#[test]
fn the_last_checkpoints_are_averaged_where_the_config_asks_for_it() {
    let folder = Folder::new();
    let message = folder.refuses("--config tiny.toml --name averaged --set training.average_last=1");
    assert!(message.contains("average_last") && message.contains("at least 2"), "{message}");
    folder.succeeds("--config tiny.toml --backend ndarray --name averaged --set training.average_last=3");
    let summary: serde_json::Value = serde_json::from_str(&folder.read("runs/averaged/summary.json")).unwrap();
    assert_eq!(summary["average"]["steps"].as_array().unwrap().len(), 3, "{summary}");
    let printed = folder.succeeds("eval --run averaged --backend ndarray --checkpoint average");
    assert!(printed.starts_with("average of "), "{printed}");
    // What is used where nothing is asked for is the better of the two.
    let best = folder.read("runs/averaged/checkpoints/best");
    assert_eq!(best.trim() == "average", summary["average"]["is_best"].as_bool().unwrap());
    let printed = folder.succeeds("eval --run averaged --backend ndarray");
    assert!(printed.starts_with(best.trim()), "{printed}");
    let report = folder.read("runs/averaged/report.html");
    assert!(report.contains("Average of the checkpoints of steps"));
    assert!(folder.read("runs/averaged/train.log").contains("average of the checkpoints of steps"));
}

#[test]
fn a_damaged_checkpoint_is_refused_and_the_one_before_it_resumes() {
    let folder = Folder::new();
    folder.succeeds("--config tiny.toml --backend ndarray --max-steps 30 --quiet");
    let last = folder.last("tiny");
    let file = last.join("model.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let message = folder.refuses("--resume tiny --max-steps 40 --quiet");
    assert!(message.contains("step-30") && message.contains("model.safetensors"), "{message}");
    let offered =
        message.split_whitespace().find(|word| word.contains("checkpoints/step-") && !word.contains("step-30"));
    let offered = offered.unwrap_or_else(|| panic!("nothing offered:\n{message}")).to_string();
    folder.succeeds(&format!("--resume {offered} --max-steps 40 --quiet"));
    assert!(folder.last("tiny").ends_with("step-40"));
}

#[test]
fn a_run_starts_from_the_weights_of_another() {
    let folder = Folder::new();
    folder.succeeds("--config tiny.toml --backend ndarray --quiet");
    folder.succeeds("--config tiny.toml --backend ndarray --init-from tiny --name second --max-steps 1 --quiet");
    let first_loss = |run: &str| -> f64 {
        let rows = folder.read(&format!("runs/{run}/metrics.jsonl"));
        let row: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
        row["metrics"]["loss"].as_f64().unwrap()
    };
    assert!(first_loss("second") < 0.8 * first_loss("tiny"));
    let message = folder.refuses("--config tiny.toml --init-from tiny --name third --set model.hidden_size=12");
    assert!(message.contains("12") && message.contains("16"), "both shapes are named: {message}");
}

#[test]
fn trying_out_leaves_no_run_behind() {
    let folder = Folder::new();
    folder.succeeds("--config tiny.toml --backend ndarray --fast-dev-run");
    assert_eq!(fs::read_dir(folder.path("runs")).unwrap().count(), 0);
}

#[test]
fn one_batch_is_memorised() {
    let folder = Folder::new();
    folder.succeeds(
        "--config tiny.toml --backend ndarray --overfit-batches 1 --max-steps 150 --quiet --set model.dropout=0 --set training.ema_decay=0 \
         --set lr_scheduler.patience=100",
    );
    let scores = folder.read("runs/tiny/summary.json");
    let summary: serde_json::Value = serde_json::from_str(&scores).unwrap();
    let loss = summary["best"]["value"].as_f64().unwrap();
    assert!(loss < 0.3, "{loss}");
}

#[test]
fn mistakes_are_named_and_nothing_is_left() {
    let folder = Folder::new();
    let message = folder.refuses("--config tiny.toml --set data.source=txet.txt");
    assert!(message.contains("txet.txt") && message.contains("text.txt"), "{message}");
    assert!(!folder.path("runs/tiny").exists(), "the name stays free");
    let message = folder.refuses("--config tiny.toml --set training.monitor=\"accuracyy\" --max-steps 7");
    assert!(message.contains("accuracyy") && message.contains("perplexity"), "{message}");
    let message = folder.refuses("--config tiny.toml --name other --set optimizer.learning_rte=1");
    assert!(message.contains("learning_rte") && message.contains("learning_rate"), "{message}");
    let message = folder.refuses("--resume nothing");
    assert!(message.contains("nothing"), "{message}");
}

#[test]
fn a_loss_that_explodes_says_what_to_do() {
    let folder = Folder::new();
    let output = folder.run(
        "--config tiny.toml --backend ndarray --quiet --set optimizer.kind=sgd --set optimizer.learning_rate=1e300",
    );
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("not finite at step") && message.contains("learning_rate"), "{message}");
}

/// Every shipped config goes the whole way in a few steps.
#[test]
fn every_config_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut configs = Vec::new();
    let mut folders = vec![root.join("configs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                configs.push(path);
            }
        }
    }
    assert!(configs.len() >= 4, "{configs:?}");
    let data = std::env::var_os("KILN_DATA").map(PathBuf::from).unwrap_or_else(|| root.join("../shared/data"));
    for config in configs {
        let text_of_config = fs::read_to_string(&config).unwrap();
        // What is downloaded, or is the user's own, has other pictures and smaller networks in `vision_jobs.rs`.
        if text_of_config.contains("\"download:") || text_of_config.contains("source = \"photos\"") {
            continue;
        }
        if text_of_config.contains("$KILN_DATA") && !data.is_dir() {
            eprintln!("passed over: {} needs real data, and there is no {}", config.display(), data.display());
            continue;
        }
        // Their scores cost more than their few steps: `gan_jobs.rs` and `diffusion_job.rs` look at them.
        let scored = ["gan", "diffusion"].iter().any(|job| text_of_config.contains(&format!("job = \"{job}\"")));
        let less =
            if scored { "--set task.classifier_steps=4 --set task.scored_images=80 --set task.samples=10" } else { "" };
        let folder = Folder::new();
        let output = folder
            .command(&format!("--config {} --fast-dev-run --backend ndarray {less}", config.display()))
            .env("KILN_DATA", &data)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}:\n{}", config.display(), text(&output.stderr));
    }
}

/// wgpu on a GPU or on Mesa's software driver: trains, and agrees with a CPU backend on the first steps.
#[cfg(feature = "wgpu")]
#[test]
fn wgpu_trains_like_the_cpu() {
    let folder = Folder::new();
    let info = folder.succeeds("info");
    let required = std::env::var_os("KILN_REQUIRE_WGPU").is_some();
    let options = [
        "--config",
        "tiny.toml",
        "--quiet",
        "--max-steps",
        "6",
        "--set",
        "model.dropout=0",
        "--set",
        "task.sample_tokens=4",
    ];
    let train = |backend: &[&str], name: &str| {
        let mut command = folder.command("");
        command.args(options).args(backend).args(["--name", name]).output().unwrap()
    };
    let output = train(&["--backend", "wgpu", "--device", "cpu"], "wgpu");
    if !output.status.success() && !required {
        eprintln!("passed over, no Vulkan driver here:\n{}{info}", text(&output.stderr));
        return;
    }
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(train(&["--backend", "ndarray"], "ndarray").status.success());
    let losses = |run: &str| -> Vec<f64> {
        let rows = folder.read(&format!("runs/{run}/metrics.jsonl"));
        rows.lines()
            .map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap())
            .filter(|row| row["split"] == "validation")
            .map(|row| row["metrics"]["loss"].as_f64().unwrap())
            .collect()
    };
    let (gpu, cpu) = (losses("wgpu"), losses("ndarray"));
    assert_eq!(gpu.len(), cpu.len());
    // The initial weights are drawn by each backend's own generator, so the runs are alike, not equal.
    for (gpu, cpu) in gpu.iter().zip(&cpu) {
        assert!((gpu - cpu).abs() < 0.5, "{gpu} {cpu}");
    }
    let text = folder.succeeds("generate --run wgpu --prompt the --tokens 5 --backend wgpu --device cpu");
    assert!(text.starts_with("the"), "{text}");
}
