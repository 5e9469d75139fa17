//! Settings of a classifier: whole numbers, choices and orders of magnitude at once.

use dro_core::{Block, Space, search::Encoding};
use nalgebra::{DMatrix, DVector};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{
    Canvas, Colour, Toy,
    canvas::{BLUE, ORANGE},
};
use crate::Result;

const TRAIN: usize = 120;
const CHECK: usize = 160;
/// Two features that matter and two that do not.
const FEATURES: usize = 4;

type Sample = ([f64; FEATURES], bool);

/// Two spiral arms of points, one per class, with two features of pure noise. Either k nearest neighbours (k, metric, how
/// neighbours are weighted) or ridge regression on polynomials (degree, λ); how much the noise features are scaled matters to
/// both. The cost is the share of held-out points that are classified wrongly.
#[derive(Debug)]
pub struct Tuning {
    encoding: Encoding,
    train: Vec<Sample>,
    check: Vec<Sample>,
}

/// The values by name.
struct Choice {
    neighbours: bool,
    k: usize,
    metric: f64,
    weighted: bool,
    degree: i32,
    lambda: f64,
    noise_scale: f64,
}

impl Choice {
    fn new(values: &[f64]) -> Option<Self> {
        let &[model, k, metric, weighted, degree, lambda, noise_scale] = values else { return None };
        Some(Self {
            neighbours: model == 0.0,
            k: k.clamp(1.0, TRAIN as f64) as usize,
            metric,
            weighted: weighted == 1.0,
            degree: degree.clamp(1.0, 8.0) as i32,
            lambda,
            noise_scale,
        })
    }
}

impl Tuning {
    /// Other points for every seed.
    pub fn new(seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut sample = || {
            let class = rng.random_bool(0.5);
            let turn = rng.random_range(0.3..=3.6f64);
            let side = if class { 1.0 } else { -1.0 };
            let mut noise = || -> f64 { StandardNormal.sample(&mut rng) };
            let spiral = [side * 0.3 * turn * turn.cos(), side * 0.3 * turn * turn.sin()];
            ([spiral[0] + 0.2 * noise(), spiral[1] + 0.2 * noise(), noise(), noise()], class)
        };
        let train = (0..TRAIN).map(|_| sample()).collect();
        let check = (0..CHECK).map(|_| sample()).collect();
        let space = Space::new(vec![
            Block::categorical("model", [1], ["neighbours", "ridge"]),
            Block::integer("k", [1], 1, 60),
            Block::categorical("metric", [1], ["euclidean", "manhattan", "maximum"]),
            Block::categorical("weights", [1], ["uniform", "inverse distance"]),
            Block::integer("degree", [1], 1, 6),
            Block::log("lambda", [1], 1e-6, 1e3),
            Block::log("noise_scale", [1], 1e-3, 1e1),
        ])?;
        // What one would try first: few neighbours, and all features as they are.
        let encoding = Encoding::new(&space)?.start("k", &[3.0])?.start("noise_scale", &[1.0])?;
        Ok(Self { encoding, train, check })
    }

    /// For each point a number above zero for one class, below for the other.
    fn scores(&self, choice: &Choice, points: &[[f64; FEATURES]]) -> Vec<f64> {
        if choice.neighbours { self.by_neighbours(choice, points) } else { self.by_ridge(choice, points) }
    }

    fn by_neighbours(&self, choice: &Choice, points: &[[f64; FEATURES]]) -> Vec<f64> {
        let distance = |a: &[f64; FEATURES], b: &[f64; FEATURES]| {
            let parts = a.iter().zip(b).enumerate().map(|(i, (a, b))| {
                let scale = if i < 2 { 1.0 } else { choice.noise_scale };
                scale * (a - b).abs()
            });
            match choice.metric {
                0.0 => parts.map(|d| d * d).sum::<f64>().sqrt(),
                1.0 => parts.sum(),
                _ => parts.fold(0.0, f64::max),
            }
        };
        let score = |point: &[f64; FEATURES]| {
            let mut near: Vec<(f64, f64)> = self
                .train
                .iter()
                .map(|(x, class)| (distance(point, x), if *class { 1.0 } else { -1.0 }))
                .collect();
            near.sort_by(|a, b| a.0.total_cmp(&b.0));
            let weight = |d: f64| if choice.weighted { 1.0 / (d + 1e-6) } else { 1.0 };
            near.iter().take(choice.k).map(|(d, side)| weight(*d) * side).sum()
        };
        points.iter().map(score).collect()
    }

    fn by_ridge(&self, choice: &Choice, points: &[[f64; FEATURES]]) -> Vec<f64> {
        // All products of the first two features up to the degree; the noise linearly.
        let terms = |x: &[f64; FEATURES]| {
            let mut terms = vec![choice.noise_scale * x[2], choice.noise_scale * x[3]];
            for power in 0..=choice.degree {
                terms.extend((0..=power).map(|p| x[0].powi(p) * x[1].powi(power - p)));
            }
            terms
        };
        let rows: Vec<Vec<f64>> = self.train.iter().map(|(x, _)| terms(x)).collect();
        let width = rows.first().map_or(0, Vec::len);
        let a = DMatrix::from_fn(rows.len(), width, |i, j| rows[i][j]);
        let b = DVector::from_iterator(
            TRAIN,
            self.train.iter().map(|(_, class)| if *class { 1.0 } else { -1.0 }),
        );
        let mut normal = a.tr_mul(&a);
        (0..width).for_each(|i| normal[(i, i)] += choice.lambda);
        // Where the system is singular, nothing is learned and everything is a failure.
        match normal.cholesky() {
            Some(factors) => {
                let weights = factors.solve(&a.tr_mul(&b));
                points.iter().map(|x| terms(x).iter().zip(weights.iter()).map(|(t, w)| t * w).sum()).collect()
            }
            None => vec![f64::NAN; points.len()],
        }
    }
}

impl Toy for Tuning {
    fn name(&self) -> &'static str {
        "tuning"
    }

    fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    fn cost(&self, values: &[f64]) -> f64 {
        let Some(choice) = Choice::new(values) else { return f64::NAN };
        let points: Vec<_> = self.check.iter().map(|(x, _)| *x).collect();
        let scores = self.scores(&choice, &points);
        if scores.iter().any(|score| score.is_nan()) {
            return f64::NAN;
        }
        let wrong = scores.iter().zip(&self.check).filter(|(score, (_, class))| (**score > 0.0) != *class);
        wrong.count() as f64 / CHECK as f64
    }

    fn evaluations(&self) -> usize {
        100
    }

    fn say(&self, values: &[f64]) -> String {
        let wrong = format!("{:.1} % wrong", 100.0 * self.cost(values));
        match Choice::new(values) {
            Some(c) if c.neighbours => {
                format!("{wrong}: {} neighbours, noise scaled by {:.1e}", c.k, c.noise_scale)
            }
            Some(c) => format!("{wrong}: ridge of degree {}, λ = {:.1e}", c.degree, c.lambda),
            None => wrong,
        }
    }

    /// The plane of the two features that matter: which class is said where, and the held-out points.
    fn draw(&self, values: &[f64]) -> Canvas {
        const SIDE: u32 = 60;
        const ZOOM: u32 = 3;
        let unit = |p: u32| (f64::from(p) / f64::from(SIDE - 1) - 0.5) * 2.8;
        let points: Vec<_> =
            (0..SIDE * SIDE).map(|at| [unit(at % SIDE), unit(at / SIDE), 0.0, 0.0]).collect();
        let scores = Choice::new(values).map(|choice| self.scores(&choice, &points)).unwrap_or_default();
        let pale: [Colour; 2] = [[205, 226, 240], [250, 222, 200]];
        let mut canvas = Canvas::from_fn(SIDE, SIDE, ZOOM, |x, y| {
            let score = scores.get((y * SIDE + x) as usize).copied().unwrap_or(0.0);
            if score > 0.0 { pale[1] } else { pale[0] }
        });
        let pixel = |x: f64| (x / 2.8 + 0.5) * f64::from(SIDE * ZOOM - 1);
        for (x, class) in &self.check {
            canvas.disc(pixel(x[0]), pixel(x[1]), 2.0, if *class { ORANGE } else { BLUE });
        }
        canvas
    }
}
