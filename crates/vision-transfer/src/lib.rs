//! Convolutional networks for images, their pretrained weights and what transfer learning needs, generic over burn's `Backend`.

pub mod published;
