//! A forecast as a table.

/// `step,<target>,…`, or with quantiles `step,<target>_q0.1,…`; with dates, `step,date,…`.
///
/// # Shapes
/// - values: row-major `[horizon, targets, outputs]`
/// - dates: `[horizon]`
pub(super) fn table(
    values: &[f32],
    targets: &[String],
    quantiles: &[f64],
    dates: Option<&[String]>,
) -> Vec<Vec<String>> {
    let columns = targets.iter().flat_map(|target| match quantiles {
        [] => vec![target.clone()],
        _ => quantiles.iter().map(|quantile| format!("{target}_q{quantile}")).collect(),
    });
    let date_column = dates.map(|_| "date".to_string());
    let header: Vec<String> = std::iter::once("step".to_string()).chain(date_column).chain(columns).collect();
    let rows = values.chunks(targets.len() * quantiles.len().max(1)).enumerate().map(|(step, row)| {
        let date = dates.and_then(|dates| dates.get(step).cloned());
        let values = row.iter().map(f32::to_string);
        std::iter::once((step + 1).to_string()).chain(date).chain(values).collect()
    });
    std::iter::once(header).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use training_loop::job::csv_table;

    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| text.to_string()).collect()
    }

    #[test]
    fn steps_dates_and_quantiles_have_their_columns() {
        let targets = strings(&["load, MW", "wind"]);
        let plain = csv_table(table(&[1.0, 2.5, 3.0, 4.0], &targets, &[], None)).unwrap();
        assert_eq!(plain, "step,\"load, MW\",wind\n1,1,2.5\n2,3,4\n");
        let dates = strings(&["Jan 1961"]);
        let dated = csv_table(table(&[1.0, 2.0, 3.0], &targets[1..], &[0.1, 0.5, 0.9], Some(&dates))).unwrap();
        assert_eq!(dated, "step,date,wind_q0.1,wind_q0.5,wind_q0.9\n1,Jan 1961,1,2,3\n");
    }
}
