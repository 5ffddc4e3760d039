use maud::{Markup, html};

use super::scale::Scale;
use super::{CHARACTER, Size, colour, extent, legend, nothing, plain_entries, round};
use crate::format;
use crate::section::Bars;

/// Categories beyond this are left out of the drawing, with a word on it.
const MOST_CATEGORIES: usize = 200;
const THICKEST: f64 = 72.0;
const LONGEST_LABEL: usize = 28;

/// Draws values per category: standing where all labels fit side by side or are numbers, lying otherwise.
pub(crate) fn bars(title: &str, bars: &Bars, size: Size) -> Markup {
    let all = bars.series.iter().map(|series| series.values.len()).max().unwrap_or(0);
    let (low, high) = extent(bars.series.iter().flat_map(|series| series.values.iter().copied()));
    if all == 0 || low > high {
        return nothing();
    }
    let count = all.min(MOST_CATEGORIES);
    // Bars compare by their length, so that they start at zero.
    let range = (low.min(0.0), high.max(0.0));
    let longest = bars.labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let numeric = !bars.labels.is_empty() && bars.labels.iter().all(|label| label.trim().parse::<f64>().is_ok());
    let standing = numeric || (longest as f64 + 2.0) * CHARACTER * count as f64 <= size.width() - 60.0;
    html! {
        figure class=(size.class()) {
            figcaption {
                @if bars.series.len() > 1 { (legend(&plain_entries(bars.series.iter().map(|series| &series.name)))) }
                @if !bars.y_label.is_empty() { span class="y-label" { (bars.y_label) } }
            }
            div class="canvas" {
                @if standing { (stand(title, bars, count, range, size)) } @else { (lie(title, bars, count, range, longest, size)) }
            }
            @if all > count { p class="nothing" { "The first " (count) " of " (format::count(all as u64)) " categories." } }
        }
    }
}

fn stand(title: &str, bars: &Bars, count: usize, range: (f64, f64), size: Size) -> Markup {
    let (top, bottom) = (12.0, size.height() - 28.0);
    let y = Scale::new((range.0 * 1.05, range.1 * 1.05), (bottom, top), false);
    let ticks = y.ticks(false);
    let left = 12.0 + CHARACTER * ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(1) as f64;
    let right = size.width() - 14.0;
    let slot = (right - left) / count as f64;
    let gap = if slot > 6.0 { 0.22 } else { 0.08 };
    let thick = (slot * (1.0 - gap) / bars.series.len() as f64).min(THICKEST);
    let group = thick * bars.series.len() as f64;
    let longest = bars.labels.iter().map(|label| label.chars().count()).max().unwrap_or(1) as f64;
    let stride = ((longest + 2.0) * CHARACTER / slot).ceil().max(1.0) as usize;
    html! {
        svg viewBox=(format!("0 0 {} {}", size.width(), size.height())) role="img" aria-label=(title) {
            g class="axes" {
                @for (value, label) in &ticks {
                    @let at = round(y.at(*value));
                    path class="grid" d=(format!("M{} {at}H{}", round(left), round(right))) {}
                    text x=(round(left - 8.0)) y=(at) dy="0.32em" text-anchor="end" { (label) }
                }
                @for (index, label) in bars.labels.iter().take(count).enumerate().step_by(stride) {
                    text x=(round(left + slot * (index as f64 + 0.5))) y=(round(bottom + 18.0)) text-anchor="middle" { (label) }
                }
            }
            @for (series_index, series) in bars.series.iter().enumerate() {
                g class=(colour(series_index)) {
                    @for (index, value) in finite(&series.values, count) {
                        @let x = left + slot * (index as f64 + 0.5) - group / 2.0 + thick * series_index as f64;
                        @let (from, to) = ordered(y.at(0.0), y.at(value));
                        rect class="bar" x=(round(x)) y=(round(from)) width=(round(thick.max(0.5))) height=(round(to - from)) {
                            title { (describe(bars, series_index, index, value)) }
                        }
                    }
                }
            }
            path class="axis" d=(format!("M{} {}H{}", round(left), round(y.at(0.0)), round(right))) {}
        }
    }
}

fn lie(title: &str, bars: &Bars, count: usize, range: (f64, f64), longest: usize, size: Size) -> Markup {
    const THICK: f64 = 16.0;
    let slot = THICK * bars.series.len() as f64 + 8.0;
    let left = 16.0 + CHARACTER * longest.min(LONGEST_LABEL) as f64;
    // Room for the value at the end of the longest bar.
    let x = Scale::new(range, (left, size.width() - 66.0), false);
    let height = slot * count as f64 + 8.0;
    html! {
        svg viewBox=(format!("0 0 {} {height}", size.width())) role="img" aria-label=(title) {
            @for (index, label) in bars.labels.iter().take(count).enumerate() {
                text x=(round(left - 8.0)) y=(round(slot * (index as f64 + 0.5) + 4.0)) dy="0.32em" text-anchor="end" {
                    @if label.chars().count() > LONGEST_LABEL {
                        (label.chars().take(LONGEST_LABEL - 1).collect::<String>()) "…"
                    } @else { (label) }
                }
            }
            @for (series_index, series) in bars.series.iter().enumerate() {
                g class=(colour(series_index)) {
                    @for (index, value) in finite(&series.values, count) {
                        @let y = slot * index as f64 + 8.0 + THICK * series_index as f64;
                        @let (from, to) = ordered(x.at(0.0), x.at(value));
                        rect class="bar" x=(round(from)) y=(round(y)) width=(round(to - from)) height=(THICK - 2.0) {
                            title { (describe(bars, series_index, index, value)) }
                        }
                        text x=(round(to + 6.0)) y=(round(y + THICK / 2.0 - 1.0)) dy="0.35em" { (format::number(value)) }
                    }
                }
            }
            path class="axis" d=(format!("M{} 2V{}", round(x.at(0.0)), round(height - 2.0))) {}
        }
    }
}

fn finite(values: &[f64], count: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
    values.iter().copied().take(count).enumerate().filter(|(_, value)| value.is_finite())
}

fn ordered(one: f64, other: f64) -> (f64, f64) {
    (one.min(other), one.max(other))
}

fn describe(bars: &Bars, series: usize, index: usize, value: f64) -> String {
    let label = bars.labels.get(index).cloned().unwrap_or_else(|| index.to_string());
    let name = &bars.series[series].name;
    let name = if name.is_empty() { String::new() } else { format!("{name}, ") };
    format!("{name}{label}: {}", format::number(value))
}
