//! How many units of one window make a unit of another.

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Point2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Map;

/// About this many pixels of a map are looked at; a median needs no more.
const SAMPLES: usize = 20_000;

/// A robust ratio of depths.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The median.
    pub value: f64,
    /// Relative spread: 1.4826 times the median absolute deviation of the logarithm, the standard deviation if errors
    /// were normal.
    pub spread: f64,
    /// Pixels that agree within three spreads.
    pub pixels: usize,
}

impl Ratio {
    /// The other way round.
    pub(super) fn inverse(self) -> Self {
        Self { value: self.value.recip(), ..self }
    }
}

/// The logarithms of `z / d` for the target's points that the neighbour sees: `z` is a point's depth moved to the
/// neighbour's camera (the target window's unit), `d` the neighbour's own depth there (its window's unit).
pub(super) fn log_ratios(
    target_inv_depth: &Map,
    neighbour_inv_depth: &Map,
    target_camera: &Pinhole,
    neighbour_camera: &Pinhole,
    neighbour_from_target: &Isometry3<f64>,
) -> Vec<f64> {
    let (height, width) = (target_inv_depth.height(), target_inv_depth.width());
    let stride = ((height * width) as f64 / SAMPLES as f64).sqrt().ceil().max(1.0) as usize;
    let rows: Vec<usize> = (0..height).step_by(stride).collect();
    rows.into_par_iter()
        .flat_map_iter(|row| {
            (0..width).step_by(stride).filter_map(move |column| {
                let inverse = target_inv_depth.at(row, column).filter(|x| *x > 0.0 && x.is_finite())?;
                let pixel = Point2::new(column as f64, row as f64);
                let point =
                    neighbour_from_target * target_camera.backproject(&pixel, 1.0 / f64::from(inverse));
                let seen = sampled(neighbour_inv_depth, &neighbour_camera.project(&point)?)?;
                // z / d = z · (1/d)
                Some((point.z * seen).ln()).filter(|ratio| ratio.is_finite())
            })
        })
        .collect()
}

/// The median of the ratios, taken again over those within three spreads of it; `None` if fewer than `min_pixels`
/// remain.
pub(super) fn robust(mut log_ratios: Vec<f64>, min_pixels: usize) -> Option<Ratio> {
    let first = median(&mut log_ratios)?;
    let mut deviations: Vec<f64> = log_ratios.iter().map(|x| (x - first).abs()).collect();
    let spread = 1.4826 * median(&mut deviations)?;
    log_ratios.retain(|x| (x - first).abs() <= 3.0 * spread + 1e-9);
    let second = median(&mut log_ratios)?;
    let ratio = Ratio { value: second.exp(), spread, pixels: log_ratios.len() };
    (ratio.pixels >= min_pixels.max(1) && ratio.value > 0.0 && ratio.value.is_finite()).then_some(ratio)
}

/// Inverse depth between four pixels, bilinear; `None` outside, or where one of the four has none. (Of a plane,
/// inverse depth is linear in the pixel, depth is not.)
pub(super) fn sampled(inv_depth: &Map, at: &Point2<f64>) -> Option<f64> {
    inv_depth.between([at.x, at.y], |x| x > 0.0 && x.is_finite())
}

fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}
