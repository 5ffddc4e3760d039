//! GANs against PyTorch (tests/fixtures/make_gan.py), and whether a small one finds all that there is to find.

use burn::{
    backend::{Autodiff, Flex, NdArray},
    module::{AutodiffModule, Module},
    tensor::{
        Distribution, Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use generative::{
    gan::{
        Architecture, Conditional, Discriminator, DiscriminatorNorm, Gan, GanConfig, GanSizes, loss::GanLoss, penalty,
    },
    metrics::{Moments, frechet_distance, precision_recall},
};
use reduce::Matrix;
use testkit::{Fixture, assert_data_close, every_parameter_has_gradient, gradients_by_path};
use training_loop::{
    optimizer::{Optimizer, OptimizerConfig, ParameterPlan},
    parameters,
    task::OptimizerScope,
    weights,
};

const TOLERANCE: f64 = 1e-4;
const SIZES: GanSizes = GanSizes { channels: 2, image_size: 16, classes: 3 };

fn fixture() -> Fixture {
    Fixture::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gan.safetensors"))
}

fn config(conditional: Conditional) -> GanConfig {
    GanConfig { base_channels: 4, latent_size: 5, embedding_size: 6, conditional, ..GanConfig::default() }
}

fn networks<B: Backend>(conditional: Conditional, norm: DiscriminatorNorm) -> Gan<B> {
    config(conditional).init(norm, SIZES, &Default::default())
}

/// Loss and gradients of a case. What the loss does not depend on, as the slope not on biases, has no gradient or one of zeros.
fn assert_case<B: AutodiffBackend, M: Module<B>>(fixture: &Fixture, case: &str, module: &M, loss: Tensor<B, 1>) {
    let expected = fixture.number(&format!("{case}.loss"));
    let found: f64 = loss.clone().into_data().iter::<f64>().sum();
    assert!((found - expected).abs() < TOLERANCE * expected.abs().max(1.0), "{case}: {found} is not {expected}");
    let (gradients, without) = gradients_by_path(module, loss);
    let expected = fixture.under(&format!("{case}.gradients."));
    assert!(gradients.len() > 2, "{case}: gradients of {:?} alone", gradients.keys());
    let zeros = |like: &TensorData| TensorData::zeros::<f32, _>(like.shape.clone());
    for (name, gradient) in &gradients {
        let expected = expected.get(name).cloned().unwrap_or_else(|| zeros(gradient));
        assert_data_close(&format!("{case} {name}"), gradient, &expected, TOLERANCE);
    }
    for (name, expected) in expected.iter().filter(|(name, _)| without.contains(name)) {
        assert_data_close(&format!("{case} {name}, which has no gradient"), &zeros(expected), expected, TOLERANCE);
    }
}

fn penalties_match<B: AutodiffBackend>() {
    let (fixture, device) = (fixture(), Default::default());
    let of = |name: &str| fixture.float::<B, 4>(name, &device);
    let classes = || Some(fixture.int::<B, 1>("classes", &device));
    for (case, conditional) in [
        ("none", Conditional::None),
        ("concatenate", Conditional::Concatenate),
        ("projection", Conditional::Projection),
    ] {
        let mut discriminator = networks::<B>(conditional, DiscriminatorNorm::None).discriminator;
        weights::apply(&mut discriminator, &fixture.under(&format!("{case}.weights."))).unwrap();
        let scores = discriminator.forward(of("real"), classes());
        assert_data_close(case, &scores.to_data(), fixture.data(&format!("{case}.scores")), TOLERANCE);
        let loss = penalty::gradient_penalty(&discriminator, of("real"), of("made"), of("mix"), classes());
        assert_case(&fixture, &format!("{case}.gradient_penalty"), &discriminator, loss);
        let loss = penalty::r1(&discriminator, of("real"), classes());
        assert_case(&fixture, &format!("{case}.r1"), &discriminator, loss);
    }
}

#[test]
fn penalties_on_slopes_and_their_gradients_are_those_of_pytorch() {
    penalties_match::<Autodiff<Flex>>();
    penalties_match::<Autodiff<NdArray>>();
}

#[test]
fn networks_with_batch_normalisation_are_those_of_pytorch() {
    type B = Autodiff<Flex>;
    let (fixture, device) = (fixture(), Default::default());
    let classes = || Some(fixture.int::<B, 1>("classes", &device));
    let mut discriminator = networks::<B>(Conditional::None, DiscriminatorNorm::Batch).discriminator;
    weights::apply(&mut discriminator, &fixture.under("batch.weights.")).unwrap();
    let real = || fixture.float::<B, 4>("real", &device);
    let scores = discriminator.forward(real(), None);
    assert_data_close("batch", &scores.to_data(), fixture.data("batch.scores"), TOLERANCE);
    let frozen = discriminator.clone().no_grad().forward(real(), None);
    assert_data_close("frozen, it judges alike", &frozen.to_data(), fixture.data("batch.scores"), TOLERANCE);

    let mut generator = networks::<B>(Conditional::Projection, DiscriminatorNorm::None).generator;
    weights::apply(&mut generator, &fixture.under("generator.weights.")).unwrap();
    let pictures = generator.forward(fixture.float("latents", &device), classes());
    assert_data_close("pictures", &pictures.to_data(), fixture.data("generator.pictures"), TOLERANCE);
    assert_case(&fixture, "generator", &generator, (pictures * real()).mean());
}

#[test]
fn losses_are_those_of_pytorch() {
    let (fixture, device) = (fixture(), Default::default());
    let of = |name: &str| fixture.float::<Flex, 1>(name, &device);
    for (name, loss) in [
        ("non-saturating", GanLoss::NonSaturating),
        ("least-squares", GanLoss::LeastSquares),
        ("wasserstein", GanLoss::Wasserstein),
        ("hinge", GanLoss::Hinge),
    ] {
        let close = |case: &str, found: Tensor<Flex, 1>| {
            let (found, expected) = (f64::from(found.into_scalar()), fixture.number(&format!("{name}.{case}")));
            assert!((found - expected).abs() < 1e-5, "{name} {case}: {found} is not {expected}");
        };
        close("discriminator", loss.discriminator(of("scores.real"), of("scores.made")));
        close("generator", loss.generator(of("scores.made")));
    }
}

#[test]
fn distances_of_features_are_those_of_scipy_and_numpy() {
    let fixture = fixture();
    let matrix = |name: &str| {
        let data = fixture.data(name);
        let [rows, columns] = data.shape[..] else { panic!("{name} is no table") };
        Matrix::new(data.to_vec().unwrap(), rows, columns).unwrap()
    };
    let (a, b) = (matrix("features.a"), matrix("features.b"));
    let distance = frechet_distance(&Moments::of(&a), &Moments::of(&b)).unwrap();
    let expected = fixture.number("fid");
    assert!((distance - expected).abs() < 1e-4 * expected, "{distance} is not {expected}");
    assert!(frechet_distance(&Moments::of(&a), &Moments::of(&a)).unwrap() < 1e-6);
    let both = precision_recall(&a, &b, 3).unwrap();
    let expected = [fixture.number("precision"), fixture.number("recall")];
    assert!((both.precision - expected[0]).abs() < 1e-9 && (both.recall - expected[1]).abs() < 1e-9, "{both:?}");
}

#[test]
fn every_network_of_every_kind_learns_in_its_own_step() {
    type B = Autodiff<Flex>;
    let device = Default::default();
    for architecture in [Architecture::Dcgan, Architecture::Mlp] {
        for conditional in [Conditional::None, Conditional::Concatenate, Conditional::Projection] {
            for norm in [DiscriminatorNorm::Batch, DiscriminatorNorm::None, DiscriminatorNorm::Spectral] {
                let config = GanConfig { architecture, hidden_size: 8, ..config(conditional) };
                let model: Gan<B> = config.init(norm, SIZES, &device);
                let classes = || (conditional != Conditional::None).then(|| Tensor::from_ints([0, 2, 1, 1], &device));
                let latents = Tensor::random([4, 5], Distribution::Normal(0.0, 1.0), &device);
                let made = model.generator.forward(latents, classes());
                assert_eq!(made.dims(), [4, 2, 16, 16]);
                let scores = model.discriminator.forward(made.clone().detach(), classes());
                every_parameter_has_gradient(&model.discriminator, GanLoss::NonSaturating.generator(scores));
                let scores = model.discriminator.clone().no_grad().forward(made, classes());
                every_parameter_has_gradient(&model.generator, GanLoss::Hinge.generator(scores));
            }
        }
    }
}

/// The counts of PyTorch's tutorial, and the biases that it goes without.
#[test]
fn a_dcgan_has_as_many_weights_as_that_of_the_tutorial() {
    let sizes = GanSizes { channels: 3, image_size: 64, classes: 1 };
    let model: Gan<Flex> = GanConfig::default().init(DiscriminatorNorm::Batch, sizes, &Default::default());
    let running = |channels: usize| 2 * channels;
    assert_eq!(model.generator.num_params() - running(64 + 128 + 256 + 512), 3_576_704 + 3);
    assert_eq!(model.discriminator.num_params() - running(128 + 256 + 512), 2_765_568 + 64 + 1);
}

/// Points around eight places of a circle, as pictures of one pixel and two channels.
fn ring<B: Backend>(count: usize, device: &B::Device) -> Tensor<B, 4> {
    let place = |at: usize| {
        let (sin, cos) = (at as f32 * std::f32::consts::TAU / 8.0).sin_cos();
        [0.7 * cos, 0.7 * sin]
    };
    let centres: Vec<f32> = (0..count).flat_map(|at| place(at % 8)).collect();
    let centres = Tensor::<B, 2>::from_data(TensorData::new(centres, [count, 2]), device);
    let points = centres + Tensor::random([count, 2], Distribution::Normal(0.0, 0.02), device);
    points.reshape([count, 2, 1, 1])
}

/// A ring of eight normal distributions, on which a generator that runs after the discriminator finds one or two of them (Metz et al. 2016,
/// arXiv:1611.02163).
fn ring_is_covered(game: GanLoss, updates: usize, steps: usize, r1: f64, gradient_penalty: f64) {
    type B = Autodiff<Flex>;
    const BATCH: usize = 128;
    let device = Default::default();
    B::seed(&device, 5);
    let config = GanConfig {
        architecture: Architecture::Mlp,
        latent_size: 8,
        hidden_size: 64,
        num_layers: 2,
        ..GanConfig::default()
    };
    let sizes = GanSizes { channels: 2, image_size: 1, classes: 1 };
    let mut model: Gan<B> = config.init(DiscriminatorNorm::None, sizes, &device);
    let plan = ParameterPlan::new(parameters::list(&model), &[], &[]).unwrap();
    let optimizer = |name, parameters| {
        let rule = OptimizerConfig::Adam { learning_rate: 1e-3, betas: [0.5, 0.9], eps: 1e-8, weight_decay: 0.0 };
        Optimizer::<B>::new(rule, OptimizerScope { name, parameters, updates: 1 }, &plan)
    };
    let mut of_discriminator = optimizer("discriminator", "discriminator.*");
    let mut of_generator = optimizer("generator", "generator.*");
    let latents = || Tensor::<B, 2>::random([BATCH, 8], Distribution::Normal(0.0, 1.0), &device);
    for _ in 0..steps {
        for _ in 0..updates {
            let real = ring::<B>(BATCH, &device);
            let made = model.generator.clone().no_grad().forward(latents(), None);
            let scores = |pictures: &Tensor<B, 4>| model.discriminator.forward(pictures.clone(), None);
            let mut loss = game.discriminator(scores(&real), scores(&made));
            if r1 > 0.0 {
                loss = loss + penalty::r1(&model.discriminator, real.clone(), None) * r1;
            }
            if gradient_penalty > 0.0 {
                let mix = penalty::mix::<B>(BATCH, &device);
                let slopes = penalty::gradient_penalty(&model.discriminator, real, made, mix, None);
                loss = loss + slopes * gradient_penalty;
            }
            model = updated(model, loss, &mut of_discriminator, &plan);
        }
        let made = model.generator.forward(latents(), None);
        let loss = game.generator(model.discriminator.clone().no_grad().forward(made, None));
        model = updated(model, loss, &mut of_generator, &plan);
    }
    let latents = Tensor::random([2000, 8], Distribution::Normal(0.0, 1.0), &device);
    let points: Vec<f32> = model.generator.valid().forward(latents, None).into_data().to_vec().unwrap();
    let mut found = [0; 8];
    for point in points.chunks(2) {
        let near = |at: &usize| {
            let (sin, cos) = (*at as f32 * std::f32::consts::TAU / 8.0).sin_cos();
            (point[0] - 0.7 * cos).hypot(point[1] - 0.7 * sin) < 0.15
        };
        (0..8).filter(near).for_each(|at| found[at] += 1);
    }
    let all: usize = found.iter().sum();
    assert!(found.iter().all(|count| *count > 40) && all > 1000, "{game:?}: points at each place: {found:?}");
}

fn updated(model: Gan<B1>, loss: Tensor<B1, 1>, optimizer: &mut Optimizer<B1>, plan: &ParameterPlan) -> Gan<B1> {
    let mut gradients = loss.backward();
    let gradients = parameters::take_gradients(&model, &mut gradients, |index| optimizer.owns(index));
    optimizer.step(model, gradients, 1.0, plan)
}

type B1 = Autodiff<Flex>;

#[test]
fn no_mode_of_a_ring_is_dropped() {
    ring_is_covered(GanLoss::NonSaturating, 1, 1500, 0.1, 0.0);
    ring_is_covered(GanLoss::Wasserstein, 3, 800, 0.0, 0.1);
}

/// A critic keeps its own record: penalising it twice in a row gives the same.
#[test]
fn a_penalty_leaves_the_discriminator_as_it_was() {
    let (fixture, device) = (fixture(), Default::default());
    let discriminator: Discriminator<B1> = networks(Conditional::None, DiscriminatorNorm::Spectral).discriminator;
    let before = weights::collect::<B1, _>(&discriminator);
    let of = || penalty::r1(&discriminator, fixture.float::<B1, 4>("real", &device), None).into_scalar();
    assert_eq!(of(), of());
    assert!(before == weights::collect::<B1, _>(&discriminator), "weights and vectors of the power iteration");
}
