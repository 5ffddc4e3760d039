//! The recurrent networks against PyTorch: outputs, final states and all gradients, on every path.
#![cfg(any(feature = "ndarray", feature = "flex"))]

use burn::backend::Autodiff;
#[cfg(feature = "flex")]
use burn::backend::Flex;
#[cfg(feature = "ndarray")]
use burn::backend::NdArray;
use burn::module::Param;
use burn::tensor::{Element, Tensor, TensorData, backend::AutodiffBackend};
use layers::recurrent::{Recurrent, RecurrentConfig, RecurrentDirection, RecurrentState};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Case {
    name: String,
    config: RecurrentConfig,
    input: Numbers,
    start: Option<BTreeMap<String, Numbers>>,
    parameters: BTreeMap<String, Numbers>,
    weights: BTreeMap<String, Numbers>,
    results: BTreeMap<String, Numbers>,
    gradients: BTreeMap<String, Numbers>,
}

#[derive(Deserialize)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Numbers {
    fn tensor<B: AutodiffBackend, const D: usize>(&self) -> Tensor<B, D> {
        let data = TensorData::new(self.values.clone(), self.shape.clone());
        Tensor::from_data(data.convert::<B::FloatElem>(), &Default::default())
    }

    fn assert_near<B: AutodiffBackend, const D: usize>(&self, found: Tensor<B, D>, what: &str) {
        assert_eq!(found.dims().to_vec(), self.shape, "{what}");
        for (index, (found, expected)) in found.into_data().iter::<f64>().zip(&self.values).enumerate() {
            assert!((found - expected).abs() <= 1e-4, "{what} at {index}: {found}, PyTorch says {expected}");
        }
    }
}

type Forward<B> = fn(&Recurrent<B>, Tensor<B, 3>, Option<RecurrentState<B>>) -> (Tensor<B, 3>, RecurrentState<B>);

fn check_all<B: AutodiffBackend>(path: &str, forward: Forward<B>) {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/recurrent.json")).expect("a valid fixture");
    assert_eq!(cases.len(), 12);
    for case in &cases {
        check(case, path, forward);
    }
}

fn check<B: AutodiffBackend>(case: &Case, path: &str, forward: Forward<B>) {
    let at = |what: &str| {
        let element = B::FloatElem::dtype();
        format!("{}, {path}, {element:?}: {what}", case.name)
    };
    let mut network: Recurrent<B> = case.config.init(&Default::default());
    for (suffix, direction) in directions(&mut network) {
        let number = |name: &str| &case.parameters[&format!("{name}_{suffix}")];
        direction.weight_ih = Param::from_tensor(number("weight_ih").tensor());
        direction.weight_hh = Param::from_tensor(number("weight_hh").tensor());
        if case.config.bias {
            direction.bias_ih = Some(Param::from_tensor(number("bias_ih").tensor()));
            direction.bias_hh = Some(Param::from_tensor(number("bias_hh").tensor()));
        }
    }
    let input = case.input.tensor::<B, 3>().require_grad();
    let start = case.start.as_ref().map(|start| RecurrentState {
        hidden: start["hidden"].tensor::<B, 3>().require_grad(),
        cell: start.get("cell").map(|cell| cell.tensor::<B, 3>().require_grad()),
    });

    let (output, state) = forward(&network, input.clone(), start.clone());
    case.results["output"].assert_near(output.clone(), &at("output"));
    case.results["hidden"].assert_near(state.hidden.clone(), &at("hidden"));
    let mut loss = (output * case.weights["output"].tensor()).sum();
    loss = loss + (state.hidden * case.weights["hidden"].tensor()).sum();
    if let Some(cell) = state.cell {
        case.results["cell"].assert_near(cell.clone(), &at("cell"));
        loss = loss + (cell * case.weights["cell"].tensor()).sum();
    }

    let gradients = loss.backward();
    let mut compared = 0;
    macro_rules! compare {
        ($name:expr, $tensor:expr) => {
            let name: String = $name.into();
            let found = $tensor.grad(&gradients).expect(&at(&name));
            let found = Tensor::<B, _>::from_inner(found);
            case.gradients[&name].assert_near(found, &at(&format!("gradient of {name}")));
            compared += 1;
        };
    }
    compare!("input", input);
    if let Some(start) = start {
        compare!("hidden", start.hidden);
        if let Some(cell) = start.cell {
            compare!("cell", cell);
        }
    }
    for (suffix, direction) in directions(&mut network) {
        compare!(format!("weight_ih_{suffix}"), direction.weight_ih);
        compare!(format!("weight_hh_{suffix}"), direction.weight_hh);
        if let (Some(bias_ih), Some(bias_hh)) = (&direction.bias_ih, &direction.bias_hh) {
            compare!(format!("bias_ih_{suffix}"), bias_ih);
            compare!(format!("bias_hh_{suffix}"), bias_hh);
        }
    }
    assert_eq!(compared, case.gradients.len(), "{}", at("all gradients"));
}

/// Each layer's directions with the end of their parameters' names in PyTorch.
fn directions<B: AutodiffBackend>(network: &mut Recurrent<B>) -> Vec<(String, &mut RecurrentDirection<B>)> {
    let mut directions = Vec::new();
    for (index, layer) in network.layers.iter_mut().enumerate() {
        directions.push((format!("l{index}"), &mut layer.forward));
        if let Some(reverse) = &mut layer.reverse {
            directions.push((format!("l{index}_reverse"), reverse));
        }
    }
    directions
}

#[cfg(feature = "ndarray")]
#[test]
fn matches_pytorch_on_ndarray() {
    check_all::<Autodiff<NdArray>>("kernel", Recurrent::forward);
    check_all::<Autodiff<NdArray>>("portable", Recurrent::forward_portable);
}

#[cfg(feature = "ndarray")]
#[test]
fn matches_pytorch_on_ndarray_in_double_precision() {
    check_all::<Autodiff<NdArray<f64>>>("whatever is chosen", Recurrent::forward);
}

#[cfg(feature = "flex")]
#[test]
fn matches_pytorch_on_flex() {
    check_all::<Autodiff<Flex>>("kernel", Recurrent::forward);
    check_all::<Autodiff<Flex>>("portable", Recurrent::forward_portable);
}

#[cfg(feature = "flex")]
#[test]
fn matches_pytorch_with_balanced_checkpointing() {
    use burn::backend::autodiff::checkpoint::strategy::BalancedCheckpointing;
    check_all::<Autodiff<Flex, BalancedCheckpointing>>("kernel", Recurrent::forward);
}
