//! The embedded pairs: dates as people write them, and the same dates by ISO 8601, so that a translator trains with no file and no
//! download. The task is that of Andrew Ng's "neural machine translation" exercise; the generator and its forms are Kiln's own.
//!
//! Where a form could mean two days, one rule holds: `/` puts the month first, `.` the day, and a year of two digits lies between
//! 1950 and 2049. No date comes twice, so that a validation date was never read in another form.
//!
//! The pairs never change: the generator is the crate's own and a test pins a checksum.

use crate::SplitMix64;
use std::collections::HashSet;

/// Pairs there are.
const COUNT: usize = 20_000;

/// The seed of the pairs. Changing it, or any form, changes every score that is quoted for them.
const SEED: u64 = 2026;

/// The first and the last year.
const YEARS: (u32, u32) = (1900, 2099);

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const ORDINALS: [&str; 31] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
];

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Date {
    year: u32,
    /// From 1.
    month: u32,
    /// From 1.
    day: u32,
}

/// Written dates and the same by ISO 8601: `("3rd of March, 2004", "2004-03-03")`. The same on every machine and in every version;
/// made anew at each call, in some milliseconds.
pub fn dates() -> Vec<(String, String)> {
    let mut rng = SplitMix64::new(SEED);
    let mut drawn = HashSet::new();
    let mut pairs = Vec::with_capacity(COUNT);
    while pairs.len() < COUNT {
        let date = Date::draw(&mut rng);
        if drawn.insert(date) {
            pairs.push((date.written(&mut rng), date.iso()));
        }
    }
    pairs
}

impl Date {
    fn draw(rng: &mut SplitMix64) -> Self {
        let (first, last) = YEARS;
        let year = first + rng.below((last - first + 1) as usize) as u32;
        let month = 1 + rng.below(12) as u32;
        Self { year, month, day: 1 + rng.below(days(year, month)) as u32 }
    }

    fn iso(self) -> String {
        format!("{}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// In one of many forms, as it is, in small letters or in capitals.
    fn written(self, rng: &mut SplitMix64) -> String {
        let Self { year, month, day } = self;
        let name = MONTHS[month as usize - 1];
        let short = &name[..3];
        let weekday = WEEKDAYS[self.weekday()];
        let ordinal = format!("{day}{}", ending(day));
        let word = ORDINALS[day as usize - 1];
        let two_digits = (1950..2050).contains(&year) && rng.below(3) == 0;
        let short_year = format!("{:02}", year % 100);
        let written = if two_digits {
            match rng.below(4) {
                0 => format!("{day}.{month}.{short_year}"),
                1 => format!("{month:02}/{day:02}/{short_year}"),
                2 => format!("{day} {short} '{short_year}"),
                _ => format!("{short} {ordinal} '{short_year}"),
            }
        } else {
            match rng.below(14) {
                0 => format!("{day} {name} {year}"),
                1 => format!("{ordinal} of {name}, {year}"),
                2 => format!("{name} {day}, {year}"),
                3 => format!("{name} {ordinal}, {year}"),
                4 => format!("{weekday}, {day} {name} {year}"),
                5 => format!("{weekday} the {ordinal} of {name} {year}"),
                6 => format!("the {word} of {name}, {year}"),
                7 => format!("{name} the {word}, {year}"),
                8 => format!("{day}.{month}.{year}"),
                9 => format!("{month}/{day}/{year}"),
                10 => format!("{year}/{month:02}/{day:02}"),
                11 => format!("{day}-{short}-{year}"),
                12 => format!("{}, {short} {day} {year}", &weekday[..3]),
                _ => format!("{year}, {name} {day}"),
            }
        };
        match rng.below(4) {
            0 => written.to_lowercase(),
            1 => written.to_uppercase(),
            _ => written,
        }
    }

    /// From 0 for Monday, by Zeller's congruence.
    fn weekday(self) -> usize {
        // January and February count as months 13 and 14 of the year before.
        let (year, month) = if self.month < 3 { (self.year - 1, self.month + 12) } else { (self.year, self.month) };
        let (century, rest) = (year / 100, year % 100);
        // 0 is Saturday.
        let day = (self.day + 13 * (month + 1) / 5 + rest + rest / 4 + century / 4 + 5 * century) % 7;
        (day as usize + 5) % 7
    }
}

fn days(year: u32, month: u32) -> usize {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn ending(day: u32) -> &'static str {
    match (day % 10, day / 10) {
        (1, 0 | 2 | 3) => "st",
        (2, 0 | 2) => "nd",
        (3, 0 | 2) => "rd",
        _ => "th",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_are_right() {
        // The moon landing, a leap day, and the first and the last day.
        for (year, month, day, expected) in
            [(1969, 7, 20, "Sunday"), (2000, 2, 29, "Tuesday"), (1900, 1, 1, "Monday"), (2099, 12, 31, "Thursday")]
        {
            assert_eq!(WEEKDAYS[Date { year, month, day }.weekday()], expected);
        }
    }

    #[test]
    fn no_date_comes_twice_and_the_pairs_never_change() {
        let pairs = dates();
        assert_eq!(pairs.len(), COUNT);
        assert_eq!(pairs.iter().map(|(_, iso)| iso).collect::<HashSet<_>>().len(), COUNT);
        assert!(pairs.iter().all(|(written, iso)| written.is_ascii() && iso.len() == 10));
        let text: String = pairs.iter().map(|(written, iso)| format!("{written}\t{iso}\n")).collect();
        let sum = text.bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        assert_eq!(sum, 18367844722300827890, "the pairs changed, and with them every score that is quoted for them");
    }

    #[test]
    fn endings_of_ordinals() {
        let written: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 30, 31]
            .into_iter()
            .map(|day| format!("{day}{}", ending(day)))
            .collect();
        let expected = "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 30th 31st";
        assert_eq!(written.join(" "), expected);
    }
}
