//! The reduction by an autoencoder. A process of its own with one test: burn's seeds belong to the process, and whether a seed gives the same
//! points can only be seen where nobody else draws.

use burn::backend::{Autodiff, Flex};
use generative::task::reduction::ReductionConfig;
use reduce::Matrix;

#[test]
fn a_bent_line_is_straightened() {
    // A curve in five dimensions, which no straight line follows.
    let rows = 200;
    let values = (0..rows).flat_map(|row| {
        let t = row as f32 / rows as f32 * 3.0;
        [t.cos(), t.sin(), (2.0 * t).cos(), 0.5 * t, 1.0]
    });
    let table = Matrix::new(values.collect(), rows, 5).unwrap();
    let config = ReductionConfig {
        n_components: 1,
        hidden: vec![32],
        epochs: 150,
        batch_size: 20,
        learning_rate: 5e-3,
        seed: 3,
    };
    let mut told = 0;
    let found = config.fit::<Autodiff<Flex>>(&table, &Default::default(), &mut |_| told += 1).unwrap();
    assert_eq!((found.points.rows(), found.points.columns(), told), (rows, 1, 150));
    assert!(found.explained > 0.9, "{}", found.explained);
    let again = config.fit::<Autodiff<Flex>>(&table, &Default::default(), &mut |_| ()).unwrap();
    assert_eq!(found, again, "the same seed gives the same points");
}
