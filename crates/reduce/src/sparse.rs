//! Symmetric sparse matrices out of nearest neighbours.

use crate::Neighbours;
use rayon::prelude::*;

/// A column and its value.
type Entry = (u32, f32);

/// A sparse matrix, row after row, each in the order of its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparse {
    /// Row `i` has the entries `offsets[i]..offsets[i + 1]`.
    offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Sparse {
    /// `combine(a_ij, a_ji)` wherever one of the two is there, the other then being 0: of the matrix `a` whose row `i` has
    /// `values[i * k..][..k]` at the neighbours of `i`.
    pub fn symmetric(neighbours: &Neighbours, values: &[f32], combine: impl Fn(f32, f32) -> f32 + Send + Sync) -> Self {
        let (rows, k) = (neighbours.rows(), neighbours.k());
        let entries = |row: usize| {
            let columns = neighbours.indices(row).iter().copied();
            let mut entries: Vec<Entry> = columns.zip(values[row * k..][..k].iter().copied()).collect();
            entries.sort_unstable_by_key(|entry| entry.0);
            entries
        };
        let there: Vec<Vec<Entry>> = (0..rows).into_par_iter().map(entries).collect();
        let back = transposed(&there);
        Self::new(there.par_iter().zip(&back).map(|(there, back)| merged(there, back, &combine)).collect())
    }

    fn new(rows: Vec<Vec<Entry>>) -> Self {
        let mut offsets = vec![0];
        offsets.extend(rows.iter().scan(0, |end, row| {
            *end += row.len();
            Some(*end)
        }));
        let (columns, values) = rows.into_iter().flatten().unzip();
        Self { offsets, columns, values }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The columns and the values of a row.
    #[inline(always)]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[row]..self.offsets[row + 1];
        (&self.columns[range.clone()], &self.values[range])
    }

    /// All values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

fn transposed(rows: &[Vec<Entry>]) -> Vec<Vec<Entry>> {
    let mut output = vec![Vec::new(); rows.len()];
    for (row, entries) in rows.iter().enumerate() {
        for &(column, value) in entries {
            output[column as usize].push((row as u32, value));
        }
    }
    output
}

/// Two rows as one.
fn merged(left: &[Entry], right: &[Entry], combine: impl Fn(f32, f32) -> f32) -> Vec<Entry> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut output = Vec::new();
    while let Some(column) = left.peek().into_iter().chain(right.peek()).map(|entry| entry.0).min() {
        let value = |side: &mut std::iter::Peekable<std::slice::Iter<'_, Entry>>| {
            side.next_if(|entry| entry.0 == column).map_or(0.0, |entry| entry.1)
        };
        let (a, b) = (value(&mut left), value(&mut right));
        output.push((column, combine(a, b)));
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_merged_in_the_order_of_columns() {
        let found = merged(&[(1, 1.0), (4, 2.0)], &[(0, 8.0), (4, 4.0), (9, 16.0)], |a, b| a - b);
        assert_eq!(found, [(0, -8.0), (1, 1.0), (4, -2.0), (9, -16.0)]);
    }
}
