//! Where the codes of pictures lie, as a map in the report.

use burn::tensor::{Tensor, backend::Backend};
use data::image::{ImageData, png};
use reduce::{Matrix, PcaConfig};
use report::{Body, PictureBytes, PointSeries, Scatter, Section};
use training_loop::error::TaskError;

/// Pictures on a map: enough to see groups, few enough for a page.
const MOST: usize = 1000;

/// Pictures up to this side are shown under the pointer.
const SMALL: usize = 64;

/// Codes of an evaluation.
#[derive(Debug, Default)]
pub struct LatentMap {
    codes: Vec<f32>,
    indices: Vec<usize>,
}

impl LatentMap {
    /// Adds the codes of a batch of pictures, as far as there is room. `codes`: `[batch, latent_size]`
    pub fn add<B: Backend>(&mut self, codes: Tensor<B, 2>, indices: &[usize]) {
        let room = MOST.saturating_sub(self.indices.len()).min(indices.len());
        if room > 0 {
            self.codes.extend(codes.narrow(0, 0, room).into_data().iter::<f32>());
            self.indices.extend(&indices[..room]);
        }
    }

    /// The map, coloured by class; by principal components where codes have more than two numbers.
    ///
    /// # Errors
    /// When codes are not finite, or a picture cannot be read any more.
    pub fn section(self, images: &ImageData) -> Result<Option<Section>, TaskError> {
        let rows = self.indices.len();
        if rows < 3 {
            return Ok(None);
        }
        let size = self.codes.len() / rows;
        let codes = Matrix::new(self.codes, rows, size)?;
        let (points, caption) = if size > 2 {
            let pca = PcaConfig::new(2).fit(&codes, &mut |_| {})?;
            let share = 100.0 * pca.explained_variance_ratio.iter().sum::<f64>();
            let caption = format!(
                "Codes of {size} numbers by their first two principal components, which have {share:.0} % of the variance."
            );
            (pca.transform(&codes)?, caption)
        } else {
            (codes, "The two numbers of each code.".to_string())
        };
        let mut series: Vec<PointSeries> =
            images.classes.iter().map(|name| PointSeries { name: name.clone(), ..PointSeries::default() }).collect();
        for (row, index) in self.indices.iter().enumerate() {
            let class = images.classes_of(*index).first().and_then(|name| place(images, name)).unwrap_or(0);
            let of_class = &mut series[class];
            let coordinate = |axis: usize| points.row(row).get(axis).copied().map_or(0.0, f64::from);
            of_class.x.push(coordinate(0));
            of_class.y.push(coordinate(1));
            of_class.names.push(images.name(*index).to_string());
            if images.artefact().image_size <= SMALL {
                of_class.pictures.push(PictureBytes(png(&images.prepared(*index)?)));
            }
        }
        series.retain(|series| !series.x.is_empty());
        let map = Scatter { series, ..Scatter::default() };
        Ok(Some(Section::new("Latent map", Body::Scatter(map)).with_caption(caption)))
    }
}

fn place(images: &ImageData, class: &str) -> Option<usize> {
    images.classes.iter().position(|name| name == class)
}
