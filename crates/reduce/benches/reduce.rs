//! Runs one reduction and says how long it took, for `benches/reduce.py`:
//!
//!     cargo bench --profile dev -p reduce --bench reduce -- \
//!         '{"job": "tsne", "data": "x.f32", "rows": 10000, "columns": 50}'
//!
//! `data` is a file of little-endian `f32`, row after row. Prints JSON; `output`, where given, gets the points in the
//! same format.

use reduce::{Matrix, PcaConfig, TsneConfig, UmapConfig, k_nearest, trustworthiness};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

#[derive(Deserialize)]
struct Job {
    job: String,
    data: PathBuf,
    rows: usize,
    columns: usize,
    #[serde(default)]
    config: Value,
    /// Points to measure, for the job `trustworthiness`.
    points: Option<PathBuf>,
    output: Option<PathBuf>,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    // `cargo bench` adds an option of its own; `cargo test --benches` gives no job.
    let Some(job) = std::env::args().skip(1).find(|argument| argument.starts_with('{')) else {
        return Ok(());
    };
    let job: Job = serde_json::from_str(&job)?;
    let data = read(&job.data, job.rows, job.columns)?;
    let config = if job.config.is_null() { json!({}) } else { job.config.clone() };
    let start = Instant::now();
    let (points, found) = match job.job.as_str() {
        "pca" => {
            let pca = serde_json::from_value::<PcaConfig>(config)?.fit(&data, &mut |_| {})?;
            let seconds = start.elapsed().as_secs_f64();
            (pca.transform(&data)?, json!({ "seconds": seconds, "explained_variance": pca.explained_variance }))
        }
        "tsne" => {
            let tsne = serde_json::from_value::<TsneConfig>(config)?.fit(&data, &mut |_| {})?;
            let found = json!({ "seconds": start.elapsed().as_secs_f64(), "divergence": tsne.divergence,
                "iterations": tsne.iterations, "method": tsne.method });
            (tsne.points, found)
        }
        "umap" => {
            let umap = serde_json::from_value::<UmapConfig>(config)?.fit(&data, &mut |_| {})?;
            (umap.points, json!({ "seconds": start.elapsed().as_secs_f64() }))
        }
        "neighbours" => {
            let found = k_nearest(&data, 90)?;
            (data, json!({ "seconds": start.elapsed().as_secs_f64(), "rows": found.rows() }))
        }
        "trustworthiness" => {
            let points = read(&job.points.ok_or("`points` is missing")?, job.rows, 2)?;
            let found = trustworthiness(&data, &points, 5)?;
            (points, json!({ "seconds": start.elapsed().as_secs_f64(), "trustworthiness": found }))
        }
        other => return Err(format!("no job {other}").into()),
    };
    if let Some(output) = job.output {
        std::fs::write(output, points.values().iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    println!("{found}");
    Ok(())
}

fn read(path: &Path, rows: usize, columns: usize) -> Result<Matrix, Failure> {
    let bytes = std::fs::read(path)?;
    let values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok(Matrix::new(values, rows, columns)?)
}
