//! Reading a run folder, whatever state its process left it in.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::section::{Body, Picture, PictureBytes, PictureSource, Sample, SampleContent, Section, Table};
use crate::{ReportError, numbers};

/// Pictures larger than this stay out of the page; the page says where they are.
const LARGEST_PICTURE: u64 = 2 << 20;
/// How many samples of one kind a page shows.
const MOST_TEXTS: usize = 24;
const MOST_PICTURES: usize = 12;

/// Everything that a run folder holds and a report shows.
///
/// Only a folder that is no run at all is an error. A run that was killed lacks its summary and may end in half a line; what is
/// damaged is left out and named in [`warnings`](Self::warnings).
#[derive(Debug, Clone)]
pub struct Run {
    /// The run folder.
    pub folder: PathBuf,
    /// The folder's own name.
    pub name: String,
    /// `config.toml` as written.
    pub config: Option<String>,
    /// `metrics.jsonl`, oldest first. Lines that a killed process had written past the point where the run was later resumed are
    /// left out, and lines of one step and split are one record.
    pub records: Vec<Record>,
    /// `samples/`, one strip for each kind of sample.
    pub samples: Vec<Strip>,
    /// `checkpoints/step-N`, oldest first.
    pub checkpoints: Vec<Checkpoint>,
    /// `summary.json`; none where the run is still going or was killed.
    pub summary: Option<Summary>,
    /// The job's own sections: the summary's tables and plots, then the files of `report/`.
    pub sections: Vec<Section>,
    /// Other runs to show beside this one: those of `compare.json`, `{"runs": ["../before"]}`, whose paths start in the run folder.
    /// What these compare themselves with is left out.
    pub compared: Vec<Run>,
    /// What could not be read.
    pub warnings: Vec<String>,
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record {
    /// The optimiser step.
    pub step: u64,
    /// The epoch, from zero.
    #[serde(default, deserialize_with = "numbers::optional")]
    pub epoch: Option<f64>,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// Seconds since the run began.
    #[serde(default, deserialize_with = "numbers::optional")]
    pub seconds: Option<f64>,
    /// Values by name.
    #[serde(default, deserialize_with = "numbers::map")]
    pub metrics: BTreeMap<String, f64>,
}

/// What a run says of itself at its end. Every field may be missing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// `finished`, `stopped`, `interrupted` or `failed`.
    pub status: Option<String>,
    /// Why it ended.
    pub reason: Option<String>,
    /// Optimiser steps done.
    pub steps: Option<u64>,
    /// Epochs done.
    #[serde(deserialize_with = "numbers::optional")]
    pub epochs: Option<f64>,
    /// Seconds it took.
    #[serde(deserialize_with = "numbers::optional")]
    pub seconds: Option<f64>,
    /// Number of parameters of the model.
    pub parameters: Option<u64>,
    /// The backend, such as `ndarray` or `wgpu`.
    pub backend: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// The job, such as `char-language-model`.
    pub job: Option<String>,
    /// The best score.
    pub best: Option<Best>,
    /// The scores at the end.
    #[serde(deserialize_with = "numbers::map")]
    pub r#final: BTreeMap<String, f64>,
    /// Tables and plots of the job; they become [`Run::sections`].
    tables: Option<Vec<Value>>,
    plots: Option<Vec<Value>>,
    /// Whatever else the job noted, such as versions; plain values are shown as the run's environment.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A best score and where it was reached.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Best {
    /// The metric's name.
    #[serde(default)]
    pub metric: String,
    /// Its value.
    #[serde(default = "not_a_number", deserialize_with = "numbers::one")]
    pub value: f64,
    /// The step.
    #[serde(default)]
    pub step: Option<u64>,
}

fn not_a_number() -> f64 {
    f64::NAN
}

/// Samples of one kind as training went on.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    /// What the file names say after the step: `grid` for `step-000500-grid.png`; empty for `step-000500.txt`.
    pub name: String,
    /// A selection of the samples, evenly spaced, the first and the last among them.
    pub samples: Vec<Sample>,
    /// How many there are in the run folder.
    pub total: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SampleKind {
    Text,
    Picture,
}

/// A complete checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of its folder.
    pub name: String,
    /// Its step; none for the average of several.
    pub step: Option<u64>,
    /// Whether `best` names it.
    pub best: bool,
    /// Whether `last` names it.
    pub last: bool,
}

impl Run {
    /// Reads the run folder at `path`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReportError> {
        let mut run = Self::open_alone(path.as_ref())?;
        run.compared = compared(&run.folder, &mut run.warnings)?;
        Ok(run)
    }

    fn open_alone(folder: &Path) -> Result<Self, ReportError> {
        if !folder.is_dir() {
            return Err(ReportError::Missing { path: folder.into() });
        }
        const OWN_FILES: [&str; 3] = ["config.toml", "metrics.jsonl", "summary.json"];
        if !OWN_FILES.iter().any(|file| folder.join(file).is_file()) {
            return Err(ReportError::NotARun { path: folder.into() });
        }
        let mut warnings = Vec::new();
        let records = match read(&folder.join("metrics.jsonl"))? {
            Some(bytes) => parse_records(&bytes, &mut warnings),
            None => Vec::new(),
        };
        let mut summary = match read(&folder.join("summary.json"))? {
            Some(bytes) => parse_summary(&bytes, &mut warnings),
            None => None,
        };
        let mut sections = summary.as_mut().map(|summary| summary_sections(summary, &mut warnings)).unwrap_or_default();
        sections.extend(job_sections(folder, &mut warnings)?);
        for section in &mut sections {
            load_pictures(section, folder, &mut warnings);
        }
        Ok(Self {
            folder: folder.into(),
            name: folder_name(folder),
            config: read(&folder.join("config.toml"))?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            records: without_superseded(records),
            samples: read_samples(&folder.join("samples"), &mut warnings)?,
            checkpoints: read_checkpoints(&folder.join("checkpoints"))?,
            summary,
            sections,
            compared: Vec::new(),
            warnings,
        })
    }

    /// The steps and values of one metric in one split, oldest first.
    pub fn series(&self, split: &str, metric: &str) -> (Vec<f64>, Vec<f64>) {
        self.records
            .iter()
            .filter(|record| record.split == split)
            .filter_map(|record| Some((record.step as f64, *record.metrics.get(metric)?)))
            .unzip()
    }

    /// The best score: the summary's, or else the lowest validation loss so far.
    pub fn best(&self) -> Option<Best> {
        if let Some(best) = self.summary.as_ref().and_then(|summary| summary.best.clone()) {
            return Some(best);
        }
        let (steps, values) = self.series("validation", "loss");
        let (step, value) = steps
            .into_iter()
            .zip(values)
            .filter(|(_, value)| value.is_finite())
            .min_by(|(_, one), (_, other)| one.total_cmp(other))?;
        Some(Best { metric: "loss".into(), value, step: Some(step as u64) })
    }

    /// Optimiser steps done, as far as is known.
    pub fn steps(&self) -> Option<u64> {
        let said = self.summary.as_ref().and_then(|summary| summary.steps);
        said.or_else(|| self.records.iter().map(|record| record.step).max())
    }

    /// Seconds the run took, as far as is known.
    pub fn seconds(&self) -> Option<f64> {
        let said = self.summary.as_ref().and_then(|summary| summary.seconds);
        said.or_else(|| self.records.iter().filter_map(|record| record.seconds).max_by(f64::total_cmp))
    }

    /// Why the run ended, where that says more than its status.
    pub fn reason(&self) -> Option<&str> {
        let reason = self.summary.as_ref()?.reason.as_deref()?;
        (!reason.is_empty() && reason != self.status()).then_some(reason)
    }

    /// How the run ended, in one word; `unfinished` where it never said so.
    pub fn status(&self) -> &str {
        self.summary.as_ref().and_then(|summary| summary.status.as_deref()).unwrap_or("unfinished")
    }
}

fn folder_name(folder: &Path) -> String {
    // `runs/x/.` and `.` have no last name of their own.
    let named = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    named.file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned())
}

/// A file's bytes; none where there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, ReportError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReportError::Read { path: path.into(), source }),
    }
}

/// The files of a folder in the order of their names; none where there is no such folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let to_error = |source| ReportError::Read { path: folder.into(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(to_error(error)),
    };
    let mut paths =
        entries.map(|entry| Ok(entry.map_err(to_error)?.path())).collect::<Result<Vec<_>, ReportError>>()?;
    paths.sort();
    Ok(paths)
}

fn parse_records(bytes: &[u8], warnings: &mut Vec<String>) -> Vec<Record> {
    let mut records = Vec::new();
    let mut damaged = Vec::new();
    let mut lines = bytes.split(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(record) => records.push(record),
            // Only a process that was killed while writing leaves a last line without its end.
            Err(_) if lines.peek().is_none() => {}
            Err(error) => damaged.push((index + 1, error)),
        }
    }
    if let Some((line, error)) = damaged.first() {
        let count = damaged.len();
        warnings.push(format!("metrics.jsonl: {count} unreadable line(s) left out; the first is line {line}: {error}"));
    }
    records
}

/// Drops what a resumed run wrote anew and joins the lines of one step.
///
/// Where training steps back, the process was killed past its last checkpoint and resumed from it: what lies between is void.
fn without_superseded(records: Vec<Record>) -> Vec<Record> {
    let mut kept: Vec<Record> = Vec::with_capacity(records.len());
    // The last kept record of each split, so that 100 000 lines do not each look back over all others.
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        match last.get(&record.split).map(|index| (*index, kept[*index].step)) {
            Some((index, step)) if step == record.step => {
                let earlier = &mut kept[index];
                earlier.metrics.extend(record.metrics);
                earlier.seconds = record.seconds.or(earlier.seconds);
                continue;
            }
            Some((_, step)) if record.step < step => {
                // Training that steps back voids its scores too. A test score alone may well be of an earlier, better step.
                let void = |old: &Record| {
                    let concerned = old.split == record.split || (record.split == "train" && old.split != "test");
                    concerned && old.step >= record.step
                };
                kept.retain(|old| !void(old));
                last = kept.iter().enumerate().map(|(index, old)| (old.split.clone(), index)).collect();
            }
            _ => {}
        }
        last.insert(record.split.clone(), kept.len());
        kept.push(record);
    }
    kept
}

fn parse_summary(bytes: &[u8], warnings: &mut Vec<String>) -> Option<Summary> {
    match serde_json::from_slice(bytes) {
        Ok(summary) => Some(summary),
        Err(error) => {
            warnings.push(format!("summary.json: {error}"));
            None
        }
    }
}

fn summary_sections(summary: &mut Summary, warnings: &mut Vec<String>) -> Vec<Section> {
    let mut sections = Vec::new();
    for table in summary.tables.take().into_iter().flatten() {
        let title = table.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
        match serde_json::from_value::<Table>(table) {
            Ok(table) => sections.push(Section::new(title, Body::Table(table))),
            Err(error) => warnings.push(format!("summary.json: table `{title}`: {error}")),
        }
    }
    for plot in summary.plots.take().into_iter().flatten() {
        match serde_json::from_value(plot) {
            Ok(section) => sections.push(section),
            Err(error) => warnings.push(format!("summary.json: plot: {error}")),
        }
    }
    sections
}

/// The file that names the runs to compare with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compared {
    runs: Vec<PathBuf>,
}

fn compared(folder: &Path, warnings: &mut Vec<String>) -> Result<Vec<Run>, ReportError> {
    let Some(bytes) = read(&folder.join("compare.json"))? else { return Ok(Vec::new()) };
    let runs = match serde_json::from_slice::<Compared>(&bytes) {
        Ok(compared) => compared.runs,
        Err(error) => {
            warnings.push(format!("compare.json: {error}"));
            return Ok(Vec::new());
        }
    };
    let mut opened = Vec::new();
    for path in runs {
        // A run that was deleted since takes nothing from the others.
        match Run::open_alone(&folder.join(&path)) {
            Ok(run) => opened.push(run),
            Err(error) => warnings.push(format!("compare.json: {error}")),
        }
    }
    Ok(opened)
}

fn job_sections(folder: &Path, warnings: &mut Vec<String>) -> Result<Vec<Section>, ReportError> {
    let mut sections = Vec::new();
    for path in list(&folder.join("report"))? {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let Some(bytes) = read(&path)? else { continue };
        match parse_sections(&bytes) {
            Ok(parsed) => sections.extend(parsed),
            Err(error) => warnings.push(format!("report/{}: {error}", folder_name(&path))),
        }
    }
    Ok(sections)
}

fn parse_sections(bytes: &[u8]) -> serde_json::Result<Vec<Section>> {
    let one_or_many = match serde_json::from_slice(bytes)? {
        Value::Object(mut page) if page.contains_key("sections") => page.remove("sections").unwrap_or_default(),
        other => other,
    };
    match one_or_many {
        Value::Array(sections) => sections.into_iter().map(serde_json::from_value).collect(),
        section => Ok(vec![serde_json::from_value(section)?]),
    }
}

/// Replaces paths by the bytes they lead to; a picture that cannot be had becomes a warning.
fn load_pictures(section: &mut Section, folder: &Path, warnings: &mut Vec<String>) {
    let mut load = |picture: &mut Picture| {
        let PictureSource::Path(path) = &picture.source else { return true };
        match read_picture_inside(folder, path) {
            Ok(bytes) => {
                picture.source = PictureSource::Data(PictureBytes(bytes));
                true
            }
            Err(reason) => {
                warnings.push(format!("picture `{path}`: {reason}"));
                false
            }
        }
    };
    match &mut section.body {
        Body::Image { images } => images.retain_mut(load),
        Body::Samples { samples } => samples.retain_mut(|sample| match &mut sample.content {
            SampleContent::Picture(picture) => load(picture),
            SampleContent::Text(_) => true,
        }),
        _ => {}
    }
}

fn read_picture_inside(folder: &Path, path: &str) -> Result<Vec<u8>, String> {
    let relative = Path::new(path);
    // Reports are passed on: the path in a section must not lead to other files of whoever makes the report.
    if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err("the path must stay inside the run folder".into());
    }
    let full = folder.join(relative).canonicalize().map_err(|error| error.to_string())?;
    if !folder.canonicalize().is_ok_and(|folder| full.starts_with(folder)) {
        return Err("the path must stay inside the run folder".into());
    }
    read_picture(&full)
}

fn read_picture(path: &Path) -> Result<Vec<u8>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST_PICTURE {
        return Err(format!("left out of the page for its size ({} MB)", size >> 20));
    }
    fs::read(path).map_err(|error| error.to_string())
}

fn read_samples(folder: &Path, warnings: &mut Vec<String>) -> Result<Vec<Strip>, ReportError> {
    // Keyed by what is in the files first, so that the page shows text before pictures.
    let mut strips: BTreeMap<(SampleKind, String), Vec<(u64, PathBuf)>> = BTreeMap::new();
    for path in list(folder)? {
        let (Some(stem), Some(extension)) = (path.file_stem(), path.extension()) else { continue };
        let kind = match extension.to_string_lossy().to_ascii_lowercase().as_str() {
            "txt" => SampleKind::Text,
            "png" | "gif" | "jpg" | "jpeg" | "webp" => SampleKind::Picture,
            _ => continue,
        };
        let Some((step, name)) = step_and_name(&stem.to_string_lossy()) else { continue };
        strips.entry((kind, name)).or_default().push((step, path));
    }
    Ok(strips.into_iter().map(|((kind, name), files)| read_strip(kind, name, files, warnings)).collect())
}

fn read_strip(kind: SampleKind, name: String, mut files: Vec<(u64, PathBuf)>, warnings: &mut Vec<String>) -> Strip {
    files.sort();
    let limit = match kind {
        SampleKind::Text => MOST_TEXTS,
        SampleKind::Picture => MOST_PICTURES,
    };
    let mut samples = Vec::new();
    for index in evenly(files.len(), limit) {
        let (step, path) = &files[index];
        let content = match kind {
            SampleKind::Text => fs::read(path)
                .map(|bytes| SampleContent::Text(String::from_utf8_lossy(&bytes).into_owned()))
                .map_err(|error| error.to_string()),
            SampleKind::Picture => read_picture(path).map(|bytes| {
                let label = format!("{name} at step {step}").trim_start().to_owned();
                SampleContent::Picture(Picture { label, source: PictureSource::Data(PictureBytes(bytes)) })
            }),
        };
        match content {
            Ok(content) => samples.push(Sample { step: *step, content }),
            Err(reason) => warnings.push(format!("samples/{}: {reason}", folder_name(path))),
        }
    }
    Strip { name, samples, total: files.len() }
}

/// At most `limit` indices below `count`, evenly spaced, the first and the last among them.
pub(crate) fn evenly(count: usize, limit: usize) -> Vec<usize> {
    match count {
        0 => Vec::new(),
        _ if count <= limit => (0..count).collect(),
        _ if limit < 2 => vec![count - 1],
        _ => (0..limit).map(|index| (index * (count - 1) + (limit - 1) / 2) / (limit - 1)).collect(),
    }
}

/// `step-000500-grid` is step 500 of `grid`.
fn step_and_name(stem: &str) -> Option<(u64, String)> {
    let rest = stem.strip_prefix("step-")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (step, group) = rest.split_at(digits);
    Some((step.parse().ok()?, group.trim_matches(['-', '_', '.', ' ']).replace(['-', '_'], " ")))
}

fn read_checkpoints(folder: &Path) -> Result<Vec<Checkpoint>, ReportError> {
    let named = |file: &str| {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
        text.trim().trim_start_matches("checkpoints/").to_owned()
    };
    let (best, last) = (named("best"), named("last"));
    let mut checkpoints: Vec<_> = list(folder)?
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            let step = name.strip_prefix("step-").and_then(|step| step.parse().ok());
            let known = step.is_some() || name == "average";
            known.then(|| Checkpoint { best: name == best, last: name == last, name, step })
        })
        .collect();
    checkpoints.sort_by_key(|checkpoint| (checkpoint.step.is_none(), checkpoint.step));
    Ok(checkpoints)
}
