use maud::{Markup, html};
use serde::Serialize;

use super::{Frame, PathData, Size, colour, data, extent, legend, nothing, plain_entries, short};
use crate::format;
use crate::run::evenly;
use crate::section::Scatter;

/// More points than this are thinned: they would only lie on one another.
const MOST_POINTS: usize = 4000;

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
}

/// Draws points in the plane.
pub(crate) fn scatter(title: &str, plot: &Scatter) -> Markup {
    let size = Size::Plane;
    let all: usize = plot.series.iter().map(|series| series.x.len().min(series.y.len())).sum();
    let groups: Vec<Vec<(f64, f64)>> = plot
        .series
        .iter()
        .map(|series| {
            let points: Vec<_> = series.x.iter().copied().zip(series.y.iter().copied()).collect();
            // Every series gives in proportion, and none vanishes.
            let share = (points.len() * MOST_POINTS).div_ceil(all.max(1)).max(2);
            let kept = evenly(points.len(), share).into_iter().map(|index| points[index]);
            kept.filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
        })
        .collect();
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
            .zip(&groups)
            .map(|(series, points)| ReadOutSeries {
                name: &series.name,
                x: points.iter().map(|point| short(point.0)).collect(),
                y: points.iter().map(|point| short(point.1)).collect(),
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
