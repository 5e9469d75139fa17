//! From the network's unscaled inverse depth to inverse depth in 1/m.

use candle_core::{Result, Tensor};

use crate::weights::ModelConfig;

/// How the network's number x is read as inverse depth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InverseDepthRange {
    /// x itself ("raw sigmoid"; the published KITTI networks).
    Raw,
    /// 1/max + (1/min − 1/max)·x (`out` in published version strings).
    Scaled {
        /// Nearest depth, metres.
        min_depth_m: f64,
        /// Farthest depth, metres.
        max_depth_m: f64,
    },
}

impl InverseDepthRange {
    /// The range that the configuration asks for.
    pub fn of(config: &ModelConfig) -> Self {
        if config.scaled_range {
            Self::Scaled { min_depth_m: config.min_depth_m, max_depth_m: config.max_depth_m }
        } else {
            Self::Raw
        }
    }

    /// Inverse depth in 1/m, of any shape. Nothing is clamped.
    pub fn scale(&self, x: &Tensor) -> Result<Tensor> {
        match *self {
            Self::Raw => Ok(x.clone()),
            Self::Scaled { .. } => {
                let (scale, shift) = self.scale_and_shift();
                x.affine(scale, shift)
            }
        }
    }

    /// `(a, b)` with inverse depth a·x + b.
    pub(crate) fn scale_and_shift(&self) -> (f64, f64) {
        match *self {
            Self::Raw => (1.0, 0.0),
            Self::Scaled { min_depth_m, max_depth_m } => {
                let farthest = max_depth_m.recip();
                (min_depth_m.recip() - farthest, farthest)
            }
        }
    }
}
