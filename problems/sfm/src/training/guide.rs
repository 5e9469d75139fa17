//! Runs that start near the truth.

use candle_core::{Device, Tensor};
use dro_core::Point;
use dro_vision::euler;
use nalgebra::{Isometry3, UnitQuaternion, Vector3};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, cost::POSES};

/// How often, and how near to the truth, poses start in training and validation.
///
/// A cost of wrong poses says nothing about depth. So a network whose heads know no poses yet cannot learn to optimise
/// depth; where poses start near the truth, it can. The heads learn all the same: the start values that the loss sees are
/// theirs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuideConfig {
    /// Part of the samples whose poses start near the truth, 0 to 1.
    pub share: f64,
    /// Standard deviation of the rotation's error about each axis at most, degrees; each sample draws its own part of it.
    pub rotation_deg: f64,
    /// Likewise of the translation's error along each axis, in parts of its length.
    pub translation: f64,
}

impl GuideConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let ranges = [
            ("share", self.share, 1.0),
            ("rotation_deg", self.rotation_deg, 90.0),
            ("translation", self.translation, 10.0),
        ];
        for (name, value, most) in ranges {
            if !(0.0..=most).contains(&value) {
                return Err(Error::argument(format!("guide.{name}"), format!("0 to {most}"), value));
            }
        }
        Ok(())
    }

    /// Where the poses of a sample start, unless the heads say.
    fn starts(&self, truth: &[Isometry3<f64>], rng: &mut ChaCha8Rng) -> Option<Vec<Isometry3<f64>>> {
        if !rng.random_bool(self.share) {
            return None;
        }
        let part: f64 = rng.random_range(0.0..=1.0);
        let mut noise = |deviation: f64| {
            Vector3::from([(); 3].map(|()| part * deviation * rng.sample::<f64, _>(StandardNormal)))
        };
        let moved = |pose: &Isometry3<f64>| {
            let turn = UnitQuaternion::from_scaled_axis(noise(self.rotation_deg.to_radians()));
            let shift = noise(self.translation * pose.translation.vector.norm());
            Isometry3::from_parts((pose.translation.vector + shift).into(), turn * pose.rotation)
        };
        Some(truth.iter().map(moved).collect())
    }
}

/// Poses that a batch starts from.
#[derive(Debug, Clone)]
pub struct Guide {
    /// `[batch, neighbours, 6]`.
    poses: Tensor,
    /// `[batch, 1, 1]`: 1 where they are used, 0 where the heads' are.
    used: Tensor,
}

impl Guide {
    /// For samples with these true poses, each with its own random numbers; `None` where no sample is guided.
    pub(super) fn draw<'a>(
        config: &GuideConfig,
        truths: impl Iterator<Item = (&'a [Isometry3<f64>], ChaCha8Rng)>,
        device: &Device,
    ) -> Result<Option<Self>> {
        let (mut poses, mut used, mut neighbours) = (Vec::new(), Vec::new(), 0);
        for (truth, mut rng) in truths {
            let starts = config.starts(truth, &mut rng);
            used.push(f32::from(u8::from(starts.is_some())));
            let starts = starts.unwrap_or_else(|| truth.to_vec());
            neighbours = starts.len();
            poses.extend(starts.iter().flat_map(|pose| euler::parameters(pose).data.0[0]).map(|x| x as f32));
        }
        if used.iter().all(|used| *used == 0.0) {
            return Ok(None);
        }
        let batch = used.len();
        Ok(Some(Self {
            poses: Tensor::from_vec(poses, (batch, neighbours, 6), device)?,
            used: Tensor::from_vec(used, (batch, 1, 1), device)?,
        }))
    }

    /// The part of a batch.
    pub(super) fn part(&self, first: usize, count: usize) -> Result<Self> {
        let cut = |x: &Tensor| x.narrow(0, first, count)?.contiguous();
        Ok(Self { poses: cut(&self.poses)?, used: cut(&self.used)? })
    }

    /// The start values with these poses.
    pub(super) fn applied(&self, start: &Point) -> Result<Point> {
        let heads = start.get(POSES);
        let difference = (&self.poses - heads)?.broadcast_mul(&self.used)?;
        Ok(start.with(POSES, (heads + difference)?)?)
    }
}
