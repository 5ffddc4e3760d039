//! Convolutions whose kernel covers each image exactly: all three products are products of matrices, with an image as a row. The first
//! layer of a generator and the last of a discriminator are such.

use super::{Role, sizes::Sizes};
use crate::cpu::product::{Matrix, product};

/// The numbers of a product of these two factors, in the order of their roles.
pub(super) fn product_of_rows(
    sizes: &Sizes,
    wanted: Role,
    [one, other]: [&[f32]; 2],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let (batch, pixels) = (sizes.batch, sizes.taps());
    let (inputs, outputs) = (sizes.inputs * pixels, sizes.outputs);
    match wanted {
        Role::Output => {
            let (input, weight) = (Matrix::new(one, batch, inputs), Matrix::new(other, outputs, inputs));
            with_bias(batch, outputs, 1, bias, |result, add| product(result, input, weight.transposed(), add))
        }
        Role::Input => {
            let (weight, output) = (Matrix::new(one, outputs, inputs), Matrix::new(other, batch, outputs));
            with_bias(batch, sizes.inputs, pixels, bias, |result, add| product(result, output, weight, add))
        }
        Role::Weight => {
            let (input, output) = (Matrix::new(one, batch, inputs), Matrix::new(other, batch, outputs));
            let mut result = vec![0.0; outputs * inputs];
            product(&mut result, output.transposed(), input, false);
            result
        }
    }
}

/// Rows of channels of pixels: what `fill` writes, or adds to the bias where there is one.
fn with_bias(
    batch: usize,
    channels: usize,
    pixels: usize,
    bias: Option<&[f32]>,
    fill: impl FnOnce(&mut [f32], bool),
) -> Vec<f32> {
    let mut result = match bias {
        Some(bias) => {
            let row: Vec<f32> = bias.iter().flat_map(|value| std::iter::repeat_n(*value, pixels)).collect();
            row.repeat(batch)
        }
        None => vec![0.0; batch * channels * pixels],
    };
    fill(&mut result, bias.is_some());
    result
}
