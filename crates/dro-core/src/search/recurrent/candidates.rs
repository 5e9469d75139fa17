//! Making candidates, and judging them by the memory.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::{
    RecurrentSearch,
    lanes::{LANES, Lane},
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
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

impl RecurrentSearch {
    /// Gaussian candidates around the best point or the distribution's mean, each with a size of its own: σ need not be
    /// right, the memory chooses.
    pub(super) fn sample(&mut self, around_best: bool, scale: f64) {
        let rng = &mut self.rng;
        let mut size = [0.0; LANES];
        size.fill_with(|| scale * self.place.sigma * (0.6 * normal(rng)).exp());
        for &axis in &self.axes {
            for (noise, size) in self.pool.gradient[axis].iter_mut().zip(&size) {
                *noise = size * normal(rng);
            }
        }
        self.place.colour_lanes(&self.pool.gradient, &mut self.pool.x);
        let centre = if around_best { &self.best_x } else { &self.place.mean };
        for (x, centre) in self.pool.x.iter_mut().zip(centre) {
            x.iter_mut().for_each(|x| *x += centre);
        }
        self.clamp();
        self.place.whiten_lanes(&self.pool.x, &mut self.pool.z);
    }

    /// The best point with a few coordinates changed, a little or altogether: for costs that are sums over coordinates.
    pub(super) fn along_axes(&mut self) {
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
                self.pool.x[axis][k] = match (moves, anywhere) {
                    (false, _) => self.best_x[axis],
                    (true, false) => near,
                    (true, true) => far,
                };
            }
        }
        self.clamp();
        self.place.whiten_lanes(&self.pool.x, &mut self.pool.z);
    }

    /// Uniform candidates.
    pub(super) fn anywhere(&mut self) {
        for &axis in &self.axes {
            self.pool.x[axis].fill_with(|| self.rng.random());
        }
        self.place.whiten_lanes(&self.pool.x, &mut self.pool.z);
    }

    /// Descends the memory's mean from samples near the best point and from that point itself, within the trusted
    /// radius: gradient steps of the length of Barzilai & Borwein (1988). The memory is differentiated, never the cost.
    pub(super) fn refine(&mut self, rounds: usize) {
        self.sample(true, 0.5 * self.controls.spread);
        for (x, best) in self.pool.x.iter_mut().zip(&self.best_x) {
            x[0] = *best;
        }
        for (z, best) in self.pool.z.iter_mut().zip(&self.best_z) {
            z[0] = *best;
        }
        let reach = self.controls.trust * self.place.sigma * (self.axes.len() as f64).sqrt();
        let mut step = [0.0; LANES];
        for round in 0..rounds {
            let Pool { z, gradient, last_z, last_gradient, .. } = &mut self.pool;
            self.memory.gradient(z, gradient);
            let norm = sums(gradient, |g| g * g).map(|sum| sum.max(1e-300).sqrt());
            if round == 0 {
                step = norm.map(|norm| 0.25 * reach / norm);
            } else {
                let (mut ss, mut sy) = ([0.0; LANES], [0.0; LANES]);
                for ((z, last_z), (g, last_g)) in
                    z.iter().zip(&*last_z).zip(gradient.iter().zip(&*last_gradient))
                {
                    for k in 0..LANES {
                        let s = z[k] - last_z[k];
                        ss[k] += s * s;
                        sy[k] += s * (g[k] - last_g[k]);
                    }
                }
                for k in 0..LANES {
                    // Where the curvature is negative, stride out.
                    let fitted = if sy[k] > 1e-12 * ss[k] { ss[k] / sy[k] } else { 2.0 * step[k] };
                    step[k] = fitted.min(reach / norm[k]);
                }
            }
            last_z.copy_from_slice(z);
            last_gradient.copy_from_slice(gradient);
            let mut squared = [1e-300; LANES];
            for ((z, g), best) in z.iter_mut().zip(&*gradient).zip(&self.best_z) {
                for k in 0..LANES {
                    z[k] -= step[k] * g[k];
                    squared[k] += (z[k] - best) * (z[k] - best);
                }
            }
            let shrink = squared.map(|squared| (reach / squared.sqrt()).min(1.0));
            for (z, best) in z.iter_mut().zip(&self.best_z) {
                for k in 0..LANES {
                    z[k] = best + shrink[k] * (z[k] - best);
                }
            }
            self.place.colour_lanes(&self.pool.z, &mut self.pool.x);
            if self.clamp() {
                self.place.whiten_lanes(&self.pool.x, &mut self.pool.z);
            }
        }
    }

    /// Boxed coordinates into [0, 1]; whether any was outside.
    fn clamp(&mut self) -> bool {
        let mut outside = false;
        for (x, _) in self.pool.x.iter_mut().zip(&self.frame.boxed).filter(|(_, boxed)| **boxed) {
            for x in x {
                let inside = x.clamp(0.0, 1.0);
                outside |= inside != *x;
                *x = inside;
            }
        }
        outside
    }

    /// The candidate with the lowest optimistic prediction; those near open trials stand back.
    pub(super) fn judge(&mut self) -> Choice {
        let (mean, deviation) = self.memory.predict(&self.pool.z);
        let (_, signal) = self.memory.level();
        let mut score = [0.0; LANES];
        for k in 0..LANES {
            score[k] = mean[k] - self.controls.optimism * deviation[k];
        }
        let width = 0.18 * self.place.sigma * self.place.sigma * self.axes.len() as f64;
        for open in self.slots.iter().filter(|slot| slot.open) {
            let mut near = [0.0; LANES];
            for (x, open) in self.pool.x.iter().zip(&open.x) {
                for k in 0..LANES {
                    near[k] += (x[k] - open) * (x[k] - open);
                }
            }
            for k in 0..LANES {
                score[k] += 2.0 * signal * (-near[k] / width).exp();
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

/// Per lane, the sum over coordinates.
fn sums(lanes: &[Lane], f: impl Fn(f64) -> f64) -> Lane {
    let mut sum = [0.0; LANES];
    for lane in lanes {
        for k in 0..LANES {
            sum[k] += f(lane[k]);
        }
    }
    sum
}
