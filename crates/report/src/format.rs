//! How numbers are written for people.

/// Four significant digits, thousands grouped, an exponent where plain digits would be unreadable.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "∞".into() } else { "−∞".into() }
    } else if size == 0.0 {
        "0".into()
    } else if !(1e-3..1e7).contains(&size) {
        without_trailing_zeros(&format!("{value:.2e}"))
    } else if size >= 1000.0 {
        let digits = count(size.round() as u64);
        if value < 0.0 { format!("-{digits}") } else { digits }
    } else {
        let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
        without_trailing_zeros(&format!("{value:.decimals$}"))
    }
}

/// `1.50e-4` to `1.5e-4`, `0.120` to `0.12`, `3.000` to `3`; whole numbers keep their zeros.
fn without_trailing_zeros(text: &str) -> String {
    let (digits, exponent) = text.split_at(text.find('e').unwrap_or(text.len()));
    if !digits.contains('.') {
        return text.into();
    }
    format!("{}{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Digits in groups of three: `10,788,929`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `10.8 M`: for numbers whose size matters more than their digits.
pub(crate) fn short_count(value: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "B"), (1_000_000, "M"), (10_000, "k")];
    match UNITS.into_iter().find(|(from, _)| value >= *from) {
        Some((from, unit)) => {
            let divisor = if unit == "k" { 1000 } else { from };
            let scaled = value as f64 / divisor as f64;
            format!("{scaled:.*} {unit}", usize::from(scaled < 100.0))
        }
        None => count(value),
    }
}

/// `0.8 s`, `3 min 12 s`, `2 h 05 min`, `3 d 04 h`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".into();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{} s", without_trailing_zeros(&format!("{seconds:.1}"))),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// Names of metrics that are written in capitals.
const ABBREVIATIONS: [&str; 13] =
    ["auc", "bleu", "cer", "ece", "elbo", "f1", "fid", "mae", "mse", "psnr", "rmse", "ssim", "wer"];

/// A metric's name in words: `grad_norm` to `gradient norm`, `psnr_noisy` to `PSNR noisy`.
pub(crate) fn words(metric: &str) -> String {
    let word = |word: &str| if ABBREVIATIONS.contains(&word) { word.to_uppercase() } else { word.to_string() };
    match metric {
        "lr" => "learning rate".into(),
        "grad_norm" => "gradient norm".into(),
        _ => metric.split('_').map(word).collect::<Vec<_>>().join(" "),
    }
}

/// A metric's name as a heading: `grad_norm` to `Gradient norm`.
pub(crate) fn heading(metric: &str) -> String {
    let words = words(metric);
    let mut chars = words.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => "Unnamed".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        let cases = [
            (0.0, "0"),
            (1.5, "1.5"),
            (1.23456, "1.235"),
            (-0.001234567, "-0.001235"),
            (0.0003, "3e-4"),
            (512.0, "512"),
            (51234.4, "51,234"),
            (-1234.0, "-1,234"),
            (123_456_789.0, "1.23e8"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "∞"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn counts_and_durations() {
        assert_eq!(count(0), "0");
        assert_eq!(count(10_788_929), "10,788,929");
        assert_eq!(short_count(10_788_929), "10.8 M");
        assert_eq!(short_count(9_999), "9,999");
        assert_eq!(short_count(124_439_808), "124 M");
        assert_eq!(short_count(32_000), "32.0 k");
        assert_eq!(duration(0.84), "0.8 s");
        assert_eq!(duration(59.97), "1 min 00 s");
        assert_eq!(duration(192.0), "3 min 12 s");
        assert_eq!(duration(7500.0), "2 h 05 min");
        assert_eq!(duration(f64::NAN), "unknown");
    }

    #[test]
    fn headings() {
        assert_eq!(heading("grad_norm"), "Gradient norm");
        assert_eq!(heading("psnr_median_filter"), "PSNR median filter");
        assert_eq!(heading("tokens_per_second"), "Tokens per second");
        assert_eq!(heading(""), "Unnamed");
    }
}
