//! Making candidates, and judging them by the memory.

use pulp::{Arch, Simd, WithSimd};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::{
    RecurrentSearch,
    elementary::{exp, exp_all},
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
        let (last_z, last_gradient) =
            (vectors_mut::<S>(&mut pool.last_z), vectors_mut::<S>(&mut pool.last_gradient));
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

/// Lanes of normal numbers times a size for each candidate, which the first lane makes: log-normal about `size`. The
/// others go to the coordinates in the order of `axes`.
struct Scale<'a> {
    normals: &'a [Lane],
    axes: &'a [usize],
    size: f64,
    out: &'a mut [Lane],
}

impl WithSimd for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { normals, axes, size, out } = self;
        let Some((first, rest)) = normals.split_first() else { return };
        let mut sizes = *first;
        for sizes in &mut sizes {
            *sizes = size * exp(0.6 * *sizes);
        }
        let sizes = S::as_simd_f64s(&sizes).0;
        for (axis, noise) in axes.iter().zip(rest) {
            let out = S::as_mut_simd_f64s(&mut out[*axis]).0.iter_mut();
            for ((out, noise), size) in out.zip(S::as_simd_f64s(noise).0).zip(sizes) {
                *out = simd.mul_f64s(*noise, *size);
            }
        }
    }
}

/// The arguments of [`RecurrentSearch::clamp`].
struct Clamp<'a> {
    x: &'a mut [Lane],
    centre: Option<&'a [f64]>,
    boxed: &'a [bool],
}

impl WithSimd for Clamp<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { x, centre, boxed } = self;
        let zero = simd.splat_f64s(0.0);
        let mut outside = zero;
        for (axis, (x, boxed)) in x.iter_mut().zip(boxed).enumerate() {
            let centre = simd.splat_f64s(centre.map_or(0.0, |centre| centre[axis]));
            let highest = simd.splat_f64s(if *boxed { 1.0 } else { f64::INFINITY });
            let lowest = simd.splat_f64s(if *boxed { 0.0 } else { f64::NEG_INFINITY });
            for x in S::as_mut_simd_f64s(x).0 {
                let moved = simd.add_f64s(*x, centre);
                *x = simd.min_f64s(simd.max_f64s(moved, lowest), highest);
                outside = simd.max_f64s(outside, simd.abs_f64s(simd.sub_f64s(moved, *x)));
            }
        }
        simd.reduce_max_f64s(outside) > 0.0
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

impl RecurrentSearch {
    /// Gaussian candidates around the best point or the distribution's mean, each with a size of its own: σ need not be
    /// right, the memory chooses.
    pub(super) fn sample(&mut self, pool: &mut Pool, around_best: bool, scale: f64) {
        let Pool { noise, x, z, .. } = pool;
        let normals = noise.draw(&mut self.rng, 1 + self.axes.len());
        let size = scale * self.place.sigma;
        Arch::new().dispatch(Scale { normals, axes: &self.axes, size, out: z });
        self.place.colour_lanes(z, x);
        let centre = if around_best { &self.best_x } else { &self.place.mean };
        self.clamp(x, Some(centre));
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
        self.clamp(&mut pool.x, None);
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
            if self.clamp(&mut pool.x, None) {
                self.place.whiten_lanes(&pool.x, &mut pool.z);
            }
        }
    }

    /// Adds `centre`, if any, and takes boxed coordinates into [0, 1]; whether any was outside.
    fn clamp(&self, x: &mut [Lane], centre: Option<&[f64]>) -> bool {
        Arch::new().dispatch(Clamp { x, centre, boxed: &self.frame.boxed })
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
