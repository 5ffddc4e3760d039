//! Points as a page with read-outs, or as a picture.

use data::{
    image::{Image, png},
    vectors::Vectors,
};
use reduce::Matrix;
use report::{PictureBytes, PointSeries, Scatter, map};

use super::{Plot, measures::Measures};

/// The content of the file.
pub(super) fn draw(
    plot: &Plot,
    title: &str,
    about: &[String],
    points: &Matrix,
    vectors: &Vectors,
    measures: &Measures,
) -> Vec<u8> {
    match plot {
        Plot::Page(_) => {
            let map = scatter(points, vectors, true);
            map::to_html(title, &about.join("; "), &map, &measures.table()).into_bytes()
        }
        Plot::Picture(_) => map::to_png(&scatter(points, vectors, false)),
    }
}

/// The first two coordinates, a group for each label.
fn scatter(points: &Matrix, vectors: &Vectors, with_read_outs: bool) -> Scatter {
    let groups = vectors.label_names.len().max(1);
    let mut series = vec![PointSeries::default(); groups];
    for (series, name) in series.iter_mut().zip(&vectors.label_names) {
        series.name = name.clone();
    }
    for row in 0..points.rows() {
        let of_point = &mut series[vectors.labels.get(row).copied().unwrap_or(0)];
        let coordinate = |axis: usize| points.row(row).get(axis).copied().map_or(0.0, f64::from);
        of_point.x.push(coordinate(0));
        of_point.y.push(coordinate(1));
        if with_read_outs {
            of_point.names.push(vectors.names[row].clone());
            of_point.pictures.extend(vectors.pictures.get(row).map(thumbnail));
        }
    }
    Scatter { series, ..Scatter::default() }
}

fn thumbnail(picture: &Image) -> PictureBytes {
    PictureBytes(png(picture))
}
