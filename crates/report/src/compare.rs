//! Several runs on one page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use maud::{Markup, html};

use crate::ReportError;
use crate::curves;
use crate::format;
use crate::html::{card, curve_grid, page};
use crate::run::Run;
use crate::section::{Body, Section, Table};

/// Compares runs on one self-contained HTML page: a table of their results, the settings in which they differ, and their curves over one
/// another.
pub fn compare<P: AsRef<Path>>(folders: &[P]) -> Result<String, ReportError> {
    if folders.is_empty() {
        return Err(ReportError::NoRuns);
    }
    let mut runs = folders.iter().map(Run::open).collect::<Result<Vec<_>, _>>()?;
    tell_apart(&mut runs);
    let runs: Vec<&Run> = runs.iter().collect();
    let curves = curves::of_runs(&runs);
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let body = html! {
        header {
            p class="kicker" { "Comparison" }
            div class="title" { h1 { (runs.len()) " runs" } }
            p class="reason" { (names.join(", ")) }
        }
        h2 { "Results" }
        (card(&Section::new("", Body::Table(results(&runs)))))
        @if !curves.is_empty() { h2 { "Curves" } (curve_grid(&curves)) }
        @if let Some(settings) = differing_settings(&runs) {
            h2 { "Settings that differ" }
            (card(&Section::new("", Body::Table(settings))))
        }
    };
    Ok(page("Comparison", &body))
}

/// A run beside those that it is compared with: the same, as a part of its page.
pub(crate) fn compared_with(run: &Run) -> Markup {
    let runs: Vec<&Run> = std::iter::once(run).chain(&run.compared).collect();
    let names: Vec<&str> = run.compared.iter().map(|run| run.name.as_str()).collect();
    let curves = curves::of_runs(&runs);
    html! {
        h2 { "Compared with " (names.join(", ")) }
        div class="stack" {
            (card(&Section::new("Results", Body::Table(results(&runs)))))
            @if !curves.is_empty() { (curve_grid(&curves)) }
            @if let Some(settings) = differing_settings(&runs) {
                (card(&Section::new("Settings that differ", Body::Table(settings))))
            }
        }
    }
}

/// Runs of one name from different folders get the folder before it.
fn tell_apart(runs: &mut [Run]) {
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    for (run, name) in runs.iter_mut().zip(&names) {
        if names.iter().filter(|other| *other == name).count() > 1 {
            run.name = run.folder.display().to_string();
        }
    }
}

fn results(runs: &[&Run]) -> Table {
    // The scores in which runs may be compared, whatever their jobs call them.
    let scores: BTreeSet<&String> =
        runs.iter().flat_map(|&run| last_validation(run).into_iter().flatten().map(|(name, _)| name)).collect();
    let fixed = ["Run", "Status", "Best", "At step", "Steps", "Wall time", "Parameters"];
    let mut columns: Vec<String> = fixed.map(String::from).to_vec();
    columns.extend(scores.iter().map(|name| format!("Last {}", format::words(name))));
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".into());
    let rows = runs
        .iter()
        .map(|run| {
            let best = run.best();
            let mut row = vec![
                run.name.clone(),
                run.status().into(),
                or_dash(
                    best.as_ref().map(|best| format!("{} {}", format::number(best.value), format::words(&best.metric))),
                ),
                or_dash(best.and_then(|best| best.step).map(format::count)),
                or_dash(run.steps().map(format::count)),
                or_dash(run.seconds().map(format::duration)),
                or_dash(run.summary.as_ref().and_then(|summary| summary.parameters).map(format::count)),
            ];
            let last = last_validation(run);
            row.extend(
                scores
                    .iter()
                    .map(|name| or_dash(last.and_then(|last| last.get(*name)).map(|value| format::number(*value)))),
            );
            row
        })
        .collect();
    Table { columns, rows }
}

fn last_validation(run: &Run) -> Option<&BTreeMap<String, f64>> {
    run.records.iter().rev().find(|record| record.split == "validation").map(|record| &record.metrics)
}

fn differing_settings(runs: &[&Run]) -> Option<Table> {
    let settings: Vec<BTreeMap<String, String>> =
        runs.iter().map(|run| run.config.as_deref().map(settings).unwrap_or_default()).collect();
    let keys: BTreeSet<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    let rows: Vec<Vec<String>> = keys
        .into_iter()
        // The name heads the column, and runs that came before are no setting of this one.
        .filter(|key| !["name", "stages"].contains(&key.as_str()))
        .filter(|key| settings.iter().any(|of_run| of_run.get(*key) != settings[0].get(*key)))
        .map(|key| {
            let values = settings.iter().map(|of_run| of_run.get(key).cloned().unwrap_or_else(|| "–".into()));
            [key.clone()].into_iter().chain(values).collect()
        })
        .collect();
    let columns = ["Setting".to_owned()].into_iter().chain(runs.iter().map(|run| run.name.clone())).collect();
    (!rows.is_empty()).then_some(Table { columns, rows })
}

/// The settings of a resolved configuration, `section.key` to the value as written. Kiln writes one setting a line; what is not written so is
/// no setting to compare.
fn settings(config: &str) -> BTreeMap<String, String> {
    let mut section = String::new();
    let mut settings = BTreeMap::new();
    for line in config.lines().map(str::trim) {
        if let Some(name) =
            line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|_| !line.contains('='))
        {
            section = format!("{}.", name.trim_matches(['[', ']']));
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            settings.insert(format!("{section}{}", key.trim()), value.trim().trim_matches('"').into());
        }
    }
    settings
}
