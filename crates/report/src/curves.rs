//! Which plots the metrics of one or more runs make.

use std::collections::BTreeMap;

use crate::format;
use crate::run::Run;
use crate::section::{Body, LinePlot, LineStyle, Mark, Section, Series};

/// Plots beyond this are left out of the page.
const MOST_PLOTS: usize = 40;

/// A plot of the page, and what it is of.
pub(crate) struct Curve {
    pub section: Section,
    pub rank: Rank,
}

/// The order of the plots: what says how well it goes, then how training behaves, then how fast it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Loss,
    OtherLoss,
    Score,
    Other,
    LearningRate,
    GradientNorm,
    Throughput,
}

impl Rank {
    fn of(plot: &str, scored: bool) -> Self {
        match plot {
            "loss" => Self::Loss,
            "lr" | "learning_rate" => Self::LearningRate,
            "grad_norm" => Self::GradientNorm,
            _ if plot.ends_with("_per_second") => Self::Throughput,
            _ if plot.contains("loss") => Self::OtherLoss,
            _ if scored => Self::Score,
            _ => Self::Other,
        }
    }
}

/// The plots of one run, most important first, and how many had to be left out.
///
/// Training and validation values of one metric share a plot, and so do metrics named alike up to a slash: `loss/generator` and
/// `loss/discriminator`. What never changes beside what does is a line to hold the others against: `mse/naive` beside `mse`.
pub(crate) fn of_run(run: &Run) -> (Vec<Curve>, usize) {
    let best = run.best();
    let mut plots: Vec<Curve> = plots(&[run])
        .into_iter()
        .map(|(plot, metrics)| {
            let scored = metrics.iter().any(|(split, _)| split == "validation");
            let mut series: Vec<Series> = metrics.iter().map(|(split, metric)| of_metric(run, split, metric)).collect();
            mark_references(&mut series);
            if let [only] = series.as_mut_slice() {
                // The heading says it all, except which split it is of; validation keeps the colour it has beside training.
                only.name = if scored { "validation".into() } else { String::new() };
                only.colour = scored.then_some(1);
            }
            let rank = Rank::of(&plot, scored);
            let marks = best
                .iter()
                .filter(|best| best.metric == plot && best.value.is_finite())
                .filter_map(|best| {
                    let label = format!("best {}", format::number(best.value));
                    Some(Mark { x: best.step? as f64, y: Some(best.value), label })
                })
                .collect();
            let line_plot = LinePlot { series, marks, ..LinePlot::default() };
            Curve { section: Section::new(format::heading(&plot), Body::LinePlot(line_plot)), rank }
        })
        .collect();
    plots.sort_by_key(|plot| plot.rank);
    finish(plots)
}

/// The plots of several runs over one another: the same metric of each, one colour a run.
pub(crate) fn of_runs(runs: &[&Run]) -> Vec<Curve> {
    let mut curves = Vec::new();
    for (plot, metrics) in plots(runs) {
        for (split, metric) in metrics {
            let over_one_another =
                runs.iter().map(|run| Series { name: run.name.clone(), ..of_metric(run, &split, &metric) });
            let scored = split == "validation";
            let title = match split.as_str() {
                "train" => format::heading(&metric),
                _ => format!("{} ({split})", format::heading(&metric)),
            };
            let line_plot = LinePlot { series: over_one_another.collect(), ..LinePlot::default() };
            let section = Section::new(title, Body::LinePlot(line_plot));
            curves.push((scored, Curve { section, rank: Rank::of(&plot, scored) }));
        }
    }
    // What was validated comes before the same metric in training.
    curves.sort_by_key(|(scored, curve)| (curve.rank, !scored));
    finish(curves.into_iter().map(|(_, curve)| curve).collect()).0
}

/// Leaves out what a page has no room for, and says how many that were.
fn finish(mut curves: Vec<Curve>) -> (Vec<Curve>, usize) {
    drop_redundant_throughput(&mut curves);
    if let Some(first) = curves.first_mut()
        && let Body::LinePlot(plot) = &mut first.section.body
    {
        // One axis says it for all below.
        plot.x_label = "step".into();
    }
    let left_out = curves.len().saturating_sub(MOST_PLOTS);
    curves.truncate(MOST_PLOTS);
    (curves, left_out)
}

/// The metrics of every plot: the plot's name, then (split, metric) in the order of training, validation.
fn plots(runs: &[&Run]) -> BTreeMap<String, Vec<(String, String)>> {
    let mut plots: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for record in runs.iter().flat_map(|run| &run.records) {
        // Test scores and those of averaged weights are single values: they are in the table.
        if ["test", "average"].contains(&record.split.as_str()) {
            continue;
        }
        for metric in record.metrics.keys() {
            let (plot, _) = plot_and_part(metric);
            if !plots.contains_key(plot) {
                plots.insert(plot.into(), Vec::new());
            }
            let Some(metrics) = plots.get_mut(plot) else { continue };
            if !metrics.iter().any(|(split, known)| *split == record.split && known == metric) {
                metrics.push((record.split.clone(), metric.clone()));
            }
        }
    }
    for metrics in plots.values_mut() {
        metrics.sort();
    }
    plots
}

/// The plot that a metric belongs to, and what tells it from the others there.
fn plot_and_part(metric: &str) -> (&str, Option<&str>) {
    // The loop logs the rates of several optimisers as `lr_generator` and `lr_discriminator`.
    match metric.split_once('/').or_else(|| Some(("lr", metric.strip_prefix("lr_")?))) {
        Some((plot, part)) => (plot, Some(part)),
        None => (metric, None),
    }
}

fn of_metric(run: &Run, split: &str, metric: &str) -> Series {
    let (x, y) = run.series(split, metric);
    let (plot, part) = plot_and_part(metric);
    let name = match part.map(format::words) {
        Some(part) if split == "train" => part,
        Some(part) => format!("{part} ({split})"),
        None => split.to_owned(),
    };
    let steady = matches!(plot, "lr" | "learning_rate");
    let style = if split == "train" { LineStyle::Line } else { LineStyle::Markers };
    Series { name, x, y, style, smooth: split == "train" && !steady, ..Series::default() }
}

/// Makes reference lines of the scores that never change, where others do.
fn mark_references(series: &mut [Series]) {
    let is_flat = |series: &Series| {
        let scored = series.style == LineStyle::Markers;
        scored && series.y.len() > 1 && series.y.iter().all(|value| *value == series.y[0])
    };
    if series.iter().all(is_flat) {
        return;
    }
    for series in series.iter_mut().filter(|series| is_flat(series)) {
        series.name = series.name.trim_end_matches(" (validation)").to_owned();
        series.style = LineStyle::Dashed;
    }
}

/// Steps per second say nothing beside tokens or images per second.
fn drop_redundant_throughput(plots: &mut Vec<Curve>) {
    let several = plots.iter().filter(|plot| plot.rank == Rank::Throughput).count() > 1;
    plots.retain(|plot| !(several && plot.section.title == format::heading("steps_per_second")));
}
