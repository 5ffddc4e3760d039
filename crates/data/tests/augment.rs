//! Resizing and changes of pictures as PIL and torchvision do them: see `fixtures/make_augment.py`.

use data::image::Image;
use data::image::augment::{
    Affine, Region, adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, adjust_sharpness, autocontrast,
    equalize, grayscale, posterize, resize, resize_center_crop, resize_region, solarize,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    width: usize,
    height: usize,
    pixels: String,
    adjusted: Vec<Adjusted>,
    affine: Vec<Changed>,
    resized: Vec<Resized>,
}

#[derive(Deserialize)]
struct Adjusted {
    name: String,
    value: f64,
    pixels: String,
}

#[derive(Deserialize)]
struct Changed {
    degrees: f64,
    translate: [f64; 2],
    scale: f64,
    shear: [f64; 2],
    pixels: String,
}

#[derive(Deserialize)]
struct Resized {
    name: String,
    width: usize,
    height: usize,
    pixels: String,
}

fn fixture() -> (Image, Fixture) {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/augment.json")).unwrap();
    let pixels = bytes(&fixture.pixels);
    (Image { width: fixture.width, height: fixture.height, channels: 3, pixels }, fixture)
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    (0..hexadecimal.len()).step_by(2).map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap()).collect()
}

/// The largest difference in levels.
fn error(found: &Image, expected: &str) -> u8 {
    let expected = bytes(expected);
    assert_eq!(found.pixels.len(), expected.len());
    found.pixels.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max().unwrap()
}

#[test]
fn resizing_is_pils() {
    let (image, fixture) = fixture();
    for case in &fixture.resized {
        let found = match case.name.as_str() {
            "center" => resize_center_crop(&image, 14, 14.0 / 16.0),
            "region" => {
                resize_region(&image, Region { left: 5, top: 3, width: 15, height: 17 }, case.width, case.height)
            }
            "grey" => {
                let mut grey = image.clone();
                grayscale(&mut grey);
                let pixels = grey.pixels.iter().step_by(3).copied().collect();
                resize(&Image { channels: 1, pixels, ..grey }, case.width, case.height)
            }
            _ => resize(&image, case.width, case.height),
        };
        assert_eq!((found.width, found.height), (case.width, case.height));
        assert_eq!(error(&found, &case.pixels), 0, "{} {}x{}", case.name, case.width, case.height);
    }
}

#[test]
fn changes_of_levels_are_pils() {
    let (image, fixture) = fixture();
    for case in &fixture.adjusted {
        let mut found = image.clone();
        match case.name.as_str() {
            "brightness" => adjust_brightness(&mut found, case.value),
            "contrast" => adjust_contrast(&mut found, case.value),
            "saturation" => adjust_saturation(&mut found, case.value),
            "hue" => adjust_hue(&mut found, case.value),
            "sharpness" => adjust_sharpness(&mut found, case.value),
            "posterize" => posterize(&mut found, case.value as u32),
            "solarize" => solarize(&mut found, case.value),
            "autocontrast" => autocontrast(&mut found),
            "equalize" => equalize(&mut found),
            "grayscale" => grayscale(&mut found),
            other => panic!("no such change: {other}"),
        }
        assert_eq!(error(&found, &case.pixels), 0, "{} {}", case.name, case.value);
    }
}

#[test]
fn affine_changes_are_torchvisions() {
    let (image, fixture) = fixture();
    for Changed { degrees, translate, scale, shear, pixels } in &fixture.affine {
        let change =
            Affine { degrees: *degrees, translate: *translate, scale: *scale, shear: *shear, ..Affine::none(&image) };
        let error = error(&change.apply(&image, 77), pixels);
        assert!(error <= 1, "{degrees}: {error}");
    }
}
