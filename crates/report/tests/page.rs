//! Reports of run folders in every state, held to what a page may contain.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use html5ever::tokenizer::states::{Rawtext, Rcdata, ScriptData};
use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use report::{Body, Heatmap, LinePlot, Picture, PictureBytes, PictureSource, Run, Scatter, Section, Series};
use serde_json::json;
use tempfile::TempDir;

const PNG: &[u8] = include_bytes!("fixtures/grey_3x2.png");

/// A run folder named `tiny` in a place of its own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap()).with("config.toml", "seed = 1\n")
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("tiny")
    }

    fn with(self, file: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn open(&self) -> Run {
        Run::open(self.path()).unwrap()
    }
}

/// Logged windows at every step and a validation every tenth.
fn metrics(steps: u64) -> String {
    let mut lines = String::new();
    for step in 1..=steps {
        let loss = 4.0 / (1.0 + step as f64 / 100.0) + (step as f64 * 12.9898).sin() * 0.1;
        let metrics = json!({"loss": loss, "lr": 1e-3, "grad_norm": loss / 2.0, "tokens_per_second": 5e4 + loss});
        lines +=
            &format!("{}\n", json!({"step": step, "epoch": 0, "split": "train", "seconds": step, "metrics": metrics}));
        if step % 10 == 0 {
            let metrics = json!({"loss": loss + 0.1, "accuracy": 1.0 - loss / 5.0});
            lines += &format!("{}\n", json!({"step": step, "split": "validation", "metrics": metrics}));
        }
    }
    lines
}

/// What a browser's tokenizer makes of a page.
#[derive(Default)]
struct Tokens {
    open: RefCell<Vec<String>>,
    problems: RefCell<Vec<String>>,
    attributes: RefCell<Vec<(String, String)>>,
    text: RefCell<String>,
    tags: RefCell<Vec<String>>,
}

impl TokenSink for Tokens {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                let name = tag.name.to_string();
                for attribute in &tag.attrs {
                    let pair = (attribute.name.local.to_string(), attribute.value.to_string());
                    self.attributes.borrow_mut().push(pair);
                }
                self.tags.borrow_mut().push(name.clone());
                if !["meta", "img", "input", "br"].contains(&name.as_str()) {
                    self.open.borrow_mut().push(name.clone());
                }
                match name.as_str() {
                    "script" => return TokenSinkResult::RawData(ScriptData),
                    "style" => return TokenSinkResult::RawData(Rawtext),
                    "title" if self.open.borrow().iter().all(|open| open != "svg") => {
                        return TokenSinkResult::RawData(Rcdata);
                    }
                    _ => {}
                }
            }
            Token::TagToken(tag) => {
                let expected = self.open.borrow_mut().pop();
                if expected.as_deref() != Some(&*tag.name) {
                    self.problems.borrow_mut().push(format!("</{}> closes {expected:?}", tag.name));
                }
            }
            Token::ParseError(error) => self.problems.borrow_mut().push(error.to_string()),
            Token::CharacterTokens(text) => self.text.borrow_mut().push_str(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn tokens(html: &str) -> Tokens {
    let input = BufferQueue::default();
    input.push_back(html.into());
    let options = TokenizerOpts { exact_errors: true, ..TokenizerOpts::default() };
    let tokenizer = Tokenizer::new(Tokens::default(), options);
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink
}

/// The outermost drawings of a page.
fn drawings(html: &str) -> Vec<&str> {
    let (mut drawings, mut depth, mut start) = (Vec::new(), 0, 0);
    let mut at = 0;
    while let Some(next) = html[at..].find("svg").map(|found| found + at) {
        if html[..next].ends_with('<') {
            if depth == 0 {
                start = next - 1;
            }
            depth += 1;
        } else if html[..next].ends_with("</") {
            depth -= 1;
            if depth == 0 {
                drawings.push(&html[start..next + 4]);
            }
        }
        at = next + 3;
    }
    drawings
}

/// Holds a page to what every page must be: well formed, self-contained, its drawings XML with finite coordinates.
fn check(html: &str) -> Tokens {
    let tokens = tokens(html);
    assert_eq!(*tokens.problems.borrow(), Vec::<String>::new());
    assert!(tokens.open.borrow().is_empty(), "left open: {:?}", tokens.open.borrow());
    for (name, value) in tokens.attributes.borrow().iter() {
        if ["src", "href", "srcset", "action", "poster", "data", "xlink:href"].contains(&name.as_str()) {
            assert!(value.starts_with("data:image/") || value.starts_with('#'), "{name}={value}");
        }
        assert!(!name.starts_with("on"), "{name}={value}");
        if name == "style" {
            assert!(!value.contains("url("), "{value}");
        }
    }
    let (_, style) = html.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    assert!(!style.contains("url(") && !style.contains("@import") && !style.contains("http"));
    let (_, script) = html.rsplit_once("<script>").unwrap();
    assert!(!script.contains("http") && !script.contains("fetch("));
    for drawing in drawings(html) {
        let document = roxmltree::Document::parse(drawing).unwrap_or_else(|error| panic!("{error}\n{drawing}"));
        for attribute in document.descendants().flat_map(|node| node.attributes()) {
            if attribute.name() != "aria-label" {
                let value = attribute.value();
                assert!(!value.contains("NaN") && !value.contains("inf"), "{}={value}", attribute.name());
            }
        }
    }
    tokens
}

#[test]
fn a_finished_run_shows_everything() {
    let summary = json!({
        "status": "finished", "reason": "All steps done.", "steps": 200, "epochs": 2, "seconds": 75.5, "parameters": 1234567,
        "backend": "ndarray", "device": "cpu", "job": "char-language-model", "best": {"metric": "loss", "value": 1.25, "step": 190},
        "final": {"loss": 1.3}, "tables": [{"title": "Per book", "columns": ["book", "loss"], "rows": [["Hamlet", "1.4"]]}],
        "plots": [{"kind": "bars", "title": "Errors", "labels": ["a", "b"], "series": [{"name": "n", "values": [1, 2]}]}],
        "environment": {"rustc": "1.95.0"},
    });
    let folder = Folder::new()
        .with("metrics.jsonl", metrics(200))
        .with("summary.json", summary.to_string())
        .with("samples/step-000010.txt", "qqq zxw")
        .with("samples/step-000200.txt", "To be, or not to be")
        .with("samples/step-000200-grid.png", PNG)
        .with("checkpoints/step-190/model.safetensors", "")
        .with("checkpoints/best", "step-190\n");
    let run = folder.open();
    assert_eq!(run.warnings, Vec::<String>::new());
    let html = run.to_html();
    let text = check(&html).text.take();
    for expected in [
        "finished",
        "All steps done.",
        "1.25",
        "1.2 M",
        "1,234,567",
        "1 min 16 s",
        "char-language-model",
        "Gradient norm",
        "Learning rate",
        "Tokens per second",
        "Accuracy",
        "To be, or not to be",
        "Step 10",
        "Per book",
        "Hamlet",
        "Errors",
        "Rustc",
        "step-190",
        "seed",
    ] {
        assert!(text.contains(expected), "{expected} is not on the page");
    }
    assert!(html.contains("data:image/png;base64,"));
    // Loss twice, for its two axes.
    assert!(drawings(&html).len() >= 6, "{}", drawings(&html).len());
}

#[test]
fn nothing_from_a_run_becomes_markup() {
    let hostile =
        "</script></style><script>alert(1)</script><img src=http://x.example/a onerror=alert(1)>\"'&\u{1b}[31m\0";
    let line = json!({"step": 1, "split": "train", "metrics": {"loss": 1.0, hostile: 2.0, "</script>/<b>": 3.0}});
    let sections = json!([
        {"kind": "table", "title": hostile, "caption": hostile, "columns": [hostile], "rows": [[hostile]]},
        {"kind": "line_plot", "title": hostile, "x_label": hostile, "y_label": hostile,
         "series": [{"name": hostile, "y": [1, 2]}], "marks": [{"x": 0, "label": hostile}, {"x": 1, "y": 1.5, "label": hostile}]},
        {"kind": "heatmap", "title": hostile, "rows": [hostile], "columns": [hostile], "values": [[1]], "x_label": hostile, "y_label": hostile},
        {"kind": "bars", "title": hostile, "labels": [hostile], "series": [{"name": hostile, "values": [1]}, {"name": hostile, "values": [1]}]},
        {"kind": "scatter", "title": hostile, "x_label": hostile, "series": [{"name": hostile, "x": [1], "y": [1]}]},
        {"kind": "text", "title": hostile, "text": hostile},
    ]);
    let summary = json!({"status": hostile, "reason": hostile, "job": hostile, "backend": hostile, "extra": hostile});
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("<script>alert(1)<");
    fs::create_dir_all(folder.join("samples")).unwrap();
    fs::create_dir_all(folder.join("report")).unwrap();
    fs::write(folder.join("config.toml"), format!("# {hostile}\n[{hostile}]\na = {hostile}\n")).unwrap();
    fs::write(folder.join("metrics.jsonl"), format!("{line}\n")).unwrap();
    fs::write(folder.join("summary.json"), summary.to_string()).unwrap();
    fs::write(folder.join("samples/step-1.txt"), hostile).unwrap();
    fs::write(folder.join("report/a.json"), sections.to_string()).unwrap();
    fs::write(folder.join("report/<b>.json"), "{").unwrap();

    let run = Run::open(&folder).unwrap();
    let table = report::summary_table(&run);
    assert!(!table.contains('\u{1b}'), "{table}");
    let compared = report::compare(&[&folder, &folder]).unwrap();
    for html in [run.to_html(), compared] {
        let tokens = check(&html);
        assert!(!tokens.tags.borrow().iter().any(|tag| tag == "img" || tag == "b"));
        assert!(tokens.text.borrow().contains("<script>alert(1)<"));
        assert!(!html.contains(['\0', '\u{1b}']));
        assert!(!html.contains("<script>alert"));
    }
}

#[test]
fn a_killed_run_is_read_up_to_its_last_whole_line() {
    let mut lines = metrics(30);
    lines.truncate(lines.len() - 25);
    let folder = Folder::new().with("metrics.jsonl", &lines);
    let run = folder.open();
    assert_eq!(run.warnings, Vec::<String>::new());
    assert_eq!((run.records.len(), run.steps(), run.status()), (32, Some(30), "unfinished"));
    assert_eq!(run.best().map(|best| best.step), Some(Some(20)));
    check(&run.to_html());
}

#[test]
fn a_damaged_line_in_the_middle_is_named() {
    let lines = "{\"step\":1,\"split\":\"train\",\"metrics\":{\"loss\":1}}\nnonsense\n\n{\"step\":2,\"split\":\"train\",\"metrics\":{\"loss\":1}}\n";
    let run = Folder::new().with("metrics.jsonl", lines).open();
    assert_eq!(run.records.len(), 2);
    assert!(run.warnings[0].contains("line 2"), "{:?}", run.warnings);
    assert!(check(&run.to_html()).text.borrow().contains("line 2"));
}

#[test]
fn a_resumed_run_replaces_what_the_killed_one_wrote() {
    let train =
        |step: u64, loss: f64| format!("{}\n", json!({"step": step, "split": "train", "metrics": {"loss": loss}}));
    let valid =
        |step: u64, loss: f64| format!("{}\n", json!({"step": step, "split": "validation", "metrics": {"loss": loss}}));
    let test = format!("{}\n", json!({"step": 20, "split": "test", "metrics": {"loss": 9.0}}));
    // Killed after step 40, resumed from the checkpoint of step 20.
    let lines = [
        train(10, 1.0),
        train(20, 2.0),
        valid(20, 2.5),
        train(30, 3.0),
        valid(30, 3.5),
        train(40, 4.0),
        train(30, 30.0),
        test,
    ];
    let run = Folder::new().with("metrics.jsonl", lines.concat()).open();
    assert_eq!(run.series("train", "loss"), (vec![10.0, 20.0, 30.0], vec![1.0, 2.0, 30.0]));
    assert_eq!(run.series("validation", "loss"), (vec![20.0], vec![2.5]));
    assert_eq!(run.series("test", "loss"), (vec![20.0], vec![9.0]));
}

#[test]
fn values_that_are_not_finite_leave_gaps() {
    let mut lines = String::new();
    for (step, loss) in ["1.5", "null", "\"NaN\"", "\"inf\"", "\"-Infinity\"", "1.25", "1.0"].iter().enumerate() {
        lines += &format!("{{\"step\":{step},\"split\":\"train\",\"metrics\":{{\"loss\":{loss}}}}}\n");
    }
    let run = Folder::new().with("metrics.jsonl", lines).open();
    assert_eq!((run.records.len(), run.warnings.len()), (7, 0));
    let tokens = check(&run.to_html());
    assert!(tokens.text.borrow().contains("4 value(s) were not finite"));
}

#[test]
fn metrics_of_one_name_share_a_plot() {
    let metrics =
        json!({"lr_generator": 1e-3, "lr_discriminator": 2e-3, "loss/generator": 1.0, "loss/discriminator": 2.0});
    let lines: String =
        (1..4).map(|step| format!("{}\n", json!({"step": step, "split": "train", "metrics": metrics}))).collect();
    let run =
        Folder::new().with("metrics.jsonl", lines).with("summary.json", "{\"tables\":null,\"final\":null}").open();
    assert_eq!(run.warnings, Vec::<String>::new());
    let html = run.to_html();
    assert_eq!(drawings(&html).len(), 2);
    let text = check(&html).text.take();
    assert!(text.contains("generator 1") && text.contains("discriminator 0.002"));
}

#[test]
fn a_score_that_never_changes_is_a_line_to_hold_others_against() {
    let metrics = |step: i32| json!({"mse": 1.0 - 0.1 * f64::from(step), "mse/naive": 1.25, "constant": 7.0});
    let lines: String = (1..4)
        .map(|step| format!("{}\n", json!({"step": step, "split": "validation", "metrics": metrics(step)})))
        .collect();
    let html = Folder::new().with("metrics.jsonl", lines).open().to_html();
    assert_eq!(drawings(&html).len(), 2);
    assert!(html.contains("line dashed"));
    let text = check(&html).text.take();
    assert!(text.contains("naive 1.25") && !text.contains("naive (validation)"), "{text}");
}

#[test]
fn runs_of_no_points_one_point_and_broken_points_have_pages() {
    let empty = Folder::new().open().to_html();
    assert!(check(&empty).text.borrow().contains("No metrics have been logged yet"));
    for metrics in ["{\"loss\":2.5}", "{\"loss\":null}", "{\"loss\":0}", "{}", "{\"lr\":1e-300,\"loss\":1e300}"] {
        let line = format!("{{\"step\":1,\"split\":\"train\",\"metrics\":{metrics}}}\n");
        let run = Folder::new().with("metrics.jsonl", line).open();
        check(&run.to_html());
        assert!(report::summary_table(&run).contains("tiny · unfinished"));
    }
}

#[test]
fn extreme_values_are_drawn_or_left_out() {
    let nan = f64::NAN;
    let rows: [&[f64]; 8] = [
        &[],
        &[nan, nan],
        &[f64::MAX, f64::MIN],
        &[0.0, f64::MIN_POSITIVE / 4.0, 1e-320],
        &[f64::INFINITY, 1.0, f64::NEG_INFINITY, nan, 2.0],
        &[1e15, 1e15 + 1.0],
        &[-1.0, -1.0, -1.0],
        &[1e-12, 1e12],
    ];
    for row in rows {
        let values = row.to_vec();
        let series = |smooth| Series {
            y: values.clone(),
            lower: values.clone(),
            upper: values.clone(),
            smooth,
            ..Series::default()
        };
        let by_itself = Series { x: values.clone(), ..series(false) };
        let line_plot = |log_y| LinePlot {
            series: vec![series(false), series(true), by_itself.clone()],
            log_y,
            ..LinePlot::default()
        };
        let sections = [
            Section::new("line", Body::LinePlot(line_plot(false))),
            Section::new("log", Body::LinePlot(line_plot(true))),
            Section::new("heat", Body::Heatmap(Heatmap { values: vec![values.clone(), vec![]], ..Heatmap::default() })),
            Section::new(
                "large",
                Body::Heatmap(Heatmap { values: vec![values.repeat(60); 120], ..Heatmap::default() }),
            ),
            Section::new(
                "bars",
                serde_json::from_value(json!({"kind": "bars", "labels": ["a"], "series": [{"values": values}]}))
                    .unwrap(),
            ),
            Section::new(
                "scatter",
                Body::Scatter(Scatter {
                    series: vec![report::PointSeries {
                        name: "a".into(),
                        x: values.clone(),
                        y: values.clone(),
                        ..Default::default()
                    }],
                    ..Scatter::default()
                }),
            ),
        ];
        let run = Folder::new().with("report/all.json", serde_json::to_string(&sections).unwrap()).open();
        assert_eq!(run.sections.len(), sections.len(), "{:?}", run.warnings);
        check(&run.to_html());
    }
}

#[test]
fn a_long_run_makes_a_small_page() {
    let run = Folder::new().with("metrics.jsonl", metrics(100_000)).open();
    assert_eq!(run.records.len(), 110_000);
    let html = run.to_html();
    assert!(html.len() < 500_000, "{} bytes", html.len());
    check(&html);
}

#[test]
fn many_samples_and_metrics_stay_bounded() {
    let mut folder = Folder::new();
    let many: serde_json::Map<String, serde_json::Value> =
        (0..300).map(|index| (format!("metric_{index}"), json!(index))).collect();
    folder = folder.with("metrics.jsonl", format!("{}\n", json!({"step": 1, "split": "train", "metrics": many})));
    for step in 0..200 {
        folder = folder.with(&format!("samples/step-{step:06}.txt"), "x".repeat(20_000));
        folder = folder.with(&format!("samples/step-{step:06}.png"), PNG);
    }
    let run = folder.open();
    let totals: Vec<(usize, usize)> = run.samples.iter().map(|strip| (strip.samples.len(), strip.total)).collect();
    assert_eq!(totals, [(24, 200), (12, 200)]);
    assert_eq!(run.samples[0].samples.last().map(|sample| sample.step), Some(199));
    let html = run.to_html();
    assert!(html.len() < 600_000, "{} bytes", html.len());
    check(&html);
}

#[test]
fn pictures_come_from_the_run_folder_alone() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("secret.png"), PNG).unwrap();
    let images = ["../secret.png", "/etc/hostname", "inside.png", "missing.png", "samples/../../secret.png"]
        .map(|path| Picture { label: path.into(), source: PictureSource::Path(path.into()) });
    let inline = Picture { label: "inline".into(), source: PictureSource::Data(PictureBytes(PNG.to_vec())) };
    let section = Section::new("pictures", Body::Image { images: images.into_iter().chain([inline]).collect() });
    let folder = place.path().join("run");
    fs::create_dir_all(folder.join("report")).unwrap();
    fs::write(folder.join("config.toml"), "").unwrap();
    fs::write(folder.join("inside.png"), PNG).unwrap();
    fs::write(folder.join("report/a.json"), serde_json::to_string(&section).unwrap()).unwrap();
    let run = Run::open(&folder).unwrap();
    let Body::Image { images } = &run.sections[0].body else { panic!("{:?}", run.sections) };
    assert_eq!(images.iter().map(|image| image.label.as_str()).collect::<Vec<_>>(), ["inside.png", "inline"]);
    assert_eq!(run.warnings.len(), 4, "{:?}", run.warnings);
    check(&run.to_html());
}

#[test]
fn an_unreadable_section_is_a_notice_and_the_others_are_shown() {
    let run = Folder::new()
        .with("report/a.json", "{\"kind\":\"pie\",\"title\":\"no\"}")
        .with("report/b.json", "{\"sections\":[{\"kind\":\"text\",\"title\":\"yes\",\"text\":\"here\"}]}")
        .with("summary.json", "{\"status\":")
        .open();
    assert_eq!(run.sections.len(), 1);
    assert_eq!(run.warnings.len(), 2, "{:?}", run.warnings);
    let tokens = check(&run.to_html());
    assert!(tokens.text.borrow().contains("report/a.json"));
}

#[test]
fn a_report_replaces_the_last_one_whole() {
    let folder = Folder::new().with("metrics.jsonl", metrics(5)).with("report.html", "old");
    let path = report::write(folder.path()).unwrap();
    assert_eq!(path, folder.path().join("report.html"));
    check(&fs::read_to_string(&path).unwrap());
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["config.toml", "metrics.jsonl", "report.html"]);
}

#[test]
fn what_is_no_run_is_refused_with_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let missing = Run::open(place.path().join("nowhere")).unwrap_err().to_string();
    assert!(missing.contains("nowhere") && missing.contains("runs/<name>"), "{missing}");
    let empty = Run::open(place.path()).unwrap_err().to_string();
    assert!(empty.contains("metrics.jsonl"), "{empty}");
    assert!(report::compare::<&Path>(&[]).is_err());
}

#[test]
fn runs_are_compared_by_scores_curves_and_settings() {
    let place = tempfile::tempdir().unwrap();
    let folders = [("one", "0.001"), ("two", "0.003")].map(|(name, lr)| {
        let folder = place.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("config.toml"), format!("seed = 1\n[optimiser]\nlr = {lr}\n")).unwrap();
        fs::write(folder.join("metrics.jsonl"), metrics(50)).unwrap();
        folder
    });
    let html = report::compare(&folders).unwrap();
    let text = check(&html).text.take();
    for expected in ["2 runs", "Loss (validation)", "Last accuracy", "optimiser.lr", "0.003"] {
        assert!(text.contains(expected), "{expected} is not on the page");
    }
    assert!(!text.contains("seed"));
}

#[test]
fn a_run_shows_those_that_it_is_compared_with() {
    let folder =
        Folder::new().with("metrics.jsonl", metrics(50)).with("compare.json", r#"{"runs": ["../before", "../gone"]}"#);
    let before = folder.0.path().join("before");
    fs::create_dir_all(&before).unwrap();
    fs::write(before.join("config.toml"), "seed = 2\n").unwrap();
    fs::write(before.join("metrics.jsonl"), metrics(80)).unwrap();
    // What a compared run compares itself with is no part of this page.
    fs::write(before.join("compare.json"), r#"{"runs": ["../tiny"]}"#).unwrap();
    let run = folder.open();
    assert_eq!(run.compared.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["before"]);
    assert!(run.warnings.iter().any(|warning| warning.contains("compare.json") && warning.contains("gone")));
    let html = run.to_html();
    let text = check(&html).text.into_inner();
    for part in ["Compared with before", "Accuracy (validation)", "Settings that differ", "before"] {
        assert!(text.contains(part), "{part}");
    }
    fs::write(before.join("metrics.jsonl"), metrics(90)).unwrap();
    assert_ne!(folder.open().to_html(), html, "a page that is written again is up to date");

    let folder = folder.with("compare.json", "[");
    assert!(folder.open().compared.is_empty());
    assert!(folder.open().warnings[0].starts_with("compare.json"));
}
