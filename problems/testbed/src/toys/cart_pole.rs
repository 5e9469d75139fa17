//! A pole on a cart, kept upright by three forces and thresholds.

use dro_core::{Block, Space, search::Encoding};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Canvas, Toy,
    canvas::{BLUE, GREY, ORANGE},
};
use crate::Result;

const STEPS: usize = 500;
const STARTS: usize = 8;
/// The pole has fallen beyond this angle, the cart has left beyond this place (radians, metres).
const LIMITS: (f64, f64) = (0.21, 1.2);

/// The cart-pole of Barto, Sutton & Anderson (1983), Euler steps of 0.02 s, with a gust every half second.
///
/// The policy pushes with −10, 0 or 10 N: by the sign of `k·(position, speed, angle, rate)` where that is beyond a threshold. Five
/// variables in [−1, 1]: four gains and the threshold. The cost is 1 − the share of 500 steps survived, as a mean over eight
/// starts: a simulator full of thresholds.
#[derive(Debug)]
pub struct CartPole {
    encoding: Encoding,
    starts: [[f64; 4]; STARTS],
    gusts: Vec<f64>,
}

impl CartPole {
    /// Other starts and gusts for every seed.
    pub fn new(seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let starts = std::array::from_fn(|_| std::array::from_fn(|_| rng.random_range(-0.1..=0.1)));
        // Rate that a gust adds to the pole, rad/s.
        let gusts =
            (0..STEPS).map(|t| if t % 25 == 24 { rng.random_range(-0.8..=0.8) } else { 0.0 }).collect();
        let space = Space::new(vec![
            Block::bounded("gains", [4], -1.0, 1.0),
            Block::bounded("threshold", [1], 0.0, 1.0),
        ])?;
        Ok(Self { encoding: Encoding::new(&space)?, starts, gusts })
    }

    /// The states of one run until it fails.
    fn run(&self, policy: &[f64; 5], start: &[f64; 4]) -> Vec<[f64; 4]> {
        let mut state = *start;
        let mut states = Vec::with_capacity(STEPS);
        for gust in &self.gusts {
            let wish: f64 = policy.iter().zip(&state).map(|(k, s)| k * s).sum();
            let force = if wish.abs() > 0.1 * policy[4] { 10.0 * wish.signum() } else { 0.0 };
            state = step(&state, force);
            state[3] += gust;
            if !(state[2].abs() < LIMITS.0 && state[0].abs() < LIMITS.1) {
                break;
            }
            states.push(state);
        }
        states
    }
}

/// Position (m), speed, angle (rad) and rate 0.02 s later.
fn step([x, v, angle, rate]: &[f64; 4], force: f64) -> [f64; 4] {
    const GRAVITY: f64 = 9.8;
    const POLE: f64 = 0.1; // kg
    const TOTAL: f64 = 1.1; // kg
    const HALF: f64 = 0.5; // m
    const TIME: f64 = 0.02; // s
    let (sin, cos) = angle.sin_cos();
    let push = (force + POLE * HALF * rate * rate * sin) / TOTAL;
    let turn = (GRAVITY * sin - cos * push) / (HALF * (4.0 / 3.0 - POLE * cos * cos / TOTAL));
    let pull = push - POLE * HALF * turn * cos / TOTAL;
    [x + TIME * v, v + TIME * pull, angle + TIME * rate, rate + TIME * turn]
}

impl Toy for CartPole {
    fn name(&self) -> &'static str {
        "cart-pole"
    }

    fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    fn cost(&self, values: &[f64]) -> f64 {
        let Ok(policy) = values.try_into() else { return f64::NAN };
        let survived: usize = self.starts.iter().map(|start| self.run(&policy, start).len()).sum();
        1.0 - survived as f64 / (STEPS * STARTS) as f64
    }

    fn evaluations(&self) -> usize {
        200
    }

    fn say(&self, values: &[f64]) -> String {
        format!("the pole stands for {:.1} of {} s", 10.0 * (1.0 - self.cost(values)), STEPS / 50)
    }

    /// The angle (up and down, between the grey limits) over time, a curve per start; blue where it has fallen.
    fn draw(&self, values: &[f64]) -> Canvas {
        const SIDE: (u32, u32) = (250, 120);
        let mut canvas = Canvas::new(SIDE.0, SIDE.1);
        let pixel = |t: usize, angle: f64| {
            (
                t as f64 / STEPS as f64 * f64::from(SIDE.0),
                (1.0 - angle / LIMITS.0 * 0.9) * f64::from(SIDE.1) / 2.0,
            )
        };
        for limit in [-LIMITS.0, 0.0, LIMITS.0] {
            canvas.line(pixel(0, limit), pixel(STEPS, limit), GREY);
        }
        let Ok(policy) = values.try_into() else { return canvas };
        for start in &self.starts {
            let states = self.run(&policy, start);
            let colour = if states.len() == STEPS { ORANGE } else { BLUE };
            for (t, pair) in states.windows(2).enumerate() {
                if let [a, b] = pair {
                    canvas.line(pixel(t, a[2]), pixel(t + 1, b[2]), colour);
                }
            }
        }
        canvas
    }
}
