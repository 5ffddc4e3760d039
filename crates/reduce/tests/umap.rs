//! UMAP: what it keeps, and that it follows its seed.

mod support;

use reduce::{Matrix, UmapConfig, UmapInit, neighbour_accuracy, trustworthiness};
use support::{blobs, numbers, quiet};

#[test]
fn three_blobs_come_apart_from_either_start() {
    let (data, labels) = blobs(60, 6);
    for (init, n_components) in [(UmapInit::Pca, 2), (UmapInit::Random, 2), (UmapInit::Pca, 3)] {
        let found = UmapConfig { init, n_components, ..Default::default() }.fit(&data, &mut quiet).unwrap();
        let accuracy = neighbour_accuracy(&found.points, &labels, 10).unwrap();
        assert!(accuracy > 0.99, "{init:?}: {accuracy}");
    }
}

#[test]
fn a_flat_sheet_stays_one() {
    let sheet: Vec<f32> = numbers(800, 3).chunks(2).flat_map(|at| [at[0], at[1], at[0] * at[0], 0.0]).collect();
    let data = Matrix::new(sheet, 400, 4).unwrap();
    let found = UmapConfig::default().fit(&data, &mut quiet).unwrap();
    let trust = trustworthiness(&data, &found.points, 10).unwrap();
    assert!(trust > 0.97, "{trust}");
}

#[test]
fn same_seed_same_points_on_any_number_of_threads() {
    let (data, _) = blobs(60, 6);
    let on = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let config = UmapConfig { seed, init: UmapInit::Random, n_epochs: Some(50), ..Default::default() };
        pool.install(|| config.fit(&data, &mut quiet)).unwrap()
    };
    assert_eq!(on(1, 1), on(3, 1));
    assert_ne!(on(2, 1), on(2, 2));
}

#[test]
fn the_same_row_many_times_is_no_trouble() {
    let mut values = numbers(200, 1);
    values[..100].fill(0.5);
    let data = Matrix::new(values, 50, 4).unwrap();
    let found = UmapConfig { n_epochs: Some(50), ..Default::default() }.fit(&data, &mut quiet).unwrap();
    assert!(found.points.values().iter().all(|value| value.is_finite()));
    assert_eq!(found.epochs, 50);
}

#[test]
fn errors_say_what_is_wrong() {
    let (data, _) = blobs(4, 4);
    let message = |config: UmapConfig| config.fit(&data, &mut quiet).unwrap_err().to_string();
    let neighbours = message(UmapConfig::default());
    assert!(neighbours.starts_with("`n_neighbors` is 15, but there are 12 rows"), "{neighbours}");
    let distance = message(UmapConfig { min_dist: 2.0, ..Default::default() });
    assert!(distance.contains("0 to `spread` (1) are allowed"), "{distance}");
    assert!(message(UmapConfig { n_components: 1, ..Default::default() }).contains("2 or 3"));
}
