//! Pictures above what became of them, as a sample of training.

use data::image::Image;
use training_loop::task::Sample;

use super::pictures::sample;

/// Pictures in a row.
const COLUMNS: usize = 16;

/// A row of each kind, then the next row of each: input, damaged input, output. What does not fill a row is left out, unless there is only one.
pub fn comparison(name: &str, kinds: &[Vec<Image>]) -> Sample {
    let count = kinds.iter().map(Vec::len).min().unwrap_or(0);
    let columns = COLUMNS.min(count).max(1);
    let row = |kind: &Vec<Image>, row: usize| kind[row * columns..(row + 1) * columns].to_vec();
    let pictures: Vec<Image> =
        (0..count / columns).flat_map(|number| kinds.iter().flat_map(move |kind| row(kind, number))).collect();
    sample(name, &pictures, Some(columns))
}
