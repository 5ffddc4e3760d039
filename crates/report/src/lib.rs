//! Run folder to plots, a self-contained HTML page, terminal tables and TensorBoard events.
//!
//! ```no_run
//! let run = report::Run::open("runs/shakespeare")?;
//! println!("{}", report::summary_table(&run));
//! let page = report::write("runs/shakespeare")?; // runs/shakespeare/report.html
//! # Ok::<(), report::ReportError>(())
//! ```
//!
//! The page needs no network and no script to be read; a small inline script adds read-outs under the pointer. The plots are SVG written
//! here and by no plotting library: `plotters` bakes colours in, so that a page could not follow the reader's light or dark scheme, and
//! `charming` ships a JavaScript engine.
//!
//! [`section`] says how a job adds pages of its own: forecasts, confusion matrices, attention maps.

mod compare;
mod confusion;
mod curves;
mod error;
mod format;
mod html;
pub mod map;
mod numbers;
mod plot;
mod run;
pub mod section;
pub mod tensorboard;
mod terminal;
mod write;

pub use compare::compare;
pub use confusion::confusion_sections;
pub use error::ReportError;
pub use run::{Best, Checkpoint, Record, Run, Strip, Summary};
pub use section::{
    BarSeries, Bars, Body, Heatmap, LinePlot, LineStyle, Mark, Picture, PictureBytes, PictureSource, PointSeries,
    Sample, SampleContent, Scatter, Section, Series, Table,
};
pub use terminal::{sparkline, summary_table};
pub use write::write;
