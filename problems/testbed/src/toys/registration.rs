//! Robust registration: which motion lays most points of one set onto another.

use std::f64::consts::PI;

use dro_core::{Block, Space, search::Encoding};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Canvas, Colour, Toy,
    canvas::{BLUE, GREY, ORANGE},
};
use crate::Result;

const POINTS: usize = 40;
const OUTLIERS: usize = 40;
/// Partners are at most this far apart.
const REACH: f64 = 0.06;

/// Forty points along a curve, seen turned and moved, with noise of 0.01, among forty others that belong to nothing. The cost is
/// the share of the curve's points that have no partner within 0.06: a count, flat nearly everywhere, and 0 at the truth.
#[derive(Debug)]
pub struct Registration {
    encoding: Encoding,
    model: Vec<[f64; 2]>,
    seen: Vec<[f64; 2]>,
    truth: [f64; 3],
}

impl Registration {
    /// Another motion and other outliers for every seed.
    pub fn new(seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // A curve without symmetries.
        let model: Vec<[f64; 2]> = (0..POINTS)
            .map(|i| {
                let t = 2.0 * PI * i as f64 / POINTS as f64;
                let radius = 0.45 + 0.08 * (2.0 * t).sin() + 0.1 * (3.0 * t + 1.0).cos() + 0.2 * t.cos();
                [radius * t.cos(), radius * t.sin()]
            })
            .collect();
        let truth =
            [rng.random_range(-2.5..=2.5), rng.random_range(-0.6..=0.6), rng.random_range(-0.6..=0.6)];
        let mut seen: Vec<[f64; 2]> = model.iter().map(|p| moved(&truth, *p)).collect();
        seen.iter_mut().flatten().for_each(|x| *x += rng.random_range(-0.01..=0.01));
        seen.extend((0..OUTLIERS).map(|_| [rng.random_range(-1.2..=1.2), rng.random_range(-1.2..=1.2)]));
        let space = Space::new(vec![
            Block::bounded("angle_rad", [1], -PI, PI),
            Block::bounded("translation", [2], -1.0, 1.0),
        ])?;
        Ok(Self { encoding: Encoding::new(&space)?, model, seen, truth })
    }

    fn partners(&self, motion: &[f64; 3]) -> usize {
        let has_partner = |p: &&[f64; 2]| {
            let [x, y] = moved(motion, **p);
            self.seen.iter().any(|s| (s[0] - x).powi(2) + (s[1] - y).powi(2) < REACH * REACH)
        };
        self.model.iter().filter(has_partner).count()
    }
}

fn moved(motion: &[f64; 3], p: [f64; 2]) -> [f64; 2] {
    let (sin, cos) = motion[0].sin_cos();
    [cos * p[0] - sin * p[1] + motion[1], sin * p[0] + cos * p[1] + motion[2]]
}

impl Toy for Registration {
    fn name(&self) -> &'static str {
        "registration"
    }

    fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    fn cost(&self, values: &[f64]) -> f64 {
        match values.try_into() {
            Ok(motion) => 1.0 - self.partners(&motion) as f64 / POINTS as f64,
            Err(_) => f64::NAN,
        }
    }

    fn truth(&self) -> Option<Vec<f64>> {
        Some(self.truth.to_vec())
    }

    fn evaluations(&self) -> usize {
        500
    }

    fn say(&self, values: &[f64]) -> String {
        let partners = ((1.0 - self.cost(values)) * POINTS as f64).round();
        let off = values
            .first()
            .map_or(f64::NAN, |angle| (angle - self.truth[0]).sin().atan2((angle - self.truth[0]).cos()));
        format!(
            "{partners} of {POINTS} points have a partner, angle off by {:.1} degrees",
            off.to_degrees().abs()
        )
    }

    /// What is seen (grey) and the moved curve: orange where it has a partner, blue where it has none.
    fn draw(&self, values: &[f64]) -> Canvas {
        const SIDE: u32 = 180;
        let pixel = |p: [f64; 2]| p.map(|x| (x + 1.3) / 2.6 * f64::from(SIDE - 1));
        let mut canvas = Canvas::new(SIDE, SIDE);
        let mut dot = |p: [f64; 2], radius: f64, colour: Colour| {
            let [x, y] = pixel(p);
            canvas.disc(x, y, radius, colour);
        };
        self.seen.iter().for_each(|p| dot(*p, 3.5, GREY));
        if let Ok(motion) = values.try_into() {
            for p in &self.model {
                let [x, y] = moved(&motion, *p);
                let near = self.seen.iter().any(|s| (s[0] - x).hypot(s[1] - y) < REACH);
                dot([x, y], 1.5, if near { ORANGE } else { BLUE });
            }
        }
        canvas
    }
}
