//! One function a command; each writes to `out` and says why it failed.

pub mod config;
pub mod embed;
pub mod eval;
pub mod generate;
pub mod info;
pub mod list;
pub mod predict;
pub mod reduce;
pub mod report;
pub mod runs;
pub mod stages;
pub mod train;

pub use runs::Located;
