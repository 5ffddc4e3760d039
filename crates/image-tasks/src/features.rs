//! Features of pictures that a frozen trunk gives: computed once, and read from there in every epoch.

use std::collections::BTreeMap;

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use data::image::ImageBatches;
use training_loop::error::TaskError;

use crate::{ImageNetwork, on_device};

/// The features of every picture of one part, in one or several views.
pub(crate) struct Features<B: Backend> {
    /// `[views · pictures, features]`
    rows: Tensor<B, 2>,
    /// By view, and by the number of a picture in its source: its row.
    places: Vec<BTreeMap<usize, i64>>,
}

impl<B: Backend> Features<B> {
    /// Computes them with `network`, whose trunk must not change any more: one view an epoch of `batches`. `done` is told how many
    /// pictures are through.
    pub fn compute(
        network: &impl ImageNetwork<B>,
        batches: &ImageBatches,
        views: usize,
        device: &B::Device,
        done: &mut dyn FnMut(usize),
    ) -> Result<Self, TaskError> {
        let mut rows = Vec::new();
        let mut places = vec![BTreeMap::new(); views];
        let mut count = 0;
        for (view, places) in places.iter_mut().enumerate() {
            for index in 0..batches.num_batches() {
                let mut batch = batches.batch(view as u64, index)?;
                places.extend(batch.indices.iter().copied().zip(count as i64..));
                count += batch.batch_size;
                rows.push(network.features(on_device(&mut batch, device)));
                done(count);
            }
        }
        Ok(Self { rows: Tensor::cat(rows, 0), places })
    }

    /// The features of pictures in the view of an epoch: `[pictures, features]`.
    pub fn of(&self, pictures: &[usize], epoch: u64) -> Tensor<B, 2> {
        let places = &self.places[(epoch % self.places.len() as u64) as usize];
        let rows: Vec<i64> = pictures.iter().map(|picture| places[picture]).collect();
        let rows = Tensor::<B, 1, Int>::from_data(TensorData::new(rows, [pictures.len()]), &self.rows.device());
        self.rows.clone().select(0, rows)
    }
}
