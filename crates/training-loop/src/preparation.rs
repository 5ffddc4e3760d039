//! What a job does before step 1, told while it lasts: a download, features that are computed once, a table of loaded weights.

/// Watches what happens before training. A job is given one with [`AssembleContext`](crate::job::AssembleContext).
pub trait Preparation {
    /// A line worth keeping, such as which weights were loaded.
    fn note(&self, line: &str);

    /// How far an activity is. The first call begins it; one with another name, a note or the end of the preparation ends it.
    fn progress(&self, activity: &Activity<'_>);
}

/// Nobody watches.
impl Preparation for () {
    fn note(&self, _: &str) {}
    fn progress(&self, _: &Activity<'_>) {}
}

/// Something that takes a while, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity<'a> {
    /// What is done, and its name: `download resnet50-0676ba61.pth`, `features of the training pictures`.
    pub what: &'a str,
    /// What is counted.
    pub unit: Unit<'a>,
    /// How much of it is done.
    pub done: u64,
    /// How much there is, where that is known.
    pub total: Option<u64>,
}

/// What an activity counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit<'a> {
    /// Bytes, shown as kB, MB or GB.
    Bytes,
    /// Things, by their plural: `images`.
    Items(&'a str),
}

impl<'a> Activity<'a> {
    /// So many bytes of a download or a file.
    pub fn bytes(what: &'a str, done: u64, total: Option<u64>) -> Self {
        Self { what, unit: Unit::Bytes, done, total }
    }

    /// So many things, by their plural.
    pub fn items(what: &'a str, plural: &'a str, done: usize, total: usize) -> Self {
        Self { what, unit: Unit::Items(plural), done: done as u64, total: Some(total as u64) }
    }
}
