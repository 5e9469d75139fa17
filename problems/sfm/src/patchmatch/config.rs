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
    /// The coarsest level is about this wide, pixels.
    pub coarsest_width: usize,
    /// The greatest inverse depth searched, as a fraction: first neighbour's baseline over depth.
    pub max_parallax: f64,
    /// Planes swept from every start.
    pub planes: usize,
    /// Rotations tried at random before any other search.
    pub rotations: usize,
    /// Largest rotation tried, radians.
    pub max_rotation_rad: f64,
    /// Pose updates in one turn.
    pub pose_updates: usize,
    /// Joint updates of depth and poses after each stage.
    pub joint_updates: usize,
    /// Points kept after each generation at the coarsest level; halved at each level.
    pub kept: usize,
    /// Children of each kept point in a generation.
    pub mutants: usize,
    /// Generations at each level but the finest.
    pub generations: usize,
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
            coarsest_width: 80,
            max_parallax: 1.0,
            planes: 32,
            rotations: 200,
            max_rotation_rad: 0.35,
            pose_updates: 30,
            joint_updates: 60,
            kept: 8,
            mutants: 3,
            generations: 4,
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
        count("coarsest_width", self.coarsest_width, 8)?;
        count("planes", self.planes, 2)?;
        count("rotations", self.rotations, 0)?;
        count("pose_updates", self.pose_updates, 0)?;
        count("joint_updates", self.joint_updates, 0)?;
        count("mutants", self.mutants, 1)?;
        count("generations", self.generations, 0)?;
        count("stages", self.stages, 0)?;
        count("kept", self.kept, 1)?;
        real("max_parallax", self.max_parallax, 1e-3, 10.0)?;
        real("max_rotation_rad", self.max_rotation_rad, 0.0, 1.5)?;
        real("slack", self.slack, 0.0, 1.0)?;
        self.census.validate()
    }
}
