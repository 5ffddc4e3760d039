//! Features of pictures that a frozen trunk gives: computed once, and read from there in every epoch.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use data::image::ImageBatches;
use training_loop::error::TaskError;

use super::on_device;
use crate::network::Network;

/// The features of every picture of one part, in one or several views.
pub(super) struct Features<B: Backend> {
    /// `[views · pictures, features]`, view by view.
    rows: Tensor<B, 2>,
    /// By the number of a picture in its source, its row in a view.
    places: Vec<usize>,
    /// Pictures in a view.
    pictures: usize,
    views: usize,
}

impl<B: Backend> Features<B> {
    /// Computes them with `network`, whose trunk must not change any more: one view an epoch of `batches`. `done` is told how many
    /// pictures are through.
    pub fn compute(
        network: &Network<B>,
        batches: &ImageBatches,
        views: usize,
        device: &B::Device,
        done: &mut dyn FnMut(usize),
    ) -> Result<Self, TaskError> {
        let mut rows = Vec::new();
        let mut places = Vec::new();
        let mut pictures = 0;
        for view in 0..views {
            // Each epoch deals the pictures in an order of its own, and the first decides which row is whose.
            let mut of_view = Vec::new();
            let mut seen = Vec::new();
            for index in 0..batches.num_batches() {
                let batch = batches.batch(view as u64, index)?;
                seen.extend_from_slice(&batch.indices);
                of_view.push(network.pooled(network.forward_features(on_device(&batch, device))));
                done(view * batches.num_items() + seen.len());
            }
            let of_view = Tensor::cat(of_view, 0);
            if view == 0 {
                pictures = seen.len();
                places = vec![usize::MAX; seen.iter().max().map_or(0, |largest| largest + 1)];
                seen.iter().enumerate().for_each(|(row, picture)| places[*picture] = row);
                rows.push(of_view);
            } else {
                let mut row_of_place = vec![0_i64; pictures];
                seen.iter().enumerate().for_each(|(row, picture)| row_of_place[places[*picture]] = row as i64);
                let order = Tensor::<B, 1, Int>::from_data(TensorData::new(row_of_place, [pictures]), device);
                rows.push(of_view.select(0, order));
            }
        }
        Ok(Self { rows: Tensor::cat(rows, 0), places, pictures, views })
    }

    /// The features of pictures in the view of an epoch: `[pictures, features]`.
    pub fn of(&self, pictures: &[usize], epoch: u64) -> Tensor<B, 2> {
        let view = (epoch % self.views as u64) as usize;
        let rows: Vec<i64> =
            pictures.iter().map(|picture| (view * self.pictures + self.places[*picture]) as i64).collect();
        let rows = Tensor::<B, 1, Int>::from_data(TensorData::new(rows, [pictures.len()]), &self.rows.device());
        self.rows.clone().select(0, rows)
    }
}
