use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde::Serialize;

use super::{Frame, PathData, Size, colour, data, extent, legend, nothing, plain_entries, short};
use crate::format;
use crate::run::evenly;
use crate::section::{PointSeries, Scatter};

/// More points than this are thinned in a report: they would only lie on one another.
pub(crate) const MOST_POINTS: usize = 4000;

#[derive(Serialize)]
struct ReadOut<'a> {
    x: &'a str,
    y: &'a str,
    series: Vec<ReadOutSeries<'a>>,
}

#[derive(Serialize)]
struct ReadOutSeries<'a> {
    name: &'a str,
    x: Vec<Option<f64>>,
    y: Vec<Option<f64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<&'a str>,
    /// Base64 of PNG files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pictures: Vec<String>,
}

/// Draws points in the plane, about `most` of them at most.
pub(crate) fn scatter(title: &str, plot: &Scatter, most: usize) -> Markup {
    let size = Size::Plane;
    let all: usize = plot.series.iter().map(|series| series.x.len().min(series.y.len())).sum();
    let kept: Vec<Vec<usize>> = plot
        .series
        .iter()
        .map(|series| {
            let count = series.x.len().min(series.y.len());
            // Every series gives in proportion, and none vanishes.
            let share = (count * most).div_ceil(all.max(1)).max(2);
            let is_finite = |index: &usize| series.x[*index].is_finite() && series.y[*index].is_finite();
            evenly(count, share).into_iter().filter(is_finite).collect()
        })
        .collect();
    let points = |(series, kept): (&PointSeries, &Vec<usize>)| {
        kept.iter().map(|index| (series.x[*index], series.y[*index])).collect()
    };
    let groups: Vec<Vec<(f64, f64)>> = plot.series.iter().zip(&kept).map(points).collect();
    let shown: usize = groups.iter().map(Vec::len).sum();
    if shown == 0 {
        return nothing();
    }
    let x = with_room(extent(groups.iter().flatten().map(|point| point.0)));
    let y = with_room(extent(groups.iter().flatten().map(|point| point.1)));
    let frame = Frame::new(size, x, y, false, !plot.x_label.is_empty());
    let read_out = ReadOut {
        x: &plot.x_label,
        y: &plot.y_label,
        series: plot
            .series
            .iter()
            .zip(groups.iter().zip(&kept))
            .map(|(series, (points, kept))| ReadOutSeries {
                name: &series.name,
                x: points.iter().map(|point| short(point.0)).collect(),
                y: points.iter().map(|point| short(point.1)).collect(),
                names: kept.iter().filter_map(|index| series.names.get(*index)).map(String::as_str).collect(),
                pictures: kept
                    .iter()
                    .filter_map(|index| series.pictures.get(*index))
                    .map(|picture| STANDARD.encode(&picture.0))
                    .collect(),
            })
            .collect(),
    };
    html! {
        figure class=(size.class()) {
            figcaption {
                @if plot.series.iter().any(|series| !series.name.is_empty()) { (legend(&plain_entries(plot.series.iter().map(|series| &series.name)))) }
                @if !plot.y_label.is_empty() { span class="y-label" { (plot.y_label) } }
            }
            div class="canvas" {
                svg viewBox=(frame.view_box()) role="img" aria-label=(title) {
                    (frame.axes(&plot.x_label, false))
                    @for (index, points) in groups.iter().enumerate() {
                        path class={ "points " (colour(index)) @if shown > 800 { " many" } } d=(dots(points, &frame)) {}
                    }
                }
            }
            @if shown < all { p class="nothing" { (format::count(shown as u64)) " of " (format::count(all as u64)) " points." } }
            (data("points", &read_out))
        }
    }
}

fn dots(points: &[(f64, f64)], frame: &Frame) -> String {
    let mut path = PathData::default();
    for (x, y) in points {
        path.dot(frame.x.at(*x), frame.y.at(*y));
    }
    path.text
}

fn with_room((low, high): (f64, f64)) -> (f64, f64) {
    let room = (high - low) * 0.05;
    (low - room, high + room)
}
