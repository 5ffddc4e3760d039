//! A masked language model is where other jobs start from.

use burn::backend::Flex;
use transformer::{
    bert::BertConfig,
    pretrained::{LoadOutcome, LoadReport, load, state_dict},
};

fn config() -> BertConfig {
    BertConfig { num_layers: 1, num_heads: 2, hidden_size: 8, context_len: 6, ..BertConfig::default() }
}

/// The names of the tensors with this outcome.
fn names(report: &LoadReport, outcome: LoadOutcome) -> Vec<&str> {
    report.rows.iter().filter(|row| row.outcome == outcome).map(|row| row.name.as_str()).collect()
}

#[test]
fn a_classifier_takes_the_encoder_and_leaves_the_head() {
    let device = Default::default();
    let masked = config().init_masked_lm::<Flex>(13, &device);
    let mut classifier = config().init_sequence_classifier::<Flex>(13, 2, &device);
    let report = load(&mut classifier, state_dict(&masked)).unwrap();
    let missing = names(&report, LoadOutcome::Missing);
    let is_new = |name: &&str| name.starts_with("bert.pooler.") || name.starts_with("classifier.");
    assert!(missing.len() == 4 && missing.iter().all(is_new), "{missing:?}");
    assert!(names(&report, LoadOutcome::Unused).iter().all(|name| name.starts_with("predictions.")));
    let (mut there, here) = (state_dict(&masked), state_dict(&classifier));
    there.retain(|name, _| name.starts_with("bert."));
    assert!(there.len() > 10 && there.iter().all(|(name, data)| here[name] == *data));
}

#[test]
fn a_tagger_takes_the_encoder_too() {
    let device = Default::default();
    let masked = config().init_masked_lm::<Flex>(13, &device);
    let mut tagger = config().init_token_classifier::<Flex>(13, 3, &device);
    let report = load(&mut tagger, state_dict(&masked)).unwrap();
    assert_eq!(names(&report, LoadOutcome::Missing).len(), 2);
}
