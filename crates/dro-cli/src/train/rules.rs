//! The rules that can be trained, and what they can be trained on. Another kind is a variant here and an arm in
//! [`train`]: anything that is an [`Unroll`] will do.

use std::path::Path;

use anyhow::{Result, bail};
use dro_core::rules::DenseGru;
use dro_testbed::training::{Recurrent, RecurrentTasks};
use dro_train::{GpSamples, Session, TensorUnroll, Trainer, Unroll};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::config::Config;
use crate::{
    Outcome,
    training::{Job, number},
};

/// `[rule]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Rule {
    /// The dense GRU of Chen et al. 2017, for the tasks' dimension.
    DenseGru(Dense),
    /// The recurrent search for any number of dimensions, whose weights `dro-core` bundles.
    Recurrent,
}

/// Settings of the dense GRU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dense {
    /// Hidden units.
    pub hidden: usize,
}

impl Default for Dense {
    fn default() -> Self {
        Self { hidden: 32 }
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self::DenseGru(Dense::default())
    }
}

impl Rule {
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::DenseGru(Dense { hidden: 0 }) => bail!("rule.hidden: expected at least 1, found 0"),
            Self::DenseGru(_) | Self::Recurrent => Ok(()),
        }
    }
}

/// `[tasks]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Tasks {
    /// Samples of a Gaussian process.
    GaussianProcess(GpSamples),
    /// Random landscapes of 1 to 12 dimensions, for the recurrent search.
    Generated(RecurrentTasks),
}

impl Default for Tasks {
    fn default() -> Self {
        Self::GaussianProcess(GpSamples::default())
    }
}

impl Tasks {
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::GaussianProcess(tasks) => Ok(tasks.validate()?),
            Self::Generated(_) => Ok(()),
        }
    }
}

/// Runs a job with the rule and the tasks that its configuration names.
pub fn train(job: Job<Config>) -> Result<Outcome> {
    match (job.config.rule.clone(), job.config.tasks.clone()) {
        (Rule::DenseGru(Dense { hidden }), Tasks::GaussianProcess(tasks)) => {
            let dim = tasks.dim;
            let loss = job.config.loss;
            run(job, TensorUnroll::new(move |vb| DenseGru::new(dim, hidden, vb), tasks, loss)?)
        }
        (Rule::Recurrent, Tasks::Generated(_)) => run(job, Recurrent),
        (Rule::DenseGru(_), Tasks::Generated(_)) => {
            bail!("tasks.kind: expected \"gaussian-process\" for the rule \"dense-gru\", found \"generated\"")
        }
        (Rule::Recurrent, Tasks::GaussianProcess(_)) => {
            bail!("tasks.kind: expected \"generated\" for the rule \"recurrent\", found \"gaussian-process\"")
        }
    }
}

fn run<U: Unroll>(job: Job<Config>, unroll: U) -> Result<Outcome>
where
    U::State: Serialize + DeserializeOwned + 'static,
{
    let open = |config: &Config, out: &Path, about: &str, again| {
        let (about, every, settings) = (about.to_owned(), config.checkpoint_every, config.settings());
        let estimator = config.estimator.build()?;
        Ok(match again {
            true => Session::resume(unroll, estimator, settings, out, about, every)?,
            false => (Session::start(Trainer::new(unroll, estimator, settings)?, out, about, every)?, None),
        })
    };
    job.run("dro train", open, |metric, measured| {
        let validation = measured.and_then(|metric| metric.validation);
        format!("loss {}, validation {}", number(metric.loss), number(validation))
    })
}
