//! A run in a few lines of text.

use crate::format;
use crate::run::{Run, evenly};

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// How many characters a curve gets in the table.
const TREND: usize = 24;

/// Draws values as blocks, one character each: `▇▅▃▂▁`. A value that is not finite leaves a blank.
///
/// ```
/// assert_eq!(report::sparkline(&[4.0, 3.0, f64::NAN, 2.0, 1.0]), "█▆ ▃▁");
/// ```
pub fn sparkline(values: &[f64]) -> String {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let last = (BLOCKS.len() - 1) as f64;
    values
        .iter()
        .map(|value| match value {
            value if !value.is_finite() => ' ',
            // A flat line is neither high nor low.
            _ if low >= high => BLOCKS[3],
            value => BLOCKS[((value - low) / (high - low) * last).round() as usize],
        })
        .collect()
}

/// The state of a run and the course of its metrics as a table for a terminal, without colour.
pub fn summary_table(run: &Run) -> String {
    let mut text = format!("{} · {}\n", run.name, run.status());
    for line in facts(run) {
        text += &format!("{line}\n");
    }
    let rows = metric_rows(run);
    if !rows.is_empty() {
        text += &boxed(&["metric", "split", "first", "last", "lowest", "highest", "course"], &rows, 2..6);
    }
    // What comes from a file must not steer the terminal.
    text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

fn facts(run: &Run) -> Vec<String> {
    let summary = run.summary.clone().unwrap_or_default();
    let mut facts = Vec::new();
    let one_line = |text: String| text.replace('\n', " ");
    facts.extend(run.reason().map(|reason| one_line(reason.into())));
    let mut what: Vec<String> =
        [summary.job, summary.backend, summary.device].into_iter().flatten().map(one_line).collect();
    what.extend(summary.parameters.map(|count| format!("{} parameters", format::count(count))));
    let mut how: Vec<String> = run.steps().map(|steps| format!("{} steps", format::count(steps))).into_iter().collect();
    how.extend(summary.epochs.map(|epochs| format!("{} epochs", format::number(epochs))));
    how.extend(run.seconds().map(format::duration));
    if let Some(best) = run.best() {
        let at = best.step.map(|step| format!(" at step {}", format::count(step))).unwrap_or_default();
        how.push(format!("best {} {}{at}", one_line(best.metric), format::number(best.value)));
    }
    facts.extend([what, how].into_iter().filter(|parts| !parts.is_empty()).map(|parts| parts.join(" · ")));
    facts
}

fn metric_rows(run: &Run) -> Vec<Vec<String>> {
    let Some(table) = crate::html::numbers_table(run) else { return Vec::new() };
    table
        .rows
        .into_iter()
        .map(|mut row| {
            let values = run.series(&row[1], &row[0]).1;
            let course: Vec<f64> = evenly(values.len(), TREND).into_iter().map(|index| values[index]).collect();
            // The number of points helps nobody here.
            row.remove(2);
            row.push(sparkline(&course));
            row.into_iter().map(|cell| cell.replace('\n', " ")).collect()
        })
        .collect()
}

/// Rows in a box. The columns in `numeric` are aligned to the right.
fn boxed(header: &[&str], rows: &[Vec<String>], numeric: std::ops::Range<usize>) -> String {
    let width_of = |text: &str| text.chars().count();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            rows.iter().map(|row| width_of(&row[column])).chain([width_of(header[column])]).max().unwrap_or(0)
        })
        .collect();
    let rule = |left: char, middle: &str, right: char| {
        let parts: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
        format!("{left}{}{right}\n", parts.join(middle))
    };
    let line = |cells: &[&str]| {
        let cells: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let blank = " ".repeat(widths[column] - width_of(cell));
                if numeric.contains(&column) { format!(" {blank}{cell} ") } else { format!(" {cell}{blank} ") }
            })
            .collect();
        format!("│{}│\n", cells.join("│"))
    };
    let body: String = rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>())).collect();
    format!("{}{}{}{body}{}", rule('┌', "┬", '┐'), line(header), rule('├', "┼", '┤'), rule('└', "┴", '┘'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparklines_span_their_range() {
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[2.0, 2.0]), "▄▄");
        assert_eq!(sparkline(&[f64::NAN]), " ");
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[-f64::MAX, f64::MAX]).chars().count(), 2);
    }

    #[test]
    fn boxes_are_aligned() {
        let rows = vec![vec!["loss".into(), "1.5".into()], vec!["größe".into(), "1,024".into()]];
        let expected = "┌────────┬───────┐\n│ metric │  last │\n├────────┼───────┤\n│ loss   │   1.5 │\n│ größe  │ 1,024 │\n└────────┴───────┘\n";
        assert_eq!(boxed(&["metric", "last"], &rows, 1..2), expected);
    }
}
