use burn::tensor::TensorData;

/// What [Vaswani et al. (2017)](https://arxiv.org/abs/1706.03762), section 3.5, add to the embedding at each position: feature
/// `2 i` is `sin(position / 10000^(2 i / size))`, feature `2 i + 1` the cosine of the same angle. Computed in 64 bits, stored as
/// `f32`.
///
/// # Shapes
/// - output: `[max_len, size]`
pub fn sinusoidal_positions(max_len: usize, size: usize) -> TensorData {
    let value = |at: usize| {
        let (position, feature) = (at / size, at % size);
        let angle = position as f64 / 10_000_f64.powf((feature - feature % 2) as f64 / size as f64);
        (if feature.is_multiple_of(2) { angle.sin() } else { angle.cos() }) as f32
    };
    TensorData::new((0..max_len * size).map(value).collect::<Vec<f32>>(), [max_len, size])
}
