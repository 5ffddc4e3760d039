//! Rows of a table of times, on both CPU backends beside each other.

use burn::tensor::{Distribution, Tensor, backend::Backend};
use std::time::{Duration, Instant};

/// What was timed, with its microseconds.
pub type Times = Vec<(String, f64)>;

/// The rows of a backend, of which the words behind the command choose some.
pub struct Rows<'a> {
    words: &'a [String],
    done: Times,
}

impl Rows<'_> {
    /// Times a row, unless it is not chosen.
    pub fn time(&mut self, name: impl Into<String>, run: impl FnMut()) {
        let name = name.into();
        if self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str())) {
            self.done.push((name, tenth(run)));
        }
    }
}

/// Prints the rows that both functions, which are one on two backends, time.
pub fn print(flex: fn(&mut Rows<'_>), ndarray: fn(&mut Rows<'_>)) {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    println!("{:52}{:>10}{:>10}", "microseconds", "flex", "ndarray");
    let [flex, ndarray] = [flex, ndarray].map(|all| {
        let mut rows = Rows { words: &words, done: Vec::new() };
        all(&mut rows);
        rows.done
    });
    for ((name, flex), (_, ndarray)) in flex.iter().zip(&ndarray) {
        println!("{name:52}{flex:>10.0}{ndarray:>10.0}");
    }
}

/// Normally distributed numbers.
pub fn random<B: Backend, const D: usize>(shape: [usize; D]) -> Tensor<B, D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Default::default())
}

/// The tenth percentile of the microseconds of a few hundred runs.
fn tenth(mut run: impl FnMut()) -> f64 {
    run();
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < 15 || (started.elapsed() < Duration::from_millis(600) && times.len() < 400) {
        let start = Instant::now();
        run();
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 10].as_secs_f64() * 1e6
}
