//! The pictures of a source, decoded or yet to be, and their labels.

use super::batches::Labels;
use super::picture::Image;
use super::source::{Found, Part, Pixels};
use crate::gather::Content;
use crate::{DataError, OnError};
use image::ImageReader;
use rayon::prelude::*;
use std::borrow::Cow;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// All pictures of a source that can be read.
#[derive(Debug)]
pub(super) struct Pictures {
    root: PathBuf,
    names: Vec<String>,
    pixels: Vec<Pixels>,
    /// The classes of each picture.
    labels: Vec<Vec<usize>>,
    /// The part that the source puts each picture into.
    parts: Vec<Option<Part>>,
    num_classes: usize,
    multi_label: bool,
    channels: usize,
    /// Width and height of each.
    sizes: Vec<[usize; 2]>,
}

/// What becomes of the files that were found.
pub(super) struct Reading {
    pub channels: usize,
    pub memory_mib: usize,
    pub on_error: OnError,
    pub multi_label: bool,
}

impl Pictures {
    /// Decodes every picture once, on all cores, so that none fails later; they are kept where all fit into the memory that
    /// `reading` allows. Returns the names of those that cannot be read as well.
    pub fn read(
        found: Vec<Found>,
        labels: Vec<Vec<usize>>,
        num_classes: usize,
        root: PathBuf,
        reading: &Reading,
    ) -> Result<(Self, Vec<String>), DataError> {
        let keeps = bytes_of(&found, reading.channels) <= reading.memory_mib.saturating_mul(1 << 20);
        let decode = |(found, labels): (Found, Vec<usize>)| {
            let Found { name, pixels, part, .. } = found;
            let path = root.join(&name);
            match pixels {
                Pixels::Raw(image) => {
                    let image = image.with_channels(reading.channels);
                    Ok((name, part, [image.width, image.height], Pixels::Raw(image), labels))
                }
                Pixels::Encoded(content) => match decoded(&content, reading.channels, &path) {
                    Ok(image) => {
                        let size = [image.width, image.height];
                        let pixels = if keeps { Pixels::Raw(image) } else { Pixels::Encoded(content) };
                        Ok((name, part, size, pixels, labels))
                    }
                    Err(error) => Err((name, error)),
                },
            }
        };
        let read: Vec<_> = found.into_par_iter().zip(labels).map(decode).collect();
        let mut pictures = Self {
            root: root.clone(),
            names: Vec::new(),
            pixels: Vec::new(),
            labels: Vec::new(),
            parts: Vec::new(),
            num_classes,
            multi_label: reading.multi_label,
            channels: reading.channels,
            sizes: Vec::new(),
        };
        let mut skipped = Vec::new();
        for picture in read {
            match (picture, reading.on_error) {
                (Ok((name, part, size, pixels, labels)), _) => {
                    pictures.parts.push(part);
                    pictures.names.push(name);
                    pictures.sizes.push(size);
                    pictures.pixels.push(pixels);
                    pictures.labels.push(labels);
                }
                (Err((_, error)), OnError::Refuse) => return Err(error),
                (Err((name, _)), OnError::Skip) => skipped.push(name),
            }
        }
        if pictures.names.is_empty() {
            let message = format!("none of its {} pictures can be read", skipped.len());
            return Err(DataError::BadImage { path: root, message });
        }
        Ok((pictures, skipped))
    }

    /// A picture as it is in its source.
    pub fn image(&self, index: usize) -> Result<Cow<'_, Image>, DataError> {
        match &self.pixels[index] {
            Pixels::Raw(image) => Ok(Cow::Borrowed(image)),
            Pixels::Encoded(content) => Ok(Cow::Owned(decoded(content, self.channels, &self.path(index))?)),
        }
    }

    /// Where a picture lies, for people.
    pub fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.names[index])
    }

    pub fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    pub fn sizes(&self) -> &[[usize; 2]] {
        &self.sizes
    }

    pub fn in_memory(&self) -> bool {
        self.pixels.iter().all(|pixels| matches!(pixels, Pixels::Raw(_)))
    }

    /// What some pictures show.
    pub fn labels(&self, indices: &[usize]) -> Labels {
        if !self.multi_label {
            return Labels::Classes(indices.iter().map(|index| self.labels[*index][0] as i32).collect());
        }
        let mut there = vec![0.0; indices.len() * self.num_classes];
        for (row, index) in indices.iter().enumerate() {
            self.labels[*index].iter().for_each(|class| there[row * self.num_classes + class] = 1.0);
        }
        Labels::Multi { there, classes: self.num_classes }
    }

    pub fn channels(&self) -> usize {
        self.channels
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    pub fn part(&self, index: usize) -> Option<Part> {
        self.parts[index]
    }

    pub fn classes_of(&self, index: usize) -> &[usize] {
        &self.labels[index]
    }
}

fn decoded(content: &Content, channels: usize, path: &Path) -> Result<Image, DataError> {
    match content {
        Content::File(file) => Image::read(file, channels),
        Content::Bytes(bytes) => Image::decode(bytes, channels, path),
    }
}

/// The memory that all pictures take when they are decoded, by what their files say of their sizes.
fn bytes_of(found: &[Found], channels: usize) -> usize {
    let area = |found: &Found| match &found.pixels {
        Pixels::Raw(image) => image.width * image.height,
        Pixels::Encoded(content) => size_of(content).map_or(0, |(width, height)| width as usize * height as usize),
    };
    channels * found.par_iter().map(area).sum::<usize>()
}

/// What the head of a file says; none where it says nothing, which decoding will tell.
fn size_of(content: &Content) -> Option<(u32, u32)> {
    match content {
        Content::File(path) => ImageReader::open(path).ok()?.with_guessed_format().ok()?.into_dimensions().ok(),
        Content::Bytes(bytes) => {
            ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?.into_dimensions().ok()
        }
    }
}
