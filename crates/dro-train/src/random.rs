//! Random numbers by counters: what a number is depends on where it is used, never on what was drawn before.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// What random numbers are for; different purposes never share a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Task = 1,
    HeldOut = 2,
    Noise = 3,
    Initial = 4,
    Problem = 5,
}

/// The stream of random numbers at one place of a training: the four numbers are the key of the cipher.
pub(crate) fn stream(seed: u64, purpose: Purpose, step: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, value) in key.chunks_exact_mut(8).zip([seed, purpose as u64, step, index]) {
        part.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// `count` standard normal numbers: the direction in which pair `index` looks at training step `step`.
pub(crate) fn direction(seed: u64, step: u64, index: u64, count: usize) -> Vec<f32> {
    let mut rng = stream(seed, Purpose::Noise, step, index);
    (0..count).map(|_| StandardNormal.sample(&mut rng)).collect()
}

/// The endless list of training tasks, and how many of them are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks {
    seed: u64,
    drawn: u64,
}

impl Tasks {
    /// The list of this seed, from its start.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next task: 64 random bits, so that none comes twice, nor is one of the held-out tasks.
    pub fn draw(&mut self) -> u64 {
        let task = stream(self.seed, Purpose::Task, 0, self.drawn).next_u64();
        self.drawn += 1;
        task
    }

    /// The task that [`draw`](Self::draw) will give.
    pub fn peek(&self) -> u64 {
        let mut ahead = *self;
        ahead.draw()
    }

    /// How many were drawn.
    pub fn drawn(&self) -> u64 {
        self.drawn
    }
}

/// `count` tasks that training does not see.
pub fn held_out(seed: u64, count: usize) -> Vec<u64> {
    (0..count as u64).map(|index| stream(seed, Purpose::HeldOut, 0, index).next_u64()).collect()
}
