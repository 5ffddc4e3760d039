use super::SIZE;
use crate::SplitMix64;
use crate::image::augment::draw::uniform;
use std::f32::consts::{PI, TAU};

/// A place in pixels, right and down.
pub(super) type Point = [f32; 2];

/// Corners of a circle.
const ROUND: usize = 28;

/// No shape reaches farther from its middle, in radii.
const REACH: f32 = 1.35;

/// The border of a shape, placed on a picture.
pub(super) struct Outline {
    /// From one corner to the next, all contours together.
    edges: Vec<Edge>,
    /// The middle of the shape.
    pub center: Point,
    /// About half its size.
    pub radius: f32,
}

impl Outline {
    /// The shape of class `label` at a random place, size, turn and stretch, about all of it on the picture.
    pub fn draw(label: usize, random: &mut SplitMix64) -> Self {
        let radius = uniform(7.0, 12.0, random) as f32;
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
            edges.extend(Edge::all(&contour));
        }
        Self { edges, center, radius }
    }

    /// Pixels to the border: negative inside. Far outside it is a lower bound, which is quicker.
    pub fn distance(&self, point: Point) -> f32 {
        let [x, y] = [point[0] - self.center[0], point[1] - self.center[1]];
        let beyond = (x * x + y * y).sqrt() - REACH * self.radius;
        if beyond > 2.0 {
            return beyond;
        }
        let (mut nearest, mut inside) = (f32::MAX, false);
        for edge in &self.edges {
            nearest = nearest.min(edge.squared_distance(point));
            inside ^= edge.crosses_right_of(point);
        }
        if inside { -nearest.sqrt() } else { nearest.sqrt() }
    }
}

/// A straight line.
struct Edge {
    from: Point,
    to: Point,
    /// From `from` to `to`.
    step: Point,
    /// One over the square of its length.
    inverse_square: f32,
    /// Columns per row.
    slope: f32,
}

impl Edge {
    fn new(from: Point, to: Point) -> Self {
        let step = [to[0] - from[0], to[1] - from[1]];
        let square = (step[0] * step[0] + step[1] * step[1]).max(1e-6);
        Self { from, to, step, inverse_square: 1.0 / square, slope: step[0] / step[1] }
    }

    /// The edges of a closed contour.
    fn all(corners: &[Point]) -> impl Iterator<Item = Self> {
        let next = corners.iter().cycle().skip(1);
        corners.iter().zip(next).map(|(from, to)| Self::new(*from, *to))
    }

    fn squared_distance(&self, [x, y]: Point) -> f32 {
        let [along, down] = self.step;
        let (x, y) = (x - self.from[0], y - self.from[1]);
        let part = ((x * along + y * down) * self.inverse_square).clamp(0.0, 1.0);
        let (x, y) = (x - part * along, y - part * down);
        x * x + y * y
    }

    /// Whether a ray from `point` to the right meets it: that of a point inside meets the border an odd number of times.
    fn crosses_right_of(&self, [x, y]: Point) -> bool {
        (self.from[1] > y) != (self.to[1] > y) && x < self.from[0] + (y - self.from[1]) * self.slope
    }
}

/// The distance from a place to the straight line between two points, in pixels.
pub(super) fn line(from: Point, to: Point) -> impl Fn(Point) -> f32 {
    let edge = Edge::new(from, to);
    move |point| edge.squared_distance(point).sqrt()
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
        let outline = Outline { edges: Edge::all(&square).collect(), center: [5.0, 5.0], radius: 5.0 };
        // Two to the right; one inside; one right of and one below a corner.
        let expected = [([12.0, 5.0], 2.0), ([1.0, 5.0], -1.0), ([11.0, 11.0], 2f32.sqrt())];
        assert!(expected.iter().all(|(point, distance)| (outline.distance(*point) - distance).abs() < 1e-5));
    }

    #[test]
    fn no_shape_reaches_farther_than_said() {
        let corners = (0..10).flat_map(|label| contours(label).concat());
        assert!(corners.map(|[x, y]| x.hypot(y)).all(|reach| reach < REACH));
    }

    #[test]
    fn every_shape_covers_a_fair_part_of_its_circle() {
        for label in 0..10 {
            let outline = Outline::draw(label, &mut SplitMix64::new(label as u64));
            let places = (0..SIZE * SIZE).map(|place| [(place % SIZE) as f32 + 0.5, (place / SIZE) as f32 + 0.5]);
            let area = places.filter(|place| outline.distance(*place) < 0.0).count() as f32;
            let part = area / (PI * outline.radius * outline.radius);
            assert!((0.2..1.0).contains(&part), "class {label}: {part}");
        }
    }
}
