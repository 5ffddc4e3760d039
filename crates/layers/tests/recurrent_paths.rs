//! The kernels of the recurrent networks against the portable path and against finite differences, and what a network
//! promises beside its numbers.
#![cfg(all(feature = "ndarray", feature = "flex"))]

use burn::backend::{Autodiff, Flex, NdArray};
use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{
    Int, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use layers::recurrent::{Cell, Recurrent, RecurrentConfig, RecurrentState};

type Ad = Autodiff<Flex>;

const CELLS: [Cell; 4] = [Cell::RnnTanh, Cell::RnnRelu, Cell::Lstm, Cell::Gru];

/// Numbers in -1..1 that look random, the same each time.
fn numbers<B: Backend, const D: usize>(shape: [usize; D], seed: u64) -> Tensor<B, D> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

/// Gives each parameter numbers of its own.
struct Fill(u64);

impl<B: Backend> ModuleMapper<B> for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        self.0 += 1;
        let seed = self.0;
        param.map(|tensor| {
            let filled = numbers::<B, D>(tensor.dims(), seed) * 0.4;
            filled.set_require_grad(tensor.is_require_grad())
        })
    }
}

fn network<B: Backend>(config: &RecurrentConfig) -> Recurrent<B> {
    config.init(&Default::default()).map(&mut Fill(100))
}

fn start<B: Backend>(config: &RecurrentConfig, batch: usize) -> RecurrentState<B> {
    let shape = [config.num_layers * config.num_directions(), batch, config.hidden_size];
    RecurrentState { hidden: numbers(shape, 7), cell: config.cell.has_cell_state().then(|| numbers(shape, 8)) }
}

/// The gradients of all parameters, by path.
fn gradients<B: AutodiffBackend>(
    network: &Recurrent<B>,
    gradients: &B::Gradients,
) -> Vec<(String, Option<TensorData>)> {
    struct Collect<'a, B: AutodiffBackend> {
        gradients: &'a B::Gradients,
        found: Vec<(String, Option<TensorData>)>,
        path: Vec<String>,
    }
    impl<B: AutodiffBackend> ModuleVisitor<B> for Collect<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let gradient = param.val().grad(self.gradients).map(Tensor::into_data);
            self.found.push((self.path.join("."), gradient));
        }
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.into());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
    }
    let mut collect = Collect { gradients, found: Vec::new(), path: Vec::new() };
    network.visit(&mut collect);
    collect.found
}

fn assert_near(found: &TensorData, expected: &TensorData, what: &str) {
    assert_eq!(found.shape, expected.shape, "{what}");
    let size = expected.iter::<f64>().fold(1.0, |a, b| f64::max(a, b.abs()));
    for (index, (found, expected)) in found.iter::<f64>().zip(expected.iter::<f64>()).enumerate() {
        assert!((found - expected).abs() <= 2e-5 * size, "{what} at {index}: {found} instead of {expected}");
    }
}

/// Everything that comes out of a forward and a backward pass, with names.
fn outcome<B: AutodiffBackend>(
    config: &RecurrentConfig,
    [batch, time]: [usize; 2],
    with_state: bool,
    portable: bool,
) -> Vec<(String, TensorData)> {
    let network = network::<B>(config);
    let input = numbers::<B, 3>([batch, time, config.input_size], 1).require_grad();
    let state = with_state.then(|| {
        let state = start::<B>(config, batch);
        RecurrentState { hidden: state.hidden.require_grad(), cell: state.cell.map(Tensor::require_grad) }
    });
    let (output, last) = if portable {
        network.forward_portable(input.clone(), state.clone())
    } else {
        network.forward(input.clone(), state.clone())
    };
    let mut found = vec![("output".to_string(), output.to_data()), ("hidden".to_string(), last.hidden.to_data())];
    let mut loss = (output.clone() * numbers(output.dims(), 2)).sum()
        + (last.hidden.clone() * numbers(last.hidden.dims(), 3)).sum();
    if let Some(cell) = last.cell {
        found.push(("cell".to_string(), cell.to_data()));
        loss = loss + (cell.clone() * numbers(cell.dims(), 4)).sum();
    }
    let all = loss.backward();
    let gradient = |tensor: &Tensor<B, 3>| tensor.grad(&all).expect("a gradient").into_data();
    found.push(("gradient of input".into(), gradient(&input)));
    if let Some(state) = &state {
        found.push(("gradient of hidden".into(), gradient(&state.hidden)));
        if let Some(cell) = &state.cell {
            found.push(("gradient of cell".into(), gradient(cell)));
        }
    }
    for (path, gradient) in gradients(&network, &all) {
        found.push((format!("gradient of {path}"), gradient.expect("a gradient of every parameter")));
    }
    found
}

fn assert_same_paths<B: AutodiffBackend>(config: &RecurrentConfig, sizes: [usize; 2], state: bool) {
    let kernel = outcome::<B>(config, sizes, state, false);
    let portable = outcome::<B>(config, sizes, state, true);
    assert_eq!(kernel.len(), portable.len());
    for ((name, kernel), (_, portable)) in kernel.iter().zip(&portable) {
        let what = format!("{name} of {config:?}, batch and time {sizes:?}");
        assert_near(kernel, portable, &what);
    }
}

#[test]
fn kernels_equal_the_portable_path_on_odd_sizes() {
    for cell in CELLS {
        for hidden in [1, 7, 16, 40] {
            for batch in [1, 3, 5, 33] {
                for time in [1, 2, 17] {
                    let config = RecurrentConfig::new(cell, 6, hidden).with_bidirectional(true);
                    let with_state = (hidden + batch + time) & 1 == 0;
                    assert_same_paths::<Autodiff<Flex>>(&config, [batch, time], with_state);
                    if batch == 3 {
                        assert_same_paths::<Autodiff<NdArray>>(&config, [batch, time], with_state);
                    }
                }
            }
        }
    }
}

#[test]
fn kernels_equal_the_portable_path_on_a_large_batch_and_a_deep_weight() {
    for cell in CELLS {
        let config = RecurrentConfig::new(cell, 20, 300).with_bias(cell != Cell::Gru);
        assert_same_paths::<Autodiff<Flex>>(&config, [70, 5], true);
    }
}

#[test]
fn gradients_equal_finite_differences() {
    const STEP: f32 = 1e-2;
    // Not relu, whose slope jumps.
    for cell in [Cell::RnnTanh, Cell::Lstm, Cell::Gru] {
        let config = RecurrentConfig::new(cell, 2, 3);
        let (network, weights) = (network::<Ad>(&config), numbers::<Flex, 3>([2, 5, 3], 9));
        let loss = |network: &Recurrent<Flex>, input: Tensor<Flex, 3>| {
            let (output, last) = network.forward(input, None);
            let mut loss = (output * weights.clone()).sum() + last.hidden.sum();
            if let Some(cell) = last.cell {
                loss = loss + cell.sum();
            }
            f64::from(loss.into_scalar())
        };
        let input = numbers::<Ad, 3>([2, 5, 2], 1).require_grad();
        let (output, last) = network.forward(input.clone(), None);
        let mut total = (output * Tensor::from_inner(weights.clone())).sum() + last.hidden.sum();
        if let Some(cell) = last.cell {
            total = total + cell.sum();
        }
        let all = total.backward();
        let plain = network.valid();
        let numeric = |shifted: &dyn Fn(f32) -> f64| (shifted(STEP) - shifted(-STEP)) / (2.0 * f64::from(STEP));
        let compare = |found: f32, numeric: f64, what: &str| {
            let error = (f64::from(found) - numeric).abs();
            assert!(error < 2e-3, "{cell:?}, {what}: {found}, differences say {numeric}");
        };

        let of_input = input.grad(&all).expect("a gradient");
        for (index, found) in of_input.into_data().iter::<f32>().enumerate() {
            let shifted = |by: f32| loss(&plain, shift(input.clone().inner(), index, by));
            compare(found, numeric(&shifted), "input");
        }
        macro_rules! parameter {
            ($($field:ident).+) => {
                let gradient = network.layers[0].forward.$($field).+.val().grad(&all);
                for (index, found) in gradient.expect("a gradient").into_data().iter::<f32>().enumerate() {
                    let shifted = |by: f32| {
                        let mut plain = plain.clone();
                        let parameter = &mut plain.layers[0].forward.$($field).+;
                        *parameter = parameter.clone().map(|tensor| shift(tensor, index, by));
                        loss(&plain, input.clone().inner())
                    };
                    compare(found, numeric(&shifted), stringify!($($field).+));
                }
            };
        }
        parameter!(weight_ih);
        parameter!(weight_hh);
        let bias_gradients = [network.layers[0].forward.bias_ih.as_ref(), network.layers[0].forward.bias_hh.as_ref()]
            .map(|bias| bias.and_then(|bias| bias.val().grad(&all)).expect("a gradient"));
        for (which, gradient) in bias_gradients.into_iter().enumerate() {
            for (index, found) in gradient.into_data().iter::<f32>().enumerate() {
                let shifted = |by: f32| {
                    let mut plain = plain.clone();
                    let direction = &mut plain.layers[0].forward;
                    let bias = if which == 0 { &mut direction.bias_ih } else { &mut direction.bias_hh };
                    *bias = bias.take().map(|bias| bias.map(|tensor| shift(tensor, index, by)));
                    loss(&plain, input.clone().inner())
                };
                compare(found, numeric(&shifted), "bias");
            }
        }
    }
}

/// Adds to one element.
fn shift<const D: usize>(tensor: Tensor<Flex, D>, index: usize, by: f32) -> Tensor<Flex, D> {
    let mut data = tensor.into_data();
    let shape = data.shape.clone();
    data.as_mut_slice::<f32>().expect("f32")[index] += by;
    assert_eq!(data.shape, shape);
    Tensor::from_data(data, &Default::default())
}

#[test]
fn results_are_the_same_bits_each_time_and_on_any_number_of_threads() {
    for cell in CELLS {
        let config = RecurrentConfig::new(cell, 24, 40).with_num_layers(2);
        let on_threads = |threads: usize| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool")
                .install(|| outcome::<Autodiff<NdArray>>(&config, [37, 9], true, false))
        };
        let first = on_threads(1);
        for threads in [1, 2, 3, 7] {
            for ((name, one), (_, other)) in first.iter().zip(on_threads(threads)) {
                assert_eq!(one.as_bytes(), other.as_bytes(), "{cell:?}: {name}, {threads}");
            }
        }
    }
}

#[test]
fn frozen_parameters_get_no_gradient_and_the_others_keep_theirs() {
    for cell in CELLS {
        let config = RecurrentConfig::new(cell, 3, 5);
        let run = |frozen: bool| {
            let mut network = network::<Ad>(&config);
            if frozen {
                let direction = &mut network.layers[0].forward;
                direction.weight_ih = direction.weight_ih.clone().set_require_grad(false);
                direction.bias_hh = direction.bias_hh.take().map(|bias| bias.set_require_grad(false));
            }
            let input = numbers::<Ad, 3>([2, 4, 3], 1);
            let all = network.forward(input, None).0.powi_scalar(2).sum().backward();
            gradients(&network, &all)
        };
        for ((name, free), (_, frozen)) in run(false).into_iter().zip(run(true)) {
            if name.ends_with("weight_ih") || name.ends_with("bias_hh") {
                assert!(free.is_some() && frozen.is_none(), "{cell:?}: {name}");
            } else {
                assert_eq!(free, frozen, "{cell:?}: {name}");
            }
        }
    }
}

#[test]
fn a_frozen_network_still_passes_the_gradient_of_its_input() {
    let config = RecurrentConfig::new(Cell::Lstm, 3, 5);
    let network = network::<Ad>(&config);
    let frozen = network.clone().no_grad();
    let of_input = |network: &Recurrent<Ad>| {
        let input = numbers::<Ad, 3>([2, 4, 3], 1).require_grad();
        let all = network.forward(input.clone(), None).0.sum().backward();
        input.grad(&all).expect("a gradient").into_data()
    };
    assert_eq!(of_input(&network), of_input(&frozen));
}

#[test]
fn a_sequence_in_two_parts_is_the_whole_sequence() {
    for cell in CELLS {
        let config = RecurrentConfig::new(cell, 3, 5).with_num_layers(2);
        let network = network::<Ad>(&config);
        let run = |parts: bool| {
            let input = numbers::<Ad, 3>([2, 6, 3], 1).require_grad();
            let output = if parts {
                let (first, state) = network.forward(input.clone().slice([0..2, 0..4]), None);
                let (second, _) = network.forward(input.clone().slice([0..2, 4..6]), Some(state));
                Tensor::cat(vec![first, second], 1)
            } else {
                network.forward(input.clone(), None).0
            };
            let all = (output.clone() * numbers(output.dims(), 2)).sum().backward();
            let of_input = input.grad(&all).expect("a gradient").into_data();
            (output.into_data(), of_input, gradients(&network, &all))
        };
        let (whole, parts) = (run(false), run(true));
        assert_near(&parts.0, &whole.0, "output");
        assert_near(&parts.1, &whole.1, "gradient of the input");
        for ((name, parts), (_, whole)) in parts.2.iter().zip(&whole.2) {
            let (parts, whole) = (parts.as_ref().expect(name), whole.as_ref().expect(name));
            assert_near(parts, whole, name);
        }
    }
}

#[test]
fn no_gradient_passes_a_detached_state() {
    for cell in CELLS {
        let network = network::<Ad>(&RecurrentConfig::new(cell, 3, 5));
        let first = numbers::<Ad, 3>([2, 4, 3], 1).require_grad();
        let second = numbers::<Ad, 3>([2, 4, 3], 2).require_grad();
        let (_, state) = network.forward(first.clone(), None);
        let (output, _) = network.forward(second.clone(), Some(state.detach()));
        let all = output.sum().backward();
        assert!(first.grad(&all).is_none() && second.grad(&all).is_some());
    }
}

#[test]
fn the_final_state_alone_has_gradients() {
    for cell in CELLS {
        let config = RecurrentConfig::new(cell, 3, 5).with_bidirectional(true);
        let network = network::<Ad>(&config);
        let run = |portable: bool| {
            let input = numbers::<Ad, 3>([2, 4, 3], 1);
            let state = if portable { network.forward_portable(input, None).1 } else { network.forward(input, None).1 };
            let last = state.cell.unwrap_or(state.hidden);
            gradients(&network, &last.powi_scalar(2).sum().backward())
        };
        for ((name, kernel), (_, portable)) in run(false).iter().zip(&run(true)) {
            let (kernel, portable) = (kernel.as_ref().expect(name), portable.as_ref().expect(name));
            assert_near(kernel, portable, name);
        }
    }
}

#[test]
fn second_derivatives_take_the_portable_path() {
    type Twice = Autodiff<Autodiff<Flex>>;
    let config = RecurrentConfig::new(Cell::Lstm, 2, 3);
    let of_input = |shift_by: f32| {
        let network = network::<Ad>(&config);
        let input = Tensor::from_inner(shift(numbers([1, 4, 2], 1), 3, shift_by)).require_grad();
        let all = network.forward(input.clone(), None).0.powi_scalar(2).sum().backward();
        let gradient = input.grad(&all).expect("a gradient");
        f64::from(gradient.powi_scalar(2).sum().into_scalar())
    };
    let expected = (of_input(1e-2) - of_input(-1e-2)) / 2e-2;

    let network = network::<Twice>(&config);
    let outer = numbers::<Ad, 3>([1, 4, 2], 1).require_grad();
    let input = Tensor::<Twice, 3>::from_inner(outer.clone()).require_grad();
    let all = network.forward(input.clone(), None).0.powi_scalar(2).sum().backward();
    let gradient: Tensor<Ad, 3> = input.grad(&all).expect("a gradient");
    let second = gradient.powi_scalar(2).sum().backward();
    let found = outer.grad(&second).expect("a second derivative").into_data();
    let found = found.iter::<f64>().nth(3).expect("eight numbers");
    assert!((found - expected).abs() < 1e-3, "{found} instead of {expected}");
}

#[test]
fn dropout_acts_between_layers_and_only_in_training() {
    let config = RecurrentConfig::new(Cell::Gru, 3, 64).with_num_layers(2).with_dropout(0.5);
    let without = network::<Ad>(&RecurrentConfig { dropout: 0.0, ..config.clone() });
    let with = network::<Ad>(&config);
    let input = numbers::<Ad, 3>([2, 4, 3], 1);
    let exact = without.forward(input.clone(), None).0.into_data();
    assert_ne!(with.forward(input.clone(), None).0.into_data(), exact);
    assert_eq!(with.valid().forward(input.inner(), None).0.into_data(), exact);

    let single = network::<Ad>(&RecurrentConfig::new(Cell::Gru, 3, 8).with_dropout(0.5));
    let input = numbers::<Ad, 3>([2, 4, 3], 1);
    let twice = [(); 2].map(|()| single.forward(input.clone(), None).0.into_data());
    assert_eq!(twice[0], twice[1], "there is nothing between the layers of one");
}

#[test]
fn a_state_can_be_picked_from_stored_and_moved_between_backends() {
    let config = RecurrentConfig::new(Cell::Lstm, 3, 4).with_num_layers(2);
    let state = start::<Ad>(&config, 3);
    let picked = state.clone().select(Tensor::<Ad, 1, Int>::from_ints([2, 0, 2, 1], &Default::default()));
    assert_eq!(picked.batch_size(), 4);
    for (from, to) in [(2, 0), (0, 1), (2, 2), (1, 3)] {
        assert_eq!(
            picked.hidden.clone().slice([0..2, to..to + 1]).into_data(),
            state.hidden.clone().slice([0..2, from..from + 1]).into_data()
        );
    }
    let data = state.clone().into_data();
    let text = serde_json::to_string(&data).expect("a state is plain data");
    let read = serde_json::from_str(&text).expect("what was just written");
    let restored = RecurrentState::<Ad>::from_data(read, &Default::default());
    assert_eq!(restored.inner().into_data(), data);
    let moved = RecurrentState::<Ad>::from_inner(state.inner());
    assert_eq!(moved.into_data(), data);
}

#[test]
fn a_network_without_state_starts_from_zeros() {
    for cell in CELLS {
        let network = network::<Flex>(&RecurrentConfig::new(cell, 3, 5));
        let input = numbers::<Flex, 3>([2, 4, 3], 1);
        let zeros = network.zero_state(2, &Default::default());
        let (output, _) = network.forward(input.clone(), None);
        assert_eq!(network.forward(input, Some(zeros)).0.into_data(), output.into_data());
    }
}

#[test]
fn a_configuration_has_defaults_and_refuses_unknown_keys() {
    let read = |text: &str| serde_json::from_str::<RecurrentConfig>(text);
    let config = read(r#"{"input_size": 3, "hidden_size": 5}"#).expect("the rest has defaults");
    assert_eq!(config, RecurrentConfig::new(Cell::Lstm, 3, 5));
    let config =
        read(r#"{"cell": "rnn_tanh", "input_size": 3, "hidden_size": 5, "dropout": 0.1}"#).expect("all keys are known");
    assert_eq!(config, RecurrentConfig::new(Cell::RnnTanh, 3, 5).with_dropout(0.1));
    assert!(read(r#"{"input_size": 3, "hidden_size": 5, "layers": 2}"#).is_err());
}

#[test]
fn parameters_start_as_pytorch_starts_them() {
    let config = RecurrentConfig::new(Cell::Lstm, 128, 256).with_num_layers(2);
    let network = config.init::<Flex>(&Default::default());
    // 4 * 256 * (128 + 256 + 2) + 4 * 256 * (256 + 256 + 2)
    assert_eq!(network.num_params(), 921_600);
    let weight = network.layers[1].forward.weight_hh.val();
    let bound = 1.0 / 16.0;
    let [least, most] = [weight.clone().min(), weight.clone().max()].map(|value| value.into_scalar());
    assert!((-bound..-0.99 * bound).contains(&least) && (0.99 * bound..=bound).contains(&most));
    assert!(weight.mean().into_scalar().abs() < 1e-3);
}

#[test]
#[should_panic(expected = "the input has 4 features a step, the network reads 3")]
fn an_input_of_the_wrong_size_is_named() {
    let network = network::<Flex>(&RecurrentConfig::new(Cell::Lstm, 3, 5));
    network.forward(numbers([2, 4, 4], 1), None);
}
