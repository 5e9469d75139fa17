//! What is generated.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Settings of generated scenes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeneratedConfig {
    /// Parts of furnished rooms, floating objects and streets; they need not add up to 1.
    pub shares: [f64; 3],
    /// Translation between the target and its nearest neighbour over the median depth, least and most; drawn evenly on a
    /// logarithmic scale.
    pub baseline: [f64; 2],
    /// Rotation between the two, radians, at most.
    pub turn_rad: f64,
    /// Part of the furnished rooms whose walls and ceiling have one coat of paint, as most have: little to match. In the others
    /// each has a material of its own.
    pub painted: f64,
    /// If set, units are chosen such that the target's median depth is this. Scale cannot be seen; this makes it known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_depth_m: Option<f64>,
    /// How many scenes there are; 0: no end. So many are kept in memory in training (0.35 MB for a pair of 96x128), as a
    /// scene takes longer to make than to learn from.
    pub pool: u64,
    /// Exposure changes, blur, shake and noise: 0 (none) to 1 (a cheap camera).
    pub photo: f64,
    /// Rays per pixel and axis, 1 to 8; more are smoother and slower.
    pub rays: u32,
}

impl Default for GeneratedConfig {
    fn default() -> Self {
        Self {
            shares: [0.55, 0.3, 0.15],
            baseline: [0.02, 0.2],
            turn_rad: 0.12,
            painted: 0.0,
            median_depth_m: None,
            pool: 0,
            photo: 1.0,
            rays: 2,
        }
    }
}

impl GeneratedConfig {
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<()> {
        let require = |holds: bool, name: &str, expected: &str, found: String| {
            if holds { Ok(()) } else { Err(Error::argument(format!("generated.{name}"), expected, found)) }
        };
        let shares =
            self.shares.iter().all(|x| *x >= 0.0 && x.is_finite()) && self.shares.iter().sum::<f64>() > 0.0;
        require(shares, "shares", "three numbers from 0 on, not all 0", format!("{:?}", self.shares))?;
        let [least, most] = self.baseline;
        require(
            least > 0.0 && least <= most && most <= 1.0,
            "baseline",
            "0 < least <= most <= 1",
            format!("{:?}", self.baseline),
        )?;
        require((0.0..=0.5).contains(&self.turn_rad), "turn_rad", "0 to 0.5", self.turn_rad.to_string())?;
        let median = self.median_depth_m.is_none_or(|x| x > 0.0 && x.is_finite());
        require(median, "median_depth_m", "above 0", format!("{:?}", self.median_depth_m))?;
        require((0.0..=1.0).contains(&self.painted), "painted", "0 to 1", self.painted.to_string())?;
        require((0.0..=1.0).contains(&self.photo), "photo", "0 to 1", self.photo.to_string())?;
        require((1..=8).contains(&self.rays), "rays", "1 to 8", self.rays.to_string())
    }
}
