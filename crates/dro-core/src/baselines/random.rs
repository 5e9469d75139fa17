//! Random search.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::search::{Frame, Strategy};

/// Independent samples, uniform in the unit box (also where coordinates are free): the baseline that every other search
/// must beat (Bergstra & Bengio 2012).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RandomSearch {
    frame: Frame,
    rng: ChaCha8Rng,
}

impl RandomSearch {
    /// Its own stream of random numbers per seed.
    pub fn new(frame: &Frame, seed: u64) -> Self {
        Self { frame: frame.clone(), rng: ChaCha8Rng::seed_from_u64(seed) }
    }
}

impl Strategy for RandomSearch {
    const NAME: &'static str = "random";

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn propose(&mut self, x: &mut [f64]) -> u32 {
        x.iter_mut().for_each(|x| *x = self.rng.random());
        0
    }

    fn absorb(&mut self, _tag: u32, _x: &[f64], _cost: f64) {}
}
