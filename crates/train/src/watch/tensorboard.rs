//! Event files for TensorBoard, in `tensorboard/` of the run.

use std::{io, path::Path, time::SystemTime};

use report::tensorboard::EventWriter;
use training_loop::{
    event::{Event, Observer},
    run_folder::MetricsRow,
    task::SampleContent,
};

/// Writes metrics as scalars and samples as text and pictures.
pub struct TensorBoard {
    folder: std::path::PathBuf,
    writer: Option<EventWriter>,
}

impl TensorBoard {
    /// Writes into `folder` once the run starts.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), writer: None }
    }

    fn write(&mut self, event: &Event<'_>) -> io::Result<()> {
        if let Event::Start { step, .. } = event {
            // Points after the resumed step belong to what was lost: TensorBoard purges them.
            let writer = if *step > 0 {
                EventWriter::resume(&self.folder, *step + 1)?
            } else {
                EventWriter::create(&self.folder)?
            };
            self.writer = Some(writer);
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        match event {
            Event::Train(row) | Event::Validation { row, .. } => scalars(writer, row),
            Event::Average(average) => average.scores.as_ref().map_or(Ok(()), |row| scalars(writer, row)),
            Event::Sample { step, sample, .. } => {
                let tag = if sample.name.is_empty() { "samples".into() } else { format!("samples/{}", sample.name) };
                match &sample.content {
                    SampleContent::Text(text) => writer.text(&tag, *step, text),
                    SampleContent::Png(png) => match png_size(png) {
                        Some((width, height)) => writer.image_png(&tag, *step, png, width, height),
                        None => Ok(()),
                    },
                    SampleContent::Gif(_) => Ok(()),
                }
            }
            Event::Checkpoint { .. } | Event::End(_) => writer.flush(),
            _ => Ok(()),
        }
    }
}

fn scalars(writer: &mut EventWriter, row: &MetricsRow) -> io::Result<()> {
    let now = SystemTime::now();
    for (name, value) in &row.metrics {
        writer.scalar(&format!("{name}/{}", row.split), row.step, *value, now)?;
    }
    writer.flush()
}

/// Width and height from the header of a PNG file.
fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    Some((number(16)?, number(20)?))
}

impl Observer for TensorBoard {
    fn on_event(&mut self, event: &Event<'_>) {
        if let Err(error) = self.write(event) {
            // The run is worth more than its TensorBoard files.
            log::warn!("no more TensorBoard events: {error}");
            self.writer = None;
        }
    }
}
