//! The command line as a user meets it: the binary, its output and its exit codes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A folder to run in, with configs.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
        // Some graphics drivers complain on standard error where the variable is missing.
        command.env("XDG_RUNTIME_DIR", self.0.path());
        command.args(args).current_dir(self.0.path()).env_remove("CLICOLOR_FORCE").env_remove("FORCE_COLOR");
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::from(self.command(args).output().unwrap())
    }
}

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Succeeded without a word of complaint.
    #[track_caller]
    fn well(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// Refused with exit code 2 and a message, in plain ASCII, that has all of `parts`.
    #[track_caller]
    fn refused(self, parts: &[&str]) {
        assert_eq!(self.code, Some(2), "{}\n{}", self.out, self.err);
        for part in parts {
            assert!(self.err.contains(part), "no `{part}` in\n{}", self.err);
        }
        assert!(self.err.is_ascii() && !self.err.contains('\u{1b}'), "{:?}", self.err);
        assert!(!self.err.contains("panicked") && !self.err.contains("internal error"), "{}", self.err);
    }
}

const CONFIG: &str = "job = \"language-model\"\n\n[training]\nmax_steps = 3\n";

#[test]
fn help_is_for_newcomers() {
    let help = Desk::new().run(&["--help"]).well();
    for part in ["train --config configs/quickstart.toml", "--set <KEY=VALUE>", "--resume [<RUN>]", "generate", "info"]
    {
        assert!(help.contains(part), "no `{part}` in\n{help}");
    }
    assert_eq!(Desk::new().run(&[]).code, Some(2));
    assert!(Desk::new().run(&["--version"]).well().starts_with("train "));
}

#[test]
fn info_names_versions_backends_and_devices() {
    let info = Desk::new().run(&["info"]).well();
    for part in [env!("CARGO_PKG_VERSION"), "burn 0.21", "rustc 1.", "cuda", "wgpu", "flex", "ndarray", "default: "] {
        assert!(info.contains(part), "no `{part}` in\n{info}");
    }
    #[cfg(feature = "ndarray")]
    assert!(info.contains("ndarray  CPU, "), "{info}");
}

#[test]
fn list_shows_the_jobs_with_their_configs() {
    let desk = Desk::new().with("configs/text/small.toml", CONFIG).with("configs/other.toml", "job = \"none\"");
    let list = desk.run(&["list"]).well();
    let small = Path::new("configs").join("text").join("small.toml");
    assert!(list.contains("language-model\n") && list.contains(&format!("--config {}", small.display())), "{list}");
    assert!(!list.contains("other.toml"), "{list}");
}

#[test]
fn config_prints_what_reads_back_the_same() {
    let desk = Desk::new().with("a.toml", CONFIG);
    let printed = desk.run(&["config", "--config", "a.toml", "--set", "optimizer.learning_rate=1"]).well();
    for part in ["# ", "max_steps = 3", "learning_rate = 1.0", "[lr_scheduler]"] {
        assert!(printed.contains(part), "no `{part}` in\n{printed}");
    }
    let desk = desk.with("b.toml", &printed);
    assert_eq!(desk.run(&["config", "--config", "b.toml"]).well(), printed);
}

#[test]
fn config_prints_schemas() {
    for args in [&["config", "--schema"][..], &["config", "--schema", "language-model"]] {
        let schema: serde_json::Value = serde_json::from_str(&Desk::new().run(args).well()).unwrap();
        assert!(schema["$schema"].is_string() && schema["$defs"].is_object(), "{schema}");
    }
    Desk::new().run(&["config", "--schema", "langage-model"]).refused(&["did you mean language-model?"]);
}

#[test]
fn every_mistake_in_a_config_is_shown_with_its_line() {
    let wrong =
        "job = \"language-model\"\n[training]\nmax_step = 3\nseed = \"one\"\n[optimizer]\nlearning_rat = 1e-3\n";
    let desk = Desk::new().with("x.toml", wrong);
    for command in [&["--config", "x.toml"][..], &["config", "--config", "x.toml"]] {
        desk.run(command).refused(&[
            "x.toml:3:1: unknown key `training.max_step`",
            "3 | max_step = 3",
            "did you mean `max_steps`?",
            "x.toml:4:8: `training.seed` must be a whole number",
            "x.toml:6:1: unknown key `optimizer.learning_rat`",
            "allowed here: ",
        ]);
    }
    assert!(!desk.0.path().join("runs").exists());
}

#[test]
fn a_wrong_value_on_the_command_line_names_the_flag() {
    let desk = Desk::new().with("x.toml", CONFIG);
    let run = |args: &[&str]| desk.run(&[&["--config", "x.toml"], args].concat());
    run(&["--set", "optimizer.learning_rat=1"])
        .refused(&["--set optimizer.learning_rat=1: unknown key", "did you mean `optimizer.learning_rate`?"]);
    run(&["--overfit-batches", "0"]).refused(&["--overfit-batches 0: `training.overfit_batches`: must be at least 1"]);
    run(&["--set", "training"]).refused(&["--set <KEY=VALUE>", "write it as key=value"]);
    run(&["--set", "job=oracle"])
        .refused(&["--set job=oracle: unknown value \"oracle\" of `job`", "\"language-model\""]);
    assert!(!desk.0.path().join("runs").exists());
}

#[test]
fn a_missing_config_names_the_one_that_was_meant() {
    let desk = Desk::new().with("configs/quickstart.toml", CONFIG);
    let meant = format!("did you mean --config {}?", Path::new("configs").join("quickstart.toml").display());
    desk.run(&["--config", "quickstart"]).refused(&["quickstart: there is no such file", &meant]);
    desk.run(&["--config", "configs/quikstart.toml"]).refused(&[&meant]);
    desk.run(&["--config", "configs"]).refused(&["is a folder", "quickstart.toml"]);
    Desk::new().run(&["--config", "quickstart"]).refused(&["give the whole path"]);
    Desk::new()
        .with("x.toml", "[training]\n")
        .run(&["--config", "x.toml"])
        .refused(&["missing key `job`", "language-model"]);
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_backend_that_is_not_compiled_in_names_the_command_that_has_it() {
    let desk = Desk::new().with("x.toml", CONFIG);
    desk.run(&["--config", "x.toml", "--backend", "cuda"]).refused(&["cargo run -p train --features cuda -- "]);
    desk.run(&["--config", "x.toml", "--device", "cuda:0"]).refused(&["--device cuda:0", "--features cuda"]);
    desk.run(&["--config", "x.toml", "--backend", "tpu"]).refused(&["possible values"]);
    assert!(!desk.0.path().join("runs").exists());
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    for args in [&["config", "--schema"][..], &["info"], &["list"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended =
            desk.command(args).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let ended = Ended::from(ended);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn every_shipped_config_is_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("configs")];
    let mut configs: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "toml") {
                configs.push(path);
            }
        }
    }
    for path in configs {
        let ended = Desk::new().run(&["config", "--config", &path.display().to_string()]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
}

#[test]
fn a_table_is_placed_in_the_plane_and_drawn() {
    let row = |number: usize| {
        let kind = number % 3;
        let shift = |axis: usize| if axis == kind { 5.0 } else { 0.0 } + ((number * 37 + axis * 11) % 17) as f64 / 17.0;
        format!("{:.3},{:.3},{:.3},kind {kind},note\n", shift(0), shift(1), shift(2))
    };
    let rows: String = (0..120).map(row).collect();
    let desk = Desk::new().with("table.csv", &format!("a,b,c,species,remark\n{rows}"));
    for method in ["pca", "tsne", "umap"] {
        let ended = desk.run(&[
            "reduce",
            "--method",
            method,
            "--input",
            "table.csv",
            "--labels",
            "species",
            "--ignore",
            "remark",
            "--plot",
            "map.html",
            "--plot",
            "map.png",
        ]);
        assert_eq!(ended.code, Some(0), "{method}: {}", ended.err);
        for part in ["120 points of 3 numbers", "trustworthiness", "(in the data 1.0000)", "points.csv", "map.png"] {
            assert!(ended.out.contains(part), "{method}: {part} in {}", ended.out);
        }
        let accuracy = ended.out.split("nearest neighbours: ").nth(1).unwrap()[..6].parse::<f64>().unwrap();
        assert!(accuracy > 0.98, "{method}: {}", ended.out);
        let read = |name: &str| fs::read(desk.0.path().join(name)).unwrap();
        let points = String::from_utf8(read("points.csv")).unwrap();
        assert_eq!((points.lines().next(), points.lines().count()), (Some("name,x,y,label"), 121));
        assert!(String::from_utf8(read("map.html")).unwrap().contains("kind 2"));
        assert!(read("map.png").starts_with(b"\x89PNG"));
    }
}

#[test]
fn pictures_are_placed_with_what_they_look_like() {
    let desk = Desk::new();
    let ended = desk.run(&[
        "reduce",
        "--method",
        "pca",
        "--input",
        "embedded:digits",
        "--components",
        "4",
        "--plot",
        "map.html",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("7000 points of 784 numbers"), "{}", ended.out);
    let points = fs::read_to_string(desk.0.path().join("points.csv")).unwrap();
    assert!(
        points.starts_with("name,component_1,component_2,component_3,component_4,label\ntrain/0/0000.png,"),
        "{}",
        &points[..99]
    );
    let page = fs::read_to_string(desk.0.path().join("map.html")).unwrap();
    assert!(page.contains("train/7/0000.png") && page.contains("\"pictures\":[\"iVBOR"));
}

#[test]
fn what_cannot_be_reduced_is_said_with_what_to_do() {
    let desk = Desk::new().with("table.csv", "a,b,who\n1,2,me\n3,,you\n").with("few.csv", "a,b\n1,2\n3,4\n5,6\n");
    let mistakes: [(&[&str], &[&str]); 7] = [
        (&["--method", "pca", "--input", "few.csv", "--device", "cpu"], &["`--device`", "--method autoencoder"]),
        (&["--method", "pca", "--input", "table.csv"], &["line 2", "`me` in the column `who`", "--labels who"]),
        (&["--method", "pca", "--input", "table.csv", "--labels", "who"], &["line 3", "`b` is empty", "--ignore b"]),
        (&["--method", "pca", "--input", "table.csv", "--labels", "whom"], &["no column `whom`", "`who`"]),
        (&["--method", "tsne", "--input", "few.csv"], &["the data has 3 rows"]),
        (&["--method", "tsne", "--input", "few.csv", "--set", "perplexty=3"], &["perplexty", "perplexity"]),
        (&["--method", "pca", "--input", "few.csv", "--plot", "map.pdf"], &["map.pdf", ".html", ".png"]),
    ];
    for (args, parts) in mistakes {
        let ended = desk.run(&[&["reduce"], args].concat());
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.err);
        let said = ended.err.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(!desk.0.path().join("points.csv").exists());
    }
}
