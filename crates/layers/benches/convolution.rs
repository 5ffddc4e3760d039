use burn::backend::{Autodiff, Flex, NdArray};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Distribution, Tensor};
use layers::convolution::{Conv2dOptions, conv2d};
use std::time::Instant;

fn time(name: &str, mut run: impl FnMut()) {
    for _ in 0..2 {
        run();
    }
    let mut times = Vec::new();
    for _ in 0..15 {
        let start = Instant::now();
        run();
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{name:40} min {:.2} median {:.2}", times[0], times[7]);
}

fn random<B: AutodiffBackend, const D: usize>(shape: [usize; D]) -> Tensor<B, D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Default::default())
}

fn all<B: AutodiffBackend>(what: &str) {
    for [batch, channels, size] in [[32, 64, 32], [128, 16, 32], [128, 32, 16], [128, 64, 8]] {
        let input = random::<B, 4>([batch, channels, size, size]);
        let weight = random::<B, 4>([channels, channels, 3, 3]);
        let options = Conv2dOptions { padding: [1, 1], ..Default::default() };
        let (x, w) = (input.clone().inner(), weight.clone().inner());
        time(&format!("{what} {channels} forward"), || {
            conv2d(x.clone(), w.clone(), None, &options);
        });
        for (name, by_input, by_weight) in [("input", true, false), ("weight", false, true)] {
            let x = input.clone().set_require_grad(by_input);
            let w = weight.clone().set_require_grad(by_weight);
            let mut total = 0.0;
            let mut count = 0;
            time(&format!("{what} {channels} with {name}"), || {
                let y = conv2d(x.clone(), w.clone(), None, &options);
                let start = Instant::now();
                let g = y.backward();
                count += 1;
                total += start.elapsed().as_secs_f64() * 1e3;
                std::hint::black_box(g);
            });
            println!("   backward mean {:.2}", total / count as f64);
        }
    }
}

fn main() {
    all::<Autodiff<Flex>>("flex");
    if std::env::args().any(|a| a == "both") {
        all::<Autodiff<NdArray>>("ndarray");
    }
}
