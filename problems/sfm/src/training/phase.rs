//! Parts of a training.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, network::MULTIPLE};

/// Which statistics batch norms use in training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchNorm {
    /// Those of the batch.
    #[default]
    Batch,
    /// Those of the weights that training starts from.
    Frozen,
}

/// A part of a training: small images and few updates first, where steps are cheap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Phase {
    /// Training steps of this part.
    pub steps: u64,
    /// Height and width of the images, multiples of 16.
    pub size: (usize, usize),
    /// Stages, m.
    pub stages: usize,
    /// Updates of each block per stage, n.
    pub inner: usize,
    /// Samples per step.
    pub batch: usize,
    /// Equal parts of a batch that are worked on at the same time, as on several GPUs: each has batch statistics of its
    /// own, and the gradient is their mean.
    pub shards: usize,
    /// Neighbours per target.
    pub neighbours: usize,
    /// Learning rate.
    pub rate: f64,
}

impl Default for Phase {
    fn default() -> Self {
        Self {
            steps: 1000,
            size: (64, 96),
            stages: 3,
            inner: 4,
            batch: 4,
            shards: 1,
            neighbours: 1,
            rate: 2e-4,
        }
    }
}

impl Phase {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let counts = [
            ("steps", self.steps.min(1) as usize),
            ("inner", self.inner),
            ("batch", self.batch),
            ("neighbours", self.neighbours),
        ];
        for (name, count) in counts {
            if count == 0 {
                return Err(Error::argument(format!("phases.{name}"), "at least 1", 0));
            }
        }
        if self.shards == 0 || !self.batch.is_multiple_of(self.shards) {
            let expected = format!("a divisor of the batch, {}", self.batch);
            return Err(Error::argument("phases.shards", expected, self.shards));
        }
        check_size("phases.size", self.size)?;
        if !(self.rate > 0.0 && self.rate.is_finite()) {
            return Err(Error::argument("phases.rate", "above 0", self.rate));
        }
        Ok(())
    }
}

pub(super) fn check_size(name: &str, (height, width): (usize, usize)) -> Result<()> {
    if [height, width].iter().all(|side| *side > 0 && side.is_multiple_of(MULTIPLE)) {
        return Ok(());
    }
    Err(Error::argument(name, format!("multiples of {MULTIPLE}"), format!("{height}x{width}")))
}
