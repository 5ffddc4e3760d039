//! The process of adding noise and of taking it away, apart from the network.
//!
//! At step `t` an image is `√ᾱ(t) · image + √(1 - ᾱ(t)) · noise`; `ᾱ` falls from nearly 1 to nearly 0.

use burn::tensor::{Distribution, Int, Tensor, TensorData, backend::Backend};
use serde::{Deserialize, Serialize};

/// How `ᾱ` falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NoiseSchedule {
    /// As the square of a cosine ([Nichol and Dhariwal 2021](https://arxiv.org/abs/2102.09672), equation 17).
    #[default]
    Cosine,
    /// By steps whose noise grows evenly from 0.0001 to 0.02 (Ho et al. 2020, section 4; for other numbers of steps than 1000 in
    /// proportion).
    Linear,
}

/// What the network says about a noised image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "training", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Prediction {
    /// The noise in it (Ho et al. 2020).
    #[default]
    Noise,
    /// `√ᾱ · noise - √(1 - ᾱ) · image`, which is as hard at every step
    /// ([Salimans and Ho 2022](https://arxiv.org/abs/2202.00512), appendix D).
    Velocity,
}

/// What a [`Diffusion`] is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffusionConfig {
    /// Steps from an image to noise. Default: 1000.
    pub timesteps: usize,
    /// How much noise there is at each. Default: cosine.
    pub schedule: NoiseSchedule,
    /// What the network says. Default: the noise.
    pub prediction: Prediction,
}

/// How an image is made of noise ([Song, Meng and Ermon 2020](https://arxiv.org/abs/2010.02502)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// How many times the network is asked; the steps are spread evenly.
    pub steps: usize,
    /// Fresh noise at each step: 0 is DDIM, whose result follows from the first noise alone; 1 with as many steps as in training is
    /// DDPM.
    pub eta: f64,
}

/// The process, with its tables on a device.
#[derive(Clone, Debug)]
pub struct Diffusion<B: Backend> {
    /// What the network says.
    prediction: Prediction,
    /// `ᾱ` of each step.
    remaining: Vec<f64>,
    /// `√ᾱ`: `[timesteps]`
    signal: Tensor<B, 1>,
    /// `√(1 - ᾱ)`: `[timesteps]`
    noise: Tensor<B, 1>,
}

impl Default for DiffusionConfig {
    fn default() -> Self {
        Self { timesteps: 1000, schedule: NoiseSchedule::default(), prediction: Prediction::default() }
    }
}

impl NoiseSchedule {
    /// `ᾱ` of each step.
    fn remaining(self, timesteps: usize) -> Vec<f64> {
        let steps = timesteps as f64;
        let added = |t: usize| match self {
            Self::Cosine => {
                let curve = |t: f64| ((t / steps + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
                1.0 - curve(t as f64 + 1.0) / curve(t as f64)
            }
            Self::Linear => {
                let [first, last] = [0.0001, 0.02].map(|noise| noise * 1000.0 / steps);
                first + (last - first) * t as f64 / (steps - 1.0).max(1.0)
            }
        };
        let product = |remaining: &mut f64, t| {
            *remaining *= 1.0 - added(t).clamp(0.0, 0.999);
            Some(*remaining)
        };
        (0..timesteps).scan(1.0, product).collect()
    }
}

impl DiffusionConfig {
    /// The process, with its tables on `device`.
    ///
    /// # Panics
    /// When there are no steps.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Diffusion<B> {
        assert!(self.timesteps > 0, "Diffusion: no steps");
        let remaining = self.schedule.remaining(self.timesteps);
        let table = |value: fn(f64) -> f64| {
            let values: Vec<f32> = remaining.iter().map(|remaining| value(*remaining) as f32).collect();
            Tensor::from_data(TensorData::new(values, [self.timesteps]), device)
        };
        let (signal, noise) = (table(f64::sqrt), table(|remaining| (1.0 - remaining).sqrt()));
        Diffusion { prediction: self.prediction, remaining, signal, noise }
    }
}

impl<B: Backend> Diffusion<B> {
    /// Steps from an image to noise.
    pub fn timesteps(&self) -> usize {
        self.remaining.len()
    }

    /// `ᾱ` of each step: the part of the variance that is still the image's.
    pub fn remaining(&self) -> &[f64] {
        &self.remaining
    }

    /// The images as they are at their steps, and what the network should say of them.
    ///
    /// # Shapes
    /// - images, noise: `[batch, channels, height, width]`
    /// - timesteps: `[batch]`, in `0..timesteps`
    /// - output: two of the images' shape
    pub fn noised(
        &self,
        images: Tensor<B, 4>,
        noise: Tensor<B, 4>,
        timesteps: Tensor<B, 1, Int>,
    ) -> (Tensor<B, 4>, Tensor<B, 4>) {
        let [batch, ..] = images.dims();
        let at = |table: &Tensor<B, 1>| table.clone().select(0, timesteps.clone()).reshape([batch, 1, 1, 1]);
        let (signal_rate, noise_rate) = (at(&self.signal), at(&self.noise));
        let noised = images.clone() * signal_rate.clone() + noise.clone() * noise_rate.clone();
        let target = match self.prediction {
            Prediction::Noise => noise,
            Prediction::Velocity => noise * signal_rate - images * noise_rate,
        };
        (noised, target)
    }

    /// The image that is in a noised one, as far as the network's answer tells; what lies outside -1 to 1 is cut.
    ///
    /// # Shapes
    /// - noised, said, output: `[batch, channels, height, width]`
    pub fn denoised(&self, noised: Tensor<B, 4>, said: Tensor<B, 4>, timestep: usize) -> Tensor<B, 4> {
        let remaining = self.remaining[timestep];
        let (signal_rate, noise_rate) = (remaining.sqrt(), (1.0 - remaining).sqrt());
        let images = match self.prediction {
            Prediction::Noise => (noised - said * noise_rate) / signal_rate,
            Prediction::Velocity => noised * signal_rate - said * noise_rate,
        };
        images.clamp(-1.0, 1.0)
    }

    /// Makes images of noise. `said` is the network: a noised image and the step of each entry in, its answer out; `seen` is shown the
    /// image that the network sees behind the noise, after each step.
    ///
    /// # Shapes
    /// - noise: `[batch, channels, height, width]`, of the normal distribution
    /// - output: the same, -1 to 1
    ///
    /// # Panics
    /// When there are no steps.
    pub fn sample(
        &self,
        noise: Tensor<B, 4>,
        sampling: Sampling,
        said: impl Fn(Tensor<B, 4>, Tensor<B, 1, Int>) -> Tensor<B, 4>,
        mut seen: impl FnMut(&Tensor<B, 4>),
    ) -> Tensor<B, 4> {
        assert!(sampling.steps > 0, "Diffusion: no steps of sampling");
        let (device, [batch, ..]) = (noise.device(), noise.dims());
        let steps = self.spread(sampling.steps);
        let mut noised = noise;
        for (place, &timestep) in steps.iter().enumerate() {
            let at = Tensor::full([batch], timestep as i64, &device);
            let image = self.denoised(noised.clone(), said(noised.clone(), at), timestep);
            seen(&image);
            let Some(&next) = steps.get(place + 1) else { return image };
            let Step { of_image, of_noised, fresh } =
                Step::new(self.remaining[timestep], self.remaining[next], sampling.eta);
            noised = image * of_image + noised * of_noised;
            if fresh > 0.0 {
                noised = noised.clone() + noised.random_like(Distribution::Normal(0.0, 1.0)) * fresh;
            }
        }
        unreachable!("there is a last step")
    }

    /// So many steps from the last to near the first, evenly spread; the first one asked is always that of pure noise
    /// ([Lin et al. 2023](https://arxiv.org/abs/2305.08891), section 3.3).
    fn spread(&self, steps: usize) -> Vec<usize> {
        let all = self.timesteps();
        let steps = steps.min(all);
        (0..steps).map(|step| all - 1 - step * all / steps).collect()
    }
}

/// What a noised image with less noise is made of ([Song et al. 2020](https://arxiv.org/abs/2010.02502), equations 12 and 16).
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Of the image that the network sees.
    of_image: f64,
    /// Of the noised image as it was.
    of_noised: f64,
    /// Of fresh noise.
    fresh: f64,
}

impl Step {
    /// From one `ᾱ` to a larger one. The noise in between is that of the image as it was cut, so that the two stay consistent.
    fn new(here: f64, there: f64, eta: f64) -> Self {
        let fresh = eta * ((1.0 - there) / (1.0 - here) * (1.0 - here / there)).max(0.0).sqrt();
        let of_noised = ((1.0 - there - fresh * fresh).max(0.0) / (1.0 - here)).sqrt();
        Self { of_image: there.sqrt() - of_noised * here.sqrt(), of_noised, fresh }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    type B = Flex<f32, i32>;

    fn process(schedule: NoiseSchedule, prediction: Prediction) -> Diffusion<B> {
        DiffusionConfig { timesteps: 100, schedule, prediction }.init(&Default::default())
    }

    #[test]
    fn the_schedules_fall_from_the_image_to_noise() {
        for schedule in [NoiseSchedule::Cosine, NoiseSchedule::Linear] {
            let process = process(schedule, Prediction::Noise);
            let remaining = process.remaining();
            assert!(remaining.windows(2).all(|pair| pair[1] < pair[0]), "{schedule:?}");
            assert!(remaining[0] > 0.99, "{schedule:?}: {}", remaining[0]);
            assert!(remaining[99] < 1e-4, "{schedule:?}: {}", remaining[99]);
        }
    }

    #[test]
    fn the_linear_schedule_of_a_thousand_steps_is_that_of_the_paper() {
        let remaining = NoiseSchedule::Linear.remaining(1000);
        // The product of 1 - β for β from 1e-4 to 0.02 in even steps.
        assert!((remaining[0] - 0.9999).abs() < 1e-12);
        assert!((remaining[999] - 4.0358e-5).abs() < 1e-8, "{}", remaining[999]);
    }

    /// A network that knows the image answers right, so that the image comes back.
    #[test]
    fn sampling_with_the_right_answers_gives_the_image() {
        let device = Default::default();
        for prediction in [Prediction::Noise, Prediction::Velocity] {
            let process = process(NoiseSchedule::Cosine, prediction);
            let image = Tensor::<B, 4>::random([2, 1, 4, 4], Distribution::Uniform(-0.9, 0.9), &device);
            let noise = Tensor::<B, 4>::random([2, 1, 4, 4], Distribution::Normal(0.0, 1.0), &device);
            let right = |noised: Tensor<B, 4>, timesteps: Tensor<B, 1, Int>| {
                let timestep = timesteps.into_data().iter::<i64>().next().expect("one an entry") as usize;
                let remaining = process.remaining()[timestep];
                let noise = (noised - image.clone() * remaining.sqrt()) / (1.0 - remaining).sqrt();
                process.noised(image.clone(), noise, Tensor::full([2], timestep as i64, &device)).1
            };
            for sampling in [Sampling { steps: 7, eta: 0.0 }, Sampling { steps: 100, eta: 1.0 }] {
                let mut looks = 0;
                let made = process.sample(noise.clone(), sampling, right, |_| looks += 1);
                made.into_data().assert_approx_eq(&image.to_data(), burn::tensor::Tolerance::<f32>::absolute(1e-3));
                assert_eq!(looks, sampling.steps);
            }
        }
    }

    /// With all the fresh noise a step is the posterior of Ho et al. (2020), equation 7.
    #[test]
    fn a_step_with_fresh_noise_is_that_of_ddpm() {
        let process = process(NoiseSchedule::Linear, Prediction::Noise);
        for timestep in [1, 40, 99] {
            let (here, there) = (process.remaining()[timestep], process.remaining()[timestep - 1]);
            let beta = 1.0 - here / there;
            let Step { of_image, of_noised, fresh } = Step::new(here, there, 1.0);
            assert!((of_image - there.sqrt() * beta / (1.0 - here)).abs() < 1e-9, "{timestep}");
            assert!((of_noised - (1.0 - beta).sqrt() * (1.0 - there) / (1.0 - here)).abs() < 1e-9, "{timestep}");
            assert!((fresh * fresh - (1.0 - there) / (1.0 - here) * beta).abs() < 1e-9, "{timestep}");
        }
    }

    /// Without it, image and noise stay what they are, and only their parts change.
    #[test]
    fn a_step_of_ddim_keeps_image_and_noise() {
        let (here, there): (f64, f64) = (0.3, 0.7);
        let Step { of_image, of_noised, fresh } = Step::new(here, there, 0.0);
        let (image, noise) = (0.4, -1.3);
        let noised = here.sqrt() * image + (1.0 - here).sqrt() * noise;
        let next = of_image * image + of_noised * noised;
        assert!((next - (there.sqrt() * image + (1.0 - there).sqrt() * noise)).abs() < 1e-12);
        assert_eq!(fresh, 0.0);
    }

    #[test]
    fn steps_are_spread_from_pure_noise_on() {
        let process = process(NoiseSchedule::Cosine, Prediction::Noise);
        assert_eq!(process.spread(4), [99, 74, 49, 24]);
        assert_eq!(process.spread(1), [99]);
        assert_eq!(process.spread(1000).len(), 100);
    }
}
