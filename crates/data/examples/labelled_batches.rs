//! Prints, as JSON, the texts and batches that a classifier's config and seed give, so that another framework can train on
//! exactly the same (`benches/sentiment.py` does).
//!
//! ```sh
//! cargo run -p data --example labelled_batches -- configs/sequence/sentiment-rt-polarity.toml 42
//! ```

use std::{collections::BTreeMap, error::Error, fs};

use data::text::labelled::{LabelledBatch, LabelledBatches, LabelledConfig, LabelledData};
use serde::Deserialize;
use serde_json::json;

/// Of a config file, what this program reads.
#[derive(Deserialize)]
struct Config {
    data: LabelledConfig,
    training: Training,
}

#[derive(Deserialize)]
struct Training {
    epochs: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, seed] = arguments.as_slice() else { return Err("give a config file and a seed".into()) };
    let config: Config = toml::from_str(&fs::read_to_string(config)?)?;
    let texts = LabelledData::load(&config.data)?;
    let train = texts.train_batches(seed.parse()?);
    let test = texts.test_batches().ok_or("the config keeps no text for a test")?;

    let mut tokens = BTreeMap::new();
    let mut labels = BTreeMap::new();
    let mut indices = |batches: &LabelledBatches, epoch: u64| -> Vec<Vec<usize>> {
        let batches = (0..batches.num_batches()).map(|index| batches.batch(epoch, index));
        batches
            .map(|batch: LabelledBatch| {
                let rows = batch.tokens.chunks(batch.seq_len).zip(&batch.lengths).zip(&batch.labels);
                for (index, ((row, length), label)) in batch.indices.iter().zip(rows) {
                    tokens.insert(*index, row[..*length as usize].to_vec());
                    labels.insert(*index, *label);
                }
                batch.indices
            })
            .collect()
    };
    let train: Vec<_> = (0..config.training.epochs).map(|epoch| indices(&train, epoch)).collect();
    let (validation, test) = (indices(&texts.validation_batches(), 0), indices(&test, 0));
    let all = json!({
        "vocab_size": texts.tokenizer.vocab_size(), "classes": texts.classes, "tokens": tokens, "labels": labels,
        "train": train, "validation": validation, "test": test,
    });
    println!("{all}");
    Ok(())
}
