//! What is trained: a rule with parameters θ that is run on sampled tasks, piece by piece.

use std::{collections::BTreeMap, path::Path};

use rayon::prelude::*;

use crate::{Error, Result, save_weights};

/// How good weights are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Validated {
    /// Lower is better.
    pub score: f64,
    /// Other measures, by name, for the log.
    pub parts: BTreeMap<String, f64>,
}

/// A rule with flat parameters θ and the tasks it is trained on. One truncated step serves every gradient estimator
/// (as in google/learned_optimization).
///
/// A *task* is a seed: everything about a roll-out (the problem, its start, the noise in the rule and in the cost)
/// follows from it and from θ. That makes training repeatable, and lets evolution strategies compare two θ on the very
/// same task with the very same random numbers. A task may also stand for a whole batch of problems.
pub trait Unroll: Sync {
    /// A roll-out under way. Persistent evolution strategies and truncated back-propagation keep it between training
    /// steps, and so ask that it can be saved (`Serialize + DeserializeOwned`); a full roll-out does not.
    type State: Send;

    /// The number of parameters, the length of θ.
    fn parameters(&self) -> usize;

    /// θ at the start of training.
    fn initial(&self, seed: u64) -> Vec<f32>;

    /// Inner steps of this task in all, at least one.
    fn horizon(&self, task: u64) -> usize;

    /// The start of a task that will be run for `horizon` steps: [`horizon`](Self::horizon), or less where a
    /// curriculum says so.
    fn begin(&self, theta: &[f32], task: u64, horizon: usize) -> Result<Self::State>;

    /// Runs `steps` inner steps and gives the meta-loss summed over them. A value that is not finite says that the
    /// roll-out failed: it is left out of the gradient, or counts as the worst where losses are ranked.
    fn advance(&self, theta: &[f32], state: &mut Self::State, steps: usize) -> Result<f64>;

    /// [`advance`](Self::advance) that also writes the gradient of what it returns to `gradient` (of θ's length),
    /// back-propagated through these steps and cut at their start.
    ///
    /// # Errors
    /// [`Error::NoGradient`] unless the implementation has one: never a silent zero.
    fn gradient(
        &self,
        _theta: &[f32],
        _state: &mut Self::State,
        _steps: usize,
        _gradient: &mut [f32],
    ) -> Result<f64> {
        Err(Error::NoGradient {
            what: std::any::type_name::<Self>().into(),
            reason: "it is run by its values only".into(),
        })
    }

    /// How good θ is on a held-out task, lower is better. The meta-loss of the whole task, unless the implementation
    /// knows a measure that people care about more.
    fn score(&self, theta: &[f32], task: u64) -> Result<f64> {
        let horizon = self.horizon(task);
        let mut state = self.begin(theta, task, horizon)?;
        self.advance(theta, &mut state, horizon)
    }

    /// How good θ is on all held-out tasks: the mean [`score`](Self::score), measured in parallel.
    fn validate(&self, theta: &[f32], tasks: &[u64]) -> Result<Validated> {
        let scores: Vec<Result<f64>> =
            tasks.par_iter().with_max_len(1).map(|task| self.score(theta, *task)).collect();
        let scores: Vec<f64> = scores.into_iter().collect::<Result<_>>()?;
        let score = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        Ok(Validated { score, parts: BTreeMap::new() })
    }

    /// Names and shapes of the tensors that θ is made of, in its order: what the weights file holds.
    fn layout(&self) -> Vec<(String, Vec<usize>)> {
        vec![("theta".into(), vec![self.parameters()])]
    }

    /// Writes the weights file; `about` is kept in it.
    fn export(&self, path: &Path, theta: &[f32], about: &[(&str, &str)]) -> Result<()> {
        save_weights(path, &self.layout(), theta, about)
    }
}

impl<U: Unroll> Unroll for &U {
    type State = U::State;

    fn parameters(&self) -> usize {
        (**self).parameters()
    }

    fn initial(&self, seed: u64) -> Vec<f32> {
        (**self).initial(seed)
    }

    fn horizon(&self, task: u64) -> usize {
        (**self).horizon(task)
    }

    fn begin(&self, theta: &[f32], task: u64, horizon: usize) -> Result<U::State> {
        (**self).begin(theta, task, horizon)
    }

    fn advance(&self, theta: &[f32], state: &mut U::State, steps: usize) -> Result<f64> {
        (**self).advance(theta, state, steps)
    }

    fn gradient(
        &self,
        theta: &[f32],
        state: &mut U::State,
        steps: usize,
        gradient: &mut [f32],
    ) -> Result<f64> {
        (**self).gradient(theta, state, steps, gradient)
    }

    fn score(&self, theta: &[f32], task: u64) -> Result<f64> {
        (**self).score(theta, task)
    }

    fn validate(&self, theta: &[f32], tasks: &[u64]) -> Result<Validated> {
        (**self).validate(theta, tasks)
    }

    fn layout(&self) -> Vec<(String, Vec<usize>)> {
        (**self).layout()
    }

    fn export(&self, path: &Path, theta: &[f32], about: &[(&str, &str)]) -> Result<()> {
        (**self).export(path, theta, about)
    }
}
