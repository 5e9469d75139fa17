//! Settings of the weights-free solver.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, cost::CensusConfig};

/// Settings of [`PatchMatchSolver`](super::PatchMatchSolver). The defaults are meant for all scenes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PatchMatchConfig {
    /// Seed of every random choice.
    pub seed: u64,
    /// Images wider than this are reduced to it, pixels.
    pub max_width: usize,
    /// Inverse depths swept, at least: there are more where they would be more than a pixel of parallax apart.
    pub planes: usize,
    /// Pose updates in one turn.
    pub pose_updates: usize,
    /// Joint updates of depth and poses after each stage.
    pub joint_updates: usize,
    /// Stages (a depth turn, a pose turn, joint updates) of the best point at the finest level.
    pub stages: usize,
    /// A smoothed map is accepted where its cost is higher by no more than this.
    pub slack: f64,
    /// The cost.
    pub census: CensusConfig,
}

impl Default for PatchMatchConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            max_width: 320,
            planes: 32,
            pose_updates: 30,
            joint_updates: 500,
            stages: 4,
            slack: 0.05,
            census: CensusConfig::default(),
        }
    }
}

impl PatchMatchConfig {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        let count = |name: &str, value: usize, low: usize| {
            if (low..=100_000).contains(&value) {
                Ok(())
            } else {
                Err(Error::argument(name, format!("a number in [{low}, 100000]"), value))
            }
        };
        let real = |name: &str, value: f64, low: f64, high: f64| {
            // Written so that NaN fails too.
            if value >= low && value <= high {
                Ok(())
            } else {
                Err(Error::argument(name, format!("a number in [{low}, {high}]"), value))
            }
        };
        count("max_width", self.max_width, 8)?;
        count("planes", self.planes, 2)?;
        count("pose_updates", self.pose_updates, 0)?;
        count("joint_updates", self.joint_updates, 0)?;
        count("stages", self.stages, 0)?;
        real("slack", self.slack, 0.0, 1.0)?;
        self.census.validate()
    }
}
