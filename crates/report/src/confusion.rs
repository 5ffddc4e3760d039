//! What a classification shows: which class was taken for which, and how well each one fares.

use crate::section::{Body, Heatmap, Section, Table};

/// A heat map of the counts and a table with one row a class.
///
/// - `classes`: the names;
/// - `counts`: by true class, then by predicted class;
/// - `scores`: precision, recall and F1 of each class;
/// - `counted`: what there is a number of, for the heading of the last column: `"texts"`, `"recordings"`, `"images"`.
pub fn confusion_sections(classes: &[String], counts: &[Vec<u64>], scores: &[[f64; 3]], counted: &str) -> [Section; 2] {
    let heatmap = Heatmap {
        rows: classes.to_vec(),
        columns: classes.to_vec(),
        values: counts.iter().map(|row| row.iter().map(|count| *count as f64).collect()).collect(),
        x_label: "predicted".into(),
        y_label: "true".into(),
    };
    let row = |((name, counts), scores): ((&String, &Vec<u64>), &[f64; 3])| {
        let numbers = scores.iter().map(|value| format!("{value:.4}"));
        let count = counts.iter().sum::<u64>().to_string();
        std::iter::once(name.clone()).chain(numbers).chain([count]).collect()
    };
    let columns = ["class", "precision", "recall", "F1", counted].map(str::to_string).to_vec();
    let rows = classes.iter().zip(counts).zip(scores).map(row).collect();
    [Section::new("Confusion", Body::Heatmap(heatmap)), Section::new("By class", Body::Table(Table { columns, rows }))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_scores_become_a_heat_map_and_a_table() {
        let classes = ["cat", "dog"].map(str::to_string);
        let [map, table] = confusion_sections(
            &classes,
            &[vec![9, 1], vec![0, 5]],
            &[[1.0, 0.9, 0.94737], [0.83333, 1.0, 0.90909]],
            "images",
        );
        let Body::Heatmap(map) = map.body else { panic!("{map:?}") };
        assert_eq!(map.values, [[9.0, 1.0], [0.0, 5.0]]);
        assert_eq!((map.rows, map.x_label.as_str()), (classes.to_vec(), "predicted"));
        let Body::Table(table) = table.body else { panic!("{table:?}") };
        assert_eq!(table.columns, ["class", "precision", "recall", "F1", "images"]);
        assert_eq!(table.rows[0], ["cat", "1.0000", "0.9000", "0.9474", "10"]);
        assert_eq!(table.rows[1], ["dog", "0.8333", "1.0000", "0.9091", "5"]);
    }
}
