use super::statistics::Statistics;
use crate::PartCounts;

/// Files that are named of those that could not be read.
const NAMED: usize = 3;

/// What a run should know and report about its pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageFacts {
    /// The source, as the configuration names it.
    pub source: String,
    /// Pictures of each class, in the order of their numbers.
    pub classes: Vec<PartCounts>,
    /// Pictures in the training, the validation and the test part.
    pub part_sizes: [usize; 3],
    /// Pictures that could not be read and were passed over.
    pub skipped: Vec<String>,
    /// The least and the greatest width and height.
    pub sizes: [[usize; 2]; 2],
    /// Height and width of what the network sees.
    pub image_size: usize,
    /// 1 or 3.
    pub channels: usize,
    /// What pixels are scaled by.
    pub statistics: Statistics,
    /// Whether decoded pictures are kept in memory.
    pub in_memory: bool,
}

impl ImageFacts {
    /// A line each, for the start of a run.
    pub fn lines(&self) -> Vec<(String, String)> {
        let [train, validation, test] = self.part_sizes;
        let [[least_width, most_width], [least_height, most_height]] = self.sizes;
        let size = match (least_width, least_height) == (most_width, most_height) {
            true => format!("{least_width} × {least_height}"),
            false => format!("{least_width} to {most_width} × {least_height} to {most_height}"),
        };
        let kept = if self.in_memory { "in memory" } else { "decoded when they are needed" };
        let numbers = |values: &[f32]| values.iter().map(|value| format!("{value:.3}")).collect::<Vec<_>>().join(" ");
        let Statistics { mean, std } = &self.statistics;
        let mut lines = vec![
            ("source", self.source.clone()),
            ("classes", self.class_list()),
            ("images", format!("{train} to learn from, {validation} for validation, {test} for the test")),
            ("pixels", format!("{size}, {kept}; the network sees {0} × {0}", self.image_size)),
            ("scaled by", format!("mean {}, deviation {}", numbers(mean), numbers(std))),
        ];
        if !self.skipped.is_empty() {
            let named = self.skipped.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = if self.skipped.len() > NAMED { ", …" } else { "" };
            lines.push(("not readable, passed over", format!("{} ({named}{more})", self.skipped.len())));
        }
        lines.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn class_list(&self) -> String {
        const LISTED: usize = 12;
        let one = |class: &PartCounts| format!("{} ({})", class.name, class.all());
        let listed: Vec<String> = self.classes.iter().take(LISTED).map(one).collect();
        let more = match self.classes.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}", listed.join(", "))
    }
}
