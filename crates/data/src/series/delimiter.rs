//! Finding out what stands between the columns of a table.

/// Candidates, in the order of preference where several would do: a comma comes last because it may be a decimal comma.
const CANDIDATES: [u8; 4] = [b'\t', b';', b'|', b','];

/// Lines that are looked at.
const LINES: usize = 20;

/// What stands between the columns of `text`: of the candidates, one that each of the first lines has equally often,
/// outside double quotes; else the one that each line has some of; else the comma.
pub(super) fn guess(text: &str) -> u8 {
    let lines = count_candidates(text);
    let fewest = |candidate: usize| lines.iter().map(|counts| counts[candidate]).min().unwrap_or(0);
    let regular = |candidate: usize| lines.windows(2).all(|pair| pair[0][candidate] == pair[1][candidate]);
    let found = (0..CANDIDATES.len()).find(|candidate| fewest(*candidate) > 0 && regular(*candidate));
    // Of equals, `max_by_key` takes the last, which is the comma.
    let found = found.or_else(|| (0..CANDIDATES.len()).max_by_key(|candidate| fewest(*candidate)));
    found.map_or(b',', |candidate| CANDIDATES[candidate])
}

/// How often each candidate stands in each of the first lines that are not empty.
fn count_candidates(text: &str) -> Vec<[usize; CANDIDATES.len()]> {
    let mut lines = Vec::new();
    let mut counts = [0; CANDIDATES.len()];
    let (mut quoted, mut empty) = (false, true);
    for byte in text.bytes().chain([b'\n']) {
        quoted ^= byte == b'"';
        if matches!(byte, b'\n' | b'\r') && !quoted {
            if !empty {
                lines.push(std::mem::take(&mut counts));
            }
            empty = true;
            if lines.len() == LINES {
                break;
            }
            continue;
        }
        empty = false;
        if let Some(candidate) = CANDIDATES.iter().position(|candidate| *candidate == byte && !quoted) {
            counts[candidate] += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_found() {
        for (text, expected) in [
            ("date,a,b\n2020,1,2\n", b','),
            ("date\ta\tb\r\n2020\t1\t2\r\n", b'\t'),
            ("date;a;b\n2020;1.5;2\n", b';'),
            ("a|b\n1|2", b'|'),
            // Decimal commas, and a comma in a name.
            ("1,5;2,5;3,5\n4,5;5,5;6,5\n", b';'),
            ("date;temperature, °C;load\n1;2,5;3,5\n", b';'),
            // A semicolon in a name.
            ("date,load; kW,b\n1,2,3\n", b','),
            ("\"a;b\",\"c;d\"\n1,2\n", b','),
            ("\"a\nb\";c\n1;2\n", b';'),
            // One column, and one of a ragged table.
            ("a\n1\n2\n", b','),
            ("a;b\n1\n2\n", b','),
            ("a;b;c\n1;2\n1;2;3\n", b';'),
            ("", b','),
        ] {
            assert_eq!(char::from(guess(text)), char::from(expected), "{text}");
        }
    }
}
