//! Where the probes are.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What two places are compared by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Learned features, at 1/8 of the image.
    #[default]
    Features,
    /// Census transforms of the image's pixels, by the number of bits that differ: a cost without a gradient.
    Census,
}

/// Where [`ProbedCost`](super::ProbedCost) looks around a point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeConfig {
    /// What the cost is made of.
    pub comparison: Comparison,
    /// Each cell's inverse depth is tried times and over 1 plus these.
    pub inverse_depth: [f64; 3],
    /// Translations tried along each axis, in both directions, in the unit of depth.
    pub translation: [f64; 2],
    /// Rotations tried about each axis, in both directions, radians.
    pub rotation_rad: [f64; 2],
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            comparison: Comparison::Features,
            inverse_depth: [0.04, 0.15, 0.5],
            translation: [0.05, 0.2],
            rotation_rad: [0.015, 0.06],
        }
    }
}

impl ProbeConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let settings = [
            ("inverse_depth", &self.inverse_depth[..], 10.0),
            ("translation", &self.translation[..], 1e3),
            ("rotation_rad", &self.rotation_rad[..], 1.0),
        ];
        for (name, values, most) in settings {
            if let Some(bad) = values.iter().find(|x| !(**x > 0.0 && **x <= most)) {
                return Err(Error::argument(
                    format!("probes.{name}"),
                    format!("above 0, at most {most}"),
                    bad,
                ));
            }
        }
        Ok(())
    }

    /// Pairs of probes of inverse depth.
    pub(super) const DEPTH_PAIRS: usize = 3;
    /// Channels of the cost map of inverse depth.
    pub(crate) const DEPTH_CHANNELS: usize = 2 + 3 * Self::DEPTH_PAIRS;
    /// Pairs of probes of a pose: six axes, and two turns that undo what a translation moves, at either distance.
    pub(super) const POSE_PAIRS: usize = 8 * 2;
    /// Costs of a pose and its probes.
    pub(super) const POSES: usize = 1 + 2 * Self::POSE_PAIRS;
    /// Channels of the cost map of poses: each cell's, and the picture's.
    pub(crate) const POSE_CHANNELS: usize = 2 * Self::POSES + 1 + Self::POSE_PAIRS;

    /// Weights `[channels + 1, 3, 3]` of the cost map of inverse depth and of the logarithm of inverse depth that make a step by hand:
    /// a part of the way to the vertices around a cell, and to the mean of its surroundings. Before the tanh of the rule,
    /// which moves inverse depth by half its value.
    pub(crate) fn depth_step(&self) -> Vec<f32> {
        const TO_VERTEX: [f64; 3] = [0.03, 0.05, 0.02];
        const TO_MEAN: f64 = 0.03;
        let mut weights = vec![0.0; 9 * (Self::DEPTH_CHANNELS + 1)];
        let (cost, own) = weights.split_at_mut(9 * Self::DEPTH_CHANNELS);
        let vertices = cost[9 * (1 + 2 * Self::DEPTH_PAIRS)..].chunks_exact_mut(9);
        for (around, (part, probe)) in vertices.zip(TO_VERTEX.into_iter().zip(self.inverse_depth)) {
            around.fill((2.0 * part * (1.0 + probe).ln() / 9.0) as f32);
        }
        own.fill((2.0 * TO_MEAN / 9.0) as f32);
        own[4] -= (2.0 * TO_MEAN) as f32;
        weights
    }

    /// Likewise of poses, `[6, channels]`: along the axes of rotation, forward, and along the two valleys. Each has a
    /// curvature of its own, so that what one axis does need not be undone by another.
    pub(crate) fn pose_step(&self, middle: f64, rotation_scale: f64) -> Vec<f32> {
        const PART: f64 = 0.35;
        let mut weights = vec![0.0; 6 * Self::POSE_CHANNELS];
        let first = 2 * Self::POSES + 1;
        let directions = self.moves(middle).into_iter().skip(1).step_by(2);
        for (pair, direction) in directions.enumerate().filter(|(pair, _)| pair % 8 > 1) {
            for (axis, step) in direction.into_iter().enumerate() {
                let unit = if axis < 3 { 1.0 } else { rotation_scale };
                weights[axis * Self::POSE_CHANNELS + first + pair] = (PART * step / unit) as f32;
            }
        }
        weights
    }

    /// What each cell's inverse depth is multiplied by: the point itself, then up and down for each distance.
    pub(super) fn factors(&self) -> Vec<f32> {
        let around = self.inverse_depth.iter().flat_map(|d| [1.0 + d, 1.0 / (1.0 + d)]);
        std::iter::once(1.0).chain(around).map(|factor| factor as f32).collect()
    }

    /// What is added to a pose (translation, then Euler angles), where the middle inverse depth is `middle`.
    pub(super) fn moves(&self, middle: f64) -> Vec<[f64; 6]> {
        let mut moves = vec![[0.0; 6]];
        for (translation, rotation) in self.translation.into_iter().zip(self.rotation_rad) {
            for axis in 0..8 {
                for sign in [1.0, -1.0] {
                    let mut step = [0.0; 6];
                    match axis {
                        0..3 => step[axis] = sign * translation,
                        3..6 => step[axis] = sign * rotation,
                        // What moves to the right is turned back, what moves down likewise: valleys of the cost.
                        6 => (step[0], step[4]) = (sign * translation, -sign * translation * middle),
                        _ => (step[1], step[3]) = (sign * translation, sign * translation * middle),
                    }
                    moves.push(step);
                }
            }
        }
        moves
    }
}
