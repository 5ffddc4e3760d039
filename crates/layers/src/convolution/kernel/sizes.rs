//! The sizes of a convolution, and what of the input each of its products reads.
//!
//! A transposed convolution has the sizes of the convolution that it is the transpose of: its input is that one's output.

use super::patches::Patches;
use crate::convolution::{Conv2dOptions, ConvTranspose2dOptions};

/// Pairs are height and width.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    pub batch: usize,
    /// Channels of the input, of all groups.
    pub inputs: usize,
    /// Channels of the output, of all groups.
    pub outputs: usize,
    pub input: [usize; 2],
    pub kernel: [usize; 2],
    pub output: [usize; 2],
    pub options: Conv2dOptions,
}

impl Sizes {
    pub fn new(
        [batch, inputs, height, width]: [usize; 4],
        [outputs, _, rows, columns]: [usize; 4],
        options: &Conv2dOptions,
    ) -> Self {
        let (input, kernel) = ([height, width], [rows, columns]);
        let output = options.output_size(input, kernel);
        Self { batch, inputs, outputs, input, kernel, output, options: options.clone() }
    }

    /// Those of the convolution whose transpose has this input, weight and options.
    pub fn of_transposed(
        [batch, outputs, height, width]: [usize; 4],
        [_, group_inputs, rows, columns]: [usize; 4],
        options: &ConvTranspose2dOptions,
    ) -> Self {
        let (output, kernel) = ([height, width], [rows, columns]);
        let input = options.output_size(output, kernel);
        let ConvTranspose2dOptions { stride, padding, dilation, groups, .. } = *options;
        let options = Conv2dOptions { stride, padding, dilation, groups };
        Self { batch, inputs: group_inputs * groups, outputs, input, kernel, output, options }
    }

    /// Whether the kernel sees every image at once and as a whole, so that all is one product of matrices.
    pub fn is_whole(&self) -> bool {
        let Conv2dOptions { padding, dilation, groups, .. } = self.options;
        // Dilation has no meaning for kernels of one weight.
        let dense = [0, 1].into_iter().all(|axis| dilation[axis] == 1 || self.kernel[axis] == 1);
        groups == 1 && dense && padding == [0; 2] && self.output == [1; 2] && self.input == self.kernel
    }

    pub fn group_inputs(&self) -> usize {
        self.inputs / self.options.groups
    }

    pub fn group_outputs(&self) -> usize {
        self.outputs / self.options.groups
    }

    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    pub fn weight_shape(&self) -> [usize; 4] {
        [self.outputs, self.group_inputs(), self.kernel[0], self.kernel[1]]
    }

    pub fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.inputs, self.input[0], self.input[1]]
    }

    pub fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.outputs, self.output[0], self.output[1]]
    }

    /// What of the input goes into each pixel of the output.
    pub fn forward(&self) -> Patches {
        let Conv2dOptions { stride, padding, dilation, .. } = self.options;
        let offset = |axis: usize, tap: usize| (tap * dilation[axis]) as isize - padding[axis] as isize;
        let rows: Vec<_> = (0..self.kernel[0]).map(|tap| (tap, offset(0, tap))).collect();
        let columns: Vec<_> = (0..self.kernel[1]).map(|tap| (tap, offset(1, tap))).collect();
        Patches::new(self.batch, self.inputs, self.group_inputs(), self.input, self.output, stride, &rows, &columns)
    }

    /// The pixels of the input by what goes into their gradients. A stride divides them into phases, whose pixels take part
    /// in the same taps: each phase is a convolution of the output's gradient with some of the taps, without a stride.
    pub fn phases(&self) -> Vec<Phase> {
        let [rows, columns] = [0, 1].map(|axis| {
            let stride = self.options.stride[axis];
            (0..stride.min(self.input[axis])).map(|first| self.phase(axis, first)).collect::<Vec<_>>()
        });
        let mut phases = Vec::new();
        for (first_row, rows) in rows.iter().enumerate() {
            for (first_column, columns) in columns.iter().enumerate() {
                if rows.is_empty() || columns.is_empty() {
                    continue; // between the positions of a kernel that is smaller than the stride
                }
                let first = [first_row, first_column];
                let stride = self.options.stride;
                let grid = [0, 1].map(|axis| (self.input[axis] - first[axis]).div_ceil(stride[axis]));
                let sizes = (self.outputs, self.group_outputs());
                let patches = Patches::new(self.batch, sizes.0, sizes.1, self.output, grid, [1, 1], rows, columns);
                let taps = rows
                    .iter()
                    .flat_map(|(row, _)| columns.iter().map(move |(column, _)| row * self.kernel[1] + column))
                    .collect();
                phases.push(Phase { patches, taps, first });
            }
        }
        phases
    }

    /// The taps along an axis that the pixels `first`, `first + stride`, .. take part in, with the position of the output
    /// in which the first of these pixels does.
    fn phase(&self, axis: usize, first: usize) -> Vec<(usize, isize)> {
        let stride = self.options.stride[axis] as isize;
        let taps = (0..self.kernel[axis]).map(|tap| {
            let position = (first + self.options.padding[axis]) as isize - (tap * self.options.dilation[axis]) as isize;
            (tap, position)
        });
        taps.filter(|(_, position)| position.rem_euclid(stride) == 0)
            .map(|(tap, position)| (tap, position.div_euclid(stride)))
            .collect()
    }
}

/// Some pixels of the input: every `stride`th from the first on.
pub(super) struct Phase {
    /// What of the output's gradient goes into theirs.
    pub patches: Patches,
    /// The tap of the kernel of each tap of the patches.
    pub taps: Vec<usize>,
    pub first: [usize; 2],
}
