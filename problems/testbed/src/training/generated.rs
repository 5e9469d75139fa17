//! Random problems on the unit box.

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

/// The shapes a task may have. `u` is the point in rotated axes around the optimum, `a` random scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Landscape {
    /// `Σ a·u²`.
    Quadratic,
    /// `Σ √a·|u|ᵖ`, p from 0.5 to 3.5.
    Power,
    /// `Σ √a·(u² + ripples)`.
    Rippled,
    /// A bent valley, as Rosenbrock's.
    Valley,
    /// A quadratic in steps.
    Quantised,
    /// A Gaussian-process sample, by random Fourier features.
    GaussianProcess,
    /// Linear: the optimum is a corner.
    Slope,
    /// The highest of twenty Gaussian peaks.
    Peaks,
    /// A sharp ridge.
    Ridge,
}

impl Landscape {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Quadratic,
        Self::Power,
        Self::Rippled,
        Self::Valley,
        Self::Quantised,
        Self::GaussianProcess,
        Self::Slope,
        Self::Peaks,
        Self::Ridge,
    ];

    /// Whether there are many basins, and the lowest value is known only by search.
    fn is_multimodal(self) -> bool {
        matches!(self, Self::GaussianProcess | Self::Peaks)
    }
}

/// A problem that follows from a seed: a [`Landscape`] of random scales, rotation, place and units.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GeneratedTask {
    dim: usize,
    landscape: Landscape,
    /// Rows of a rotation, `[dim, dim]`.
    rotation: Vec<f64>,
    optimum: Vec<f64>,
    scales: Vec<f64>,
    power: f64,
    ripple: f64,
    frequency: f64,
    quantum: f64,
    warp: u8,
    offset: f64,
    gain: f64,
    /// Of the Gaussian process: `[features, dim]` frequencies, phases and amplitudes.
    frequencies: Vec<f64>,
    waves: Vec<(f64, f64)>,
    /// Of the peaks: `[peaks, dim]` places, heights and widths.
    places: Vec<f64>,
    peaks: Vec<(f64, f64)>,
    lowest: f64,
    typical: f64,
}

const FEATURES: usize = 64;
const PEAKS: usize = 20;

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// What a task is drawn from: its dimension, its shape, and the random numbers for the rest.
fn outline(seed: u64) -> (usize, Landscape, ChaCha8Rng) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed_7a5c);
    let (dim, landscape) = if rng.random::<f64>() < 0.35 {
        let dim = *[2, 2, 3, 3, 4, 6].choose(&mut rng).unwrap_or(&2);
        (dim, if rng.random() { Landscape::GaussianProcess } else { Landscape::Peaks })
    } else {
        let dim = *[1, 2, 2, 3, 4, 5, 5, 8, 10, 10, 12].choose(&mut rng).unwrap_or(&2);
        (dim, *Landscape::ALL.choose(&mut rng).unwrap_or(&Landscape::Quadratic))
    };
    (dim, landscape, rng)
}

impl GeneratedTask {
    /// A task of 1 to 12 dimensions. A third of them are multimodal and of few dimensions.
    pub fn sample(seed: u64) -> Self {
        let (dim, landscape, mut rng) = outline(seed);
        Self::of(dim, landscape, &mut rng)
    }

    /// Inner steps of a roll-out of the task that follows from `seed`: 100 where there are many basins, else 20 per
    /// dimension, from 40 to 200. The task itself, whose making takes milliseconds, is not needed for it.
    pub fn horizon(seed: u64) -> usize {
        let (dim, landscape, _) = outline(seed);
        if landscape.is_multimodal() { 100 } else { (20 * dim).clamp(40, 200) }
    }

    /// A task of one shape, of at most 32 dimensions.
    fn of(dim: usize, landscape: Landscape, rng: &mut ChaCha8Rng) -> Self {
        let rotated = rng.random::<f64>() < 0.6;
        let rotation = if rotated { rotation(dim, rng) } else { identity(dim) };
        let condition = 10f64.powf(3.0 * rng.random::<f64>() * rng.random::<f64>());
        let ordered: bool = rng.random();
        let last = dim.saturating_sub(1).max(1) as f64;
        let scales =
            (0..dim).map(|i| condition.powf(if ordered { i as f64 / last } else { rng.random() })).collect();
        let length = 0.15 * (dim as f64).sqrt() * (1.2 * rng.random::<f64>()).exp();
        let relevance: Vec<f64> = (0..dim).map(|_| (0.5 * normal(rng)).exp() / length).collect();
        let mut task = Self {
            dim,
            landscape,
            rotation,
            optimum: (0..dim).map(|_| rng.random_range(0.1..0.9)).collect(),
            scales,
            power: rng.random_range(0.5..3.5),
            ripple: 0.1 * rng.random::<f64>() * rng.random::<f64>(),
            frequency: rng.random_range(6.0..36.0),
            quantum: 10f64.powf(rng.random_range(-3.5..-1.5)),
            warp: rng.random_range(0..5),
            offset: 10.0 * normal(rng),
            gain: 10f64.powf(1.5 * normal(rng)),
            frequencies: (0..FEATURES * dim).map(|i| relevance[i % dim] * normal(rng)).collect(),
            waves: (0..FEATURES)
                .map(|_| (rng.random_range(0.0..std::f64::consts::TAU), normal(rng)))
                .collect(),
            places: (0..PEAKS * dim).map(|_| rng.random_range(0.05..0.95)).collect(),
            peaks: (0..PEAKS)
                .map(|i| {
                    let height = if i == 0 { 1.0 } else { rng.random_range(0.2..0.95) };
                    (height, 10f64.powf(rng.random_range(0.5..2.0)) / dim as f64)
                })
                .collect(),
            lowest: 0.0,
            typical: 1.0,
        };
        task.survey(rng);
        task
    }

    /// The typical value, and the lowest where it is not known to be zero: for the meta-loss, which no search sees.
    fn survey(&mut self, rng: &mut ChaCha8Rng) {
        let mut x = vec![0.0; self.dim];
        let mut best = (f64::INFINITY, x.clone());
        let unknown = matches!(self.landscape, Landscape::GaussianProcess | Landscape::Slope);
        let mut values: Vec<f64> = Vec::new();
        for i in 0..if unknown { 1000 } else { 200 } {
            x.fill_with(|| rng.random());
            let y = self.value(&x);
            if i < 200 {
                values.push(y);
            }
            if y < best.0 {
                best = (y, x.clone());
            }
        }
        values.sort_by(f64::total_cmp);
        self.typical = values[values.len() / 2];
        if unknown {
            let mut step = 0.1;
            for _ in 0..2000 {
                x.iter_mut().zip(&best.1).for_each(|(x, b)| *x = (b + step * normal(rng)).clamp(0.0, 1.0));
                let y = self.value(&x);
                if y < best.0 {
                    best = (y, x.clone());
                    step *= 1.3;
                } else {
                    step = (0.96f64 * step).max(1e-5);
                }
            }
            self.lowest = best.0;
        }
    }

    /// How many coordinates.
    pub fn dim(&self) -> usize {
        self.dim
    }

    fn value(&self, x: &[f64]) -> f64 {
        let dim = self.dim;
        match self.landscape {
            Landscape::GaussianProcess => {
                let scale = (2.0 / FEATURES as f64).sqrt();
                let waves = self.frequencies.chunks_exact(dim).zip(&self.waves);
                return waves.map(|(f, (phase, a))| scale * a * (dot(f, x) + phase).cos()).sum();
            }
            Landscape::Slope => {
                let terms = x.iter().zip(&self.scales).zip(&self.optimum);
                return terms.map(|((x, a), o)| a.sqrt() * if *o > 0.5 { *x } else { -x }).sum();
            }
            Landscape::Peaks => {
                let peaks = self.places.chunks_exact(dim).zip(&self.peaks);
                let height = |(place, (height, width)): (&[f64], &(f64, f64))| {
                    let terms = place.iter().zip(x).zip(&self.scales);
                    let q: f64 = terms.map(|((p, x), a)| a.powf(0.3) * (x - p) * (x - p)).sum();
                    height * (-width * q).exp()
                };
                return 1.0 - peaks.map(height).fold(0.0, f64::max);
            }
            _ => {}
        }
        // Rotations of a dozen axes fit on the stack: this is called a million times a second.
        let mut buffer = [0.0; 32];
        let u = &mut buffer[..dim.min(32)];
        for (u, row) in u.iter_mut().zip(self.rotation.chunks_exact(dim)) {
            *u = row.iter().zip(x).zip(&self.optimum).map(|((r, x), o)| r * (x - o)).sum();
        }
        let scaled = u.iter().zip(&self.scales);
        match self.landscape {
            Landscape::Power => scaled.map(|(u, a)| a.sqrt() * u.abs().powf(self.power)).sum(),
            Landscape::Rippled => {
                let ripple = |u: f64| self.ripple * (1.0 - (self.frequency * u).cos());
                scaled.map(|(u, a)| a.sqrt() * (u * u + ripple(*u))).sum()
            }
            Landscape::Valley if dim > 1 => {
                let v = |u: f64| 1.0 + 2.0 * u;
                let pairs = u.windows(2).map(|w| (v(w[0]), v(w[1])));
                pairs.map(|(a, b)| 30.0 * (b - a * a).powi(2) + (1.0 - a).powi(2)).sum()
            }
            Landscape::Ridge => {
                let across: f64 = u.iter().skip(1).map(|u| u * u).sum();
                let sharp = (across + 1e-18).sqrt().powf(self.power.clamp(0.6, 2.0));
                u.iter().take(1).map(|u| u * u).sum::<f64>() + 3.0 * self.scales[dim - 1].sqrt() * sharp
            }
            Landscape::Quantised => {
                let y: f64 = scaled.map(|(u, a)| a * u * u).sum();
                (y / self.quantum).floor() * self.quantum
            }
            _ => scaled.map(|(u, a)| a * u * u).sum(),
        }
    }

    /// The gap to the lowest value, 1 at a typical point.
    fn gap(&self, x: &[f64]) -> f64 {
        (self.value(x) - self.lowest) / (self.typical - self.lowest).abs().max(1e-12)
    }

    /// The cost that a search sees, in random units, sometimes bent.
    pub fn cost(&self, x: &[f64]) -> f64 {
        let gap = self.gap(x);
        let bent = match self.warp {
            3 if gap > 0.0 => gap.sqrt(),
            4 => (20.0 * gap).max(-0.9).ln_1p(),
            _ => gap,
        };
        self.offset + self.gain * bent
    }

    /// What training minimizes: decades of the gap, divided by seven; 0 at a typical point, −1 seven decades below. Many
    /// basins count to three decades only, since it is the basin that matters.
    pub fn score(&self, x: &[f64]) -> f64 {
        let floor = if self.landscape.is_multimodal() { 1e-3 } else { 1e-7 };
        let decades = (self.gap(x).max(0.0) + floor).log10();
        if self.landscape.is_multimodal() { decades / 4.0 } else { decades / 7.0 }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn identity(dim: usize) -> Vec<f64> {
    (0..dim * dim).map(|i| f64::from(u8::from(i % (dim + 1) == 0))).collect()
}

/// Rows of Gaussian numbers, made orthonormal by Gram and Schmidt.
fn rotation(dim: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut rows: Vec<f64> = Vec::with_capacity(dim * dim);
    while rows.len() < dim * dim {
        let mut row: Vec<f64> = (0..dim).map(|_| normal(rng)).collect();
        for other in rows.chunks_exact(dim) {
            let along = dot(other, &row);
            row.iter_mut().zip(other).for_each(|(r, o)| *r -= along * o);
        }
        let length = dot(&row, &row).sqrt();
        if length > 1e-6 {
            rows.extend(row.iter().map(|r| r / length));
        }
    }
    rows
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_task_and_the_optimum_scores_best() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for landscape in Landscape::ALL {
            for dim in [1, 2, 7] {
                let task = GeneratedTask::of(dim, landscape, &mut rng);
                let known = !landscape.is_multimodal() && landscape != Landscape::Slope;
                let at = if known { task.optimum.clone() } else { task.places[..dim].to_vec() };
                if known || landscape == Landscape::Peaks {
                    assert!(task.score(&at) < -0.7, "{landscape:?} {dim}: {}", task.score(&at));
                }
                for _ in 0..50 {
                    let x: Vec<f64> = (0..dim).map(|_| rng.random()).collect();
                    assert!(task.cost(&x).is_finite() && task.score(&x).is_finite());
                    if known {
                        assert!(task.cost(&at) <= task.cost(&x), "{landscape:?} {dim}");
                    }
                }
            }
        }
        let x = [0.3; 12];
        for seed in 0..20 {
            let (a, b) = (GeneratedTask::sample(seed), GeneratedTask::sample(seed));
            assert_eq!(a.cost(&x[..a.dim()]), b.cost(&x[..b.dim()]));
        }
    }

    #[test]
    fn rotations_are_orthonormal() {
        let r = rotation(6, &mut ChaCha8Rng::seed_from_u64(1));
        for (i, a) in r.chunks(6).enumerate() {
            for (j, b) in r.chunks(6).enumerate() {
                assert!((dot(a, b) - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}
