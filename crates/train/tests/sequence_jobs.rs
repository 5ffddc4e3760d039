//! The sequence family's jobs as a user types them: train, evaluate, predict, and what they leave behind.

mod support;

use std::fs;
use support::{score, train, train_config};

#[test]
fn a_table_is_learned_scored_beside_the_baselines_and_forecast() {
    let desk = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..600)
        .map(|row| {
            let phase = std::f64::consts::TAU * f64::from(row % 24) / 24.0;
            format!("day {};{};{:.4}", row / 24, row % 24, 100.0 + 20.0 * phase.sin())
        })
        .collect();
    fs::write(desk.path().join("load.csv"), format!("date;hour;load\n{}\n", rows.join("\n"))).unwrap();
    let settings = "data.source=load.csv data.targets=[\"load\"] data.covariates=[\"hour\"] data.input_len=48 \
                    model.hidden_size=16 task.quantiles=[0.1,0.5,0.9]";
    train_config(desk.path(), "forecast-signals.toml", "load", settings, &["--max-steps", "60"]);
    assert!(desk.path().join("runs/load/report/forecast.json").is_file());

    let scores = train(desk.path(), &["eval", "--run", "load"]);
    for name in ["mse/naive", "mse/seasonal_naive", "smape", "mase", "coverage/interval"] {
        assert!(scores.contains(name), "{scores}");
    }
    let page = fs::read_to_string(desk.path().join("runs/load/report/test-forecast.json")).unwrap();
    assert!(page.contains("seasonal naive") && page.contains("(test data)"), "{page}");

    train(desk.path(), &["predict", "--run", "load", "--input", "load.csv", "--output", "forecast.csv"]);
    let forecast = fs::read_to_string(desk.path().join("forecast.csv")).unwrap();
    let lines: Vec<&str> = forecast.lines().collect();
    assert_eq!(lines[0], "step,load_q0.1,load_q0.5,load_q0.9");
    assert_eq!(lines.len(), 1 + 24);
    for line in &lines[1..] {
        let values: Vec<f64> = line.split(',').skip(1).map(|value| value.parse().unwrap()).collect();
        // In the units of the table, whose values lie between 80 and 120.
        assert!(values.iter().all(|value| (40.0..160.0).contains(value)), "{line}");
    }
}

#[test]
fn texts_are_learned_and_new_ones_classified() {
    let desk = tempfile::tempdir().unwrap();
    train_config(desk.path(), "sentiment-reviews.toml", "reviews", "", &[]);
    let scores = train(desk.path(), &["eval", "--run", "reviews"]);
    assert!(score(&scores, "accuracy") > 0.9, "{scores}");
    let page = fs::read_to_string(desk.path().join("runs/reviews/report/classification.json")).unwrap();
    assert!(page.contains("Confusion") && page.contains("Worst mistakes"), "{page}");

    let said = train(desk.path(), &["predict", "--run", "reviews", "what a wonderful film"]);
    assert!(said.starts_with("positive"), "{said}");
    fs::write(
        desk.path().join("texts.txt"),
        "what a wonderful film\nthe soup is tasteless, and the service is dreadful.\n",
    )
    .unwrap();
    train(desk.path(), &["predict", "--run", "reviews", "--input", "texts.txt", "--output", "classes.csv"]);
    let table = fs::read_to_string(desk.path().join("classes.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "class,negative,positive,text");
    assert!(lines[1].starts_with("positive,") && lines[2].starts_with("negative,"), "{table}");
    assert!(lines[2].ends_with("\"the soup is tasteless, and the service is dreadful.\""), "{table}");
}

/// The same weights give the same scores on wgpu, on a GPU or on Mesa's software driver.
#[cfg(feature = "wgpu")]
#[test]
fn wgpu_scores_like_the_cpu() {
    let desk = tempfile::tempdir().unwrap();
    let reviews: Vec<String> = data::text::labelled::reviews::reviews()
        .iter()
        .take(40)
        .map(|r| format!("{},\"{}\"", r.class(), r.text))
        .collect();
    fs::write(desk.path().join("reviews.csv"), format!("label,text\n{}\n", reviews.join("\n"))).unwrap();
    let rows: Vec<String> = (0..200).map(|row| format!("{},{}", row % 24, (row * row) % 17)).collect();
    fs::write(desk.path().join("table.csv"), format!("a,b\n{}\n", rows.join("\n"))).unwrap();
    let jobs = [
        (
            "sentiment-reviews.toml",
            "data.source=reviews.csv data.max_len=12 model.pooling=\"attention\" model.hidden_size=8",
        ),
        (
            "forecast-signals.toml",
            "data.source=table.csv data.input_len=8 data.horizon=4 task.season=4 model.hidden_size=8 \
             model.head=\"autoregressive\"",
        ),
    ];
    for (name, settings) in jobs {
        train_config(desk.path(), name, name, settings, &["--max-steps", "5"]);
        support::scores_on_wgpu_as_on_the_cpu(desk.path(), name);
    }
}
