//! Placeholder until the branch `vision` is merged.

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Pinhole, Result};

/// Radial and tangential lens distortion.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrownConrady {
    /// Radial, r².
    pub k1: f64,
    /// Radial, r⁴.
    pub k2: f64,
    /// Tangential.
    pub p1: f64,
    /// Tangential.
    pub p2: f64,
    /// Radial, r⁶.
    pub k3: f64,
}

impl BrownConrady {
    /// Where each undistorted pixel lies in the distorted image, `[1, h, w, 2]`, (column, row).
    pub fn undistortion_coords(&self, camera: &Pinhole, h: usize, w: usize) -> Result<Tensor> {
        let mut coords = Vec::with_capacity(2 * h * w);
        for v in 0..h {
            for u in 0..w {
                let (x, y) = ((u as f64 - camera.cx) / camera.fx, (v as f64 - camera.cy) / camera.fy);
                let r2 = x * x + y * y;
                let radial = 1.0 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3));
                let xd = x * radial + 2.0 * self.p1 * x * y + self.p2 * (r2 + 2.0 * x * x);
                let yd = y * radial + self.p1 * (r2 + 2.0 * y * y) + 2.0 * self.p2 * x * y;
                coords.push((camera.fx * xd + camera.cx) as f32);
                coords.push((camera.fy * yd + camera.cy) as f32);
            }
        }
        Ok(Tensor::from_vec(coords, (1, h, w, 2), &Device::Cpu)?)
    }
}
