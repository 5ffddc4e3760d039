//! Building blocks that several model families share and that have to be fast.
//!
//! Every block has one signature over `B: Backend`. Behind it is a portable path in plain tensor operations, and with
//! the features `ndarray` and `flex` hand-tuned kernels that the CPU backends of these names take by themselves (the
//! module `cpu`). Both paths give the same values and gradients up to rounding.

pub mod activation;
pub mod attention;
pub mod batch_norm;
pub mod beam;
pub mod checkpoint;
pub mod convolution;
#[cfg(any(feature = "ndarray", feature = "flex"))]
pub mod cpu;
pub mod ctc;
pub mod dropout;
pub mod embedding;
pub mod generation;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod indices;
pub mod initializer;
pub mod loss;
pub mod norm;
pub mod pooling;
pub mod projection;
pub mod recurrent;
pub mod rotary;
pub mod sampling;
pub mod spectral_norm;
pub mod update;
pub mod upsample;
