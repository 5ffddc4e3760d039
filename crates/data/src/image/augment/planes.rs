use super::super::Image;

/// The picture as a network reads it: `[channels, height, width]`, each value `(level / 255 - mean) / std` with the `mean` and
/// `std` of its channel.
///
/// # Panics
/// Where `mean` or `std` has fewer values than the picture has channels.
pub fn planes(image: &Image, mean: &[f32], std: &[f32]) -> Vec<f32> {
    let mut planes = vec![0.0; image.pixels.len()];
    write_planes(image, mean, std, &mut planes);
    planes
}

/// [`planes`] into a place that is there already, as one picture of a batch.
///
/// # Panics
/// As [`planes`].
pub fn write_planes(image: &Image, mean: &[f32], std: &[f32], planes: &mut [f32]) {
    let area = (image.width * image.height).max(1);
    for (channel, plane) in planes.chunks_exact_mut(area).take(image.channels).enumerate() {
        let table: [f32; 256] = std::array::from_fn(|level| (level as f32 / 255.0 - mean[channel]) / std[channel]);
        let levels = image.pixels.iter().skip(channel).step_by(image.channels);
        plane.iter_mut().zip(levels).for_each(|(value, level)| *value = table[usize::from(*level)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_apart_and_normalised() {
        let image = Image { width: 2, height: 1, channels: 3, pixels: vec![0, 51, 102, 255, 204, 153] };
        // (0 - 0.5) / 0.5, (1 - 0.5) / 0.5, then 0.2 and 0.8, then (0.4 - 0.4) / 0.1 and (0.6 - 0.4) / 0.1.
        let expected = [-1.0, 1.0, 0.2, 0.8, 0.0, 2.0];
        let found = planes(&image, &[0.5, 0.0, 0.4], &[0.5, 1.0, 0.1]);
        assert!(found.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{found:?}");
    }
}
