//! Turns a solver that calls the cost into one that is told.

use std::sync::{Mutex, PoisonError};

use argmin::core::{CostFunction, Problem, SyncAlias};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::common::{Best, ranked};

/// The costs that one iteration of an argmin solver asks for, in its order.
///
/// The iteration runs on a copy of the solver, and every cost it wants is looked up here. When the record runs out the
/// wanted points are noted and the iteration fails; it runs again when they have been answered, and gets one call
/// further. It is deterministic, so it asks the same as before. When it ends, its result counts and the record is
/// cleared.
///
/// Where `RUST_BACKTRACE` asks for backtraces, that failure records one, and a step takes 8 µs in place of 1.3.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Replay {
    record: Vec<Entry>,
    /// How many of them have been handed out.
    asked: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    x: Vec<f64>,
    cost: Option<f64>,
}

impl Replay {
    /// Asks for costs before there is a solver.
    pub fn want(&mut self, points: impl IntoIterator<Item = Vec<f64>>) {
        self.record.extend(points.into_iter().map(|x| Entry { x, cost: None }));
    }

    /// A record of costs whose points do not matter.
    pub fn known(costs: impl IntoIterator<Item = f64>) -> Self {
        let record = costs.into_iter().map(|cost| Entry { x: Vec::new(), cost: Some(cost) }).collect();
        Self { record, asked: 0 }
    }

    /// The next point to evaluate, and its place in the record.
    pub fn next(&mut self) -> Option<(u32, &[f64])> {
        let entry = self.record.get(self.asked)?;
        self.asked += 1;
        Some((self.asked as u32 - 1, &entry.x))
    }

    /// Whether costs are on their way.
    pub fn waits(&self) -> bool {
        self.record.iter().any(|entry| entry.cost.is_none())
    }

    pub fn answer(&mut self, place: u32, cost: f64) {
        if let Some(entry) = self.record.get_mut(place as usize) {
            entry.cost = Some(ranked(cost));
        }
    }

    /// All points and costs of the record, which is empty then.
    pub fn take(&mut self) -> Vec<(Vec<f64>, f64)> {
        self.asked = 0;
        self.record.drain(..).filter_map(|entry| Some((entry.x, entry.cost?))).collect()
    }

    /// Runs `iterate` on the record: its result, or `None` if it wants more costs. An iteration that fails though
    /// nothing is wanted gives its error.
    pub fn run<T>(
        &mut self,
        iterate: impl FnOnce(&mut Problem<Oracle>) -> Result<T, argmin::core::Error>,
    ) -> Result<Option<T>, argmin::core::Error> {
        let answers = self.record.iter().filter_map(|entry| entry.cost).collect();
        let mut problem = Problem::new(Oracle(Mutex::new(Asking { answers, used: 0, wanted: Vec::new() })));
        match iterate(&mut problem) {
            Ok(done) => {
                self.record.clear();
                self.asked = 0;
                Ok(Some(done))
            }
            Err(error) => {
                let wanted = problem.problem.map(|oracle| oracle.into_wanted()).unwrap_or_default();
                if wanted.is_empty() {
                    return Err(error);
                }
                self.want(wanted);
                Ok(None)
            }
        }
    }
}

/// The tag of a trial that the solver did not ask for.
const EXTRA: u32 = u32::MAX;
/// How far from the best point extra trials are.
const EXTRA_SIGMA: f64 = 0.1;

/// A strategy around a solver that is replayed: its proposals and what becomes of their costs.
pub(super) trait Replayed {
    fn parts(&mut self) -> (&mut Replay, &mut Best, &mut ChaCha8Rng);

    /// Runs the solver on the record, or begins anew where it has come to its end.
    fn advance(&mut self);

    /// The next point that the solver wants; while it waits for costs, a sample near the best point.
    fn next_trial(&mut self, x: &mut [f64]) -> u32 {
        // The end of an iteration, then the beginning of the next, which always wants a cost.
        for _ in 0..3 {
            let (replay, ..) = self.parts();
            if let Some((place, wanted)) = replay.next() {
                x.copy_from_slice(wanted);
                return place;
            }
            if replay.waits() {
                break;
            }
            self.advance();
        }
        let (_, best, rng) = self.parts();
        best.near(EXTRA_SIGMA, rng, x);
        EXTRA
    }

    fn answer(&mut self, tag: u32, x: &[f64], cost: f64) {
        let (replay, best, _) = self.parts();
        best.offer(x, cost);
        if tag != EXTRA {
            replay.answer(tag, cost);
        }
    }
}

/// The cost function that argmin sees.
pub(super) struct Oracle(Mutex<Asking>);

struct Asking {
    answers: Vec<f64>,
    used: usize,
    wanted: Vec<Vec<f64>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the costs of {0} more points are needed")]
struct Wanted(usize);

impl Oracle {
    fn into_wanted(self) -> Vec<Vec<f64>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).wanted
    }

    fn look_up(&self, points: &[&Vec<f64>]) -> Result<Vec<f64>, argmin::core::Error> {
        let mut asking = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = (asking.used, asking.used + points.len());
        if let Some(costs) = asking.answers.get(from..to) {
            let costs = costs.to_vec();
            asking.used = to;
            return Ok(costs);
        }
        asking.wanted.extend(points.iter().map(|x| (*x).clone()));
        Err(Wanted(points.len()).into())
    }
}

impl CostFunction for Oracle {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, x: &Vec<f64>) -> Result<f64, argmin::core::Error> {
        Ok(self.look_up(&[x])?.into_iter().sum())
    }

    // All at once, so that a generation can be evaluated in parallel.
    fn bulk_cost<P>(&self, points: &[P]) -> Result<Vec<f64>, argmin::core::Error>
    where
        P: std::borrow::Borrow<Vec<f64>> + SyncAlias,
    {
        let points: Vec<&Vec<f64>> = points.iter().map(|x| x.borrow()).collect();
        self.look_up(&points)
    }
}
