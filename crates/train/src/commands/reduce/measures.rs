//! How much of the data the points keep.

use reduce::{Matrix, ReduceError, continuity, neighbour_accuracy, trustworthiness};
use report::Table;

/// More points than this are measured on so many of them, spread evenly: the ranks of all distances are quadratic.
const MOST_POINTS: usize = 10_000;

/// What was measured, by what it is called; in the data and in the points.
pub(super) struct Measures {
    rows: Vec<(String, Option<f64>, f64)>,
}

/// What is compared.
pub(super) struct Compared<'a> {
    /// What was reduced.
    pub data: &'a Matrix,
    /// The same without the noise that was added to it.
    pub clean: Option<&'a Matrix>,
    /// What it was reduced to.
    pub points: &'a Matrix,
}

/// Measures over the `k` nearest neighbours of each point, where noise was added those without it; by their labels, of which there may be none.
pub(super) fn of(compared: &Compared<'_>, labels: &[usize], k: usize) -> Result<Measures, ReduceError> {
    let Compared { data, clean, points } = *compared;
    let count = data.rows();
    if count > MOST_POINTS {
        let chosen: Vec<usize> = (0..MOST_POINTS).map(|place| place * count / MOST_POINTS).collect();
        let of_chosen = |matrix: &Matrix| {
            let values = chosen.iter().flat_map(|row| matrix.row(*row)).copied().collect();
            Matrix::new(values, chosen.len(), matrix.columns())
        };
        let labels: Vec<usize> = chosen.iter().filter_map(|row| labels.get(*row)).copied().collect();
        let (data, points, clean) = (of_chosen(data)?, of_chosen(points)?, clean.map(of_chosen).transpose()?);
        return of(&Compared { data: &data, clean: clean.as_ref(), points: &points }, &labels, k);
    }
    // Too few points have no neighbours to speak of.
    let k = k.min(count.saturating_sub(1) / 2);
    if k == 0 {
        return Ok(Measures { rows: Vec::new() });
    }
    let truth = clean.unwrap_or(data);
    let before = |measure: fn(&Matrix, &Matrix, usize) -> Result<f64, ReduceError>| {
        clean.map(|clean| measure(clean, data, k)).transpose()
    };
    let mut rows = vec![
        (format!("trustworthiness ({k} neighbours)"), before(trustworthiness)?, trustworthiness(truth, points, k)?),
        (format!("continuity ({k} neighbours)"), before(continuity)?, continuity(truth, points, k)?),
    ];
    if !labels.is_empty() {
        let accuracy = |matrix: &Matrix| neighbour_accuracy(matrix, labels, k);
        rows.push((format!("accuracy of {k} nearest neighbours"), Some(accuracy(data)?), accuracy(points)?));
        if let Some(clean) = clean {
            rows.push((format!("accuracy of {k} nearest neighbours without noise"), None, accuracy(clean)?));
        }
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
