//! A whole search in one call.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use candle_core::{DType, Device};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Encoding, Method, Search};
use crate::{BlockId, Budget, CostFunction, Error, Result, Space, Termination};

/// One finished evaluation, for observers.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// Its number, from 0.
    pub trial: u64,
    /// The values that were tried, all blocks one after the other, in their own units.
    pub values: &'a [f64],
    /// The cost; not finite where the evaluation failed.
    pub cost: f64,
    /// The lowest finite cost so far, this one included.
    pub best_cost: Option<f64>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The best values, all blocks one after the other, in their own units; `None` where no evaluation was finite.
    pub best: Option<Vec<f64>>,
    /// Their cost; infinite where there are none.
    pub best_cost: f64,
    /// Evaluations of the cost.
    pub evaluations: usize,
    /// Why the search ended.
    pub termination: Termination,
}

/// A search that can go on later: what [`Run::checkpoint`] hands out and [`Run::resume`] takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunState {
    /// The search's own state.
    pub search: serde_json::Value,
    /// Evaluations done.
    pub evaluations: usize,
    /// Evaluations since the best was found.
    pub stale: usize,
    /// Time spent.
    pub elapsed: Duration,
}

type Observe<'a> = Box<dyn FnMut(&Evaluation<'_>) -> ControlFlow<String> + 'a>;
type Checkpoint<'a> = Box<dyn FnMut(RunState) -> Result<()> + 'a>;

/// The loop around a [`Search`]: ask, evaluate, tell, until a limit is met.
///
/// ```
/// use dro_core::{Block, Space, search::Run};
///
/// # fn main() -> dro_core::Result<()> {
/// let space = Space::new(vec![
///     Block::bounded("x", [2], -5.0, 5.0),
///     Block::integer("layers", [1], 1, 8),
///     Block::categorical("activation", [1], ["relu", "tanh", "none"]),
/// ])?;
/// // No gradient anywhere, and an evaluation that fails.
/// let cost = |v: &[f64]| {
///     let activation = [0.0, 0.5, f64::NAN][v[3] as usize];
///     v[0].abs().floor() + (v[1] - 1.0).abs() + (v[2] - 3.0).abs() + activation
/// };
/// let found = Run::new(&space).evaluations(300).seed(1).minimize(cost)?;
/// assert!(found.best_cost < 2.0, "{found:?}");
/// # Ok(()) }
/// ```
pub struct Run<'a> {
    encoding: Result<Encoding>,
    method: Method,
    seed: u64,
    budget: Budget,
    patience: Option<usize>,
    batch: usize,
    observe: Vec<Observe<'a>>,
    checkpoint: Option<(usize, Checkpoint<'a>)>,
    resumed: Option<RunState>,
}

impl<'a> Run<'a> {
    /// 100 evaluations per coordinate by the recommended method, one at a time, seed 0.
    pub fn new(space: &Space) -> Self {
        Self::with(Encoding::new(space))
    }

    /// The same with a start or scales of one's own.
    pub fn of(encoding: &Encoding) -> Self {
        Self::with(Ok(encoding.clone()))
    }

    fn with(encoding: Result<Encoding>) -> Self {
        Self {
            encoding,
            method: Method::ALL[0],
            seed: 0,
            budget: Budget::default(),
            patience: None,
            batch: 1,
            observe: Vec::new(),
            checkpoint: None,
            resumed: None,
        }
    }

    /// Which search.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Another stream of random numbers.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// At most this many evaluations, failed ones included.
    pub fn evaluations(mut self, evaluations: usize) -> Self {
        self.budget.evaluations = Some(evaluations);
        self
    }

    /// No batch is started after this time.
    pub fn time(mut self, time: Duration) -> Self {
        self.budget.time = Some(time);
        self
    }

    /// Stop at a cost at or below this.
    pub fn target(mut self, target: f64) -> Self {
        self.budget.target = Some(target);
        self
    }

    /// Stop after this many evaluations without a better one.
    pub fn patience(mut self, evaluations: usize) -> Self {
        self.patience = Some(evaluations);
        self
    }

    /// Ask for this many trials at once and evaluate them on as many threads as there are. The result depends on the
    /// number, and not on the threads.
    pub fn batch(mut self, trials: usize) -> Self {
        self.batch = trials;
        self
    }

    /// Called after every evaluation, in the order of the trials; `Break(reason)` ends the search.
    pub fn observe(mut self, observe: impl FnMut(&Evaluation<'_>) -> ControlFlow<String> + 'a) -> Self {
        self.observe.push(Box::new(observe));
        self
    }

    /// Hands out the state after every `every` evaluations (rounded up to whole batches), and when the search ends.
    pub fn checkpoint(mut self, every: usize, keep: impl FnMut(RunState) -> Result<()> + 'a) -> Self {
        self.checkpoint = Some((every.max(1), Box::new(keep)));
        self
    }

    /// Goes on from a state; method and seed are the state's. The limits count what was spent before.
    pub fn resume(mut self, state: RunState) -> Self {
        self.resumed = Some(state);
        self
    }

    /// Minimizes a closure over the values of all blocks, one after the other. NaN or infinity says that an evaluation
    /// failed.
    ///
    /// # Errors
    /// If the space, a setting or a resumed state is no good.
    pub fn minimize(self, cost: impl Fn(&[f64]) -> f64 + Sync) -> Result<Found> {
        self.minimize_batches(|_, rows, elements, costs| {
            costs.par_iter_mut().zip(rows.par_chunks(elements)).for_each(|(out, row)| *out = cost(row));
            Ok(())
        })
    }

    /// Minimizes a [`CostFunction`]; a batch is one evaluation of its tensors, on `device`.
    ///
    /// # Errors
    /// As [`minimize`](Self::minimize), and if the cost function fails.
    pub fn minimize_cost(self, cost: &dyn CostFunction, device: &Device) -> Result<Found> {
        self.minimize_batches(|encoding, rows, _, costs| {
            let point = encoding.point(rows, DType::F32, device)?;
            let total = cost.evaluate(&point, BlockId(0))?.total;
            let total = total.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            if total.len() != costs.len() {
                return Err(Error::Shape {
                    name: "cost total".into(),
                    expected: vec![costs.len()],
                    found: vec![total.len()],
                });
            }
            costs.copy_from_slice(&total);
            Ok(())
        })
    }

    fn minimize_batches(
        mut self,
        mut evaluate: impl FnMut(&Encoding, &[f64], usize, &mut [f64]) -> Result<()>,
    ) -> Result<Found> {
        let encoding = self.encoding?;
        if self.batch == 0 {
            return Err(Error::argument("batch", "at least one trial", 0));
        }
        let allowed = self.budget.evaluations.unwrap_or_else(|| encoding.dim().saturating_mul(100));
        let (mut search, mut evaluations, mut stale, before) = match self.resumed {
            None => (self.method.build(&encoding.frame(), self.seed)?, 0, 0, Duration::ZERO),
            Some(state) => (Method::restore(state.search)?, state.evaluations, state.stale, state.elapsed),
        };
        let (dim, elements, began) = (encoding.dim(), encoding.elements(), Instant::now());
        if search.dim() != dim {
            return Err(Error::argument("resumed search", format!("{dim} coordinates"), search.dim()));
        }

        let (mut u, mut value, mut rows) = (vec![0.0; dim], Vec::new(), Vec::new());
        let (mut trials, mut costs) = (Vec::new(), Vec::new());
        let mut since_checkpoint = 0;
        let mut broken = None;
        let termination = loop {
            let elapsed = before + began.elapsed();
            if let (Some(value), Some(target)) = (search.best().map(|best| best.cost), self.budget.target)
                && value <= target
            {
                break Termination::TargetReached { value, target };
            }
            if let Some(reason) = broken {
                break Termination::Observer { reason };
            }
            if evaluations >= allowed {
                break Termination::EvaluationsSpent { used: evaluations, allowed };
            }
            if let Some(allowed) = self.budget.time.filter(|allowed| elapsed >= *allowed) {
                break Termination::TimeSpent { used: elapsed, allowed };
            }
            if let Some(allowed) = self.patience.filter(|allowed| stale >= *allowed) {
                break Termination::Stalled { evaluations: stale, allowed };
            }

            rows.clear();
            trials.clear();
            for _ in 0..self.batch.min(allowed - evaluations) {
                trials.push(search.ask(&mut u)?);
                encoding.decode(&u, &mut value)?;
                rows.extend_from_slice(&value);
            }
            costs.clear();
            costs.resize(trials.len(), f64::NAN);
            evaluate(&encoding, &rows, elements, &mut costs)?;

            for ((&trial, &cost), values) in trials.iter().zip(&costs).zip(rows.chunks(elements)) {
                let best_before = search.best().map(|best| best.cost);
                search.tell(trial, cost)?;
                evaluations += 1;
                let best_cost = search.best().map(|best| best.cost);
                stale = if best_cost == best_before { stale + 1 } else { 0 };
                let evaluation = Evaluation { trial, values, cost, best_cost };
                for observe in &mut self.observe {
                    if let ControlFlow::Break(reason) = observe(&evaluation) {
                        broken.get_or_insert(reason);
                    }
                }
            }
            since_checkpoint += trials.len();
            if let Some((every, keep)) = &mut self.checkpoint
                && since_checkpoint >= *every
            {
                since_checkpoint = 0;
                let elapsed = before + began.elapsed();
                keep(RunState { search: search.state()?, evaluations, stale, elapsed })?;
            }
        };
        if let Some((_, keep)) = &mut self.checkpoint
            && since_checkpoint > 0
        {
            keep(RunState {
                search: search.state()?,
                evaluations,
                stale,
                elapsed: before + began.elapsed(),
            })?;
        }

        let best = match search.best() {
            Some(best) => {
                encoding.decode(best.x, &mut value)?;
                Some(value)
            }
            None => None,
        };
        let best_cost = search.best().map_or(f64::INFINITY, |best| best.cost);
        Ok(Found { best, best_cost, evaluations, termination })
    }
}
