//! Places compared by learned features.

use candle_core::{DType, Device, Tensor};

use crate::Result;

/// Features with the channels of a cell side by side.
#[derive(Debug)]
pub(super) struct FeatureMaps {
    /// `[batch, h·w, c]`.
    target: Vec<f32>,
    /// `[batch · count, h·w, c]`.
    neighbours: Vec<f32>,
    channels: usize,
    height: usize,
    width: usize,
}

/// The distance at which a match is as likely wrong as right.
const HALF: f32 = 4.0;

impl FeatureMaps {
    pub(super) fn new(target: &Tensor, neighbours: &Tensor) -> Result<Self> {
        let (_, channels, height, width) = target.dims4()?;
        let side_by_side = |x: &Tensor| -> Result<Vec<f32>> {
            let x = x.detach().to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
            Ok(x.flatten_from(2)?.transpose(1, 2)?.flatten_all()?.to_vec1()?)
        };
        Ok(Self {
            target: side_by_side(target)?,
            neighbours: side_by_side(neighbours)?,
            channels,
            height,
            width,
        })
    }

    /// `d / (d + 4)` with `d = ‖a − b‖² / √channels`, the distance of the matching loss: between 0 and 1, so that one
    /// wrong match does not outweigh many right ones (Geman & McClure 1985).
    pub(super) fn cost(&self, b: usize, pair: usize, (y, x): (usize, usize), at: (f32, f32)) -> Option<f32> {
        let (height, width, channels) = (self.height, self.width, self.channels);
        // Up to half a cell beyond the outermost middles is still picture. NaN fails the comparisons.
        let inside = |at: f32, count: usize| at >= -0.5 && at <= count as f32 - 0.5;
        if !(inside(at.0, width) && inside(at.1, height)) {
            return None;
        }
        let (column, row) = (at.0.clamp(0.0, width as f32 - 1.0), at.1.clamp(0.0, height as f32 - 1.0));
        let (left, top) = (column as usize, row as usize);
        let (right, below) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
        let (u, v) = (column - left as f32, row - top as f32);
        let plane = height * width * channels;
        let target = &self.target[b * plane + (y * width + x) * channels..][..channels];
        let neighbour = &self.neighbours[pair * plane..][..plane];
        let corner = |row: usize, column: usize| &neighbour[(row * width + column) * channels..][..channels];
        let corners = [corner(top, left), corner(top, right), corner(below, left), corner(below, right)];
        let weights = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
        let distance = squares(target, corners, weights) / (channels as f32).sqrt();
        Some(distance / (distance + HALF))
    }
}

/// `Σ (target − Σ weight · corner)²`, in eight sums, which the compiler keeps in one register.
fn squares(target: &[f32], corners: [&[f32]; 4], weights: [f32; 4]) -> f32 {
    const LANES: usize = 8;
    let [p, q, r, s] = corners.map(|corner| corner.chunks_exact(LANES));
    let mut sums = [0f32; LANES];
    for ((((a, p), q), r), s) in target.chunks_exact(LANES).zip(p).zip(q).zip(r).zip(s) {
        for i in 0..LANES {
            let sample = p[i] * weights[0] + q[i] * weights[1] + r[i] * weights[2] + s[i] * weights[3];
            let difference = a[i] - sample;
            sums[i] += difference * difference;
        }
    }
    let whole = target.len() / LANES * LANES;
    let rest = (whole..target.len()).map(|i| {
        let sample: f32 = corners.iter().zip(weights).map(|(corner, weight)| corner[i] * weight).sum();
        (target[i] - sample).powi(2)
    });
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}
