//! Estimators of the meta-gradient, the gradient of the expected meta-loss with respect to θ.

mod bptt;
mod es;
mod pes;

pub use bptt::{Bptt, TruncatedBptt};
#[cfg(test)]
pub(crate) use es::centred_ranks;
pub use es::{Es, Shaping};
pub use pes::{PersistentEs, Pes};

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Result, Tasks, Unroll};

/// Where a training is: what an estimator needs to draw its tasks and its noise.
#[derive(Debug)]
pub struct Moment<'a> {
    /// The parameters.
    pub theta: &'a [f32],
    /// Training steps done.
    pub step: u64,
    /// The training's seed.
    pub seed: u64,
    /// No task is begun with more inner steps than this.
    pub horizon: usize,
    /// Where tasks come from.
    pub tasks: &'a mut Tasks,
}

/// One estimate of the meta-gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The mean meta-loss of the roll-outs (pieces of them, if truncated) that did not fail.
    pub loss: f64,
    /// The gradient, of θ's length.
    pub gradient: Vec<f32>,
    /// Inner steps that were run.
    pub inner_steps: u64,
    /// Roll-outs that failed.
    pub failed: usize,
    /// What the meta-loss is made of, by name, for the log; may be empty.
    pub parts: BTreeMap<String, f64>,
}

/// Estimates the meta-gradient by running an [`Unroll`]. The result does not depend on the number of threads.
pub trait Estimator<U: Unroll>: Send {
    /// One estimate at `at`.
    fn estimate(&mut self, unroll: &U, at: &mut Moment<'_>) -> Result<Estimate>;

    /// The roll-outs under way, in CBOR; empty where none are kept.
    fn save(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Goes on from what [`save`](Self::save) gave.
    fn load(&mut self, saved: &[u8]) -> Result<()> {
        if saved.is_empty() {
            Ok(())
        } else {
            Err(Error::setting("estimator", "one that keeps roll-outs between steps", "one that does not"))
        }
    }
}

/// Which estimator, as in a configuration file: `kind = "es"`, `"pes"` or `"bptt"`, and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EstimatorConfig {
    /// Antithetic evolution strategies over whole tasks.
    Es(Es),
    /// Persistent evolution strategies over pieces of tasks.
    Pes(Pes),
    /// Truncated back-propagation through time.
    Bptt(Bptt),
}

impl Default for EstimatorConfig {
    fn default() -> Self {
        Self::Es(Es::default())
    }
}

impl EstimatorConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Es(es) => es.validate(),
            Self::Pes(pes) => pes.validate(),
            Self::Bptt(bptt) => bptt.validate(),
        }
    }

    /// The estimator, for roll-outs that can be saved.
    ///
    /// ```
    /// use dro_train::{Es, EstimatorConfig};
    /// assert!(EstimatorConfig::Es(Es { sigma: -1.0, ..Es::default() }).validate().is_err());
    /// ```
    pub fn build<U: Unroll>(&self) -> Result<Box<dyn Estimator<U>>>
    where
        U::State: Serialize + DeserializeOwned + 'static,
    {
        self.validate()?;
        Ok(match self {
            Self::Es(es) => Box::new(es.clone()),
            Self::Pes(pes) => Box::new(pes.build()),
            Self::Bptt(bptt) => Box::new(bptt.build()),
        })
    }
}

fn at_least_one(name: &str, value: usize) -> Result<()> {
    if value == 0 { Err(Error::setting(name, "at least 1", value)) } else { Ok(()) }
}

fn positive(name: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() { Ok(()) } else { Err(Error::setting(name, "above zero", value)) }
}

/// `θ + scale·ε`.
fn perturbed(theta: &[f32], noise: &[f32], scale: f64) -> Vec<f32> {
    theta.iter().zip(noise).map(|(t, e)| (f64::from(*t) + scale * f64::from(*e)) as f32).collect()
}

/// `Σᵢ wᵢ·εᵢ`, each coordinate summed in the order of the pairs, so that the threads do not matter.
fn weighted_sum<N: AsRef<[f32]> + Sync>(noises: &[N], weights: &[f64], count: usize) -> Vec<f32> {
    const CHUNK: usize = 4096;
    let mut sum = vec![0f32; count];
    sum.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, sum)| {
        let mut exact = vec![0f64; sum.len()];
        for (noise, weight) in noises.iter().zip(weights) {
            let part = noise.as_ref().iter().skip(chunk * CHUNK);
            exact.iter_mut().zip(part).for_each(|(s, e)| *s += weight * f64::from(*e));
        }
        sum.iter_mut().zip(exact).for_each(|(s, e)| *s = e as f32);
    });
    sum
}

/// The mean of the finite ones, and how many are not.
fn finite_mean(losses: impl Iterator<Item = f64>) -> (Option<f64>, usize) {
    let (mut sum, mut count, mut failed) = (0.0, 0usize, 0);
    for loss in losses {
        if loss.is_finite() {
            sum += loss;
            count += 1;
        } else {
            failed += 1;
        }
    }
    ((count > 0).then(|| sum / count as f64), failed)
}

fn to_cbor<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(Error::outside)?;
    Ok(bytes)
}

fn from_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    ciborium::from_reader(bytes).map_err(Error::outside)
}
