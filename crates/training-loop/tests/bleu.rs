//! BLEU and chrF against sacrebleu (tests/fixtures/make_bleu.py).

use serde::Deserialize;
use training_loop::metrics::{corpus_bleu, corpus_chrf};

#[derive(Deserialize)]
struct Fixture {
    pairs: Vec<Pair>,
    subsets: Vec<Subset>,
}

#[derive(Clone, Deserialize)]
struct Pair {
    hypothesis: String,
    references: Vec<String>,
}

#[derive(Deserialize)]
struct Subset {
    pairs: Vec<usize>,
    score: f64,
    precisions: [f64; 4],
    brevity_penalty: f64,
    hypothesis_length: usize,
    reference_length: usize,
    signature: String,
    chrf: f64,
    chrf_signature: String,
}

#[track_caller]
fn assert_close(what: &str, actual: f64, expected: f64) {
    assert!((actual - expected).abs() <= 1e-9, "{what}: {actual} where sacrebleu has {expected}");
}

#[test]
fn every_corpus_scores_as_sacrebleu_scores_it() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/bleu.json")).unwrap();
    for subset in &fixture.subsets {
        let pairs: Vec<Pair> = subset.pairs.iter().map(|index| fixture.pairs[*index].clone()).collect();
        let hypotheses: Vec<String> = pairs.iter().map(|pair| pair.hypothesis.clone()).collect();
        let references: Vec<Vec<String>> = pairs.into_iter().map(|pair| pair.references).collect();
        let what = format!("{:?}", subset.pairs);
        let bleu = corpus_bleu(&hypotheses, &references).unwrap();
        assert_eq!(bleu.hypothesis_length, subset.hypothesis_length, "{what}");
        assert_eq!(bleu.reference_length, subset.reference_length, "{what}");
        for (actual, expected) in bleu.precisions.iter().zip(subset.precisions) {
            assert_close(&what, *actual, expected);
        }
        assert_close(&what, bleu.brevity_penalty, subset.brevity_penalty);
        assert_close(&what, bleu.score, subset.score);
        assert_eq!(bleu.signature, subset.signature, "{what}");

        let chrf = corpus_chrf(&hypotheses, &references).unwrap();
        assert_close(&what, chrf.score, subset.chrf);
        assert_eq!(chrf.signature, subset.chrf_signature, "{what}");
    }
}
