//! A map of points in the plane as a file of its own: a page with read-outs, or a picture.

use font8x8::UnicodeFonts;
use image::{ImageEncoder, Rgb, RgbImage};
use maud::html;

use crate::html::page;
use crate::plot;
use crate::section::{Scatter, Table};

/// More points than this make a page slow.
const MOST_POINTS: usize = 20_000;

/// Width and height of the picture's map, in pixels.
const SIDE: u32 = 1200;

/// Pixels of empty border around the map.
const BORDER: u32 = 40;

/// Width of the legend.
const LEGEND: u32 = 260;

/// Twice the size of the font's own letters.
const LETTER: u32 = 16;

/// The colours of a report's plots on light ground.
const COLOURS: [[u8; 3]; 10] = [
    [0x25, 0x63, 0xa8],
    [0xd9, 0x58, 0x0d],
    [0x3f, 0x8f, 0x4f],
    [0x8b, 0x4f, 0xb0],
    [0xc0, 0x2f, 0x5d],
    [0x8c, 0x70, 0x14],
    [0x14, 0x80, 0x8c],
    [0x6b, 0x65, 0x60],
    [0x4f, 0x46, 0xc8],
    [0xa1, 0x54, 0x3a],
];

/// The map and what was measured, as one HTML page that needs nothing else. Names and pictures of points show under the pointer.
pub fn to_html(title: &str, about: &str, map: &Scatter, measures: &Table) -> String {
    let body = html! {
        header { p class="kicker" { "Map" } div class="title" { h1 { (title) } } p class="reason" { (about) } }
        section { div class="card" { (plot::scatter(title, map, MOST_POINTS)) } }
        @if !measures.rows.is_empty() { section { h2 { "Measures" } div class="card" { (crate::html::html_table(measures)) } } }
    };
    page(title, &body)
}

/// The map as a PNG picture: every point, and a legend where groups have names.
pub fn to_png(map: &Scatter) -> Vec<u8> {
    let has_legend = map.series.iter().any(|series| !series.name.is_empty());
    let width = SIDE + 2 * BORDER + if has_legend { LEGEND } else { 0 };
    let mut picture = RgbImage::from_pixel(width, SIDE + 2 * BORDER, Rgb([255; 3]));
    let all = || {
        map.series
            .iter()
            .flat_map(|series| series.x.iter().zip(&series.y))
            .filter(|(x, y)| x.is_finite() && y.is_finite())
    };
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (left, right) = range(&mut all().map(|point| *point.0));
    let (low, high) = range(&mut all().map(|point| *point.1));
    // One scale for both axes: distances are what a map shows.
    let extent = (right - left).max(high - low).max(f64::MIN_POSITIVE);
    let scale = f64::from(SIDE) / extent;
    let place = |value: f64, middle: f64| f64::from(BORDER + SIDE / 2) + (value - middle) * scale;
    let radius = if all().count() > 2000 { 2.5 } else { 4.0 };
    for (number, series) in map.series.iter().enumerate() {
        for (x, y) in series.x.iter().zip(&series.y).filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let middle =
                [place(*x, (left + right) / 2.0), f64::from(2 * BORDER + SIDE) - place(*y, (low + high) / 2.0)];
            dot(&mut picture, middle, radius, COLOURS[number % COLOURS.len()]);
        }
        if has_legend {
            let top = BORDER + number as u32 * (LETTER + 12);
            let start = SIDE + 2 * BORDER;
            dot(&mut picture, [f64::from(start), f64::from(top + LETTER / 2)], 7.0, COLOURS[number % COLOURS.len()]);
            write(&mut picture, &series.name, start + 18, top);
        }
    }
    let mut file = Vec::new();
    image::codecs::png::PngEncoder::new(&mut file)
        .write_image(picture.as_raw(), picture.width(), picture.height(), image::ExtendedColorType::Rgb8)
        .expect("a picture whose pixels are as many as its size says");
    file
}

/// A disc with a soft edge, through which what is below shines a little.
fn dot(picture: &mut RgbImage, [x, y]: [f64; 2], radius: f64, colour: [u8; 3]) {
    const COVER: f64 = 0.75;
    let reach = |middle: f64, limit: u32| {
        let from = (middle - radius - 1.0).floor().max(0.0) as u32;
        from..((middle + radius + 1.0).ceil().max(0.0) as u32).min(limit)
    };
    for row in reach(y, picture.height()) {
        for column in reach(x, picture.width()) {
            let away = (f64::from(column) + 0.5 - x).hypot(f64::from(row) + 0.5 - y);
            let covered = COVER * (radius + 0.5 - away).clamp(0.0, 1.0);
            let pixel = picture.get_pixel_mut(column, row);
            for (channel, value) in pixel.0.iter_mut().zip(colour) {
                *channel = (f64::from(*channel) * (1.0 - covered) + f64::from(value) * covered).round() as u8;
            }
        }
    }
}

/// One line of text, cut at the border; a letter that the font lacks is a question mark.
fn write(picture: &mut RgbImage, text: &str, left: u32, top: u32) {
    let bitmap = |letter: char| {
        let fonts =
            [font8x8::BASIC_FONTS.get(letter), font8x8::LATIN_FONTS.get(letter), font8x8::GREEK_FONTS.get(letter)];
        fonts.into_iter().flatten().next().or_else(|| font8x8::BASIC_FONTS.get('?')).unwrap_or_default()
    };
    for (number, letter) in text.chars().enumerate() {
        for (row, bits) in bitmap(letter).into_iter().enumerate() {
            for column in (0..8).filter(|column| bits & (1 << column) != 0) {
                for [across, down] in [[0, 0], [0, 1], [1, 0], [1, 1]] {
                    let x = left + number as u32 * LETTER + 2 * column + across;
                    let y = top + 2 * row as u32 + down;
                    if x < picture.width() && y < picture.height() {
                        picture.put_pixel(x, y, Rgb([40; 3]));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::{PictureBytes, PointSeries};

    fn map() -> Scatter {
        let series = |name: &str, shift: f64| PointSeries {
            name: name.into(),
            x: vec![shift, shift + 1.0],
            y: vec![0.0, f64::NAN],
            names: vec![format!("{name}/1.png"), format!("{name}/2.png")],
            pictures: vec![PictureBytes(vec![1, 2, 3]); 2],
        };
        Scatter { series: vec![series("cat", 0.0), series("dog", 5.0)], ..Scatter::default() }
    }

    #[test]
    fn a_page_has_names_and_pictures_of_points() {
        let measures = Table { columns: vec!["measure".into()], rows: vec![vec!["trustworthiness".into()]] };
        let page = to_html("Animals", "t-SNE of 4 points", &map(), &measures);
        for part in ["Animals", "cat/1.png", "AQID", "trustworthiness"] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("cat/2.png"), "a point without a place is not shown");
    }

    #[test]
    fn a_picture_has_every_group_in_its_colour() {
        let picture = image::load_from_memory(&to_png(&map())).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (SIDE + 2 * BORDER + LEGEND, SIDE + 2 * BORDER));
        // On the left the first group, on the right the second.
        let middle = BORDER + SIDE / 2;
        let is_blue = |x: u32| picture.get_pixel(x, middle).0[2] > picture.get_pixel(x, middle).0[0];
        assert!(is_blue(BORDER) && !is_blue(BORDER + SIDE));
        let alone = Scatter {
            series: vec![PointSeries { x: vec![1.0], y: vec![2.0], ..PointSeries::default() }],
            ..Scatter::default()
        };
        assert!(image::load_from_memory(&to_png(&alone)).is_ok());
    }
}
