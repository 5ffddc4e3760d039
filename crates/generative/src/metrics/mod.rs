//! How near made things are to real ones, by their features: numbers in, numbers out, without tensors; and the network whose features
//! published numbers go by.

mod fid;
pub mod inception;
mod precision_recall;

pub use fid::{Moments, frechet_distance};
pub use precision_recall::{PrecisionRecall, precision_recall};
