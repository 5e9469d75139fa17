//! The settings of a training besides its rule, its tasks and its estimator.

use serde::{Deserialize, Serialize};

use crate::{Curriculum, Error, OptimizerConfig, RateSchedule, Result};

/// Settings of a [`Trainer`](crate::Trainer); every one has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// All random numbers follow from it.
    pub seed: u64,
    /// Training steps in all.
    pub steps: u64,
    /// Gradients are scaled down to this norm; no limit if absent.
    pub clip: Option<f64>,
    /// What turns gradients into steps.
    pub optimizer: OptimizerConfig,
    /// The learning rate.
    pub schedule: RateSchedule,
    /// How long tasks are at most; every task has its whole horizon if absent.
    pub curriculum: Option<Curriculum>,
    /// Decay of the moving average of the weights, in [0, 1): the average is what is measured and kept, as it is better
    /// than the newest weights. Those themselves if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// How good weights are found.
    pub validation: Validation,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            steps: 1000,
            clip: Some(1.0),
            optimizer: OptimizerConfig::default(),
            schedule: RateSchedule::default(),
            curriculum: None,
            average: None,
            validation: Validation::default(),
        }
    }
}

/// Tasks that training never sees decide which weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Validation {
    /// After every so many training steps, before the first and after the last. 0: never, and the last weights count
    /// as the best.
    pub every: u64,
    /// How many tasks.
    pub tasks: usize,
    /// Which tasks.
    pub seed: u64,
    /// How many of the weights that were measured are kept in the folder `best`, the best ones; 0: none but the best of
    /// all, which is `weights.safetensors` in any case.
    pub keep: usize,
}

impl Default for Validation {
    fn default() -> Self {
        Self { every: 50, tasks: 64, seed: 0, keep: 0 }
    }
}

impl Settings {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::setting("steps", "at least 1", self.steps));
        }
        if let Some(clip) = self.clip
            && !(clip > 0.0 && clip.is_finite())
        {
            return Err(Error::setting("clip", "above zero", clip));
        }
        if let Some(decay) = self.average
            && !(0.0..1.0).contains(&decay)
        {
            return Err(Error::setting("average", "at least 0 and below 1", decay));
        }
        if self.validation.every > 0 && self.validation.tasks == 0 {
            return Err(Error::setting("validation.tasks", "at least 1", self.validation.tasks));
        }
        self.optimizer.validate()?;
        self.schedule.validate()?;
        self.curriculum.map_or(Ok(()), |curriculum| curriculum.validate())
    }
}
