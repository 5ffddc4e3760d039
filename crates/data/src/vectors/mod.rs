//! Tables of numbers in which a row is a point: CSV and TSV files, NumPy's `.npy` files, and pictures, whose pixels are the columns. What is
//! computed of points is written as such a table again.

mod npy;
mod pictures;
mod save;
mod table;

pub use pictures::load_pictures;
pub use save::check_ending;

use crate::image::Image;
use crate::text::columns;
use crate::text::corpus::EMBEDDED_PREFIX;
use crate::{DataError, locate};
use std::path::Path;

/// Where points come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VectorsConfig {
    /// A `.csv` or `.tsv` file whose first line names the columns, a `.npy` file with a row a point, or pictures: a folder, an
    /// archive, the files of a data set, or `embedded:digits`, as [`ImageConfig`](crate::image::ImageConfig) has them.
    pub source: String,
    /// The label of each point: a column of the table; beside a `.npy` file another one, or a text file with one a line. Pictures have their
    /// classes. None: there are no labels.
    pub labels: Option<String>,
    /// Columns of the table that are passed over.
    pub ignored: Vec<String>,
    /// Width and height of pictures. None: their own where all are alike and have at most 64, else 64.
    pub image_size: Option<usize>,
}

/// Points, and what is known of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vectors {
    /// Row-major `[rows, columns]`.
    pub values: Vec<f32>,
    /// Points.
    pub rows: usize,
    /// Numbers of each.
    pub columns: usize,
    /// The label of each point by place in `label_names`; empty where there are none.
    pub labels: Vec<usize>,
    /// The labels there are: in the order of their numbers where all are numbers, else by name.
    pub label_names: Vec<String>,
    /// What each point is called: a picture's file; else its number, from 1.
    pub names: Vec<String>,
    /// What each point looks like; empty where points are no pictures.
    pub pictures: Vec<Image>,
}

impl Vectors {
    /// Reads all points.
    ///
    /// # Errors
    /// [`DataError`] for a source that is missing, of no known kind, without points, or with something in it that is no number.
    pub fn load(config: &VectorsConfig) -> Result<Self, DataError> {
        if config.source.starts_with(EMBEDDED_PREFIX) || config.source.starts_with("download:") {
            return pictures::read(config);
        }
        let path = locate(&config.source)?;
        let vectors = match columns::delimiter(&path) {
            Some(delimiter) if path.is_file() => table::read(&path, delimiter, config)?,
            _ if is_npy(&path) => npy::read(&path, config)?,
            _ => pictures::read(config)?,
        };
        if vectors.rows == 0 || vectors.columns == 0 {
            return Err(DataError::Empty { path });
        }
        Ok(vectors)
    }

    /// Puts labels as they are written into numbers.
    fn with_labels(self, written: &[String]) -> Self {
        let mut names: Vec<String> = written.to_vec();
        let number = |name: &String| name.parse::<f64>().ok().filter(|number| number.is_finite());
        if names.iter().all(|name| number(name).is_some()) {
            names.sort_by(|a, b| number(a).partial_cmp(&number(b)).expect("finite numbers").then(a.cmp(b)));
        } else {
            names.sort();
        }
        names.dedup();
        let place = |label: &String| names.iter().position(|name| name == label).expect("a name for each label");
        Self { labels: written.iter().map(place).collect(), label_names: names, ..self }
    }
}

fn is_npy(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}

/// The names of points without one.
fn numbered(rows: usize) -> Vec<String> {
    (1..=rows).map(|number| number.to_string()).collect()
}
