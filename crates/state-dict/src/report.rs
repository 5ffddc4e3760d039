//! What became of the tensors of a file.

use std::fmt;

use serde::Serialize;

/// What became of one tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadOutcome {
    /// It is in the network.
    Loaded,
    /// A first convolution for colour is in a network for grey images, summed over the channels.
    SummedChannels,
    /// Learned positions of another grid of patches are in the network, interpolated.
    Interpolated,
    /// Learned positions of a longer context are in the network, without the last.
    Cut,
    /// The network's head is of another size and stays at its initial value.
    Replaced,
    /// The file has none for this of the network's head, which stays at its initial value.
    Missing,
    /// The network has no place for it.
    Unused,
}

/// One tensor of the network, or of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoadRow {
    /// The name in the network, or where it has none, in the file.
    pub name: String,
    /// Its shape in the file.
    pub in_file: Option<Vec<usize>>,
    /// Its shape in the network.
    pub in_network: Option<Vec<usize>>,
    /// What became of it.
    pub outcome: LoadOutcome,
}

/// What became of every tensor: those of the network in its order, then what else is in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// One a tensor.
    pub rows: Vec<LoadRow>,
}

impl fmt::Display for LoadOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loaded => "loaded",
            Self::SummedChannels => "loaded, summed over channels",
            Self::Interpolated => "loaded, interpolated to another grid",
            Self::Cut => "loaded, cut off",
            Self::Replaced => "replaced: another shape",
            Self::Missing => "not in the file",
            Self::Unused => "not used",
        })
    }
}

impl LoadReport {
    /// The rows of one outcome.
    pub fn with(&self, outcome: LoadOutcome) -> impl Iterator<Item = &LoadRow> {
        self.rows.iter().filter(move |row| row.outcome == outcome)
    }

    /// Whether the head came from the file too.
    pub fn head_is_loaded(&self) -> bool {
        [LoadOutcome::Replaced, LoadOutcome::Missing].into_iter().all(|outcome| self.with(outcome).next().is_none())
    }

    /// The report for people: one line for each thing that there is to say.
    pub fn lines(&self) -> Vec<String> {
        let loaded: Vec<&LoadRow> =
            self.rows.iter().filter(|row| row.in_network.is_some() && row.is_from_file()).collect();
        let parameters: usize = loaded.iter().filter(|row| !row.is_statistic()).map(|row| row.num_elements()).sum();
        let mut lines = vec![format!("loaded {} tensors ({})", loaded.len(), count(parameters))];
        for row in self.with(LoadOutcome::SummedChannels) {
            lines.push(format!(
                "{} {} summed over its channels to {}",
                row.name,
                row.file_shape(),
                row.network_shape()
            ));
        }
        for row in self.with(LoadOutcome::Interpolated) {
            lines.push(format!("{} {} interpolated to {}", row.name, row.file_shape(), row.network_shape()));
        }
        for row in self.with(LoadOutcome::Cut) {
            lines.push(format!("{} {} cut off to {}", row.name, row.file_shape(), row.network_shape()));
        }
        for row in self.with(LoadOutcome::Replaced).filter(|row| row.name.ends_with(".weight")) {
            let head = row.name.trim_end_matches(".weight");
            lines.push(format!(
                "head {head} {} replaced by {}, which begins at random",
                row.file_shape(),
                row.network_shape()
            ));
        }
        for row in self.with(LoadOutcome::Missing).filter(|row| row.name.ends_with(".weight")) {
            let head = row.name.trim_end_matches(".weight");
            lines.push(format!("head {head} {} is not in the file and begins at random", row.network_shape()));
        }
        let unused: Vec<&str> = self.with(LoadOutcome::Unused).map(|row| row.name.as_str()).collect();
        if !unused.is_empty() {
            lines.push(format!("in the file, but not in the network: {}", enumerated(&unused)));
        }
        lines
    }
}

impl LoadRow {
    fn is_from_file(&self) -> bool {
        matches!(
            self.outcome,
            LoadOutcome::Loaded | LoadOutcome::SummedChannels | LoadOutcome::Interpolated | LoadOutcome::Cut
        )
    }

    fn is_statistic(&self) -> bool {
        self.name.ends_with("running_mean") || self.name.ends_with("running_var")
    }

    fn num_elements(&self) -> usize {
        self.in_network.iter().flatten().product()
    }

    fn file_shape(&self) -> String {
        format!("{:?}", self.in_file.as_deref().unwrap_or_default())
    }

    fn network_shape(&self) -> String {
        format!("{:?}", self.in_network.as_deref().unwrap_or_default())
    }
}

fn count(parameters: usize) -> String {
    match parameters {
        0..1_000_000 => format!("{:.1} thousand parameters", parameters as f64 / 1e3),
        _ => format!("{:.1} M parameters", parameters as f64 / 1e6),
    }
}

fn enumerated(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    match names.len() {
        0..=SHOWN => names.join(", "),
        all => format!("{} and {} more", names[..SHOWN].join(", "), all - SHOWN),
    }
}
