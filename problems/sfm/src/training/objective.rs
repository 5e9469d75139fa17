//! What training makes small.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::Batch;
use crate::{
    Error, Result,
    loss::{
        DepthBounds, LossViews, PhotometricConfig, Predicted, matching_loss, photometric_loss, relative_loss,
        supervised_loss,
    },
    network::Encoded,
};

/// Weights of the losses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectiveConfig {
    /// Weight of the supervised depth loss; 0 leaves it out.
    pub depth: f64,
    /// Weight of the depth loss in parts of depth; 0 leaves it out.
    pub relative: f64,
    /// Weight of the supervised pose loss; 0 leaves it out.
    pub pose: f64,
    /// Weight of the matching loss of the features; 0 leaves it out.
    pub matching: f64,
    /// Weight of the self-supervised loss; 0 leaves it out.
    pub photometric_weight: f64,
    /// What the self-supervised loss is made of.
    pub photometric: PhotometricConfig,
    /// Of runs that start where the search ends: whether losses and measures are those of the answer that users get, the search's
    /// depth as the network [mends](crate::weights::ModelConfig::believed) it, instead of those of the network's own depth.
    pub mended: bool,
}

impl Default for ObjectiveConfig {
    /// Supervised, as published.
    fn default() -> Self {
        Self {
            depth: 1.0,
            relative: 0.0,
            pose: 1.0,
            matching: 0.0,
            photometric_weight: 0.0,
            photometric: PhotometricConfig::default(),
            mended: false,
        }
    }
}

impl ObjectiveConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let weights = [
            ("depth", self.depth),
            ("relative", self.relative),
            ("pose", self.pose),
            ("matching", self.matching),
            ("photometric_weight", self.photometric_weight),
        ];
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

    /// The loss of predictions for a batch. A loss is not computed where its weight is 0.
    ///
    /// # Errors
    /// If predictions and batch do not fit.
    pub fn of(
        &self,
        predicted: Predicted<'_>,
        encoded: &Encoded,
        batch: &Batch,
        bounds: DepthBounds,
    ) -> Result<Objective> {
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
        if self.relative > 0.0 {
            add("relative_loss", &relative_loss(predicted, &batch.depth_m, bounds)?, self.relative)?;
        }
        if self.matching > 0.0 {
            let (a, b) = (&encoded.target_features, &encoded.neighbour_features);
            let (poses, intrinsics) = (&batch.neighbour_from_target, &batch.intrinsics);
            let loss = matching_loss(a, b, &batch.depth_m, poses, intrinsics, bounds)?;
            add("matching_loss", &loss, self.matching)?;
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

/// The loss of a batch and its derivatives.
#[derive(Debug, Clone)]
pub struct LossGradient {
    /// The loss.
    pub loss: f64,
    /// What it is made of, without weights, by name.
    pub parts: BTreeMap<String, f64>,
    /// One number per parameter.
    pub gradient: Vec<f32>,
}

impl LossGradient {
    /// Of equal parts of a batch, added in their order, so that the number of threads changes no bit.
    pub(super) fn mean(shards: Vec<Self>) -> Result<Self> {
        let part = 1.0 / shards.len() as f64;
        let mut shards = shards.into_iter();
        let missing = || Error::argument("shards", "at least 1", 0);
        let mut sum = shards.next().ok_or_else(missing)?;
        for shard in shards {
            sum.loss += shard.loss;
            for (name, value) in shard.parts {
                *sum.parts.entry(name).or_default() += value;
            }
            sum.gradient.iter_mut().zip(&shard.gradient).for_each(|(sum, g)| *sum += g);
        }
        sum.loss *= part;
        sum.parts.values_mut().for_each(|value| *value *= part);
        sum.gradient.iter_mut().for_each(|g| *g *= part as f32);
        Ok(sum)
    }
}
