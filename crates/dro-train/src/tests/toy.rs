//! A recurrence with three parameters whose gradient is known exactly.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Unroll};

/// `x ← a·x + b·sin x + c·u`, where the start and `u` follow from the task; every step's loss is `x²`.
#[derive(Debug, Clone, Copy)]
pub struct Toy {
    pub horizon: usize,
    /// Tasks whose number divides by this fail (their losses are NaN); 0: none.
    pub failing: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    x: f64,
    u: f64,
    /// An infinity: what a saved state must survive.
    best: f64,
    fails: bool,
}

impl Toy {
    pub fn new(horizon: usize) -> Self {
        Self { horizon, failing: 0 }
    }
}

/// Two numbers in [-1, 1] from a task.
fn numbers(task: u64) -> (f64, f64) {
    let part = |bits: u64| (bits & 0xffff) as f64 / 32767.5 - 1.0;
    (part(task), part(task >> 16))
}

impl Unroll for Toy {
    type State = State;

    fn parameters(&self) -> usize {
        3
    }

    fn initial(&self, seed: u64) -> Vec<f32> {
        vec![0.8, 0.3, -0.2 + 0.01 * (seed % 7) as f32]
    }

    fn horizon(&self, _task: u64) -> usize {
        self.horizon
    }

    fn begin(&self, _theta: &[f32], task: u64, _horizon: usize) -> Result<State> {
        let (x, u) = numbers(task);
        let fails = self.failing > 0 && task.is_multiple_of(self.failing);
        Ok(State { x, u, best: f64::INFINITY, fails })
    }

    fn advance(&self, theta: &[f32], state: &mut State, steps: usize) -> Result<f64> {
        let [a, b, c] = [0, 1, 2].map(|i| f64::from(theta[i]));
        let mut loss = 0.0;
        for _ in 0..steps {
            state.x = a * state.x + b * state.x.sin() + c * state.u;
            loss += state.x * state.x;
        }
        Ok(if state.fails { f64::NAN } else { loss })
    }

    /// By forward accumulation.
    fn gradient(&self, theta: &[f32], state: &mut State, steps: usize, gradient: &mut [f32]) -> Result<f64> {
        if gradient.len() != 3 {
            return Err(Error::setting("gradient", "3 numbers", gradient.len()));
        }
        let [a, b, c] = [0, 1, 2].map(|i| f64::from(theta[i]));
        let (mut loss, mut dx, mut dl) = (0.0, [0.0; 3], [0.0; 3]);
        for _ in 0..steps {
            let x = state.x;
            let through = a + b * x.cos();
            let direct = [x, x.sin(), state.u];
            state.x = a * x + b * x.sin() + c * state.u;
            loss += state.x * state.x;
            for i in 0..3 {
                dx[i] = through * dx[i] + direct[i];
                dl[i] += 2.0 * state.x * dx[i];
            }
        }
        gradient.iter_mut().zip(dl).for_each(|(g, d)| *g = d as f32);
        Ok(loss)
    }
}

/// The exact gradient of the mean loss over tasks.
pub fn exact(toy: Toy, theta: &[f32], tasks: &[u64]) -> [f64; 3] {
    let mut sum = [0.0; 3];
    for task in tasks {
        let mut gradient = [0.0; 3];
        let mut state = toy.begin(theta, *task, toy.horizon).unwrap();
        toy.gradient(theta, &mut state, toy.horizon, &mut gradient).unwrap();
        sum.iter_mut().zip(gradient).for_each(|(s, g)| *s += f64::from(g) / tasks.len() as f64);
    }
    sum
}

#[test]
fn its_gradient_is_that_of_central_differences() {
    let toy = Toy::new(6);
    let theta = toy.initial(1);
    for task in [12345, 0xdead_beef, 7 << 17] {
        let found = exact(toy, &theta, &[task]);
        for i in 0..3 {
            let at = |h: f32| {
                let mut theta = theta.clone();
                theta[i] += h;
                let mut state = toy.begin(&theta, task, 6).unwrap();
                (f64::from(theta[i]), toy.advance(&theta, &mut state, 6).unwrap())
            };
            let ((t0, l0), (t1, l1)) = (at(-1e-3), at(1e-3));
            let expected = (l1 - l0) / (t1 - t0);
            assert!((found[i] - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{i}: {found:?} {expected}");
        }
    }
}
