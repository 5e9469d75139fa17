//! What several baselines share.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::search::Frame;

/// What a failed evaluation costs inside a strategy: worse than anything, and still a number that sums and JSON bear.
pub(super) const WORST: f64 = 1e100;

/// A cost to rank by: [`WORST`] where the evaluation failed.
pub(super) fn ranked(cost: f64) -> f64 {
    cost.clamp(-WORST, WORST)
}

pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// The step of a (1+1)-ES after one try: it grows by `exp(1/3)` on success and shrinks by a quarter
/// of that on failure (Kern et al. 2004, figure 4).
pub(super) fn one_fifth(sigma: f64, success: bool) -> f64 {
    sigma * if success { (1.0f64 / 3.0).exp() } else { (-1.0f64 / 12.0).exp() }
}

/// The best point that a strategy has absorbed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Best {
    pub x: Vec<f64>,
    pub cost: f64,
}

impl Best {
    /// Nothing yet: the start, at the worst cost.
    pub fn new(frame: &Frame) -> Self {
        Self { x: frame.start.clone(), cost: WORST }
    }

    pub fn offer(&mut self, x: &[f64], cost: f64) {
        if cost < self.cost {
            self.x.copy_from_slice(x);
            self.cost = cost;
        }
    }

    /// Whether any evaluation succeeded.
    pub fn found(&self) -> bool {
        self.cost < WORST
    }

    /// A Gaussian sample around it: what a sequential strategy proposes while it waits for an answer.
    pub fn near(&self, sigma: f64, rng: &mut ChaCha8Rng, x: &mut [f64]) {
        for (x, best) in x.iter_mut().zip(&self.x) {
            *x = best + sigma * normal(rng);
        }
    }
}
