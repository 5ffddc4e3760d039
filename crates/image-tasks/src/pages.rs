//! Pictures in the report: what the network learns from, what it takes for something else, and what it looks at.

use burn::tensor::backend::Backend;
use classification::Prediction;
use data::image::{Image, ImageBatches, ImageData, png};
use report::{Body, Picture, PictureBytes, PictureSource, Section};
use training_loop::error::TaskError;

use crate::{ImageNetwork, heat, on_pixels};

/// The first training pictures of the first epoch, as the network sees them.
pub(crate) fn training_pictures(
    images: &ImageData,
    batches: &ImageBatches,
    count: usize,
) -> Result<Option<Section>, TaskError> {
    if count == 0 {
        return Ok(None);
    }
    let name = |index: usize| images.classes_of(index).join(", ");
    let shown = batches.shown(count)?;
    let shown = shown.iter().map(|shown| {
        let label = match shown.mixed_with {
            Some((other, share)) => format!("{} {share:.2}, {} {:.2}", name(shown.index), name(other), 1.0 - share),
            None => name(shown.index),
        };
        labelled(&shown.image, label)
    });
    let shown = shown.collect();
    let caption =
        "Training pictures of the first epoch as the network sees them, with every change that is made to them.";
    Ok(Some(Section::new("Training pictures", Body::Image { images: shown }).with_caption(caption)))
}

/// The pictures whose class the model thought least likely.
pub(crate) fn worst_mistakes(images: &ImageData, worst: &[&Prediction]) -> Result<Section, TaskError> {
    let picture = |prediction: &&Prediction| -> Result<Picture, TaskError> {
        let class = |class: usize| &images.classes[class];
        let label = format!(
            "{}: {}, taken for {} ({:.2})",
            images.name(prediction.index),
            class(prediction.label),
            class(prediction.class),
            prediction.certainty
        );
        Ok(labelled(&images.prepared(prediction.index)?, label))
    };
    let pictures = worst.iter().map(picture).collect::<Result<_, _>>()?;
    let caption = "The pictures whose true class the model thought least likely, the worst first.";
    Ok(Section::new("Worst mistakes", Body::Image { images: pictures }).with_caption(caption))
}

/// Pictures beside maps of what their prediction rests on.
pub(crate) fn explanations<B: Backend>(
    network: &impl ImageNetwork<B>,
    images: &ImageData,
    predictions: &[&Prediction],
    explanation: &str,
    device: &B::Device,
) -> Result<Option<Section>, TaskError> {
    if predictions.is_empty() {
        return Ok(None);
    }
    let prepared: Vec<Image> = predictions.iter().map(|p| images.prepared(p.index)).collect::<Result<_, _>>()?;
    let classes: Vec<usize> = predictions.iter().map(|prediction| prediction.class).collect();
    let maps = network.explain(on_pixels(images.artefact(), &prepared, device), &classes);
    let heated = heat::overlays(&prepared, maps);
    let mut shown = Vec::new();
    for ((prediction, image), heated) in predictions.iter().zip(&prepared).zip(&heated) {
        let class = |class: usize| &images.classes[class];
        let truth = match prediction.class == prediction.label {
            true => String::new(),
            false => format!(", is {}", class(prediction.label)),
        };
        shown.push(labelled(image, images.name(prediction.index).to_string()));
        shown.push(labelled(heated, format!("{} ({:.2}){truth}", class(prediction.class), prediction.certainty)));
    }
    Ok(Some(Section::new("What predictions rest on", Body::Image { images: shown }).with_caption(explanation)))
}

fn labelled(image: &Image, label: String) -> Picture {
    Picture { label, source: PictureSource::Data(PictureBytes(png(image))) }
}
