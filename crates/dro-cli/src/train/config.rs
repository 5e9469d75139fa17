//! The configuration of a training.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow};
use dro_train::{
    Curriculum, EstimatorConfig, OptimizerConfig, RateSchedule, Settings, TensorLoss, Validation,
};
use serde::{Deserialize, Serialize};

use super::rules::{Rule, Tasks};

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

impl Config {
    /// Reads and checks a file; errors name it and the key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let config: Self = toml::from_str(&text).map_err(|error| {
            // The line and its key, where the parser knows them, instead of its drawing of several lines.
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count());
            let place = line.map_or(String::new(), |line| {
                let key =
                    text.lines().nth(line).and_then(|text| text.split_once('=')).map(|(key, _)| key.trim());
                let key = key.map_or(String::new(), |key| format!(", {key}"));
                format!(", line {}{key}", line + 1)
            });
            anyhow!("{}{place}: {}", path.display(), error.message())
        })?;
        config.validate().with_context(|| path.display().to_string())?;
        Ok(config)
    }

    /// The first setting that is out of range.
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

    /// All of it, defaults written out.
    pub fn to_toml(&self) -> Result<String> {
        Ok(toml::to_string(self)?)
    }
}
