//! Which reduction, with which settings.

use std::time::Instant;

use burn::tensor::backend::AutodiffBackend;
use generative::task::reduction::{Reduction, ReductionConfig};
use reduce::{Matrix, PcaConfig, Progress, ReduceError, TsneConfig, UmapConfig};
use serde::de::DeserializeOwned;

use super::failed;
use crate::{
    backend::{self, BackendChoice, WithBackend},
    cli::{DeviceArgs, ReduceArgs, ReduceMethod},
    failure::Failure,
};

/// A method with its settings, which are possible.
pub(super) enum Method {
    Pca(PcaConfig),
    Tsne(TsneConfig),
    Umap(UmapConfig),
    /// Trained there.
    Autoencoder(ReductionConfig, BackendChoice),
}

/// Points, and what to say of how they came about.
pub(super) struct Reduced {
    pub points: Matrix,
    pub about: Vec<String>,
}

/// What the command line asks for.
pub(super) fn of(args: &ReduceArgs) -> Result<Method, Failure> {
    let DeviceArgs { backend, device } = args.device;
    let asked = [("--backend", backend.is_some()), ("--device", device.is_some())];
    if let Some((flag, _)) = asked.iter().find(|(_, is_given)| *is_given && args.method != ReduceMethod::Autoencoder) {
        return Err(Failure::user(format!(
            "`{flag}` is for `--method autoencoder`: the other methods run on the CPU; leave it out"
        )));
    }
    let method = match args.method {
        ReduceMethod::Pca => Method::Pca(settings(args)?),
        ReduceMethod::Tsne => Method::Tsne(settings(args)?),
        ReduceMethod::Umap => Method::Umap(settings(args)?),
        ReduceMethod::Autoencoder => Method::Autoencoder(settings(args)?, BackendChoice::new(backend, device)?),
    };
    let wrong = match &method {
        Method::Pca(config) => config.validate(),
        Method::Tsne(config) => config.validate(),
        Method::Umap(config) => config.validate(),
        Method::Autoencoder(config, _) => config.validate(),
    };
    match wrong.into_iter().next() {
        Some((key, message)) => Err(Failure::user(format!("`{key}` {message}"))),
        None => Ok(method),
    }
}

/// The flags and `--set KEY=VALUE` as the settings of a method.
fn settings<C: DeserializeOwned>(args: &ReduceArgs) -> Result<C, Failure> {
    let mut table = toml::Table::new();
    table.insert("seed".into(), toml::Value::Integer(args.seed as i64));
    if let Some(components) = args.components {
        table.insert("n_components".into(), toml::Value::Integer(components as i64));
    }
    for set in &args.set {
        let Some((key, value)) = set.split_once('=') else {
            return Err(Failure::user(format!("`--set {set}`: write it as key=value, for example perplexity=50")));
        };
        let read = format!("value = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
        table.insert(key.trim().into(), read.unwrap_or_else(|| toml::Value::String(value.trim().into())));
    }
    toml::Value::Table(table)
        .try_into()
        .map_err(|error| Failure::user(format!("`--set`: {}", error.to_string().trim())))
}

impl Method {
    pub fn title(&self) -> &'static str {
        match self {
            Self::Pca(_) => "PCA",
            Self::Tsne(_) => "t-SNE",
            Self::Umap(_) => "UMAP",
            Self::Autoencoder(..) => "autoencoder",
        }
    }

    /// Whether it looks at distances, which many columns make alike.
    pub fn wants_few_columns(&self) -> bool {
        matches!(self, Self::Tsne(_) | Self::Umap(_))
    }

    pub fn reduce(&self, data: &Matrix, progress: &mut dyn FnMut(Progress)) -> Result<Reduced, Failure> {
        let start = Instant::now();
        let (points, found) = match self {
            Self::Pca(config) => {
                let pca = config.fit(data, progress).map_err(failed)?;
                let shares = &pca.explained_variance_ratio;
                let first: Vec<String> = shares.iter().take(5).map(|share| format!("{:.1} %", 100.0 * share)).collect();
                let more = if shares.len() > 5 { ", …" } else { "" };
                let all = 100.0 * shares.iter().sum::<f64>();
                let found =
                    format!("{} components have {all:.1} % of the variance ({}{more})", shares.len(), first.join(", "));
                (pca.transform(data).map_err(failed)?, found)
            }
            Self::Tsne(config) => {
                let tsne = config.fit(data, progress).map_err(failed)?;
                (tsne.points, format!("{} iterations, KL divergence {:.4}", tsne.iterations, tsne.divergence))
            }
            Self::Umap(config) => {
                let umap = config.fit(data, progress).map_err(failed)?;
                (umap.points, format!("{} epochs", umap.epochs))
            }
            Self::Autoencoder(config, choice) => {
                let Reduction { points, explained } =
                    backend::dispatch(choice, Training { config, data, progress })?.map_err(failed)?;
                let share = 100.0 * explained;
                (points, format!("{} epochs on {choice}, {share:.1} % of the variance is rebuilt", config.epochs))
            }
        };
        let about = vec![format!("{}: {found}, {:.1} s", self.title(), start.elapsed().as_secs_f64())];
        Ok(Reduced { points, about })
    }
}

/// The training of an autoencoder.
struct Training<'a> {
    config: &'a ReductionConfig,
    data: &'a Matrix,
    progress: &'a mut dyn FnMut(Progress),
}

impl WithBackend for Training<'_> {
    type Output = Result<Reduction, ReduceError>;

    fn run<B: AutodiffBackend>(self, device: B::Device) -> Self::Output {
        self.config.fit::<B>(self.data, &device, self.progress)
    }
}
