//! Waveforms, and reading them from `.wav` files.

use crate::DataError;
use hound::{SampleFormat, WavReader};
use std::io::Cursor;
use std::ops::RangeInclusive;
use std::path::Path;

/// Rates outside (in samples a second) are taken for damage.
const RATES: RangeInclusive<u32> = 1000..=768_000;

/// A recording with one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    /// The samples, from -1 to 1.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub rate: u32,
}

impl Waveform {
    /// How long it sounds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }
}

/// Reads a `.wav` file of any rate with PCM samples of 8, 16, 24 or 32 bits or with floats of 32 bits. Several channels
/// become one, their mean. Whole numbers of `b` bits are divided by `2^(b-1)`.
///
/// # Errors
/// [`DataError::Io`], and [`DataError::BadAudio`] for anything that is no such file or holds no sample.
pub fn read_wav(path: &Path) -> Result<Waveform, DataError> {
    decode(&std::fs::read(path).map_err(DataError::reading(path))?, path)
}

/// As [`read_wav`], from the bytes of a file; `path` is for messages.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Waveform, DataError> {
    let bad = |message: String| DataError::BadAudio { path: path.to_owned(), message };
    let unreadable = |error: hound::Error| bad(explain(&error));
    let mut reader = WavReader::new(Cursor::new(bytes)).map_err(unreadable)?;
    let spec = reader.spec();
    if spec.channels == 0 || !RATES.contains(&spec.sample_rate) {
        return Err(bad(format!(
            "a header with {} channels and {} samples a second; the file is damaged, or was written by a faulty program",
            spec.channels, spec.sample_rate
        )));
    }
    let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        SampleFormat::Int => {
            let scale = 0.5f64.powi(i32::from(spec.bits_per_sample) - 1);
            reader.samples::<i32>().map(|sample| Ok((f64::from(sample?) * scale) as f32)).collect()
        }
    };
    let samples = samples.map_err(unreadable)?;
    let channels = usize::from(spec.channels);
    let samples: Vec<f32> = match channels {
        1 => samples,
        _ => samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect(),
    };
    if samples.is_empty() {
        return Err(bad("a recording without a single sample; remove it or record it again".to_owned()));
    }
    if let Some(place) = samples.iter().position(|sample| !sample.is_finite()) {
        return Err(bad(format!("sample {place} is not a finite number; the recording is damaged")));
    }
    Ok(Waveform { samples, rate: spec.sample_rate })
}

fn explain(error: &hound::Error) -> String {
    let expected = "a .wav file with PCM samples of 8, 16, 24 or 32 bits, or floats of 32, is expected";
    match error {
        hound::Error::IoError(_) => {
            format!("ends too early ({error}); {expected}. Copy or record it again")
        }
        hound::Error::Unsupported => format!("a kind of .wav file that cannot be read; {expected}. Convert it"),
        _ => format!("not a readable .wav file ({error}); {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};
    use proptest::prelude::*;

    fn spec(channels: u16, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
        WavSpec { channels, sample_rate: 8000, bits_per_sample, sample_format }
    }

    fn whole_numbers(channels: u16, bits: u16, samples: &[i32]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec(channels, bits, SampleFormat::Int)).unwrap();
        samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn read(bytes: &[u8]) -> Result<Waveform, DataError> {
        decode(bytes, Path::new("a.wav"))
    }

    #[test]
    fn every_width_of_pcm_is_scaled_to_one() {
        for bits in [8, 16, 24, 32] {
            let full = 1i64 << (bits - 1);
            let bytes = whole_numbers(1, bits, &[0, (full / 2) as i32, (-full) as i32]);
            let wave = read(&bytes).unwrap();
            assert_eq!((wave.samples.as_slice(), wave.rate), ([0.0, 0.5, -1.0].as_slice(), 8000), "{bits} bits");
        }
    }

    #[test]
    fn floats_are_read_as_they_are_and_channels_become_their_mean() {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec(2, 32, SampleFormat::Float)).unwrap();
        [0.5f32, 0.25, -1.0, 1.0].iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        assert_eq!(read(&bytes.into_inner()).unwrap().samples, [0.375, 0.0]);
    }

    #[test]
    fn what_is_no_recording_is_named() {
        let says = |bytes: &[u8], parts: &[&str]| {
            let message = read(bytes).unwrap_err().to_string();
            parts.iter().for_each(|part| assert!(message.contains(part), "{part} in {message}"));
        };
        says(b"", &["a.wav: ", ".wav file with PCM samples"]);
        says(b"ID3 an mp3 file that was renamed, as happens", &["a.wav: ", ".wav file with PCM samples"]);
        says(&whole_numbers(1, 16, &[]), &["without a single sample"]);
        let cut = whole_numbers(1, 16, &[1; 100]);
        says(&cut[..cut.len() - 31], &["ends too early"]);
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(
            flips in proptest::collection::vec((0usize..120, any::<u8>()), 0..12), cut in 0usize..300,
            bits in prop_oneof![Just(8u16), Just(16), Just(24), Just(32)], channels in 1u16..4,
        ) {
            let mut bytes = whole_numbers(channels, bits, &vec![3; 60 * usize::from(channels)]);
            for (place, value) in flips {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = value;
                }
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            let _ = read(&bytes);
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[b"RIFF\0\0\0\0WAVEfmt ".as_slice(), &bytes].concat());
            let _ = read(&bytes);
        }
    }
}
