//! The dates that follow the last ones of a table.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Span};

/// How dates are written, by the codes of `strftime`. Of two that fit, the first with which the dates lie evenly.
const FORMATS: [&str; 17] = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y%m%d",
    "%Y-%m",
    "%m/%Y",
    "%b %Y",
    "%B %Y",
];

/// What lies between one date and the next.
#[derive(Debug, Clone, Copy)]
enum Interval {
    Seconds(i64),
    /// From a day of a month to the same day of another.
    Months(i32),
    /// From the end of a month to the end of another.
    MonthEnds(i32),
}

/// The `count` dates after `known`, oldest first, written in the same way. Plain numbers (years, seconds since 1970) go on
/// too.
///
/// None where there are fewer than two dates, they are written in a way that is not known here, or they do not lie evenly:
/// then nobody can say which rows come next.
pub fn dates_after(known: &[String], count: usize) -> Option<Vec<String>> {
    let formatted = FORMATS.iter().find_map(|format| {
        let dates = known.iter().map(|text| read(text, format)).collect::<Option<Vec<_>>>()?;
        let (interval, last) = (interval(&dates)?, *dates.last()?);
        (1..=count).map(|steps| Some(step(last, interval, steps)?.strftime(format).to_string())).collect()
    });
    formatted.or_else(|| numbers_after(known, count))
}

fn numbers_after(known: &[String], count: usize) -> Option<Vec<String>> {
    let numbers: Vec<i64> = known.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
    let difference = evenly(numbers.windows(2).map(|pair| pair[1].checked_sub(pair[0])))?;
    let last = *numbers.last()?;
    (1..=count as i64).map(|steps| Some(last.checked_add(difference.checked_mul(steps)?)?.to_string())).collect()
}

/// The date in `text`, where it is written exactly in this format.
fn read(text: &str, format: &str) -> Option<DateTime> {
    let date = match format.contains("%d") {
        true => DateTime::strptime(format, text),
        false => DateTime::strptime(format!("%d {format}"), format!("01 {text}")),
    };
    date.ok().filter(|date| date.strftime(format).to_string() == text)
}

fn interval(dates: &[DateTime]) -> Option<Interval> {
    let (first, pairs) = (dates.first()?, || dates.windows(2).map(|pair| (pair[0], pair[1])));
    let month = |date: DateTime| i32::from(date.year()) * 12 + i32::from(date.month());
    let months = evenly(pairs().map(|(before, after)| Some(month(after) - month(before))));
    let same_time = dates.iter().all(|date| date.time() == first.time());
    if let Some(months) = months.filter(|_| same_time) {
        if dates.iter().all(|date| date.day() == first.day()) {
            return Some(Interval::Months(months));
        }
        if dates.iter().all(|date| date.day() == date.days_in_month()) {
            return Some(Interval::MonthEnds(months));
        }
    }
    let seconds = evenly(pairs().map(|(before, after)| Some(after.duration_since(before).as_secs())))?;
    Some(Interval::Seconds(seconds))
}

/// The difference that is everywhere the same, and above 0.
fn evenly<T: PartialOrd + Default>(mut differences: impl Iterator<Item = Option<T>>) -> Option<T> {
    let first = differences.next()??;
    (first > T::default() && differences.all(|other| other.as_ref() == Some(&first))).then_some(first)
}

/// None beyond the year 9999.
fn step(last: DateTime, interval: Interval, steps: usize) -> Option<DateTime> {
    let steps = i32::try_from(steps).ok()?;
    let after_months = |months: i32| last.checked_add(Span::new().try_months(months.checked_mul(steps)?).ok()?).ok();
    match interval {
        Interval::Seconds(seconds) => last.checked_add(SignedDuration::from_secs(seconds) * steps).ok(),
        Interval::Months(months) => after_months(months),
        Interval::MonthEnds(months) => Some(after_months(months)?.last_of_month()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(known: &[&str], count: usize) -> Option<Vec<String>> {
        dates_after(&known.iter().map(|date| date.to_string()).collect::<Vec<_>>(), count)
    }

    #[test]
    fn evenly_spaced_dates_go_on_as_they_are_written() {
        for (known, next) in [
            (vec!["2016-07-01 22:00:00", "2016-07-01 23:00:00"], ["2016-07-02 00:00:00", "2016-07-02 01:00:00"]),
            (
                vec!["2023-12-31 23:15", "2023-12-31 23:30", "2023-12-31 23:45"],
                ["2024-01-01 00:00", "2024-01-01 00:15"],
            ),
            (vec!["Oct 1960", "Nov 1960", "Dec 1960"], ["Jan 1961", "Feb 1961"]),
            (vec!["2023-11", "2023-12"], ["2024-01", "2024-02"]),
            (vec!["2023-11-30", "2023-12-31", "2024-01-31"], ["2024-02-29", "2024-03-31"]),
            (vec!["2023-10-15", "2024-01-15"], ["2024-04-15", "2024-07-15"]),
            (vec!["2024-02-12", "2024-02-19"], ["2024-02-26", "2024-03-04"]),
            (vec!["20240227", "20240228"], ["20240229", "20240301"]),
            (vec!["11/12/2023", "12/12/2023", "13/12/2023"], ["14/12/2023", "15/12/2023"]),
            (vec!["12/12/2023", "12/13/2023"], ["12/14/2023", "12/15/2023"]),
            (vec!["1959", "1960"], ["1961", "1962"]),
            (vec!["1700000000", "1700003600"], ["1700007200", "1700010800"]),
        ] {
            assert_eq!(after(&known, 2).unwrap_or_else(|| panic!("{known:?}")), next, "{known:?}");
        }
    }

    #[test]
    fn what_nobody_can_continue_is_not() {
        for known in [
            vec!["2024-01-05"],
            vec!["2024-01-04", "2024-01-05", "2024-01-08"],
            vec!["2024-01-05", "2024-01-05"],
            vec!["2024-01-05", "2024-01-04"],
            vec!["2024-01-05", "6 January"],
            vec!["2024-1-5", "2024-1-6"],
            vec!["Monday", "Tuesday"],
            vec!["2024-13-01", "2024-13-02"],
            vec![],
        ] {
            assert_eq!(after(&known, 2), None, "{known:?}");
        }
        assert_eq!(after(&["9999-11", "9999-12"], 1), None);
    }
}
