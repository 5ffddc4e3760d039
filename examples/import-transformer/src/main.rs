//! Kiln's GPT in a burn project of one's own: only the crate `transformer`, without its default features, and a loop written by hand.
//!
//!     cargo run -p import-transformer [-- config.json model.safetensors]
//!
//! It learns this very file by heart, one byte a token, and writes the file's beginning from its first bytes, with a cache of what was
//! read. On two cores it takes about twenty seconds, and the loss falls from 5.4 to below 0.3. With the two files of GPT-2 or Llama (as
//! on Hugging Face), it says what became of the weights instead, and which tokens the model writes behind the first of its vocabulary.

use std::error::Error;

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamWConfig, GradientsParams, Optimizer},
    tensor::{ElementConversion, Int, Tensor, TensorData, backend::Backend},
};
use transformer::{
    gpt::{Gpt, GptConfig, Positions},
    pretrained,
};

type B = Autodiff<Flex>;

const TEXT: &[u8] = include_bytes!("main.rs");
const ROWS: usize = 16;
const TIME: usize = 64;
const STEPS: usize = 600;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(config), Some(weights)) => published(&config, &weights),
        _ => {
            by_heart();
            Ok(())
        }
    }
}

fn by_heart() {
    let device = Default::default();
    B::seed(&device, 42);
    let (num_layers, num_heads, embedding_size) = (2, 4, 128);
    let positions = Positions::Rotary;
    let config =
        GptConfig { num_layers, num_heads, embedding_size, context_len: TIME, positions, ..GptConfig::default() };
    let mut model: Gpt<B> = config.init(256, &device);
    let cross_entropy = CrossEntropyLossConfig::new().init(&device);
    let mut optimizer = AdamWConfig::new().init();
    for step in 0..STEPS {
        let start = |row: usize| (step * 37 + row * TEXT.len() / ROWS) % (TEXT.len() - TIME);
        let rows = |shift: usize| -> Vec<i32> {
            (0..ROWS).flat_map(|row| &TEXT[start(row) + shift..][..TIME]).map(|byte| i32::from(*byte)).collect()
        };
        let tensor = |values: Vec<i32>| Tensor::<B, 2, Int>::from_data(TensorData::new(values, [ROWS, TIME]), &device);
        let (logits, _) = model.forward(tensor(rows(0)), None);
        let loss = cross_entropy.forward(logits.flatten(0, 1), tensor(rows(1)).flatten(0, 1));
        if step % 150 == 0 || step + 1 == STEPS {
            println!("step {step:3}   loss {:.3}", loss.clone().into_scalar());
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-3, model, gradients);
    }
    let start: Vec<i32> = TEXT[..16].iter().map(|byte| i32::from(*byte)).collect();
    let written = likeliest(&model.valid(), &start, TIME - 16);
    let bytes: Vec<u8> = start.into_iter().chain(written).map(|token| token as u8).collect();
    println!("{}", String::from_utf8_lossy(&bytes));
}

fn published(config: &str, weights: &str) -> Result<(), Box<dyn Error>> {
    let (config, vocab_size) = GptConfig::from_hugging_face(&std::fs::read_to_string(config)?)?;
    let mut model: Gpt<Flex> = config.init(vocab_size, &Default::default());
    let report = pretrained::load(&mut model, pretrained::read(weights)?)?;
    println!("{}", report.lines().join("\n"));
    println!("{:?}", likeliest(&model, &[0], config.context_len.min(20) - 1));
    Ok(())
}

/// The tokens that a model thinks likeliest behind those of `start`, one after the other.
fn likeliest<B: Backend>(model: &Gpt<B>, start: &[i32], count: usize) -> Vec<i32> {
    let mut read: Tensor<B, 2, Int> = Tensor::<B, 1, Int>::from_ints(start, &Default::default()).unsqueeze();
    let (mut cache, mut written) = (None, Vec::with_capacity(count));
    for _ in 0..count {
        let (features, after) = model.forward_features(read, cache);
        let [_, time, _] = features.dims();
        let logits = model.forward_head(features.narrow(1, time - 1, 1)); // [1, 1, vocabulary]
        read = logits.argmax(2).squeeze_dim(2);
        written.push(read.clone().into_scalar().elem());
        cache = Some(after);
    }
    written
}
