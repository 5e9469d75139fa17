//! What a network was made and trained for.

use dro_core::Coupling;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, cost::ProbeConfig};

/// Images are halved four times, so their sides are multiples of this.
const SIDE_STEP: usize = 16;

/// Where a run starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartValues {
    /// Where the network's own heads say.
    #[default]
    Heads,
    /// Where the search without weights ends ([`PatchMatchSolver`](crate::patchmatch::PatchMatchSolver)); training starts
    /// near the truth instead.
    Search,
}

/// The published network's settings, stored with its weights.
///
/// The default is the published ScanNet network (`it12-h-out`, 0.2 to 10 m, 240x320).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Channels of the hidden states, a multiple of 8 from 16 on; 128 or 64 in published checkpoints.
    pub hidden: usize,
    /// Channels of the image encoders at 1/4, 1/8 and 1/16 of the image, multiples of 8; published: those of ResNet-18.
    pub encoder: [usize; 3],
    /// Updates of each block in all stages together, a multiple of `updates_per_stage`; 0 leaves the start values.
    pub updates: usize,
    /// Updates of each block in one stage, at least 1.
    pub updates_per_stage: usize,
    /// Whether training put a loss on every update instead of on the last of each stage.
    pub intermediate: bool,
    /// Whether the network's output x in [0, 1] is spread over the depth range:
    /// inverse depth = 1/max + (1/min − 1/max)·x in 1/m. Otherwise x itself is the inverse depth.
    pub scaled_range: bool,
    /// Smallest depth in metres, above 0.
    pub min_depth_m: f64,
    /// Largest depth in metres, above `min_depth_m`.
    pub max_depth_m: f64,
    /// The median depth of every target of the training in metres, if it was always the same: scale cannot be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_depth_m: Option<f64>,
    /// Height and width in pixels of the images it was trained on, multiples of 16.
    pub image_size: (usize, usize),
    /// What the pose heads' Euler angles are multiplied by, above 0; 0.01 in published checkpoints.
    pub rotation_scale: f64,
    /// Whether one encoder serves features and contexts, and one upsampling mask all predictions; published networks have
    /// three, and a mask for each.
    #[serde(skip_serializing_if = "is_default")]
    pub shared_context: bool,
    /// If set, rules see the cost at probes around the point ([`ProbedCost`](crate::cost::ProbedCost)), not the published
    /// cost map, and depth moves by parts of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<ProbeConfig>,
    /// Where a run starts.
    #[serde(skip_serializing_if = "is_default")]
    pub start: StartValues,
    /// Whether poses stay where they start, and only depth is updated.
    #[serde(skip_serializing_if = "is_default")]
    pub fixed_poses: bool,
    /// Of runs that start where the search ends: how much nearer the network's depth may be than the search's, as the logarithm of
    /// their ratio, and still be half believed. Depth comes nearer by half of this at most, and never goes farther; 0: the network is
    /// believed whatever it says.
    #[serde(skip_serializing_if = "is_believed")]
    pub believed: f64,
    /// Whether a run of more than `updates` updates [settles](dro_core::Schedule::gain).
    #[serde(skip_serializing_if = "is_default")]
    pub settles: bool,
    /// What depth updates see of the poses within a stage, and the other way round.
    pub coupling: Coupling,
}

/// What published networks have is not written, so that files from before it could be set are read.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What is between the best for generated scenes (more) and for recorded ones (less): docs/results.md.
const BELIEVED: f64 = 0.35;

fn is_believed(value: &f64) -> bool {
    *value == BELIEVED
}

impl Default for ModelConfig {
    /// The published indoor network, with the coupling that the paper describes; imported checkpoints are Jacobi
    /// ([`ModelConfig::from_version`]).
    fn default() -> Self {
        Self {
            hidden: 128,
            encoder: [64, 128, 256],
            updates: 12,
            updates_per_stage: 4,
            intermediate: false,
            scaled_range: true,
            min_depth_m: 0.2,
            max_depth_m: 10.0,
            median_depth_m: None,
            image_size: (240, 320),
            rotation_scale: 0.01,
            shared_context: false,
            probes: None,
            start: StartValues::Heads,
            fixed_poses: false,
            believed: BELIEVED,
            settles: false,
            coupling: Coupling::GaussSeidel,
        }
    }
}

impl ModelConfig {
    /// Checks every range that the fields state.
    pub fn validate(&self) -> Result<()> {
        let require = |holds: bool, name: &str, expected: &str, found: String| {
            if holds { Ok(()) } else { Err(Error::argument(name, expected, found)) }
        };
        let (height, width) = self.image_size;
        let (min, max) = (self.min_depth_m, self.max_depth_m);
        let side = |n: usize| n > 0 && n.is_multiple_of(SIDE_STEP);
        let channels = |n: usize| (8..=1024).contains(&n) && n.is_multiple_of(8);
        require(
            channels(self.hidden) && self.hidden >= 16,
            "hidden",
            "a multiple of 8, 16 to 1024",
            self.hidden.to_string(),
        )?;
        require(
            self.encoder.into_iter().all(channels),
            "encoder",
            "three multiples of 8, 8 to 1024",
            format!("{:?}", self.encoder),
        )?;
        require(self.updates_per_stage > 0, "updates_per_stage", "at least 1", "0".into())?;
        require(
            self.updates.is_multiple_of(self.updates_per_stage),
            "updates",
            "a multiple of updates_per_stage",
            format!("{} with {} per stage", self.updates, self.updates_per_stage),
        )?;
        require(min.is_finite() && min > 0.0, "min_depth_m", "a finite number above 0", min.to_string())?;
        require(
            max.is_finite() && max > min,
            "max_depth_m",
            "a finite number above min_depth_m",
            format!("{max} with min_depth_m {min}"),
        )?;
        let rotation = self.rotation_scale;
        require(
            rotation.is_finite() && rotation > 0.0,
            "rotation_scale",
            "a finite number above 0",
            rotation.to_string(),
        )?;
        require(
            self.median_depth_m.is_none_or(|median| (min..=max).contains(&median)),
            "median_depth_m",
            "between min_depth_m and max_depth_m",
            format!("{:?}", self.median_depth_m),
        )?;
        require(
            self.believed.is_finite() && self.believed >= 0.0,
            "believed",
            "a finite number, at least 0",
            self.believed.to_string(),
        )?;
        if let Some(probes) = &self.probes {
            probes.validate()?;
        }
        require(
            side(height) && side(width),
            "image_size",
            "a height and width that are multiples of 16",
            format!("{height}x{width}"),
        )
    }

    /// The median depth of the training's targets, or the middle of the range where none was set, metres.
    pub(crate) fn middle_depth_m(&self) -> f64 {
        self.median_depth_m.unwrap_or((self.min_depth_m * self.max_depth_m).sqrt())
    }

    /// Stages: `updates / updates_per_stage`, and 0 if the latter is 0.
    pub fn stages(&self) -> usize {
        self.updates.checked_div(self.updates_per_stage).unwrap_or(0)
    }

    /// The settings that a published version string stands for; depths in metres, size as (height, width).
    ///
    /// The string is `itN` (N updates in all), then in any order `-seqK` (K per stage, 4 if absent), `-h` (hidden size
    /// 128 instead of 64), `-inter` (losses on every update) and `-out` (scaled range). As in the published code an N
    /// that is not a multiple of K is rounded down to one. The coupling is Jacobi, which the published code computes.
    /// Only checkpoints are read with this; our own files name every setting.
    pub fn from_version(
        version: &str,
        min_depth_m: f64,
        max_depth_m: f64,
        image_size: (usize, usize),
    ) -> Result<Self> {
        let wrong = |found: String| {
            let expected = "itN and then any of -seqK, -h, -inter, -out, each once (such as it12-h-out)";
            Error::argument("version", expected, found)
        };
        let number = |part: &str, prefix: &str| part.strip_prefix(prefix)?.parse::<usize>().ok();
        let mut config = Self {
            hidden: 64,
            updates_per_stage: 4,
            intermediate: false,
            scaled_range: false,
            min_depth_m,
            max_depth_m,
            image_size,
            coupling: Coupling::Jacobi,
            ..Self::default()
        };
        let mut parts = version.split('-');
        let updates = parts
            .next()
            .and_then(|part| number(part, "it"))
            .ok_or_else(|| wrong(format!("{version:?}, which does not start with itN")))?;
        let mut seen: Vec<&str> = Vec::new();
        for part in parts {
            let kind = match part {
                "h" => {
                    config.hidden = 128;
                    "h"
                }
                "inter" => {
                    config.intermediate = true;
                    "inter"
                }
                "out" => {
                    config.scaled_range = true;
                    "out"
                }
                _ => match number(part, "seq") {
                    Some(per_stage) if per_stage > 0 => {
                        config.updates_per_stage = per_stage;
                        "seq"
                    }
                    _ => return Err(wrong(format!("{part:?} in {version:?}"))),
                },
            };
            if seen.contains(&kind) {
                return Err(wrong(format!("{kind:?} twice in {version:?}")));
            }
            seen.push(kind);
        }
        config.updates = updates - updates % config.updates_per_stage;
        config.validate()?;
        Ok(config)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (320, 960);

    fn parsed(version: &str) -> ModelConfig {
        ModelConfig::from_version(version, 0.5, 80.0, SIZE).unwrap()
    }

    #[test]
    fn published_versions_are_understood() {
        let kitti = ModelConfig {
            scaled_range: false,
            min_depth_m: 0.5,
            max_depth_m: 80.0,
            image_size: SIZE,
            coupling: Coupling::Jacobi,
            ..Default::default()
        };
        assert_eq!(parsed("it12-h"), kitti);
        assert_eq!(parsed("it12-h-out"), ModelConfig { scaled_range: true, ..kitti.clone() });
        let self_supervised =
            ModelConfig { hidden: 64, updates: 8, intermediate: true, scaled_range: true, ..kitti.clone() };
        assert_eq!(parsed("it8-seq4-inter-out"), self_supervised);
        assert_eq!(parsed("it0").updates, 0);
        let uneven = parsed("it16-seq5-h");
        assert_eq!((uneven.updates, uneven.updates_per_stage, uneven.stages()), (15, 5, 3));
    }

    #[test]
    fn the_default_is_the_scannet_network_with_the_papers_coupling() {
        let scannet = ModelConfig::from_version("it12-h-out", 0.2, 10.0, (240, 320)).unwrap();
        let default = ModelConfig::default();
        assert_eq!((scannet.coupling, default.coupling), (Coupling::Jacobi, Coupling::GaussSeidel));
        assert_eq!(scannet, ModelConfig { coupling: Coupling::Jacobi, ..default });
        assert_eq!(scannet.stages(), 3);
    }

    #[test]
    fn other_versions_are_errors_that_show_the_part() {
        for (version, found) in [
            ("", "does not start with itN"),
            ("12-h", "does not start with itN"),
            ("it-h", "does not start with itN"),
            ("h-it12", "does not start with itN"),
            ("it99999999999999999999", "does not start with itN"),
            ("it12-hout", "\"hout\""),
            ("it12-seq0", "\"seq0\""),
            ("it12-seq", "\"seq\""),
            ("it12--h", "\"\""),
            ("it12-h-h", "\"h\" twice"),
            ("it12-seq2-seq4", "\"seq\" twice"),
        ] {
            let message = ModelConfig::from_version(version, 0.2, 10.0, SIZE).unwrap_err().to_string();
            assert!(message.starts_with("version: expected itN") && message.contains(found), "{message}");
        }
    }

    #[test]
    fn ranges_are_checked_by_name() {
        let good = ModelConfig::default();
        good.validate().unwrap();
        for (name, bad) in [
            ("hidden", ModelConfig { hidden: 100, ..good.clone() }),
            ("encoder", ModelConfig { encoder: [64, 12, 64], ..good.clone() }),
            ("updates_per_stage", ModelConfig { updates_per_stage: 0, ..good.clone() }),
            ("updates", ModelConfig { updates: 13, ..good.clone() }),
            ("min_depth_m", ModelConfig { min_depth_m: 0.0, ..good.clone() }),
            ("min_depth_m", ModelConfig { min_depth_m: f64::NAN, ..good.clone() }),
            ("max_depth_m", ModelConfig { max_depth_m: 0.2, ..good.clone() }),
            ("max_depth_m", ModelConfig { max_depth_m: f64::INFINITY, ..good.clone() }),
            ("image_size", ModelConfig { image_size: (240, 321), ..good.clone() }),
            ("image_size", ModelConfig { image_size: (0, 320), ..good.clone() }),
        ] {
            let message = bad.validate().unwrap_err().to_string();
            assert!(message.starts_with(&format!("{name}: expected ")), "{message}");
        }
    }

    #[test]
    fn json_round_trips_and_unknown_keys_are_errors() {
        let config = parsed("it8-seq2-inter-out");
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ModelConfig>(&json).unwrap(), config);
        assert!(serde_json::from_str::<ModelConfig>(r#"{"hiden": 64}"#).is_err());
    }
}
