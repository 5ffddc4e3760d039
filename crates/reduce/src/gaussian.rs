use random::SplitMix64;

/// Numbers from the standard normal distribution, by Box and Muller's method.
pub struct Gaussian(SplitMix64);

impl Gaussian {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    /// The next number.
    pub fn draw(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.0.unit()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.0.unit()).cos()) as f32
    }

    /// The next `count` numbers.
    pub fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.draw()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variance_are_those_of_the_standard_normal() {
        let numbers = Gaussian::new(1).take(100_000);
        let mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / 1e5;
        let variance = numbers.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }
}
