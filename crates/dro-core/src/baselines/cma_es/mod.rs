//! Evolution strategy with covariance adaptation.

mod constants;
mod shape;

use std::collections::VecDeque;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use self::{
    constants::{Constants, default_lambda},
    shape::{Shape, add, dot},
};
use super::common::{WORST, normal, ranked};
use crate::search::{Frame, Strategy};

/// The first step: three tenths of the box.
const SIGMA: f64 = 0.3;
/// Samples drawn until one is inside the box; the last one is clamped.
const TRIES: usize = 10;
/// Generations in a row without a single success until the search starts elsewhere.
const BARREN: u32 = 10;

/// CMA-ES (Hansen, *The CMA Evolution Strategy: A Tutorial*, arXiv 1604.00772) with its default constants, negative
/// weights included, from `frame.start` with steps of 0.3.
///
/// * Candidates out of the box are drawn again, up to ten times, then clamped; what was evaluated is what it learns
///   from.
/// * A run that has converged, diverged or become degenerate (pycma's `tolx`, `tolfunhist`, `tolxup`,
///   `tolconditioncov`) is followed by one of twice the population from a random place (IPOP: Auger & Hansen 2005).
/// * A generation is whatever was told since the last one, at least λ: larger batches are larger generations.
///   Candidates of an earlier generation are taken as injected solutions (Hansen, arXiv 1110.4181): at most as long as
///   its equation 3 allows.
///
/// ```
/// use dro_core::search::{AskTell, Frame, Search};
/// use dro_core::baselines::CmaEs;
///
/// # fn main() -> dro_core::Result<()> {
/// let mut search = AskTell::new(CmaEs::new(&Frame::unit(3), 1));
/// let mut x = [0.0; 3];
/// for _ in 0..600 {
///     let trial = search.ask(&mut x)?;
///     search.tell(trial, x.iter().map(|x| (x - 0.7).abs()).sum())?;
/// }
/// assert!(search.best().is_some_and(|best| best.cost < 1e-4));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CmaEs {
    frame: Frame,
    rng: ChaCha8Rng,
    /// Candidates that make a generation.
    lambda: usize,
    /// For as many candidates as the last generation had.
    constants: Constants,
    mean: Vec<f64>,
    sigma: f64,
    shape: Shape,
    path_sigma: Vec<f64>,
    path_c: Vec<f64>,
    /// Generations and restarts so far: the tag of candidates.
    epoch: u32,
    /// The epoch this run began in.
    born: u32,
    decomposed: u32,
    barren: u32,
    /// What was told and not yet learned from, row by row.
    xs: Vec<f64>,
    costs: Vec<f64>,
    /// The best costs of the last generations.
    recent: VecDeque<f64>,
    #[serde(skip)]
    scratch: Scratch,
}

/// Room that holds nothing between two calls.
#[derive(Debug, Clone, Default)]
struct Scratch {
    order: Vec<usize>,
    y: Vec<f64>,
    z: Vec<f64>,
}

impl Scratch {
    fn fit(&mut self, dim: usize) {
        self.y.resize(dim, 0.0);
        self.z.resize(dim, 0.0);
    }
}

impl CmaEs {
    /// Its own stream of random numbers per seed.
    pub fn new(frame: &Frame, seed: u64) -> Self {
        let dim = frame.dim();
        let lambda = default_lambda(dim);
        Self {
            frame: frame.clone(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            lambda,
            constants: Constants::new(dim, lambda),
            mean: frame.start.clone(),
            sigma: SIGMA,
            shape: Shape::identity(dim),
            path_sigma: vec![0.0; dim],
            path_c: vec![0.0; dim],
            epoch: 0,
            born: 0,
            decomposed: 0,
            barren: 0,
            xs: Vec::new(),
            costs: Vec::new(),
            recent: VecDeque::new(),
            scratch: Scratch::default(),
        }
    }

    /// Candidates per generation, at least.
    pub fn population(&self) -> usize {
        self.lambda
    }

    /// The step size, σ.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    fn restart(&mut self) {
        let dim = self.frame.dim();
        self.lambda = (2 * self.lambda).min(1 << 12);
        for x in &mut self.mean {
            *x = self.rng.random();
        }
        self.sigma = SIGMA;
        self.shape = Shape::identity(dim);
        self.path_sigma.fill(0.0);
        self.path_c.fill(0.0);
        self.epoch += 1;
        (self.born, self.decomposed, self.barren) = (self.epoch, self.epoch, 0);
        self.recent.clear();
    }

    /// One generation: mean, paths, covariance and step (equations 42 to 47).
    fn learn(&mut self) {
        let (dim, told) = (self.frame.dim(), self.costs.len());
        if told != self.constants.weights.len() {
            self.constants = Constants::new(dim, told);
        }
        let costs = &self.costs;
        let order = &mut self.scratch.order;
        order.clear();
        order.extend(0..told);
        order.sort_unstable_by(|&a, &b| costs[a].total_cmp(&costs[b]).then(a.cmp(&b)));
        let best = costs[order[0]];
        let flat = best == costs[order[(told * 7).div_ceil(10) - 1]];
        if best >= WORST {
            // Nothing to rank by.
            self.barren += 1;
            self.epoch += 1;
            if self.barren >= BARREN {
                self.restart();
            }
            return;
        }
        self.barren = 0;

        let Constants { weights, parents, mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, chi, lag } =
            &self.constants;
        let ((mu, c_sigma, d_sigma, c_c), (c_1, c_mu)) = ((*mu_eff, *c_sigma, *d_sigma, *c_c), (*c_1, *c_mu));
        for x in self.xs.chunks_mut(dim) {
            x.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x = (*x - mean) / self.sigma);
        }
        let rows = || order.iter().map(|&row| &self.xs[row * dim..(row + 1) * dim]).zip(weights);

        let (step, white) = (&mut self.scratch.y, &mut self.scratch.z);
        step.fill(0.0);
        rows().take(*parents).for_each(|(y, w)| add(step, *w, y));
        add(&mut self.mean, self.sigma, step);

        self.shape.whiten(step, white);
        self.path_sigma.iter_mut().for_each(|p| *p *= 1.0 - c_sigma);
        add(&mut self.path_sigma, (c_sigma * (2.0 - c_sigma) * mu).sqrt(), white);
        let length = dot(&self.path_sigma, &self.path_sigma).sqrt();
        let age = f64::from(self.epoch - self.born + 1);
        let settled = (1.0 - (1.0 - c_sigma).powf(2.0 * age)).sqrt();
        let h = if length / settled < (1.4 + 2.0 / (dim as f64 + 1.0)) * chi { 1.0 } else { 0.0 };
        self.path_c.iter_mut().for_each(|p| *p *= 1.0 - c_c);
        add(&mut self.path_c, h * (c_c * (2.0 - c_c) * mu).sqrt(), step);

        let total: f64 = weights.iter().sum();
        self.shape.scale(1.0 + c_1 * ((1.0 - h) * c_c * (2.0 - c_c) - 1.0) - c_mu * total);
        let shape = &mut self.shape;
        shape.add_outer(c_1, &self.path_c);
        for (y, &w) in rows() {
            let w = if w >= 0.0 {
                w
            } else {
                shape.whiten(y, white);
                w * dim as f64 / dot(white, white).max(1e-12)
            };
            shape.add_outer(c_mu * w, y);
        }
        self.sigma *= (c_sigma / d_sigma * (length / chi - 1.0)).min(1.0).exp();
        if flat {
            self.sigma *= (0.2 + c_sigma / d_sigma).exp();
        }

        self.epoch += 1;
        let mut sound = true;
        if self.epoch - self.decomposed >= *lag {
            self.decomposed = self.epoch;
            sound = self.shape.decompose();
        }
        self.recent.push_back(best);
        if self.recent.len() > 10 + (30 * dim).div_ceil(self.lambda) {
            self.recent.pop_front();
            let (low, high) = self
                .recent
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &c| (l.min(c), h.max(c)));
            sound &= high - low > 1e-12 * low.abs();
        }
        let spread = self.sigma * self.shape.largest_root();
        if !(sound && spread > 1e-12 && spread < 1e4 * SIGMA) {
            self.restart();
        }
    }
}

impl Strategy for CmaEs {
    const NAME: &'static str = "cma-es";

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn propose(&mut self, x: &mut [f64]) -> u32 {
        self.scratch.fit(self.frame.dim());
        if self.costs.len() >= self.lambda {
            self.learn();
            self.xs.clear();
            self.costs.clear();
        }
        for _ in 0..TRIES {
            self.scratch.z.iter_mut().for_each(|z| *z = normal(&mut self.rng));
            self.shape.colour(&self.scratch.z, x);
            x.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x = mean + self.sigma * *x);
            if x.iter().zip(&self.frame.boxed).all(|(x, boxed)| !boxed || (0.0..=1.0).contains(x)) {
                break;
            }
        }
        self.epoch
    }

    fn absorb(&mut self, tag: u32, x: &[f64], cost: f64) {
        if tag < self.born {
            return;
        }
        let from = self.xs.len();
        self.xs.extend_from_slice(x);
        self.costs.push(ranked(cost));
        if tag != self.epoch {
            self.scratch.fit(self.frame.dim());
            let Scratch { y, z, .. } = &mut self.scratch;
            y.iter_mut()
                .zip(x.iter().zip(&self.mean))
                .for_each(|(y, (x, mean))| *y = (x - mean) / self.sigma);
            self.shape.whiten(y, z);
            let (n, length) = (self.frame.dim() as f64, dot(z, z).sqrt());
            let allowed = n.sqrt() + 2.0 * n / (n + 2.0);
            if length > allowed {
                let k = allowed / length;
                let rows = self.xs[from..].iter_mut().zip(&self.mean);
                rows.for_each(|(x, mean)| *x = mean + k * (*x - mean));
            }
        }
    }
}
