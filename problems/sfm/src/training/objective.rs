//! What training makes small.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::Batch;
use crate::{
    Error, Result,
    loss::{DepthBounds, LossViews, PhotometricConfig, Predicted, photometric_loss, supervised_loss},
};

/// Weights of the losses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectiveConfig {
    /// Weight of the supervised depth loss; 0 leaves it out.
    pub depth: f64,
    /// Weight of the supervised pose loss; 0 leaves it out.
    pub pose: f64,
    /// Weight of the self-supervised loss; 0 leaves it out.
    pub photometric_weight: f64,
    /// What the self-supervised loss is made of.
    pub photometric: PhotometricConfig,
}

impl Default for ObjectiveConfig {
    /// Supervised, as published.
    fn default() -> Self {
        Self { depth: 1.0, pose: 1.0, photometric_weight: 0.0, photometric: PhotometricConfig::default() }
    }
}

impl ObjectiveConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let weights =
            [("depth", self.depth), ("pose", self.pose), ("photometric_weight", self.photometric_weight)];
        for (name, weight) in weights {
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(Error::argument(format!("loss.{name}"), "at least 0", weight));
            }
        }
        if weights.iter().all(|(_, weight)| *weight == 0.0) {
            return Err(Error::argument("loss", "a weight above 0", "none"));
        }
        self.photometric.validate()
    }

    /// The loss of predictions for a batch. Neither loss is computed where its weight is 0.
    ///
    /// # Errors
    /// If predictions and batch do not fit.
    pub fn of(&self, predicted: Predicted<'_>, batch: &Batch, bounds: DepthBounds) -> Result<Objective> {
        let (mut terms, mut parts) = (Vec::new(), BTreeMap::new());
        let mut add = |name: &str, value: &Tensor, weight: f64| -> Result<()> {
            parts.insert(name.to_owned(), f64::from(value.to_dtype(DType::F32)?.to_scalar::<f32>()?));
            if weight > 0.0 {
                terms.push((value * weight)?);
            }
            Ok(())
        };
        if self.depth > 0.0 || self.pose > 0.0 {
            let poses = &batch.neighbour_from_target;
            let loss = supervised_loss(predicted, &batch.depth_m, poses, &batch.intrinsics, bounds)?;
            add("depth_loss", &loss.depth, self.depth)?;
            add("pose_loss", &loss.pose, self.pose)?;
        }
        if self.photometric_weight > 0.0 {
            let views = LossViews {
                target: &batch.plain_target,
                neighbours: &batch.plain_neighbours,
                intrinsics: &batch.intrinsics,
            };
            let loss = photometric_loss(predicted, views, &self.photometric)?;
            add("photometric_loss", &loss.photometric, self.photometric_weight)?;
            add("smoothness_loss", &loss.smoothness, self.photometric_weight)?;
        }
        Ok(Objective { total: Tensor::stack(&terms, 0)?.sum_all()?, parts })
    }
}

/// The loss of a batch.
#[derive(Debug, Clone)]
pub struct Objective {
    /// A scalar, with gradients.
    pub total: Tensor,
    /// What it is made of, without weights, by name.
    pub parts: BTreeMap<String, f64>,
}
