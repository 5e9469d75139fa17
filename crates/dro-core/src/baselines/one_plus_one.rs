//! The (1+1) evolution strategy as an ask/tell search.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::common::{Best, one_fifth, ranked};
use crate::search::{Frame, Strategy};

const SIGMA: f64 = 0.3;

/// Gaussian steps from the best point so far, which is replaced by what is not worse; the step follows the one-fifth
/// success rule (Rechenberg 1973; Kern et al. 2004, figure 4). The start is evaluated first. A step that has shrunk to
/// nothing (10⁻¹²) begins anew at 0.3.
///
/// [`OnePlusOneEs`](super::OnePlusOneEs) is the same rule on tensors, behind the block-wise driver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OnePlusOneSearch {
    frame: Frame,
    rng: ChaCha8Rng,
    best: Best,
    sigma: f64,
    started: bool,
}

/// The start has no success to count.
const START: u32 = 0;
const STEP: u32 = 1;

impl OnePlusOneSearch {
    /// Its own stream of random numbers per seed.
    pub fn new(frame: &Frame, seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { frame: frame.clone(), rng, best: Best::new(frame), sigma: SIGMA, started: false }
    }

    /// The step size.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }
}

impl Strategy for OnePlusOneSearch {
    const NAME: &'static str = "one-plus-one-es";

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn propose(&mut self, x: &mut [f64]) -> u32 {
        if !self.started {
            self.started = true;
            x.copy_from_slice(&self.frame.start);
            return START;
        }
        self.best.near(self.sigma, &mut self.rng, x);
        STEP
    }

    fn absorb(&mut self, tag: u32, x: &[f64], cost: f64) {
        let cost = ranked(cost);
        // A failure beside nothing but failures is as good a place to go on from.
        let success = cost <= self.best.cost;
        if success {
            self.best.x.copy_from_slice(x);
            self.best.cost = cost;
        }
        if tag == STEP && self.best.found() {
            // Beyond a step of the whole box there is nothing to find.
            self.sigma = one_fifth(self.sigma, success).min(1e3);
            if self.sigma < 1e-12 {
                self.sigma = SIGMA;
            }
        }
    }
}
