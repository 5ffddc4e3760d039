//! Scores of entities against those of seqeval; `fixtures/make_entities.py` made the numbers.

use serde::Deserialize;
use std::collections::BTreeMap;
use training_loop::metrics::entity_scores;

#[derive(Deserialize)]
struct Case {
    references: Vec<Vec<String>>,
    hypotheses: Vec<Vec<String>>,
    micro: [f64; 3],
    f1_macro: f64,
    /// Precision, recall, F1 and how many there are.
    kinds: BTreeMap<String, (f64, f64, f64, u64)>,
}

fn assert_close(found: [f64; 3], expected: [f64; 3], what: &str) {
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{what}: {found} instead of {expected}");
    }
}

#[test]
fn scores_are_those_of_seqeval() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/entities.json")).unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let scores = entity_scores(&case.hypotheses, &case.references).unwrap();
        assert_close(scores.total().precision_recall_f1(), case.micro, "all kinds");
        assert!((scores.f1_macro() - case.f1_macro).abs() < 1e-12);
        assert!(scores.kinds.keys().eq(case.kinds.keys()));
        for (kind, (precision, recall, f1, there)) in case.kinds {
            let counts = &scores.kinds[&kind];
            assert_close(counts.precision_recall_f1(), [precision, recall, f1], &kind);
            assert_eq!(counts.there, there);
        }
    }
}
