//! Numeric time series for forecasting: a table of columns over time is read, its gaps are closed, it is split in the
//! order of time, scaled by the training part, and cut into windows. [`SeriesData`] does all of it from one
//! [`SeriesConfig`].
//!
//! Rows are counted from 0 throughout, after rows with gaps were dropped. A batch is a pure function of (seed, epoch,
//! index). [`read_last_rows`] prepares the end of a new table for a forecast by a model that was trained before,
//! and [`dates_after`] says when it is for.

mod config;
mod dates;
mod delimiter;
mod gaps;
mod prepared;
mod scaler;
pub mod signals;
mod split;
mod table;
mod windows;

pub use config::{Missing, Scaling, SeriesConfig};
pub use dates::dates_after;
pub use prepared::{LastRows, SeriesData, read_last_rows};
pub use scaler::Scaler;
pub use split::{Part, Split};
pub use windows::{SeriesBatch, SeriesBatches};
