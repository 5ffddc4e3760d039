//! How near generated pictures are to real ones: for every task that makes pictures.
//!
//! An [`Evaluator`] knows the training pictures by their features, which are computed once. Its scores are
//! - `fid`: the Fréchet distance of the features, the smaller the better; real pictures have a distance too, the floor;
//! - `precision` and `recall`: how much of what is made is like something real, and how much of what is real is like something made;
//! - `diversity`: the root mean squared distance between generated pictures, as a share of that between real ones. It falls towards 0 where
//!   a generator makes one picture over and over;
//! - where the features are those of a classifier, `classes_covered` and `class_evenness` (the entropy of the classes of generated pictures, as
//!   a share of that of an even distribution), and `class_accuracy` where each was to be of a class.

use burn::tensor::{Tensor, backend::Backend};
use data::image::{ImageBatches, ImageData};
use reduce::{Matrix, k_nearest_of};
use training_loop::{
    error::TaskError,
    preparation::{Activity, Preparation},
    task::Scores,
};

use super::{
    features::{Extractor, NUM_FEATURES},
    pictures::on_device,
};
use crate::metrics::{Moments, frechet_distance, precision_recall};

/// Training pictures that are looked at, at most.
const MOST_REAL: usize = 10_000;

/// Neighbours that say how far a picture reaches.
const NEIGHBOURS: usize = 3;

/// A class that generated pictures have less often than this share of evenly is not covered.
const COVERED: f64 = 0.1;

/// Knows real pictures, and scores others by them.
pub struct Evaluator<B: Backend> {
    network: Extractor<B>,
    /// How many classes the network knows; none where it knows none of these pictures.
    classes: Option<usize>,
    real: Real,
    floor: Option<f64>,
}

/// Features of pictures, and their numbers in the source.
struct Real {
    features: Matrix,
    indices: Vec<usize>,
    moments: Moments,
}

/// What generated pictures look like to the network.
pub struct Seen {
    features: Matrix,
    classes: Vec<usize>,
}

impl<B: Backend> Evaluator<B> {
    /// Looks at the training pictures, and at as many held-out ones as generated ones will be scored, `count`, for the floor.
    ///
    /// # Errors
    /// When a picture cannot be read any more, or a feature is not finite.
    pub fn new(
        network: Extractor<B>,
        knows_classes: bool,
        images: &ImageData,
        count: usize,
        device: &B::Device,
        progress: &dyn Preparation,
    ) -> Result<Self, TaskError> {
        let train = images.plain_train_batches().ok_or("there are no training pictures")?;
        let real = Real::of(&network, &train, MOST_REAL, device, progress)?;
        let held_out = images.validation_batches().or_else(|| images.test_batches(Default::default()));
        let mut floor = None;
        // Fewer have no covariance worth the name.
        if let Some(held_out) = held_out.filter(|held_out| held_out.num_items().min(count) > NUM_FEATURES) {
            let other = Real::of(&network, &held_out, count, device, progress)?;
            let distance = frechet_distance(&real.moments, &other.moments)?;
            let (held, trained) = (other.indices.len(), real.indices.len());
            progress.note(&format!(
                "FID of {held} held-out images to {trained} training images (the floor): {distance:.3}"
            ));
            floor = Some(distance);
        }
        Ok(Self { network, classes: knows_classes.then_some(images.classes.len()), real, floor })
    }

    /// How many training pictures are known.
    pub fn num_real(&self) -> usize {
        self.real.indices.len()
    }

    /// The distance of real pictures that were held out to the training pictures; none where too few were.
    pub fn floor(&self) -> Option<f64> {
        self.floor
    }

    /// Looks at generated pictures, a batch at a time: `[batch, channels, size, size]`, scaled as the training pictures are.
    ///
    /// # Errors
    /// When there is none.
    pub fn look(&self, made: impl IntoIterator<Item = Tensor<B, 4>>) -> Result<Seen, TaskError> {
        let (mut features, mut classes, mut rows, mut columns) = (Vec::new(), Vec::new(), 0, 0);
        for pictures in made {
            let of_batch = self.network.features(pictures);
            [rows, columns] = [rows + of_batch.dims()[0], of_batch.dims()[1]];
            features.extend(of_batch.to_data().iter::<f32>());
            if let (Some(_), Extractor::Own(network)) = (self.classes, &self.network) {
                let said = network.classify(of_batch).argmax(1);
                classes.extend(said.into_data().iter::<i64>().map(|class| class as usize));
            }
        }
        Ok(Seen { features: Matrix::new(features, rows, columns)?, classes })
    }

    /// The scores of generated pictures; `asked` are the classes that they were to be of.
    ///
    /// # Errors
    /// When there are too few, or a feature is not finite.
    pub fn scores(&self, seen: &Seen, asked: Option<&[i32]>) -> Result<Scores, TaskError> {
        let moments = Moments::of(&seen.features);
        let real = &self.real;
        let mut scores = Scores::from([("fid".to_string(), frechet_distance(&real.moments, &moments)?)]);
        let spread = real.moments.total_variance();
        if spread > 0.0 {
            scores.insert("diversity".to_string(), (moments.total_variance() / spread).sqrt());
        }
        // The measure wants as many of both kinds.
        let count = seen.features.rows().min(real.features.rows());
        if count > NEIGHBOURS {
            let both = precision_recall(&some(&real.features, count)?, &some(&seen.features, count)?, NEIGHBOURS)?;
            scores.extend([("precision".to_string(), both.precision), ("recall".to_string(), both.recall)]);
        }
        if let Some(classes) = self.classes {
            scores.extend(class_scores(&seen.classes, classes, asked));
        }
        Ok(scores)
    }

    /// The number of the training picture that is nearest to each of the first `count` generated ones.
    ///
    /// # Errors
    /// When a feature is not finite.
    pub fn nearest(&self, seen: &Seen, count: usize) -> Result<Vec<usize>, TaskError> {
        let count = count.min(seen.features.rows());
        let columns = seen.features.columns();
        let first = Matrix::new(seen.features.values()[..count * columns].to_vec(), count, columns)?;
        let nearest = k_nearest_of(&first, &self.real.features, 1)?;
        Ok((0..count).map(|row| self.real.indices[nearest.indices(row)[0] as usize]).collect())
    }
}

impl Real {
    /// At most about `most` pictures, from all over the part.
    fn of<B: Backend>(
        network: &Extractor<B>,
        batches: &ImageBatches,
        most: usize,
        device: &B::Device,
        progress: &dyn Preparation,
    ) -> Result<Self, TaskError> {
        let each = batches.num_items().div_ceil(batches.num_batches().max(1)).max(1);
        let wanted = most.div_ceil(each).clamp(1, batches.num_batches());
        let (mut features, mut indices, mut columns) = (Vec::new(), Vec::new(), 0);
        let chosen: Vec<usize> = (0..wanted).map(|place| place * batches.num_batches() / wanted).collect();
        for (done, index) in chosen.iter().enumerate() {
            progress.progress(&Activity::items("features of real images", "batches", done, chosen.len()));
            let mut batch = batches.batch(0, *index)?;
            indices.extend_from_slice(&batch.indices);
            let of_batch = network.features(on_device(&mut batch, device));
            columns = of_batch.dims()[1];
            features.extend(of_batch.into_data().iter::<f32>());
        }
        let features = Matrix::new(features, indices.len(), columns)?;
        Ok(Self { moments: Moments::of(&features), features, indices })
    }
}

/// `count` rows from all over a table.
fn some(rows: &Matrix, count: usize) -> Result<Matrix, TaskError> {
    let chosen = (0..count).flat_map(|place| rows.row(place * rows.rows() / count).iter().copied());
    Ok(Matrix::new(chosen.collect(), count, rows.columns())?)
}

fn class_scores(said: &[usize], classes: usize, asked: Option<&[i32]>) -> Vec<(String, f64)> {
    let mut counts = vec![0_usize; classes];
    said.iter().for_each(|class| counts[*class] += 1);
    let all = said.len().max(1) as f64;
    let fair = all / classes as f64;
    let covered = counts.iter().filter(|count| **count as f64 >= COVERED * fair).count();
    let shares = counts.iter().filter(|count| **count > 0).map(|count| *count as f64 / all);
    let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
    let evenness = if classes > 1 { entropy.max(0.0) / (classes as f64).ln() } else { 1.0 };
    let mut scores = vec![("classes_covered".to_string(), covered as f64), ("class_evenness".to_string(), evenness)];
    if let Some(asked) = asked {
        let right = said.iter().zip(asked).filter(|(said, asked)| **said == **asked as usize).count();
        scores.push(("class_accuracy".to_string(), right as f64 / all));
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_is_never_made_is_not_covered() {
        let scores = class_scores(&[0, 0, 1, 1, 0, 1, 0, 1], 4, Some(&[0, 0, 1, 1, 0, 1, 0, 2]));
        let named = |name: &str| scores.iter().find(|(found, _)| found == name).unwrap().1;
        assert_eq!(named("classes_covered"), 2.0);
        assert!((named("class_evenness") - 0.5).abs() < 1e-9);
        assert_eq!(named("class_accuracy"), 0.875);
    }
}
