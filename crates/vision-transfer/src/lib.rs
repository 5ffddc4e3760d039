//! Convolutional networks for images, their pretrained weights and what transfer learning needs, generic over burn's `Backend`.
//!
//! - [`network`]: any of the architectures by its name, and its stages from bottom to top;
//! - [`resnet`], [`cifar_resnet`], [`vgg`]: the architectures;
//! - [`pretrained`]: weights from PyTorch and safetensors files, and [`published`] ones by name;
//! - [`grad_cam`](mod@grad_cam): where in an image a network sees a class.
//!
//! Parameters have the names that torchvision gives them; in burn-store, ask for them with `skip_enum_variants`.

pub mod cifar_resnet;
pub mod grad_cam;
pub mod network;
pub mod pretrained;
pub mod published;
mod residual;
pub mod resnet;
#[cfg(feature = "training")]
pub mod task;
pub mod vgg;
