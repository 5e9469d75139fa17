//! Random smooth functions: samples of a Gaussian process.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::BlackBox;
use crate::{Error, Result};

/// How a sample's correlation falls with distance; all smooth at the scale of [`Recipe::lengthscale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// `exp(−r²/2)`: as smooth as can be.
    Rbf,
    /// Matérn with ν = 5/2: twice differentiable.
    Matern52,
    /// Matérn with ν = 3/2: once differentiable.
    Matern32,
    /// Matérn with ν = 1/2, `exp(−r)`: continuous and rough.
    Matern12,
}

/// What samples are drawn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// The kernel.
    pub kernel: Kernel,
    /// Lengthscales are drawn from here for every coordinate, uniform in the logarithm, and multiplied by √D: in more
    /// dimensions two random points are further apart.
    pub lengthscale: (f64, f64),
    /// How many cosines make a sample; evaluations take time in proportion.
    pub features: usize,
}

impl Default for Recipe {
    /// RBF, lengthscales of 0.1 to 0.6, 128 features.
    fn default() -> Self {
        Self { kernel: Kernel::Rbf, lengthscale: (0.1, 0.6), features: 128 }
    }
}

/// A sample of a Gaussian process with mean 0 and variance 1 on the unit box, by random Fourier features.
///
/// `f(u) = √(2/m) Σ wᵢ cos(ωᵢ·u + bᵢ)` with `w ~ N(0, 1)`, `b` uniform, and ω from the kernel's spectral density: normal for
/// RBF, Student's t with 2ν degrees of freedom for Matérn (A. Rahimi, B. Recht, *Random Features for Large-Scale Kernel Machines*,
/// 2007). Its lowest value is not known.
///
/// ```
/// use dro_testbed::functions::{BlackBox, GaussianProcess, Recipe};
///
/// # fn main() -> dro_testbed::Result<()> {
/// let f = GaussianProcess::sample(10, &Recipe::default(), 42)?;
/// assert!(f.value(&[0.5; 10]).abs() < 6.0);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct GaussianProcess {
    dim: usize,
    /// Per feature ω and b, `dim + 1` numbers.
    waves: Vec<f64>,
    weights: Vec<f64>,
}

impl GaussianProcess {
    /// The same seed, the same function.
    ///
    /// # Errors
    /// If the dimension is 0 or above 1000, there are no features, or a lengthscale is not above zero.
    pub fn sample(dim: usize, recipe: &Recipe, seed: u64) -> Result<Self> {
        Error::check("dimension", dim, 1, 1000)?;
        Error::check("features", recipe.features, 1, 1_000_000)?;
        let (low, high) = recipe.lengthscale;
        if !(low > 0.0 && low <= high && high.is_finite()) {
            return Err(Error::argument("lengthscale", "0 < low <= high", format!("({low}, {high})")));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let stretch = (dim as f64).sqrt();
        let lengths: Vec<f64> =
            (0..dim).map(|_| stretch * rng.random_range(low.ln()..=high.ln()).exp()).collect();
        let freedom: Option<f64> = match recipe.kernel {
            Kernel::Rbf => None,
            Kernel::Matern52 => Some(5.0),
            Kernel::Matern32 => Some(3.0),
            Kernel::Matern12 => Some(1.0),
        };
        let mut waves = Vec::with_capacity(recipe.features * (dim + 1));
        let mut weights = Vec::with_capacity(recipe.features);
        let size = (2.0 / recipe.features as f64).sqrt();
        for _ in 0..recipe.features {
            let spread = match freedom.map(|k| (k, ChiSquared::new(k))) {
                Some((k, Ok(chi))) => (k / chi.sample(&mut rng)).sqrt(),
                _ => 1.0,
            };
            for length in &lengths {
                let normal: f64 = StandardNormal.sample(&mut rng);
                waves.push(spread * normal / length);
            }
            waves.push(rng.random_range(0.0..std::f64::consts::TAU));
            let weight: f64 = StandardNormal.sample(&mut rng);
            weights.push(size * weight);
        }
        Ok(Self { dim, waves, weights })
    }
}

impl BlackBox for GaussianProcess {
    fn name(&self) -> String {
        "gaussian-process".into()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn value(&self, u: &[f64]) -> f64 {
        if u.len() != self.dim {
            return f64::NAN;
        }
        let features = self.waves.chunks_exact(self.dim + 1).zip(&self.weights);
        features
            .map(|(wave, weight)| {
                // The zip leaves the phase, the last number, to be added.
                let phase = wave.last().copied().unwrap_or(0.0);
                weight * (phase + wave.iter().zip(u).map(|(w, u)| w * u).sum::<f64>()).cos()
            })
            .sum()
    }

    fn optimum(&self) -> Option<f64> {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Mean, variance and correlation over many samples, beside those of the kernel.
    #[test]
    fn samples_have_the_kernels_moments() {
        let (length, distance) = (0.3, 0.24);
        let r: f64 = distance / length;
        for (kernel, expected) in [
            (Kernel::Rbf, (-r * r / 2.0).exp()),
            (Kernel::Matern52, {
                let s = 5f64.sqrt() * r;
                (1.0 + s + s * s / 3.0) * (-s).exp()
            }),
            (Kernel::Matern32, (1.0 + 3f64.sqrt() * r) * (-(3f64.sqrt()) * r).exp()),
            (Kernel::Matern12, (-r).exp()),
        ] {
            let recipe = Recipe { kernel, lengthscale: (length, length), features: 64 };
            let samples = 4000;
            let (mut mean, mut variance, mut correlation) = (0.0, 0.0, 0.0);
            for seed in 0..samples {
                let f = GaussianProcess::sample(1, &recipe, seed).unwrap();
                let (a, b) = (f.value(&[0.3]), f.value(&[0.3 + distance]));
                mean += a / samples as f64;
                variance += a * a / samples as f64;
                correlation += a * b / samples as f64;
            }
            // About four standard errors.
            assert!(mean.abs() < 0.07, "{kernel:?}: {mean}");
            assert!((variance - 1.0).abs() < 0.1, "{kernel:?}: {variance}");
            assert!((correlation - expected).abs() < 0.1, "{kernel:?}: {correlation}, not {expected}");
        }
    }

    #[test]
    fn samples_are_seeded_and_checked() {
        let recipe = Recipe::default();
        let at = [0.1, 0.7, 0.4];
        let value = |seed| GaussianProcess::sample(3, &recipe, seed).unwrap().value(&at);
        assert_eq!(value(1), value(1));
        assert!((value(1) - value(2)).abs() > 1e-6);
        assert!(GaussianProcess::sample(3, &recipe, 1).unwrap().value(&at[..2]).is_nan());
        for bad in [
            GaussianProcess::sample(0, &recipe, 1),
            GaussianProcess::sample(1, &Recipe { features: 0, ..recipe.clone() }, 1),
            GaussianProcess::sample(1, &Recipe { lengthscale: (0.0, 1.0), ..recipe.clone() }, 1),
            GaussianProcess::sample(1, &Recipe { lengthscale: (0.1, f64::NAN), ..recipe.clone() }, 1),
        ] {
            assert!(bad.is_err());
        }
    }
}
