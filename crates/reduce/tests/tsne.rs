//! t-SNE against scikit-learn, its gradients against each other and against finite differences.

mod support;

use burn::backend::Flex;
use reduce::tsne::{Affinities, conditional, gradient, gradient_on};
use reduce::{Matrix, TsneConfig, TsneInit, TsneMethod, k_nearest, neighbour_accuracy};
use serde::Deserialize;
use support::{assert_close, blobs, fixture, numbers, quiet};

#[derive(Deserialize)]
struct Fixture {
    data: Matrix,
    perplexity: f64,
    indices: Vec<u32>,
    conditional: Vec<f64>,
    joint: Matrix,
    embeddings: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    points: Matrix,
    exact_divergence: f64,
    exact_gradient: Vec<f64>,
    tree_divergence: f64,
    tree_gradient: Vec<f64>,
}

#[test]
fn conditional_and_joint_probabilities_are_scikit_learns() {
    let expected = fixture::<Fixture>("tsne");
    let neighbours = k_nearest(&expected.data, 25).unwrap();
    let rows = expected.data.rows();
    let indices: Vec<u32> = (0..rows).flat_map(|row| neighbours.indices(row).to_vec()).collect();
    assert_eq!(indices, expected.indices);
    assert_close("conditional", &conditional(&neighbours, expected.perplexity), &expected.conditional, 1e-4);
    let affinities = Affinities::new(&expected.data, expected.perplexity).unwrap();
    let mut joint = vec![0.0; rows * rows];
    for row in 0..rows {
        let (columns, values) = affinities.row(row);
        columns.iter().zip(values).for_each(|(&column, &value)| joint[row * rows + column as usize] = value);
    }
    // The largest of these is 0.002.
    assert_close("joint", &joint, expected.joint.values(), 1e-7);
}

/// The length of the difference by the length of the expected.
fn relative(actual: &[f32], expected: impl Iterator<Item = f64>) -> f64 {
    let (mut off, mut all) = (0.0, 0.0);
    for (&actual, expected) in actual.iter().zip(expected) {
        off += (f64::from(actual) - expected).powi(2);
        all += expected.powi(2);
    }
    (off / all).sqrt()
}

#[test]
fn gradients_and_divergences_are_scikit_learns() {
    let expected = fixture::<Fixture>("tsne");
    let sparse = Affinities::new(&expected.data, expected.perplexity).unwrap();
    let dense = Affinities::of_all_pairs(&expected.data, expected.perplexity).unwrap();
    for case in expected.embeddings {
        let device = Default::default();
        let exact = gradient(&dense, &case.points, TsneMethod::Exact, 0.5).unwrap();
        let on_tensors = gradient_on::<Flex>(&dense, &case.points, &device).unwrap();
        for (found, divergence) in [exact, on_tensors] {
            let off = relative(found.values(), case.exact_gradient.iter().copied());
            assert!(off < 1e-4, "gradient off by {off:e}");
            assert_close("divergence", &[divergence], &[case.exact_divergence], 1e-4);
        }
        let (found, divergence) = gradient(&sparse, &case.points, TsneMethod::BarnesHut, 0.5).unwrap();
        let off = relative(found.values(), case.tree_gradient.iter().copied());
        assert!(off < 0.05, "Barnes-Hut gradients off by {off}, both approximate");
        assert_close("divergence", &[divergence], &[case.tree_divergence], 1e-3);
    }
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let (data, _) = blobs(8, 5);
    let affinities = Affinities::of_all_pairs(&data, 4.0).unwrap();
    for columns in [2, 3] {
        let values = numbers(data.rows() * columns, 2);
        let at = |values: &[f32]| {
            let points = Matrix::new(values.to_vec(), data.rows(), columns).unwrap();
            gradient(&affinities, &points, TsneMethod::Exact, 0.5).unwrap()
        };
        let (found, _) = at(&values);
        for place in [0, 7, 20, 41] {
            let step = 1.0 / 64.0;
            let (mut up, mut down) = (values.clone(), values.clone());
            up[place] += step;
            down[place] -= step;
            let expected = (at(&up).1 - at(&down).1) / f64::from(2.0 * step);
            let off = (f64::from(found.values()[place]) - expected).abs();
            assert!(off < 1e-4, "{} where {expected} was expected", found.values()[place]);
        }
    }
}

/// Points of an embedding as large as those of thousands of points, and probabilities between neighbours in it.
fn large(rows: usize, columns: usize, extent: f32) -> (Affinities, Matrix) {
    let values = numbers(rows * columns, 11).iter().map(|x| x * extent).collect();
    let points = Matrix::new(values, rows, columns).unwrap();
    (Affinities::new(&points, 10.0).unwrap(), points)
}

#[test]
fn barnes_hut_without_cells_is_exact_and_with_them_near() {
    for columns in [2, 3] {
        for extent in [1e-4, 1.0, 30.0] {
            let (affinities, points) = large(1500, columns, extent);
            let (exact, divergence) = gradient(&affinities, &points, TsneMethod::Exact, 0.0).unwrap();
            for (theta, tolerance) in [(0.0, 1e-4), (0.5, 0.01)] {
                let (found, other) = gradient(&affinities, &points, TsneMethod::BarnesHut, theta).unwrap();
                let off = relative(found.values(), exact.values().iter().map(|&value| f64::from(value)));
                assert!(off < tolerance, "off by {off:e} with theta {theta}, {columns} columns of {extent}");
                assert_close("divergence", &[other], &[divergence], tolerance);
            }
        }
    }
}

#[test]
fn fft_is_near_exact() {
    for extent in [1e-4, 1.0, 10.0, 60.0] {
        let (affinities, points) = large(1500, 2, extent);
        let (exact, divergence) = gradient(&affinities, &points, TsneMethod::Exact, 0.0).unwrap();
        let (found, other) = gradient(&affinities, &points, TsneMethod::Fft, 0.0).unwrap();
        let off = relative(found.values(), exact.values().iter().map(|&value| f64::from(value)));
        assert!(off < 0.01, "off by {off:e} with points within {extent}");
        assert_close("divergence", &[other], &[divergence], 2e-3);
    }
}

#[test]
fn points_in_one_place_are_no_trouble() {
    let data = Matrix::new(numbers(120, 1), 40, 3).unwrap();
    let together = Matrix::new(vec![0.5; 80], 40, 2).unwrap();
    let affinities = Affinities::new(&data, 5.0).unwrap();
    for method in [TsneMethod::Exact, TsneMethod::BarnesHut, TsneMethod::Fft] {
        let (found, divergence) = gradient(&affinities, &together, method, 0.5).unwrap();
        assert!(divergence.is_finite());
        assert!(found.values().iter().all(|slope| slope.abs() < 1e-4), "{method:?}: {:?}", found.values());
    }
}

#[test]
fn three_blobs_come_apart_with_every_method() {
    let (data, labels) = blobs(60, 6);
    for (method, columns) in [
        (TsneMethod::Auto, 2),
        (TsneMethod::Exact, 2),
        (TsneMethod::BarnesHut, 2),
        (TsneMethod::BarnesHut, 3),
        (TsneMethod::Fft, 2),
    ] {
        let config =
            TsneConfig { method, n_components: columns, perplexity: 15.0, max_iterations: 400, ..Default::default() };
        let found = config.fit(&data, &mut quiet).unwrap();
        let accuracy = neighbour_accuracy(&found.points, &labels, 10).unwrap();
        assert!(accuracy > 0.99, "{method:?}: {accuracy}");
        assert!(found.divergence < 1.0, "{method:?}: {}", found.divergence);
        assert_ne!(found.method, TsneMethod::Auto);
    }
    let config = TsneConfig { perplexity: 15.0, max_iterations: 400, ..Default::default() };
    let found = config.fit_on::<Flex>(&data, &Default::default(), &mut quiet).unwrap();
    let accuracy = neighbour_accuracy(&found.points, &labels, 10).unwrap();
    assert!(accuracy > 0.99, "on tensors: {accuracy}");
}

#[test]
fn same_seed_same_points_on_any_number_of_threads() {
    let (data, _) = blobs(100, 6);
    for method in [TsneMethod::Exact, TsneMethod::BarnesHut, TsneMethod::Fft] {
        let config = TsneConfig {
            method,
            init: TsneInit::Random,
            seed: 3,
            perplexity: 10.0,
            max_iterations: 120,
            exaggeration_iterations: 60,
            ..Default::default()
        };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| config.fit(&data, &mut quiet)).unwrap()
        };
        assert_eq!(on(1), on(3), "{method:?}");
        let other = TsneConfig { seed: 4, ..config.clone() }.fit(&data, &mut quiet).unwrap();
        assert_ne!(other.points, on(2).points);
    }
}

#[test]
fn progress_tells_the_divergence_and_ends() {
    let (data, _) = blobs(30, 4);
    let mut seen = Vec::new();
    let config = TsneConfig { perplexity: 5.0, max_iterations: 120, ..Default::default() };
    let found = config.fit(&data, &mut |progress| seen.push(progress)).unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.done, last.total, last.divergence), (120, 120, Some(found.divergence)));
    assert!(seen.iter().filter(|progress| progress.divergence.is_some()).count() >= 3);
}

#[test]
fn a_small_gradient_ends_early() {
    let (data, _) = blobs(30, 4);
    let config = TsneConfig { perplexity: 5.0, min_gradient_norm: 1.0, ..Default::default() };
    assert_eq!(config.fit(&data, &mut quiet).unwrap().iterations, 250);
}

#[test]
fn errors_say_what_is_wrong() {
    let (data, _) = blobs(10, 4);
    let message = |config: TsneConfig| config.fit(&data, &mut quiet).unwrap_err().to_string();
    let perplexity = message(TsneConfig::default());
    assert!(perplexity.starts_with("`perplexity` is 30, but 30 rows allow 1 to 9.6"), "{perplexity}");
    let four = message(TsneConfig { n_components: 4, ..Default::default() });
    assert!(four.contains("is 4: t-SNE has 2 or 3"), "{four}");
    let fft = message(TsneConfig { n_components: 3, method: TsneMethod::Fft, ..Default::default() });
    assert!(fft.contains("the method fft has 2"), "{fft}");
    let rate = message(TsneConfig { perplexity: 5.0, learning_rate: Some(1e30), ..Default::default() });
    assert!(rate.contains("ran away"), "{rate}");
    let narrow = Matrix::new(numbers(30, 1), 30, 1).unwrap();
    let init = TsneConfig { perplexity: 5.0, ..Default::default() }.fit(&narrow, &mut quiet).unwrap_err().to_string();
    assert!(init.contains("take random"), "{init}");
    assert!(toml::from_str::<TsneConfig>("perplexty = 3.0").is_err());
}
