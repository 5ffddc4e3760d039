//! Plots as inline SVG. Colours are CSS classes, so that a page follows the reader's light or dark scheme; numbers for the read-out under
//! the pointer travel beside the drawing as JSON.

mod bars;
mod heatmap;
mod line;
mod scale;
mod scatter;
mod thin;

use std::fmt::Write;

use maud::{Markup, PreEscaped, html};
use serde::Serialize;

pub(crate) use bars::bars;
pub(crate) use heatmap::heatmap;
pub(crate) use line::{line_plot, smoothed};
pub(crate) use scatter::{MOST_POINTS, scatter};

use scale::Scale;

/// The width of a character of an axis label, in the drawing's own units.
const CHARACTER: f64 = 6.6;
const LARGEST: f64 = 1e300;
/// Series beyond these colours start over.
const COLOURS: usize = 10;

/// The room that a plot gets on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// The full width of the page.
    Wide,
    /// The full width, for a curve that matters less.
    Low,
    /// Half the width.
    Half,
    /// For points in the plane, whose both directions count alike.
    Plane,
}

impl Size {
    fn width(self) -> f64 {
        match self {
            Self::Wide | Self::Low => 1000.0,
            Self::Half => 488.0,
            Self::Plane => 760.0,
        }
    }

    fn height(self) -> f64 {
        match self {
            Self::Wide => 320.0,
            Self::Low | Self::Half => 220.0,
            Self::Plane => 560.0,
        }
    }

    /// The classes of a figure of this size.
    fn class(self) -> &'static str {
        match self {
            Self::Wide | Self::Low => "plot wide",
            Self::Half => "plot",
            Self::Plane => "plot plane",
        }
    }

    /// How many points of a curve are worth drawing.
    fn points(self) -> usize {
        match self {
            Self::Half => 280,
            _ => 600,
        }
    }
}

/// The class that gives an element the colour of series `index`.
fn colour(index: usize) -> String {
    format!("c{}", index % COLOURS)
}

/// The smallest and the largest finite value; an empty range where there is none.
fn extent(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values
        .into_iter()
        .filter(|value| value.is_finite())
        // Between limits this wide there is still a difference that is a number.
        .map(|value| value.clamp(-LARGEST, LARGEST))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

/// The drawing area inside its axes.
struct Frame {
    width: f64,
    height: f64,
    x: Scale,
    y: Scale,
}

impl Frame {
    fn new(size: Size, x: (f64, f64), y: (f64, f64), log_y: bool, labelled: bool) -> Self {
        const TOP: f64 = 10.0;
        const RIGHT: f64 = 14.0;
        let bottom = size.height() - if labelled { 40.0 } else { 26.0 };
        let y = Scale::new(y, (bottom, TOP), log_y);
        let longest = y.ticks(false).iter().map(|(_, label)| label.chars().count()).max().unwrap_or(1);
        let left = 12.0 + CHARACTER * longest as f64;
        let x = Scale::new(x, (left, size.width() - RIGHT), false);
        Self { width: size.width(), height: size.height(), x, y }
    }

    fn view_box(&self) -> String {
        format!("0 0 {} {}", self.width, self.height)
    }

    /// Grid lines, tick labels and the name of the horizontal axis.
    fn axes(&self, x_label: &str, whole_x: bool) -> Markup {
        let (left, right, bottom, top) = (self.x.from, self.x.to, self.y.from, self.y.to);
        html! {
            g class="axes" {
                @for (value, label) in self.y.ticks(false) {
                    @let y = round(self.y.at(value));
                    path class="grid" d=(format!("M{} {y}H{}", round(left), round(right))) {}
                    text x=(round(left - 8.0)) y=(y) dy="0.32em" text-anchor="end" { (label) }
                }
                @for (value, label) in self.x.ticks(whole_x) {
                    @let x = round(self.x.at(value));
                    path class="tick" d=(format!("M{x} {}v4", round(bottom))) {}
                    text x=(x) y=(round(bottom + 17.0)) text-anchor="middle" { (label) }
                }
                path class="axis" d=(format!("M{} {}H{}", round(left), round(bottom), round(right))) {}
                @if !x_label.is_empty() {
                    text class="label" x=(round((left + right) / 2.0)) y=(round(bottom + 34.0)) text-anchor="middle" { (x_label) }
                }
            }
            // The script turns the pointer's place into values with these.
            g class="read-out" data-x=(place(&self.x)) data-y=(place(&self.y)) data-top=(top) {}
        }
    }

    /// Shows only what lies inside the axes. A nested drawing clips without the document-wide name that a clip path would need.
    fn clipped(&self, content: Markup) -> Markup {
        let (left, right, bottom, top) = (self.x.from, self.x.to, self.y.from, self.y.to);
        let (width, height) = (round(right - left), round(bottom - top));
        let (left, top) = (round(left), round(top));
        html! {
            svg x=(left) y=(top) width=(width) height=(height) viewBox=(format!("{left} {top} {width} {height}")) { (content) }
        }
    }
}

fn place(scale: &Scale) -> String {
    format!("{} {} {} {} {}", scale.low, scale.high, scale.from, scale.to, u8::from(scale.log))
}

/// A coordinate with one decimal. Values at the edge of what a number can hold end up at the edge of the drawing.
fn round(value: f64) -> f64 {
    if value.is_finite() { (value * 10.0).round() / 10.0 } else { 0.0 }
}

/// A path in tenths of a unit with relative steps, about half the size of absolute ones.
#[derive(Default)]
struct PathData {
    text: String,
    at: (i64, i64),
}

impl PathData {
    fn tenths(value: f64) -> i64 {
        // Far beyond any drawing, yet safe to subtract.
        (value * 10.0).round().clamp(-1e7, 1e7) as i64
    }

    fn number(&mut self, tenths: i64) {
        // After a digit, a minus sign separates as well as a blank does.
        if tenths >= 0 && self.text.ends_with(|last: char| last.is_ascii_digit()) {
            self.text.push(' ');
        }
        if tenths < 0 {
            self.text.push('-');
        }
        let (whole, part) = (tenths.abs() / 10, tenths.abs() % 10);
        // Writing to a string cannot fail.
        let _ = if part == 0 { write!(self.text, "{whole}") } else { write!(self.text, "{whole}.{part}") };
    }

    fn start(&mut self, x: f64, y: f64) {
        self.at = (Self::tenths(x), Self::tenths(y));
        self.text.push('M');
        self.number(self.at.0);
        self.number(self.at.1);
    }

    fn line(&mut self, x: f64, y: f64) {
        let to = (Self::tenths(x), Self::tenths(y));
        self.text.push('l');
        self.number(to.0 - self.at.0);
        self.number(to.1 - self.at.1);
        self.at = to;
    }

    /// With round line ends a line of no length is a dot.
    fn dot(&mut self, x: f64, y: f64) {
        self.start(x, y);
        self.text.push_str("h0");
    }
}

/// An entry of a legend.
struct Entry {
    name: String,
    /// Such as the last value; may be empty.
    remark: String,
    colour: usize,
}

fn legend(entries: &[Entry]) -> Markup {
    html! {
        span class="legend" {
            @for entry in entries {
                span class=(colour(entry.colour)) {
                    i {} (entry.name)
                    @if !entry.remark.is_empty() { " " small { (entry.remark) } }
                }
            }
        }
    }
}

/// Legend entries for series that are told apart by their position and carry no remark.
fn plain_entries<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Entry> {
    names.enumerate().map(|(colour, name)| Entry { name: name.clone(), remark: String::new(), colour }).collect()
}

/// Data for the script. Inside a script element only `<` could end it or begin a comment.
fn data(kind: &str, value: &impl Serialize) -> Markup {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".into()).replace('<', "\\u003c");
    html! { script type="application/json" data-kind=(kind) { (PreEscaped(json)) } }
}

/// Five significant digits: enough to read off, and half the size.
fn short(value: f64) -> Option<f64> {
    if !value.is_finite() {
        return None;
    }
    if value == 0.0 || (value.fract() == 0.0 && value.abs() < 1e15) {
        return Some(value);
    }
    format!("{value:.4e}").parse().ok()
}

fn nothing() -> Markup {
    html! { p class="nothing" { "Nothing to plot yet." } }
}
