//! What a page can show below its fixed parts.
//!
//! A job that wants more on its page than curves and samples (a confusion matrix, a forecast, an attention map) writes
//! `report/<name>.json` into its run folder. The file holds one section, a list of sections, or `{"sections": [...]}`; files are shown
//! in the order of their names. Every section has a `kind`, a `title`, optionally a `caption`, and the fields of its [`Body`]:
//!
//! ```json
//! [
//!   {"kind": "text", "title": "Note", "text": "plain text, shown line for line"},
//!   {"kind": "table", "title": "Per class", "columns": ["class", "recall"], "rows": [["cat", 0.91], ["dog", 0.87]]},
//!   {"kind": "line_plot", "title": "Forecast", "x_label": "hour", "y_label": "load", "series": [
//!     {"name": "truth", "y": [1.0, 1.2, 1.1, 1.4]},
//!     {"name": "forecast", "x": [2, 3], "y": [1.15, 1.3], "lower": [1.0, 1.1], "upper": [1.3, 1.5], "style": "dashed"}],
//!    "marks": [{"x": 2, "label": "forecast starts"}]},
//!   {"kind": "heatmap", "title": "Confusion", "rows": ["cat", "dog"], "columns": ["cat", "dog"], "values": [[91, 9], [13, 87]],
//!    "x_label": "predicted", "y_label": "true"},
//!   {"kind": "bars", "title": "Errors", "labels": ["cat", "dog"], "series": [{"name": "errors", "values": [9, 13]}]},
//!   {"kind": "scatter", "title": "t-SNE", "series": [{"name": "cat", "x": [0.1, 0.2], "y": [1.0, 1.1]}]},
//!   {"kind": "image", "title": "Grid", "images": [{"path": "samples/step-000500.png", "label": "step 500"}]},
//!   {"kind": "samples", "title": "Poems", "samples": [{"step": 500, "text": "The moon"}]}
//! ]
//! ```
//!
//! Numbers that are not finite may be `null`, `"NaN"` or `"inf"`; they leave a gap. Paths are relative to the run folder and stay
//! inside it. A file that cannot be read becomes a notice on the page, never a failure. From Rust, build [`Section`]s and write them with
//! `serde_json`:
//!
//! ```
//! use report::{Body, Heatmap, Section};
//!
//! let matrix = Heatmap { values: vec![vec![91.0, 9.0], vec![13.0, 87.0]], ..Heatmap::default() };
//! let section = Section::new("Confusion", Body::Heatmap(matrix)).with_caption("Rows are the truth.");
//! let json = serde_json::to_string(&section)?;
//! assert_eq!(serde_json::from_str::<Section>(&json)?, section);
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use crate::numbers;

/// One titled part of a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The heading.
    #[serde(default)]
    pub title: String,
    /// A sentence under the heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// What is shown.
    #[serde(flatten)]
    pub body: Body,
}

impl Section {
    /// A section without a caption.
    pub fn new(title: impl Into<String>, body: Body) -> Self {
        Self { title: title.into(), caption: None, body }
    }

    /// The same section with a sentence under its heading.
    pub fn with_caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }
}

/// The kinds of section. In JSON the field `kind` names one of them in snake case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// Plain text, shown line for line.
    Text {
        /// The text.
        text: String,
    },
    /// Rows and columns of words and numbers.
    Table(Table),
    /// Curves over a shared horizontal axis.
    LinePlot(LinePlot),
    /// A grid of values as colours.
    Heatmap(Heatmap),
    /// Values per category.
    Bars(Bars),
    /// Points in the plane, coloured by series.
    Scatter(Scatter),
    /// One or more pictures side by side.
    Image {
        /// The pictures.
        images: Vec<Picture>,
    },
    /// What the model produced as training went on.
    Samples {
        /// The samples, in the order of their steps.
        samples: Vec<Sample>,
    },
}

/// Rows and columns. A column that holds only numbers is aligned to the right.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The headings of the columns.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The rows. In JSON a cell may be a string, a number, a boolean or `null`.
    #[serde(default, deserialize_with = "rows_of_cells")]
    pub rows: Vec<Vec<String>>,
}

/// Curves over a shared horizontal axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinePlot {
    /// What the horizontal axis counts.
    pub x_label: String,
    /// What the vertical axis measures.
    pub y_label: String,
    /// The curves.
    pub series: Vec<Series>,
    /// Points or places worth a label.
    pub marks: Vec<Mark>,
    /// Whether the vertical axis starts out logarithmic. A reader can switch wherever all values are positive.
    pub log_y: bool,
}

/// One curve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// Horizontal positions, ascending. Empty means 0, 1, 2, …
    #[serde(deserialize_with = "numbers::list", skip_serializing_if = "Vec::is_empty")]
    pub x: Vec<f64>,
    /// The values.
    #[serde(deserialize_with = "numbers::list")]
    pub y: Vec<f64>,
    /// The lower edge of a band around the curve, one value a point; empty for none.
    #[serde(deserialize_with = "numbers::list", skip_serializing_if = "Vec::is_empty")]
    pub lower: Vec<f64>,
    /// The upper edge of the band.
    #[serde(deserialize_with = "numbers::list", skip_serializing_if = "Vec::is_empty")]
    pub upper: Vec<f64>,
    /// How the curve is drawn.
    pub style: LineStyle,
    /// Its colour, from 0 to 9, where it should not go by the curve's position: the same thing keeps its colour across plots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<usize>,
    /// Draws the curve faintly and a running mean over it: for values that jump from step to step.
    pub smooth: bool,
}

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineStyle {
    /// A line.
    #[default]
    Line,
    /// A dashed line.
    Dashed,
    /// A line with a dot on every point.
    Markers,
}

/// A labelled point of a line plot, or without a height a labelled vertical line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The horizontal position.
    pub x: f64,
    /// The height; none for a vertical line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
    /// The label.
    #[serde(default)]
    pub label: String,
}

/// A grid of values as colours: one hue from zero up, a second one below zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Heatmap {
    /// Labels of the rows, top to bottom; empty for none.
    pub rows: Vec<String>,
    /// Labels of the columns, left to right; empty for none.
    pub columns: Vec<String>,
    /// The values, row by row.
    #[serde(deserialize_with = "numbers::grid")]
    pub values: Vec<Vec<f64>>,
    /// What the columns are.
    pub x_label: String,
    /// What the rows are.
    pub y_label: String,
}

/// Values per category, for one or more series side by side.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bars {
    /// The categories.
    pub labels: Vec<String>,
    /// The values.
    pub series: Vec<BarSeries>,
    /// What is measured.
    pub y_label: String,
}

/// One colour of a bar plot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BarSeries {
    /// The name in the legend.
    pub name: String,
    /// One value a category.
    #[serde(deserialize_with = "numbers::list")]
    pub values: Vec<f64>,
}

/// Points in the plane, coloured by series.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scatter {
    /// What the horizontal axis measures.
    pub x_label: String,
    /// What the vertical axis measures.
    pub y_label: String,
    /// The groups of points.
    pub series: Vec<PointSeries>,
}

/// One colour of a scatter plot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PointSeries {
    /// The name in the legend.
    pub name: String,
    /// Horizontal positions.
    #[serde(deserialize_with = "numbers::list")]
    pub x: Vec<f64>,
    /// Vertical positions, one for each horizontal one.
    #[serde(deserialize_with = "numbers::list")]
    pub y: Vec<f64>,
    /// What each point is called, shown under the pointer; or nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// What each point looks like, shown under the pointer: small PNG pictures; or nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<PictureBytes>,
}

/// A PNG, JPEG, GIF or WebP picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// What is shown under the picture, and read out in its place.
    #[serde(default)]
    pub label: String,
    /// Where the bytes come from.
    #[serde(flatten)]
    pub source: PictureSource,
}

/// Where a picture's bytes come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureSource {
    /// The bytes of the file; base64 in JSON.
    Data(PictureBytes),
    /// A path relative to the run folder, and inside it.
    Path(String),
}

/// The bytes of a picture file; base64 in JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct PictureBytes(pub Vec<u8>);

impl fmt::Debug for PictureBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PictureBytes({} bytes)", self.0.len())
    }
}

impl Serialize for PictureBytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for PictureBytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text.trim()).map(Self).map_err(|error| de::Error::custom(format!("picture data: {error}")))
    }
}

/// What the model produced at one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The step.
    pub step: u64,
    /// The text or the picture.
    #[serde(flatten)]
    pub content: SampleContent,
}

/// A sample's text or picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleContent {
    /// Generated text.
    Text(String),
    /// A picture.
    Picture(Picture),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Cell {
    Text(String),
    Other(serde_json::Value),
}

fn rows_of_cells<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<String>>, D::Error> {
    let as_text = |cell| match cell {
        Cell::Text(text) => text,
        Cell::Other(serde_json::Value::Null) => String::new(),
        Cell::Other(value) => value.to_string(),
    };
    let rows = Vec::<Vec<Cell>>::deserialize(from)?;
    Ok(rows.into_iter().map(|row| row.into_iter().map(as_text).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_json() {
        let picture = Picture { label: "a".into(), source: PictureSource::Data(PictureBytes(vec![1, 2, 3])) };
        let series = Series { name: "s".into(), y: vec![1.0, 2.0], smooth: true, ..Series::default() };
        let bodies = [
            Body::Text { text: "hello".into() },
            Body::Table(Table { columns: vec!["a".into()], rows: vec![vec!["1".into()]] }),
            Body::LinePlot(LinePlot { series: vec![series], ..LinePlot::default() }),
            Body::Heatmap(Heatmap { values: vec![vec![1.0]], ..Heatmap::default() }),
            Body::Bars(Bars { labels: vec!["a".into()], ..Bars::default() }),
            Body::Scatter(Scatter { series: vec![PointSeries::default()], ..Scatter::default() }),
            Body::Image { images: vec![picture.clone()] },
            Body::Samples { samples: vec![Sample { step: 5, content: SampleContent::Picture(picture) }] },
        ];
        for body in bodies {
            let section = Section::new("title", body).with_caption("caption");
            let json = serde_json::to_string(&section).unwrap();
            assert_eq!(serde_json::from_str::<Section>(&json).unwrap(), section, "{json}");
        }
    }

    #[test]
    fn numbers_that_are_not_finite_and_loose_cells_are_read() {
        let json = r#"{"kind":"line_plot","title":"t","series":[{"name":"a","y":[1,null,"NaN","-inf",2.5]}]}"#;
        let Body::LinePlot(plot) = serde_json::from_str::<Section>(json).unwrap().body else { panic!("{json}") };
        let y = &plot.series[0].y;
        assert!(y[1].is_nan() && y[2].is_nan());
        assert_eq!((y[0], y[3], y[4]), (1.0, f64::NEG_INFINITY, 2.5));

        let json = r#"{"kind":"table","title":"t","columns":["a"],"rows":[["x",1,2.5,true,null]]}"#;
        let Body::Table(table) = serde_json::from_str::<Section>(json).unwrap().body else { panic!("{json}") };
        assert_eq!(table.rows, [["x", "1", "2.5", "true", ""]]);
    }
}
