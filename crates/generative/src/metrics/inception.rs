//! Inception-v3 as published Fréchet distances use it: the network of [Szegedy et al. 2015](https://arxiv.org/abs/1512.00567) with the weights of
//! TensorFlow's `inception-2015-12-05`, which [pytorch-fid](https://github.com/mseitzer/pytorch-fid) has carried over to PyTorch. Its numbers are
//! those that papers compare.
//!
//! The blocks are those of [torchvision](https://github.com/pytorch/vision/blob/main/torchvision/models/inception.py), and so are the names of the
//! weights. As in TensorFlow, means leave out what lies beyond the image, and the last block takes the largest number where torchvision takes
//! the mean. Normalisation is folded into the convolutions when the weights are read: this network learns nothing.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{DType, Tensor, TensorData, activation::relu, backend::Backend};
use layers::{
    convolution::{Conv2dOptions, conv2d},
    pooling::{Pool2dOptions, adaptive_avg_pool2d, avg_pool2d, max_pool2d},
};

/// Height and width to which images are brought.
const SIDE: usize = 299;

/// Images that are looked at together: the first layers of one take 10 MB.
const AT_ONCE: usize = 25;

/// Of batch normalisation, as TensorFlow has it.
const EPSILON: f64 = 1e-3;

/// See the [module's page](self).
#[derive(Clone, Debug)]
pub struct InceptionV3<B: Backend> {
    convolutions: HashMap<String, Convolution<B>>,
}

#[derive(Clone, Debug)]
struct Convolution<B: Backend> {
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    options: Conv2dOptions,
}

/// What a convolution does at the border.
#[derive(Clone, Copy, PartialEq)]
enum Border {
    /// As many places come out as go in.
    Same,
    /// The kernel stays inside.
    Inside,
    /// The kernel stays inside and takes every other place.
    Halving,
}

use Border::{Halving, Inside, Same};

/// A convolution: its name within its block, channels in and out, height and width of the kernel.
type Layer = (&'static str, usize, usize, [usize; 2], Border);

impl<B: Backend> InceptionV3<B> {
    /// The network of a state dict, whose classifier is left alone.
    ///
    /// # Errors
    /// Which tensor is missing or of another shape.
    pub fn new(weights: &BTreeMap<String, TensorData>, device: &B::Device) -> Result<Self, String> {
        let find = |key: &str, shape: &[usize]| {
            let found = weights.get(key).ok_or_else(|| format!("there is no tensor `{key}`"))?;
            if found.shape.as_slice() != shape {
                return Err(format!("`{key}` is {:?}, Inception-v3 has {shape:?}", found.shape.as_slice()));
            }
            Ok(found.clone().convert_dtype(DType::F32))
        };
        let convolution = |name: &str, (_, inputs, outputs, kernel, border): Layer| {
            let vector = |part: &str| {
                Ok::<_, String>(Tensor::<B, 1>::from_data(find(&format!("{name}.bn.{part}"), &[outputs])?, device))
            };
            let weight = find(&format!("{name}.conv.weight"), &[outputs, inputs, kernel[0], kernel[1]])?;
            let scale = vector("weight")? / (vector("running_var")? + EPSILON).sqrt();
            Ok::<_, String>(Convolution {
                weight: Tensor::<B, 4>::from_data(weight, device) * scale.clone().reshape([outputs, 1, 1, 1]),
                bias: vector("bias")? - vector("running_mean")? * scale,
                options: Conv2dOptions {
                    stride: [if border == Halving { 2 } else { 1 }; 2],
                    padding: if border == Same { kernel.map(|side| side / 2) } else { [0; 2] },
                    ..Conv2dOptions::default()
                },
            })
        };
        let all = layers().into_iter().map(|(name, layer)| Ok((name.clone(), convolution(&name, layer)?)));
        Ok(Self { convolutions: all.collect::<Result<_, String>>()? })
    }

    /// The names and shapes of all tensors that [`new`](Self::new) looks for.
    pub fn tensors() -> Vec<(String, Vec<usize>)> {
        let of_layer = |(name, (_, inputs, outputs, kernel, _)): (String, Layer)| {
            let weight = (format!("{name}.conv.weight"), vec![outputs, inputs, kernel[0], kernel[1]]);
            let vector = |part: &str| (format!("{name}.bn.{part}"), vec![outputs]);
            [weight, vector("weight"), vector("bias"), vector("running_mean"), vector("running_var")]
        };
        layers().into_iter().flat_map(of_layer).collect()
    }

    /// What the network says of images before its classifier.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]` from -1 to 1, of three channels, or of one, which is seen three times
    /// - output: `[batch, 2048]`
    pub fn features(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        Tensor::cat(images.split(AT_ONCE, 0).into_iter().map(|some| self.features_of_some(some)).collect(), 0)
    }

    fn features_of_some(&self, images: Tensor<B, 4>) -> Tensor<B, 2> {
        let images = if images.dims()[1] == 1 { images.repeat_dim(1, 3) } else { images };
        let mut x = resized(images, SIDE);
        x = halved(self.through("", &["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"], x));
        x = halved(self.through("", &["Conv2d_3b_1x1", "Conv2d_4a_3x3"], x));
        for block in ["Mixed_5b", "Mixed_5c", "Mixed_5d"] {
            let branch = |layers: &[&str]| self.through(block, layers, x.clone());
            let pooled = self.through(block, &["branch_pool"], means(x.clone()));
            x = Tensor::cat(
                vec![
                    branch(&["branch1x1"]),
                    branch(&["branch5x5_1", "branch5x5_2"]),
                    branch(&["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]),
                    pooled,
                ],
                1,
            );
        }
        let branch = |layers: &[&str]| self.through("Mixed_6a", layers, x.clone());
        let parts = vec![
            branch(&["branch3x3"]),
            branch(&["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]),
            halved(x.clone()),
        ];
        x = Tensor::cat(parts, 1);
        for block in ["Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"] {
            let branch = |layers: &[&str]| self.through(block, layers, x.clone());
            let pooled = self.through(block, &["branch_pool"], means(x.clone()));
            let double = ["branch7x7dbl_1", "branch7x7dbl_2", "branch7x7dbl_3", "branch7x7dbl_4", "branch7x7dbl_5"];
            x = Tensor::cat(
                vec![
                    branch(&["branch1x1"]),
                    branch(&["branch7x7_1", "branch7x7_2", "branch7x7_3"]),
                    branch(&double),
                    pooled,
                ],
                1,
            );
        }
        let branch = |layers: &[&str]| self.through("Mixed_7a", layers, x.clone());
        let parts = vec![
            branch(&["branch3x3_1", "branch3x3_2"]),
            branch(&["branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"]),
            halved(x.clone()),
        ];
        x = Tensor::cat(parts, 1);
        for block in ["Mixed_7b", "Mixed_7c"] {
            let around = if block == "Mixed_7b" { means(x.clone()) } else { largest(x.clone()) };
            let pooled = self.through(block, &["branch_pool"], around);
            let both = |x: Tensor<B, 4>, layers: [&str; 2]| {
                Tensor::cat(layers.map(|layer| self.through(block, &[layer], x.clone())).to_vec(), 1)
            };
            let branch = |layers: &[&str]| self.through(block, layers, x.clone());
            x = Tensor::cat(
                vec![
                    branch(&["branch1x1"]),
                    both(branch(&["branch3x3_1"]), ["branch3x3_2a", "branch3x3_2b"]),
                    both(branch(&["branch3x3dbl_1", "branch3x3dbl_2"]), ["branch3x3dbl_3a", "branch3x3dbl_3b"]),
                    pooled,
                ],
                1,
            );
        }
        adaptive_avg_pool2d(x, [1, 1]).flatten(1, 3)
    }

    /// Convolutions of a block one after the other, a rectifier behind each.
    fn through(&self, block: &str, layers: &[&str], x: Tensor<B, 4>) -> Tensor<B, 4> {
        layers.iter().fold(x, |x, layer| {
            let Convolution { weight, bias, options } = &self.convolutions[&named(block, layer)];
            relu(conv2d(x, weight.clone(), Some(bias.clone()), options))
        })
    }
}

fn named(block: &str, layer: &str) -> String {
    if block.is_empty() { layer.to_string() } else { format!("{block}.{layer}") }
}

/// All convolutions by their full names.
fn layers() -> Vec<(String, Layer)> {
    let of_block = |(block, layers): (&str, Vec<Layer>)| {
        layers.into_iter().map(|layer| (named(block, layer.0), layer)).collect::<Vec<_>>()
    };
    blocks().into_iter().flat_map(of_block).collect()
}

/// All convolutions, by block.
fn blocks() -> Vec<(&'static str, Vec<Layer>)> {
    let mut all = vec![(
        "",
        vec![
            ("Conv2d_1a_3x3", 3, 32, [3, 3], Halving),
            ("Conv2d_2a_3x3", 32, 32, [3, 3], Inside),
            ("Conv2d_2b_3x3", 32, 64, [3, 3], Same),
            ("Conv2d_3b_1x1", 64, 80, [1, 1], Same),
            ("Conv2d_4a_3x3", 80, 192, [3, 3], Inside),
        ],
    )];
    for (block, inputs, pooled) in [("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)] {
        let layers = vec![
            ("branch1x1", inputs, 64, [1, 1], Same),
            ("branch5x5_1", inputs, 48, [1, 1], Same),
            ("branch5x5_2", 48, 64, [5, 5], Same),
            ("branch3x3dbl_1", inputs, 64, [1, 1], Same),
            ("branch3x3dbl_2", 64, 96, [3, 3], Same),
            ("branch3x3dbl_3", 96, 96, [3, 3], Same),
            ("branch_pool", inputs, pooled, [1, 1], Same),
        ];
        all.push((block, layers));
    }
    let layers = vec![
        ("branch3x3", 288, 384, [3, 3], Halving),
        ("branch3x3dbl_1", 288, 64, [1, 1], Same),
        ("branch3x3dbl_2", 64, 96, [3, 3], Same),
        ("branch3x3dbl_3", 96, 96, [3, 3], Halving),
    ];
    all.push(("Mixed_6a", layers));
    for (block, inner) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
        let layers = vec![
            ("branch1x1", 768, 192, [1, 1], Same),
            ("branch7x7_1", 768, inner, [1, 1], Same),
            ("branch7x7_2", inner, inner, [1, 7], Same),
            ("branch7x7_3", inner, 192, [7, 1], Same),
            ("branch7x7dbl_1", 768, inner, [1, 1], Same),
            ("branch7x7dbl_2", inner, inner, [7, 1], Same),
            ("branch7x7dbl_3", inner, inner, [1, 7], Same),
            ("branch7x7dbl_4", inner, inner, [7, 1], Same),
            ("branch7x7dbl_5", inner, 192, [1, 7], Same),
            ("branch_pool", 768, 192, [1, 1], Same),
        ];
        all.push((block, layers));
    }
    let layers = vec![
        ("branch3x3_1", 768, 192, [1, 1], Same),
        ("branch3x3_2", 192, 320, [3, 3], Halving),
        ("branch7x7x3_1", 768, 192, [1, 1], Same),
        ("branch7x7x3_2", 192, 192, [1, 7], Same),
        ("branch7x7x3_3", 192, 192, [7, 1], Same),
        ("branch7x7x3_4", 192, 192, [3, 3], Halving),
    ];
    all.push(("Mixed_7a", layers));
    for (block, inputs) in [("Mixed_7b", 1280), ("Mixed_7c", 2048)] {
        let layers = vec![
            ("branch1x1", inputs, 320, [1, 1], Same),
            ("branch3x3_1", inputs, 384, [1, 1], Same),
            ("branch3x3_2a", 384, 384, [1, 3], Same),
            ("branch3x3_2b", 384, 384, [3, 1], Same),
            ("branch3x3dbl_1", inputs, 448, [1, 1], Same),
            ("branch3x3dbl_2", 448, 384, [3, 3], Same),
            ("branch3x3dbl_3a", 384, 384, [1, 3], Same),
            ("branch3x3dbl_3b", 384, 384, [3, 1], Same),
            ("branch_pool", inputs, 192, [1, 1], Same),
        ];
        all.push((block, layers));
    }
    all
}

fn halved<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    max_pool2d(x, &Pool2dOptions { kernel: [3; 2], stride: [2; 2], padding: [0; 2] })
}

/// Windows of 3 × 3 around each place.
const AROUND: Pool2dOptions = Pool2dOptions { kernel: [3; 2], stride: [1; 2], padding: [1; 2] };

fn means<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    avg_pool2d(x, &AROUND, false)
}

fn largest<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    max_pool2d(x, &AROUND)
}

/// Images brought to `side` × `side` as [`torch.nn.functional.interpolate`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html)
/// does with `mode="bilinear"`: by a matrix for each axis.
fn resized<B: Backend>(images: Tensor<B, 4>, side: usize) -> Tensor<B, 4> {
    let [_, _, height, width] = images.dims();
    let device = images.device();
    let matrix = |from: usize| Tensor::<B, 2>::from_data(TensorData::new(shares(from, side), [side, from]), &device);
    let [rows, columns] = [matrix(height), matrix(width).transpose()];
    rows.unsqueeze::<4>().matmul(images).matmul(columns.unsqueeze())
}

/// Of which of `from` pixels each of `to` is made, and how much: a row each.
fn shares(from: usize, to: usize) -> Vec<f32> {
    let mut rows = vec![0.0; to * from];
    for (place, row) in rows.chunks_exact_mut(from).enumerate() {
        let at = ((place as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
        let first = (at as usize).min(from - 1);
        let second = (first + 1).min(from - 1);
        let share = (at - first as f64) as f32;
        row[first] += 1.0 - share;
        row[second] += share;
    }
    rows
}
