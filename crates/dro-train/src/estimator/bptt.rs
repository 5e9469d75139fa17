//! Truncated back-propagation through time.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Estimate, Estimator, Moment, at_least_one, finite_mean, from_cbor, to_cbor, weighted_sum};
use crate::{Error, Result, Unroll};

/// Truncated back-propagation through time (Werbos 1990): every training step runs the next `truncation` inner steps of
/// each task and takes the mean of the gradients through them, cut at their start. With a truncation of at least the
/// horizon the gradient is exact.
///
/// It needs [`Unroll::gradient`], and so a rule and a cost that automatic differentiation sees through, or a loss that
/// does not pass the cost (supervised targets).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bptt {
    /// Tasks at a time.
    pub tasks: usize,
    /// Inner steps per training step.
    pub truncation: usize,
}

impl Default for Bptt {
    fn default() -> Self {
        Self { tasks: 1, truncation: 20 }
    }
}

impl Bptt {
    pub(super) fn validate(&self) -> Result<()> {
        at_least_one("estimator.tasks", self.tasks)?;
        at_least_one("estimator.truncation", self.truncation)
    }

    /// The estimator of these settings with no task begun.
    pub fn build<S>(&self) -> TruncatedBptt<S> {
        TruncatedBptt { settings: self.clone(), under_way: Vec::new() }
    }
}

/// [`Bptt`] with its roll-outs under way.
pub struct TruncatedBptt<S> {
    settings: Bptt,
    /// A roll-out and the inner steps that it has left.
    under_way: Vec<Option<(S, usize)>>,
}

impl<U: Unroll> Estimator<U> for TruncatedBptt<U::State>
where
    U::State: Serialize + DeserializeOwned,
{
    fn estimate(&mut self, unroll: &U, at: &mut Moment<'_>) -> Result<Estimate> {
        let Bptt { tasks, truncation } = self.settings;
        self.under_way.resize_with(tasks, || None);
        for place in self.under_way.iter_mut().filter(|place| place.is_none()) {
            let task = at.tasks.draw();
            let horizon = unroll.horizon(task).min(at.horizon).max(1);
            *place = Some((unroll.begin(at.theta, task, horizon)?, horizon));
        }
        let theta = at.theta;
        let ran: Vec<Result<(f64, Vec<f32>, usize)>> = self
            .under_way
            .par_iter_mut()
            .flatten()
            .map(|(state, left)| {
                let steps = truncation.min(*left);
                let mut gradient = vec![0.0; theta.len()];
                let loss = unroll.gradient(theta, state, steps, &mut gradient)?;
                *left -= steps;
                let finite = loss.is_finite() && gradient.iter().all(|g| g.is_finite());
                Ok((if finite { loss } else { f64::NAN }, gradient, steps))
            })
            .collect();
        let ran: Vec<(f64, Vec<f32>, usize)> = ran.into_iter().collect::<Result<_>>()?;
        let (loss, failed) = finite_mean(ran.iter().map(|(loss, ..)| *loss));
        let loss = loss.ok_or(Error::AllFailed { step: at.step, rollouts: tasks })?;
        for (place, (loss, ..)) in self.under_way.iter_mut().zip(&ran) {
            if !loss.is_finite() || place.as_ref().is_some_and(|(_, left)| *left == 0) {
                *place = None;
            }
        }
        let good: Vec<&[f32]> = ran.iter().filter(|r| r.0.is_finite()).map(|r| r.1.as_slice()).collect();
        let weights = vec![1.0 / good.len() as f64; good.len()];
        Ok(Estimate {
            loss,
            gradient: weighted_sum(&good, &weights, theta.len()),
            inner_steps: ran.iter().map(|(.., steps)| *steps as u64).sum(),
            failed,
            parts: BTreeMap::new(),
        })
    }

    fn save(&self) -> Result<Vec<u8>> {
        to_cbor(&self.under_way)
    }

    fn load(&mut self, saved: &[u8]) -> Result<()> {
        self.under_way = from_cbor(saved)?;
        let found = self.under_way.len();
        if found == 0 || found == self.settings.tasks {
            Ok(())
        } else {
            Err(Error::setting("estimator.tasks", format!("{found}, as saved"), self.settings.tasks))
        }
    }
}
