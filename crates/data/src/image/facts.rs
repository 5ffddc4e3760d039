use super::pictures::Pictures;
use super::statistics::Statistics;
use crate::split::Parts;

/// Files that are named of those that could not be read.
const NAMED: usize = 3;

/// What a run should know and report about its pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageFacts {
    /// The source, as the configuration names it.
    pub source: String,
    /// Pictures of each class, in the order of their numbers.
    pub classes: Vec<ClassCounts>,
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

/// How many pictures of a class there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// The class.
    pub name: String,
    /// Pictures in the training part.
    pub train: usize,
    /// Pictures in the validation part.
    pub validation: usize,
    /// Pictures in the test part.
    pub test: usize,
}

impl ImageFacts {
    /// Pictures of each class in each part.
    pub(super) fn count(classes: &[String], pictures: &Pictures, parts: &Parts) -> Vec<ClassCounts> {
        let mut counts: Vec<ClassCounts> =
            classes.iter().map(|name| ClassCounts { name: name.clone(), ..ClassCounts::default() }).collect();
        let of =
            |part: &[usize]| part.iter().flat_map(|place| pictures.classes_of(*place).to_vec()).collect::<Vec<_>>();
        of(&parts.train).into_iter().for_each(|class| counts[class].train += 1);
        of(&parts.validation).into_iter().for_each(|class| counts[class].validation += 1);
        of(&parts.test).into_iter().for_each(|class| counts[class].test += 1);
        counts
    }

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
        let one = |class: &ClassCounts| format!("{} ({})", class.name, class.train + class.validation + class.test);
        let listed: Vec<String> = self.classes.iter().take(LISTED).map(one).collect();
        let more = match self.classes.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{}{more}", listed.join(", "))
    }
}
