//! First-order optimizers over the flat vector θ, with moments that can be saved.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2), with `m` and `v` the decaying means of the
/// gradient and of its square, both corrected for their start at zero:
///
/// `θ ← θ − η·(m̂ / (√v̂ + epsilon) + weight_decay·θ)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Decay of the mean of the gradient, in [0, 1).
    pub beta1: f64,
    /// Decay of the mean of its square, in [0, 1).
    pub beta2: f64,
    /// What keeps the quotient finite.
    pub epsilon: f64,
    /// Decoupled weight decay, at least 0.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// Gradient descent with momentum: `m ← momentum·m + g`, `θ ← θ − η·m`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// In [0, 1); 0 is plain gradient descent.
    pub momentum: f64,
}

/// Which optimizer, as in a configuration file: `kind = "adamw"` or `"sgd"`, and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum OptimizerConfig {
    /// AdamW.
    AdamW(AdamW),
    /// Gradient descent with momentum.
    Sgd(Sgd),
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::AdamW(AdamW::default())
    }
}

impl OptimizerConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let decay = |name: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::setting(format!("optimizer.{name}"), "at least 0 and below 1", value))
            }
        };
        match self {
            Self::AdamW(adam) => {
                decay("beta1", adam.beta1)?;
                decay("beta2", adam.beta2)?;
                if !(adam.epsilon > 0.0 && adam.epsilon.is_finite()) {
                    return Err(Error::setting("optimizer.epsilon", "above zero", adam.epsilon));
                }
                if !(adam.weight_decay >= 0.0 && adam.weight_decay.is_finite()) {
                    return Err(Error::setting("optimizer.weight_decay", "at least 0", adam.weight_decay));
                }
                Ok(())
            }
            Self::Sgd(sgd) => decay("momentum", sgd.momentum),
        }
    }
}

/// An optimizer's moments.
///
/// ```
/// use dro_train::{Descent, OptimizerConfig};
///
/// let mut descent = Descent::new(&OptimizerConfig::default(), 2);
/// let mut theta = [1.0f32, -2.0];
/// for _ in 0..200 {
///     let gradient = theta.map(|t| 2.0 * t);
///     descent.step(&mut theta, &gradient, 0.05);
/// }
/// assert!(theta.iter().all(|t| t.abs() < 1e-2), "{theta:?}");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Descent {
    config: OptimizerConfig,
    first: Vec<f32>,
    /// Empty where the optimizer needs none.
    second: Vec<f32>,
    steps: i32,
}

impl Descent {
    /// Moments of zero for `count` parameters.
    pub fn new(config: &OptimizerConfig, count: usize) -> Self {
        let second = match config {
            OptimizerConfig::AdamW(_) => vec![0.0; count],
            OptimizerConfig::Sgd(_) => Vec::new(),
        };
        Self { config: config.clone(), first: vec![0.0; count], second, steps: 0 }
    }

    /// How many parameters it is for.
    pub fn parameters(&self) -> usize {
        self.first.len()
    }

    /// One step against `gradient` at learning rate `rate`; both slices are of the optimizer's length.
    pub fn step(&mut self, theta: &mut [f32], gradient: &[f32], rate: f64) {
        self.steps = self.steps.saturating_add(1);
        let all = theta.iter_mut().zip(gradient).zip(&mut self.first);
        match &self.config {
            OptimizerConfig::AdamW(adam) => {
                let correct1 = 1.0 - adam.beta1.powi(self.steps);
                let correct2 = 1.0 - adam.beta2.powi(self.steps);
                for (((theta, g), m), v) in all.zip(&mut self.second) {
                    let (g, t) = (f64::from(*g), f64::from(*theta));
                    *m = (adam.beta1 * f64::from(*m) + (1.0 - adam.beta1) * g) as f32;
                    *v = (adam.beta2 * f64::from(*v) + (1.0 - adam.beta2) * g * g) as f32;
                    let (m, v) = (f64::from(*m) / correct1, f64::from(*v) / correct2);
                    let direction = m / (v.sqrt() + adam.epsilon) + adam.weight_decay * t;
                    *theta = (t - rate * direction) as f32;
                }
            }
            OptimizerConfig::Sgd(sgd) => {
                for ((theta, g), m) in all {
                    *m = (sgd.momentum * f64::from(*m) + f64::from(*g)) as f32;
                    *theta = (f64::from(*theta) - rate * f64::from(*m)) as f32;
                }
            }
        }
    }
}

/// The Euclidean norm, summed in order in f64.
pub fn norm(gradient: &[f32]) -> f64 {
    gradient.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>().sqrt()
}

/// Scales `gradient` down to the norm `limit` if its norm is above (Pascanu et al. 2013, arXiv 1211.5063, algorithm 1),
/// and gives the norm it had.
pub fn clip(gradient: &mut [f32], limit: f64) -> f64 {
    let before = norm(gradient);
    if before > limit {
        let scale = limit / before;
        gradient.iter_mut().for_each(|g| *g = (scale * f64::from(*g)) as f32);
    }
    before
}
