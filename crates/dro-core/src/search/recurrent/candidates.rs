//! Making candidates, and judging them by the memory.

use pulp::{Arch, Simd, WithSimd};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::{
    RecurrentSearch,
    elementary::exp_all,
    lanes::{LANES, Lane, vectors, vectors_mut},
    noise::Noise,
    regression::Room,
};

/// [`LANES`] candidates in work, `[dim]` lanes each.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    /// In the frame's coordinates.
    pub x: Vec<Lane>,
    /// Whitened.
    pub z: Vec<Lane>,
    gradient: Vec<Lane>,
    last_z: Vec<Lane>,
    last_gradient: Vec<Lane>,
    noise: Noise,
}

/// The candidate that was chosen, and what is expected of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub score: f64,
    pub lane: usize,
    pub mean: f64,
    pub deviation: f64,
}

impl Pool {
    pub fn resize(&mut self, dim: usize) {
        for lanes in [&mut self.x, &mut self.z, &mut self.gradient, &mut self.last_z, &mut self.last_gradient]
        {
            lanes.resize(dim, [0.0; LANES]);
        }
    }

    /// One step down the gradient, and not farther than `reach` from `best`. `step` holds the last step's length per
    /// gradient, or is `None` at first.
    fn descend(&mut self, step: &mut Option<Lane>, reach: f64, best: &[f64]) {
        Arch::new().dispatch(Descend { pool: self, step, reach, best });
    }
}

/// The arguments of [`Pool::descend`], for the instructions that the machine has.
struct Descend<'a> {
    pool: &'a mut Pool,
    step: &'a mut Option<Lane>,
    reach: f64,
    best: &'a [f64],
}

impl WithSimd for Descend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pool, step, reach, best } = self;
        let first = step.is_none();
        let steps = S::as_mut_simd_f64s(step.get_or_insert([0.0; LANES])).0;
        let parts = steps.len();
        let z = vectors_mut::<S>(&mut pool.z);
        let (last_z, last_gradient) = (vectors_mut::<S>(&mut pool.last_z), vectors_mut::<S>(&mut pool.last_gradient));
        let gradient = vectors::<S>(&pool.gradient);
        let (zero, one, tiny) = (simd.splat_f64s(0.0), simd.splat_f64s(1.0), simd.splat_f64s(1e-300));
        let far = simd.splat_f64s(reach);
        for (part, step) in steps.iter_mut().enumerate() {
            let (mut norm, mut ss, mut sy) = (tiny, zero, zero);
            for at in (part..gradient.len()).step_by(parts) {
                norm = simd.mul_add_f64s(gradient[at], gradient[at], norm);
                let s = simd.sub_f64s(z[at], last_z[at]);
                ss = simd.mul_add_f64s(s, s, ss);
                sy = simd.mul_add_f64s(s, simd.sub_f64s(gradient[at], last_gradient[at]), sy);
                (last_z[at], last_gradient[at]) = (z[at], gradient[at]);
            }
            let longest = simd.div_f64s(far, simd.sqrt_f64s(norm));
            *step = if first {
                simd.mul_f64s(simd.splat_f64s(0.25), longest)
            } else {
                // The length of Barzilai & Borwein (1988); where the curvature is negative, stride out.
                let curved = simd.greater_than_f64s(sy, simd.mul_f64s(simd.splat_f64s(1e-12), ss));
                let fitted = simd.select_f64s(curved, simd.div_f64s(ss, sy), simd.add_f64s(*step, *step));
                simd.min_f64s(fitted, longest)
            };
            let mut squared = tiny;
            for (at, best) in (part..gradient.len()).step_by(parts).zip(best) {
                let away = simd.sub_f64s(z[at], simd.splat_f64s(*best));
                z[at] = simd.negate_mul_add_f64s(*step, gradient[at], away);
                squared = simd.mul_add_f64s(z[at], z[at], squared);
            }
            let shrink = simd.min_f64s(simd.div_f64s(far, simd.sqrt_f64s(squared)), one);
            for (at, best) in (part..gradient.len()).step_by(parts).zip(best) {
                z[at] = simd.mul_add_f64s(z[at], shrink, simd.splat_f64s(*best));
            }
        }
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

impl RecurrentSearch {
    /// Gaussian candidates around the best point or the distribution's mean, each with a size of its own: σ need not be
    /// right, the memory chooses.
    pub(super) fn sample(&mut self, pool: &mut Pool, around_best: bool, scale: f64) {
        let mut noise = pool.noise.draw(&mut self.rng, 1 + self.axes.len()).iter();
        let mut size = noise.next().copied().unwrap_or_default();
        size.iter_mut().for_each(|size| *size *= 0.6);
        exp_all(&mut size);
        size.iter_mut().for_each(|size| *size *= scale * self.place.sigma);
        for (axis, noise) in self.axes.iter().zip(noise) {
            let scaled = &mut pool.gradient[*axis];
            for k in 0..LANES {
                scaled[k] = size[k] * noise[k];
            }
        }
        self.place.colour_lanes(&pool.gradient, &mut pool.x);
        let centre = if around_best { &self.best_x } else { &self.place.mean };
        for (x, centre) in pool.x.iter_mut().zip(centre) {
            x.iter_mut().for_each(|x| *x += centre);
        }
        self.clamp(&mut pool.x);
        self.place.whiten_lanes(&pool.x, &mut pool.z);
    }

    /// The best point with a few coordinates changed, a little or altogether: for costs that are sums over coordinates.
    pub(super) fn along_axes(&mut self, pool: &mut Pool) {
        let dim = self.axes.len();
        let rng = &mut self.rng;
        let scale = 1.5 * self.place.sigma * self.controls.spread;
        for k in 0..LANES {
            let forced = self.axes[rng.random_range(0..dim)];
            let share = (rng.random::<f64>() * 3.0 / dim as f64).min(0.5);
            let anywhere = rng.random::<f64>() < 0.3;
            for &axis in &self.axes {
                let moves = axis == forced || rng.random::<f64>() < share;
                let (near, far) = (self.best_x[axis] + scale * normal(rng), rng.random::<f64>());
                pool.x[axis][k] = match (moves, anywhere) {
                    (false, _) => self.best_x[axis],
                    (true, false) => near,
                    (true, true) => far,
                };
            }
        }
        self.clamp(&mut pool.x);
        self.place.whiten_lanes(&pool.x, &mut pool.z);
    }

    /// Uniform candidates.
    pub(super) fn anywhere(&mut self, pool: &mut Pool) {
        for &axis in &self.axes {
            pool.x[axis].fill_with(|| self.rng.random());
        }
        self.place.whiten_lanes(&pool.x, &mut pool.z);
    }

    /// Descends the memory's mean from samples near the best point and from that point itself, within the trusted
    /// radius. The memory is differentiated, never the cost.
    pub(super) fn refine(&mut self, pool: &mut Pool, rounds: usize) {
        self.sample(pool, true, 0.5 * self.controls.spread);
        for (x, best) in pool.x.iter_mut().zip(&self.best_x) {
            x[0] = *best;
        }
        for (z, best) in pool.z.iter_mut().zip(&self.best_z) {
            z[0] = *best;
        }
        let reach = self.controls.trust * self.place.sigma * (self.axes.len() as f64).sqrt();
        let mut step = None;
        for _ in 0..rounds {
            self.memory.gradient(&pool.z, &mut pool.gradient);
            pool.descend(&mut step, reach, &self.best_z);
            self.place.colour_lanes(&pool.z, &mut pool.x);
            if self.clamp(&mut pool.x) {
                self.place.whiten_lanes(&pool.x, &mut pool.z);
            }
        }
    }

    /// Boxed coordinates into [0, 1]; whether any was outside.
    fn clamp(&self, xs: &mut [Lane]) -> bool {
        let mut outside = false;
        for (x, _) in xs.iter_mut().zip(&self.frame.boxed).filter(|(_, boxed)| **boxed) {
            for x in x {
                let inside = x.clamp(0.0, 1.0);
                outside |= inside != *x;
                *x = inside;
            }
        }
        outside
    }

    /// The candidate with the lowest optimistic prediction; those near open trials stand back.
    pub(super) fn judge(&self, pool: &Pool, room: &mut Room) -> Choice {
        let (mean, deviation) = self.memory.predict(&pool.z, room);
        let (_, signal) = self.memory.level();
        let mut score = [0.0; LANES];
        for k in 0..LANES {
            score[k] = mean[k] - self.controls.optimism * deviation[k];
        }
        let width = 0.18 * self.place.sigma * self.place.sigma * self.axes.len() as f64;
        for open in self.slots.iter().filter(|slot| slot.open) {
            let mut near = [0.0; LANES];
            for (x, open) in pool.x.iter().zip(&open.x) {
                for k in 0..LANES {
                    near[k] += (x[k] - open) * (x[k] - open);
                }
            }
            near.iter_mut().for_each(|near| *near /= -width);
            exp_all(&mut near);
            for k in 0..LANES {
                score[k] += 2.0 * signal * near[k];
            }
        }
        let mut best = 0;
        for k in 1..LANES {
            if score[k] < score[best] {
                best = k;
            }
        }
        Choice { score: score[best], lane: best, mean: mean[best], deviation: deviation[best] }
    }
}
