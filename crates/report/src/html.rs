//! The page. `maud` escapes whatever comes from a run; the only things put in as they are, are this crate's own style and script, path
//! data, and base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::compare::compared_with;
use crate::curves::{self, Curve};
use crate::format;
use crate::plot::{self, Size};
use crate::run::{Run, Strip, evenly};
use crate::section::{Body, Picture, PictureSource, Sample, SampleContent, Section, Table};

/// Longer texts are cut, with a word on it.
const LONGEST_SAMPLE: usize = 6_000;
const LONGEST_TEXT: usize = 60_000;
const MOST_ROWS: usize = 200;
/// Samples side by side, from noise to sentences.
const GLANCE: usize = 4;
/// Pictures narrower than this are enlarged pixel by pixel and not blurred.
const TINY_PICTURE: u32 = 128;

impl Run {
    /// The report as one HTML page that needs nothing else: no network, no file beside it, no script.
    pub fn to_html(&self) -> String {
        let (curves, left_out) = curves::of_run(self);
        let job = self.summary.as_ref().and_then(|summary| summary.job.as_deref());
        let body = html! {
            (header(self, job, !curves.is_empty()))
            (warnings(&self.warnings))
            @if !curves.is_empty() {
                section id="curves" {
                    h2 { "Curves" }
                    (curve_grid(&curves))
                    @if left_out > 0 { p class="nothing" { (left_out) " further metrics are in metrics.jsonl." } }
                }
            } @else {
                p class="nothing" { "No metrics have been logged yet." }
            }
            @if !self.samples.is_empty() {
                section id="samples" {
                    h2 { "Samples over time" }
                    @for strip in &self.samples { (sample_strip(strip, &|step| loss_near(self, step))) }
                }
            }
            @if let Some(scores) = test_scores(self) { section id="results" { h2 { "Test" } (card(&scores)) } }
            @if !self.sections.is_empty() { section id="more" { h2 { "Results" } (sections(&self.sections)) } }
            @if !self.compared.is_empty() { section id="compared" { (compared_with(self)) } }
            (details(self))
        };
        page(&self.name, &body)
    }
}

/// The skeleton around every page.
pub(crate) fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Nothing may be fetched, whatever a run's files say.
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
                title { (title) " · Kiln" }
                style { (PreEscaped(include_str!("assets/style.css"))) }
            }
            body {
                main {
                    (body)
                    footer { "Kiln " (env!("CARGO_PKG_VERSION")) }
                }
                script { (PreEscaped(include_str!("assets/script.js"))) }
            }
        }
    };
    // Control characters have no place in HTML, and samples of an untrained byte model are full of them.
    let forbidden = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    page.into_string().replace(forbidden, "\u{fffd}")
}

fn header(run: &Run, job: Option<&str>, curves: bool) -> Markup {
    let status = run.status();
    let known = ["finished", "stopped", "interrupted", "failed", "unfinished"];
    let class = known.into_iter().find(|known| *known == status).unwrap_or("");
    let reason = run.reason().unwrap_or_default();
    html! {
        header {
            p class="kicker" { (job.unwrap_or("Training run")) }
            div class="title" {
                h1 { (run.name) }
                span class={ "badge " (class) } { (status) }
            }
            @if !reason.is_empty() { p class="reason" { (reason) } }
            @if run.summary.is_none() {
                p class="reason" { "The run has written no summary: it is still going, or it was killed." }
            }
            nav {
                @if curves { a href="#curves" { "Curves" } }
                @if !run.samples.is_empty() { a href="#samples" { "Samples" } }
                @if !run.sections.is_empty() { a href="#more" { "Results" } }
                @if !run.compared.is_empty() { a href="#compared" { "Compared" } }
                a href="#details" { "Details" }
            }
            (key_figures(run))
        }
    }
}

/// One key figure: label, value, remark.
struct Figure {
    label: String,
    value: String,
    remark: String,
}

impl Figure {
    fn new(label: impl Into<String>, value: impl Into<String>, remark: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), remark: remark.into() }
    }
}

fn key_figures(run: &Run) -> Markup {
    let mut figures = Vec::new();
    let at_step = |step: Option<u64>| step.map(|step| format!("at step {}", format::count(step))).unwrap_or_default();
    let best = run.best();
    if let Some(best) = &best {
        let metric = if best.metric.is_empty() { "score" } else { &best.metric };
        let label = format!("Best {}", format::words(metric));
        figures.push(Figure::new(label, format::number(best.value), at_step(best.step)));
    }
    let (steps, losses) = run.series("train", "loss");
    if let (Some(step), Some(raw)) = (steps.last(), losses.last()) {
        // The mean says more than one batch, but must not hide that the loss broke down.
        let mean = plot::smoothed(&losses).and_then(|mean| mean.last().copied()).filter(|_| raw.is_finite());
        let last = mean.unwrap_or(*raw);
        figures.push(Figure::new("Training loss", format::number(last), at_step(Some(*step as u64))));
    }
    for (metric, value) in last_scores(run).into_iter().filter(|(metric, _)| metric != "loss").take(2) {
        figures.push(Figure::new(format::heading(&metric), format::number(value), "validation, last"));
    }
    let summary = run.summary.clone().unwrap_or_default();
    if let Some(parameters) = summary.parameters {
        figures.push(Figure::new("Parameters", format::short_count(parameters), format::count(parameters)));
    }
    if let Some(steps) = run.steps() {
        let epochs = summary.epochs.map(|epochs| format!("{} epochs", format::number(epochs))).unwrap_or_default();
        figures.push(Figure::new("Steps", format::count(steps), epochs));
    }
    if let Some(seconds) = run.seconds() {
        figures.push(Figure::new("Wall time", format::duration(seconds), throughput(run).unwrap_or_default()));
    }
    if let Some(backend) = &summary.backend {
        figures.push(Figure::new("Backend", backend, summary.device.unwrap_or_default()));
    }
    html! {
        @if !figures.is_empty() {
            dl class={ "figures" @if best.is_some() { " best-first" } } {
                @for figure in &figures {
                    div {
                        dt { (figure.label) }
                        dd { (figure.value) }
                        @if !figure.remark.is_empty() { dd { (figure.remark) } }
                    }
                }
            }
        }
    }
}

/// The scores of the last validation, or what the summary calls final.
fn last_scores(run: &Run) -> Vec<(String, f64)> {
    if let Some(last) = run.records.iter().rev().find(|record| record.split == "validation") {
        return last.metrics.iter().map(|(name, value)| (name.clone(), *value)).collect();
    }
    let summary = run.summary.as_ref();
    summary
        .map(|summary| summary.r#final.iter().map(|(name, value)| (name.clone(), *value)).collect())
        .unwrap_or_default()
}

/// The median speed, in the unit that says most: `51,234 tokens/s`.
fn throughput(run: &Run) -> Option<String> {
    let mut names: Vec<&String> = run
        .records
        .iter()
        .flat_map(|record| record.metrics.keys())
        .filter(|name| name.ends_with("_per_second"))
        .collect();
    names.sort();
    names.dedup();
    let name = names.iter().find(|name| **name != "steps_per_second").or(names.first())?;
    let mut values = run.series("train", name).1;
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let median = values.get(values.len() / 2)?;
    Some(format!("{} {}/s", format::number(*median), name.trim_end_matches("_per_second").replace('_', " ")))
}

fn warnings(warnings: &[String]) -> Markup {
    html! {
        @if !warnings.is_empty() {
            div class="card notice" {
                h3 { "Not everything could be read" }
                ul { @for warning in warnings { li { (warning) } } }
            }
        }
    }
}

/// The first plot across the page, the others two by two.
pub(crate) fn curve_grid(curves: &[Curve]) -> Markup {
    // An odd one out would leave a hole beside it.
    let widen_last = curves.len() > 1 && curves.len().is_multiple_of(2);
    html! {
        div class="columns" {
            @for (index, curve) in curves.iter().enumerate() {
                @let size = match index {
                    0 => Size::Wide,
                    _ if widen_last && index + 1 == curves.len() => Size::Low,
                    _ => Size::Half,
                };
                div class={ "card" @if size != Size::Half { " full" } } {
                    h3 { (curve.section.title) }
                    (body(&curve.section, size))
                }
            }
        }
    }
}

fn sections(sections: &[Section]) -> Markup {
    html! { div class="stack" { @for section in sections { (card(section)) } } }
}

/// A section in a frame of its own, under its title.
pub(crate) fn card(section: &Section) -> Markup {
    html! {
        div class="card" {
            @if !section.title.is_empty() { h3 { (section.title) } }
            @if let Some(caption) = &section.caption { p class="caption" { (caption) } }
            (body(section, Size::Wide))
        }
    }
}

fn body(section: &Section, size: Size) -> Markup {
    match &section.body {
        Body::Text { text } => html! { pre { (cut(text, LONGEST_TEXT)) } },
        Body::Table(table) => html_table(table),
        Body::LinePlot(plot) => plot::line_plot(&section.title, plot, size),
        Body::Heatmap(map) => plot::heatmap(&section.title, map),
        Body::Bars(bars) => plot::bars(&section.title, bars, size),
        Body::Scatter(scatter) => plot::scatter(&section.title, scatter, plot::MOST_POINTS),
        Body::Image { images } => {
            html! { div class="strip pictures" { @for image in images { (picture(image, true)) } } }
        }
        Body::Samples { samples } => {
            let mut samples = samples.clone();
            samples.sort_by_key(|sample| sample.step);
            let total = samples.len();
            sample_strip(&Strip { name: String::new(), samples, total }, &|_| None)
        }
    }
}

pub(crate) fn html_table(table: &Table) -> Markup {
    let width = table.rows.iter().map(Vec::len).max().unwrap_or(0).max(table.columns.len());
    let class: Vec<&str> = (0..width).map(|column| if is_numeric(table, column) { "num" } else { "" }).collect();
    html! {
        div class="scroll" {
            table {
                @if !table.columns.is_empty() {
                    thead { tr { @for (column, class) in table.columns.iter().zip(&class) { th class=(class) { (column) } } } }
                }
                tbody {
                    @for row in table.rows.iter().take(MOST_ROWS) {
                        tr { @for (cell, class) in row.iter().zip(&class) { td class=(class) { (cell) } } }
                    }
                }
            }
        }
        @if table.rows.len() > MOST_ROWS {
            p class="nothing" { "The first " (MOST_ROWS) " of " (format::count(table.rows.len() as u64)) " rows." }
        }
    }
}

/// Whether every cell of a column is a number, perhaps with a unit such as `%`.
fn is_numeric(table: &Table, column: usize) -> bool {
    let mut cells = table.rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty()).peekable();
    let starts_as_number = |cell: &String| {
        let first = cell.trim_start_matches(['-', '−', '+', '<', '±']).chars().next();
        cell == "–" || cell == "NaN" || first.is_some_and(|first| first.is_ascii_digit() || first == '∞')
    };
    // A step name such as `3rd try` starts with a digit too: at most a short unit may follow.
    let few_letters = |cell: &String| cell.chars().filter(|c| c.is_alphabetic()).count() <= 4;
    cells.peek().is_some() && cells.all(|cell| starts_as_number(cell) && few_letters(cell))
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => {
            let left_out = text[end..].chars().count() as u64;
            format!("{}\n… {} more characters", &text[..end], format::count(left_out))
        }
        None => text.into(),
    }
}

fn sample_strip(strip: &Strip, remark: &dyn Fn(u64) -> Option<String>) -> Markup {
    let pictures = strip.samples.iter().any(|sample| matches!(sample.content, SampleContent::Picture(_)));
    let shown = if pictures { strip.samples.len() } else { GLANCE };
    let glance: Vec<&Sample> =
        evenly(strip.samples.len(), shown).into_iter().map(|index| &strip.samples[index]).collect();
    html! {
        @if !strip.name.is_empty() { h3 class="caption" { (format::heading(&strip.name)) } }
        div class={ "strip glance" @if pictures { " pictures" } } {
            @for sample in &glance { div class="card" { (one_sample(sample, remark)) } }
        }
        @if pictures && strip.total > glance.len() {
            p class="nothing" { (glance.len()) " of " (strip.total) ", evenly spaced; the others are in the run's samples folder." }
        }
        @if !pictures && strip.samples.len() > 1 {
            details class="card" style="margin-top:14px" {
                summary {
                    "In full" small { (strip.samples.len()) " samples"
                    @if strip.total > strip.samples.len() { " of " (strip.total) ", evenly spaced" } }
                }
                @for sample in &strip.samples { div class="sample" { (one_sample(sample, remark)) } }
            }
        }
    }
}

fn one_sample(sample: &Sample, remark: &dyn Fn(u64) -> Option<String>) -> Markup {
    html! {
        div class="sample-head" {
            h3 { "Step " (format::count(sample.step)) }
            @if let Some(remark) = remark(sample.step) { small { (remark) } }
        }
        @match &sample.content {
            SampleContent::Text(text) => pre { (cut(text.trim_end(), LONGEST_SAMPLE)) },
            SampleContent::Picture(image) => (picture(image, false)),
        }
    }
}

fn picture(picture: &Picture, labelled: bool) -> Markup {
    let PictureSource::Data(bytes) = &picture.source else {
        return html! { p class="nothing" { "This picture could not be read." } };
    };
    let Some(kind) = media_type(&bytes.0) else {
        return html! { p class="nothing" { "This is no PNG, JPEG, GIF or WebP picture." } };
    };
    let tiny = png_width(&bytes.0).is_some_and(|width| width < TINY_PICTURE);
    html! {
        figure class="picture" {
            img class=[tiny.then_some("tiny")] alt=(picture.label) src=(format!("data:{kind};base64,{}", STANDARD.encode(&bytes.0)));
            @if labelled && !picture.label.is_empty() { figcaption { (picture.label) } }
        }
    }
}

fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

fn png_width(bytes: &[u8]) -> Option<u32> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    Some(u32::from_be_bytes(header.get(8..12)?.try_into().ok()?))
}

/// The loss a sample was drawn at, so that words and numbers can be held side by side.
fn loss_near(run: &Run, step: u64) -> Option<String> {
    let near = |split: &str| {
        let (steps, values) = run.series(split, "loss");
        let distance = |at: &f64| (at - step as f64).abs();
        let finite = steps.into_iter().zip(values).filter(|(_, value)| value.is_finite());
        finite.min_by(|(one, _), (other, _)| distance(one).total_cmp(&distance(other))).map(|(_, value)| value)
    };
    near("validation").or_else(|| near("train")).map(|value| format!("loss {}", format::number(value)))
}

fn test_scores(run: &Run) -> Option<Section> {
    let last = run.records.iter().rev().find(|record| record.split == "test")?;
    let rows = last.metrics.iter().map(|(name, value)| vec![format::heading(name), format::number(*value)]).collect();
    let table = Table { columns: vec!["Metric".into(), "Value".into()], rows };
    let caption = format!("At step {}.", format::count(last.step));
    Some(Section::new("Test scores", Body::Table(table)).with_caption(caption))
}

fn details(run: &Run) -> Markup {
    html! {
        section id="details" {
            h2 { "Details" }
            div class="stack" {
                @if let Some(table) = numbers_table(run) {
                    details class="card" { summary { "Numbers behind the curves" } (html_table(&table)) }
                }
                @if !run.checkpoints.is_empty() { (checkpoints(run)) }
                @let environment = environment(run);
                @if !environment.is_empty() {
                    details class="card" { summary { "Environment" }
                        table { tbody { @for (key, value) in &environment { tr { td class="key" { (key) } td { (value) } } } } }
                    }
                }
                @if let Some(config) = &run.config {
                    details class="card" { summary { "Configuration" small { "config.toml" } } pre class="config" { (toml(config)) } }
                }
            }
        }
    }
}

fn checkpoints(run: &Run) -> Markup {
    html! {
        details class="card" {
            summary { "Checkpoints" small { (run.checkpoints.len()) } }
            ul {
                @for checkpoint in &run.checkpoints {
                    li {
                        code { (checkpoint.name) }
                        @if checkpoint.best { " " small { strong { "best" } } }
                        @if checkpoint.last { " " small { "last" } }
                    }
                }
            }
        }
    }
}

/// First, last and extreme values of every metric: what the curves say, without a script and in figures.
pub(crate) fn numbers_table(run: &Run) -> Option<Table> {
    let mut metrics: Vec<(&str, &str)> = run
        .records
        .iter()
        .flat_map(|record| record.metrics.keys().map(|name| (name.as_str(), record.split.as_str())))
        .collect();
    metrics.sort_unstable();
    metrics.dedup();
    let rows: Vec<Vec<String>> = metrics
        .into_iter()
        .map(|(metric, split)| {
            let values = run.series(split, metric).1;
            let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
            let low = finite.iter().copied().min_by(f64::total_cmp);
            let high = finite.iter().copied().max_by(f64::total_cmp);
            let shown = |value: Option<f64>| value.map_or_else(|| "–".into(), format::number);
            vec![
                metric.into(),
                split.into(),
                format::count(values.len() as u64),
                shown(values.first().copied()),
                shown(values.last().copied()),
                shown(low),
                shown(high),
            ]
        })
        .collect();
    let columns = ["Metric", "Split", "Points", "First", "Last", "Lowest", "Highest"].map(String::from).to_vec();
    (!rows.is_empty()).then_some(Table { columns, rows })
}

fn environment(run: &Run) -> Vec<(String, String)> {
    let Some(summary) = &run.summary else { return Vec::new() };
    let known = [("Backend", &summary.backend), ("Device", &summary.device)];
    let mut rows: Vec<(String, String)> =
        known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect();
    for (key, value) in &summary.other {
        match value {
            serde_json::Value::Object(fields) => {
                rows.extend(fields.iter().filter_map(|(field, value)| Some((format::heading(field), plain(value)?))));
            }
            value => rows.extend(plain(value).map(|value| (format::heading(key), value))),
        }
    }
    rows
}

fn plain(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A configuration with its headings, names and comments told apart: enough to find one's way, and no parser that could refuse it.
fn toml(config: &str) -> Markup {
    html! {
        @for line in cut(config.trim_end(), LONGEST_TEXT).lines() {
            @let start = line.trim_start();
            @if start.starts_with('#') {
                span class="comment" { (line) }
            } @else if start.starts_with('[') && line.trim_end().ends_with(']') && !line.contains('=') {
                span class="head" { (line) }
            } @else if let Some((name, value)) = line.split_once('=').filter(|(name, _)| !name.contains('"')) {
                span class="name" { (name) } "=" (value)
            } @else {
                (line)
            }
            "\n"
        }
    }
}
