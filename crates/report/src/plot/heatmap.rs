use maud::{Markup, html};
use serde::Serialize;

use super::{CHARACTER, data, extent, nothing, round, short};
use crate::format;
use crate::section::Heatmap;

/// Grids with more rows or columns are averaged down to this for the drawing.
const MOST_CELLS: usize = 96;
/// Grids with more rows or columns show colours alone.
const MOST_WITH_NUMBERS: usize = 14;
/// Steps of colour of a large grid; few enough that neighbours often share one.
const SHADES: i32 = 24;
const LARGEST_SIDE: f64 = 560.0;

#[derive(Serialize)]
struct ReadOut<'a> {
    rows: &'a [String],
    columns: &'a [String],
    values: Vec<Vec<Option<f64>>>,
    /// How many of the original rows and columns one cell stands for.
    pool: (usize, usize),
    /// Left, top, width and height of a cell.
    cell: (f64, f64, f64, f64),
}

/// Draws a grid of values. Zero is the page's own colour, so that light and dark come out alike.
pub(crate) fn heatmap(title: &str, map: &Heatmap) -> Markup {
    let width = map.values.iter().map(Vec::len).max().unwrap_or(0);
    let (low, high) = extent(map.values.iter().flatten().copied());
    if width == 0 || low > high {
        return nothing();
    }
    let pool = (map.values.len().div_ceil(MOST_CELLS), width.div_ceil(MOST_CELLS));
    let cells = pooled(&map.values, width, pool);
    let (height, width) = (cells.len(), width.div_ceil(pool.1));
    let longest =
        |labels: &[String]| labels.iter().map(|label| label.chars().count().min(24)).max().unwrap_or(0) as f64;
    let tilted = longest(&map.columns) * CHARACTER > LARGEST_SIDE / width as f64 - 6.0;
    let side = (LARGEST_SIDE / width.max(height) as f64).clamp(3.0, 56.0);
    let left = 16.0 + longest(&map.rows) * CHARACTER + if map.y_label.is_empty() { 0.0 } else { 20.0 };
    let above = if tilted { longest(&map.columns) * CHARACTER * 0.75 + 14.0 } else { 24.0 };
    let top = above + if map.x_label.is_empty() { 0.0 } else { 18.0 };
    // Tilted labels lean over the right edge.
    let over = if tilted { longest(&map.columns) * CHARACTER * 0.75 } else { 4.0 };
    let (right, bottom) = (left + side * width as f64, top + side * height as f64);
    let (full_width, full_height) = (round(right + over + 8.0), round(bottom + 8.0));
    let shade = Shade { low, high };
    let grid = Grid { cells: &cells, left, top, side, shade };
    let read_out = ReadOut {
        rows: &map.rows,
        columns: &map.columns,
        values: cells.iter().map(|row| row.iter().map(|value| short(*value)).collect()).collect(),
        pool,
        cell: (round(left), round(top), side, side),
    };
    html! {
        figure class="plot heat" {
            div class="canvas" {
                svg viewBox=(format!("0 0 {full_width} {full_height}")) role="img" aria-label=(title)
                    style=(format!("max-width:{}px", full_width.ceil())) {
                    @if !map.x_label.is_empty() {
                        text class="label" x=(round((left + right) / 2.0)) y="14" text-anchor="middle" { (map.x_label) }
                    }
                    @if !map.y_label.is_empty() {
                        @let y = round((top + bottom) / 2.0);
                        text class="label" x="12" y=(y) text-anchor="middle" transform=(format!("rotate(-90 12 {y})")) { (map.y_label) }
                    }
                    (column_labels(map, &grid, pool.1, tilted))
                    @for (row, label) in map.rows.iter().step_by(pool.0).enumerate().step_by(stride(side)) {
                        text x=(round(left - 8.0)) y=(round(grid.y(row) + side / 2.0)) dy="0.32em" text-anchor="end" { (clip(label)) }
                    }
                    @if width.max(height) <= MOST_WITH_NUMBERS { (grid.with_numbers()) } @else { (grid.by_shade()) }
                    path class="axis" fill="none"
                        d=(format!("M{} {}H{}V{}H{}z", round(left), round(top), round(right), round(bottom), round(left))) {}
                    g class="read-out" {}
                }
            }
            p class="scale" {
                span { (format::number(low)) } i class={ "ramp" @if low < 0.0 { " diverging" } } {} span { (format::number(high)) }
                @if pool != (1, 1) { small { "Averaged over " (pool.0) " × " (pool.1) " values a cell." } }
            }
            (data("grid", &read_out))
        }
    }
}

fn column_labels(map: &Heatmap, grid: &Grid, pool: usize, tilted: bool) -> Markup {
    let y = round(grid.top - 8.0);
    html! {
        @for (column, label) in map.columns.iter().step_by(pool).enumerate().step_by(stride(grid.side)) {
            @let x = round(grid.x(column) + grid.side / 2.0);
            @if tilted {
                text x=(x) y=(y) transform=(format!("rotate(-45 {x} {y})")) { (clip(label)) }
            } @else {
                text x=(x) y=(y) text-anchor="middle" { (clip(label)) }
            }
        }
    }
}

/// Every how many-th label fits beside cells of this size.
fn stride(side: f64) -> usize {
    (14.0 / side).ceil().max(1.0) as usize
}

fn clip(label: &str) -> String {
    if label.chars().count() <= 24 { label.into() } else { label.chars().take(23).chain(['…']).collect() }
}

/// Averages over blocks; a value that is not finite counts in no average.
fn pooled(values: &[Vec<f64>], width: usize, (rows, columns): (usize, usize)) -> Vec<Vec<f64>> {
    values
        .chunks(rows)
        .map(|block| {
            (0..width)
                .step_by(columns)
                .map(|from| {
                    let cells = block.iter().flat_map(|row| row.iter().skip(from).take(columns));
                    let (sum, count) = cells
                        .filter(|value| value.is_finite())
                        .fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
                    if count == 0 { f64::NAN } else { sum / count as f64 }
                })
                .collect()
        })
        .collect()
}

/// How strongly a value is coloured: from zero, or from the lowest value where all are far from zero.
#[derive(Clone, Copy)]
struct Shade {
    low: f64,
    high: f64,
}

impl Shade {
    /// From -1 to 1; the sign picks the hue.
    fn of(self, value: f64) -> f64 {
        let largest = self.low.abs().max(self.high.abs());
        if largest == 0.0 {
            0.0
        } else if self.low < 0.0 {
            value / largest
        } else {
            let floor = if self.low > 0.5 * self.high { self.low } else { 0.0 };
            if self.high > floor { (value - floor) / (self.high - floor) } else { 1.0 }
        }
    }
}

struct Grid<'a> {
    cells: &'a [Vec<f64>],
    left: f64,
    top: f64,
    side: f64,
    shade: Shade,
}

impl Grid<'_> {
    fn x(&self, column: usize) -> f64 {
        self.left + self.side * column as f64
    }

    fn y(&self, row: usize) -> f64 {
        self.top + self.side * row as f64
    }

    fn with_numbers(&self) -> Markup {
        let font = (self.side * 0.3).clamp(9.0, 13.0);
        html! {
            @for (row, values) in self.cells.iter().enumerate() {
                @for (column, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                    @let shade = self.shade.of(*value);
                    rect class=(if shade < 0.0 { "cell below" } else { "cell" }) fill-opacity=(format!("{:.2}", shade.abs()))
                        x=(round(self.x(column))) y=(round(self.y(row))) width=(round(self.side)) height=(round(self.side)) {}
                    @let class = if shade.abs() > 0.7 { "on" } else { "off" };
                    text class=(class) font-size=(round(font)) text-anchor="middle" dy="0.35em"
                        x=(round(self.x(column) + self.side / 2.0)) y=(round(self.y(row) + self.side / 2.0)) { (in_cell(*value)) }
                }
            }
        }
    }

    /// One path a shade, one rectangle a run of neighbours of that shade: a tenth of the size of one element a cell.
    fn by_shade(&self) -> Markup {
        let mut paths = vec![String::new(); (2 * SHADES + 1) as usize];
        let shade_of = |value: f64| (self.shade.of(value) * f64::from(SHADES)).round() as i32;
        for (row, values) in self.cells.iter().enumerate() {
            let mut column = 0;
            while column < values.len() {
                let shade = values[column].is_finite().then(|| shade_of(values[column]));
                let run = values[column..]
                    .iter()
                    .take_while(|value| value.is_finite().then(|| shade_of(**value)) == shade)
                    .count();
                if let Some(shade) = shade.filter(|shade| *shade != 0) {
                    let (x, y) = (round(self.x(column)), round(self.y(row)));
                    let (right, bottom) = (round(self.x(column + run)), round(self.y(row + 1)));
                    paths[(shade + SHADES) as usize] += &format!("M{x} {y}H{right}V{bottom}H{x}z");
                }
                column += run.max(1);
            }
        }
        html! {
            g class="cells" {
                @for (index, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
                    @let shade = index as i32 - SHADES;
                    path class=(if shade < 0 { "cell below" } else { "cell" }) d=(path)
                        fill-opacity=(format!("{:.3}", f64::from(shade.abs()) / f64::from(SHADES))) {}
                }
            }
        }
    }
}

/// A cell has room for about four characters.
fn in_cell(value: f64) -> String {
    match value.abs() {
        size if size >= 10_000.0 => format!("{:.0}k", value / 1000.0),
        size if value.fract() == 0.0 || size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
