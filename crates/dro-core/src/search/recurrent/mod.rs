//! The learned optimizer for any number of dimensions.
//!
//! Three things remember what was tried. A *memory* (`memory`) holds the last points and costs as a Gaussian process,
//! a *distribution* (`distribution`) the region in search, and a GRU (`policy`) the course of events: after every
//! evaluation it reads how the cost compares with the incumbent, with what was expected and with what was seen, and
//! decides how the next candidate is made and judged. The GRU's parameters were trained by evolution strategies on
//! generated tasks; with parameters of zero the search runs on settings made by hand.
//!
//! What the network reads are comparisons between costs, and lengths in units of the region's size. So one set of weights
//! serves every dimension, and:
//!
//! * an increasing affine change of the cost changes no step (exactly, for powers of two; else up to rounding);
//! * unbounded coordinates may be shifted and scaled together with the start and the scale of the
//!   [`Encoding`](super::Encoding);
//! * the order of the coordinates does not matter, but for the random numbers they draw.

mod candidates;
mod distribution;
mod factor;
mod lanes;
mod memory;
mod policy;
mod regression;
#[cfg(test)]
mod tests;
mod weights;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use self::weights::Weights;
use self::{
    candidates::Pool,
    distribution::{Distribution, Member},
    memory::Memory,
    policy::{Controls, FEATURES, Features, HIDDEN, Hidden, Kind},
};
use super::{Frame, Strategy};

/// Standard deviation of the first samples, in units of the box.
const SIGMA: f64 = 0.3;

/// Points that the memory keeps from one generation to the next: those nearest to the best.
const CAPACITY: usize = 48;

/// Gradient steps on the memory's prediction in one refinement.
const ROUNDS: usize = 3;

/// One recurrent rule for 1 to some dozens of dimensions; see the [module](self).
///
/// ```
/// use dro_core::{Block, Space, search::{Method, Run}};
///
/// # fn main() -> dro_core::Result<()> {
/// let space = Space::new(vec![Block::bounded("x", [6], -2.0, 2.0)])?;
/// // Quantised, and badly scaled.
/// let cost = |x: &[f64]| {
///     let sum: f64 = x.iter().enumerate().map(|(i, x)| 3f64.powi(i as i32) * (x - 0.7) * (x - 0.7)).sum();
///     (1e3 * sum).floor() / 1e3
/// };
/// let found = Run::new(&space).method(Method::Recurrent).evaluations(300).minimize(cost)?;
/// assert!(found.best_cost <= 0.05, "{found:?}");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecurrentSearch {
    frame: Frame,
    weights: Weights,
    rng: ChaCha8Rng,
    /// The order in which coordinates draw random numbers.
    axes: Vec<usize>,
    hidden: Hidden,
    controls: Controls,
    memory: Memory,
    place: Distribution,
    /// What the memory was told, in the frame's coordinates: its own change with the distribution's shape.
    xs: Vec<f64>,
    costs: Vec<Option<f64>>,
    generation: Vec<Member>,
    /// The best of the present descent.
    best: Option<f64>,
    best_x: Vec<f64>,
    best_z: Vec<f64>,
    /// The best points of earlier descents, one after the other.
    visited: Vec<f64>,
    slots: Vec<Slot>,
    evaluations: usize,
    stale: usize,
    restarts: usize,
    rebuilds: usize,
    converged: bool,
    largest_spread: f64,
    success_rate: f64,
    surprise: f64,
    #[serde(skip)]
    pool: Pool,
    #[serde(skip)]
    scratch: Scratch,
}

/// A trial that is open, or room for one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Slot {
    open: bool,
    x: Vec<f64>,
    expected: Expectation,
}

/// What was expected of a trial.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Expectation {
    kind: Kind,
    mean: f64,
    deviation: f64,
    /// From the best point, whitened.
    distance: f64,
}

#[derive(Debug, Clone, Default)]
struct Scratch {
    z: Vec<f64>,
    points: Vec<f64>,
    distances: Vec<(f64, usize)>,
    members: Vec<Member>,
}

impl RecurrentSearch {
    /// The bundled weights.
    pub fn new(frame: &Frame, seed: u64) -> Self {
        Self::with(frame, seed, Weights::bundled())
    }

    /// Weights of one's own.
    pub fn with(frame: &Frame, seed: u64, weights: Weights) -> Self {
        let dim = frame.dim();
        Self {
            frame: frame.clone(),
            weights,
            rng: ChaCha8Rng::seed_from_u64(seed),
            axes: (0..dim).collect(),
            hidden: [0.0; HIDDEN],
            controls: Controls::new(&[0.0; policy::OUTPUTS]),
            memory: empty_memory(dim),
            place: Distribution::new(&frame.start, SIGMA),
            xs: Vec::new(),
            costs: Vec::new(),
            generation: Vec::new(),
            best: None,
            best_x: frame.start.clone(),
            best_z: frame.start.clone(),
            visited: Vec::new(),
            slots: Vec::new(),
            evaluations: 0,
            stale: 0,
            restarts: 0,
            rebuilds: 0,
            converged: false,
            largest_spread: 0.0,
            success_rate: 0.2,
            surprise: 1.0,
            pool: Pool::default(),
            scratch: Scratch::default(),
        }
    }

    fn dim(&self) -> usize {
        self.axes.len()
    }

    /// A typical length of a sample, whitened.
    fn size(&self) -> f64 {
        self.place.sigma * (self.dim() as f64).sqrt()
    }

    /// The features of an evaluation, before the memory has learned from it. The network sees nothing else.
    fn features(&self, expected: &Expectation, cost: Option<f64>, success: bool) -> Features {
        let n = self.dim() as f64;
        let indicator = |yes: bool| f64::from(u8::from(yes));
        let looks = self.memory.look(cost);
        let (lowest, signal) = self.memory.level();
        let in_signals = |value: f64| (value / signal.max(1e-9)).clamp(-4.0, 4.0);
        let rank = match cost {
            Some(cost) if !self.costs.is_empty() => {
                let lower = self.costs.iter().flatten().filter(|other| **other <= cost).count();
                lower as f64 / self.costs.len() as f64
            }
            Some(_) => 0.5,
            None => 1.0,
        };
        let features: [f64; FEATURES] = [
            indicator(success),
            in_signals(lowest - looks),
            2.0 * rank - 1.0,
            indicator(cost.is_none()),
            0.5 * self.error(expected, looks),
            in_signals(lowest - expected.mean),
            0.5 * (expected.distance / self.size()).max(1e-3).ln().clamp(-4.0, 4.0),
            0.2 * self.place.sigma.ln(),
            0.4 * ((self.evaluations + 1) as f64 / n).ln(),
            0.5 * n.ln(),
            4.0 * self.success_rate,
            0.3 * self.place.log_condition(),
            0.4 * (self.memory.length() / self.size()).ln(),
            self.surprise,
            (self.stale as f64 / n).ln_1p(),
            0.2 * expected.deviation.max(1e-9).ln().clamp(-8.0, 4.0),
            indicator(expected.kind == Kind::Refine),
            indicator(expected.kind == Kind::Sample),
            indicator(expected.kind == Kind::Axes),
            indicator(expected.kind == Kind::Global),
            (self.restarts as f64).ln_1p(),
        ];
        features.map(|feature| feature as f32)
    }

    /// The prediction's error in its own standard deviations.
    fn error(&self, expected: &Expectation, looks: f64) -> f64 {
        ((looks - expected.mean) / expected.deviation.max(1e-9)).clamp(-4.0, 4.0)
    }

    /// The one-fifth success rule (Rechenberg 1973) with the network's correction. A tie is half a success: on a plateau
    /// the region must not shrink.
    fn resize(&mut self, success: bool, tie: bool) {
        let won = if success { 1.0 } else { 0.5 * f64::from(u8::from(tie)) };
        let damping = 1.0 + 0.4 * self.dim() as f64;
        let change = 1.2 * (won - 0.35 * (1.0 - won)) + self.controls.growth;
        self.place.sigma *= (change / damping).exp();
    }

    /// A generation is complete: the distribution moves, and the memory forgets what is far.
    fn next_generation(&mut self) {
        let mut members = std::mem::take(&mut self.generation);
        self.place.update(&mut members, &self.best_x, self.controls.rate, self.controls.anchor);
        if let (Some(best), Some(middle)) = (self.best, members.get(members.len() / 2).and_then(|m| m.cost)) {
            let same = self.largest_spread * self.controls.tolerance + 1e-14 * best.abs();
            self.converged = middle > best && middle - best < same;
        }
        self.scratch.members.append(&mut members);
        self.generation = members;
        self.place.whiten(&self.best_x, &mut self.best_z);
        if self.costs.len() > CAPACITY {
            self.forget();
        }
        self.relearn();
    }

    /// Keeps the points nearest to the best, in their order.
    fn forget(&mut self) {
        let dim = self.dim();
        let Scratch { z, distances, .. } = &mut self.scratch;
        distances.clear();
        for (i, x) in self.xs.chunks_exact(dim).enumerate() {
            self.place.whiten(x, z);
            let squared: f64 = z.iter().zip(&self.best_z).map(|(a, b)| (a - b) * (a - b)).sum();
            distances.push((squared, i));
        }
        distances.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        distances.truncate(CAPACITY);
        distances.sort_unstable_by_key(|(_, i)| *i);
        for (to, &(_, from)) in distances.iter().enumerate() {
            self.xs.copy_within(from * dim..(from + 1) * dim, to * dim);
            self.costs[to] = self.costs[from];
        }
        self.xs.truncate(distances.len() * dim);
        self.costs.truncate(distances.len());
    }

    /// The memory anew, in the coordinates of the distribution's present shape.
    fn relearn(&mut self) {
        let dim = self.dim();
        let size = self.size();
        let Scratch { z, points, .. } = &mut self.scratch;
        points.clear();
        for x in self.xs.chunks_exact(dim) {
            self.place.whiten(x, z);
            points.extend_from_slice(z);
        }
        // Longer and shorter lengths are tried in turn.
        self.rebuilds += 1;
        let factor = if self.rebuilds.is_multiple_of(2) { 2.0 } else { 0.5 };
        let bounds = (0.3 * size, (30.0 * size).min(3.0 * (dim as f64).sqrt()));
        self.memory.rebuild(points, &self.costs, &self.controls.view, factor, bounds);
    }

    /// A new descent, far from where the earlier ones ended.
    fn restart(&mut self) {
        let dim = self.dim();
        self.visited.extend_from_slice(&self.best_x);
        self.restarts += 1;
        let mut farthest = -1.0;
        for _ in 0..8 {
            let mut x = vec![0.0; dim];
            self.axes.iter().for_each(|&axis| x[axis] = self.rng.random());
            let squared = |v: &[f64]| v.iter().zip(&x).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
            let nearest = self.visited.chunks_exact(dim).map(squared).fold(f64::INFINITY, f64::min);
            if nearest > farthest {
                farthest = nearest;
                self.best_x = x;
            }
        }
        self.best_z.clone_from(&self.best_x);
        self.best = None;
        self.place = Distribution::new(&self.best_x, SIGMA);
        self.memory = empty_memory(dim);
        self.xs.clear();
        self.costs.clear();
        self.generation.clear();
        self.stale = 0;
        self.converged = false;
        self.largest_spread = 0.0;
    }
}

fn empty_memory(dim: usize) -> Memory {
    Memory::new(dim, CAPACITY + Distribution::generation(dim), 0.35 * (dim as f64).sqrt())
}

impl Strategy for RecurrentSearch {
    const NAME: &'static str = "recurrent";

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn propose(&mut self, x: &mut [f64]) -> u32 {
        let dim = self.dim();
        self.pool.resize(dim);
        let mut kind = Kind::Sample;
        let (mut mean, mut deviation) = (0.0, 1.0);
        if self.evaluations == 0 && !self.slots.iter().any(|slot| slot.open) {
            x.copy_from_slice(&self.frame.start);
        } else {
            let chosen = self.controls.kind(self.rng.random());
            if self.memory.len() > 0 {
                kind = chosen;
            }
            let mut lowest = f64::INFINITY;
            for group in 0..if kind == Kind::Refine { 1 } else { 2 } {
                match kind {
                    Kind::Refine => self.refine(ROUNDS),
                    Kind::Sample => self.sample(group == 1, self.controls.spread),
                    Kind::Axes => self.along_axes(),
                    Kind::Global => self.anywhere(),
                }
                let choice = self.judge();
                if group == 0 || choice.score < lowest {
                    (lowest, mean, deviation) = (choice.score, choice.mean, choice.deviation);
                    x.iter_mut().zip(&self.pool.x).for_each(|(x, lanes)| *x = lanes[choice.lane]);
                }
            }
        }
        self.place.whiten(x, &mut self.scratch.z);
        let squared: f64 = self.scratch.z.iter().zip(&self.best_z).map(|(a, b)| (a - b) * (a - b)).sum();
        let expected = Expectation { kind, mean, deviation, distance: squared.sqrt() };
        let place = self.slots.iter().position(|slot| !slot.open).unwrap_or(self.slots.len());
        if let Some(slot) = self.slots.get_mut(place) {
            slot.x.copy_from_slice(x);
            (slot.open, slot.expected) = (true, expected);
        } else {
            self.slots.push(Slot { open: true, x: x.to_vec(), expected });
        }
        place as u32
    }

    fn absorb(&mut self, tag: u32, x: &[f64], cost: f64) {
        let Some(slot) = self.slots.get_mut(tag as usize) else { return };
        slot.open = false;
        let expected = slot.expected;
        let cost = cost.is_finite().then_some(cost);
        let first = self.best.is_none();
        let success = cost.is_some_and(|cost| self.best.is_none_or(|best| cost < best));
        let tie = cost.is_some() && cost == self.best;
        let features = self.features(&expected, cost, success);
        let error = self.error(&expected, self.memory.look(cost));

        self.evaluations += 1;
        self.xs.extend_from_slice(x);
        self.costs.push(cost);
        self.place.whiten(x, &mut self.scratch.z);
        self.memory.push(&self.scratch.z, cost);
        self.stale += 1;
        if success {
            self.best = cost;
            self.best_x.copy_from_slice(x);
            self.best_z.clone_from(&self.scratch.z);
            self.stale = 0;
        }
        self.success_rate += 0.1 * (f64::from(u8::from(success)) - self.success_rate);
        self.surprise += 0.1 * (error.abs() - self.surprise);
        if !first && matches!(expected.kind, Kind::Sample | Kind::Refine) {
            self.resize(success, tie);
        }
        self.place.sigma = self.place.sigma.clamp(1e-13, 1.0);
        self.controls = Controls::new(&policy::update(self.weights.theta(), &mut self.hidden, &features));

        let mut member = self.scratch.members.pop().unwrap_or(Member { x: Vec::new(), cost });
        member.cost = cost;
        member.x.clear();
        member.x.extend_from_slice(x);
        self.generation.push(member);
        if self.generation.len() >= Distribution::generation(self.dim()) {
            self.next_generation();
        } else {
            self.memory.fit(&self.controls.view);
        }
        self.largest_spread = self.largest_spread.max(self.memory.spread());
        let patience = self.controls.patience * (2 + self.dim()) as f64;
        if self.converged || self.place.sigma < 1e-11 || self.stale as f64 > patience {
            self.restart();
        }
    }
}
