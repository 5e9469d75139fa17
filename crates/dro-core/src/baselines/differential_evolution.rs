//! Differential evolution.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::common::{WORST, ranked};
use crate::search::{Frame, Strategy};

/// Differential evolution (Storn & Price 1997) of the kind current-to-best/1/bin: member `i` is challenged by
/// `x_i + F (x_best − x_i) + F (x_a − x_b)` in a share CR = 0.9 of its coordinates, with F drawn from [0.5, 1) for every
/// challenge, and replaced by what is not worse.
///
/// Members are challenged in turn, without waiting for the others, so any number of trials may be open. The population
/// is `5 d`, at least 10 and at most 50: the start, and uniform samples of the unit box. What leaves the box is put
/// half-way between the member and the side it left by. A population that has shrunk to a point (10⁻¹⁰) keeps it and
/// draws the others anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DifferentialEvolution {
    frame: Frame,
    rng: ChaCha8Rng,
    /// `[members, dim]`, row-major.
    members: Vec<f64>,
    costs: Vec<f64>,
    best: usize,
    /// Challenges proposed in all.
    turn: u64,
    /// Members that are still to be evaluated themselves.
    fresh: Vec<bool>,
}

impl DifferentialEvolution {
    /// Its own stream of random numbers per seed.
    pub fn new(frame: &Frame, seed: u64) -> Self {
        let count = (5 * frame.dim()).clamp(10, 50);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut members = frame.start.clone();
        members.extend((frame.dim()..count * frame.dim()).map(|_| rng.random::<f64>()));
        Self {
            frame: frame.clone(),
            rng,
            members,
            costs: vec![WORST; count],
            best: 0,
            turn: 0,
            fresh: vec![true; count],
        }
    }

    fn member(&self, i: usize) -> &[f64] {
        let dim = self.frame.dim();
        &self.members[i * dim..(i + 1) * dim]
    }

    /// Two other members.
    fn two(&mut self, i: usize) -> (usize, usize) {
        let count = self.costs.len();
        let a = (i + self.rng.random_range(1..count)) % count;
        let mut b = (i + self.rng.random_range(1..count)) % count;
        while b == a {
            b = (i + self.rng.random_range(1..count)) % count;
        }
        (a, b)
    }

    fn renew_if_collapsed(&mut self) {
        let dim = self.frame.dim();
        let best = self.member(self.best);
        let near = |row: &[f64]| row.iter().zip(best).all(|(x, best)| (x - best).abs() < 1e-10);
        if !self.members.chunks(dim).all(near) {
            return;
        }
        for i in (0..self.costs.len()).filter(|i| *i != self.best) {
            self.members[i * dim..(i + 1) * dim].iter_mut().for_each(|x| *x = self.rng.random());
            self.costs[i] = WORST;
            self.fresh[i] = true;
        }
    }
}

impl Strategy for DifferentialEvolution {
    const NAME: &'static str = "differential-evolution";

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn propose(&mut self, x: &mut [f64]) -> u32 {
        let count = self.costs.len();
        let i = (self.turn % count as u64) as usize;
        if i == 0 && self.turn > 0 {
            self.renew_if_collapsed();
        }
        self.turn += 1;
        if std::mem::take(&mut self.fresh[i]) {
            x.copy_from_slice(self.member(i));
            return i as u32;
        }
        let (a, b) = self.two(i);
        let f = self.rng.random_range(0.5..1.0);
        let always = self.rng.random_range(0..x.len());
        for (j, x) in x.iter_mut().enumerate() {
            let crossed = self.rng.random::<f64>() < 0.9;
            let at = |member: usize| self.members[member * self.frame.dim() + j];
            *x = at(i);
            if crossed || j == always {
                *x += f * (at(self.best) - at(i)) + f * (at(a) - at(b));
                if self.frame.boxed[j] && !(0.0..=1.0).contains(x) {
                    *x = 0.5 * (at(i) + if *x < 0.0 { 0.0 } else { 1.0 });
                }
            }
        }
        i as u32
    }

    fn absorb(&mut self, tag: u32, x: &[f64], cost: f64) {
        let (i, dim, cost) = (tag as usize, self.frame.dim(), ranked(cost));
        if cost <= self.costs[i] {
            self.costs[i] = cost;
            self.members[i * dim..(i + 1) * dim].copy_from_slice(x);
            if cost < self.costs[self.best] {
                self.best = i;
            }
        }
    }
}
