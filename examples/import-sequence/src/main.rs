//! Kiln's language model in a burn project of one's own: only the crate `sequence`, without its default features, and a
//! loop written by hand. It learns this very file by heart, one byte a token.
//!
//!     cargo run -p import-sequence
//!
//! On two cores it takes about ten seconds, and the loss falls from 5.5 to below 0.5.

use burn::{
    backend::{Autodiff, Flex},
    module::AutodiffModule,
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamWConfig, GradientsParams, Optimizer},
    tensor::{Int, Tensor, TensorData, backend::Backend},
};
use sequence::{
    generation::{GenerationError, Generator, SamplingOptions},
    language_model::{LanguageModel, LanguageModelConfig},
};

type B = Autodiff<Flex>;

const TEXT: &[u8] = include_bytes!("main.rs");
const ROWS: usize = 8;
const TIME: usize = 32;
const STEPS: usize = 1000;

fn main() -> Result<(), GenerationError> {
    let device = Default::default();
    B::seed(&device, 42);
    let config = LanguageModelConfig { embedding_size: 32, hidden_size: 128, ..Default::default() };
    let mut model: LanguageModel<B> = config.init(256, &device);
    let mut optimizer = AdamWConfig::new().init();
    let cross_entropy = CrossEntropyLossConfig::new().init(&device);

    // Every row reads its own part of the text, window after window, and begins again at its end.
    let part = (TEXT.len() - 1) / ROWS;
    let windows = part / TIME;
    let mut state = None;
    for step in 0..STEPS {
        let window = step % windows;
        if window == 0 {
            state = None;
        }
        let at = |offset: usize| {
            let rows = (0..ROWS).map(|row| row * part + window * TIME + offset);
            let bytes = rows.flat_map(|first| &TEXT[first..first + TIME]);
            let tokens: Vec<i32> = bytes.map(|byte| i32::from(*byte)).collect();
            Tensor::<B, 2, Int>::from_data(TensorData::new(tokens, [ROWS, TIME]), &device)
        };
        let (logits, last) = model.forward(at(0), state.take());
        // Values are carried to the next window, gradients are not.
        state = Some(last.detach());
        let loss = cross_entropy.forward(logits.flatten(0, 1), at(1).flatten(0, 1));
        if step % 50 == 0 || step + 1 == STEPS {
            println!("step {step:4}   loss {:.3}", loss.clone().into_scalar());
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(5e-3, model, gradients);
    }

    let model = model.valid();
    let prompt: Vec<u32> = TEXT[..24].iter().map(|byte| u32::from(*byte)).collect();
    let text = Generator::new(&model, &prompt, SamplingOptions::greedy(), 0, &device)?;
    let text: Vec<u8> = text.take(200).map(|token| Ok(token? as u8)).collect::<Result<_, GenerationError>>()?;
    println!("\n{}", String::from_utf8_lossy(&[&TEXT[..24], &text].concat()));
    Ok(())
}
