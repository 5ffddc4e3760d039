use super::SIZE;
use crate::SplitMix64;
use crate::image::augment::draw::uniform;
use std::f32::consts::{PI, TAU};

/// A place in pixels, right and down.
pub(super) type Point = [f32; 2];

/// Corners of a circle.
const ROUND: usize = 32;

/// The border of a shape, placed on a picture.
pub(super) struct Outline {
    /// From one corner to the next, all contours together.
    edges: Vec<[Point; 2]>,
    /// The middle of the shape.
    pub center: Point,
    /// About half its size.
    pub radius: f32,
}

impl Outline {
    /// The shape of class `label` at a random place, size, turn and stretch, about all of it on the picture.
    pub fn draw(label: usize, random: &mut SplitMix64) -> Self {
        let radius = uniform(6.0, 12.0, random) as f32;
        let size = SIZE as f32;
        let mut place = || uniform(f64::from(radius * 0.85), f64::from(size - radius * 0.85), random) as f32;
        let center = [place(), place()];
        let (sin, cos) = (uniform(0.0, f64::from(TAU), random) as f32).sin_cos();
        let (slant_sin, slant_cos) = (uniform(0.0, f64::from(TAU), random) as f32).sin_cos();
        let stretch = uniform(0.85, 1.0, random) as f32;
        // Narrowed along one random direction, then turned.
        let put = |[x, y]: Point| {
            let (along, across) = ((x * slant_cos + y * slant_sin) * stretch, y * slant_cos - x * slant_sin);
            let (x, y) = (along * slant_cos - across * slant_sin, along * slant_sin + across * slant_cos);
            [center[0] + radius * (x * cos - y * sin), center[1] + radius * (x * sin + y * cos)]
        };
        let mut edges = Vec::new();
        for contour in contours(label) {
            let contour: Vec<Point> = contour.into_iter().map(put).collect();
            edges.extend((0..contour.len()).map(|corner| [contour[corner], contour[(corner + 1) % contour.len()]]));
        }
        Self { edges, center, radius }
    }

    /// Pixels to the border: negative inside.
    pub fn distance(&self, point: Point) -> f32 {
        let (mut nearest, mut inside) = (f32::MAX, false);
        for [from, to] in &self.edges {
            nearest = nearest.min(squared_distance(point, *from, *to));
            // A ray to the right crosses the border an odd number of times.
            if (from[1] > point[1]) != (to[1] > point[1]) {
                let crossing = from[0] + (point[1] - from[1]) / (to[1] - from[1]) * (to[0] - from[0]);
                inside ^= point[0] < crossing;
            }
        }
        if inside { -nearest.sqrt() } else { nearest.sqrt() }
    }
}

/// Pixels to the line from `from` to `to`.
pub(super) fn distance_to_line(point: Point, from: Point, to: Point) -> f32 {
    squared_distance(point, from, to).sqrt()
}

fn squared_distance([x, y]: Point, from: Point, to: Point) -> f32 {
    let (along, up) = (to[0] - from[0], to[1] - from[1]);
    let (x, y) = (x - from[0], y - from[1]);
    let part = ((x * along + y * up) / (along * along + up * up).max(1e-6)).clamp(0.0, 1.0);
    let (x, y) = (x - part * along, y - part * up);
    x * x + y * y
}

/// The closed contours of a shape about the origin, of about radius 1; what lies inside of an odd number of them is the shape.
fn contours(label: usize) -> Vec<Vec<Point>> {
    match label {
        0 => vec![polygon(ROUND, 0.95)],
        1 => vec![polygon(4, 1.15)],
        2 => vec![polygon(3, 1.2)],
        3 => vec![polygon(5, 1.05)],
        4 => vec![star()],
        5 => vec![polygon(ROUND, 1.0), polygon(ROUND, 0.55)],
        6 => vec![cross()],
        7 => vec![heart()],
        8 => vec![crescent()],
        _ => vec![arrow()],
    }
}

fn at(angle: f32, radius: f32) -> Point {
    [radius * angle.cos(), radius * angle.sin()]
}

fn polygon(corners: usize, radius: f32) -> Vec<Point> {
    (0..corners).map(|corner| at(TAU * corner as f32 / corners as f32, radius)).collect()
}

fn star() -> Vec<Point> {
    (0..10).map(|corner| at(PI * corner as f32 / 5.0, if corner % 2 == 0 { 1.2 } else { 0.5 })).collect()
}

fn cross() -> Vec<Point> {
    let (long, wide) = (1.05, 0.32);
    let arm = [[long, -wide], [long, wide], [wide, wide]];
    // The same arm after each quarter turn.
    let turned = |[x, y]: Point, turns: usize| match turns {
        0 => [x, y],
        1 => [-y, x],
        2 => [-x, -y],
        _ => [y, -x],
    };
    (0..4).flat_map(|turns| arm.map(|corner| turned(corner, turns))).collect()
}

/// The well-known curve in sines.
fn heart() -> Vec<Point> {
    let corner = |corner: usize| {
        let t = TAU * corner as f32 / ROUND as f32;
        let down = 13.0 * t.cos() - 5.0 * (2.0 * t).cos() - 2.0 * (3.0 * t).cos() - (4.0 * t).cos();
        [16.0 * t.sin().powi(3) / 15.5, -(down + 2.5) / 15.5]
    };
    (0..ROUND).map(corner).collect()
}

/// A disc less a disc that covers its right side.
fn crescent() -> Vec<Point> {
    let (offset, radius) = (0.5f32, 0.8f32);
    // Where the two circles meet.
    let x = (1.0 - radius * radius + offset * offset) / (2.0 * offset);
    let y = (1.0 - x * x).sqrt();
    let (outer, inner) = (y.atan2(x), y.atan2(x - offset));
    let half = ROUND / 2;
    let arc = |first: f32, step: usize| first + (TAU - 2.0 * first) * step as f32 / half as f32;
    let outside = (0..=half).map(|step| at(arc(outer, step), 1.05));
    let inside = (1..half).rev().map(|step| {
        let [x, y] = at(arc(inner, step), radius * 1.05);
        [x + offset * 1.05, y]
    });
    // The middle of what is left is near the origin.
    outside.chain(inside).map(|[x, y]| [x + 0.3, y]).collect()
}

fn arrow() -> Vec<Point> {
    vec![[1.15, 0.0], [0.2, 0.85], [0.2, 0.28], [-1.1, 0.28], [-1.1, -0.28], [0.2, -0.28], [0.2, -0.85]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_to_the_border_and_negative_inside() {
        let square = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]];
        let edges = (0..4).map(|corner| [square[corner], square[(corner + 1) % 4]]).collect();
        let outline = Outline { edges, center: [5.0, 5.0], radius: 5.0 };
        // Two to the right; one inside; three and four from a corner.
        let expected = [([12.0, 5.0], 2.0), ([1.0, 5.0], -1.0), ([13.0, 14.0], 5.0)];
        assert!(expected.iter().all(|(point, distance)| (outline.distance(*point) - distance).abs() < 1e-5));
    }

    #[test]
    fn every_shape_covers_a_fair_part_of_its_circle() {
        for label in 0..10 {
            let outline = Outline::draw(label, &mut SplitMix64::new(label as u64));
            let places = (0..SIZE * SIZE).map(|place| [(place % SIZE) as f32 + 0.5, (place / SIZE) as f32 + 0.5]);
            let area = places.filter(|place| outline.distance(*place) < 0.0).count() as f32;
            let part = area / (PI * outline.radius * outline.radius);
            assert!((0.2..1.1).contains(&part), "class {label}: {part}");
        }
    }
}
