//! The job `translation` as a user types it: train, evaluate, predict, and what it leaves behind.

mod support;

use std::fs;
use support::{refused, score, train, train_config};

/// Dates of one form, so that a small model learns them in seconds.
fn write_dates(folder: &std::path::Path) {
    let rows = (0..600).map(|number| {
        let (year, month, day) = (1950 + number * 7 % 100, 1 + number % 12, 1 + number * 5 % 28);
        format!("{day}.{month}.{year}\t{year}-{month:02}-{day:02}\n")
    });
    fs::write(folder.join("dates.tsv"), format!("written\tiso\n{}", rows.collect::<String>())).unwrap();
}

const SETTINGS: &str =
    "data.source=dates.tsv data.from=written data.to=iso data.batch_size=16 data.validation_fraction=0.1";

#[test]
fn pairs_of_a_table_are_learned_scored_and_translated() {
    let desk = tempfile::tempdir().unwrap();
    write_dates(desk.path());
    let settings = format!("{SETTINGS} training.epochs=12 model.hidden_size=64 optimizer.learning_rate=1e-2");
    train_config(desk.path(), "translation-dates.toml", "dates", &settings, &[]);
    let run = desk.path().join("runs/dates");
    let page = fs::read_to_string(run.join("report/translation.json")).unwrap();
    assert!(page.contains("\"Translations\"") && page.contains("Attention: "), "{page}");

    let printed = train(desk.path(), &["eval", "--run", "dates"]);
    assert!(score(&printed, "exact_match") > 0.8, "{printed}");
    assert!(score(&printed, "bleu") > 80.0 && score(&printed, "chrf") > 80.0, "{printed}");
    assert!(run.join("report/test-translation.json").is_file());

    let said = train(desk.path(), &["predict", "--run", "dates", "4.7.1982", "21.11.2003"]);
    assert_eq!(said, "1982-07-04\n2003-11-21\n");
    fs::write(desk.path().join("texts.txt"), "4.7.1982\n\n21.11.2003\n").unwrap();
    train(desk.path(), &["predict", "--run", "dates", "--input", "texts.txt", "--output", "out.csv"]);
    let table = fs::read_to_string(desk.path().join("out.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "source,translation,log_probability");
    assert!(lines[1].starts_with("4.7.1982,1982-07-04,-") && lines.len() == 3, "{table}");
}

#[test]
fn every_decoder_trains_with_and_without_its_own_output() {
    let desk = tempfile::tempdir().unwrap();
    write_dates(desk.path());
    let attentions = ["none", "bahdanau", "luong_dot", "luong_general", "luong_concat"];
    for (number, attention) in attentions.into_iter().enumerate() {
        let feeding = attention.starts_with("luong") && number % 2 == 0;
        let settings = format!(
            "{SETTINGS} model.attention={attention} model.hidden_size=16 model.input_feeding={feeding} model.num_layers=2 \
             model.cell=lstm task.teacher_forcing.start=0.8 task.teacher_forcing.end=0.2 task.teacher_forcing.steps=4"
        );
        train_config(desk.path(), "translation-dates.toml", attention, &settings, &["--max-steps", "6"]);
        let page =
            fs::read_to_string(desk.path().join("runs").join(attention).join("report/translation.json")).unwrap();
        assert_eq!(page.contains("Attention: "), attention != "none");
    }
}

#[test]
fn mistakes_are_named() {
    let desk = tempfile::tempdir().unwrap();
    write_dates(desk.path());
    let config = support::config("translation-dates.toml");
    let refused = |settings: &str| {
        let mut arguments = vec!["--config", config.to_str().unwrap()];
        arguments.extend(settings.split_whitespace().flat_map(|setting| ["--set", setting]));
        refused(desk.path(), &arguments)
    };
    let said = refused("data.source=dates.tsv data.from=written data.to=english");
    assert!(said.contains("no column `english`; there are `written`, `iso`") && said.contains("`to`"), "{said}");
    let said = refused("model.attention=luong");
    assert!(said.contains("luong_general"), "{said}");
    let said = refused("model.attention=bahdanau model.input_feeding=true");
    assert!(said.contains("input_feeding"), "{said}");
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu_scores_like_the_cpu() {
    let desk = tempfile::tempdir().unwrap();
    write_dates(desk.path());
    for attention in ["luong_concat", "bahdanau"] {
        let settings = format!("{SETTINGS} model.attention={attention} model.hidden_size=8 task.beam_width=2");
        train_config(desk.path(), "translation-dates.toml", attention, &settings, &["--max-steps", "40"]);
        support::scores_on_wgpu_as_on_the_cpu(desk.path(), attention);
    }
}
