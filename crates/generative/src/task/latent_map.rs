//! Where the codes of pictures lie, as a map in the report.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use data::image::{ImageData, png};
use reduce::{Matrix, PcaConfig};
use report::{Body, PictureBytes, PointSeries, Scatter, Section};
use training_loop::error::TaskError;

/// Pictures on a map: enough to see groups, few enough for a page.
const MOST: usize = 1000;

/// Pictures up to this side are shown under the pointer.
const SMALL: usize = 64;

/// Codes of an evaluation. They stay on the device until it is over.
#[derive(Debug)]
pub struct LatentMap<B: Backend> {
    codes: Vec<Tensor<B, 2>>,
    indices: Vec<usize>,
}

impl<B: Backend> Default for LatentMap<B> {
    fn default() -> Self {
        Self { codes: Vec::new(), indices: Vec::new() }
    }
}

impl<B: Backend> LatentMap<B> {
    /// Adds the codes of a batch of pictures. `codes`: `[batch, latent_size]`
    pub fn add(&mut self, codes: Tensor<B, 2>, indices: &[usize]) {
        self.codes.push(codes);
        self.indices.extend(indices);
    }

    /// The map, coloured by class; by principal components where codes have more than two numbers. Pictures that are not of one class are left
    /// out; there is no map where codes are not finite.
    ///
    /// # Errors
    /// When a picture cannot be read any more.
    pub fn section(self, images: &ImageData) -> Result<Option<Section>, TaskError> {
        if self.indices.len() < 3 {
            return Ok(None);
        }
        let (codes, indices) = self.thinned();
        let rows = indices.len();
        let codes: Vec<f32> = codes.into_data().iter::<f32>().collect();
        if codes.iter().any(|number| !number.is_finite()) {
            return Ok(None);
        }
        let size = codes.len() / rows;
        let codes = Matrix::new(codes, rows, size)?;
        let (points, caption) = if size > 2 {
            let pca = PcaConfig::new(2).fit(&codes, &mut |_| {})?;
            let share = 100.0 * pca.explained_variance_ratio.iter().sum::<f64>();
            let caption = format!(
                "Codes of {size} numbers by their first two principal components, which have {share:.0} % of the variance."
            );
            (pca.transform(&codes)?, caption)
        } else {
            (codes, if size == 2 { "The two numbers of each code." } else { "The number of each code." }.to_string())
        };
        let mut series: Vec<PointSeries> =
            images.classes.iter().map(|name| PointSeries { name: name.clone(), ..PointSeries::default() }).collect();
        for (row, index) in indices.iter().enumerate() {
            let [class] = images.classes_of(*index)[..] else { continue };
            let Some(class) = place(images, class) else { continue };
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
        if series.is_empty() {
            return Ok(None);
        }
        let map = Scatter { series, ..Scatter::default() };
        Ok(Some(Section::new("Latent map", Body::Scatter(map)).with_caption(caption)))
    }

    /// No more than [`MOST`] codes and the numbers of their pictures, evenly spread: a part often lies class by class.
    fn thinned(self) -> (Tensor<B, 2>, Vec<usize>) {
        let codes = Tensor::cat(self.codes, 0);
        let all = self.indices.len();
        if all <= MOST {
            return (codes, self.indices);
        }
        let places = (0..MOST).map(|number| number * all / MOST);
        let indices = places.clone().map(|place| self.indices[place]).collect();
        let places: Vec<i64> = places.map(|place| place as i64).collect();
        let places = Tensor::from_data(TensorData::new(places, [MOST]), &codes.device());
        (codes.select(0, places), indices)
    }
}

fn place(images: &ImageData, class: &str) -> Option<usize> {
    images.classes.iter().position(|name| name == class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    #[test]
    fn codes_of_a_large_part_are_spread_over_it() {
        let mut map = LatentMap::<Flex>::default();
        for first in (0..2500).step_by(100) {
            let numbers: Vec<f32> = (first..first + 100).map(|number| number as f32).collect();
            let indices: Vec<usize> = (first..first + 100).collect();
            map.add(Tensor::from_data(TensorData::new(numbers, [100, 1]), &Default::default()), &indices);
        }
        let (codes, indices) = map.thinned();
        let codes: Vec<f32> = codes.into_data().iter::<f32>().collect();
        assert_eq!((codes.len(), indices.len()), (MOST, MOST));
        assert_eq!([codes[0], codes[1], codes[MOST - 1]], [0.0, 2.0, 2497.0]);
        assert!(codes.iter().zip(&indices).all(|(code, index)| *code == *index as f32));
    }
}
