use std::collections::BTreeMap;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use training_loop::{
    config::{Every, Problems, TrainingConfig, Validate},
    lr_scheduler::LrSchedulerConfig,
};

use super::{error::Problem, *};

/// Has one key of each sort that a config can have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Sample {
    /// What is trained.
    job: String,
    data: Data,
    /// How long to train.
    training: TrainingConfig,
    optimizer: Optimizer,
    lr_scheduler: LrSchedulerConfig,
    /// By name.
    optimizers: BTreeMap<String, Optimizer>,
    parameter_groups: Vec<Group>,
    tokenizers: BTreeMap<String, Tokenizer>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Data {
    /// Where the text comes from.
    source: String,
    seq_len: usize,
    /// How text becomes tokens.
    tokenizer: Tokenizer,
    sampling: Sampling,
    shuffle: bool,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            source: "embedded:stories".into(),
            seq_len: 64,
            tokenizer: Tokenizer::Char,
            sampling: Sampling::Contiguous,
            shuffle: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Tokenizer {
    /// One token a character.
    Char,
    /// Byte pairs.
    Bpe(Bpe),
    /// A file.
    File { path: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Bpe {
    /// How many tokens.
    vocab_size: usize,
    lower_case: bool,
}

impl Default for Bpe {
    fn default() -> Self {
        Self { vocab_size: 1000, lower_case: false }
    }
}

/// How windows are taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Sampling {
    /// One after the other.
    Contiguous,
    /// Anywhere.
    Random,
    Undocumented,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Optimizer {
    kind: OptimizerKind,
    /// The size of a step.
    learning_rate: f64,
    weight_decay: f64,
    betas: [f64; 2],
}

impl Default for Optimizer {
    fn default() -> Self {
        Self { kind: OptimizerKind::Adamw, learning_rate: 1e-3, weight_decay: 0.1, betas: [0.9, 0.999] }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OptimizerKind {
    Adamw,
    Sgd,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Group {
    /// Which parameters.
    pattern: String,
    #[serde(default)]
    frozen: bool,
}

impl Validate for Sample {
    fn validate(&self, problems: &mut Problems) {
        problems.nested("training", |problems| self.training.validate(problems));
        problems.nested("data", |problems| {
            problems.check(self.data.seq_len > 0, "seq_len", "must be at least 1");
        });
        problems.nested("optimizer", |problems| {
            problems.check(self.optimizer.learning_rate > 0.0, "learning_rate", "must be above 0");
        });
    }
}

/// The smallest config that is complete.
const MINIMAL: &str = "job = \"lm\"\n[training]\nmax_steps = 10\n";

fn read(text: &str, overrides: &[&str]) -> Result<Loaded<Sample>, ConfigError> {
    let overrides: Vec<Override> = overrides.iter().map(|given| given.parse().unwrap()).collect();
    load(&ConfigSource::text("x.toml", text), &overrides)
}

/// The problems as `location: message | label | help`.
fn complaints(error: &ConfigError) -> Vec<String> {
    let part = |text: Option<String>| text.unwrap_or_default();
    let line = |problem: &Problem| {
        let label =
            problem.labels().and_then(|mut labels| labels.next()).and_then(|label| label.label().map(str::to_string));
        let help = problem.help().map(|help| help.to_string());
        format!("{problem} | {} | {}", part(label), part(help))
    };
    error.problems().iter().map(line).collect()
}

/// The one problem of a config that is `MINIMAL` with `lines` put in.
fn only(lines: &str, overrides: &[&str]) -> String {
    let error = read(&format!("{MINIMAL}{lines}"), overrides).unwrap_err();
    let complaints = complaints(&error);
    assert_eq!(complaints.len(), 1, "{complaints:#?}");
    complaints[0].clone()
}

#[test]
fn a_minimal_config_loads_with_its_defaults() {
    let config = read(MINIMAL, &[]).unwrap().config;
    assert_eq!(config.training.max_steps, Some(10));
    assert_eq!(config.data, Data::default());
}

#[test]
fn an_unknown_key_names_place_key_and_the_right_name() {
    assert_eq!(
        only("[optimizer]\nlearning_rat = 1e-3\n", &[]),
        "x.toml:5:1: unknown key `optimizer.learning_rat` | did you mean `learning_rate`? | \
         allowed here: kind, learning_rate, weight_decay, betas"
    );
    assert!(only("[optimizer]\nlr = 1e-3\n", &[]).contains("did you mean `learning_rate`?"));
    assert!(
        only("[optimiser]\nlearning_rate = 1e-3\n", &[])
            .contains("x.toml:4:2: unknown key `optimiser` | did you mean `optimizer`?")
    );
}

#[test]
fn all_unknown_keys_are_reported_at_once() {
    let error = read("jop = 1\n[data]\nsequence = 3\nshufle = true\n[training]\nmax_step = 4\nmax_steps = 4\n", &[])
        .unwrap_err();
    let said = complaints(&error);
    assert_eq!(said.len(), 4);
    for (said, place) in said.iter().zip(["x.toml:1:1:", "x.toml:3:1:", "x.toml:4:1:", "x.toml:6:1:"]) {
        assert!(said.starts_with(place), "{said}");
    }
    assert!(error.problems().iter().all(|problem| problem.to_string().contains(": unknown key ")));
    assert_eq!(error.to_string(), "4 mistakes in the config");
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    assert!(only("seq_len = 3\n", &[]).contains("`seq_len` belongs in [data]"));
    assert!(only("job = \"lm\"\n", &[]).contains("`job` belongs at the top of the file, above the first [table]"));
    assert!(only("vocab_sise = 7\n", &[]).contains("did you mean `data.tokenizer.vocab_size`?"));
}

#[test]
fn a_wrong_type_says_what_is_right() {
    assert_eq!(
        only("[optimizer]\nlearning_rate = \"1e-3\"\n", &[]),
        "x.toml:5:17: `optimizer.learning_rate` must be a number, not text |  | write learning_rate = 1e-3"
    );
    assert!(
        only("[data]\nseq_len = 64.0\n", &[])
            .contains("must be a whole number of at least 0, not a number with a fraction")
    );
    assert!(only("[data]\nseq_len = 64.0\n", &[]).ends_with("write seq_len = 64"));
    assert!(
        only("[data]\nseq_len = -1\n", &[]).contains("`data.seq_len` must be a whole number of at least 0, not -1")
    );
    assert!(only("[data]\nshuffle = \"yes\"\n", &[]).contains("must be true or false, not text"));
    assert!(only("[data]\nsource = 7\n", &[]).ends_with("write source = \"7\""));
    assert!(only("[optimizer]\nbetas = [0.9]\n", &[]).contains("must be a list of 2 values, not a list"));
    assert!(
        only("[optimizer]\nbetas = [0.9, \"x\"]\n", &[]).contains("x.toml:5:15: `optimizer.betas[1]` must be a number")
    );
    assert!(only("optimizer = \"sgd\"\n", &[]).contains("belongs at the top"));
    assert!(only("[data]\ntokenizer = \"bpe\"\n", &[]).ends_with("write tokenizer = { kind = \"bpe\" }"));
    assert!(only("[data.source]\npath = 1\n", &[]).contains("x.toml:4:7: `data.source` must be text, not a table"));
    assert!(
        only("[data]\nseq_len = 99999999999999999999\n", &[])
            .contains("x.toml:5:11: 99999999999999999999 is too large")
    );
}

#[test]
fn an_unknown_value_names_the_allowed_ones() {
    assert_eq!(
        only("[optimizer]\nkind = \"adam\"\n", &[]),
        "x.toml:5:8: unknown value \"adam\" of `optimizer.kind` | did you mean \"adamw\"? | allowed: \"adamw\", \"sgd\""
    );
    let said = only("[data]\nsampling = \"shuffled\"\n", &[]);
    for allowed in ["contiguous", "random", "undocumented"] {
        assert!(said.contains(&format!("\"{allowed}\"")), "{said}");
    }
}

#[test]
fn a_value_that_only_serde_knows_to_be_wrong_has_its_place() {
    let said = only("validate_every = \"5 minutes\"\n", &[]);
    assert!(said.starts_with("x.toml:4:18: `training.validate_every`: expected \"500 steps\""), "{said}");
}

#[test]
fn impossible_values_are_reported_together() {
    let text = format!("{MINIMAL}keep_last = 0\n[data]\nseq_len = 0\n");
    let error = read(&text, &["optimizer.learning_rate=0"]).unwrap_err();
    let said = complaints(&error);
    assert_eq!(said.len(), 3);
    assert!(said[0].starts_with("x.toml:4:13: `training.keep_last`: must be at least 1"), "{}", said[0]);
    assert!(said[1].starts_with("x.toml:6:11: `data.seq_len`: must be at least 1"), "{}", said[1]);
    assert!(
        said[2].starts_with("--set optimizer.learning_rate=0: `optimizer.learning_rate`: must be above 0"),
        "{}",
        said[2]
    );
}

#[test]
fn an_impossible_default_points_at_its_table() {
    let said = complaints(&read("job = \"lm\"\n[training]\nkeep_last = 3\n", &[]).unwrap_err());
    assert!(said[0].starts_with("x.toml:2:2: `training.max_steps`: nothing says when to stop"), "{said:?}");
    assert!(said[0].contains("`max_steps` is left out here"), "{said:?}");
    let said = complaints(&read("job = \"lm\"\n", &[]).unwrap_err());
    assert!(said[0].starts_with("x.toml: `training.max_steps`: nothing says when to stop"), "{said:?}");
}

#[test]
fn a_tagged_table_is_held_to_the_kind_it_names() {
    let tokenizer = |body: &str| only(&format!("[data.tokenizer]\n{body}\n"), &[]);
    assert!(tokenizer("kind = \"bep\"").contains("did you mean \"bpe\"?"));
    assert!(tokenizer("kind = \"bpe\"\nvocab = 3").contains("x.toml:6:1: unknown key `data.tokenizer.vocab`"));
    assert!(
        tokenizer("kind = \"bpe\"\nvocab = 3")
            .ends_with("did you mean `vocab_size`? | allowed here: kind, vocab_size, lower_case")
    );
    assert!(tokenizer("kind = \"char\"\nvocab_size = 3").contains("belongs to kind \"bpe\", not to \"char\""));
    assert!(tokenizer("kind = \"file\"").contains("x.toml:4:7: missing key `data.tokenizer.path`"));
    assert!(
        tokenizer("kind = 3")
            .contains("`data.tokenizer.kind` must be one of \"char\", \"bpe\", \"file\", not a whole number")
    );
    assert!(only("[data]\ntokenizer = { kind = \"bpe\", vocab_size = \"3\" }\n", &[]).contains("x.toml:5:42"));
    let scheduler = only("[lr_scheduler]\nkind = \"cosine\"\nwarmup = 3\n", &[]);
    assert!(scheduler.contains("did you mean `warmup_steps`?"), "{scheduler}");
    let said = only("[lr_scheduler]\nkind = \"step\"\n", &[]);
    assert!(
        said.contains("missing key `lr_scheduler.step_size`") && said.contains("Steps between two reductions"),
        "{said}"
    );
}

#[test]
fn a_tagged_table_without_a_kind_is_of_the_usual_one() {
    let text = format!("{MINIMAL}[data.tokenizer]\n");
    assert_eq!(read(&text, &[]).unwrap().config.data.tokenizer, Tokenizer::Char);
    let config = read(MINIMAL, &["lr_scheduler.warmup_steps=3"]).unwrap().config;
    assert_eq!(config.lr_scheduler, LrSchedulerConfig::Constant { warmup_steps: 3 });
    let said = only("[data.tokenizer]\nvocab_size = 3\n", &[]);
    assert!(said.starts_with("x.toml:5:1: unknown key `data.tokenizer.vocab_size`"), "{said}");
    assert!(said.contains("belongs to kind \"bpe\", not to \"char\""), "{said}");
    // Without a default there is no usual kind.
    let said = only("[tokenizers.source]\npath = \"x\"\n", &[]);
    assert!(said.starts_with("x.toml:4:13: missing key `tokenizers.source.kind`"), "{said}");
    assert!(said.ends_with("it is one of \"char\", \"bpe\", \"file\""), "{said}");
}

#[test]
fn lists_of_tables_and_tables_of_free_keys_are_checked_inside() {
    let said =
        only("[[parameter_groups]]\npattern = \"*.bias\"\n[[parameter_groups]]\nfrozn = true\npattern = \"a\"\n", &[]);
    assert!(said.starts_with("x.toml:7:1: unknown key `parameter_groups[1].frozn`"), "{said}");
    let said = only("[[parameter_groups]]\nfrozen = true\n", &[]);
    assert!(said.contains("missing key `parameter_groups[0].pattern`"), "{said}");
    let said = only("[optimizers.generator]\nlearning_rate = true\n", &[]);
    assert!(
        said.starts_with("x.toml:5:17: `optimizers.generator.learning_rate` must be a number, not true or false"),
        "{said}"
    );
}

#[test]
fn broken_toml_is_located_and_explained() {
    let said = |text: &str| complaints(&read(text, &[]).unwrap_err()).join("\n");
    assert!(said("job = lm\n").starts_with("x.toml:1:7: not valid TOML"), "{}", said("job = lm\n"));
    assert!(said("job = lm\n").ends_with("text needs quotes: job = \"lm\""), "{}", said("job = lm\n"));
    assert!(said("[data]\nshuffle = True\n").ends_with("write shuffle = true"), "{}", said("[data]\nshuffle = True\n"));
    assert!(said("job: lm\n").ends_with("TOML uses `=`: job = lm"), "{}", said("job: lm\n"));
    assert!(
        said("[data]\nsource = \"x\nseq_len = 3\n").starts_with("x.toml:2:1"),
        "{}",
        said("[data]\nsource = \"x\n")
    );
    assert!(said("[data\n").contains("not valid TOML"), "{}", said("[data\n"));
    let twice = said("[data]\nseq_len = 1\nshuffle = true\nseq_len = 2\n");
    assert!(twice.starts_with("x.toml:4:1: the key `seq_len` is given twice"), "{twice}");
    let twice = said("[data]\nseq_len = 1\n[training]\n[data]\nshuffle = true\n");
    assert!(twice.starts_with("x.toml:4:2: the key `data` is given twice"), "{twice}");
}

#[test]
fn overrides_replace_and_add_values_of_every_type() {
    let text = format!("{MINIMAL}[data]\nseq_len = 3\ntokenizer = {{ kind = \"bpe\", vocab_size = 9 }}\n");
    let overrides = [
        "data.seq_len=7",
        "optimizer.learning_rate=1",
        "optimizer.kind=sgd",
        "optimizer.betas=[0.5, 1]",
        "data.shuffle=true",
        "data.source=../books/my text.txt",
        "data.tokenizer={ kind = \"char\" }",
        "training.validate_every=500 steps",
        "lr_scheduler.kind=constant",
        "optimizers.critic.learning_rate=3e-4",
    ];
    let config = read(&text, &overrides).unwrap().config;
    assert_eq!(config.data.seq_len, 7);
    assert_eq!(
        config.optimizer,
        Optimizer { kind: OptimizerKind::Sgd, learning_rate: 1.0, betas: [0.5, 1.0], ..Optimizer::default() }
    );
    assert_eq!(config.data.source, "../books/my text.txt");
    assert_eq!(config.data.tokenizer, Tokenizer::Char);
    assert!(config.data.shuffle);
    assert_eq!(config.training.validate_every, Every::Steps(500));
    assert_eq!(config.optimizers["critic"].learning_rate, 3e-4);
}

#[test]
fn a_wrong_override_names_the_flag() {
    assert_eq!(
        only("", &["optimizer.lrr=3"]),
        "--set optimizer.lrr=3: unknown key `optimizer.lrr` | not a key of this config | \
         allowed here: kind, learning_rate, weight_decay, betas"
    );
    assert!(only("", &["optimizer.learning_rat=3"]).contains("did you mean `optimizer.learning_rate`?"));
    assert!(only("", &["seq_len=3"]).contains("`seq_len` belongs as `data.seq_len`"));
    assert!(only("", &["optimiser.kind=sgd"]).contains("did you mean `optimizer`?"));
    assert!(
        only("", &["data.seq_len=many"]).contains("--set data.seq_len=many: `data.seq_len` must be a whole number")
    );
    assert!(only("", &["data.source=7"]).ends_with("write --set 'data.source=\"7\"'"));
    assert!(only("", &["optimizer.kind=adam"]).contains("did you mean \"adamw\"?"));
    assert!(only("", &["data.tokenizer={kind=char}"]).contains("in single quotes"));
    assert!(only("", &["optimizer.=3"]).contains("`optimizer.` is not a key"));
    assert!(
        only("", &["optimizer.kind.x=3"]).contains("`optimizer.kind` must be one of \"adamw\", \"sgd\", not a table")
    );
}

#[test]
fn the_last_override_counts_and_a_flag_is_named_as_typed() {
    assert_eq!(read(MINIMAL, &["data.seq_len=3", "data.seq_len=4"]).unwrap().config.data.seq_len, 4);
    let flags =
        [Override::flag("--overfit-batches", "training.overfit_batches", 0), Override::text_flag("--name", "nam", "7")];
    let error = load::<Sample>(&ConfigSource::text("x.toml", MINIMAL), &flags[..1]).unwrap_err();
    assert_eq!(error.to_string(), "--overfit-batches 0: `training.overfit_batches`: must be at least 1");
    let error = load::<Sample>(&ConfigSource::text("x.toml", MINIMAL), &flags[1..]).unwrap_err();
    assert_eq!(error.to_string(), "--name 7: unknown key `nam`");
}

#[test]
fn changing_the_kind_over_keys_of_another_kind_tells_how_to_replace_the_table() {
    let said = only("[lr_scheduler]\nkind = \"cosine\"\nmin_factor = 0.1\n", &["lr_scheduler.kind=constant"]);
    assert!(said.starts_with("x.toml:6:1: unknown key `lr_scheduler.min_factor`"), "{said}");
    assert!(said.ends_with("--set 'lr_scheduler={ kind = \"constant\" }'"), "{said}");
}

#[test]
fn the_resolved_config_reads_back_equal() {
    let overrides = [
        "data.tokenizer={ kind = \"bpe\", vocab_size = 7 }",
        "data.source=a \"quoted\" text\\ with\ttabs",
        "training.monitor=\"two\\nlines \\u0001 \\\"quoted\\\"\"",
        "training.early_stopping={ patience = 3 }",
        "training.ema_decay=0.999",
        "lr_scheduler={ kind = \"multi_step\", milestones = [1, 2] }",
        "optimizers={ \"the critic\" = { learning_rate = 1 } }",
        "parameter_groups=[{ pattern = \"*.bias\", frozen = true }, { pattern = \"b\" }]",
    ];
    let loaded = read(MINIMAL, &overrides).unwrap();
    assert_eq!(loaded.config.training.monitor, "two\nlines \u{1} \"quoted\"");
    for text in [loaded.resolved_toml(), loaded.annotated_toml()] {
        let again = read(text, &[]).unwrap_or_else(|error| panic!("{:#?}\n{text}", complaints(&error)));
        assert_eq!(again.config, loaded.config, "{text}");
        assert_eq!(again.resolved_toml(), loaded.resolved_toml());
    }
}

#[test]
fn the_resolved_config_shows_every_key() {
    let loaded = read(MINIMAL, &[]).unwrap();
    let text = loaded.resolved_toml();
    assert!(
        text.starts_with(
            "job = \"lm\"\nparameter_groups = []\n\n[data]\nsource = \"embedded:stories\"\nseq_len = 64\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("[training]\n# epochs is not set\nmax_steps = 10\n# max_minutes is not set\nseed = 42\n"),
        "{text}"
    );
    assert!(text.contains("\n[data.tokenizer]\nkind = \"char\"\n"), "{text}");
    let text = loaded.annotated_toml();
    assert!(text.contains("\n# How long to train.\n[training]\n"), "{text}");
    assert!(
        text.contains(
            "\n\n# Stop after this many optimiser steps; 0 only scores what the run starts from.\nmax_steps = 10\n"
        ),
        "{text}"
    );
    assert!(text.contains("# One token a character. One of \"char\", \"bpe\", \"file\".\nkind = \"char\"\n"), "{text}");
    assert!(text.contains("\n# How the learning rate changes. Every kind"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 102), "{text}");
}

#[test]
fn the_job_is_known_before_the_rest() {
    let peek = |text: &str, overrides: &[&str]| {
        let overrides: Vec<Override> = overrides.iter().map(|given| given.parse().unwrap()).collect();
        peek_job(&ConfigSource::text("x.toml", text), &overrides, &["char-lm", "gan"])
            .map_err(|error| complaints(&error).join("\n"))
    };
    assert_eq!(peek("job = \"gan\"\nnonsense = 1\n", &[]), Ok("gan".into()));
    assert_eq!(peek("job = \"gan\"\n", &["job=char-lm"]), Ok("char-lm".into()));
    let said = peek("\njob = \"char-ml\"\n", &[]).unwrap_err();
    assert_eq!(
        said,
        "x.toml:2:7: unknown value \"char-ml\" of `job` | did you mean \"char-lm\"? | allowed: \"char-lm\", \"gan\""
    );
    let said = peek("jobs = \"gan\"\n", &[]).unwrap_err();
    assert!(said.starts_with("x.toml:1:1: missing key `job`") && said.contains("did you mean `job`?"), "{said}");
    let said = peek("[data]\n", &[]).unwrap_err();
    assert!(said.starts_with("x.toml: missing key `job`") && said.ends_with("there is \"char-lm\", \"gan\""), "{said}");
    assert!(peek("job = 3\n", &[]).unwrap_err().contains("`job` must be text, not a whole number"));
    assert!(peek("", &["job=vae"]).unwrap_err().starts_with("--set job=vae: unknown value \"vae\" of `job`"));
}

#[test]
fn schemas_are_json_that_editors_read() {
    let one = schema::<Sample>();
    let json: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(json["additionalProperties"], false);
    assert_eq!(json["properties"]["job"]["description"], "What is trained.");
    let any = schema_of_any([("a", one.clone()), ("b", one)]);
    let json: serde_json::Value = serde_json::from_str(&any).unwrap();
    assert_eq!(json["anyOf"].as_array().unwrap().len(), 2);
    for reference in any.split('"').filter_map(|text| text.strip_prefix("#/$defs/")) {
        assert!(json["$defs"].get(reference).is_some(), "{reference}");
    }
}

#[test]
fn a_missing_file_names_the_config_that_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no.toml");
    let error = ConfigSource::file(&missing).unwrap_err();
    assert!(error.to_string().ends_with("no.toml: there is no such file"), "{error}");
    std::fs::write(folder.path().join("quickstart.toml"), "").unwrap();
    let error = ConfigSource::file(folder.path()).unwrap_err();
    assert!(complaints(&error)[0].contains("quickstart.toml"), "{error}");
    std::fs::write(&missing, b"a = 1\nb = \"\xff\"\n").unwrap();
    assert!(ConfigSource::file(&missing).unwrap_err().to_string().ends_with("line 2 is not UTF-8 text"));
}

#[test]
fn a_report_shows_the_line() {
    let error = read(&format!("{MINIMAL}[optimizer]\nlearning_rat = 1e-3\n"), &[]).unwrap_err();
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::none()).render_report(&mut text, &error).unwrap();
    for part in
        ["x.toml:5:1", "5 | learning_rat = 1e-3", "did you mean `learning_rate`?", "allowed here: kind, learning_rate"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(text.is_ascii(), "{text}");
}
