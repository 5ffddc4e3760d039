//! Denoising diffusion: noise is added to an image step by step, and a network learns to take it away again
//! ([Ho, Jain and Abbeel 2020](https://arxiv.org/abs/2006.11239)).
//!
//! - [`unet`]: the network.
//! - [`process`]: how much noise there is at each step, what the network learns to say about it, and how an image is made of noise.

pub mod process;
pub mod unet;

pub use process::{Diffusion, DiffusionConfig, NoiseSchedule, Prediction, Sampling};
pub use unet::{UNet, UNetConfig};
