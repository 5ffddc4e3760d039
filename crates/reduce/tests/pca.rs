//! PCA against scikit-learn, and what holds of any.

mod support;

use proptest::prelude::*;
use reduce::{Matrix, Pca, PcaComponents, PcaConfig, PcaSolver, ReduceError};
use serde::Deserialize;
use support::{assert_close, fixture, numbers, quiet};

#[derive(Deserialize)]
struct Case {
    data: Matrix,
    config: PcaConfig,
    mean: Vec<f64>,
    components: Matrix,
    explained_variance: Vec<f64>,
    explained_variance_ratio: Vec<f64>,
    singular_values: Vec<f64>,
    noise_variance: f64,
    points: Matrix,
    inverse: Matrix,
}

#[test]
fn everything_is_as_scikit_learn_has_it_signs_included() {
    for case in fixture::<Vec<Case>>("pca") {
        let pca = case.config.fit(&case.data, &mut quiet).unwrap();
        assert_close("mean", &pca.mean, &case.mean, 1e-5);
        assert_close("components", pca.components.values(), case.components.values(), 1e-4);
        assert_close("variance", &pca.explained_variance, &case.explained_variance, 1e-4);
        assert_close("ratio", &pca.explained_variance_ratio, &case.explained_variance_ratio, 1e-4);
        assert_close("singular values", &pca.singular_values, &case.singular_values, 1e-4);
        assert_close("noise", &[pca.noise_variance], &[case.noise_variance], 1e-4);
        let points = pca.transform(&case.data).unwrap();
        assert_close("points", points.values(), case.points.values(), 1e-4);
        assert_close("inverse", pca.inverse_transform(&points).unwrap().values(), case.inverse.values(), 1e-4);
    }
}

#[test]
fn randomized_finds_what_exact_finds_where_the_variance_falls() {
    let (rows, columns) = (700, 90);
    let mut values = numbers(rows * columns, 3);
    for row in values.chunks_exact_mut(columns) {
        row.iter_mut().enumerate().for_each(|(column, value)| *value *= 0.9_f32.powi(column as i32));
    }
    let data = Matrix::new(values, rows, columns).unwrap();
    let [exact, randomized] = [PcaSolver::Exact, PcaSolver::Randomized]
        .map(|solver| PcaConfig { solver, ..PcaConfig::new(8) }.fit(&data, &mut quiet).unwrap());
    assert_close("components", randomized.components.values(), exact.components.values(), 1e-4);
    assert_close("variance", &randomized.explained_variance, &exact.explained_variance, 1e-4);
    assert_close("noise", &[randomized.noise_variance], &[exact.noise_variance], 1e-4);
}

#[test]
fn data_of_few_dimensions_gets_orthonormal_components_all_the_same() {
    let line: Vec<f32> = numbers(12, 1).iter().flat_map(|&x| (0..30).map(move |column| x * column as f32)).collect();
    let data = Matrix::new(line, 12, 30).unwrap();
    for solver in [PcaSolver::Exact, PcaSolver::Randomized] {
        let pca = PcaConfig { solver, ..PcaConfig::new(5) }.fit(&data, &mut quiet).unwrap();
        assert_orthonormal(&pca);
        assert!(pca.explained_variance[1] < 1e-5 * pca.explained_variance[0], "{:?}", pca.explained_variance);
    }
}

#[test]
fn a_constant_table_has_no_variance_and_no_nan() {
    let data = Matrix::new(vec![2.5; 60], 10, 6).unwrap();
    for solver in [PcaSolver::Exact, PcaSolver::Randomized] {
        let pca = PcaConfig { solver, whiten: true, ..PcaConfig::new(3) }.fit(&data, &mut quiet).unwrap();
        assert_eq!(pca.explained_variance, [0.0; 3]);
        assert_eq!(pca.explained_variance_ratio, [0.0; 3]);
        assert_eq!(pca.transform(&data).unwrap().values(), [0.0; 30]);
    }
}

#[test]
fn same_seed_same_components_and_progress_ends() {
    let data = Matrix::new(numbers(400 * 40, 5), 400, 40).unwrap();
    let config = PcaConfig { solver: PcaSolver::Randomized, seed: 4, ..PcaConfig::new(3) };
    let mut last = None;
    let first = config.fit(&data, &mut |progress| last = Some(progress)).unwrap();
    assert_eq!(first, config.fit(&data, &mut quiet).unwrap());
    let last = last.unwrap();
    assert_eq!(last.done, last.total);
}

#[test]
fn a_model_survives_being_written() {
    let data = Matrix::new(numbers(200, 9), 20, 10).unwrap();
    let pca = PcaConfig::new(4).fit(&data, &mut quiet).unwrap();
    let read: Pca = serde_json::from_str(&serde_json::to_string(&pca).unwrap()).unwrap();
    assert_eq!(read, pca);
    let broken = r#"{"rows": 2, "columns": 2, "values": [1.0]}"#;
    let error = serde_json::from_str::<Matrix>(broken).unwrap_err().to_string();
    assert!(error.contains("1 values are not 2 rows of 2 columns"), "{error}");
}

#[test]
fn components_are_a_count_or_a_share() {
    let read = |toml: &str| toml::from_str::<PcaConfig>(toml).unwrap().n_components;
    assert_eq!(read("n_components = 50"), PcaComponents::Count(50));
    assert_eq!(read("n_components = 0.95"), PcaComponents::Variance(0.95));
}

#[test]
fn errors_say_what_is_wrong() {
    let data = Matrix::new(numbers(20, 1), 5, 4).unwrap();
    let message = |config: PcaConfig, data: &Matrix| config.fit(data, &mut quiet).unwrap_err().to_string();
    let too_many = message(PcaConfig::new(6), &data);
    assert_eq!(too_many, "`n_components` is 6, but 5 rows of 4 columns have 4 components at most");
    let share = PcaConfig { n_components: PcaComponents::Variance(1.5), ..PcaConfig::default() };
    assert!(message(share, &data).contains("is 1.5: a count is a whole number"));
    assert!(message(PcaConfig::new(0), &data).contains("is 0"));
    let mut values = numbers(20, 1);
    values[13] = f32::NAN;
    let nan = message(PcaConfig::new(2), &Matrix::new(values, 5, 4).unwrap());
    assert!(nan.starts_with("row 3, column 1 (both from 0) is NaN"), "{nan}");
    let empty = message(PcaConfig::new(2), &Matrix::new(vec![], 0, 4).unwrap());
    assert!(empty.contains("0 rows of 4 columns"), "{empty}");
    assert!(message(PcaConfig::new(1), &Matrix::new(vec![1.0; 4], 1, 4).unwrap()).contains("a second row"));
    assert_eq!(Matrix::new(vec![0.0; 5], 2, 3), Err(ReduceError::Shape { values: 5, rows: 2, columns: 3 }));
    let pca = PcaConfig::new(2).fit(&data, &mut quiet).unwrap();
    let other = pca.transform(&Matrix::new(vec![0.0; 6], 2, 3).unwrap()).unwrap_err().to_string();
    assert_eq!(other, "the data has 3 columns, but 4 are needed: the PCA was fitted with that many");
}

fn assert_orthonormal(pca: &Pca) {
    for left in 0..pca.components.rows() {
        for right in 0..=left {
            let pairs = pca.components.row(left).iter().zip(pca.components.row(right));
            let product: f64 = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            assert!((product - f64::from(u8::from(left == right))).abs() < 1e-5, "{left}, {right}: {product}");
        }
    }
}

/// Covariance of columns.
fn covariance(points: &Matrix, left: usize, right: usize) -> f64 {
    let mean = |column: usize| {
        (0..points.rows()).map(|row| f64::from(points.row(row)[column])).sum::<f64>() / points.rows() as f64
    };
    let means = (mean(left), mean(right));
    let product =
        |row: usize| (f64::from(points.row(row)[left]) - means.0) * (f64::from(points.row(row)[right]) - means.1);
    (0..points.rows()).map(product).sum::<f64>() / (points.rows() - 1) as f64
}

proptest! {
    #[test]
    fn components_are_an_orthonormal_basis(rows in 3_usize..30, columns in 1_usize..12, seed: u64, randomized: bool) {
        let data = Matrix::new(numbers(rows * columns, seed), rows, columns).unwrap();
        let most = rows.min(columns);
        let solver = if randomized { PcaSolver::Randomized } else { PcaSolver::Exact };
        let pca = PcaConfig { solver, ..PcaConfig::new(most) }.fit(&data, &mut quiet).unwrap();
        assert_orthonormal(&pca);
        prop_assert!(pca.explained_variance.is_sorted_by(|a, b| a >= b));
        prop_assert!((pca.explained_variance_ratio.iter().sum::<f64>() - 1.0).abs() < 1e-4);
        if most == columns || rows == most {
            let back = pca.inverse_transform(&pca.transform(&data).unwrap()).unwrap();
            assert_close("round trip", back.values(), data.values(), 1e-4);
        }
    }

    #[test]
    fn whitened_columns_are_independent(rows in 20_usize..60, columns in 2_usize..8, seed: u64) {
        let data = Matrix::new(numbers(rows * columns, seed), rows, columns).unwrap();
        let pca = PcaConfig { whiten: true, ..PcaConfig::new(columns) }.fit(&data, &mut quiet).unwrap();
        let points = pca.transform(&data).unwrap();
        for left in 0..columns {
            for right in 0..=left {
                let found = covariance(&points, left, right);
                prop_assert!((found - f64::from(u8::from(left == right))).abs() < 1e-3, "{}, {}: {}", left, right, found);
            }
        }
        let back = pca.inverse_transform(&points).unwrap();
        assert_close("round trip", back.values(), data.values(), 1e-4);
    }
}
