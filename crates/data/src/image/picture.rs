use crate::DataError;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageReader};
use std::io::Cursor;
use std::path::Path;

/// A picture in memory, 8 bits a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// `height · width · channels` values, row by row, the channels of a pixel side by side.
    pub pixels: Vec<u8>,
}

impl Image {
    /// Decodes a file of any of the common formats. It is turned as its EXIF data say, transparency is dropped, 16 bits
    /// become 8, and colour becomes grey as in [`with_channels`](Self::with_channels).
    ///
    /// # Errors
    /// [`DataError::BadImage`] with `path`, which is only for the message.
    pub fn decode(bytes: &[u8], channels: usize, path: &Path) -> Result<Self, DataError> {
        let bad = |reason: String| DataError::BadImage {
            path: path.to_owned(),
            message: format!(
                "not a picture that can be read ({reason}). Replace or remove it, or set `on_error = \"skip\"`; png, jpeg, webp, bmp \
                 and gif are read"
            ),
        };
        // Some of the decoders' reasons have a line break at their end.
        let decoded = decoded(bytes).map_err(|error| bad(error.to_string().trim_end().to_owned()))?;
        if is_cut_jpeg(bytes) {
            return Err(bad("it is cut off: a JPEG file without its end".to_owned()));
        }
        let (width, height) = (decoded.width() as usize, decoded.height() as usize);
        // The decoders' own grey weighs the colours otherwise (ITU-R 709).
        let (read, pixels) = match channels == 1 && !decoded.color().has_color() {
            true => (1, decoded.into_luma8().into_raw()),
            false => (3, decoded.into_rgb8().into_raw()),
        };
        Ok(Self { width, height, channels: read, pixels }.with_channels(channels))
    }

    /// Reads and decodes a file, as [`decode`](Self::decode) does.
    ///
    /// # Errors
    /// [`DataError`] for a file that cannot be read, and those of [`decode`](Self::decode).
    pub fn read(path: &Path, channels: usize) -> Result<Self, DataError> {
        let bytes = std::fs::read(path).map_err(DataError::reading(path))?;
        Self::decode(&bytes, channels, path)
    }

    /// The same picture with 1 or 3 channels; grey is made as ITU-R 601 weighs the colours.
    pub fn with_channels(self, channels: usize) -> Self {
        let pixels = match (self.channels, channels) {
            (3, 1) => self.pixels.chunks_exact(3).map(grey).collect(),
            (1, 3) => self.pixels.iter().flat_map(|grey| [*grey; 3]).collect(),
            _ => self.pixels,
        };
        Self { channels, pixels, ..self }
    }
}

fn grey(pixel: &[u8]) -> u8 {
    let [red, green, blue] = [0, 1, 2].map(|channel| u32::from(pixel[channel]));
    // PIL's rounding.
    ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16) as u8
}

fn decoded(bytes: &[u8]) -> image::ImageResult<DynamicImage> {
    let mut decoder = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Whether a JPEG file lacks its end: the decoder puts grey for the pixels that are not there.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    let ends = |pixels: &[u8]| pixels.windows(2).rev().any(|marker| marker == [0xFF, 0xD9]);
    pixels_of_jpeg(bytes).is_some_and(|pixels| !ends(pixels))
}

/// What follows the tables and thumbnails of a JPEG file; none where it is no such file.
fn pixels_of_jpeg(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(&[0xFF, 0xD8])?;
    loop {
        match rest {
            [0xFF, 0xDA, pixels @ ..] => return Some(pixels),
            // A marker may stand behind any number of these.
            [0xFF, 0xFF, ..] => rest = &rest[1..],
            [0xFF, _, high, low, ..] => rest = rest.get(2 + usize::from(u16::from_be_bytes([*high, *low]))..)?,
            _ => return None,
        }
    }
}

/// A picture as a PNG file.
///
/// # Panics
/// When the pixels are not as many as the size says: that is an error of the calling code.
pub fn png(image: &Image) -> Vec<u8> {
    let mut file = Vec::new();
    let color = if image.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    image::codecs::png::PngEncoder::new(&mut file)
        .write_image(&image.pixels, image.width as u32, image.height as u32, color)
        .expect("a picture whose pixels are as many as its size says");
    file
}

/// An animated GIF that shows pictures of one size one after another, each for `hundredths` of a second, and begins again.
///
/// # Panics
/// If there is no picture, or one is not of the size of the first: that is an error of the calling code.
pub fn gif(frames: &[Image], hundredths: u16) -> Vec<u8> {
    use image::codecs::gif::{GifEncoder, Repeat};
    let [width, height] = [frames[0].width, frames[0].height];
    let mut file = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut file, 10);
    encoder.set_repeat(Repeat::Infinite).expect("a vector takes all that is written");
    for frame in frames {
        assert_eq!([frame.width, frame.height], [width, height], "pictures of one size");
        let colored = frame.clone().with_channels(3).pixels;
        let opaque = colored.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], u8::MAX]).collect();
        let buffer =
            image::RgbaImage::from_raw(width as u32, height as u32, opaque).expect("as many pixels as its size says");
        let delay = image::Delay::from_numer_denom_ms(10 * u32::from(hundredths), 1);
        encoder
            .encode_frame(image::Frame::from_parts(buffer, 0, 0, delay))
            .expect("a vector takes all that is written");
    }
    drop(encoder);
    file
}

/// Pictures of one size side by side, `columns` in a row, with a line of `gap` black pixels between them.
///
/// # Panics
/// If there is no picture or no column, or pictures differ in size or channels: that is an error of the calling code.
pub fn grid(pictures: &[Image], columns: usize, gap: usize) -> Image {
    let Image { width, height, channels, .. } = pictures[0];
    let rows = pictures.len().div_ceil(columns);
    let columns = columns.min(pictures.len());
    let [whole_width, whole_height] = [columns * (width + gap) - gap, rows * (height + gap) - gap];
    let mut pixels = vec![0; whole_width * whole_height * channels];
    for (number, picture) in pictures.iter().enumerate() {
        assert_eq!(
            [picture.width, picture.height, picture.channels],
            [width, height, channels],
            "pictures of one kind"
        );
        let [left, top] = [number % columns * (width + gap), number / columns * (height + gap)];
        for (row, line) in picture.pixels.chunks_exact(width * channels).enumerate() {
            let start = ((top + row) * whole_width + left) * channels;
            pixels[start..start + line.len()].copy_from_slice(line);
        }
    }
    Image { width: whole_width, height: whole_height, channels, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_reads_as_it_was_written() {
        let image = Image { width: 3, height: 2, channels: 3, pixels: (0..18).collect() };
        let path = Path::new("a.png");
        assert_eq!(Image::decode(&png(&image), 3, path).unwrap(), image);
        let grey = Image { width: 2, height: 2, channels: 1, pixels: vec![0, 90, 200, 255] };
        assert_eq!(Image::decode(&png(&grey), 1, path).unwrap(), grey);
        assert_eq!(Image::decode(&png(&grey), 3, path).unwrap(), grey.clone().with_channels(3));
        assert_eq!(grey.clone().with_channels(3).with_channels(1), grey);
    }

    #[test]
    fn a_gif_shows_its_pictures_in_turn() {
        use image::AnimationDecoder;
        let frame = |level: u8| Image { width: 5, height: 4, channels: 1, pixels: vec![level; 20] };
        let file = gif(&[frame(0), frame(128), frame(255)], 10);
        let frames = image::codecs::gif::GifDecoder::new(Cursor::new(file)).unwrap().into_frames();
        let levels: Vec<u8> = frames.map(|frame| frame.unwrap().buffer().get_pixel(2, 2).0[0]).collect();
        assert_eq!(levels, [0, 128, 255]);
    }

    #[test]
    fn a_grid_has_pictures_row_by_row() {
        let picture = |level: u8| Image { width: 2, height: 1, channels: 1, pixels: vec![level, level + 1] };
        let three = grid(&[picture(1), picture(3), picture(5)], 2, 1);
        assert_eq!((three.width, three.height), (5, 3));
        assert_eq!(three.pixels, [1, 2, 0, 3, 4, 0, 0, 0, 0, 0, 5, 6, 0, 0, 0]);
        assert_eq!(grid(&[picture(7)], 4, 1).pixels, [7, 8], "no columns without a picture");
    }

    #[test]
    fn what_is_no_picture_is_named() {
        let error = Image::decode(b"<html>not found</html>", 3, Path::new("ants/7.jpg")).unwrap_err().to_string();
        assert!(error.starts_with("ants/7.jpg: not a picture") && error.contains("on_error = \"skip\""), "{error}");
    }
}
