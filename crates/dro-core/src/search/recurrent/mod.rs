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
mod desk;
mod distribution;
mod elementary;
mod factor;
mod lanes;
mod memory;
mod noise;
mod policy;
mod regression;
mod square;
#[cfg(test)]
mod tests;
mod weights;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use self::weights::Weights;
use self::{
    desk::Desk,
    distribution::Distribution,
    elementary::ln_all,
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
    /// The memory's points in the frame's coordinates: its own change with the distribution's shape.
    xs: Vec<f64>,
    /// How many of them, the last ones, belong to the present generation.
    generation: usize,
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
            xs: Vec::with_capacity(capacity(dim) * dim),
            generation: 0,
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
    fn features(&self, expected: &Expectation, cost: Option<f64>, looks: f64, success: bool) -> Features {
        let n = self.dim() as f64;
        let indicator = |yes: bool| f64::from(u8::from(yes));
        let (lowest, signal) = self.memory.level();
        let in_signals = |value: f64| (value / signal.max(1e-9)).clamp(-4.0, 4.0);
        let rank = match cost {
            Some(cost) if self.memory.len() > 0 => self.memory.rank(cost),
            Some(_) => 0.5,
            None => 1.0,
        };
        let mut logarithms = [
            (expected.distance / self.size()).max(1e-3),
            self.place.sigma,
            (self.evaluations + 1) as f64 / n,
            n,
            self.memory.length() / self.size(),
            1.0 + self.stale as f64 / n,
            expected.deviation.max(1e-9),
            1.0 + self.restarts as f64,
        ];
        ln_all(&mut logarithms);
        let [distance, sigma, evaluations, dimension, length, stale, deviation, restarts] = logarithms;
        let features: [f64; FEATURES] = [
            indicator(success),
            in_signals(lowest - looks),
            2.0 * rank - 1.0,
            indicator(cost.is_none()),
            0.5 * self.error(expected, looks),
            in_signals(lowest - expected.mean),
            0.5 * distance.clamp(-4.0, 4.0),
            0.2 * sigma,
            0.4 * evaluations,
            0.5 * dimension,
            4.0 * self.success_rate,
            0.3 * self.place.log_condition(),
            0.4 * length,
            self.surprise,
            stale,
            0.2 * deviation.clamp(-8.0, 4.0),
            indicator(expected.kind == Kind::Refine),
            indicator(expected.kind == Kind::Sample),
            indicator(expected.kind == Kind::Axes),
            indicator(expected.kind == Kind::Global),
            restarts,
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
    fn next_generation(&mut self, desk: &mut Desk) {
        let first = self.memory.len() - self.generation;
        let costs = &self.memory.costs()[first..];
        let order = &mut desk.order;
        order.clear();
        order.extend(0..self.generation);
        let cost = |place: &usize| costs[*place].unwrap_or(f64::INFINITY);
        order.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        if let (Some(best), Some(middle)) = (self.best, order.get(order.len() / 2).and_then(|i| costs[*i])) {
            let same = self.largest_spread * self.controls.tolerance + 1e-14 * best.abs();
            self.converged = middle > best && middle - best < same;
        }
        let xs = &self.xs[first * self.axes.len()..];
        self.place.update(xs, order, &self.best_x, self.controls.rate, self.controls.anchor);
        self.generation = 0;
        self.place.whiten(&self.best_x, &mut self.best_z);
        self.place.whiten(&self.xs, &mut desk.points);
        if self.memory.len() > CAPACITY {
            self.forget(desk);
        }
        self.relearn(desk);
    }

    /// Keeps the points nearest to the best, in their order.
    fn forget(&mut self, desk: &mut Desk) {
        let dim = self.dim();
        let Desk { points, distances, .. } = desk;
        distances.clear();
        let whitened = points.chunks_exact(dim).enumerate();
        distances.extend(whitened.map(|(i, z)| (squared_distance(z, &self.best_z), i)));
        distances.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        distances.truncate(CAPACITY);
        distances.sort_unstable_by_key(|(_, i)| *i);
        for numbers in [&mut self.xs, points] {
            for (to, &(_, from)) in distances.iter().enumerate() {
                numbers.copy_within(from * dim..(from + 1) * dim, to * dim);
            }
            numbers.truncate(distances.len() * dim);
        }
        self.memory.keep(distances.iter().map(|(_, i)| *i));
    }

    /// The memory anew, in the coordinates of the distribution's present shape.
    fn relearn(&mut self, desk: &mut Desk) {
        let size = self.size();
        // Longer and shorter lengths are tried in turn.
        self.rebuilds += 1;
        let factor = if self.rebuilds.is_multiple_of(2) { 2.0 } else { 0.5 };
        let bounds = (0.3 * size, (30.0 * size).min(3.0 * (self.dim() as f64).sqrt()));
        self.memory.rebuild(&desk.points, &self.controls.view, factor, bounds, &mut desk.rebuild);
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
            let visited = self.visited.chunks_exact(dim);
            let nearest = visited.map(|v| squared_distance(v, &x)).fold(f64::INFINITY, f64::min);
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
        self.generation = 0;
        self.stale = 0;
        self.converged = false;
        self.largest_spread = 0.0;
    }

    fn propose_at(&mut self, desk: &mut Desk, x: &mut [f64]) -> u32 {
        let Desk { pool, rebuild, z, .. } = desk;
        pool.resize(self.dim());
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
                    Kind::Refine => self.refine(pool, ROUNDS),
                    Kind::Sample => self.sample(pool, group == 1, self.controls.spread),
                    Kind::Axes => self.along_axes(pool),
                    Kind::Global => self.anywhere(pool),
                }
                let choice = self.judge(pool, &mut rebuild.room);
                if group == 0 || choice.score < lowest {
                    (lowest, mean, deviation) = (choice.score, choice.mean, choice.deviation);
                    x.iter_mut().zip(&pool.x).for_each(|(x, lanes)| *x = lanes[choice.lane]);
                }
            }
        }
        self.place.whiten(x, z);
        let distance = squared_distance(z, &self.best_z).sqrt();
        let expected = Expectation { kind, mean, deviation, distance };
        let place = self.slots.iter().position(|slot| !slot.open).unwrap_or(self.slots.len());
        if let Some(slot) = self.slots.get_mut(place) {
            slot.x.copy_from_slice(x);
            (slot.open, slot.expected) = (true, expected);
        } else {
            self.slots.push(Slot { open: true, x: x.to_vec(), expected });
        }
        place as u32
    }

    fn absorb_at(&mut self, desk: &mut Desk, tag: u32, x: &[f64], cost: Option<f64>) {
        let Some(slot) = self.slots.get_mut(tag as usize) else { return };
        slot.open = false;
        let expected = slot.expected;
        let first = self.best.is_none();
        let success = cost.is_some_and(|cost| self.best.is_none_or(|best| cost < best));
        let tie = cost.is_some() && cost == self.best;
        let looks = self.memory.look(cost);
        let features = self.features(&expected, cost, looks, success);
        let error = self.error(&expected, looks);

        self.evaluations += 1;
        self.xs.extend_from_slice(x);
        self.generation += 1;
        self.place.whiten(x, &mut desk.z);
        self.memory.push(&desk.z, cost, &mut desk.rebuild.room);
        self.stale += 1;
        if success {
            self.best = cost;
            self.best_x.copy_from_slice(x);
            self.best_z.clone_from(&desk.z);
            self.stale = 0;
        }
        self.success_rate += 0.1 * (f64::from(u8::from(success)) - self.success_rate);
        self.surprise += 0.1 * (error.abs() - self.surprise);
        if !first && matches!(expected.kind, Kind::Sample | Kind::Refine) {
            self.resize(success, tie);
        }
        self.place.sigma = self.place.sigma.clamp(1e-13, 1.0);
        self.controls = Controls::new(&self.weights.network().update(&mut self.hidden, &features));

        if self.generation >= Distribution::generation(self.dim()) {
            self.next_generation(desk);
        } else {
            self.memory.fit(&self.controls.view, &mut desk.rebuild.room);
        }
        self.largest_spread = self.largest_spread.max(self.memory.spread());
        let patience = self.controls.patience * (2 + self.dim()) as f64;
        if self.converged || self.place.sigma < 1e-11 || self.stale as f64 > patience {
            self.restart();
        }
    }
}

/// `|a − b|²`.
fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// How many points the memory may hold.
fn capacity(dim: usize) -> usize {
    CAPACITY + Distribution::generation(dim)
}

fn empty_memory(dim: usize) -> Memory {
    Memory::new(dim, capacity(dim), 0.35 * (dim as f64).sqrt())
}

impl Strategy for RecurrentSearch {
    const NAME: &'static str = "recurrent";

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn propose(&mut self, x: &mut [f64]) -> u32 {
        Desk::with(|desk| self.propose_at(desk, x))
    }

    fn absorb(&mut self, tag: u32, x: &[f64], cost: f64) {
        Desk::with(|desk| self.absorb_at(desk, tag, x, cost.is_finite().then_some(cost)));
    }
}
