//! `train reduce`: points with few coordinates for rows with many, a map of them, and how much of the data it keeps.

mod map;
mod measures;
mod method;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use data::vectors::{Vectors, VectorsConfig};
use indicatif::{ProgressBar, ProgressStyle};
use reduce::{Matrix, PcaConfig, Progress, ReduceError};

use crate::{cli::ReduceArgs, failure::Failure};
use measures::Compared;
use method::Reduced;

/// Columns that t-SNE and UMAP are given by default: more only make noise and take time.
const FIRST_TO: usize = 50;

/// In the place of an epoch among what seeds derive from: methods that draw by epochs never come here.
const NOISE_STREAM: u64 = u64::MAX;

/// Runs the command.
pub fn run(args: &ReduceArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let plots: Vec<Plot> = args.plot.iter().map(|path| Plot::named(path)).collect::<Result<_, _>>()?;
    let method = method::of(args)?;
    let mut vectors = Vectors::load(&VectorsConfig {
        source: args.input.clone(),
        labels: args.labels.clone(),
        ignored: args.ignore.clone(),
        image_size: args.image_size,
    })
    .map_err(Failure::user)?;
    let mut data = Matrix::new(std::mem::take(&mut vectors.values), vectors.rows, vectors.columns).map_err(failed)?;
    if args.standardize {
        data = standardized(data)?;
    }
    writeln!(out, "{} points of {} numbers from {}", vectors.rows, vectors.columns, args.input)?;
    let clean = (args.noise > 0.0).then(|| data.clone());
    if clean.is_some() {
        data = noisy(data, args)?;
    }

    let bar = progress_bar();
    let mut progress = |progress: Progress| tell(&bar, progress);
    let first_to = args.first_pca.unwrap_or(if method.wants_few_columns() { FIRST_TO } else { 0 });
    let mut first = None;
    if first_to > 0 && first_to < data.columns().min(data.rows()) {
        let pca =
            PcaConfig { seed: args.seed, ..PcaConfig::new(first_to) }.fit(&data, &mut progress).map_err(failed)?;
        let kept: f64 = pca.explained_variance_ratio.iter().sum();
        writeln!(out, "first {first_to} principal components, which have {:.1} % of the variance", 100.0 * kept)?;
        first = Some(pca.transform(&data).map_err(failed)?);
    }
    let Reduced { points, about } = method.reduce(first.as_ref().unwrap_or(&data), &mut progress)?;
    bar.finish_and_clear();
    about.iter().try_for_each(|line| writeln!(out, "{line}"))?;

    let labels = if vectors.label_names.len() > 1 { vectors.labels.as_slice() } else { &[] };
    let compared = Compared { data: &data, clean: clean.as_ref(), points: &points };
    let measures = measures::of(&compared, labels, args.neighbours).map_err(failed)?;
    write!(out, "{}", measures.text())?;
    write_points(&args.out, &points, &vectors)?;
    writeln!(out, "{}", args.out.display())?;
    for plot in plots {
        let title = format!("{} by {}", name_of(&args.input), method.title());
        let file = map::draw(&plot, &title, &about, &points, &vectors, &measures);
        fs::write(plot.path(), file).map_err(|error| cannot_write(plot.path(), &error))?;
        writeln!(out, "{}", plot.path().display())?;
    }
    Ok(())
}

/// A file for the map, by what its name ends in.
enum Plot {
    Page(PathBuf),
    Picture(PathBuf),
}

impl Plot {
    fn named(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase).as_deref() {
            Some("html" | "htm") => Ok(Self::Page(path.into())),
            Some("png") => Ok(Self::Picture(path.into())),
            _ => Err(Failure::user(format!(
                "`--plot {}`: a page that ends in .html or a picture that ends in .png is expected",
                path.display()
            ))),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Page(path) | Self::Picture(path) => path,
        }
    }
}

/// Each column with mean 0 and standard deviation 1; one that never changes stays 0.
fn standardized(data: Matrix) -> Result<Matrix, Failure> {
    let (rows, columns) = (data.rows(), data.columns());
    let mut values = data.into_values();
    for column in 0..columns {
        let of_column = || (0..rows).map(|row| f64::from(values[row * columns + column]));
        let mean = of_column().sum::<f64>() / rows as f64;
        let deviation = (of_column().map(|value| (value - mean).powi(2)).sum::<f64>() / rows as f64).sqrt();
        for row in 0..rows {
            let value = &mut values[row * columns + column];
            *value = if deviation > 0.0 { ((f64::from(*value) - mean) / deviation) as f32 } else { 0.0 };
        }
    }
    Matrix::new(values, rows, columns).map_err(failed)
}

/// The numbers with normal noise, by the seed of the command.
fn noisy(data: Matrix, args: &ReduceArgs) -> Result<Matrix, Failure> {
    let (rows, columns) = (data.rows(), data.columns());
    let mut random = data::SplitMix64::new(data::stream_seed(args.seed, NOISE_STREAM, 0));
    let mut values = data.into_values();
    values.iter_mut().for_each(|value| *value += (args.noise * random.normal()) as f32);
    Matrix::new(values, rows, columns).map_err(failed)
}

/// A CSV file: coordinates, and what is known of each point.
fn write_points(path: &Path, points: &Matrix, vectors: &Vectors) -> Result<(), Failure> {
    let axes = axes(points.columns());
    let label = (!vectors.labels.is_empty()).then(|| "label".to_string());
    let header = std::iter::once("name".to_string()).chain(axes).chain(label);
    let rows = (0..points.rows()).map(|row| {
        let coordinates = points.row(row).iter().map(f32::to_string);
        let label = vectors.labels.get(row).map(|label| vectors.label_names[*label].clone());
        std::iter::once(vectors.names[row].clone()).chain(coordinates).chain(label).collect()
    });
    let table =
        training_loop::job::csv_table(std::iter::once(header.collect()).chain(rows)).map_err(Failure::internal)?;
    fs::write(path, table).map_err(|error| cannot_write(path, &error))
}

/// `x`, `y`, `z`, or numbered where there are more.
fn axes(count: usize) -> Vec<String> {
    match count {
        1..=3 => ["x", "y", "z"][..count].iter().map(|axis| (*axis).to_string()).collect(),
        _ => (1..=count).map(|axis| format!("component_{axis}")).collect(),
    }
}

fn name_of(input: &str) -> String {
    Path::new(input).file_stem().map_or_else(|| input.to_string(), |name| name.to_string_lossy().into_owned())
}

fn failed(error: ReduceError) -> Failure {
    match error {
        ReduceError::NotConverged => Failure::internal(error),
        _ => Failure::user(error),
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::internal(format!("{} cannot be written: {error}", path.display()))
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn tell(bar: &ProgressBar, progress: Progress) {
    let stage = match progress.stage {
        reduce::Stage::Pca => "principal components",
        reduce::Stage::Neighbours => "neighbours",
        reduce::Stage::Layout => "placing points",
    };
    bar.set_message(match progress.divergence {
        Some(divergence) => format!("{stage}, KL divergence {divergence:.3}"),
        None => stage.to_string(),
    });
    bar.set_length(progress.total as u64);
    bar.set_position(progress.done as u64);
}
