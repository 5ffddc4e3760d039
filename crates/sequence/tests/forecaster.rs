//! The forecasters against PyTorch (tests/fixtures/make_forecaster.py), and what their options mean.

use burn::{
    backend::{Autodiff, Flex, NdArray},
    module::Module,
    tensor::{Distribution, Tensor, backend::AutodiffBackend},
};
use sequence::{
    forecaster::{ForecastHead, Forecaster, ForecasterConfig, ForecasterSizes, RecurrentForecaster},
    pretrained,
};
use testkit::{
    Fixture, assert_close, assert_data_close, every_parameter_has_gradient, gradients_by_path, pytorch_name,
};

const TOLERANCE: f64 = 1e-4;
const SIZES: ForecasterSizes = ForecasterSizes { input_len: 12, horizon: 5, inputs: 3, targets: 2, outputs: 1 };

fn lstm(head: ForecastHead, subtract_last: bool) -> ForecasterConfig {
    ForecasterConfig::Lstm(RecurrentForecaster { hidden_size: 4, head, subtract_last, ..Default::default() })
}

fn cases() -> Vec<(&'static str, ForecasterConfig)> {
    vec![
        ("dlinear", ForecasterConfig::Dlinear { kernel_size: 5, individual: false }),
        ("dlinear_individual", ForecasterConfig::Dlinear { kernel_size: 5, individual: true }),
        ("nlinear", ForecasterConfig::Nlinear { individual: false }),
        ("lstm_direct", lstm(ForecastHead::Direct, true)),
        ("lstm_autoregressive", lstm(ForecastHead::Autoregressive, true)),
        ("lstm_levels", lstm(ForecastHead::Autoregressive, false)),
    ]
}

fn matches_pytorch<B: AutodiffBackend>() {
    let device = Default::default();
    let fixture = Fixture::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/forecaster.safetensors"));
    for (case, config) in cases() {
        let named = |name: &str| format!("{case}.{name}");
        let mut model = config.init::<B>(SIZES, &device);
        let weights = fixture.under(&named("weights."));
        match &mut model {
            Forecaster::Dlinear(model) => pretrained::load_state_dict(model, weights).unwrap(),
            Forecaster::Nlinear(model) => pretrained::load_state_dict(model, weights).unwrap(),
            Forecaster::Recurrent(model) => pretrained::load_state_dict(model, weights).unwrap(),
        }
        let forecast = model.forward(fixture.float(&named("input"), &device)).squeeze_dim::<3>(3);
        let close = |name: &str, actual| {
            assert_data_close(&named(name), &actual, fixture.data(&named(name)), TOLERANCE);
        };
        close("forecast", forecast.to_data());
        let loss = (forecast - fixture.float(&named("target"), &device)).powi_scalar(2).mean();
        let (gradients, without) = gradients_by_path(&model, loss);
        assert!(without.is_empty(), "{case} {without:?}");
        assert_eq!(gradients.len(), fixture.under(&named("gradients.")).len(), "{case}");
        for (path, gradient) in gradients {
            close(&format!("gradients.{}", pytorch_name(&path)), gradient);
        }
    }
}

#[test]
fn matches_pytorch_on_ndarray() {
    matches_pytorch::<Autodiff<NdArray>>();
}

#[test]
fn matches_pytorch_on_flex() {
    matches_pytorch::<Autodiff<Flex>>();
}

fn random_rows(batch: usize) -> Tensor<Autodiff<Flex>, 3> {
    let device = Default::default();
    Tensor::random([batch, SIZES.input_len, SIZES.inputs], Distribution::Normal(0.0, 1.0), &device)
}

#[test]
fn quantiles_have_an_axis_of_their_own_and_every_parameter_a_gradient() {
    for (case, config) in cases() {
        let model = config.init::<Autodiff<Flex>>(ForecasterSizes { outputs: 3, ..SIZES }, &Default::default());
        let forecast = model.forward(random_rows(4));
        assert_eq!(forecast.dims(), [4, 5, 2, 3], "{case}");
        every_parameter_has_gradient(&model, forecast.powi_scalar(2).mean());
    }
}

#[test]
fn levels_are_no_obstacle_where_the_last_row_is_subtracted() {
    for (case, config) in cases().into_iter().filter(|(case, _)| !case.starts_with("dlinear") && *case != "lstm_levels")
    {
        let model = config.init::<Autodiff<Flex>>(SIZES, &Default::default());
        let rows = random_rows(2);
        let [batch, time, _] = rows.dims();
        let device = Default::default();
        // Only the targets move, the covariate stays.
        let higher = Tensor::cat(
            vec![Tensor::full([batch, time, 2], 7.0, &device), Tensor::zeros([batch, time, 1], &device)],
            2,
        );
        let forecast = model.forward(rows.clone() + higher) - 7.0;
        assert_close(&forecast.squeeze_dim::<3>(3), &model.forward(rows).squeeze_dim::<3>(3), 1e-4);
        assert!(model.num_params() > 0, "{case}");
    }
}

#[test]
fn covariates_are_not_needed() {
    let sizes = ForecasterSizes { inputs: 2, ..SIZES };
    for (case, config) in cases() {
        let model = config.init::<Autodiff<Flex>>(sizes, &Default::default());
        let forecast = model.forward(random_rows(2).narrow(2, 0, 2));
        assert_eq!(forecast.dims(), [2, 5, 2, 1], "{case}");
        every_parameter_has_gradient(&model, forecast.powi_scalar(2).mean());
    }
}

#[test]
fn impossible_values_are_named() {
    let config = ForecasterConfig::Dlinear { kernel_size: 4, individual: false };
    assert_eq!(config.validate()[0].0, "kernel_size");
    let network = RecurrentForecaster { hidden_size: 0, dropout: 1.0, ..Default::default() };
    let keys: Vec<_> = ForecasterConfig::Gru(network).validate().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["hidden_size", "dropout"]);
}
