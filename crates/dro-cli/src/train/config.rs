//! The configuration of a training.

use anyhow::{Result, anyhow};
use dro_train::{
    Curriculum, EstimatorConfig, OptimizerConfig, RateSchedule, Settings, TensorLoss, Validation,
};
use serde::{Deserialize, Serialize};

use super::rules::{Rule, Tasks};
use crate::training::Configuration;

/// A training, as in a TOML file. Every key has a default; keys that nobody knows are errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// All random numbers follow from it.
    pub seed: u64,
    /// Training steps.
    pub steps: u64,
    /// The gradient's largest norm; 0: no limit.
    pub clip: f64,
    /// Training steps between two checkpoints.
    pub checkpoint_every: u64,
    /// What is trained.
    pub rule: Rule,
    /// What it is trained on.
    pub tasks: Tasks,
    /// What is made small.
    pub loss: TensorLoss,
    /// How the meta-gradient is found.
    pub estimator: EstimatorConfig,
    /// What turns it into steps.
    pub optimizer: OptimizerConfig,
    /// The learning rate.
    pub schedule: RateSchedule,
    /// How long tasks are at most; whole if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curriculum: Option<Curriculum>,
    /// How good weights are found.
    pub validation: Validation,
}

impl Default for Config {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            seed: settings.seed,
            steps: settings.steps,
            clip: settings.clip.unwrap_or(0.0),
            checkpoint_every: 50,
            rule: Rule::default(),
            tasks: Tasks::default(),
            loss: TensorLoss::Regret { discount: 1.0 },
            estimator: EstimatorConfig::default(),
            optimizer: settings.optimizer,
            schedule: settings.schedule,
            curriculum: settings.curriculum,
            validation: settings.validation,
        }
    }
}

impl Configuration for Config {
    fn validate(&self) -> Result<()> {
        if !(self.clip >= 0.0 && self.clip.is_finite()) {
            return Err(anyhow!("clip: expected at least 0, found {}", self.clip));
        }
        if self.checkpoint_every == 0 {
            return Err(anyhow!("checkpoint_every: expected at least 1, found 0"));
        }
        self.settings().validate()?;
        self.estimator.validate()?;
        self.loss.validate()?;
        self.rule.validate()?;
        self.tasks.validate()
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn comparable(&self) -> Self {
        Self { steps: 1, checkpoint_every: 1, ..self.clone() }
    }
}

impl Config {
    /// The part that the trainer knows.
    pub fn settings(&self) -> Settings {
        Settings {
            seed: self.seed,
            steps: self.steps,
            clip: (self.clip > 0.0).then_some(self.clip),
            optimizer: self.optimizer.clone(),
            schedule: self.schedule.clone(),
            curriculum: self.curriculum,
            average: None,
            validation: self.validation,
        }
    }
}
