use maud::{Markup, html};
use serde::Serialize;

use super::scale::Scale;
use super::thin::{running_mean, thin};
use super::{COLOURS, Entry, Frame, PathData, Size, colour, data, extent, legend, nothing, round, short};
use crate::format;
use crate::section::{LinePlot, LineStyle, Mark, Series};

/// Curves shorter than this are not smoothed: every point can be seen.
const FEWEST_TO_SMOOTH: usize = 40;
/// Curves longer than this get no dots.
const MOST_MARKERS: usize = 60;
/// Curves this short get dots in any case: a line of one point could not be seen.
const FEW_POINTS: usize = 3;
/// A range of positive values this wide can be switched to a logarithmic axis.
const WORTH_A_LOGARITHM: f64 = 2.5;

/// A series as it is drawn: thinned, and smoothed where asked for.
struct Curve<'a> {
    series: &'a Series,
    colour: usize,
    x: Vec<f64>,
    y: Vec<f64>,
    smooth: Option<Vec<f64>>,
    /// Whether a gap (values that are not finite) lies before a point.
    gaps: Vec<bool>,
    /// The heights that should be in view.
    extent: (f64, f64),
    markers: bool,
}

/// What the script reads out.
#[derive(Serialize)]
struct ReadOut<'a> {
    label: &'a str,
    series: Vec<ReadOutSeries<'a>>,
}

#[derive(Serialize)]
struct ReadOutSeries<'a> {
    name: &'a str,
    colour: usize,
    x: Vec<Option<f64>>,
    y: Vec<Option<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    smooth: Option<Vec<Option<f64>>>,
}

/// Draws curves; with a switch between a linear and a logarithmic axis where the values call for one.
pub(crate) fn line_plot(title: &str, plot: &LinePlot, size: Size) -> Markup {
    let curves: Vec<Curve> =
        plot.series.iter().enumerate().filter_map(|(index, series)| Curve::new(series, index, size)).collect();
    if curves.is_empty() {
        return nothing();
    }
    let x = extent(curves.iter().flat_map(|curve| curve.x.iter().copied()).chain(plot.marks.iter().map(|mark| mark.x)));
    let edges = curves.iter().flat_map(|curve| [curve.extent.0, curve.extent.1]);
    let y = extent(edges.chain(plot.marks.iter().filter_map(|mark| mark.y)));
    let not_finite = plot.series.iter().flat_map(|series| &series.y).filter(|value| !value.is_finite()).count() as u64;
    let smallest = curves.iter().flat_map(|curve| curve.y.iter().copied()).fold(f64::INFINITY, f64::min);
    let switch = smallest > 0.0 && y.1 / y.0 >= WORTH_A_LOGARITHM;
    let start_log = plot.log_y && smallest > 0.0;
    let entries: Vec<_> = curves.iter().map(Curve::entry).collect();
    let draw = |log| {
        // A band or a mark at or below zero has no place on a logarithmic axis.
        let y = if log { (y.0.max(smallest), y.1) } else { y };
        drawing(title, plot, &curves, x, y, log, size)
    };
    let read_out = ReadOut { label: &plot.x_label, series: curves.iter().map(Curve::read_out).collect() };
    html! {
        figure class=(size.class()) {
            figcaption {
                @if curves.len() > 1 || !curves[0].series.name.is_empty() { (legend(&entries)) }
                @if !plot.y_label.is_empty() { span class="y-label" { (plot.y_label) } }
                @if switch {
                    label class="switch" { input type="checkbox" checked[start_log]; span { "log" } }
                }
            }
            div class="canvas" {
                @if switch || !start_log { (draw(false)) }
                @if switch || start_log { (draw(true)) }
            }
            @if not_finite > 0 { p class="nothing" { (format::count(not_finite)) " value(s) were not finite and leave gaps." } }
            (data("lines", &read_out))
        }
    }
}

fn drawing(
    title: &str,
    plot: &LinePlot,
    curves: &[Curve],
    x: (f64, f64),
    y: (f64, f64),
    log: bool,
    size: Size,
) -> Markup {
    let frame = Frame::new(size, x, with_room(y, log), log, !plot.x_label.is_empty());
    let whole = curves.iter().all(|curve| curve.x.iter().all(|x| x.fract() == 0.0));
    html! {
        svg class=(if log { "log" } else { "linear" }) viewBox=(frame.view_box()) role="img" aria-label=(title) {
            (frame.axes(&plot.x_label, whole))
            (frame.clipped(html! {
                @for curve in curves { (curve.draw(&frame.x, &frame.y)) }
            }))
            @for curve in curves.iter().filter(|curve| curve.markers) { (curve.dots(&frame.x, &frame.y)) }
            @for mark in &plot.marks { (draw_mark(mark, &frame)) }
        }
    }
}

/// Room above and below the curves. A range that starts near zero starts at zero.
fn with_room((low, high): (f64, f64), log: bool) -> (f64, f64) {
    if low >= high {
        return (low, high);
    }
    if log {
        let room = (0.05 * (high.ln() - low.ln())).exp();
        return (low / room, high * room);
    }
    let room = (high - low) * 0.06;
    let low = if low >= 0.0 && low < 0.12 * high { 0.0 } else { low - room };
    (low, high + room)
}

impl<'a> Curve<'a> {
    /// None where nothing of the series can be drawn.
    fn new(series: &'a Series, index: usize, size: Size) -> Option<Self> {
        let counted: Vec<f64>;
        let all_x = if series.x.is_empty() {
            counted = (0..series.y.len()).map(|index| index as f64).collect();
            &counted
        } else {
            &series.x
        };
        let count = all_x.len().min(series.y.len());
        let (all_x, all_y) = (&all_x[..count], &series.y[..count]);
        let kept = thin(all_x, all_y, size.points());
        if kept.is_empty() {
            return None;
        }
        let all_smooth = series.smooth.then(|| smoothed(all_y)).flatten();
        let pick = |values: &[f64]| kept.iter().map(|index| values[*index]).collect::<Vec<_>>();
        let y = pick(all_y);
        let smooth = all_smooth.as_deref().map(pick);
        let extent = match &smooth {
            Some(smooth) => in_view(all_y, smooth),
            None => extent(y.iter().chain(&series.lower).chain(&series.upper).copied()),
        };
        let markers = kept.len() <= if series.style == LineStyle::Markers { MOST_MARKERS } else { FEW_POINTS };
        let colour = series.colour.unwrap_or(index);
        Some(Self { series, colour, x: pick(all_x), gaps: gaps(all_y, &kept), y, smooth, extent, markers })
    }

    fn entry(&self) -> Entry {
        let last = self.smooth.as_ref().unwrap_or(&self.y).last();
        let remark = last.map(|value| format::number(*value)).unwrap_or_default();
        Entry { name: self.series.name.clone(), remark, colour: self.colour }
    }

    fn read_out(&self) -> ReadOutSeries<'_> {
        let shorten = |values: &[f64]| values.iter().map(|value| short(*value)).collect();
        ReadOutSeries {
            name: &self.series.name,
            colour: self.colour % COLOURS,
            x: self.x.iter().map(|x| Some(*x)).collect(),
            y: shorten(&self.y),
            smooth: self.smooth.as_deref().map(shorten),
        }
    }

    fn draw(&self, x: &Scale, y: &Scale) -> Markup {
        let main = self.smooth.as_ref().unwrap_or(&self.y);
        let class = if self.series.style == LineStyle::Dashed { "line dashed" } else { "line" };
        html! {
            g class=(colour(self.colour)) {
                @if let Some(band) = self.band(x, y) { path class="band" d=(band) {} }
                @if self.smooth.is_some() { path class="line faint" d=(self.path(&self.y, x, y)) {} }
                path class=(class) d=(self.path(main, x, y)) {}
            }
        }
    }

    fn path(&self, values: &[f64], x: &Scale, y: &Scale) -> String {
        let mut path = PathData::default();
        for (index, value) in values.iter().enumerate() {
            let (x, y) = (x.at(self.x[index]), y.at(*value));
            let alone = self.gaps[index] && self.gaps.get(index + 1).is_none_or(|gap| *gap);
            match self.gaps[index] {
                _ if alone => path.dot(x, y),
                true => path.start(x, y),
                false => path.line(x, y),
            }
        }
        path.text
    }

    /// The area between the lower and the upper edge, where there is one value of each a point.
    fn band(&self, x: &Scale, y: &Scale) -> Option<String> {
        let Series { x: all_x, y: all_y, lower, upper, .. } = self.series;
        if lower.is_empty() || lower.len() != all_y.len() || upper.len() != all_y.len() {
            return None;
        }
        let place = |index: usize| all_x.get(index).copied().unwrap_or(index as f64);
        let drawable =
            |index: &usize| place(*index).is_finite() && lower[*index].is_finite() && upper[*index].is_finite();
        let kept: Vec<usize> = (0..all_y.len()).filter(drawable).collect();
        let kept: Vec<usize> = crate::run::evenly(kept.len(), 400).into_iter().map(|index| kept[index]).collect();
        let (first, rest) = kept.split_first()?;
        let mut path = PathData::default();
        // On a logarithmic axis an edge at or below zero lies under the drawing.
        let at = |value: f64| if y.log && value <= 0.0 { y.from } else { y.at(value) };
        path.start(x.at(place(*first)), at(upper[*first]));
        rest.iter().for_each(|index| path.line(x.at(place(*index)), at(upper[*index])));
        kept.iter().rev().for_each(|index| path.line(x.at(place(*index)), at(lower[*index])));
        path.text.push('z');
        Some(path.text)
    }

    fn dots(&self, x: &Scale, y: &Scale) -> Markup {
        let mut path = PathData::default();
        for (at, value) in self.x.iter().zip(&self.y) {
            path.dot(x.at(*at), y.at(*value));
        }
        html! { path class={ "dots " (colour(self.colour)) } d=(path.text) {} }
    }
}

/// The running mean of a curve that is long enough to need one.
pub(crate) fn smoothed(values: &[f64]) -> Option<Vec<f64>> {
    (values.len() >= FEWEST_TO_SMOOTH).then(|| running_mean(values))
}

/// The heights of a noisy curve that should be in view: all of its running mean, and all but the rarest of its own values.
fn in_view(values: &[f64], smooth: &[f64]) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return extent(smooth.iter().copied()) };
    let quantile = |part: f64| sorted[(part * last as f64).round() as usize];
    extent(smooth.iter().copied().chain([quantile(0.005), quantile(0.995)]))
}

fn gaps(values: &[f64], kept: &[usize]) -> Vec<bool> {
    let mut from = 0;
    kept.iter()
        .map(|index| {
            let gap = from == 0 || values[from..*index].iter().any(|value| !value.is_finite());
            from = index + 1;
            gap
        })
        .collect()
}

fn draw_mark(mark: &Mark, frame: &Frame) -> Markup {
    if !frame.x.holds(mark.x) {
        return html! {};
    }
    let x = round(frame.x.at(mark.x));
    let beside = if x > (frame.x.from + frame.x.to) / 2.0 { ("end", -8.0) } else { ("start", 8.0) };
    match mark.y {
        Some(value) if frame.y.holds(value) => {
            let y = round(frame.y.at(value));
            // Above the point where there is room, so that the curve does not run through the words.
            let text_y = if y - frame.y.to > 24.0 { y - 10.0 } else { y + 20.0 };
            html! {
                g class="mark" {
                    circle cx=(x) cy=(y) r="5" {}
                    text x=(x) y=(round(text_y)) text-anchor=(beside.0) { (mark.label) }
                }
            }
        }
        Some(_) => html! {},
        None => html! {
            g class="mark" {
                path d=(format!("M{x} {}V{}", round(frame.y.to), round(frame.y.from))) {}
                text x=(round(x + beside.1)) y=(round(frame.y.to + 12.0)) text-anchor=(beside.0) { (mark.label) }
            }
        },
    }
}
