//! Gradients: whether every parameter has one, and whether it is the right one.

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use training_loop::{parameters::is_enum, weights::NamedTensors};

use crate::assert_data_close;

/// The gradient of `loss` with respect to each parameter that requires one, by dotted path; a parameter that has none
/// is in the second list.
pub fn gradients_by_path<B: AutodiffBackend, M: Module<B>>(
    model: &M,
    loss: Tensor<B, 1>,
) -> (NamedTensors, Vec<String>) {
    let mut visitor =
        Collect::<B> { gradients: loss.backward(), path: Vec::new(), found: NamedTensors::new(), without: Vec::new() };
    model.visit(&mut visitor);
    (visitor.found, visitor.without)
}

/// Asserts that `loss` gives every parameter of `model` a gradient, and a finite one.
///
/// # Panics
/// With the paths of those that have none, or one that is not finite.
#[track_caller]
pub fn every_parameter_has_gradient<B: AutodiffBackend, M: Module<B>>(model: &M, loss: Tensor<B, 1>) {
    let (gradients, without) = gradients_by_path(model, loss);
    assert!(without.is_empty(), "no gradient reaches {}", without.join(", "));
    assert!(!gradients.is_empty(), "the model has no parameters");
    let not_finite: Vec<&str> = gradients
        .iter()
        .filter(|(_, data)| data.iter::<f64>().any(|value| !value.is_finite()))
        .map(|(path, _)| path.as_str())
        .collect();
    assert!(not_finite.is_empty(), "gradients that are not finite: {}", not_finite.join(", "));
}

struct Collect<B: AutodiffBackend> {
    gradients: B::Gradients,
    path: Vec<String>,
    found: NamedTensors,
    without: Vec<String>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Collect<B> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if !is_enum(container_type) {
            self.path.push(name.to_string());
        }
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        if !is_enum(container_type) {
            self.path.pop();
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        let path = self.path.join(".");
        match value.grad(&self.gradients) {
            Some(gradient) => {
                self.found.insert(path, gradient.into_data());
            }
            None => self.without.push(path),
        }
    }
}

/// The gradient of `function`, a scalar, at `input`, by central differences of `step`.
///
/// It evaluates `function` twice an element, so keep the input small. In 64 bits a step of 1e-5 gives about nine
/// digits; in 32 bits one of 1e-2 gives about three.
pub fn numeric_gradient<B: Backend, const D: usize>(
    input: &Tensor<B, D>,
    function: impl Fn(Tensor<B, D>) -> Tensor<B, 1>,
    step: f64,
) -> TensorData {
    let device = input.device();
    let shape = input.dims();
    let values: Vec<f64> = input.to_data().iter::<f64>().collect();
    let at = |place: usize, offset: f64| {
        let mut moved = values.clone();
        moved[place] += offset;
        let data = TensorData::new(moved, shape).convert::<B::FloatElem>();
        let value = function(Tensor::from_data(data, &device));
        value.into_data().iter::<f64>().sum::<f64>()
    };
    let gradient: Vec<f64> =
        (0..values.len()).map(|place| (at(place, step) - at(place, -step)) / (2.0 * step)).collect();
    TensorData::new(gradient, shape)
}

/// Asserts that the gradient of `function`, a scalar, at `input` is that of central differences; best on
/// `Autodiff<NdArray<f64>>`.
///
/// # Panics
/// Where it is not, as [`assert_close`](crate::assert_close); where `function` does not depend on its input.
#[track_caller]
pub fn assert_gradient_matches_differences<B: AutodiffBackend, const D: usize>(
    input: &Tensor<B, D>,
    function: impl Fn(Tensor<B, D>) -> Tensor<B, 1>,
    step: f64,
    tolerance: f64,
) {
    let leaf = input.clone().detach().require_grad();
    let gradients = function(leaf.clone()).backward();
    let Some(gradient) = leaf.grad(&gradients) else {
        panic!("no gradient reaches the input");
    };
    let expected = numeric_gradient(input, function, step);
    let actual = gradient.into_data().convert::<f64>();
    assert_data_close("gradient", &actual, &expected, tolerance);
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, NdArray};
    use burn::nn::{Linear, LinearConfig};

    type B = Autodiff<NdArray<f64>>;

    #[test]
    fn differences_agree_with_autodiff() {
        let device = Default::default();
        let input = Tensor::<B, 2>::from_floats([[0.3, -1.2], [2.0, 0.7]], &device);
        let function = |x: Tensor<B, 2>| (x.clone().tanh() * x.exp()).sum();
        assert_gradient_matches_differences(&input, function, 1e-5, 1e-7);
    }

    #[test]
    #[should_panic(expected = "no gradient reaches bias")]
    fn a_parameter_without_gradient_is_named() {
        let device = Default::default();
        let layer: Linear<B> = LinearConfig::new(2, 3).init(&device);
        let loss = layer.weight.val().sum();
        every_parameter_has_gradient(&layer, loss);
    }

    #[test]
    #[should_panic(expected = "not finite: bias")]
    fn an_infinite_gradient_is_named() {
        let device = Default::default();
        let layer: Linear<B> = LinearConfig::new(2, 3).init(&device);
        let bias = layer.bias.as_ref().map(|bias| bias.val()).unwrap();
        let infinite = (bias.clone() - bias).sqrt().sum();
        every_parameter_has_gradient(&layer, layer.weight.val().sum() + infinite);
    }
}
