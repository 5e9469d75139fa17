//! Everything about a training that can be set.

use dro_train::{OptimizerConfig, RateKind, RatePiece, RateSchedule, Settings, Validation};
use serde::{Deserialize, Serialize};

use super::{BatchNorm, FolderConfig, GuideConfig, ObjectiveConfig, Phase, StartConfig, phase::check_size};
use crate::{
    Error, Result,
    augment::AugmentConfig,
    scene::GeneratedConfig,
    weights::{ModelConfig, StartValues},
};

/// A training, as in a TOML file. Every key has a default; `docs/configs/sfm.toml` explains each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// All random numbers follow from it.
    pub seed: u64,
    /// The gradient's largest norm; 0: no limit.
    pub clip: f64,
    /// Decay of the moving average of the weights, which is what is measured and written; 0: none.
    pub average: f64,
    /// Steps over which the learning rate rises from 0.
    pub warm_up: u64,
    /// How the learning rate falls within its phases' rates.
    pub decay: RateKind,
    /// Cosine decay: where it ends, as a part of the rate.
    pub floor: f64,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
    /// Whether the weights file has 16-bit numbers.
    pub float16: bool,
    /// Which statistics batch norms use.
    pub batch_norm: BatchNorm,
    /// The network.
    pub model: ModelConfig,
    /// The first weights.
    pub start: StartConfig,
    /// What is made small.
    pub loss: ObjectiveConfig,
    /// Poses that start near the truth.
    pub guide: GuideConfig,
    /// Random changes to samples.
    pub augment: AugmentConfig,
    /// What turns gradients into steps.
    pub optimizer: OptimizerConfig,
    /// How good weights are found.
    pub validation: ValidationConfig,
    /// What it is trained on.
    pub data: Data,
    /// One after another.
    pub phases: Vec<Phase>,
}

/// Where samples come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// How often a sample is a generated scene, beside the weights of the folders.
    pub generated_weight: f64,
    /// Whether another sample is drawn in place of one that cannot be read or used, instead of an error; they are counted
    /// as `failed` in the log.
    pub skip_bad: bool,
    /// Generated scenes.
    pub generated: GeneratedConfig,
    /// Recorded sequences to train on.
    pub folders: Vec<FolderConfig>,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            generated_weight: 1.0,
            skip_bad: false,
            generated: GeneratedConfig::default(),
            folders: Vec::new(),
        }
    }
}

/// What weights are judged by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Mean |d − d*| / d*.
    #[default]
    AbsRel,
    /// Mean error of rotation, degrees.
    Rotation,
    /// Mean error of the translation's direction, degrees.
    Translation,
    /// The training loss.
    Loss,
}

/// Samples that training does not see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ValidationConfig {
    /// Steps between two measurements, 0: never.
    pub every: u64,
    /// How many samples.
    pub samples: usize,
    /// Which samples.
    pub seed: u64,
    /// How many of the measured weights are kept in the folder `best`, besides `weights.safetensors`.
    pub keep: usize,
    /// The best weights have the least of this.
    pub measure: Measure,
    /// Height and width of the images, multiples of 16.
    pub size: (usize, usize),
    /// Neighbours per target.
    pub neighbours: usize,
    /// Stages, m.
    pub stages: usize,
    /// Updates of each block per stage, n.
    pub inner: usize,
    /// How many of the samples are drawn as pictures.
    pub pictures: usize,
    /// Training batches that the statistics of batch norms are taken from.
    pub statistics_batches: usize,
    /// Whether the prediction is scaled to the truth by the median.
    pub median_scaling: bool,
    /// Recorded sequences; generated scenes if there are none.
    pub folders: Vec<FolderConfig>,
}

impl Default for ValidationConfig {
    fn default() -> Self {
        Self {
            every: 200,
            samples: 32,
            seed: 1_000_003,
            keep: 0,
            measure: Measure::AbsRel,
            size: (64, 96),
            neighbours: 1,
            stages: 3,
            inner: 4,
            pictures: 4,
            statistics_batches: 8,
            median_scaling: false,
            folders: Vec::new(),
        }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            clip: 1.0,
            average: 0.999,
            warm_up: 100,
            decay: RateKind::Constant,
            floor: 0.0,
            checkpoint_every: 100,
            float16: true,
            batch_norm: BatchNorm::Batch,
            model: ModelConfig::default(),
            start: StartConfig::default(),
            loss: ObjectiveConfig::default(),
            guide: GuideConfig::default(),
            augment: AugmentConfig::default(),
            optimizer: OptimizerConfig::default(),
            validation: ValidationConfig::default(),
            data: Data::default(),
            phases: vec![Phase::default()],
        }
    }
}

impl TrainingConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        self.model.validate()?;
        self.loss.validate()?;
        self.guide.validate()?;
        if self.guide.search && self.model.start != StartValues::Search {
            return Err(Error::argument("guide.search", "false, or model.start = \"search\"", true));
        }
        self.augment.validate()?;
        self.data.generated.validate()?;
        if self.phases.is_empty() {
            return Err(Error::argument("phases", "at least one [[phases]]", "none"));
        }
        for phase in &self.phases {
            phase.validate()?;
        }
        if !(self.clip >= 0.0 && self.clip.is_finite()) {
            return Err(Error::argument("clip", "at least 0", self.clip));
        }
        if self.checkpoint_every == 0 {
            return Err(Error::argument("checkpoint_every", "at least 1", 0));
        }
        if self.batch_norm == BatchNorm::Frozen && self.start.weights.is_none() {
            let expected = "\"batch\", or start.weights that the statistics belong to";
            return Err(Error::argument("batch_norm", expected, "\"frozen\" without"));
        }
        let weight = self.data.generated_weight;
        if !(weight >= 0.0 && weight.is_finite()) {
            return Err(Error::argument("data.generated_weight", "at least 0", weight));
        }
        for folder in self.data.folders.iter().chain(&self.validation.folders) {
            folder.validate()?;
        }
        check_size("validation.size", self.validation.size)?;
        for (name, count) in [
            ("validation.neighbours", self.validation.neighbours),
            ("validation.inner", self.validation.inner),
            ("validation.statistics_batches", self.validation.statistics_batches),
        ] {
            if count == 0 {
                return Err(Error::argument(name, "at least 1", 0));
            }
        }
        Ok(self.settings().validate()?)
    }

    /// Steps of all phases.
    pub fn steps(&self) -> u64 {
        self.phases.iter().fold(0, |sum, phase| sum.saturating_add(phase.steps))
    }

    /// The phase that a step (from 0) belongs to; the last one from its end on.
    pub fn phase_at(&self, step: u64) -> Phase {
        let mut end = 0u64;
        let found = self.phases.iter().find(|phase| {
            end = end.saturating_add(phase.steps);
            step < end
        });
        found.or(self.phases.last()).copied().unwrap_or_default()
    }

    /// The part that the trainer knows.
    pub fn settings(&self) -> Settings {
        let first = self.phases.first().copied().unwrap_or_default();
        let mut begin = 0u64;
        let pieces = self.phases.iter().map(|phase| {
            let piece = RatePiece { from: begin, factor: phase.rate / first.rate };
            begin = begin.saturating_add(phase.steps);
            piece
        });
        let pieces: Vec<RatePiece> = pieces.collect();
        Settings {
            seed: self.seed,
            steps: self.steps(),
            clip: (self.clip > 0.0).then_some(self.clip),
            optimizer: self.optimizer.clone(),
            schedule: RateSchedule {
                kind: self.decay,
                rate: first.rate,
                warm_up: self.warm_up,
                floor: self.floor,
                pieces,
                ..RateSchedule::default()
            },
            curriculum: None,
            average: (self.average > 0.0).then_some(self.average),
            validation: Validation {
                every: self.validation.every,
                tasks: self.validation.samples,
                seed: self.validation.seed,
                keep: self.validation.keep,
            },
        }
    }
}
