//! The downhill simplex.

use argmin::{
    core::{IterState, Solver, State},
    solver::neldermead,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{
    common::{Best, WORST},
    replay::{Replay, Replayed},
};
use crate::search::{Frame, Strategy};

/// The first simplex reaches this far from the start along each coordinate.
const REACH: f64 = 0.25;

/// The simplex method of Nelder & Mead (1965), by the crate `argmin` with its default coefficients (1, 2, 1/2, 1/2).
///
/// The first simplex is the start and a point 0.25 from it along each coordinate, towards the inside. A simplex whose
/// costs agree to 10⁻¹² gives way to a new one around the best point so far, of random size between 0.025 and 0.25 and
/// random signs: on a landscape of steps that happens often. Vertices that leave the box cost what the nearest point of
/// the box costs.
///
/// The method is sequential after its first simplex. While a cost is on its way it proposes Gaussian samples around the
/// best point, which improve the result and not the simplex.
#[derive(Clone, Serialize, Deserialize)]
pub struct NelderMead {
    frame: Frame,
    rng: ChaCha8Rng,
    /// `None` while the first costs of a simplex are on their way.
    solver: Option<Simplex>,
    replay: Replay,
    best: Best,
}

type Simplex = neldermead::NelderMead<Vec<f64>, f64>;

impl NelderMead {
    /// Its own stream of random numbers per seed.
    pub fn new(frame: &Frame, seed: u64) -> Self {
        let mut new = Self {
            frame: frame.clone(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            solver: None,
            replay: Replay::default(),
            best: Best::new(frame),
        };
        new.simplex(&frame.start, |_| REACH);
        new
    }

    /// Wants a new simplex around `at`.
    fn simplex(&mut self, at: &[f64], mut reach: impl FnMut(&mut ChaCha8Rng) -> f64) {
        self.solver = None;
        let mut vertices = vec![at.to_vec(); at.len() + 1];
        for (i, (vertex, boxed)) in vertices.iter_mut().skip(1).zip(&self.frame.boxed).enumerate() {
            let reach = reach(&mut self.rng);
            let moved = vertex[i] + reach;
            vertex[i] = if *boxed && !(0.0..=1.0).contains(&moved) { vertex[i] - reach } else { moved };
        }
        self.replay.want(vertices);
    }

    fn restart(&mut self) {
        let at = if self.best.found() {
            self.best.x.clone()
        } else {
            (0..self.frame.dim()).map(|_| self.rng.random()).collect()
        };
        let size = REACH * 0.1f64.powf(self.rng.random());
        self.replay = Replay::default();
        self.simplex(&at, |rng| if rng.random() { size } else { -size });
    }

    /// Ranks the first simplex.
    fn begin(&mut self) {
        let vertices = self.replay.take();
        let costs: Vec<f64> = vertices.iter().map(|(_, cost)| *cost).collect();
        let mut solver = Simplex::new(vertices.into_iter().map(|(x, _)| x).collect());
        // The solver takes a missing cost here for a bug, and none is missing.
        let mut known = Replay::known(costs);
        let state = IterState::<Vec<f64>, (), (), (), (), f64>::new();
        match known.run(|problem| solver.init(problem, state)) {
            Ok(Some((state, _))) => {
                let cost = state.get_cost();
                self.go_on(solver, cost);
            }
            _ => self.restart(),
        }
    }

    fn go_on(&mut self, mut solver: Simplex, best: f64) {
        let state = IterState::<Vec<f64>, (), (), (), (), f64>::new();
        let tolerance = f64::MIN_POSITIVE + 1e-12 * best.abs();
        if let Ok(set) = solver.clone().with_sd_tolerance(tolerance) {
            solver = set;
        }
        let ended = Solver::<super::replay::Oracle, _>::terminate(&mut solver, &state).terminated();
        if ended || best >= WORST {
            self.restart();
        } else {
            self.solver = Some(solver);
        }
    }
}

impl Replayed for NelderMead {
    fn parts(&mut self) -> (&mut Replay, &mut Best, &mut ChaCha8Rng) {
        (&mut self.replay, &mut self.best, &mut self.rng)
    }

    /// One step of the solver, as far as the record goes.
    fn advance(&mut self) {
        let mut solver = match &self.solver {
            Some(solver) => solver.clone(),
            None => return self.begin(),
        };
        let state = IterState::<Vec<f64>, (), (), (), (), f64>::new();
        match self.replay.run(|problem| Ok((solver.next_iter(problem, state)?.0, solver))) {
            Ok(None) => {}
            Ok(Some((state, solver))) => self.go_on(solver, state.get_cost()),
            // Costs that cannot be compared; ours always can.
            Err(_) => self.restart(),
        }
    }
}

impl Strategy for NelderMead {
    const NAME: &'static str = "nelder-mead";

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn propose(&mut self, x: &mut [f64]) -> u32 {
        self.next_trial(x)
    }

    fn absorb(&mut self, tag: u32, x: &[f64], cost: f64) {
        self.answer(tag, x, cost);
    }
}
