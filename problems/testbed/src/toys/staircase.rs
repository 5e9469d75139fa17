//! A valley in steps: the gradient is zero almost everywhere.

use dro_core::{Block, Space, search::Encoding};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Canvas, Toy,
    canvas::{BLUE, ORANGE},
};
use crate::Result;

const DIM: usize = 6;
/// Steps per unit of length.
const STEPS: f64 = 32.0;

/// `Σ ⌊32 |zᵢ|⌋ / 32` with z the distance to a secret place, turned by an eighth of a circle in every pair of neighbours: six variables in
/// [−1, 1], edges that are not parallel to the axes, and a plateau of the lowest cost, 0.
#[derive(Debug)]
pub struct Staircase {
    encoding: Encoding,
    place: [f64; DIM],
}

impl Staircase {
    /// Another place for every seed.
    pub fn new(seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let place = std::array::from_fn(|_| rng.random_range(-0.7..=0.7));
        let encoding = Encoding::new(&Space::new(vec![Block::bounded("x", [DIM], -1.0, 1.0)])?)?;
        Ok(Self { encoding, place })
    }
}

impl Toy for Staircase {
    fn name(&self) -> &'static str {
        "staircase"
    }

    fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    fn cost(&self, values: &[f64]) -> f64 {
        if values.len() != DIM {
            return f64::NAN;
        }
        let from: Vec<f64> = values.iter().zip(&self.place).map(|(x, p)| x - p).collect();
        let steps = |z: f64| (STEPS * z.abs()).floor() / STEPS;
        from.chunks_exact(2)
            .map(|pair| match pair {
                [a, b] => {
                    let half = std::f64::consts::FRAC_1_SQRT_2;
                    steps(half * (a + b)) + steps(half * (a - b))
                }
                _ => 0.0,
            })
            .sum()
    }

    fn truth(&self) -> Option<Vec<f64>> {
        Some(self.place.to_vec())
    }

    fn evaluations(&self) -> usize {
        300
    }

    fn say(&self, values: &[f64]) -> String {
        format!("{} steps above the bottom", (STEPS * self.cost(values)).round())
    }

    /// The cost over the first two variables, the others as they are; the values (orange) and the secret place (blue).
    fn draw(&self, values: &[f64]) -> Canvas {
        const SIDE: u32 = 180;
        let at = |x: u32, y: u32| {
            let unit = |p: u32| 2.0 * f64::from(p) / f64::from(SIDE - 1) - 1.0;
            let mut moved = values.to_vec();
            moved.iter_mut().zip([unit(x), unit(y)]).for_each(|(to, from)| *to = from);
            [255 - (60.0 * self.cost(&moved)).min(235.0) as u8; 3]
        };
        let mut canvas = Canvas::from_fn(SIDE, SIDE, 1, at);
        let pixel = |x: f64| (x + 1.0) / 2.0 * f64::from(SIDE - 1);
        for (place, colour, radius) in [(&self.place[..], BLUE, 6.0), (values, ORANGE, 4.0)] {
            if let [x, y, ..] = place {
                canvas.disc(pixel(*x), pixel(*y), radius, colour);
            }
        }
        canvas
    }
}
