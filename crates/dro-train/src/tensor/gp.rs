//! Samples of a Gaussian process: smooth functions without a pattern to learn by heart.

use candle_core::{DType, Device, Tensor};
use dro_core::{Block, BlockId, Cost, CostFunction, Point, Space};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::{TaskFamily, TensorTask};
use crate::{
    Error, Result,
    random::{Purpose, stream},
};

/// Samples of a Gaussian process on `[0, 1]^d` with zero mean, unit variance and the kernel `exp(−‖x − x'‖²/(2ℓ²))`, the
/// training functions of Chen et al. 2017 (arXiv 1611.03824, section 3.1), by random Fourier features (Rahimi & Recht
/// 2007):
///
/// `f(x) = √(2/M)·Σ wₘ cos(ωₘ·x + φₘ)`, `ωₘ ~ N(0, ℓ⁻²I)`, `φₘ ~ U(0, 2π)`, `wₘ ~ N(0, 1)`.
///
/// Every task is a batch of them; all start in the middle of the box. They are differentiable, so every estimator can
/// be compared on them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GpSamples {
    /// Variables, `d`.
    pub dim: usize,
    /// Functions in a task.
    pub batch: usize,
    /// Updates of a task.
    pub horizon: usize,
    /// `ℓ`.
    pub length_scale: f64,
    /// `M`.
    pub features: usize,
}

impl Default for GpSamples {
    fn default() -> Self {
        Self { dim: 2, batch: 32, horizon: 30, length_scale: 0.3, features: 64 }
    }
}

impl GpSamples {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let counts = [
            ("dim", self.dim),
            ("batch", self.batch),
            ("horizon", self.horizon),
            ("features", self.features),
        ];
        for (name, value) in counts {
            if value == 0 {
                return Err(Error::setting(format!("tasks.{name}"), "at least 1", value));
            }
        }
        if self.length_scale > 0.0 && self.length_scale.is_finite() {
            Ok(())
        } else {
            Err(Error::setting("tasks.length_scale", "above zero", self.length_scale))
        }
    }
}

impl TaskFamily for GpSamples {
    fn sample(&self, seed: u64) -> Result<TensorTask> {
        let mut rng = stream(seed, Purpose::Problem, 0, 0);
        let (batch, dim, features) = (self.batch, self.dim, self.features);
        let device = &Device::Cpu;
        let mut normal = |count: usize, scale: f64| -> Vec<f32> {
            (0..count)
                .map(|_| (scale * Distribution::<f64>::sample(&StandardNormal, &mut rng)) as f32)
                .collect()
        };
        let omega = normal(batch * dim * features, 1.0 / self.length_scale);
        let weight = normal(batch * features, (2.0 / features as f64).sqrt());
        let phase: Vec<f32> =
            (0..batch * features).map(|_| rng.random_range(0.0..std::f32::consts::TAU)).collect();
        let cost = Waves {
            space: Space::new(vec![Block::bounded("x", [dim], 0.0, 1.0)])?,
            omega: Tensor::from_vec(omega, (batch, dim, features), device)?,
            phase: Tensor::from_vec(phase, (batch, features), device)?,
            weight: Tensor::from_vec(weight, (batch, features), device)?,
        };
        let start = Tensor::full(0.5f32, (batch, dim), device)?;
        let start = cost.space.point(vec![start])?;
        Ok(TensorTask { cost: Box::new(cost), start, context: None, target: None })
    }

    fn horizon(&self) -> usize {
        self.horizon
    }
}

/// Sums of waves, one function per batch element.
struct Waves {
    space: Space,
    omega: Tensor,
    phase: Tensor,
    weight: Tensor,
}

impl CostFunction for Waves {
    fn space(&self) -> &Space {
        &self.space
    }

    fn evaluate(&self, at: &Point, block: BlockId) -> dro_core::Result<Cost> {
        let x = at.get(block);
        let dtype: DType = x.dtype();
        let angle = x.unsqueeze(1)?.matmul(&self.omega.to_dtype(dtype)?)?.squeeze(1)?;
        let waves = (angle + self.phase.to_dtype(dtype)?)?.cos()?;
        Ok(Cost { total: (waves * self.weight.to_dtype(dtype)?)?.sum(1)?, map: None })
    }

    fn is_differentiable(&self) -> bool {
        true
    }
}
