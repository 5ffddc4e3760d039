//! How much of the data the points keep.

use reduce::{Matrix, ReduceError, continuity, neighbour_accuracy, trustworthiness};
use report::Table;

/// More points than this are measured on so many of them, spread evenly: the ranks of all distances are quadratic.
const MOST_POINTS: usize = 10_000;

/// What was measured, by what it is called; in the data and in the points.
pub(super) struct Measures {
    rows: Vec<(String, Option<f64>, f64)>,
}

/// Measures over the `k` nearest neighbours of each point; by their labels, of which there may be none.
pub(super) fn of(data: &Matrix, points: &Matrix, labels: &[usize], k: usize) -> Result<Measures, ReduceError> {
    let count = data.rows();
    if count > MOST_POINTS {
        let chosen: Vec<usize> = (0..MOST_POINTS).map(|place| place * count / MOST_POINTS).collect();
        let of_chosen = |matrix: &Matrix| {
            let values = chosen.iter().flat_map(|row| matrix.row(*row)).copied().collect();
            Matrix::new(values, chosen.len(), matrix.columns())
        };
        let labels: Vec<usize> = chosen.iter().filter_map(|row| labels.get(*row)).copied().collect();
        return of(&of_chosen(data)?, &of_chosen(points)?, &labels, k);
    }
    // Too few points have no neighbours to speak of.
    let k = k.min(count.saturating_sub(1) / 2);
    if k == 0 {
        return Ok(Measures { rows: Vec::new() });
    }
    let mut rows = vec![
        (format!("trustworthiness ({k} neighbours)"), None, trustworthiness(data, points, k)?),
        (format!("continuity ({k} neighbours)"), None, continuity(data, points, k)?),
    ];
    if !labels.is_empty() {
        let [before, after] = [data, points].map(|matrix| neighbour_accuracy(matrix, labels, k));
        rows.push((format!("accuracy of {k} nearest neighbours"), Some(before?), after?));
    }
    Ok(Measures { rows })
}

impl Measures {
    /// For a terminal.
    pub fn text(&self) -> String {
        let line = |(name, before, after): &(String, Option<f64>, f64)| match before {
            Some(before) => format!("{name}: {after:.4} (in the data {before:.4})\n"),
            None => format!("{name}: {after:.4}\n"),
        };
        self.rows.iter().map(line).collect()
    }

    /// For a page.
    pub fn table(&self) -> Table {
        let row = |(name, before, after): &(String, Option<f64>, f64)| {
            vec![name.clone(), before.map_or_else(String::new, |value| format!("{value:.4}")), format!("{after:.4}")]
        };
        Table {
            columns: ["measure", "in the data", "in the points"].map(str::to_string).to_vec(),
            rows: self.rows.iter().map(row).collect(),
        }
    }
}
