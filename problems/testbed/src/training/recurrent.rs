//! Training the recurrent search on generated tasks.

use dro_core::search::{
    AskTell, Frame, Search,
    recurrent::{RecurrentSearch, Weights},
};
use dro_train::{Error, Result, Unroll};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::GeneratedTask;

/// Where tasks come from; the generator has no settings yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecurrentTasks {}

/// The recurrent search as something to train: θ are its network's parameters, a task is a [`GeneratedTask`].
///
/// The meta-loss is the mean of the incumbent's [score](GeneratedTask::score) over the evaluations, weighted by one over
/// their number: every doubling of the budget counts the same, as on the logarithmic axis of a convergence plot.
///
/// Costs are opaque here, so the estimators are [`Es`](dro_train::Es) and [`Pes`](dro_train::Pes).
#[derive(Debug, Clone, Copy, Default)]
pub struct Recurrent;

/// A roll-out under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    task: GeneratedTask,
    search: AskTell<RecurrentSearch>,
    best: Option<f64>,
    score: f64,
    evaluations: usize,
    weights_sum: f64,
}

impl Unroll for Recurrent {
    type State = State;

    fn parameters(&self) -> usize {
        Weights::PARAMETERS
    }

    /// Small random gates; heads of zero, so that training starts from the settings made by hand.
    fn initial(&self, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let gates: usize =
            Weights::layout().iter().filter(|(name, _)| name.starts_with("gru")).map(size).sum();
        let noise = StandardNormal.sample_iter(&mut rng).take(gates).map(|z: f32| 0.2 * z);
        noise.chain(std::iter::repeat(0.0)).take(Weights::PARAMETERS).collect()
    }

    fn horizon(&self, task: u64) -> usize {
        GeneratedTask::horizon(task)
    }

    fn begin(&self, theta: &[f32], task: u64, horizon: usize) -> Result<State> {
        let weights = Weights::new(theta).map_err(Error::outside)?;
        let (seed, task) = (task, GeneratedTask::sample(task));
        let frame = Frame::unit(task.dim());
        Ok(State {
            search: AskTell::new(RecurrentSearch::with(&frame, seed, weights)),
            task,
            best: None,
            score: 0.0,
            evaluations: 0,
            weights_sum: (1..=horizon).map(|t| 1.0 / (t as f64 + 2.0)).sum(),
        })
    }

    fn advance(&self, _theta: &[f32], state: &mut State, steps: usize) -> Result<f64> {
        let mut x = vec![0.0; state.task.dim()];
        let mut loss = 0.0;
        for _ in 0..steps {
            let trial = state.search.ask(&mut x).map_err(Error::outside)?;
            let cost = state.task.cost(&x);
            state.search.tell(trial, cost).map_err(Error::outside)?;
            if state.best.is_none_or(|best| cost < best) {
                state.best = Some(cost);
                state.score = state.task.score(&x);
            }
            state.evaluations += 1;
            loss += state.score / (state.evaluations as f64 + 2.0) / state.weights_sum;
        }
        Ok(loss)
    }

    fn layout(&self) -> Vec<(String, Vec<usize>)> {
        Weights::layout()
    }
}

fn size((_, shape): &(String, Vec<usize>)) -> usize {
    shape.iter().product()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    fn mean_score(theta: &[f32]) -> f64 {
        // Seeds that neither training nor validation, whose tasks are hashes, can be expected to meet.
        let scores: Vec<f64> = (0..200u64)
            .into_par_iter()
            .map(|task| Recurrent.score(theta, 0xbeef_0000 + task).unwrap())
            .collect();
        scores.iter().sum::<f64>() / scores.len() as f64
    }

    #[test]
    fn the_bundled_weights_are_better_than_none() {
        let (bundled, none) =
            (mean_score(Weights::bundled().theta()), mean_score(Weights::untrained().theta()));
        assert!(bundled < none - 0.02, "{bundled} {none}");
    }

    #[test]
    fn a_roll_out_in_pieces_is_the_whole() {
        let theta = Recurrent.initial(1);
        for task in 0..6 {
            let horizon = Recurrent.horizon(task);
            let mut state = Recurrent.begin(&theta, task, horizon).unwrap();
            let mut sum = 0.0;
            for from in (0..horizon).step_by(7) {
                sum += Recurrent.advance(&theta, &mut state, 7.min(horizon - from)).unwrap();
                // A training that is resumed reads its roll-outs back.
                state = serde_json::from_value(serde_json::to_value(&state).unwrap()).unwrap();
            }
            assert!((sum - Recurrent.score(&theta, task).unwrap()).abs() < 1e-12);
        }
    }
}
