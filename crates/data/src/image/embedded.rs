use super::Image;

/// A picture that is drawn when it is asked for, so that it needs no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedPicture {
    /// The picture.
    pub image: Image,
    /// Which of the classes of its set.
    pub label: usize,
    /// Whether it is kept for the test.
    pub test: bool,
    /// A name of its own, as of a file: `train/star/0004.png`.
    pub name: String,
}

impl EmbeddedPicture {
    /// Picture `number` of a set in which every class comes in turn.
    pub(super) fn new(classes: &[&str], number: usize, test: bool, draw: impl FnOnce(usize) -> Image) -> Self {
        let label = number % classes.len();
        let part = if test { "test" } else { "train" };
        let name = format!("{part}/{}/{:04}.png", classes[label], number / classes.len());
        Self { image: draw(label), label, test, name }
    }
}
