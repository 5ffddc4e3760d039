//! Peak memory and time of a training step of a GPT with and without activation checkpointing, on flex:
//! `MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=-1 cargo bench --profile dev -p transformer --features flex --bench checkpointing`.
//!
//! Memory is that of a whole process, so each figure is a process of its own; rounds alternate. A number behind the command is how
//! many.

use burn::{
    backend::{Autodiff, Flex},
    tensor::{Int, Tensor},
};
use layers::loss::{CrossEntropy, cross_entropy};
use std::{env, fs, hint::black_box, process::Command, time::Instant};
use transformer::gpt::GptConfig;

type B = Autodiff<Flex>;

const BATCH: usize = 8;
const LENGTH: usize = 512;
const VOCABULARY: usize = 65;
const STEPS: usize = 4;

fn main() {
    // cargo's own arguments begin with a dash.
    let asked: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    match asked.first().map(String::as_str) {
        Some("with") => measure(true),
        Some("without") => measure(false),
        rounds => alternate(rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(3)),
    }
}

fn alternate(rounds: usize) {
    let program = env::current_exe().expect("the path of this program");
    for _ in 0..rounds {
        for mode in ["without", "with"] {
            let output = Command::new(&program).arg(mode).output().expect("this program runs");
            print!("{mode:8} {}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

/// Prints the least time of a step, and the most memory that the process had.
fn measure(activation_checkpointing: bool) {
    let device = Default::default();
    let config = GptConfig {
        num_layers: 8,
        num_heads: 8,
        embedding_size: 256,
        context_len: LENGTH,
        dropout: 0.1,
        activation_checkpointing,
        ..GptConfig::default()
    };
    let model = config.init::<B>(VOCABULARY, &device);
    let tokens = Tensor::<B, 1, Int>::arange(0..(BATCH * LENGTH) as i64, &device).remainder_scalar(VOCABULARY as i64);
    let step = || {
        let (logits, _) = model.forward(tokens.clone().reshape([BATCH, LENGTH]), None);
        let loss = cross_entropy(logits.flatten::<2>(0, 1), tokens.clone(), &CrossEntropy::default());
        black_box(loss.backward());
    };
    let times = (0..STEPS).map(|_| {
        let start = Instant::now();
        step();
        start.elapsed().as_secs_f64() * 1e3
    });
    let least = times.fold(f64::INFINITY, f64::min);
    println!("{least:7.0} ms  {:6.0} MB", peak_memory().unwrap_or(f64::NAN));
}

/// In megabytes; none where the system does not say.
fn peak_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()? / 1e3)
}
